"""Python's door to an exported model: text in, text out, without torch and fairseq."""

import time
from collections.abc import Iterable, Iterator, Sequence
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..files import reading
from ..inspected import Codes, CodeStep, Inspection, Rival, check_codes
from ..light import light_module
from ..text.codec import IndexCodec, Limits
from ..text.copying import dictionary_name
from ..text.dictionary import Dictionary
from ..translated import (
    EMPTY,
    Asked,
    Hypothesis,
    TextDoor,
    check_whole_number,
    in_pieces,
    join,
    refuse_beyond,
)
from . import MOST_THREADS, all_threads, engine
from .folder import WEIGHTS, languages_of, read_description
from .refusals import check_teacher, refuse_many, refuse_passes
from .shortlist import read_shortlist

if TYPE_CHECKING:
    from ..translation.decoding import options as home
else:
    home = light_module("translation.decoding.options")

# Options that mean the same to the engine, and what it calls them.
SHARED = {
    "lenpen": "",  # see `length_penalty`
    "unnormalized": "",
    "max_len_a": "max_len_a",
    "max_len_b": "max_len_b",
    "shortlist": "",  # see `EngineTranslator.lexicon`
}
LATENT = {
    **SHARED,
    "candidates": "width",
    "code_search": "",  # see `search_of`
    "code_beam": "beam",
    "temperature": "temperature",
    "sampling_seed": "seed",
    "teacher": "",
    "verify": "",  # see `_run`
    "passes": "passes",
    "retain_iter_history": "keep_history",
    "length_mode": "",
    "length_ratio": "",
    "min_len": "min_length",
    "min_length_ratio": "min_length_ratio",
    "max_length_ratio": "max_length_ratio",
}
# Of what a latent model is asked for, what its verifying teacher is asked for as well.
VERIFYING = ("max_len_a", "max_len_b", "min_length", "threads")
AUTOREGRESSIVE = {**SHARED, "beam": "width", "min_len": "min_length"}


class Parts(NamedTuple):
    """What a folder holds, ready for use."""

    description: dict[str, Any]
    model: Any  # the engine's
    codec: IndexCodec

    @property
    def parallel(self) -> bool:
        """Whether all words are written at once."""
        return self.description["kind"] == "latent"


def load_folder(
    path: str | Path,
    data: Any = None,
    device: str = "cpu",
    threads: int | None = 0,
    **decoding: Any,
) -> "EngineTranslator":
    """Loads an exported model.

    Args:
        path: the folder.
        data: must be None: the folder holds all there is.
        device: must be "cpu".
        threads: that compute; 0 = one for each processor. Results do not depend on it.
        **decoding: the fields of `DecodingOptions`: `candidates`, `passes`, `beam` (of
            an autoregressive model), `teacher` (the folder of one), `verify`, ….

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: for options that do not exist or that the engine cannot serve, and
            for files that are not what was exported.
        ImportError: if the engine was not compiled.
    """
    teacher = decoding.get("teacher")
    if teacher is not None:
        decoding["teacher"] = str(teacher)
    if decoding.get("autocast") == "auto":
        del decoding["autocast"]
    options = home.options_from(decoding)
    check_whole_number("threads", threads or 0, 0, MOST_THREADS)
    for name, value, only in (("data", data, None), ("device", device, "cpu")):
        if value != only:
            raise ValueError(
                f"`{name}` must be {only!r} for an exported model, but is {value!r} "
                "instead."
            )
    judge = None if teacher is None else open_folder(Path(teacher))
    return EngineTranslator(open_folder(Path(path)), options, judge, int(threads or 0))


def open_folder(folder: Path) -> Parts:
    """Opens a folder that was exported, see `load_folder`."""
    description = read_description(folder)
    languages = languages_of(description, folder)
    source, target = (
        Dictionary.load(folder / dictionary_name(name)) for name in languages
    )
    with reading(folder, "a folder that vq-nat export wrote"):
        model = engine().Model(str(folder / WEIGHTS), description)
    sizes = {"source": len(source), "target": len(target)}
    if sizes != description["vocabulary"]:
        raise ValueError(
            f"the dictionaries of {folder} must have {description['vocabulary']} "
            f"symbols, but have {sizes} instead."
        )
    return Parts(description, model, IndexCodec(folder, source, target))


