"""The loss in bits per dimension: reconstruction + bottleneck, and what is logged."""

import math
from dataclasses import dataclass, field
from typing import Any, Iterable

import torch
from fairseq.criterions import register_criterion
from fairseq.dataclass import FairseqDataclass
from fairseq.logging import metrics
from torch import Tensor

from ..fairseq_side.training import (
    SummedCriterion,
    log_bottleneck,
    require_weight,
    totals,
)

LN2 = math.log(2)


@dataclass
class BitsPerDimConfig(FairseqDataclass):
    """Weights of the parts of the loss."""

    bottleneck_weight: float = field(
        default=1.0,
        metadata={
            "help": "weight of the bottleneck's loss, a mean over the numbers of z_e, "
            "beside the mean nats of an intensity"
        },
    )


@register_criterion("bits_per_dim", dataclass=BitsPerDimConfig)
class BitsPerDimCriterion(SummedCriterion):
    """Loss = nats of an intensity + the bottleneck's loss, both means.

    A dimension is an intensity, of which an image has 3 · H · W. van den Oord et al.
    (2017) add the commitment to a reconstruction error that is a mean as well; beside
    the sum over 3072 dimensions it would weigh nothing. Both are summed over the D
    dimensions of the batch, and fairseq divides by D, so that batches of one update add
    up to the large batch.

    Logged in bits per dimension: `reconstruction_bits` for -log p(x | z), `prior_bits`
    for the codes under the uniform prior, L · G · log2 K / (3 · H · W), and
    `bits_per_dim`, their sum: an upper bound on -log p(x). Without codes (the identity)
    there is no prior, and the sum is no bound. While vectors pass unquantized, in the
    warm-up of a VQ bottleneck, the decoder sees more than the codes tell: the bits of
    an image are then infinite, lest that is kept as the best model.

    Args:
        task: the fairseq task.
        bottleneck_weight: of the bottleneck's loss.
    """

    task_name = "image_vqvae"

    def __init__(self, task: Any, bottleneck_weight: float) -> None:
        super().__init__(task)
        require_weight("bottleneck_weight", bottleneck_weight)
        self.bottleneck_weight = bottleneck_weight

    def forward(
        self, model: torch.nn.Module, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Returns the loss summed over D dimensions, D, and the log."""
        images = sample["net_input"]["images"]
        out = model(**sample["net_input"])
        nats, dimensions = -out.log_prob.sum(), images.numel()
        bottleneck = self.bottleneck_weight * dimensions * out.bottleneck.loss
        loss = nats + bottleneck
        codes = out.bottleneck.codes.numel()
        log = {
            "loss": loss.detach(),
            "reconstruction_nats": nats.detach(),
            "prior_nats": codes * math.log(out.bottleneck.weights.size(-1)),
            "vq_loss": bottleneck.detach(),
            "dimensions": dimensions,
            "batches": 1,
            "sample_size": dimensions,
            "ntokens": len(images),
            "nsentences": len(images),
        }
        log.update({f"vq_{k}": v for k, v in out.bottleneck.metrics.items()})
        return loss, dimensions, log

    @classmethod
    def reduce_metrics(cls, logging_outputs: Iterable[dict[str, Any]]) -> None:
        """Logs each part by its own name, in bits per dimension."""
        total = totals(logging_outputs)
        dimensions = total["dimensions"]
        if dimensions == 0:
            return
        bits = (total["reconstruction_nats"] + total["prior_nats"]) / LN2
        parts = {
            "loss": total["loss"] / LN2,
            "reconstruction_bits": total["reconstruction_nats"] / LN2,
            "prior_bits": total["prior_nats"] / LN2,
            "bits_per_dim": math.inf if total["vq_unquantized"] else bits,
            "vq_loss": total["vq_loss"],
        }
        for key, value in parts.items():
            metrics.log_scalar(key, value / dimensions, dimensions, round=4)
        log_bottleneck(total, known=parts)
