"""All that is fairseq's: its versions, and its steps around an update."""

from .late import late_modules

with late_modules():
    import fairseq  # noqa: F401