class EngineTranslator(TextDoor):
    """A trained model that translates raw text by the engine.

    Options and results are those of `translation.translator.Translator`. Several
    threads may read from one translator.

    Args:
        parts: the model, with its text.
        options: how it decodes.
        teacher: the model that ranks candidates, or verifies the best of them.
        threads: that compute; 0 = one for each processor.
    """

    def __init__(
        self,
        parts: Parts,
        options: "home.DecodingOptions",
        teacher: Parts | None = None,
        threads: int = 0,
    ) -> None:
        self.parts, self.teacher, self.options = parts, teacher, options
        self.codec, self.description = parts.codec, parts.description
        self.threads = threads or min(all_threads(), MOST_THREADS)
        if teacher is not None:
            check_teacher(teacher.parallel, teacher.codec, self.codec)
        self._options()  # refuses wrong options at once
        self.lexicon = self._read_shortlist()

    @property
    def parallel(self) -> bool:
        """Whether all words are written at once."""
        return self.parts.parallel

    @property
    def languages(self) -> tuple[str, str]:
        """The language that is read, and the one that is written."""
        source, target = self.description["languages"]
        return source, target

    @property
    def has_codes(self) -> bool:
        """Whether translations have codes: of every latent model that is exported."""
        return self.parallel

    @property
    def own_candidates(self) -> int:
        """How many candidates there are of a sentence, if a call does not say."""
        return self.options.candidates if self.parallel else self.options.beam

    @property
    def sees_words(self) -> bool:
        """Whether passes can refine the words."""
        return bool(self.description.get("sees_words", False))

    def code_name(self, code: int) -> str | None:
        """Returns the subword that a code is, where codes are words."""
        return self.codec.names([code])[0] if self._words_are_codes else None

    @property
    def _words_are_codes(self) -> bool:
        return self.description.get("codes") == "words"

    def spelled(self, tokens: Sequence[str]) -> str:
        """Joins subwords of a part of a translation, for a reader."""
        return self.codec.spelled(tokens)

    def _nbest(self, sentences: Iterator[str], asked: Asked) -> list[list[Hypothesis]]:
        """Does what `nbest` does; the engine makes batches of its own."""
        options = self._options(asked.candidates, asked.passes, asked.references)
        rows, owners = self._pieces(sentences)
        start = time.perf_counter()
        candidates = self._run(rows, options)
        seconds = (time.perf_counter() - start) / max(1, len(rows))
        judged = self._judges(options)
        read = [[self._read(one, seconds, judged) for one in row] for row in candidates]
        return [join([read[row] for row in own]) or [EMPTY] for own in owners]

    def _texts(self, sentences: Iterator[str], asked: Asked) -> list[str]:
        """Returns the best of `_nbest`; nothing is computed for scores alone."""
        options = self._options(asked.candidates, asked.passes, asked.references)
        options.want_scores = options.width > 1 or options.passes > 0
        rows, owners = self._pieces(sentences)
        texts = [
            self.codec.sentence(candidates[0].tokens)
            for candidates in self._run(rows, options, scores=False)
        ]
        return [" ".join(filter(None, texts[own.start : own.stop])) for own in owners]

    def _pieces(self, sentences: Iterable[str]) -> tuple[list[list[int]], list[range]]:
        """Returns the rows to translate, and which of them are each sentence's."""
        most = self.description["max_source"]
        limits = Limits.of(most, self.description.get("trained_source"))
        return in_pieces(sentences, lambda line: self.codec.source_pieces(line, limits))

    def _run(
        self, rows: list[list[int]], options: Any, scores: bool = True
    ) -> list[list[Any]]:
        """Lets the engine translate; `scores`: whether the teacher's are wanted."""
        if self.options.verify:
            assert self.teacher is not None  # see `DecodingOptions`
            theirs = engine().Options()
            for name in VERIFYING:
                setattr(theirs, name, getattr(options, name))
            theirs.want_scores, theirs.normalise = scores, False
            return self.parts.model.translate_verified(
                rows, self.teacher.model, theirs, options
            )
        if self.teacher is None or not self._judges(options):
            return self.parts.model.translate(rows, options, self.lexicon)
        theirs = self.teacher.model
        return self.parts.model.translate_ranked(rows, theirs, options, self.lexicon)

    def _judges(self, options: Any) -> bool:
        """Whether a teacher scores: what it verifies, or several that it ranks."""
        several = options.width > 1
        return self.teacher is not None and (several or self.options.verify)

    def _read(self, one: Any, seconds: float, judged: bool) -> Hypothesis:
        slices = self.description.get("slices", 1)
        codes = [one.codes[i : i + slices] for i in range(0, len(one.codes), slices)]
        theirs = one.score if self.options.verify else one.teacher_score
        return Hypothesis(
            self.codec.sentence(one.tokens),
            self.codec.names(one.tokens),
            codes,
            one.score,
            one.rank_score,
            theirs if judged else None,
            one.steps,
            seconds,
            history=tuple(self.codec.sentence(words) for words in one.history),
        )

    def _read_shortlist(self) -> Any:
        """Returns the words that sources allow, for the engine; None: all of them."""
        path = self.options.shortlist
        if path is None:
            return None
        return read_shortlist(Path(path), self.codec.source, self.codec.target)

    # -- codes that are given ------------------------------------------------------

    def _inspect(
        self,
        rows: list[list[int]],
        codes: list[Codes],
        rivals: int,
        passes: int | None,
    ) -> list[Inspection]:
        if self.lexicon is not None:
            raise ValueError(
                "`shortlist` must be None where codes are given, but is "
                f"{self.options.shortlist!r} instead."
            )
        slices = self.description.get("slices", 1)
        chunk, kinds = self.description["chunk"], self.description["codes_per_slice"]
        signs = [self.description["special"][name] for name in ("bos", "pad")]
        never = signs if self._words_are_codes else []
        for of_one in codes:
            most = -(-self.description["max_target"] // chunk)
            check_codes(of_one, most, slices=slices, kinds=kinds, never=never)
        options = self._options(1, passes)
        options.search, options.beam, options.keep_history = "greedy", 0, True
        inspected = self.parts.model.inspect(
            rows,
            [[code for step in of_one for code in step] for of_one in codes],
            rivals,
            options,
        )
        return [self._taken_apart(one, own) for one, own in zip(inspected, codes)]

    def _taken_apart(self, one: Any, codes: Codes) -> Inspection:
        tokens, names = one.translation.tokens, self.codec.names
        return Inspection(
            self.codec.sentence(tokens),
            names(tokens),
            [code_step(step, own) for step, own in zip(one.steps, codes)],
            self.description["chunk"],
            one.translation.score,
            [names(words) for words in one.translation.history],
        )

    # -- options -------------------------------------------------------------------

    def _options(
        self,
        candidates: int | None = None,
        passes: int | None = None,
        references: Sequence[str] | None = None,
    ) -> Any:
        """Returns the engine's options.

        Raises:
            ValueError: naming one that the engine cannot serve.
        """
        if references is not None:
            raise ValueError(
                "`references` must be None for an exported model: it has no compressor."
            )
        options = self.options.of_call(candidates, passes, parallel=self.parallel)
        names = LATENT if self.parallel else AUTOREGRESSIVE
        kind = self.description["kind"]
        home.refuse_others(options, names, f"an exported model that is {kind}")
        home.refuse_idle_temperature(options)
        refuse_passes(options.passes, self.sees_words)
        refuse_many(options, self.description, self.parallel)
        if options.verify and self.teacher is not None:
            refuse_beyond(options, self.teacher.description["max_target"])
        elif not self.parallel:
            refuse_beyond(options, self.description["max_target"])
        settings = engine().Options()
        for name, own in names.items():
            if own:
                setattr(settings, own, getattr(options, name))
        settings.threads = self.threads
        settings.search = search_of(options, self.parallel)
        settings.length_penalty = settings.rank_penalty = options.length_penalty
        settings.normalise = not options.unnormalized
        if options.length_mode == "ratio":
            settings.length_ratio = options.length_ratio
        settings.guarded = self.parallel and not options.max_length_ratio
        return settings


def code_step(step: Any, codes: list[int]) -> CodeStep:
    """Returns one step of given codes, as the engine sees it."""
    rivals = []
    for rival in step.rivals:
        others = list(codes)
        others[rival.slice] = rival.code
        rivals.append(Rival(others, exp(rival.score)))
    return CodeStep(list(codes), exp(step.score), rivals)


def search_of(options: "home.DecodingOptions", parallel: bool) -> str:
    """Returns the engine's name of a search."""
    if not parallel:
        return "greedy" if options.beam == 1 else "beam"
    beam = max(options.candidates, options.code_beam)
    greedy = beam == 1 and options.code_search != "sample"
    return "greedy" if greedy else options.code_search
