"""What the fairseq tasks of all rooms share: EM around an update, and its figures.

A task that trains a model with bottlenecks inherits from `LatentTraining` before
fairseq's own task; its criterion logs the figures with `log_bottleneck`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, ClassVar

import torch
from fairseq.criterions import FairseqCriterion
from fairseq.logging import metrics

from ..bottleneck import Bottleneck
from .compat import (
    Refused,
    autocast,
    fairseq_autocast,
    in_a_sentence,
    refuse_reduced_precision,
    training_attention,
)
from .patches import PatchedTask

PRECISIONS = ("fp16", "bf16", "amp")  # of fairseq, see `refuse_reduced_precision`


class LatentTraining(PatchedTask):
    """A task's steps: one E-step per batch, one M-step per update, under autocast.

    To be inherited before a fairseq task whose options have `autocast`.
    """

    def refuse_training(self, cfg: Any, model: torch.nn.Module, criterion: Any) -> None:
        """Refuses, before the first update, what would fail or do nothing in it.

        Args:
            cfg: all of fairseq's options.
            model: to train.
            criterion: to train it with.

        Raises:
            Refused: naming the option.
        """
        require_criterion(model, criterion)
        if isinstance(criterion, SummedCriterion):
            criterion.refuse_training(cfg, model)
        if hasattr(model, "refuse_training"):
            model.refuse_training()  # type: ignore[operator]
        flags = [name for name in PRECISIONS if getattr(cfg.common, name, False)]
        if flags and any(bottlenecks(model)):
            raise Refused(
                f"--{flags[0]} must be off for a model with latents; for products in "
                "half precision give --autocast auto, bfloat16 or float16 instead."
            )

    def train_step(
        self,
        sample: dict[str, Any],
        model: torch.nn.Module,
        criterion: Any,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
    ) -> Any:
        """Forward and backward; the E-step of a dummy batch gathers nothing.

        It does what fairseq's does, which walks through all modules to have them train
        once more, although the trainer has just done so.

        Returns:
            The loss, the sample size, and the figures to log.

        Raises:
            ValueError: for --fp16, --bf16 and --amp, if there are latents.
        """
        if any(bottlenecks(model)):
            refuse_reduced_precision(optimizer)
        if not model.training:
            model.train()
        model.set_num_updates(update_num)  # type: ignore[operator]
        device = next(model.parameters()).device
        with training_attention(device), gathering(model, dummy=ignore_grad):
            with fairseq_autocast(optimizer), self._autocast(device):
                loss, sample_size, log = criterion(model, sample)
            if ignore_grad:
                loss *= 0
            optimizer.backward(loss)
        return loss, sample_size, log

    def optimizer_step(
        self, optimizer: Any, model: torch.nn.Module, update_num: int
    ) -> None:
        """One optimizer update, and one M-step with it."""
        super().optimizer_step(optimizer, model, update_num)  # type: ignore[misc]
        for bottleneck in bottlenecks(model):
            bottleneck.m_step()

    def valid_step(
        self, sample: dict[str, Any], model: torch.nn.Module, criterion: Any
    ) -> Any:
        """Loss of a validation batch."""
        with self._autocast(next(model.parameters()).device):
            return super().valid_step(sample, model, criterion)  # type: ignore[misc]

    def _autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        name: str = self.cfg.autocast  # type: ignore[attr-defined]
        return autocast(name, device)

    def reduce_metrics(self, logging_outputs: Any, criterion: Any) -> None:
        """Logs the figures of an update, for which a GPU is waited for only once."""
        super().reduce_metrics(as_numbers(logging_outputs), criterion)  # type: ignore[misc]


class SummedCriterion(FairseqCriterion):
    """A criterion whose log has sums alone, so that workers need not send the rest."""

    task_name: ClassVar[str] = ""  # the task that it needs to move codes; "" = any

    @classmethod
    def build_criterion(cls, cfg: Any, task: Any) -> Any:
        """Builds it for fairseq's commands.

        Raises:
            Refused: for a task that makes no M-step, and for wrong options.
        """
        if cls.task_name:
            require_task(task, cls.task_name)
        with in_a_sentence():
            return super().build_criterion(cfg, task)

    def refuse_training(self, cfg: Any, model: torch.nn.Module) -> None:
        """Refuses what it cannot train, see `LatentTraining`; by default nothing."""

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """All entries are sums."""
        return True


def require_weight(name: str, value: float, *, below: float = math.inf) -> None:
    """Refuses a weight of a loss that makes no sense.

    Args:
        name: of the option.
        value: the weight.
        below: what it must not reach.

    Raises:
        ValueError: if it is negative, too large, or no number.
    """
    if not 0 <= value < below:
        bound = "finite" if below == math.inf else f"below {below:g}"
        raise ValueError(
            f"`{name}` must be at least 0 and {bound}, but is {value} instead."
        )


def require_task(task: Any, name: str) -> None:
    """Refuses a task that makes no M-step: codes would stay what they were at first.

    Args:
        task: fairseq's or ours.
        name: of the one to use.

    Raises:
        Refused: if it is not one of ours.
    """
    if not isinstance(task, LatentTraining):
        raise Refused(
            f"`--task` must be {name}, which moves the codes after each update, but is "
            f"a {type(task).__name__} instead, which leaves them as they are at first."
        )


def require_criterion(model: Any, criterion: Any) -> None:
    """Refuses fairseq's criterions, none of which knows a latent model's loss.

    Args:
        model: says what it needs as `criterion_name`; one that does not is free.
        criterion: fairseq's, ours, or a user's own.

    Raises:
        Refused: if it is one of fairseq's.
    """
    needed = getattr(model, "criterion_name", None)
    if needed is not None and type(criterion).__module__.startswith("fairseq."):
        raise Refused(
            f"`--criterion` must be {needed} for a {type(model).__name__}, but is a "
            f"{type(criterion).__name__} instead."
        )


def as_numbers(logs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns logging outputs whose figures are numbers, all fetched together.

    Args:
        logs: logging outputs; tensors of more than one element stay as they are.
    """
    logs = [dict(log) for log in logs]
    places: dict[
        tuple[torch.dtype, torch.device], list[tuple[dict[str, Any], str]]
    ] = {}
    for log in logs:
        for key, value in log.items():
            if torch.is_tensor(value) and value.numel() == 1:
                places.setdefault((value.dtype, value.device), []).append((log, key))
    for entries in places.values():
        numbers = torch.stack([log[key].reshape(()) for log, key in entries]).tolist()
        for (log, key), number in zip(entries, numbers):
            log[key] = number
    return logs


