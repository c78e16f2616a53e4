"""The loss of a prior: the negative log-likelihood of codes, and what is logged."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from fairseq.criterions import register_criterion
from fairseq.dataclass import FairseqDataclass
from fairseq.logging import metrics
from torch import Tensor

from ..fairseq_side.training import SummedCriterion, totals
from .prior import log_prob_of


@register_criterion("code_nll", dataclass=FairseqDataclass)
class CodeNLLCriterion(SummedCriterion):
    """Loss = -log p(codes), summed; fairseq divides by the number of codes.

    Args:
        task: the fairseq task, which knows how many numbers an image has.
    """

    def __init__(self, task: Any) -> None:
        super().__init__(task)
        self.dimensions = task.dimensions

    def forward(
        self, model: torch.nn.Module, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Returns the nats of a batch, its number of codes, and the log."""
        codes = sample["net_input"]["codes"]
        nats = -log_prob_of(codes, model(codes)).sum()
        log = {
            "loss": nats.detach(),
            "nats": nats.detach(),
            "dimensions": len(codes) * self.dimensions,
            "ntokens": codes.numel(),
            "nsentences": len(codes),
            "sample_size": codes.numel(),
        }
        return nats, codes.numel(), log

    @classmethod
    def reduce_metrics(cls, logging_outputs: Iterable[dict[str, Any]]) -> None:
        """Logs the loss in bits per code, nats per code, perplexity, bits per dim."""
        total = totals(logging_outputs)
        nats, codes, dimensions = total["nats"], total["ntokens"], total["dimensions"]
        if codes == 0:
            return
        metrics.log_scalar("loss", nats / codes / math.log(2), codes, round=4)
        metrics.log_scalar("nats_per_code", nats / codes, codes, round=4)
        bits = nats / dimensions / math.log(2)
        metrics.log_scalar("bits_per_dim", bits, dimensions, round=5)
        metrics.log_derived(
            "perplexity", lambda meters: round(math.exp(meters["nats_per_code"].avg), 2)
        )
