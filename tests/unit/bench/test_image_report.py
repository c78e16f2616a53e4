"""The report on an image model: figures known beforehand, and what is made of them."""

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor

from vq_nat.bench import images as measuring
from vq_nat.bench.conditions import Conditions
from vq_nat.bench.image_quality import Moments
from vq_nat.bench.image_report import page
from vq_nat.bench.images import Drawing, Sampled
from vq_nat.bench.pictures import code_use, plot_code_use, write_png
from vq_nat.bench.plots import pyplot
from vq_nat.image.autoencoder import VQVAE
from vq_nat.image.config import VQVAEConfig
from vq_nat.image.data import ImageSet
from vq_nat.image.prior import Choose, CodeGrid

CODES, SLICES, SIDE = 4, 2, 12


def autoencoder(**options: Any) -> VQVAE:
    """An autoencoder that nobody trained."""
    config = VQVAEConfig(
        conv_width=4,
        outer_width=4,
        residual_width=4,
        latent_width=4,
        image_height=SIDE,
        image_width=SIDE,
        vq_num_codes=CODES,
        vq_slices=SLICES,
        **options,
    )
    return VQVAE(config).eval()


def uniform_predictor() -> VQVAE:
    """One that says nothing: every intensity is as probable as any other."""
    model = autoencoder(likelihood="categorical")
    for parameter in model.decoder.parameters():
        torch.nn.init.zeros_(parameter)
    return model


@pytest.fixture
def pictures() -> ImageSet:
    """Ten random images."""
    pixels = numpy.random.default_rng(1).integers(0, 256, (10, 3, SIDE, SIDE))
    return ImageSet(pixels.astype(numpy.uint8), "noise/test")


