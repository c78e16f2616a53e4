"""The door of the room: continuous to discrete to continuous. It needs only torch.

config.py            the options
base.py              what all members share, and the one that does nothing
vector_quantizer.py  vector quantization by expectation maximization, of which
    assign.py        is the E-step and
    codebook.py      the M-step
semhash.py           improved semantic hashing
gumbel.py            Gumbel-softmax
slices.py            product quantization
usage.py             perplexity, dead codes, entropy
"""

from typing import Any

from .base import Bottleneck, BottleneckOutput, IdentityBottleneck
from .config import BottleneckConfig, plain_config
from .gumbel import GumbelSoftmax
from .semhash import SemanticHashing
from .vector_quantizer import VectorQuantizer

__all__ = ["Bottleneck", "BottleneckConfig", "BottleneckOutput", "build_bottleneck"]

_MEMBERS: dict[str, type[Bottleneck]] = {
    "vq": VectorQuantizer,
    "semhash": SemanticHashing,
    "gumbel": GumbelSoftmax,
    "identity": IdentityBottleneck,
}


def build_bottleneck(config: Any, width: int) -> Bottleneck:
    """Builds the bottleneck that the options describe.

    Args:
        config: A `BottleneckConfig`, or any object with its fields as attributes.
        width: Width C of the vectors to quantize.

    Raises:
        ValueError: If an option is out of its range.
    """
    options = plain_config(config)
    options.validate(width)
    return _MEMBERS[options.vq_kind](options, width)
