"""Every option of decoding: its name, default, choices, range and help.

This is their one home. fairseq's flags (`flags`), the command line (`vq_nat.cli`),
Python's keywords (`Translator.load`) and the settings of an exported model are made
from `DecodingOptions`. Neither torch nor fairseq is imported, so that the engine can
read this module without them, see `vq_nat.light`.
"""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from math import inf, isfinite
from types import MappingProxyType
from typing import Any, Optional, get_args

from vq_nat.autocasts import AUTOCAST_HELP, AUTOCASTS  # absolute: it is loaded alone

LARGEST = 2**31 - 1  # no number of words, candidates or passes is larger
# Instead of its own prediction the model is given what the references have.
NEED_REFERENCES = ("true_codes", "true_latents")


@dataclass(frozen=True)
class Option:
    """What is said of an option beside its name, type and default."""

    help: str
    choices: tuple[str, ...] = ()
    least: Optional[float] = None  # the smallest value
    above: Optional[float] = None  # smaller than all values
    most: int = LARGEST  # of either sign
    fairseq: str = ""  # fairseq's own name for it; empty = a flag of our tasks
    flag: str = ""  # its name on the command line, if that is another
    latent: bool = True  # of latent models; otherwise of autoregressive ones
    engine: bool = False  # of exported models alone


def option(default: Any, help: str, **rest: Any) -> Any:
    """Declares a field of `DecodingOptions`."""
    return field(default=default, metadata={"option": Option(help, **rest)})


