"""The fairseq task: data, and the generator; EM is in `training.py`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

import numpy
import torch
from fairseq.criterions import FairseqCriterion
from fairseq.dataclass import FairseqDataclass
from fairseq.logging import metrics
from fairseq.models import BaseFairseqModel
from fairseq.sequence_generator import SequenceGenerator
from fairseq.tasks import register_task
from fairseq.tasks.translation import (
    EVAL_BLEU_ORDER,
    TranslationConfig,
    TranslationTask,
)
from sacrebleu.metrics import BLEU

from ..fairseq_side.compat import EverySentence, autocast, load_task_state
from ..fairseq_side.training import LatentTraining
from .binding import BoundToText
from .decoding.build import build_generator
from .decoding.flags import (
    OF_LATENT_MODELS,
    DecodingConfig,
    Given,
    named_as_flags,
    read_flags,
    refuse_ignored,
    settle_beam,
    settle_passes,
)
from .decoding.generator import IterativeLatentGenerator
from .decoding.references import ReferenceScorer
from .flow import Candidate, LatentModel, device_of, is_latent, reads_source
from .validation import BleuByLanguage

Generator: TypeAlias = Union[
    IterativeLatentGenerator, ReferenceScorer, SequenceGenerator
]


@dataclass
class DiscreteLatentTranslationConfig(DecodingConfig, TranslationConfig):
    """fairseq's translation options, those of decoding, and a second BLEU."""

    eval_true_codes: bool = field(
        default=False,
        metadata={
            "help": "with --eval-bleu, log BLEU with the target's own codes as well: "
            "what a perfect latent predictor would give; without discretisation, BLEU "
            "with the target's latents"
        },
    )


@register_task("discrete_latent_translation", dataclass=DiscreteLatentTranslationConfig)
class DiscreteLatentTranslationTask(
    BoundToText, BleuByLanguage, EverySentence, LatentTraining, TranslationTask
):
    """fairseq's translation task for latent models and their teachers alike.

    Models without latents (`--arch transformer`) train and decode as in fairseq's own
    task, with autocast besides.
    """

    cfg: DiscreteLatentTranslationConfig

    def build_model(
        self, cfg: FairseqDataclass, from_checkpoint: bool = False
    ) -> BaseFairseqModel:
        """Builds the model; a fresh student may start from its teacher.

        A model without discretisation is validated with what it can decode from.
        """
        if self.cfg.eval_bleu and getattr(cfg, "vq_kind", "") == "identity":
            arguments = json.loads(self.cfg.eval_bleu_args or "{}")
            arguments = {**arguments, "iter_decode_max_iter": 0, "true_latents": True}
            self.cfg.eval_bleu_args = json.dumps(arguments)
        model = super().build_model(cfg, from_checkpoint)
        teacher = getattr(cfg, "init_from_teacher", None)
        if teacher and not from_checkpoint:
            self.check_state(load_task_state(teacher), f"the teacher {teacher}")
            model.init_from_teacher(teacher)
        return model

    def build_generator(
        self, models: list[BaseFairseqModel], args: Given, *rest: Any, **options: Any
    ) -> Generator:
        """Returns an `IterativeLatentGenerator`; fairseq's own for other models.

        Of several models the last may be the teacher that rescores candidates. With
        `--score-reference` it returns a `ReferenceScorer`.

        Raises:
            ValueError: for settings a latent model cannot serve.
        """
        if not is_latent(models[0]):
            return super().build_generator(models, args, *rest, **options)
        refuse_ignored(args, OF_LATENT_MODELS, "a parallel decoder")
        settle_passes(args, serves=self._can_refine(models[0], args))
        asked = read_flags(args, self.cfg)
        settle_beam(args, asked.candidates)
        if getattr(args, "score_reference", False):
            return ReferenceScorer(self.target_dictionary)
        refuse_more(getattr(args, "nbest", 1), candidates=asked.candidates)
        with named_as_flags():
            return build_generator(asked, models, self.target_dictionary)

    def _can_refine(self, model: LatentModel, args: Given) -> bool:
        """Tells whether passes may follow the first one."""
        if reads_source(model):
            return False
        mode = getattr(args, "refinement", None) or self.cfg.refinement
        return model.sees_words or mode == "latent"

    def valid_step(
        self,
        sample: dict[str, Any],
        model: torch.nn.Module,
        criterion: FairseqCriterion,
    ) -> tuple[torch.Tensor, int, dict[str, Any]]:
        """Loss and BLEU of a validation batch."""
        loss, size, log = super().valid_step(sample, model, criterion)
        if self.cfg.eval_bleu and self.cfg.eval_true_codes and is_latent(model):
            name = "true_codes" if model.predicts_codes else "true_latents"
            options: dict[str, Any] = {name: True}
            generator = IterativeLatentGenerator(self.target_dictionary, **options)
            bleu = self._inference_with_bleu(generator, sample, model)
            log[f"_{name}_sys_len"] = bleu.sys_len
            log[f"_{name}_ref_len"] = bleu.ref_len
            for i in range(EVAL_BLEU_ORDER):
                log[f"_{name}_counts_{i}"] = bleu.counts[i]
                log[f"_{name}_totals_{i}"] = bleu.totals[i]
        return loss, size, log

    def inference_step(
        self,
        generator: Generator,
        models: Sequence[torch.nn.Module],
        sample: dict[str, Any],
        **options: Any,
    ) -> list[list[dict[str, Any]]]:
        """Decodes a batch under autocast, and returns what fairseq's commands read."""
        if not isinstance(generator, (IterativeLatentGenerator, ReferenceScorer)):
            with autocast(self.cfg.autocast, device_of(models[0])):
                return super().inference_step(generator, models, sample, **options)
        candidates = self.candidates(generator, models, sample, **options)
        return [[as_fairseq(one) for one in of_sentence] for of_sentence in candidates]

    def candidates(
        self,
        generator: IterativeLatentGenerator | ReferenceScorer,
        models: Sequence[LatentModel | torch.nn.Module],
        sample: dict[str, Any],
        **options: Any,
    ) -> list[list[Candidate]]:
        """Decodes a batch of a latent model under autocast."""
        with torch.no_grad(), autocast(self.cfg.autocast, device_of(models[0])):
            return generator.generate(models, sample, **options)

    def read(
        self, model: torch.nn.Module, source: torch.Tensor, target: torch.Tensor
    ) -> Any:
        """Returns what a latent model says of given targets, under autocast."""
        with torch.no_grad(), autocast(self.cfg.autocast, device_of(model)):
            return model(source, target=target)

    def reduce_metrics(
        self, logging_outputs: list[dict[str, Any]], criterion: FairseqCriterion
    ) -> None:
        """Adds BLEU with true codes or latents to what fairseq logs."""
        super().reduce_metrics(logging_outputs, criterion)
        for name in ("true_codes", "true_latents"):
            if any(f"_{name}_sys_len" in log for log in logging_outputs):
                log_bleu(logging_outputs, f"_{name}", f"bleu_{name}")
        if any(log.get("_bleu_sys_len") == 0 for log in logging_outputs):
            # fairseq forgets to log BLEU when all outputs are empty, then misses it.
            log_bleu(logging_outputs, "_bleu", "bleu")


