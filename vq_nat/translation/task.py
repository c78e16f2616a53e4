"""The fairseq task: data, and the generator; EM is in `training.py`."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch
from fairseq.logging import metrics
from fairseq.tasks import register_task
from fairseq.tasks.translation import (
    EVAL_BLEU_ORDER,
    TranslationConfig,
    TranslationTask,
)
from sacrebleu.metrics import BLEU

from ..fairseq_side.compat import EverySentence, autocast, load_task_state
from ..fairseq_side.training import AUTOCAST_HELP, LatentTraining
from .binding import BoundToText
from .config import DecodingConfig
from .decoding.generator import REFINEMENTS, IterativeLatentGenerator
from .decoding.lengths import LengthRule
from .decoding.rescoring import ChrfConsensus, ModelScore, Rescorer, TeacherScore
from .decoding.search import SearchOptions
from .flow import device_of
from .validation import BleuByLanguage


@dataclass
class DiscreteLatentTranslationConfig(DecodingConfig, TranslationConfig):
    """fairseq's translation options, those of decoding, autocast, and a second BLEU."""

    autocast: str = field(
        default="none",
        metadata={"help": AUTOCAST_HELP},
    )
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

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
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
        self, models: list[Any], args: Any, *rest: Any, **options: Any
    ) -> Any:
        """Returns an `IterativeLatentGenerator`; fairseq's own for other models.

        Of several models the last may be the teacher that rescores candidates.

        Raises:
            ValueError: for settings a latent model cannot serve.
        """
        if not hasattr(models[0], "lookup"):
            return super().build_generator(models, args, *rest, **options)
        settings = Settings(args, self.cfg)
        settings.refuse_unserved(models)
        return IterativeLatentGenerator(
            self.target_dictionary,
            max_iter=settings.passes,
            retain_history=settings.get("retain_iter_history", False),
            true_codes=settings.get("true_codes"),
            true_latents=settings.get("true_latents"),
            search=settings.search(),
            lengths=settings.lengths(),
            refinement=settings.get("refinement"),
            rescorer=settings.rescorer(models, self.target_dictionary),
        )

    def valid_step(
        self, sample: dict[str, Any], model: torch.nn.Module, criterion: Any
    ) -> Any:
        """Loss and BLEU of a validation batch."""
        loss, size, log = super().valid_step(sample, model, criterion)
        if self.cfg.eval_bleu and self.cfg.eval_true_codes and hasattr(model, "lookup"):
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
        self, generator: Any, models: Any, sample: dict[str, Any], **options: Any
    ) -> Any:
        """Decodes a batch under autocast."""
        with autocast(self.cfg.autocast, device_of(models[0])):
            return super().inference_step(generator, models, sample, **options)

    def reduce_metrics(self, logging_outputs: Any, criterion: Any) -> None:
        """Adds BLEU with true codes or latents to what fairseq logs."""
        super().reduce_metrics(logging_outputs, criterion)
        for name in ("true_codes", "true_latents"):
            if any(f"_{name}_sys_len" in log for log in logging_outputs):
                log_bleu(logging_outputs, f"_{name}", f"bleu_{name}")
        if any(log.get("_bleu_sys_len") == 0 for log in logging_outputs):
            # fairseq forgets to log BLEU when all outputs are empty, then misses it.
            log_bleu(logging_outputs, "_bleu", "bleu")


