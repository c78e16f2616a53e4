"""The fading of shown words."""

import pytest
import torch

from vq_nat.translation.schedule import draw_shown, latent_share


def test_latent_share_grows_from_almost_nothing_to_all() -> None:
    shares = [latent_share(update, updates=1000) for update in range(0, 1001, 50)]
    assert shares[0] == pytest.approx(0.01 * 0.01)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert latent_share(0, updates=0) == 1.0


def test_share_is_the_product_of_both_ramps() -> None:
    exponential = 0.01 ** (1 - 100 / 250)
    assert latent_share(100, updates=1000) == pytest.approx(
        (0.01 + 0.99 * 0.1) * exponential, rel=1e-9
    )


def test_nothing_is_shown_at_full_latent_share() -> None:
    mask = torch.ones(8, 50, dtype=torch.bool)
    assert not draw_shown(mask, 1.0, 0.0).any()


def test_padding_is_never_shown() -> None:
    mask = torch.zeros(8, 50, dtype=torch.bool)
    mask[:, :20] = True
    shown = draw_shown(mask, 0.0, 1.0)
    assert shown[mask].all()
    assert not shown[~mask].any()


def test_share_of_shown_words() -> None:
    """400,000 draws at 0.7: five standard errors are 0.0036, false alarm 6e-7."""
    shown = draw_shown(torch.ones(4000, 100, dtype=torch.bool), 0.3, 0.0)
    assert shown.float().mean().item() == pytest.approx(0.7, abs=0.0037)
