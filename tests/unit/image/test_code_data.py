"""Codes as fairseq's data, and the loss of a prior over them."""

import math
from types import SimpleNamespace

import pytest
import torch
from fairseq.logging import metrics
from prior_helpers import GRIDS, some_codes, tiny

from vq_nat.image.codes import CodeDataset, code_use, count_codes, encode_images
from vq_nat.image.prior_criterion import CodeNLLCriterion

CODES = torch.arange(24, dtype=torch.int16).view(6, 2, 2)


class Doubler:
    """An autoencoder whose codes are pixels doubled."""

    def __init__(self, num_codes: int) -> None:
        self.num_codes = num_codes

    def codes(self, images: torch.Tensor) -> torch.Tensor:
        return 2 * images.long().flatten(1).unsqueeze(-1)


class Pictures:
    """Five images of a single row."""

    def __len__(self) -> int:
        return 5

    def images(self, indices: slice) -> torch.Tensor:
        return torch.arange(15, dtype=torch.uint8).view(5, 3, 1, 1)[indices]


def test_codes_are_counted_in_each_slice() -> None:
    codes = torch.tensor([[[0, 1], [0, 1]], [[0, 2], [0, 3]]], dtype=torch.int32)
    assert count_codes(codes, 4).tolist() == [[4, 0, 0, 0], [0, 2, 1, 1]]
    perplexity, used_share = code_use(codes, 4)
    assert perplexity == pytest.approx((1 + 2**1.5) / 2, rel=1e-4)
    assert used_share == (0.25 + 0.75) / 2


@pytest.mark.parametrize(
    ("codes", "kind"), [(30, torch.int16), (2**15 + 1, torch.int32)]
)
def test_all_images_are_encoded_in_order(codes: int, kind: torch.dtype) -> None:
    encoded = encode_images(Doubler(codes), Pictures(), batch_size=2)
    assert encoded.dtype == kind
    assert encoded.flatten().tolist() == list(range(0, 30, 2))


def test_epochs_have_orders_of_their_own_that_a_seed_decides() -> None:
    data, same = CodeDataset(CODES, True, 3), CodeDataset(CODES, True, 3)
    orders = []
    for epoch in (1, 2):
        data.set_epoch(epoch)
        orders.append(data.ordered_indices().tolist())
    same.set_epoch(2)
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(6))
    assert orders[0] != orders[1]
    assert same.ordered_indices().tolist() == orders[1]
    assert CodeDataset(CODES).ordered_indices().tolist() == list(range(6))


def test_a_batch_holds_the_codes_asked_for() -> None:
    data = CodeDataset(CODES)
    batch = data.collater([data[4], data[1]])
    assert torch.equal(batch["net_input"]["codes"], CODES[[4, 1]].long())
    assert (batch["nsentences"], batch["id"].tolist()) == (2, [4, 1])


@torch.no_grad()
def test_the_log_is_in_bits_per_dim_nats_and_perplexity() -> None:
    """Of a new prior all of them are known: they are those of the uniform one."""
    grid = GRIDS[1]
    prior = tiny(grid)
    torch.nn.init.zeros_(prior.head.weight)
    torch.nn.init.zeros_(prior.head.bias)
    criterion = CodeNLLCriterion(SimpleNamespace(dimensions=48, target_dictionary=None))
    logs = []
    for count in (3, 5):
        sample = {"net_input": {"codes": some_codes(grid, count)}}
        loss, size, log = criterion(prior, sample)
        assert float(loss / size) == pytest.approx(math.log(grid.codes))
        logs.append(log)
    with metrics.aggregate(new_root=True) as aggregate:
        CodeNLLCriterion.reduce_metrics(logs)
    values = aggregate.get_smoothed_values()
    symbols = grid.length * grid.slices
    assert values["loss"] == pytest.approx(math.log2(grid.codes), abs=1e-3)
    assert values["perplexity"] == pytest.approx(grid.codes, abs=1e-2)
    assert values["bits_per_dim"] == pytest.approx(
        symbols * math.log2(grid.codes) / 48, abs=1e-4
    )