def bottlenecks(model: torch.nn.Module) -> Iterator[Bottleneck]:
    """Yields every bottleneck inside a model, wrapped for workers or not."""
    return (m for m in model.modules() if isinstance(m, Bottleneck))


@contextmanager
def gathering(model: torch.nn.Module, dummy: bool = False) -> Iterator[None]:
    """Gathers the statistics of a batch: none of a dummy batch, none of a failed one.

    fairseq gives up the gradients of the whole update when one of its batches fails,
    for want of memory for instance: so are the statistics.
    """
    with ExitStack() as stack:
        if dummy:
            for bottleneck in bottlenecks(model):
                stack.enter_context(bottleneck.frozen())
        try:
            yield
        except Exception:
            for bottleneck in bottlenecks(model):
                bottleneck.discard()
            raise


def totals(logs: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Adds up the figures of logging outputs by name; what none of them has is 0."""
    sums: dict[str, float] = defaultdict(float)
    for log in logs:
        for key, value in log.items():
            if not torch.is_tensor(value) or value.numel() == 1:
                sums[key] += float(value)
    return sums


def log_bottleneck(total: dict[str, float], known: Iterable[str] = ()) -> None:
    """Logs the bottleneck's figures, which logging outputs hold as `vq_…`.

    Args:
        total: of the logging outputs, with `batches` and sums over these.
        known: names that are logged elsewhere.
    """
    names = {key for key in total if key.startswith("vq_")}
    for key in sorted(names - set(known)):
        # Shares of codes: 1 of 16,384 must not come out as 2.
        digits = 6 if key.endswith("_codes") else 4
        batches = total["batches"]
        metrics.log_scalar(key, total[key] / batches, batches, round=digits)
