"""What the service does, apart from HTTP: texts in, translations and codes out."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from ..explain.picture import Picture, draw
from ..inspected import Codes, parts_of
from ..translated import NO_PLACES, TextDoor
from . import shapes
from .batching import Batcher
from .limits import Limits, Refusal
from .metrics import Metrics
from .texts import Frame, take_apart

LONG = 10_000  # characters of texts that are taken apart in another thread
REPEATS = 5  # runs of each model whose median is told
Meanings = Mapping[tuple[int, int], str]


class Kind(NamedTuple):
    """What items of a batch have in common."""

    what: str  # translate, explain or compare
    alternatives: int = 0
    passes: int | None = None


class Translation(NamedTuple):
    """A text's translation, and others that were nearly as good."""

    text: str
    alternatives: list[str]


class Service:
    """Translates by a model, and shows its codes.

    Args:
        translator: of the model.
        limits: what is taken.
        teacher: a model to compare with.
        meanings: what each code of each slice stands for most often.
    """

    def __init__(
        self,
        translator: TextDoor,
        limits: Limits,
        teacher: TextDoor | None = None,
        meanings: Meanings | None = None,
    ) -> None:
        self.translator, self.teacher, self.limits = translator, teacher, limits
        self.languages, self.meanings = translator.languages, meanings or {}
        if teacher is not None and teacher.languages != self.languages:
            raise ValueError(
                f"`teacher` must translate {' to '.join(self.languages)}, but "
                f"translates {' to '.join(teacher.languages)} instead."
            )
        self.codes: shapes.Codes = "none"
        if translator.has_codes and translator.has_places:
            self.codes = "learned" if translator.code_name(0) is None else "words"
        self.metrics = Metrics(lambda: len(self.batcher))
        self.batcher = Batcher(self._decode, limits, self.metrics.decoded)

    async def translate(
        self, texts: Sequence[str], html: bool = False, alternatives: int = 0
    ) -> list[Translation]:
        """Translates texts, sentence by sentence.

        Raises:
            Refusal: if they are too many or too long, or not in time.
        """
        self._check_alternatives(alternatives)
        parts = await self._parts(texts, html)
        sentences = [sentence for _, own in parts for sentence in own]
        kind = Kind("translate", alternatives)
        answers = iter(await self._submit(kind, sentences))
        results = []
        for frame, own in parts:
            ranks = [next(answers) for _ in own]
            wordings = [
                frame.fill([rank[min(i, len(rank) - 1)] for rank in ranks])
                for i in range(max(map(len, ranks), default=1))
            ]
            results.append(Translation(wordings[0], wordings[1 : alternatives + 1]))
        return results

    async def explain(
        self, texts: Sequence[str], *, alternatives: int, passes: int | None
    ) -> list[shapes.Explanation]:
        """Shows the codes of each sentence of some texts.

        Raises:
            Refusal: see `translate`; or if the model has no codes.
        """
        parts = await self._parts(texts, html=False)
        sentences: list[tuple[str, Codes | None]] = [
            (sentence, None) for _, own in parts for sentence in own
        ]
        return await self._pictures(sentences, alternatives, passes)

    async def swap(
        self, sentence: str, codes: Codes, *, alternatives: int, passes: int | None
    ) -> shapes.Explanation:
        """Shows what a sentence becomes if its codes are others.

        Raises:
            Refusal: see `explain`.
        """
        line = " ".join(sentence.split())
        (picture,) = await self._pictures([(line, codes)], alternatives, passes)
        return picture

    async def compare(self, sentence: str, passes: int | None) -> shapes.Compared:
        """Translates a sentence by each model, by itself, and looks at the clock.

        Raises:
            Refusal: see `translate`.
        """
        self._check_passes(passes)
        (both,) = await self._submit(Kind("compare", passes=passes), [sentence])
        return both

    async def _pictures(
        self,
        items: list[tuple[str, Codes | None]],
        alternatives: int,
        passes: int | None,
    ) -> list[shapes.Explanation]:
        if not self.translator.has_codes:
            raise Refusal(501, "the model must have codes, but has none.")
        if not self.translator.has_places:
            raise Refusal(501, NO_PLACES)
        self._check_alternatives(alternatives)
        self._check_passes(passes)
        if not items:
            raise Refusal(422, "`q` must have words, but has none.")
        return await self._submit(Kind("explain", alternatives, passes), items)

    def _check_passes(self, passes: int | None) -> None:
        if passes is not None and passes > self.limits.passes:
            raise Refusal(
                422,
                f"`passes` must be at most {self.limits.passes}, but is {passes} "
                "instead.",
            )

    async def _parts(
        self, texts: Sequence[str], html: bool
    ) -> list[tuple[Frame, list[str]]]:
        """Takes texts apart; long ones in another thread, so that others go on."""

        def apart() -> list[tuple[Frame, list[str]]]:
            parts, count = [], 0
            for text in texts:
                parts.append(take_apart(text, self.languages[0], html))
                count += len(parts[-1][1])
                self.limits.check_sentences(count)
            return parts

        if sum(map(len, texts)) < LONG:
            return apart()
        return await asyncio.to_thread(apart)

    async def _submit(self, kind: Kind, items: list[Any]) -> list[Any]:
        """Has items decoded.

        Raises:
            Refusal: see `Batcher.submit`; or for what the model cannot have.
        """
        if not items:
            return []
        try:
            return await self.batcher.submit(kind, items)
        except ValueError as error:
            raise Refusal(422, str(error)) from error

    def _check_alternatives(self, alternatives: int) -> None:
        if alternatives > self.limits.alternatives:
            raise Refusal(
                422,
                f"`alternatives` must be at most {self.limits.alternatives}, but is "
                f"{alternatives} instead.",
            )

    # -- in the thread that decodes ------------------------------------------------

    def _decode(self, kind: Kind, items: list[Any]) -> list[Any]:
        if kind.what == "explain":
            return self._explain(kind, items)
        if kind.what == "compare":
            return [self._compare(sentence, kind.passes) for sentence in items]
        size, usual = self.limits.batch, self.translator.own_candidates
        asked = kind.alternatives + 1
        outputs: list[str] = []
        if asked == 1 or asked > usual:
            outputs = self.translator.translate(items, batch_size=size)
        if asked == 1:
            return [[text] for text in outputs]
        # Never less to choose from than for others.
        ranks = self.translator.nbest(
            items, batch_size=size, candidates=max(asked, usual)
        )
        if asked <= usual:
            return [[h.text for h in rank[:asked]] for rank in ranks]
        # A wider search may prefer another translation: that is an alternative, too.
        others = [
            list(dict.fromkeys(h.text for h in rank if h.text != text))
            for text, rank in zip(outputs, ranks)
        ]
        return [[text, *own[: asked - 1]] for text, own in zip(outputs, others)]

    def _explain(
        self, kind: Kind, items: list[tuple[str, Codes | None]]
    ) -> list[shapes.Explanation]:
        sentences, codes = zip(*items)
        pictures = draw(
            self.translator, sentences, kind.alternatives, codes, kind.passes
        )
        return [self._explanation(picture) for picture in pictures]

    def _explanation(self, picture: Picture) -> shapes.Explanation:
        words, joined = self._spelled([step.words for step in picture.steps])
        steps = []
        for place, step in enumerate(picture.steps):
            alternatives = [
                shapes.Alternative(
                    codes=list(swap.code),
                    probability=swap.probability,
                    words=self._spelled(self._of_steps(swap.words, picture))[0][place],
                    text=swap.text,
                    meaning=self._meaning(swap.code),
                )
                for swap in step.swaps
            ]
            steps.append(
                shapes.Step(
                    codes=list(step.code),
                    probability=step.probability,
                    words=words[place],
                    joined=joined[place],
                    tokens=step.words,
                    meaning=self._meaning(step.code),
                    alternatives=alternatives,
                )
            )
        passes = [self._spelled(self._of_steps(one, picture)) for one in picture.passes]
        return shapes.Explanation(
            source=picture.source,
            text=picture.output,
            score=picture.score,
            words_per_code=picture.words_per_code,
            steps=steps,
            passes=[shapes.Pass(words=own, joined=goes_on) for own, goes_on in passes],
        )

    def _of_steps(self, tokens: list[str], picture: Picture) -> list[list[str]]:
        return parts_of(
            tokens, len(picture.steps), words_per_code=picture.words_per_code
        )

    def _spelled(self, parts: list[list[str]]) -> tuple[list[str], list[bool]]:
        """Spells the words of each step, and tells whether the last one goes on."""
        spell = self.translator.spelled
        words = [spell(part) for part in parts]
        joined = [
            bool(spell(part) and spell(after))
            and spell(part + after) == spell(part) + spell(after)
            for part, after in zip(parts, parts[1:])
        ]
        return words, [*joined, False]

    def _meaning(self, codes: Sequence[int]) -> list[str | None]:
        """Tells what codes stand for: their words, or what was seen most often."""
        if self.codes == "learned":
            return [self.meanings.get(key) for key in enumerate(codes)]
        names = [str(self.translator.code_name(code)) for code in codes]
        return [self.translator.spelled([name]) or "the end" for name in names]

    def _compare(self, sentence: str, passes: int | None) -> shapes.Compared:
        own: shapes.Model = "codes" if self.translator.has_codes else "model"
        models = {own: self.translator}
        if self.teacher is not None:
            models["teacher"] = self.teacher
        clocks = []
        for name, model in models.items():
            asked, times = (passes if name == own else None), []
            for _ in range(REPEATS):
                start = time.perf_counter()
                (text,) = model.translate([sentence], passes=asked)
                times.append(1000 * (time.perf_counter() - start))
            clocks.append(
                shapes.Clock(
                    model=name, text=text, milliseconds=round(median(times), 3)
                )
            )
        return shapes.Compared(repeats=REPEATS, clocks=clocks)
