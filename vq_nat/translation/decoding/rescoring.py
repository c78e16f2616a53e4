"""Which of several candidates is the best.

The model decides, or its teacher, or the agreement among the candidates.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Optional, Protocol

import torch
from fairseq.data import Dictionary
from fairseq.models import FairseqEncoderDecoderModel
from torch import Tensor

from ..flow import Candidate, align_left, pieces

Candidates = list[Candidate]  # of one sentence
EncoderOut = dict[str, Any]  # of fairseq's encoders


class Rescorer(Protocol):
    """Ranks the candidates of each sentence."""

    teacher: Optional[
        FairseqEncoderDecoderModel
    ]  # the model that scores, None without one
    rewrites: bool  # whether it may change a single candidate, too

    def rank(
        self, src_tokens: Tensor, candidates: list[Candidates]
    ) -> list[Candidates]:
        """Returns them with their `rank_score`, sorted by it, the best first."""


def ranked(candidates: Candidates, scores: list[float]) -> Candidates:
    """Returns the candidates of a sentence with their scores, the best first."""
    scored = [one._replace(rank_score=s) for one, s in zip(candidates, scores)]
    order = sorted(range(len(scored)), key=lambda i: -scores[i])
    return [scored[i] for i in order]


class ModelScore:
    """Ranks by the model's own score, (log p(codes) + log p(words | codes)) / words^α.

    Args:
        length_penalty: α.
    """

    teacher = None
    rewrites = False

    def __init__(self, length_penalty: float = 1.0) -> None:
        self.length_penalty = length_penalty

    def rank(
        self, src_tokens: Tensor, candidates: list[Candidates]
    ) -> list[Candidates]:
        """Ranks by the score per word."""
        return [ranked(of_one, self._scores(of_one)) for of_one in candidates]

    def _scores(self, candidates: Candidates) -> list[float]:
        return [
            one.score / len(one.tokens) ** self.length_penalty for one in candidates
        ]


# ------------------------------------------------------------------------- the teacher


class TeacherScore:
    """Noisy parallel decoding (Gu et al. 2018, section 4): the teacher chooses.

    All candidates of a batch are scored in one teacher-forced pass, log p(words) =
    Σ_t log p(y_t | y_<t, x), and ranked by log p(words) / words^α. A wording that
    several candidates share is scored once.

    Args:
        teacher: an autoregressive fairseq model with the same dictionaries.
        tgt_dict: target dictionary.
        length_penalty: α.
        bos: a symbol at the beginning of every source and candidate that the teacher
            does not know; None = there is none.
        logits_at_once: words × vocabulary in memory at a time; what is more is scored
            in several passes. 0 = as many as suit the device.
    """

    rewrites = False

    def __init__(
        self,
        teacher: FairseqEncoderDecoderModel,
        tgt_dict: Dictionary,
        length_penalty: float = 1.0,
        *,
        bos: int | None = None,
        logits_at_once: int = 0,
    ) -> None:
        self.teacher, self.length_penalty, self.bos = teacher, length_penalty, bos
        self.pad, self.eos, self.vocabulary = (
            tgt_dict.pad(),
            tgt_dict.eos(),
            len(tgt_dict),
        )
        self.logits_at_once = logits_at_once

    def rank(
        self, src_tokens: Tensor, candidates: list[Candidates]
    ) -> list[Candidates]:
        """Ranks by the teacher's score per word.

        Each candidate gets `teacher_score`, log p(words), and `teacher_seconds`, its
        sentence's part of the time spent here.
        """
        start = now(src_tokens.device)
        owners = [i for i, of_one in enumerate(candidates) for _ in of_one]
        rows = [one.tokens for of_one in candidates for one in of_one]
        totals = iter(self.scores(src_tokens, rows, owners).sum(dim=1).tolist())
        seconds = (now(src_tokens.device) - start) / len(candidates)
        rankings = []
        for of_one in candidates:
            scored = [
                one._replace(teacher_score=next(totals), teacher_seconds=seconds)
                for one in of_one
            ]
            rankings.append(ranked(scored, [self._per_word(one) for one in scored]))
        return rankings

    def _per_word(self, candidate: Candidate) -> float:
        words = len(self._words(candidate.tokens))
        return (candidate.teacher_score or 0.0) / words**self.length_penalty

    @torch.no_grad()
    def scores(
        self, src_tokens: Tensor, rows: list[Tensor], owners: list[int]
    ) -> Tensor:
        """Returns log p of every word of every candidate.

        Args:
            src_tokens: (B, S), padded on either side.
            rows: R candidates; one without its end of sentence is scored with it.
            owners: for each the number of its sentence, 0 … B - 1.

        Returns:
            (R, T), zeros at padding.
        """
        self.teacher.eval()
        rows = [self._words(row) for row in rows]
        words = torch.nn.utils.rnn.pad_sequence(rows, True, self.pad)
        encoded = self.encode(src_tokens)
        index = torch.tensor(owners, device=words.device)
        lengths = torch.tensor([len(row) for row in rows], device=words.device)
        scores = torch.zeros(words.shape, device=words.device)
        for part in pieces(lengths, self.vocabulary, logits=self.logits_at_once):
            longest = int(lengths[part].max())
            of_part = self._score(encoded, words[part, :longest], index[part])
            scores[part, :longest] = of_part
        return scores

    def _words(self, tokens: Tensor) -> Tensor:
        """Returns a candidate as the teacher would write it.

        fairseq's NAT may write a word in the place of the end if the length does not
        suit. The end must be scored: otherwise a single word would be the most probable
        candidate.
        """
        begins = self.bos is not None and len(tokens) > 1 and int(tokens[0]) == self.bos
        words = tokens[1:] if begins else tokens
        ends = len(words) > 0 and int(words[-1]) == self.eos
        return words if ends else torch.cat([words, words.new_tensor([self.eos])])

    def encode(self, src_tokens: Tensor) -> EncoderOut:
        """Encodes sources as the teacher knows them. Shape: (B, S)."""
        tokens = align_left(src_tokens, self.pad)
        if self.bos is not None and bool(tokens[:, 0].eq(self.bos).all()):
            tokens = tokens[:, 1:]
        lengths = tokens.ne(self.pad).sum(dim=1)
        # As in its training: padded on the left, which fairseq's masks and positions
        # tell from words.
        shift = tokens.size(1) - lengths.unsqueeze(1)
        places = torch.arange(tokens.size(1), device=tokens.device) - shift
        left = tokens.gather(1, places.clamp(min=0)).masked_fill(places < 0, self.pad)
        return self.teacher.encoder(left, src_lengths=lengths)

    def _score(self, encoded: EncoderOut, words: Tensor, owners: Tensor) -> Tensor:
        logp = self.read(encoded, words, owners).log_softmax(dim=2)
        return logp.gather(2, words.unsqueeze(2)).squeeze(2) * words.ne(self.pad)

    def read(self, encoded: EncoderOut, words: Tensor, owners: Tensor) -> Tensor:
        """Returns the teacher's logits of each word after those before it.

        Args:
            encoded: see `encode`.
            words: (R, T), padded on the right.
            owners: (R,), the number of each row's source.

        Returns:
            (R, T, V), float32.
        """
        memory = self.teacher.encoder.reorder_encoder_out(encoded, owners)
        previous = words.roll(1, dims=1)
        previous[:, 0] = self.eos  # fairseq's sign for the beginning
        # What stands behind the words does not matter, as no word attends to it; a mask
        # would cost time.
        previous = previous.masked_fill(previous.eq(self.pad), self.eos)
        logits: Tensor = self.teacher.decoder(previous, encoder_out=memory)[0]
        return logits.float()


def now(device: torch.device) -> float:
    """Returns the time when the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