def refuse_more(nbest: int, *, candidates: int) -> None:
    """Refuses more translations of a sentence than there are candidates.

    Raises:
        ValueError: naming the option.
    """
    if nbest > candidates:
        raise ValueError(
            f"`nbest` must be at most `iter_decode_with_beam` ({candidates}), but is "
            f"{nbest} instead."
        )


def as_fairseq(candidate: Candidate) -> dict[str, Any]:
    """Returns a candidate as fairseq's commands read it."""
    fields: dict[str, Any] = candidate._asdict()
    if candidate.rank_score is None:
        del fields["rank_score"]
    if not candidate.history:
        del fields["history"]
    else:
        fields["history"] = [{"tokens": words} for words in candidate.history]
    return {**fields, "alignment": None, "attention": None}


def log_bleu(logs: list[dict[str, Any]], prefix: str, name: str) -> None:
    """Logs corpus BLEU from the counts of all batches and workers.

    Args:
        logs: logging outputs with `{prefix}_counts_0`, ….
        prefix: of their keys.
        name: of the metric.
    """

    def total(key: str) -> float:
        return sum(float(log.get(f"{prefix}_{key}", 0)) for log in logs)

    for key in ("counts", "totals"):
        values = [total(f"{key}_{i}") for i in range(EVAL_BLEU_ORDER)]
        metrics.log_scalar(f"{prefix}_{key}", numpy.array(values))
    for key in ("sys_len", "ref_len"):
        metrics.log_scalar(f"{prefix}_{key}", total(key))

    def bleu(meters: dict[str, Any]) -> float:
        score = BLEU.compute_bleu(
            correct=meters[f"{prefix}_counts"].sum,
            total=meters[f"{prefix}_totals"].sum,
            sys_len=int(meters[f"{prefix}_sys_len"].sum),
            ref_len=int(meters[f"{prefix}_ref_len"].sum),
            smooth_method="exp",
        )
        return round(score.score, 2)

    metrics.log_derived(name, bleu)
