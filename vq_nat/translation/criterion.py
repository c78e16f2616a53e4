"""The loss: reconstruction + bottleneck + latent prediction, and what is logged."""

from dataclasses import dataclass, field
from typing import Any, Iterable

import torch
import torch.nn.functional as F
from fairseq.criterions import FairseqCriterion, register_criterion
from fairseq.dataclass import FairseqDataclass
from fairseq.logging import metrics
from fairseq.tasks import FairseqTask
from torch import Tensor

from ..fairseq_side.training import log_bottleneck, totals
from .flow import TrainingOutput, normalise_codes

LN2 = 0.6931471805599453


@dataclass
class LatentPredictionConfig(FairseqDataclass):
    """Weights of the parts of the loss."""

    latent_loss_weight: float = field(
        default=1.0,
        metadata={"help": "weight of the latent prediction, per code as per word"},
    )
    latent_loss_start: int = field(
        default=0,
        metadata={"help": "updates before which codes are not predicted yet"},
    )
    word_smoothing: float = field(
        default=0.0,
        metadata={"help": "label smoothing of the reconstruction (paper: none)"},
    )


@register_criterion("latent_prediction", dataclass=LatentPredictionConfig)
class LatentPredictionCriterion(FairseqCriterion):
    """Loss = reconstruction + commitment + latent prediction, per word position.

    Each part is a mean: over words, over code vectors, over codes and ends of codes.
    They are summed over the W word positions of the batch, and fairseq divides by W.
    Padding has no part in any of them.

    The means are those of a batch. So batches of one update (`--update-freq`, several
    workers) add up to the large batch only where they have alike many codes per word:
    with other lengths a code weighs a little more in one of them than in another, and
    so does a word where some are shown.

    Args:
        task: the fairseq task.
        latent_loss_weight: of the latent prediction.
        latent_loss_start: updates before it counts.
        word_smoothing: label smoothing of the reconstruction.
    """

    def __init__(
        self,
        task: FairseqTask,
        latent_loss_weight: float,
        latent_loss_start: int,
        word_smoothing: float,
    ) -> None:
        super().__init__(task)
        self.latent_loss_weight = latent_loss_weight
        self.latent_loss_start = latent_loss_start
        self.word_smoothing = word_smoothing

    def forward(
        self, model: torch.nn.Module, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Returns the loss summed over W word positions, W, and the log."""
        out = model(**sample["net_input"], target=sample["target"])
        words, positions = self.reconstruction(out), out.word_positions
        codes = code_nll(out)
        bottleneck = out.bottleneck.loss * positions
        weight = self.latent_loss_weight * (out.updates >= self.latent_loss_start)
        loss = words + bottleneck + weight * codes * (positions / code_count(out))
        log = {
            "loss": loss.detach(),
            "word_nll": words.detach(),
            "code_nll": codes.detach(),
            "vq_loss": bottleneck.detach(),
            "words": positions,
            "codes": code_count(out),
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

    def reconstruction(self, out: TrainingOutput) -> Tensor:
        """Cross-entropy of the hidden words, as if all W words had been hidden."""
        nll = F.cross_entropy(
            out.word_logits.float(),
            out.word_targets,
            label_smoothing=self.word_smoothing,
            reduction="sum",
        )
        return nll * (out.word_positions / max(1, out.word_targets.numel()))

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """All entries are sums."""
        return True

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
            share = total[f"{name}_hits"] / max(count, 1)
            metrics.log_scalar(f"{name}_accuracy", share, count, round=4)
        log_bottleneck(total, known=per_word)


def code_nll(out: TrainingOutput) -> Tensor:
    """Soft cross-entropy of codes and ends of codes, summed over the batch.

    The target is the average of the M one-hots (Roy et al. 2018, section 3.1).
    """
    return -(out.code_targets * normalise_codes(out.code_logits)).sum()


def code_count(out: TrainingOutput) -> int:
    """Counts what the predictor has to predict: codes and ends of codes."""
    return out.latent_count + out.code_targets.size(0)


def code_hits(out: TrainingOutput) -> Tensor:
    """Counts the latents whose most probable codes are predicted in all slices."""
    predicted = out.code_logits[:, :-1, :, :-1].argmax(dim=-1)
    real = out.code_targets[:, :-1, 0, :-1].sum(dim=-1) > 0
    return (predicted.eq(out.bottleneck.codes).all(dim=-1) & real).sum()


def word_hits(out: TrainingOutput) -> Tensor:
    """Counts the hidden words that are predicted."""
    # argmax gives the same, but takes three times as long on a CPU.
    return out.word_logits.max(dim=-1).indices.eq(out.word_targets).sum()
