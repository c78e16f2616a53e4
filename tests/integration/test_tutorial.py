"""The tutorial runs as it stands, and what it teaches is so by a second way."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from vq_nat.bottleneck.members import MEMBERS

TUTORIAL = Path(__file__).resolve().parents[2] / "examples" / "tutorial.py"


@pytest.fixture(scope="module")
def lesson() -> Iterator[dict[str, Any]]:
    """What the tutorial's names are at its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(TUTORIAL)])
        yield runpy.run_path(str(TUTORIAL))
    MEMBERS._classes.pop("running", None)


def test_a_swapped_code_changes_the_words_of_its_chunk(lesson: dict[str, Any]) -> None:
    inspection, width = lesson["inspection"], lesson["inspection"].words_per_code
    for (place, rival), other in zip(lesson["swaps"], lesson["others"], strict=True):
        expected = [*inspection.codes[:place], rival, *inspection.codes[place + 1 :]]
        assert other.codes == expected != inspection.codes
        chunk = slice(place * width, (place + 1) * width)
        assert other.tokens[chunk] != inspection.tokens[chunk]


def test_vectors_of_one_code_are_of_one_point(lesson: dict[str, Any]) -> None:
    codes, owner = lesson["em_codes"], lesson["owner"]
    same_code, same_point = (x[:, None] == x for x in (codes, owner))
    assert not (same_code & ~same_point).any()
    assert len(codes.unique()) >= lesson["POINTS"]


def test_the_member_from_outside_is_used(lesson: dict[str, Any]) -> None:
    member, vectors = lesson["own_member"], lesson["vectors"][0]
    assert MEMBERS.get("running") is type(member) is lesson["RunningMeans"]
    # Every vector once in each of 60 updates, and one for each code to start from.
    assert member.counts.sum() == 60 * len(vectors) + lesson["POINTS"]
    centres = torch.stack(
        [vectors[lesson["own_codes"] == code].mean(0) for code in range(8)]
    )
    torch.testing.assert_close(member.codebook[0], centres, atol=0.01, rtol=0)
