"""Python's door to an exported model: text in, text out, without torch and fairseq."""

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..text.codec import PIECE, IndexCodec
from ..text.dictionary import Dictionary
from ..translated import (
    EMPTY,
    Hypothesis,
    TextDoor,
    checked,
    join,
    refuse_unknown,
    refuse_unserved,
)
from . import engine
from .folder import WEIGHTS, dictionary_name, languages_of, read_description

# What an exported model has no weights for, and what only the checkpoint's door does.
UNSERVED = {
    "retain_iter_history": (False, None),
    "true_codes": (False, None),
    "true_latents": (False, None),
    "rescore": ("model", None),
    "refinement": ("mask", None),
}
DIRECT = {  # options of the engine by their names here
    "temperature": "temperature",
    "sampling_seed": "seed",
    "max_len_a": "max_len_a",
    "max_len_b": "max_len_b",
    "min_length_ratio": "min_length_ratio",
    "max_length_ratio": "max_length_ratio",
}
SEARCHES = ("beam", "sample", "lengths")
LENGTH_MODES = ("free", "ratio")


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
    autocast: str = "none",
    beam: int = 1,
    passes: int = 0,
    candidates: int = 1,
    teacher: str | Path | None = None,
    threads: int = 0,
    **decoding: Any,
) -> "EngineTranslator":
    """Loads an exported model.

    Args:
        path: the folder.
        data: must be None: the folder holds all there is.
        device: "cpu".
        autocast: "none" or "auto".
        beam: beam width of an autoregressive model.
        passes: refinement passes of a latent model.
        candidates: translations of a latent model among which the best is chosen.
        teacher: folder of an exported autoregressive model that chooses.
        threads: that compute; 0 = one for each processor. Results do not depend on it.
        **decoding: those in `translated.DECODING`, by the names of their flags.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: for options that do not exist or that the engine cannot serve, and
            for files that are not what was exported.
        ImportError: if the engine was not compiled.
    """
    refuse_unknown(decoding)
    for name, value, allowed in (
        ("data", data, (None,)),
        ("device", device, ("cpu", "auto")),
        ("autocast", autocast, ("none", "auto")),
    ):
        if value not in allowed:
            raise ValueError(
                f"`{name}` must be {allowed[0]!r} for an exported model, but is "
                f"{value!r} instead."
            )
    judge = None if teacher is None else open_folder(Path(teacher))
    settings = {"beam": beam, "passes": passes, "candidates": candidates}
    parts = open_folder(Path(path))
    return EngineTranslator(parts, {**settings, **decoding}, judge, threads)


