"""The criterion: bits by hand, and batches that add up."""

import math
from typing import Any

import pytest
import torch
from fairseq.logging import metrics
from image_commands import draw_images
from torch import Tensor, nn

from vq_nat.bottleneck import BottleneckOutput
from vq_nat.image.autoencoder import VQVAE
from vq_nat.image.config import VQVAEConfig
from vq_nat.image.criterion import BitsPerDimCriterion
from vq_nat.image.flow import ImageOutput
from vq_nat.image.likelihood import Categorical256

SLICES, CODES, GRID = 3, 16, 4


class Uniform(nn.Module):
    """A model that knows nothing of its images, with a loss of the bottleneck's."""

    def forward(self, images: Tensor) -> ImageOutput:
        batch, _, height, width = images.shape
        params = torch.zeros(batch, 768, height, width, requires_grad=True)
        out = BottleneckOutput(
            quantized=torch.zeros(batch, GRID, 6),
            codes=torch.zeros(batch, GRID, SLICES, dtype=torch.long),
            weights=torch.zeros(batch, GRID, SLICES, CODES),
            loss=torch.tensor(0.5),
            metrics={"perplexity": 7.0, "recent_codes": 1 / 16384},
        )
        return ImageOutput(out, params, Categorical256().log_prob(images, params))


def sample_of(images: Tensor) -> dict[str, Any]:
    return {"net_input": {"images": images}}


def logged(logs: list[dict[str, Any]]) -> dict[str, float]:
    with metrics.aggregate() as meters:
        BitsPerDimCriterion.reduce_metrics(logs)
    return dict(meters.get_smoothed_values())


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_makes_no_sense_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="`bottleneck_weight` must be at least 0 and"):
        BitsPerDimCriterion(None, bottleneck_weight=weight)


def test_bits_of_a_toy_by_hand() -> None:
    images = torch.from_numpy(draw_images(4, size=8))
    criterion = BitsPerDimCriterion(None, bottleneck_weight=2.0)
    loss, size, log = criterion(Uniform(), sample_of(images))
    assert size == 4 * 3 * 8 * 8
    prior = GRID * SLICES * 4 / (3 * 8 * 8)  # log2 16 = 4 bits a symbol
    figures = logged([log])
    assert figures["reconstruction_bits"] == pytest.approx(8, abs=1e-4)
    assert figures["prior_bits"] == pytest.approx(prior, abs=1e-4)
    assert figures["bits_per_dim"] == pytest.approx(8 + prior, abs=1e-4)
    assert figures["vq_loss"] == pytest.approx(1.0)
    assert figures["loss"] == pytest.approx(8 + 1 / math.log(2), abs=1e-4)
    assert loss.item() / size == pytest.approx(8 * math.log(2) + 1, rel=1e-5)
    assert figures["vq_recent_codes"] == pytest.approx(1 / 16384, rel=0.02)


def build_small(**options: Any) -> VQVAE:
    cfg = VQVAEConfig(
        **{"conv_width": 8, "outer_width": 8, "residual_width": 4, "latent_width": 6},
        **{"mixtures": 2, "vq_num_codes": 16, "image_height": 16, "image_width": 16},
        **options,
    )
    return VQVAE(cfg)


@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_parts_add_up_to_the_large_batch(assign: str) -> None:
    """Loss, gradients and log of equal parts; in evaluation nothing is drawn."""
    model = build_small(vq_assign=assign).eval()
    images = torch.from_numpy(draw_images(6, size=16))
    criterion = BitsPerDimCriterion(None, bottleneck_weight=1.0)

    def run(parts: list[Tensor]) -> tuple[list[Tensor], dict[str, float]]:
        model.zero_grad()
        logs = []
        for part in parts:
            loss, _, log = criterion(model, sample_of(part))
            loss.backward()
            logs.append(log)
        grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        return grads, logged(logs)

    whole, parts = run([images]), run(list(images.split(2)))
    for a, b in zip(whole[0], parts[0]):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-2)
    for name in ("loss", "reconstruction_bits", "bits_per_dim", "vq_loss"):
        assert whole[1][name] == pytest.approx(parts[1][name], abs=2e-4)


def test_without_codes_there_is_no_prior_part() -> None:
    model = build_small(vq_kind="identity").eval()
    images = torch.from_numpy(draw_images(2, size=16))
    _, _, log = BitsPerDimCriterion(None, 1.0)(model, sample_of(images))
    figures = logged([log])
    assert figures["prior_bits"] == 0
    assert figures["bits_per_dim"] == figures["reconstruction_bits"]


def test_what_passes_unquantized_is_no_bound() -> None:
    """The decoder sees more than the codes say: not to be taken for the best model."""
    model = build_small(vq_warmup_updates=2)
    images = torch.from_numpy(draw_images(2, size=16))
    criterion = BitsPerDimCriterion(None, 1.0)
    logs = []
    for update in range(4):
        model.set_num_updates(update)
        _, _, log = criterion(model.train(), sample_of(images))
        model.bottleneck.m_step()
        logs.append(log)
    figures = [logged([log]) for log in logs]
    finite = [math.isfinite(figure["bits_per_dim"]) for figure in figures]
    assert finite == [False, False, True, True]
    assert all(math.isfinite(figure["reconstruction_bits"]) for figure in figures)
    assert logged(logs[1:3])["bits_per_dim"] == math.inf


def test_dummy_logs_are_no_division_by_zero() -> None:
    assert logged([{}]) == {}
