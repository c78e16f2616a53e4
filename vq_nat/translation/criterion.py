"""The loss: reconstruction + bottleneck + latent prediction, and what is logged."""

from dataclasses import dataclass, field
from typing import Any, Iterable, NamedTuple, Optional

import torch
import torch.nn.functional as F
from fairseq.criterions import register_criterion
from fairseq.dataclass import FairseqDataclass
from fairseq.logging import metrics
from fairseq.tasks import FairseqTask
from torch import Tensor

from ..fairseq_side.training import (
    SummedCriterion,
    log_bottleneck,
    require_weight,
    totals,
)
from .flow import BLANK, NO_CODE, AlignedWords, TrainingOutput, normalise_codes

LN2 = 0.6931471805599453


@dataclass
class LatentPredictionConfig(FairseqDataclass):
    """Weights of the parts of the loss."""

    latent_loss_weight: float = field(
        default=1.0,
        metadata={"help": "weight of the latent prediction, per code as per word"},
    )
    latent_loss_start: Optional[int] = field(
        default=None,
        metadata={
            "help": "updates before which codes are not predicted yet (default: the "
            "paper's 50,000 for the sizes base and big, 0 for tiny and small)"
        },
    )
    word_smoothing: float = field(
        default=0.0,
        metadata={"help": "label smoothing of the reconstruction (paper: none)"},
    )
    code_smoothing: float = field(
        default=0.0,
        metadata={"help": "label smoothing of the latent prediction (paper: none)"},
    )


