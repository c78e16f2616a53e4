"""What predictor and decoder say of given targets, over all of them."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from vq_nat.bench.diagnosis import given
from vq_nat.translation.flow import NO_CODE, TrainingOutput

PAD, VOCABULARY = 1, 9
TARGETS = ["3 4 5", "6 7", "8 3 4 5 6", "7"]


class Sure(torch.nn.Module):
    """Says each word but 7, and of each word as code that it is one of `doubt`."""

    pad = PAD

    def __init__(self, doubt: int) -> None:
        super().__init__()
        self.doubt, self.place = doubt, torch.nn.Parameter(torch.zeros(1))

    def forward(self, source: Tensor, target: Tensor) -> TrainingOutput:
        """All words are hidden; codes are words that stand alone."""
        real = target.ne(PAD)
        words, said = target[real], target[real].masked_fill(target[real].eq(7), 0)
        codes = target.masked_fill(~real, NO_CODE).unsqueeze(-1)
        logits = torch.full((*codes.shape, VOCABULARY), -math.inf)
        for other in range(self.doubt):
            logits.scatter_(-1, (target[..., None, None] + other) % VOCABULARY, 0.0)
        return TrainingOutput(
            word_logits=torch.nn.functional.one_hot(said, VOCABULARY).float(),
            word_targets=words,
            word_positions=len(words),
            code_logits=logits,
            code_targets=codes,
            code_count=len(words),
            bottleneck=None,  # type: ignore[arg-type]  # of words there is none
            latent_count=len(words),
            updates=0,
        )


@pytest.fixture
def ask() -> Any:
    """ask(doubt, batch size, targets): the figures of such a model."""

    def run(doubt: int, size: int, lines: list[str] = TARGETS) -> dict[str, Any]:
        def encode(line: str) -> Tensor:
            return torch.tensor([int(word) for word in line.split()])

        codec = SimpleNamespace(encode=encode, encode_target=encode)
        # The task reads as it decodes: under autocast.
        task = SimpleNamespace(read=lambda model, *sides: model(*sides))
        translator: Any = SimpleNamespace(model=Sure(doubt), codec=codec, task=task)
        return dict(given("x", translator, lines, lines, size))

    return run


@pytest.mark.parametrize("doubt", [1, 2, 4])
def test_bits_are_those_of_the_doubt(ask: Any, doubt: int) -> None:
    assert ask(doubt, 2)["code_bits"] == math.log2(doubt)


def test_a_batch_size_changes_no_figure(ask: Any) -> None:
    assert ask(1, 1) == ask(1, 2) == ask(1, 4)


def test_shares_are_of_all_words_and_codes_of_sentences_that_have_some(
    ask: Any,
) -> None:
    """The last sentence is its end alone; one word of ten is not said."""
    row = ask(1, 2)
    assert row["code_accuracy"] == 1.0
    assert row["word_accuracy"] == 0.9


def test_shares_have_the_digits_of_a_percentage_with_two(ask: Any) -> None:
    assert ask(1, 1, ["3 7 4"])["word_accuracy"] == 0.6667
    # Of two the first is taken, which is 0 where the other one is the last word.
    assert ask(2, 1, ["3 8 4"])["code_accuracy"] == 0.6667
