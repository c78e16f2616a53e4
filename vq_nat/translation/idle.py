"""Owns which options change nothing beside others: a training refuses them."""

from __future__ import annotations

from .config import NONE, POSITIONS, WORDS, VQEMTransformerConfig

OF_COMPRESSOR = (
    "compressor_word_dropout",
    "compressor_shuffle",
    "compressor_dropout",
    "compressor_source_attention",
)
OF_PREDICTOR = ("predictor_dropout", "latent_predictor")


def idle_options(cfg: VQEMTransformerConfig) -> dict[str, str]:
    """Returns the options that change nothing beside others, and beside which.

    Sizes that presets give to every kind of codes are not among them.
    """
    idle: dict[str, str] = {}
    kind = f"`vq_kind` {cfg.vq_kind!r}"
    if cfg.vq_kind in (WORDS, NONE):
        idle |= dict.fromkeys(OF_COMPRESSOR, kind)
    if cfg.vq_kind == NONE:
        idle |= dict.fromkeys(OF_PREDICTOR, kind)
    if not cfg.vq_prior_weight and not cfg.vq_rate_weight:
        without = "`vq_prior_weight` and `vq_rate_weight` 0"
        idle |= dict.fromkeys(("vq_prior_start", "vq_prior_updates"), without)
    if cfg.alignment == POSITIONS:
        idle["alignment_doublings"] = f"`alignment` {POSITIONS!r}"
    return idle


def check_idle(cfg: VQEMTransformerConfig) -> None:
    """Refuses options that a training would ignore; older checkpoints may have them.

    Raises:
        ValueError: naming the option.
    """
    for name, beside in idle_options(cfg).items():
        value = getattr(cfg, name)
        default = VQEMTransformerConfig.__dataclass_fields__[name].default
        if value != default:
            raise ValueError(
                f"`{name}` must be {default!r} with {beside}, but is {value!r} "
                "instead: it would change nothing."
            )
