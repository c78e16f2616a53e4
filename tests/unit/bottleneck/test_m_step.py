"""The M-step's promises, and those of the first codebook from data."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from vq_nat.bottleneck import Bottleneck, assign, codebook, data_init

Make = Callable[..., Bottleneck]


def clusters(num_clusters: int = 8, size: int = 20, width: int = 8) -> Tensor:
    """(1, num_clusters * size, width), tight groups that lie far apart."""
    centres = 10 * torch.randn(num_clusters, 1, width)
    points = centres + 0.1 * torch.randn(num_clusters, size, width)
    return points.flatten(0, 1)[torch.randperm(num_clusters * size)].unsqueeze(0)


def error(bottleneck: Bottleneck, z_e: Tensor) -> float:
    """Mean squared distance to the nearest code."""
    bottleneck.eval()
    value = bottleneck(z_e).metrics["quantization_error"]
    bottleneck.train()
    return value


def strand(bottleneck: Bottleneck) -> None:
    """Puts all codes but the first out of everything's reach."""
    table = bottleneck.table
    table.codes.data[:, 1:] = 1e3
    if hasattr(table, "ema_sums"):
        table.ema_sums.copy_(
            codebook.sums_of_codes(table.ema_counts, table.codes, table.epsilon)
        )


def test_laplace_smoothing_keeps_the_total_and_leaves_no_zero() -> None:
    counts = torch.tensor([[0.0, 1.0, 3.0]])
    smooth = codebook.laplace_smoothing(counts, 1e-2)
    torch.testing.assert_close(smooth.sum(), counts.sum())
    assert smooth.min() > 0


def test_sums_of_codes_inverts_codes_of_sums() -> None:
    counts, codes = torch.rand(2, 4), torch.randn(2, 4, 3)
    sums = codebook.sums_of_codes(counts, codes, 1e-5)
    torch.testing.assert_close(codebook.codes_of_sums(counts, sums, 1e-5), codes)


def test_first_codes_agree_with_their_counts_and_sums(make: Make) -> None:
    table = make(slices=2).table
    codes = codebook.codes_of_sums(table.ema_counts, table.ema_sums, table.epsilon)
    torch.testing.assert_close(codes, table.codes)


@pytest.mark.parametrize("decay", [0.0, 1e-3])
def test_hard_em_on_a_frozen_batch_is_lloyds_algorithm(
    make: Make, decay: float
) -> None:
    z_e = torch.randn(4, 50, 8)
    bottleneck = make(assign="hard", decay=decay, epsilon=1e-8)
    errors = []
    for _ in range(60):
        errors.append(bottleneck(z_e).metrics["quantization_error"])
        before = bottleneck.codebook.clone()
        bottleneck.m_step()
    assert all(b <= a * (1 + 1e-5) for a, b in pairwise(errors))
    torch.testing.assert_close(bottleneck.codebook, before)  # it has settled
    codes = bottleneck(z_e).codes.flatten()
    for code in codes.unique():
        mean = z_e.flatten(0, 1)[codes == code].mean(0)
        torch.testing.assert_close(
            bottleneck.codebook[0, code], mean, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("assign", ["hard", "soft"])
@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_batches_of_one_update_add_up(make: Make, assign: str, update: str) -> None:
    options: dict[str, Any] = {
        "slices": 2,
        "assign": assign,
        "update": update,
        "num_samples": 0,
        "temperature_scale": "relative",
    }
    whole, parts = make(**options), make(**options)
    whole.table.distance_scale.fill_(1.0)  # before it is set, each batch takes its own
    parts.load_state_dict(whole.state_dict())
    z_e = torch.randn(6, 5, 8)
    whole(z_e)
    for part in z_e.split([1, 3, 2]):
        parts(part)
    whole.m_step()
    parts.m_step()
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value)


def test_nothing_gathered_moves_nothing(
    make: Make, state: Callable, same: Callable
) -> None:
    bottleneck = make(restart_after=1)
    before = state(bottleneck, updates=False)
    bottleneck.m_step()
    assert same(state(bottleneck, updates=False), before)


