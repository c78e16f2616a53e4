"""What the task does around an update: the statistics follow the optimizer."""

from argparse import Namespace
from typing import Any

import pytest
import torch
from fairseq.models import BaseFairseqModel
from fairseq.optim import AMPOptimizer, FP16Optimizer, MemoryEfficientFP16Optimizer
from torch import Tensor

from vq_nat.bottleneck import BottleneckConfig, build_bottleneck
from vq_nat.translation.task import DiscreteLatentTranslationTask


class Latent(BaseFairseqModel):
    """A model that is nothing but a bottleneck."""

    def __init__(self) -> None:
        super().__init__()
        config = BottleneckConfig(vq_num_codes=4, vq_assign="hard")
        self.bottleneck = build_bottleneck(config, 8)
        self.scale = torch.nn.Parameter(torch.ones(()))


class Optimizer:
    """One without steps."""

    def backward(self, loss: Tensor) -> None:
        """Hands gradients out."""
        loss.backward()


def loss_of(model: Any, sample: Tensor) -> tuple[Tensor, int, dict[str, Any]]:
    """A criterion that runs out of memory after the forward pass of a long batch."""
    out = model.bottleneck(model.scale * sample)
    if sample.shape[1] > 5:
        raise RuntimeError("CUDA out of memory.")
    return out.quantized.sum(), 1, {}


@pytest.fixture
def task() -> DiscreteLatentTranslationTask:
    """The task without its data."""
    made = object.__new__(DiscreteLatentTranslationTask)
    made.cfg = Namespace(autocast="none")  # type: ignore[assignment]
    return made


def test_an_update_without_memory_is_given_up_whole(
    task: DiscreteLatentTranslationTask,
) -> None:
    model = Latent()
    counts = model.bottleneck.table.counts
    for lengths, kept in [((5, 5), 10), ((5, 9), 0), ((9, 5), 5)]:
        for length in lengths:
            sample = torch.randn(1, length, 8)
            try:
                task.train_step(sample, model, loss_of, Optimizer(), 0)
            except RuntimeError as error:
                assert "out of memory" in str(error)
        assert counts.sum() == kept
        model.bottleneck.discard()


@pytest.mark.parametrize(
    "kind", [AMPOptimizer, FP16Optimizer, MemoryEfficientFP16Optimizer]
)
def test_half_precision_by_fairseq_is_refused(
    task: DiscreteLatentTranslationTask, kind: type
) -> None:
    optimizer = object.__new__(kind)
    with pytest.raises(ValueError, match=f"{kind.__name__}; .* --autocast auto"):
        task.train_step(torch.randn(1, 3, 8), Latent(), loss_of, optimizer, 0)
