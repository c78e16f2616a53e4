"""Text in, text out: a latent model drafts, an autoregressive one has the last word."""

from pathlib import Path
from typing import Any, Optional, Union

import torch

from .decoding.redraft import Redrafter
from .decoding.verify import EXACT, Tolerance, Verified, Verifier
from .flow import Candidate
from .loading import load_teacher
from .translator import Translator


class VerifiedTranslator(Translator):
    """A translator whose output is what an autoregressive model would write greedily.

    `Hypothesis.passes` counts the passes of that model; codes are those of the draft.

        translator = VerifiedTranslator.open("student", verifier="student-ar")
        translator.translate(["A man rides a bike."])
    """

    verifier: Verifier
    redrafts: bool
    gained: list[tuple[int, ...]]  # of all sentences so far, see `Verified`

    @classmethod
    def open(
        cls,
        path: Union[str, Path],
        verifier: Union[str, Path],
        data: Union[str, Path, None] = None,
        device: str = "cpu",
        tolerance: Tolerance = EXACT,
        redrafts: bool = True,
        **decoding: Any,
    ) -> "VerifiedTranslator":
        """Loads both models, see `Translator.load`.

        Args:
            path: of the latent model.
            verifier: checkpoint of the autoregressive model.
            data: folder of the text processing.
            device: where both compute.
            tolerance: which drafted words pass besides.
            redrafts: whether the latent model drafts the rest after a difference;
                otherwise the autoregressive one goes on with its own words.
            **decoding: how the draft is made.
        """
        translator = cls.load(path, data, device, **decoding)
        assert isinstance(translator, cls)
        dictionary = translator.task.target_dictionary
        model = load_teacher(verifier, translator.task, device)
        translator.verifier = Verifier(model, dictionary, tolerance)
        translator.gained, translator.redrafts = [], redrafts
        return translator

    def _generate(
        self,
        generator: Any,
        rows: list[torch.Tensor],
        targets: Optional[list[torch.Tensor]] = None,
    ) -> list[list[Candidate]]:
        found = super()._generate(generator, rows, targets)
        pad = self.task.source_dictionary.pad()
        sources = torch.nn.utils.rnn.pad_sequence(rows, True, pad)
        best = [candidates[0] for candidates in found]
        device = best[0].tokens.device
        sources = sources.to(device)
        redraft = Redrafter(self.model, generator, sources) if self.redrafts else None
        drafts = [one.tokens for one in best]
        written = self.verifier.verify(sources, drafts, redraft)
        self.gained += [one.gained for one in written]
        return [[replaced(*pair)] for pair in zip(best, written)]


def replaced(draft: Candidate, verified: Verified) -> Candidate:
    """Returns a candidate with the words that were verified."""
    return draft._replace(
        tokens=verified.tokens,
        positional_scores=verified.scores,
        score=float(verified.scores.sum()),
        steps=len(verified.gained),
        rank_score=None,
        history=(),
    )
