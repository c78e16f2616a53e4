"""The autoencoder: shapes, every bottleneck, batches that do not matter."""

from typing import Any

import pytest
import torch
from image_commands import draw_images

from vq_nat.image.autoencoder import VQVAE
from vq_nat.image.config import PRESETS, VQVAEConfig

SMALL = {
    **{"conv_width": 8, "outer_width": 8, "residual_width": 4, "latent_width": 6},
    **{"mixtures": 2, "vq_num_codes": 16, "image_height": 16, "image_width": 24},
}


def build(**options: Any) -> VQVAE:
    """A small model for images of 24 × 16 pixels."""
    return VQVAE(VQVAEConfig(**{**SMALL, **options}))


def draw(count: int = 4) -> torch.Tensor:
    """Images of 24 × 16 pixels."""
    return torch.from_numpy(draw_images(count, size=24))[:, :, :16].contiguous()


BOTTLENECKS: dict[str, dict[str, Any]] = {
    "hard": {"vq_assign": "hard"},
    "soft": {"vq_num_samples": 3},
    "exact": {"vq_num_samples": 0},
    "gradient": {"vq_assign": "hard", "vq_update": "gradient"},
    "slices": {"vq_slices": 3},
    "data": {"vq_init": "data", "vq_code_dim": 2, "vq_metric": "cosine"},
    "semhash": {"vq_kind": "semhash"},
    "gumbel": {"vq_kind": "gumbel"},
    "fsq": {"vq_kind": "fsq", "vq_levels": "4,4"},
    "identity": {"vq_kind": "identity"},
}


@pytest.mark.parametrize("options", BOTTLENECKS.values(), ids=BOTTLENECKS)
@pytest.mark.parametrize("likelihood", ["mixture", "categorical"])
def test_every_bottleneck_trains(options: dict[str, Any], likelihood: str) -> None:
    model, images = build(likelihood=likelihood, **options), draw()
    out = model(images)
    assert model.grid == (4, 6)
    assert out.bottleneck.codes.shape == (4, 24, model.num_slices)
    pixel = model.likelihood.parameters_per_pixel
    assert out.params.shape == (4, pixel, 16, 24)
    (out.bottleneck.loss - out.log_prob.mean()).backward()
    model.bottleneck.m_step()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize("options", BOTTLENECKS.values(), ids=BOTTLENECKS)
def test_all_that_counts_updates_is_told_them(options: dict[str, Any]) -> None:
    model = build(**options)
    model.set_num_updates(7)
    counting = [m for m in model.modules() if hasattr(m, "num_updates")]
    assert counting and all(module.num_updates == 7 for module in counting)


@pytest.mark.parametrize("kind", sorted(set(BOTTLENECKS) - {"identity", "data"}))
def test_codes_alone_give_what_images_gave(kind: str) -> None:
    model, images = build(**BOTTLENECKS[kind]).eval(), draw()
    assert model.has_codes
    with torch.no_grad():
        codes = model.codes(images)
        again = model.decode(model.lookup(codes))
        assert codes.dtype == torch.int64 and int(codes.max()) < model.num_codes
        torch.testing.assert_close(again, model(images).params)
        pictures = model.likelihood.mode(again)
    assert torch.equal(pictures, model.reconstruct(images))


def test_without_discretisation_there_are_no_codes() -> None:
    model = build(vq_kind="identity").eval()
    assert not model.has_codes
    assert model.reconstruct(draw()).shape == (4, 3, 16, 24)


def test_codes_run_along_the_rows() -> None:
    """A change in the top right corner touches the codes of that corner alone."""
    model, images = build(vq_kind="identity", residual_blocks=0).eval(), draw(1)
    other = images.clone()
    other[:, :, :2, -2:] = 255 - other[:, :, :2, -2:]
    moved = (model.encode(images) - model.encode(other)).abs().sum(-1)[0] > 0
    assert moved.nonzero().flatten().tolist() == [4, 5, 10, 11]


@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_reconstructions_do_not_depend_on_the_batch(assign: str) -> None:
    model, images = build(vq_assign=assign).eval(), draw(7)
    whole = model.reconstruct(images)
    for size in (1, 2, 3):
        parts = [model.reconstruct(part) for part in images.split(size)]
        assert torch.equal(torch.cat(parts), whole)


def test_the_log_probability_is_that_of_the_likelihood() -> None:
    model, images = build().eval(), draw()
    out = model(images)
    assert out.log_prob.dtype == torch.float32
    expected = model.likelihood.log_prob(images, out.params)
    torch.testing.assert_close(out.log_prob, expected)


def test_autocast_keeps_the_likelihood_in_float32() -> None:
    model, images = build().eval(), draw()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(images)
    assert (out.params.dtype, out.log_prob.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_grid_of_the_paper(name: str) -> None:
    cfg = VQVAEConfig(image_height=32, image_width=32, **PRESETS[name])
    with torch.device("meta"):
        assert VQVAE(cfg).grid == (8, 8)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"image_height": 30}, "`image_height` must be a positive multiple of 4.*30"),
        ({"image_width": 0}, "`image_width` must be a positive multiple of 4.* 0"),
        ({"conv_width": 0}, "`conv_width` must be at least 1, but is 0"),
        ({"residual_blocks": -1}, "`residual_blocks` must be at least 0, but is -1"),
        ({"vq_slices": 4}, "`vq_slices` must divide `width` \\(6\\), but is 4"),
        ({"likelihood": "?"}, "`likelihood` must be one of"),
    ],
)
def test_options_are_refused_by_name(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        build(**options)


def test_other_images_are_refused() -> None:
    model = build()
    with pytest.raises(ValueError, match=r"uint8 of shape \(B, 3, 16, 24\).*24, 24\)"):
        model(torch.from_numpy(draw_images(2, size=24)))
    with pytest.raises(ValueError, match="must be uint8 .* are torch.float32"):
        model(draw().float())


def test_another_architecture_is_refused_in_a_sentence() -> None:
    with pytest.raises(RuntimeError, match="another architecture: check `--arch`"):
        build().load_state_dict(build(conv_width=4).state_dict())