def test_m_step_clears_what_was_gathered(make: Make) -> None:
    bottleneck = make(restart_after=1)
    bottleneck(torch.randn(2, 3, 8))
    bottleneck.m_step()
    assert all(sums.abs().sum() == 0 for sums in bottleneck.table.gathered())
    assert not bottleneck.table._window


@pytest.mark.parametrize(
    "options",
    [{"assign": "hard", "restart_after": 1, "num_codes": 64}, {"init": "data"}],
    ids=str,
)
def test_the_callers_tensor_is_its_own_before_the_m_step(
    make: Make, options: dict[str, Any]
) -> None:
    kept, overwritten = make(**options), make(**options)
    overwritten.load_state_dict(kept.state_dict())
    z_e = torch.randn(2, 10, 8)
    kept(z_e.clone())
    overwritten(z_e)
    z_e.zero_()
    kept.m_step()
    overwritten.m_step()
    assert torch.equal(kept.codebook, overwritten.codebook)


@pytest.mark.parametrize("update", ["ema", "gradient"])
@pytest.mark.parametrize("slices", [1, 2])
def test_a_restarted_code_is_a_sampled_vector_and_is_picked_next(
    make: Make, update: str, slices: int
) -> None:
    bottleneck = make(
        assign="hard", update=update, slices=slices, restart_after=3, num_codes=4
    )
    strand(bottleneck)
    z_e = torch.randn(2, 30, 8)
    for n in range(3):
        assert (bottleneck(z_e).codes == 0).all(), n
        bottleneck.m_step()
    out = bottleneck(z_e)
    assert out.metrics["restarted_codes"] == 3 * slices
    vectors = z_e.unflatten(-1, (slices, -1)).flatten(0, 1)  # (N, G, D)
    codes = out.codes.flatten(0, 1)  # (N, G)
    for row in range(slices):
        for code in (1, 2, 3):
            hits = (vectors[:, row] == bottleneck.codebook[row, code]).all(-1)
            assert hits.any()
            assert (codes[hits, row] == code).all()


def test_with_the_exact_expectation_codes_are_out_of_use_too(make: Make) -> None:
    bottleneck = make(num_samples=0, temperature=1.0, restart_after=3)
    z_e = torch.randn(1, 1, 8).expand(1, 5, 8)  # all with one nearest code
    for n in range(3):
        out = bottleneck(z_e)
        assert out.weights.min() > 0, n
        assert out.metrics["used_codes"] == 1 / 8, n
        bottleneck.m_step()
    assert bottleneck(z_e).metrics["restarted_codes"] == 5  # as many as vectors


def test_a_restart_survives_the_next_m_step(make: Make) -> None:
    bottleneck = make(assign="hard", restart_after=2, num_codes=4, decay=0.9)
    z_e = clusters(num_clusters=4)
    strand(bottleneck)
    for _ in range(2):
        bottleneck(z_e)
        bottleneck.m_step()
    restarted = bottleneck.codebook[0, 1:].clone()
    codes = bottleneck(z_e).codes.flatten()
    bottleneck.m_step()
    for code in (1, 2, 3):
        mean = z_e[0][codes == code].mean(0)
        # It moved on the way from where it was put to its vectors' mean, no further.
        moved = (bottleneck.codebook[0, code] - restarted[code - 1]).norm()
        assert moved <= (mean - restarted[code - 1]).norm() * 1.001 + 1e-4


def test_a_restarted_code_gets_its_time_again(make: Make) -> None:
    bottleneck = make(assign="hard", restart_after=2, num_codes=4)
    strand(bottleneck)
    restarts = []
    for n in range(6):  # each update's vectors are far from the last one's
        out = bottleneck(torch.randn(1, 9, 8) + 100 * n * torch.ones(8))
        restarts.append(out.metrics["restarted_codes"])
        bottleneck.m_step()
    assert restarts[2] == 3 and restarts[3] == 0