# ------------------------------------------------------------------------- no teacher


class ChrfConsensus:
    """Minimum Bayes risk: the candidate that is most like all others, by chrF.

    Each wording counts as often as there are candidates with it (Eikema & Aziz 2020);
    chrF is that of Popović (2015), with β = 2 and character n-grams up to 6.

    Args:
        to_text: target indices to text.
    """

    teacher = None
    rewrites = False

    def __init__(self, to_text: Callable[[Tensor], str]) -> None:
        self.to_text = to_text

    def rank(
        self, src_tokens: Tensor, candidates: list[Candidates]
    ) -> list[Candidates]:
        """Ranks by the mean chrF, 0 … 100, against all candidates of a sentence."""
        return [ranked(of_one, self._agreement(of_one)) for of_one in candidates]

    def _agreement(self, candidates: Candidates) -> list[float]:
        grams = [ngrams(self.to_text(one.tokens)) for one in candidates]
        weights = [one.copies for one in candidates]
        return [
            sum(w * chrf(one, other) for w, other in zip(weights, grams)) / sum(weights)
            for one in grams
        ]


def ngrams(text: str, order: int = 6) -> list[Counter[str]]:
    """Counts the character n-grams of a text without its spaces."""
    text = "".join(text.split())
    return [
        Counter(text[i : i + n] for i in range(len(text) - n + 1))
        for n in range(1, order + 1)
    ]


def chrf(
    output: list[Counter[str]], reference: list[Counter[str]], beta: float = 2.0
) -> float:
    """Returns the F_β of character n-grams, 0 … 100, over the orders both have."""
    figures = []
    for written, wanted in zip(output, reference):
        counts = written.total(), wanted.total()
        if all(counts):
            hits = (written & wanted).total()
            figures.append((hits / counts[0], hits / counts[1]))
    if not figures:
        return 0.0
    precision, recall = (sum(column) / len(figures) for column in zip(*figures))
    if precision + recall == 0:
        return 0.0
    factor = beta**2
    return 100 * (1 + factor) * precision * recall / (factor * precision + recall)
