"""How a rule of words becomes bounds of codes."""

import pytest
import torch

from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.translation.flow import EncodedSource

LENGTHS = torch.tensor([1, 4, 9])


def source() -> EncodedSource:
    """Sentences of these lengths, of which nothing else is known."""
    mask = torch.arange(9) < LENGTHS.unsqueeze(1)
    return EncodedSource(torch.zeros(3, 9, 2), mask)


def test_a_rule_that_says_nothing_forbids_no_length() -> None:
    """An output may be its end alone, and as long as anything is."""
    bounds = LengthRule().bounds(source(), words_per_code=1)
    assert bounds.least.tolist() == [1, 1, 1] and bounds.ends
    assert (bounds.most >= 200).all()


@pytest.mark.parametrize("chunk", [1, 2, 8])
@pytest.mark.parametrize("shortest", [2, 5])
def test_the_shortest_output_has_room_for_its_end(shortest: int, chunk: int) -> None:
    least = LengthRule(shortest=shortest).bounds(source(), chunk).least
    assert least.tolist() == [-(-(shortest + 1) // chunk)] * 3


@pytest.mark.parametrize("chunk", [1, 2, 8])
def test_bounds_in_words_hold_in_codes(chunk: int) -> None:
    bounds = LengthRule(a=2, b=3, least=0.5, most=2.5).bounds(source(), chunk)
    for length, least, most in zip(LENGTHS.tolist(), bounds.least, bounds.most):
        assert (least - 1) * chunk < max(1, 0.5 * length) <= least * chunk
        assert (most - 1) * chunk < min(2 * length + 3, 2.5 * length) <= most * chunk
