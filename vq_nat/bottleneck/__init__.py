"""The door of the room: continuous to discrete to continuous. It needs only torch.

config.py            the options
validity.py          how they are refused
members.py           the members by name, and how others add theirs
base.py              what all members share, and the one that does nothing
vector_quantizer.py  vector quantization by expectation maximization, of which
    assign.py        is the E-step,
    residual.py      that of slices which add up,
    gradients.py     how gradients pass it,
    codebook.py      the M-step,
    linear_codebook.py   that of SimVQ,
    weights.py       what the one hands to the other,
    space.py         the space of the codes,
    prior.py         what a predictor says of the codes,
    noise.py         codes that are nearly right,
    data_init.py     and the first codebook
learned.py           what the members without an M-step share:
    bits.py          codes that are bits, of
    semhash.py       improved semantic hashing and
    lfq.py           lookup-free quantization
    gumbel.py        Gumbel-softmax
    fsq.py           finite scalar quantization
schedule.py          temperature and samples over the training
slices.py            product quantization
usage.py             perplexity and other figures
watch.py             codes out of use, and the warning on collapse
workers.py           the talk between data-parallel workers
"""

from typing import Any

from . import fsq, gumbel, lfq, semhash, vector_quantizer  # noqa: F401  by name
from .base import Bottleneck, BottleneckOutput
from .config import BottleneckConfig, plain_config
from .gradients import straight_through
from .members import MEMBERS, register_bottleneck
from .prior import Prior
from .usage import perplexity, used_share

__all__ = [
    "Bottleneck",
    "BottleneckConfig",
    "BottleneckOutput",
    "Prior",
    "build_bottleneck",
    "member",
    "perplexity",
    "register_bottleneck",
    "straight_through",
    "used_share",
]


def member(kind: str) -> type[Bottleneck]:
    """Returns the class of a kind.

    Raises:
        ValueError: if there is none.
    """
    return MEMBERS.get(kind)


def build_bottleneck(config: Any, width: int) -> Bottleneck:
    """Builds the bottleneck that the options describe.

    Args:
        config: A `BottleneckConfig`, or any object with its fields as attributes.
        width: width C of the vectors to quantize.

    Raises:
        ValueError: if an option is out of its range.
    """
    options = plain_config(config)
    options.validate(width)
    return member(options.vq_kind)(options, width)