@dataclass(frozen=True)
class DecodingOptions:
    """How a model decodes, checked when it is made.

    Raises:
        ValueError: for a value out of range, or options that exclude each other.
    """

    beam: int = option(
        1,
        "beam width of an autoregressive model",
        least=1,
        fairseq="beam",
        latent=False,
    )
    candidates: int = option(
        1,
        "translations to choose the best from",
        least=1,
        fairseq="iter_decode_with_beam",
    )
    code_search: str = option(
        "beam",
        "where several candidates come from; sample draws one candidate, too",
        choices=("beam", "sample", "lengths"),
        flag="search",
    )
    code_beam: int = option(
        0,
        "sequences of codes that a beam search keeps, of which the best CANDIDATES get "
        "words; 0 = no more than these",
        least=0,
    )
    temperature: float = option(
        1.0,
        "of samples: below 1 the likely ones more often",
        above=0,
        fairseq="temperature",
    )
    sampling_seed: int = option(
        1,
        "another one draws other samples; they depend on it and the sentence alone",
        most=2**63 - 1,
    )
    teacher: Optional[str] = option(
        None,
        "checkpoint of an autoregressive model that chooses among the candidates, or "
        "verifies",
        fairseq="iter_decode_with_external_reranker",
    )
    rescore: str = option(
        "model",
        "what chooses without a teacher: model (its own score) or chrf (the candidate "
        "that the others agree with most)",
        choices=("model", "chrf"),
    )
    verify: bool = option(
        False,
        "write what the teacher would have written greedily: it reads the best "
        "candidate as its draft, in fewer passes than words",
    )
    verify_best: int = option(
        1,
        "of verify: words of the draft pass that are among the teacher's N likeliest; "
        "1 = none but its own",
        least=1,
    )
    verify_margin: float = option(
        0.0,
        "of verify_best: and are at most so much less likely than the first, in nats; "
        "0 = however much",
        least=0,
    )
    lenpen: float = option(
        1.0,
        "candidates are ranked by their score / length ** LENPEN",
        least=0,
        fairseq="lenpen",
    )
    unnormalized: bool = option(
        False, "rank by the score alone, whatever the length", fairseq="unnormalized"
    )
    passes: int = option(
        0, "passes that refine the words", least=0, fairseq="iter_decode_max_iter"
    )
    refinement: str = option(
        "mask",
        "what a pass does: mask (predicts the least certain words again), latent "
        "(takes new codes from the words) or both",
        choices=("mask", "latent", "both"),
    )
    length_mode: str = option(
        "free",
        "free: the end of codes decides; ratio: LENGTH_RATIO words for each word of "
        "the source, as in the authors' code",
        choices=("free", "ratio"),
    )
    length_ratio: float = option(
        2.0, "words per source word with length mode ratio", least=0
    )
    min_length_ratio: float = option(
        0.0,
        "codes of at least so many words per source word, the last perhaps of fewer",
        least=0,
    )
    max_length_ratio: float = option(
        0.0,
        "at most so many words per source word; 0 = what no sentence needs that ends "
        "by itself: 2 for each and 20 more",
        least=0,
    )
    min_len: int = option(
        1,
        "at least so many words, their end not counted; 1 = at least one code",
        least=1,
        fairseq="min_len",
    )
    max_len_a: float = option(
        0.0,
        "at most A words for each source word and B more, the end not counted",
        least=0,
        fairseq="max_len_a",
    )
    max_len_b: int = option(
        200, "B of the longest output, see A", least=0, fairseq="max_len_b"
    )
    retain_iter_history: bool = option(
        False, "keep the words of every pass", fairseq="retain_iter_history"
    )
    shortlist: Optional[str] = option(
        None,
        "of an exported model: write only words that this file allows for the words of "
        "the source; data_prep/shortlist.py makes it",
        engine=True,
    )
    true_codes: bool = option(
        False,
        "decode from the codes of the reference, which must be given: what a perfect "
        "latent predictor would give",
    )
    true_latents: bool = option(
        False,
        "decode from the reference's latents, without codes: the ceiling, and all that "
        "a model of kind identity can decode from",
    )
    autocast: str = option("none", AUTOCAST_HELP, choices=AUTOCASTS)

    def __post_init__(self) -> None:
        for name, one in OPTIONS.items():
            check(name, getattr(self, name), one)
        self._check_lengths()
        self._check_candidates()
        self._check_verification()

    def _check_lengths(self) -> None:
        least, most = self.min_length_ratio, self.max_length_ratio
        if most and least > most:
            must = f"at most `max_length_ratio` ({most})"
            raise refused("min_length_ratio", must, least)
        if not self.max_len_a and self.min_len > self.max_len_b:
            must = f"at most `max_len_b` ({self.max_len_b})"
            raise refused("min_len", must, self.min_len)
        if self.length_mode == "ratio" and self.length_ratio == 0:
            must = "above 0 with `length_mode` 'ratio'"
            raise refused("length_ratio", must, self.length_ratio)
        if self.length_mode == "ratio" and self.code_search == "lengths":
            must = "'beam' or 'sample' with `length_mode` 'ratio'"
            raise refused("code_search", must, "lengths", ", and the length is fixed")

    def _check_candidates(self) -> None:
        given = [f"with `{k}`" for k in NEED_REFERENCES if getattr(self, k)]
        nothing = ": there is nothing to search for"
        if given and self.candidates > 1:
            raise refused("candidates", f"1 {given[0]}", self.candidates, nothing)
        if given and self.code_beam:
            raise refused("code_beam", f"0 {given[0]}", self.code_beam, nothing)
        if self.code_beam and self.code_search != "beam":
            must = "0 unless `code_search` is 'beam'"
            raise refused("code_beam", must, self.code_beam)
        if 0 < self.code_beam <= self.candidates:
            must = f"0 or above `candidates` ({self.candidates})"
            raise refused("code_beam", must, self.code_beam)
        if self.true_latents and (self.true_codes or self.passes):
            raise ValueError(
                "`true_latents` must be False with `true_codes` or refinement passes: "
                "there are no codes to go on from."
            )

    def _check_verification(self) -> None:
        if self.verify and self.teacher is None:
            raise ValueError("`teacher` must be given with `verify`, but is None.")
        if self.verify_best > 1 and not self.verify:
            raise refused("verify_best", "1 without `verify`", self.verify_best)
        if self.verify and self.shortlist is not None:
            why = ": the teacher reads what it would have written among all words"
            raise refused("shortlist", "None with `verify`", self.shortlist, why)
        if self.verify_margin and self.verify_best == 1:
            must = "0 with `verify_best` 1, which lets nothing else pass"
            raise refused("verify_margin", must, self.verify_margin)

    def at_once(self) -> "DecodingOptions":
        """Returns itself, if no later call can change the number of candidates.

        Raises:
            ValueError: for a teacher without a choice.
        """
        if self.teacher is not None and self.candidates == 1 and not self.verify:
            why = ": there is nothing to rank"
            raise refused("candidates", "above 1 with `teacher`", 1, why)
        return self

    def of_call(
        self, candidates: Optional[int], passes: Optional[int], *, parallel: bool
    ) -> "DecodingOptions":
        """Returns the options of one call; None = as they are.

        Args:
            candidates: to choose from; of an autoregressive model, its beam.
            passes: that refine the words.
            parallel: whether the model writes all words at once.

        Raises:
            ValueError: as when options are made.
        """
        asked: dict[str, Any] = {}
        if candidates is not None:
            asked["candidates" if parallel else "beam"] = candidates
        if candidates is not None and parallel and candidates >= self.code_beam:
            asked["code_beam"] = 0  # as many are kept anyway
        if passes is not None:
            asked["passes"] = passes
        return replace(self, **asked)

    @property
    def needs_references(self) -> bool:
        """Whether it decodes from codes or latents of the references: a diagnosis."""
        return self.true_codes or self.true_latents

    @property
    def length_penalty(self) -> float:
        """α of scores / length^α."""
        return 0.0 if self.unnormalized else self.lenpen

    def changed(self) -> dict[str, Any]:
        """Returns what differs from plain decoding, by name."""
        values = asdict(self)
        return {k: v for k, v in values.items() if v != default_of(k)}


