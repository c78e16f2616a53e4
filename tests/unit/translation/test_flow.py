"""The rules that all stages share: of shapes, and of models that have codes."""

from types import SimpleNamespace

import pytest
import torch

from vq_nat.translation.flow import pieces, require_codes


def test_pieces_hold_every_row_once_and_fit() -> None:
    lengths = torch.tensor([3, 9, 1, 9, 4, 20, 2])
    parts = pieces(lengths, vocabulary=10, logits=180)
    assert sorted(torch.cat(parts).tolist()) == list(range(7))
    longest = [int(lengths[rows].max()) for rows in parts]
    assert longest == sorted(longest, reverse=True)
    assert parts[0].tolist() == [5]  # fits nowhere, so it goes alone
    fit = zip(parts[1:], longest[1:], strict=True)
    assert all(len(rows) * end * 10 <= 180 for rows, end in fit)
    assert len(pieces(lengths, vocabulary=10)) == 1


def test_a_model_without_codes_is_refused() -> None:
    with pytest.raises(ValueError, match="must have codes, but is a Linear instead"):
        require_codes(torch.nn.Linear(1, 1))


def test_a_model_that_predicts_no_codes_is_refused() -> None:
    class Identity:
        lookup = compress = true_latents = None
        predicts_codes, cfg = False, SimpleNamespace(vq_kind="identity")

    with pytest.raises(ValueError, match="but its `vq_kind` is 'identity' instead"):
        require_codes(Identity())


def test_an_exported_model_gives_references_no_codes() -> None:
    with pytest.raises(ValueError, match="but is an exported one instead"):
        require_codes(None)
