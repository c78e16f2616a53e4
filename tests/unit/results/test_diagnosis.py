"""What a diagnosis says in words."""

import re
from typing import Any

import pytest

from vq_nat.results.diagnosis import reading


@pytest.mark.parametrize(
    ("decoder", "predictor", "said"),
    [
        (1.2, 0.5, "loses 1.2 on .* then loses 0.5: look at the decoder first"),
        (-0.3, 2.0, "wins 0.3 on .* then loses 2.0: look at the predictor first"),
        (0.04, -0.7, "loses nothing on .* then wins 0.7: neither is in the way"),
    ],
)
def test_what_is_lost_and_what_is_won_have_words_of_their_own(
    decoder: float, predictor: float, said: str
) -> None:
    losses = {"decoder": decoder, "predictor": predictor, "search": 0.0, "choice": 0.0}
    row: Any = {"losses": losses}
    assert re.search(said, next(iter(reading(row))))