def open_folder(folder: Path) -> Parts:
    """Opens a folder that was exported, see `load_folder`."""
    description = read_description(folder)
    languages = languages_of(description, folder)
    source, target = (
        Dictionary.load(folder / dictionary_name(name)) for name in languages
    )
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
        settings: `beam`, `passes`, `candidates` and decoding options, by name.
        teacher: the model that ranks candidates.
        threads: that compute; 0 = one for each processor.
    """

    def __init__(
        self,
        parts: Parts,
        settings: dict[str, Any],
        teacher: Parts | None = None,
        threads: int = 0,
    ) -> None:
        self.parts, self.teacher, self.settings = parts, teacher, settings
        self.codec, self.description = parts.codec, parts.description
        self.threads = threads or len(os.sched_getaffinity(0))
        if teacher is not None:
            self._check_teacher(teacher)
        self._options()  # refuses wrong options at once

    @property
    def parallel(self) -> bool:
        """Whether all words are written at once."""
        return self.parts.parallel

    def nbest(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: int | None = None,
        passes: int | None = None,
        references: Sequence[str] | None = None,
    ) -> list[list[Hypothesis]]:
        """Returns all different translations of each sentence, the best first.

        Those of a sentence that is translated in pieces are joined by their ranks. The
        engine makes batches of its own: `batch_size` changes nothing.
        """
        options = self._options(candidates, passes, references)
        rows, owners = self._pieces(checked(sentences, batch_size))
        start = time.perf_counter()
        found = self._run(rows, options)
        seconds = (time.perf_counter() - start) / max(1, len(rows))
        read = [[self._read(one, seconds) for one in of_row] for of_row in found]
        return [join([read[row] for row in own]) or [EMPTY] for own in owners]

    def translate(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: int | None = None,
        passes: int | None = None,
        references: Sequence[str] | None = None,
    ) -> list[str]:
        """Translates raw sentences; order and number are kept, empty stays empty.

        The same as the best of `nbest`, but nothing is computed for scores alone.
        """
        options = self._options(candidates, passes, references)
        options.want_scores = options.width > 1 or options.passes > 0
        rows, owners = self._pieces(checked(sentences, batch_size))
        texts = [
            self.codec.sentence(found[0].tokens) for found in self._run(rows, options)
        ]
        return [" ".join(filter(None, texts[own.start : own.stop])) for own in owners]

    def _pieces(self, sentences: Iterable[str]) -> tuple[list[list[int]], list[range]]:
        """Returns the rows to translate, and which of them are each sentence's."""
        size = min(PIECE, self.description["max_source"])
        rows: list[list[int]] = []
        owners: list[range] = []
        for sentence in sentences:
            pieces = self.codec.cut(self.codec.source_indices(sentence), size)
            owners.append(range(len(rows), len(rows) + len(pieces)))
            rows += pieces
        return rows, owners

    def _run(self, rows: list[list[int]], options: Any) -> list[list[Any]]:
        """Lets the engine translate."""
        if self.teacher is None or options.width == 1:
            return self.parts.model.translate(rows, options)
        return self.parts.model.translate_ranked(rows, self.teacher.model, options)

    def _read(self, one: Any, seconds: float) -> Hypothesis:
        slices = self.description.get("slices", 1)
        codes = [one.codes[i : i + slices] for i in range(0, len(one.codes), slices)]
        return Hypothesis(
            self.codec.sentence(one.tokens),
            self.codec.names(one.tokens),
            codes,
            one.score,
            one.rank_score,
            None if self.teacher is None else one.teacher_score,
            one.steps,
            seconds,
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
        settings = dict(self.settings)
        if candidates is not None:
            settings["candidates" if self.parallel else "beam"] = candidates
        if passes is not None:
            settings["passes"] = passes
        beam, wide = settings["beam"], settings["candidates"]
        refuse_unserved(self.parallel, beam, settings["passes"], wide, self.teacher)
        self._refuse_others(settings)
        options = engine().Options()
        options.threads = self.threads
        options.width = wide if self.parallel else beam
        options.passes = settings["passes"]
        options.search = self._search(settings, options.width)
        penalty = 0.0 if settings.get("unnormalized") else settings.get("lenpen", 1.0)
        options.length_penalty = options.rank_penalty = penalty
        options.normalise = not settings.get("unnormalized", False)
        for name, own in DIRECT.items():
            if name in settings:
                setattr(options, own, settings[name])
        if settings.get("length_mode") == "ratio":
            options.length_ratio = settings.get("length_ratio", 2.0)
        options.guarded = self.parallel and not settings.get("max_length_ratio")
        return options

    def _search(self, settings: dict[str, Any], width: int) -> str:
        """Returns the name of the search."""
        if not self.parallel:
            return "greedy" if width == 1 else "beam"
        search = settings.get("code_search", "beam")
        return "greedy" if width == 1 and search != "sample" else search

    def _refuse_others(self, settings: dict[str, Any]) -> None:
        """Refuses values that the engine does not have.

        Raises:
            ValueError: naming the option.
        """
        for name, allowed in (
            *UNSERVED.items(),
            ("code_search", (*SEARCHES, None)),
            ("length_mode", (*LENGTH_MODES, None)),
        ):
            if settings.get(name) not in allowed:
                choices = " or ".join(repr(one) for one in allowed if one is not None)
                raise ValueError(
                    f"`{name}` must be {choices} for an exported model, but is "
                    f"{settings[name]!r} instead."
                )
        if settings["passes"] and not self.description.get("sees_words", False):
            raise ValueError(
                f"`passes` must be 0, but is {settings['passes']} instead: the model "
                "was trained without shown words (--shown-sentences), and cannot "
                "predict words again around others."
            )

    def _check_teacher(self, teacher: Parts) -> None:
        """Refuses a teacher with other words.

        Raises:
            ValueError: saying why.
        """
        if teacher.parallel:
            raise ValueError("`teacher` must be an autoregressive model, but is not.")
        for side in ("source", "target"):
            own = getattr(self.codec, side).symbols
            if getattr(teacher.codec, side).symbols != own:
                raise ValueError(
                    f"the teacher's {side} dictionary must be that of the student, but "
                    "is another."
                )
