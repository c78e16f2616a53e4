"""fairseq's flags of decoding, made from `DecodingOptions`, and the way back.

fairseq has some of the options itself, under its own names: `--iter-decode-max-iter`
for `passes`. The others become flags of our tasks. Options of fairseq's that a parallel
decoder cannot serve are refused instead of ignored.
"""

import re
from argparse import Namespace
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import field, fields, make_dataclass
from typing import Any, TypeAlias, Union

from fairseq.dataclass import FairseqDataclass
from fairseq.dataclass.configs import GenerationConfig

from .options import LATENT, OPTIONS, DecodingOptions, default_of, type_of

# All of fairseq's options, or some of them.
Given: TypeAlias = Union[GenerationConfig, Namespace]
OURS = tuple(k for k, one in OPTIONS.items() if not one.fairseq and not one.engine)
THEIRS = {name: option.fairseq for name, option in OPTIONS.items() if option.fairseq}

DecodingConfig: Any = make_dataclass(
    "DecodingConfig",
    [
        (
            name,
            type_of(name),
            field(default=default_of(name), metadata={"help": OPTIONS[name].help}),
        )
        for name in OURS
    ],
    bases=(FairseqDataclass,),
    namespace={"__doc__": "The flags of decoding that fairseq does not have itself."},
)
DecodingConfig.__module__ = __name__

# fairseq's own generation flags and their defaults. `beam` has a rule of its own, and
# the others here are served by fairseq's commands, from what a generator returns.
DEFAULTS = {one.name: one.default for one in fields(GenerationConfig)}
OF_COMMANDS = ("beam", "print_step", "sacrebleu", "no_seed_provided", "no_beamable_mm")
OF_LATENT_MODELS = ("nbest", "sampling", "score_reference", *THEIRS.values())


def read_flags(args: Given, cfg: FairseqDataclass) -> DecodingOptions:
    """Returns the options of a latent model: of the call, then of the task.

    Args:
        args: fairseq's generation options, or some of them.
        cfg: the task's options.

    Raises:
        ValueError: for a value out of range, naming fairseq's flag.
    """
    values: dict[str, Any] = {}
    for name in LATENT:
        for holder in (args, cfg):
            value = getattr(holder, OPTIONS[name].fairseq or name, None)
            if value is not None:
                values[name] = converted(name, value)
                break
    if getattr(args, "sampling", False):
        values["code_search"] = "sample"
    with named_as_flags():
        return DecodingOptions(**values).at_once()


def converted(name: str, value: object) -> object:
    """Returns one of fairseq's values as one of ours."""
    if name == "teacher":  # the last of the models that fairseq has loaded
        return "--path" if value else None
    # fairseq's own defaults of floats are whole numbers, and the other way round.
    if type_of(name) is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def write_flags(options: DecodingOptions) -> Namespace:
    """Returns the options as fairseq's tasks read them."""
    values = {OPTIONS[k].fairseq or k: getattr(options, k) for k in OPTIONS}
    values[THEIRS["teacher"]] = options.teacher is not None
    return Namespace(**values)


@contextmanager
def named_as_flags() -> Iterator[None]:
    """Lets errors call the options by fairseq's names."""
    try:
        yield
    except ValueError as error:
        text = re.sub(r"`(\w+)`", lambda m: f"`{THEIRS.get(m[1], m[1])}`", str(error))
        raise ValueError(text) from None


def refuse_ignored(args: Given, served: Collection[str], model: str) -> None:
    """Refuses fairseq's options that would change nothing.

    Args:
        args: fairseq's generation options, or some of them.
        served: the names of those that change something.
        model: what cannot serve the others.

    Raises:
        ValueError: naming the first one whose value is not fairseq's default.
    """
    for name, default in DEFAULTS.items():
        value = getattr(args, name, None)
        if name in served or name in OF_COMMANDS or value is None or value == default:
            continue
        raise ValueError(
            f"`{name}` must be {default!r}, fairseq's default, but is {value!r} "
            f"instead: {model} cannot serve it."
        )
    if isinstance(args, Namespace):
        known = {*DEFAULTS, *OPTIONS}
        for name in vars(args).keys() - known:
            raise ValueError(
                f"generation options must be among {', '.join(sorted(known))}, but "
                f"one is {name!r} instead."
            )


def settle_beam(args: Given, candidates: int) -> None:
    """Refuses a beam of words, and has fairseq report the candidates as its beam.

    fairseq's default of 5 cannot be told from a 5 that was asked for.

    Raises:
        ValueError: for another number than that of the candidates.
    """
    beam = getattr(args, "beam", None)
    if beam not in (None, 1, candidates, DEFAULTS["beam"]):
        raise ValueError(
            f"`beam` must be left out, or be `iter_decode_with_beam` ({candidates}), "
            f"but is {beam} instead: all words are written at once."
        )
    if beam is not None:
        args.beam = candidates


def settle_passes(args: Given, *, serves: bool) -> None:
    """Takes fairseq's default number of passes for none where there can be none.

    Its default of 10 cannot be told from a 10 that was asked for; any other number is
    left to who refuses it.

    Args:
        args: fairseq's generation options, or some of them.
        serves: whether the model can improve its own output.
    """
    name = "iter_decode_max_iter"
    if not serves and getattr(args, name, None) == DEFAULTS[name]:
        setattr(args, name, 0)