@register_criterion("latent_prediction", dataclass=LatentPredictionConfig)
class LatentPredictionCriterion(SummedCriterion):
    """Loss = reconstruction + commitment + latent prediction, per word position.

    Each part is a mean: over words, over code vectors, over codes and ends of codes.
    They are summed over the W word positions of the batch, and fairseq divides by W.
    Padding has no part in any of them.

    The means are those of a batch. So the batches of one update (`--update-freq`,
    several workers) add up to one large batch only if all have equally many codes per
    word. Otherwise a code weighs a little more in one batch than in another; so does a
    word, where some words are shown.

    Args:
        task: the fairseq task.
        latent_loss_weight: of the latent prediction.
        latent_loss_start: updates before it counts in training; None = 0.
        word_smoothing: label smoothing of the reconstruction.
        code_smoothing: label smoothing of the latent prediction.
    """

    task_name = "discrete_latent_translation"

    def __init__(
        self,
        task: FairseqTask,
        latent_loss_weight: float,
        latent_loss_start: Optional[int],
        word_smoothing: float,
        code_smoothing: float = 0.0,
    ) -> None:
        super().__init__(task)
        require_weight("latent_loss_weight", latent_loss_weight)
        require_weight("word_smoothing", word_smoothing, below=1)
        require_weight("code_smoothing", code_smoothing, below=1)
        self.latent_loss_weight = latent_loss_weight
        self.latent_loss_start = latent_loss_start or 0
        self.word_smoothing = word_smoothing
        self.code_smoothing = code_smoothing

    def forward(
        self, model: torch.nn.Module, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Returns the loss summed over W word positions, W, and the log."""
        out = model(**sample["net_input"], target=sample["target"])
        words, positions = self.reconstruction(out), out.word_positions
        codes = code_losses(out, self.code_smoothing)
        bottleneck = out.bottleneck.loss * positions
        # In evaluation all of it counts: a checkpoint does not tell the updates, and a
        # loss that begins to count would look like a model that becomes worse.
        late = not model.training or out.updates >= self.latent_loss_start
        weight = self.latent_loss_weight * late
        predicted = codes.loss * (positions / out.code_count)
        loss = words.loss + bottleneck + weight * predicted
        log = {
            "loss": loss.detach(),
            "word_nll": words.nll,
            "code_nll": codes.nll,
            "vq_loss": bottleneck.detach(),
            "words": positions,
            "codes": out.code_count,
            "word_hits": word_hits(out),
            "hidden_words": out.word_targets.numel(),
            "code_hits": code_hits(out),
            "latents": out.latent_count,
            "batches": 1,
            "sample_size": positions,
            "ntokens": sample["ntokens"],
            "nsentences": len(sample["target"]),
        }
        log.update({f"vq_{k}": v for k, v in out.bottleneck.metrics.items()})
        return loss, positions, log

    def reconstruction(self, out: TrainingOutput) -> "Losses":
        """Cross-entropy of the hidden words, as if all W words had been hidden."""
        if out.aligned is not None:
            return aligned_losses(out.aligned, self.word_smoothing)
        losses = smoothed(out.word_logits, out.word_targets, self.word_smoothing)
        share = out.word_positions / max(1, out.word_targets.numel())
        return Losses(losses.loss * share, losses.nll * share)

    @classmethod
    def reduce_metrics(cls, logging_outputs: Iterable[dict[str, Any]]) -> None:
        """Logs each part by its own name, losses in bits as fairseq does."""
        total = totals(logging_outputs)
        words, codes = total["words"], total["codes"]
        if words == 0:
            return
        per_word = {"loss": LN2, "word_nll": LN2, "vq_loss": 1.0}
        for key, unit in per_word.items():
            metrics.log_scalar(key, total[key] / words / unit, words, round=3)
        metrics.log_scalar("code_nll", total["code_nll"] / codes / LN2, codes, round=3)
        for name, of in (("word", "hidden_words"), ("code", "latents")):
            count = total[of]
            if not count:  # aligned words have no places to be right at
                continue
            share = total[f"{name}_hits"] / max(count, 1)
            metrics.log_scalar(f"{name}_accuracy", share, count, round=4)
        log_bottleneck(total, known=per_word)


class Losses(NamedTuple):
    """Sums over a batch."""

    loss: Tensor  # what is minimised
    nll: Tensor  # the same without smoothing, and without gradient


def smoothed(logits: Tensor, targets: Tensor, smoothing: float) -> Losses:
    """Cross-entropy with label smoothing (Szegedy et al. 2016, section 7), summed.

    Args:
        logits: (P, N).
        targets: (P,).
        smoothing: ε, the share of the target that all N symbols share.
    """
    if not smoothing:
        loss = F.cross_entropy(logits.float(), targets, reduction="sum")
        return Losses(loss, loss.detach())
    log_probs = F.log_softmax(logits.float(), dim=-1)
    nll = -log_probs.gather(-1, targets.unsqueeze(-1)).sum()
    even = -log_probs.mean(dim=-1).sum()
    return Losses((1 - smoothing) * nll + smoothing * even, nll.detach())


def aligned_losses(aligned: AlignedWords, smoothing: float = 0.0) -> Losses:
    """-log of the sum over all alignments (Graves et al. 2006), summed over the batch.

    Words that do not fit into their positions have no alignment, and do not count; nor
    are they among the W words that the loss is a mean of.

    Args:
        aligned: the words, and what is said of every position.
        smoothing: ε, the share that all symbols share at each position; one word's
            part of it is the mean over positions.
    """
    log_probs = F.log_softmax(aligned.logits.float(), dim=-1)
    nll = F.ctc_loss(
        log_probs.transpose(0, 1),
        aligned.words,
        aligned.mask.sum(dim=1),
        aligned.counts,
        blank=BLANK,
        reduction="sum",
        zero_infinity=True,
    )
    if not smoothing:
        return Losses(nll, nll.detach())
    mask = aligned.mask & aligned.fits.unsqueeze(1)
    count = (aligned.counts * aligned.fits).sum() / mask.sum().clamp(min=1)
    even = -log_probs.mean(dim=-1)[mask].sum() * count
    return Losses((1 - smoothing) * nll + smoothing * even, nll.detach())


def code_losses(out: TrainingOutput, smoothing: float = 0.0) -> Losses:
    """Cross-entropy of codes and ends of codes, summed over the batch.

    The target of a learned code is the average of the M one-hots (Roy et al. 2018,
    section 3.1); the target of a code that is a word is this word.
    """
    targets = out.code_targets
    if not targets.is_floating_point():
        real = targets.ne(NO_CODE)
        return smoothed(out.code_logits[real], targets[real], smoothing)
    log_probs = normalise_codes(out.code_logits)
    known = log_probs.isneginf()  # only slice 0 knows the end of codes
    log_probs = log_probs.masked_fill(known, 0.0)
    nll = -(targets * log_probs).sum()
    if not smoothing:
        return Losses(nll, nll.detach())
    even = -log_probs.sum(dim=-1) / (~known).sum(dim=-1)
    even = (even * targets.sum(dim=-1)).sum()  # not at padding
    return Losses((1 - smoothing) * nll + smoothing * even, nll.detach())


def code_hits(out: TrainingOutput) -> Tensor:
    """Counts the latents whose most probable codes are predicted in all slices."""
    targets = out.code_targets
    if not targets.is_floating_point():
        return out.code_logits.argmax(dim=-1).eq(targets).sum()
    predicted = out.code_logits[:, :-1, :, :-1].argmax(dim=-1)
    real = targets[:, :-1, 0, :-1].sum(dim=-1) > 0
    return (predicted.eq(out.bottleneck.codes).all(dim=-1) & real).sum()


def word_hits(out: TrainingOutput) -> Tensor:
    """Counts the hidden words that are predicted."""
    # argmax gives the same, but takes three times as long on a CPU.
    return out.word_logits.max(dim=-1).indices.eq(out.word_targets).sum()