class Biased:
    """A prior in closed form: code 0 has probability 1/2, the others share the rest."""

    grid = CodeGrid(SIDE // 4, SIDE // 4, SLICES, CODES)

    def log_prob(self, codes: Tensor) -> Tensor:
        rest = math.log(0.5 / (CODES - 1))
        return torch.where(codes == 0, math.log(0.5), rest).flatten(1).sum(1)

    def draw(self, noise: Tensor, choose: Choose) -> Tensor:
        raise NotImplementedError


def test_the_total_of_a_toy_is_the_one_computed_by_hand(pictures: ImageSet) -> None:
    model, conditions = uniform_predictor(), Conditions(batch_size=4)
    row = measuring.measure(model, pictures, "test", Biased(), conditions)
    symbols, dimensions = (SIDE // 4) ** 2 * SLICES, 3 * SIDE * SIDE
    zeros = int((model.codes(pictures.images(slice(None))) == 0).sum())
    every = symbols * len(pictures)
    bits = zeros + (every - zeros) * math.log2(2 * (CODES - 1))
    rates = row["bits_per_dim"]
    assert rates["reconstruction"] == pytest.approx(8, abs=1e-5)
    uniform = symbols * 2 / dimensions
    assert rates["prior_uniform"] == pytest.approx(uniform, abs=1e-5)
    assert rates["total_uniform"] == pytest.approx(8 + uniform, abs=1e-5)
    learned = bits / len(pictures) / dimensions
    assert rates["prior_learned"] == pytest.approx(learned, abs=1e-5)
    assert rates["total_learned"] == pytest.approx(8 + learned, abs=1e-5)


def test_a_batch_size_changes_no_figure(pictures: ImageSet) -> None:
    model = autoencoder(mixtures=2)
    one, other = (
        measuring.measure_images(model, pictures, Conditions(batch_size=size))
        for size in (3, 10)
    )
    assert torch.equal(one.codes, other.codes)
    torch.testing.assert_close(one.nats, other.nats, rtol=1e-5, atol=0)
    torch.testing.assert_close(one.psnr, other.psnr)
    assert one.codes.shape == (10, 9, SLICES)


def test_an_exact_image_does_not_hide_the_psnr_of_the_others() -> None:
    values = torch.tensor([20.0, math.inf, 30.0], dtype=torch.float64)
    assert measuring.finite_mean(values) == 25
    assert measuring.finite_mean(values[1:2]) is None
    assert measuring.finite_mean(values[:0]) is None


def test_the_use_of_codes_is_that_of_each_slice() -> None:
    codes = torch.tensor([[[0, 1], [0, 1]], [[0, 2], [0, 3]]], dtype=torch.int32)
    row = measuring.describe_codebook(autoencoder(), codes)
    assert row is not None
    assert row["used_share"] == (0.25 + 0.75) / 2
    assert row["perplexity"] == pytest.approx((1 + 2**1.5) / 2, abs=0.01)


def test_without_codes_there_is_no_prior(pictures: ImageSet) -> None:
    model = autoencoder(vq_kind="identity")
    row = measuring.measure(model, pictures, "test", None, Conditions())
    bits = dict(row["bits_per_dim"])
    assert bits.pop("reconstruction") > 0
    assert set(bits.values()) == {None}
    assert row["codebook"] is None
    assert "–" in page([row], [])


def test_samples_differ_and_a_seed_repeats_them() -> None:
    model, conditions = autoencoder(mixtures=2), Conditions(batch_size=3)
    torch.nn.init.normal_(model.bottleneck.codebook)
    one, same, other = (
        measuring.sample_images(model, None, Drawing(5, seed=seed), conditions).images
        for seed in (1, 1, 2)
    )
    assert one.shape == (5, 3, SIDE, SIDE)
    assert one.dtype == torch.uint8
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(one.flatten(1).unique(dim=0)) == 5
    noisy = Drawing(5, pixels="sample")
    drawn = measuring.sample_images(model, None, noisy, conditions).images
    assert not torch.equal(drawn, one)


def test_a_page_has_the_figures_of_its_row(pictures: ImageSet) -> None:
    conditions = Conditions(batch_size=5)
    model = autoencoder(mixtures=2)
    row = measuring.measure(model, pictures, "test", Biased(), conditions)
    drawing = Drawing(3)
    drawn = measuring.sample_images(model, None, drawing, conditions)
    row["sampling"] = drawn.describe(False, drawing, conditions)
    text = page([json.loads(json.dumps(row))], [Path("a/samples.png")])
    assert f"{row['bits_per_dim']['total_learned']:.3f}" in text
    assert f"{row['psnr']:.2f}" in text
    assert "vq, soft, ema, M = 10, 2 × 4 codes" in text
    assert "![samples](samples.png)" in text
    assert row["sampling"]["images_per_s"] > 0


def test_the_first_call_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is what the first drawing of a process takes, and the first decoding."""
    clock, called = [0.0], set()

    def warming(name: str) -> Callable[..., Tensor]:
        original = getattr(measuring, name)

        def call(*args: Any, **options: Any) -> Tensor:
            clock[0] += 0.25 if name in called else 1.0
            called.add(name)
            return original(*args, **options)

        return call

    for name in ("sample_codes", "decode_codes"):
        monkeypatch.setattr(measuring, name, warming(name))
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: clock[0])
    drawing, conditions = Drawing(6), Conditions(batch_size=3)
    sampled = measuring.sample_images(
        autoencoder(mixtures=2), None, drawing, conditions
    )
    assert (sampled.seconds_codes, sampled.seconds_pixels) == (0.25, 0.25)
    assert len(sampled.images) == 6


def test_speeds_of_codes_and_pixels_are_of_their_own_seconds() -> None:
    """However short these are; that of both is of their sum."""
    images = torch.zeros(6, 3, SIDE, SIDE, dtype=torch.uint8)
    row = Sampled(images, 0.25, 0.5).describe(True, Drawing(6), Conditions())
    assert row["codes_images_per_s"] * 0.25 == 6
    assert row["pixels_images_per_s"] * 0.5 == 6
    assert row["images_per_s"] * 0.75 == 6
    assert (row["images"], row["prior"]) == (6, "learned")


class Averages:
    """Stands in for Inception: three features, the mean of each channel."""

    def moments(self, batches: Iterable[Tensor]) -> Moments:
        return Moments.of(torch.cat([x.float().mean(dim=(2, 3)) for x in batches]))


@pytest.mark.parametrize(("count", "warned"), [(2, True), (3, False)])
def test_a_page_says_when_images_are_too_few_for_fid(
    pictures: ImageSet, count: int, warned: bool
) -> None:
    model, conditions = autoencoder(mixtures=2), Conditions(batch_size=5)
    row = measuring.measure(model, pictures, "test", None, conditions)
    few = "fewer images than features"
    assert few not in page([row], [])
    drawn = measuring.sample_images(model, None, Drawing(count), conditions).images
    row["fid"] = measuring.describe_fid(model, pictures, drawn, Averages(), conditions)
    assert page([row], []).count(few) == warned


def test_a_picture_is_written_pixel_by_pixel(tmp_path: Path) -> None:
    picture = torch.randint(256, (3, 4, 5), dtype=torch.uint8)
    path = write_png(picture, tmp_path / "new" / "a.png", scale=3)
    with Image.open(path) as image:
        pixels = torch.from_numpy(numpy.array(image)).permute(2, 0, 1)
    assert torch.equal(pixels[:, ::3, ::3], picture)
    assert torch.equal(pixels[:, 2::3, 2::3], picture)


def test_a_picture_is_whole_or_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_png(torch.zeros(3, 4, 4, dtype=torch.uint8), tmp_path / "a.png")
    before = path.read_bytes()

    def full(self: Image.Image, where: Path) -> None:
        where.write_bytes(b"half a pic")
        raise OSError("no space left")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="no space left"):
        write_png(torch.ones(3, 4, 4, dtype=torch.uint8), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def log_line(kind: str, updates: int, perplexity: float) -> str:
    figures = {"num_updates": updates, "vq_perplexity": f"{perplexity}"}
    named = {f"{kind}_{name}": value for name, value in figures.items()}
    return f"2026 | INFO | {kind} | {json.dumps({'epoch': 1, **named})}\n"


def test_the_use_of_codes_is_read_from_the_log(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    lines = [log_line("train_inner", 10 * n, n) for n in (1, 2, 3)]
    path.write_text("noise\n" + "".join(lines) + log_line("valid", 30, 9))
    perplexities = [entry.values["vq_perplexity"] for entry in code_use(path)]
    assert perplexities == [1, 2, 3]
    picture = plot_code_use(path, tmp_path / "codes.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_curves_of_the_use_of_codes_begin_at_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is never 0 must not look as if it were at the bottom."""
    log, plt = tmp_path / "train.log", pyplot()
    log.write_text("".join(log_line("train_inner", n, 100 + n) for n in (1, 2)))
    with monkeypatch.context() as patch:
        patch.setattr(plt, "close", lambda figure: None)
        plot_code_use(log, tmp_path / "codes.png")
    assert {axis.get_ylim()[0] for axis in plt.gcf().axes} == {0}
    plt.close()


def test_a_resumed_training_does_not_draw_backwards(tmp_path: Path) -> None:
    """It goes on at the checkpoint's update, before the last that was logged."""
    path = tmp_path / "train.log"
    logged = ((10, 1), (20, 2), (30, 3), (15, 4), (20, 5), (40, 6))
    path.write_text("".join(log_line("train_inner", *entry) for entry in logged))
    points = [
        (entry.values["num_updates"], entry.values["vq_perplexity"])
        for entry in code_use(path)
    ]
    assert points == [(10, 1), (15, 4), (20, 5), (30, 3), (40, 6)]


def test_epochs_are_read_if_there_is_nothing_within(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    inner, epochs = log_line("train_inner", 1, 9), log_line("train", 5, 1)
    path.write_text(inner + epochs + log_line("train", 10, 2))
    assert [entry.values["vq_perplexity"] for entry in code_use(path)] == [1, 2]


def test_a_log_without_codes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("nothing\n")
    with pytest.raises(ValueError, match="train.log must be a log of `fairseq-train"):
        code_use(path)
    with pytest.raises(FileNotFoundError, match="none.log does not exist"):
        code_use(tmp_path / "none.log")
