"""Owns the types that matrix products may be run in."""

AUTOCASTS = ("none", "auto", "bfloat16", "float16")
AUTOCAST_HELP = (
    "run matrix products in this type: none, auto (bfloat16 where the hardware "
    "multiplies it), bfloat16 or float16; bottleneck, norms and losses stay float32"
)