OPTIONS: Mapping[str, Option] = MappingProxyType(
    {one.name: one.metadata["option"] for one in fields(DecodingOptions)}
)
_FIELDS = {one.name: one for one in fields(DecodingOptions)}


def default_of(name: str) -> object:
    """Returns the default of an option."""
    default = _FIELDS[name].default
    assert default is not MISSING
    return default


def type_of(name: str) -> type:
    """Returns the type of an option's values; of `Optional[str]`, str."""
    kind: Any = _FIELDS[name].type
    return get_args(kind)[0] if get_args(kind) else kind


def options_from(values: Mapping[str, Any]) -> DecodingOptions:
    """Makes the options of values by name.

    Raises:
        ValueError: for a name that does not exist, or a value that cannot be.
    """
    for name in values:
        if name not in OPTIONS:
            raise ValueError(
                f"decoding options must be among {', '.join(OPTIONS)}, "
                f"but one is {name!r} instead."
            )
    return DecodingOptions(**values)


LATENT = tuple(k for k, one in OPTIONS.items() if one.latent and not one.engine)
LIMITS = ("min_len", "max_len_a", "max_len_b")
AUTOREGRESSIVE = ("beam", "temperature", "lenpen", "unnormalized", *LIMITS, "autocast")
PARALLEL = ("candidates", "passes", "teacher", "retain_iter_history")


def refuse_others(
    options: DecodingOptions, served: Collection[str], model: str
) -> None:
    """Refuses options that would change nothing.

    Args:
        options: those that are asked for.
        served: the names of those that a model serves.
        model: what kind of model it is.

    Raises:
        ValueError: naming the option.
    """
    for name, value in options.changed().items():
        if name not in served:
            hint = ": use `candidates`" if name == "beam" else ""
            if OPTIONS[name].engine:
                hint = ": export it with `vq-nat export`"
            raise refused(name, f"{default_of(name)!r} for {model}", value, hint)


def refuse_idle_temperature(options: DecodingOptions) -> None:
    """Refuses, by ValueError, a temperature where a latent model draws nothing."""
    if options.temperature != 1 and options.code_search != "sample":
        must = "1 unless `code_search` is 'sample'"
        why = ": only samples are drawn at a temperature"
        raise refused("temperature", must, options.temperature, why)


def refused(name: str, must: str, value: object, why: str = "") -> ValueError:
    """Says what an option must be, but is not."""
    return ValueError(f"`{name}` must be {must}, but is {value!r} instead{why}.")


def check(name: str, value: object, one: Option) -> None:
    """Refuses a value that an option cannot have.

    Raises:
        ValueError: naming the option.
    """

    def refuse(must: str) -> None:
        raise refused(name, must, value)

    kind = type_of(name)
    if one.choices:
        if value not in one.choices:
            refuse(f"one of {', '.join(one.choices)}")
    elif kind is str:
        if value is not None and not isinstance(value, str):
            refuse("a path or None")
    elif kind is bool:
        if not isinstance(value, bool):
            refuse("True or False")
    elif kind is int and (isinstance(value, bool) or not isinstance(value, int)):
        refuse("a whole number")
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        refuse("a number")
    elif one.most < abs(value) < inf:
        refuse(f"from {-one.most} to {one.most}")
    elif one.above is not None and not (value > one.above and isfinite(value)):
        refuse(f"above {one.above} and finite")
    elif one.least is not None and not (value >= one.least and isfinite(value)):
        finite = "" if kind is int else " and finite"
        refuse(f"at least {one.least}{finite}")
