"""The shape rules that all stages share."""

import torch

from vq_nat.translation.flow import pieces


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