class Settings:
    """Reads the decoding options: what is asked for now, then the task's.

    Args:
        args: fairseq's generation options, or some of them.
        cfg: the task's options.
    """

    def __init__(self, args: Any, cfg: Any) -> None:
        self.args, self.cfg = args, cfg
        self.passes = self.get("iter_decode_max_iter", 0)
        self.candidates = self.get("iter_decode_with_beam", 1)
        self.reranks = self.get("iter_decode_with_external_reranker", False)

    def get(self, name: str, default: Any = None) -> Any:
        """Returns an option of the call, of the task, or the default."""
        fallback = getattr(self.cfg, name, getattr(DecodingConfig, name, default))
        value = getattr(self.args, name, None)
        return fallback if value is None else value

    def search(self) -> SearchOptions:
        """Returns the search for codes; one candidate is searched for greedily."""
        kind = "sample" if self.get("sampling", False) else self.get("code_search")
        if self.candidates == 1 and kind in ("beam", "lengths"):
            kind = "greedy"
        return SearchOptions(
            kind,
            self.candidates,
            self.get("temperature", 1.0),
            self.length_penalty(),
            self.get("sampling_seed", 1),
        )

    def length_penalty(self) -> float:
        """Returns α of scores / length^α."""
        return 0.0 if self.get("unnormalized", False) else self.get("lenpen", 1.0)

    def lengths(self) -> LengthRule:
        """Returns the rule for lengths."""
        ratio = self.get("length_mode") == "ratio"
        most = self.get("max_length_ratio")
        return LengthRule(
            self.get("max_len_a", 0.0),
            self.get("max_len_b", 200),
            self.get("min_length_ratio"),
            most,
            self.get("length_ratio") if ratio else 0.0,
            guarded=not most,
        ).check()

    def rescorer(self, models: list[Any], dictionary: Any) -> Rescorer:
        """Returns what ranks the candidates."""
        if self.reranks:
            return TeacherScore(models[-1], dictionary, self.length_penalty())
        if self.get("rescore") == "chrf":
            return ChrfConsensus(lambda tokens: plain_text(dictionary, tokens))
        return ModelScore(self.length_penalty())

    def refuse_unserved(self, models: list[Any]) -> None:
        """Refuses options that would do nothing, or that the model cannot serve.

        Raises:
            ValueError: naming the option.
        """
        for name, choices in CHOICES.items():
            if self.get(name) not in choices:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(choices)}, "
                    f"but is {self.get(name)!r} instead."
                )
        self.refuse_untrue(models[0])
        if self.get("length_mode") == "ratio" and not self.get("length_ratio") > 0:
            raise ValueError(
                "`length_ratio` must be above 0 with `length_mode` 'ratio', "
                f"but is {self.get('length_ratio')} instead."
            )
        if self.passes < 0:
            raise ValueError(
                "`iter_decode_max_iter` must not be negative, "
                f"but is {self.passes} instead."
            )
        if self.reranks and self.candidates == 1:
            raise ValueError(
                "`iter_decode_with_beam` must be above 1 with "
                "`iter_decode_with_external_reranker`, but is 1 instead: there is "
                "nothing to rank."
            )
        if self.reranks and (len(models) < 2 or hasattr(models[-1], "lookup")):
            raise ValueError(
                "`iter_decode_with_external_reranker` must come with the path of an "
                "autoregressive teacher (--path STUDENT:TEACHER), but has none."
            )
        masks = self.get("refinement") in ("mask", "both")
        if self.passes and masks and not models[0].sees_words:
            raise ValueError(
                f"`iter_decode_max_iter` must be 0, but is {self.passes} instead: the "
                "model was trained without shown words (--shown-sentences), and cannot "
                "predict words again around others. Use `--refinement latent`."
            )

    def refuse_untrue(self, model: Any) -> None:
        """Refuses predictions that do not exist, and candidates of what is given.

        Raises:
            ValueError: naming the option.
        """
        given = [name for name in ("true_codes", "true_latents") if self.get(name)]
        if not getattr(model, "predicts_codes", True) and given != ["true_latents"]:
            raise ValueError(
                "`true_latents` must be the way to decode a model of `vq_kind` "
                "'identity', but is not: it has no codes to predict."
            )
        if given and self.candidates > 1:
            raise ValueError(
                f"`iter_decode_with_beam` must be 1 with `{given[0]}`, but is "
                f"{self.candidates} instead: there is nothing to search for."
            )


CHOICES = {
    "code_search": ("beam", "sample", "lengths"),
    "length_mode": ("free", "ratio"),
    "refinement": REFINEMENTS,
    "rescore": ("model", "chrf"),
}


def plain_text(dictionary: Any, tokens: torch.Tensor) -> str:
    """Turns target indices into words without the joiners of subwords."""
    words = dictionary.string(tokens.int().cpu())
    return words.replace("@@ ", "").replace("\u2581", " ")


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

    def bleu(meters: Any) -> float:
        score = BLEU.compute_bleu(
            correct=meters[f"{prefix}_counts"].sum,
            total=meters[f"{prefix}_totals"].sum,
            sys_len=int(meters[f"{prefix}_sys_len"].sum),
            ref_len=int(meters[f"{prefix}_ref_len"].sum),
            smooth_method="exp",
        )
        return round(score.score, 2)

    metrics.log_derived(name, bleu)
