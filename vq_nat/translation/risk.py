"""Minimum-risk training of the predictor: it is judged by translations, not by codes.

Maximum likelihood asks for the codes of one translation, although others may be as good
and easier to decode from. Here the predictor draws codes, the decoder writes the words
of each in one batch, and the codes of the better translations become more probable
(Shen et al. 2016, arXiv 1512.02433). So the predictor learns what a teacher's choice
among candidates would gain, and no time is spent on a teacher.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Iterable, Optional

import torch
from fairseq.criterions import register_criterion
from fairseq.dataclass.configs import FairseqConfig
from fairseq.logging import metrics
from fairseq.tasks import FairseqTask
from torch import Tensor

from ..fairseq_side.compat import Refused
from ..fairseq_side.training import gathering, require_weight
from .criterion import LatentPredictionConfig, LatentPredictionCriterion
from .decoding.build import plain_text
from .decoding.generator import IterativeLatentGenerator
from .decoding.lengths import LengthRule
from .decoding.limits import SearchOptions
from .decoding.rescoring import chrf, ngrams
from .decoding.search import search
from .flow import EncodedSource, LatentCodes, take

ADD_UP = ("legacy_ddp", "no_c10d")  # wrappers that add up whatever gradients there are


@dataclass
class MinimumRiskConfig(LatentPredictionConfig):
    """Those of the latent prediction, and what is drawn."""

    risk_samples: int = field(
        default=8, metadata={"help": "sequences of codes drawn for each sentence"}
    )
    risk_temperature: float = field(
        default=1.0, metadata={"help": "of the draws: above 1 they differ more"}
    )
    risk_sharpness: float = field(
        default=0.2,
        metadata={"help": "α of q ∝ p(codes)^α over the draws (Shen et al. 2016)"},
    )
    risk_likelihood: float = field(
        default=0.1,
        metadata={
            "help": "weight of the latent prediction's loss beside the risk; 0 moves "
            "the predictor alone"
        },
    )


class Draws:
    """Sequences of codes drawn for each sentence, and how good their words are."""

    def __init__(self, codes: LatentCodes, source: EncodedSource, rewards: Tensor):
        self.codes, self.source = codes, source  # (B · S) rows
        self.rewards = rewards  # (B, S), chrF / 100

    def risk(self, model: Any, sharpness: float) -> Tensor:
        """Computes Σ_s q_s (1 - reward_s), q ∝ p^α over unequal draws. Shape: (B,)."""
        count = self.rewards.size(1)
        scores = model.score_codes(self.codes, self.source).view(-1, count)
        q = (sharpness * scores).masked_fill(self.repeated(), -float("inf"))
        return (q.softmax(dim=1) * (1 - self.rewards)).sum(dim=1)

    def repeated(self) -> Tensor:
        """Tells which draws are equal to an earlier one. Shape: (B, S)."""
        count = self.rewards.size(1)
        marked = self.codes.codes.masked_fill(~self.codes.mask.unsqueeze(-1), -1)
        rows = marked.flatten(1).view(-1, count, marked.size(1) * marked.size(2))
        same = rows.unsqueeze(1).eq(rows.unsqueeze(2)).all(dim=-1)  # (B, S, S)
        return same.tril(diagonal=-1).any(dim=-1)


@register_criterion("minimum_risk", dataclass=MinimumRiskConfig)
class MinimumRiskCriterion(LatentPredictionCriterion):
    """Loss = risk of the drawn codes + a share of the latent prediction's loss.

    The risk is a mean over sentences, times the W word positions that the other loss is
    summed over. Its gradient reaches the predictor alone, and with words as codes the
    embeddings that it shares: the decoder's words and the encoded source are constants.
    Without the latent prediction's loss no code moves
    either. In evaluation the loss is that of the latent prediction.

    Args:
        task: the fairseq task.
        risk_samples: S.
        risk_temperature: of the draws.
        risk_sharpness: α.
        risk_likelihood: weight of the latent prediction's loss.
        **rest: of the latent prediction.
    """

    def __init__(
        self,
        task: FairseqTask,
        latent_loss_weight: float,
        latent_loss_start: Optional[int],
        word_smoothing: float,
        code_smoothing: float,
        risk_samples: int,
        risk_temperature: float,
        risk_sharpness: float,
        risk_likelihood: float,
    ) -> None:
        super().__init__(
            task, latent_loss_weight, latent_loss_start, word_smoothing, code_smoothing
        )
        if risk_samples < 2:
            raise ValueError(
                f"`risk_samples` must be at least 2, but is {risk_samples} instead."
            )
        for name, value in (
            ("risk_temperature", risk_temperature),
            ("risk_sharpness", risk_sharpness),
        ):
            if not 0 < value < math.inf:
                raise ValueError(
                    f"`{name}` must be above 0 and finite, but is {value} instead."
                )
        require_weight("risk_likelihood", risk_likelihood)
        self.samples, self.temperature = risk_samples, risk_temperature
        self.sharpness, self.likelihood = risk_sharpness, risk_likelihood
        dictionary = task.target_dictionary
        self.to_text, self.pad = plain_text(dictionary), dictionary.pad()
        self.generator = IterativeLatentGenerator(dictionary)
        self.rule = LengthRule(guarded=True)

    def refuse_training(self, cfg: FairseqConfig, model: torch.nn.Module) -> None:
        """Refuses models without codes, and workers that would drift apart.

        Without the latent prediction's loss the wrapped model's forward keeps no
        gradients, so that PyTorch's wrapper would not add up those of the risk.

        Raises:
            Refused: naming the option.
        """
        if not getattr(model, "predicts_codes", True):
            raise Refused(
                "`criterion` must be latent_prediction for a model without codes, but "
                "is minimum_risk instead: there is nothing to draw."
            )
        workers = cfg.distributed_training
        alone = workers.distributed_world_size <= 1
        if not alone and not self.likelihood and workers.ddp_backend not in ADD_UP:
            raise Refused(
                f"`ddp_backend` must be {ADD_UP[0]} with several workers and "
                f"`risk_likelihood` 0, but is {workers.ddp_backend} instead."
            )

    def forward(
        self, model: torch.nn.Module, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Returns the loss summed over W word positions, W, and the log."""
        others_learn = self.likelihood > 0
        grad = torch.set_grad_enabled(torch.is_grad_enabled() and others_learn)
        with grad, gathering(model, dummy=not others_learn):
            loss, size, log = super().forward(model, sample, reduce)
        if not model.training:
            return loss, size, log
        draws = self.draw(model, sample)
        risks = draws.risk(model, self.sharpness)
        loss = self.likelihood * loss + risks.mean() * size
        return (
            loss,
            size,
            {
                **log,
                "loss": loss.detach(),
                "risk": risks.detach().sum(),
                "reward": draws.rewards.mean(dim=1).sum(),
                "best_reward": draws.rewards.amax(dim=1).sum(),
            },
        )

    @torch.no_grad()
    def draw(self, model: Any, sample: dict[str, Any]) -> Draws:
        """Draws codes without dropout, decodes them, and scores their words."""
        model.eval()
        source = model.encode(sample["net_input"]["src_tokens"])
        bounds = self.rule.bounds(source, model.chunk)
        keys = torch.randint(2**62, bounds.most.shape, device=bounds.most.device)
        options = SearchOptions("sample", self.samples, self.temperature)
        codes = search(model.predictor, source, bounds._replace(keys=keys), options)
        rows = torch.arange(len(keys), device=keys.device)
        source = take(source, rows.repeat_interleave(self.samples))
        candidates = self.generator.from_codes(model, codes, source)
        words = [candidate.tokens for candidate in candidates]
        model.train()
        return Draws(codes, source, self.rewards(words, sample["target"]))

    def rewards(self, words: list[Tensor], target: Tensor) -> Tensor:
        """Scores B · S outputs by chrF against B targets. Shape: (B, S), 0 … 1."""
        # Padding is no text: a reward must not depend on what shares its batch.
        wanted = [ngrams(self.to_text(row[row.ne(self.pad)])) for row in target]
        outputs = [ngrams(self.to_text(row)) for row in words]
        scores = [
            chrf(one, wanted[number // self.samples]) / 100
            for number, one in enumerate(outputs)
        ]
        return target.new_tensor(scores, dtype=torch.float32).view(-1, self.samples)

    @classmethod
    def reduce_metrics(cls, logging_outputs: Iterable[dict[str, Any]]) -> None:
        """Logs risk and rewards besides, each a mean over sentences."""
        logs = list(logging_outputs)
        super().reduce_metrics(logs)
        drawn = [log for log in logs if "risk" in log]
        count = float(sum(log["nsentences"] for log in drawn))
        for name in ("risk", "reward", "best_reward") if count else ():
            total = float(sum(log[name] for log in drawn))
            metrics.log_scalar(name, total / count, count, round=4)