def test_more_dead_codes_than_vectors_wait_their_turn(make: Make) -> None:
    bottleneck = make(assign="hard", restart_after=1, num_codes=8)
    bottleneck(torch.randn(1, 2, 8))
    bottleneck.m_step()
    assert bottleneck(torch.randn(1, 2, 8)).metrics["restarted_codes"] == 2


def test_restarts_repeat_without_the_global_generator(make: Make) -> None:
    ends = []
    for seed in (1, 2):
        torch.manual_seed(0)
        bottleneck = make(assign="hard", restart_after=2, num_codes=16)
        batches = torch.randn(6, 1, 20, 8)
        torch.manual_seed(seed)
        for z_e in batches:
            bottleneck(z_e)
            bottleneck.m_step()
        ends.append(bottleneck.codebook)
    assert torch.equal(*ends)


def test_kmeans_plus_plus_finds_every_cluster() -> None:
    z = clusters(num_clusters=16, width=4)[0]
    codes = data_init.kmeans_plus_plus(z, 16, torch.Generator().manual_seed(0))
    distances, index = data_init.nearest(z, codes)
    assert distances.max() < 5
    assert len(index.unique()) == 16


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_kmeans_plus_plus_draws_the_same_vectors_at_every_scale(scale: float) -> None:
    z = torch.randn(200, 4)
    drawn = [
        data_init.kmeans_plus_plus(vectors, 16, torch.Generator().manual_seed(0))
        for vectors in (z, scale * z)
    ]
    torch.testing.assert_close(drawn[1], scale * drawn[0])


def test_kmeans_plus_plus_takes_duplicates_when_nothing_else_is_left() -> None:
    z = torch.ones(10, 3)
    codes = data_init.kmeans_plus_plus(z, 6, torch.Generator().manual_seed(0))
    torch.testing.assert_close(codes, torch.ones(6, 3))


def test_nearest_is_the_same_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    z, codes = torch.randn(23, 4), torch.randn(5, 4)
    whole = data_init.nearest(z, codes)
    monkeypatch.setattr(assign, "_MAX_DISTANCES", 20)
    pieces = data_init.nearest(z, codes)
    torch.testing.assert_close(pieces, whole)


@pytest.mark.parametrize("slices", [1, 2])
def test_one_step_after_data_init_does_not_worsen_the_error(
    make: Make, slices: int
) -> None:
    z_e = clusters()
    bottleneck = make(init="data", assign="hard", decay=0.99, slices=slices)
    bottleneck(z_e)
    bottleneck.m_step()
    first = error(bottleneck, z_e)
    spread = (z_e - z_e.mean(1, keepdim=True)).square().sum(-1).mean().item()
    assert first < 0.5 * spread
    used = bottleneck(z_e).metrics["used_codes"]
    bottleneck.m_step()
    assert error(bottleneck, z_e) <= first * (1 + 1e-5)
    assert bottleneck(z_e).metrics["used_codes"] == used == 1


def test_counts_after_data_init_are_those_of_one_update(make: Make) -> None:
    bottleneck = make(init="data", warmup_updates=3, num_codes=4)
    for _ in range(3):
        bottleneck(torch.randn(2, 10, 8))
        bottleneck.m_step()
    assert bottleneck.table.ema_counts.sum().item() == pytest.approx(20, rel=1e-5)


def test_data_init_waits_for_as_many_vectors_as_codes(make: Make) -> None:
    bottleneck = make(init="data", num_codes=8)
    z_e = torch.randn(1, 3, 8)
    for size in (3, 6):
        assert torch.equal(bottleneck(z_e).quantized, z_e), size
        bottleneck.m_step()
        assert bottleneck.passes_through
    bottleneck(z_e)
    bottleneck.m_step()
    assert not bottleneck.passes_through


def test_data_init_takes_the_last_vectors(make: Make) -> None:
    bottleneck = make(init="data", num_codes=2, warmup_updates=10)
    for n in range(10):
        bottleneck(torch.randn(1, 8, 8) + 100 * n)
        bottleneck.m_step()
    # 8 vectors a code are kept, which the last two updates have.
    assert bottleneck.codebook.mean(-1).min() > 750
