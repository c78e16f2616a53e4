"""New drafts around a beginning: what is known stays, and one's own is found again."""

import pytest
import torch

from vq_nat.translation import IterativeLatentGenerator
from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.translation.decoding.redraft import Redrafter

KINDS = [{}, {"vq_kind": "words", "words_per_code": 2}]


@pytest.mark.parametrize("options", KINDS)
def test_drafts_begin_with_what_is_known(
    make_model, make_batch, dictionary, options
) -> None:
    model = make_model(shown_sentences=0.5, **options)
    generator = IterativeLatentGenerator(dictionary, lengths=LengthRule(b=30))
    source = make_batch([9, 4, 6])
    beginnings = [torch.tensor(row) for row in ([7, 8, 9], [5], [6, 7, 8, 9, 10])]
    drafts = Redrafter(model, generator, source)([2, 0, 1], beginnings)
    for begin, draft in zip(beginnings, drafts):
        assert draft[: len(begin)].equal(begin)


def test_its_own_words_lead_to_its_own_draft(
    make_model, make_batch, dictionary
) -> None:
    """Of words as codes, whose codes are known from the words."""
    model = make_model(vq_kind="words", words_per_code=2)
    generator = IterativeLatentGenerator(dictionary, lengths=LengthRule(b=30))
    source = make_batch([9, 4, 6])
    own = generator.generate([model], {"net_input": {"src_tokens": source}})
    redraft = Redrafter(model, generator, source)
    for row, (best, *_) in enumerate(own):
        for known in (1, 2, 3, 4):
            if known < len(best.tokens) - 1:
                (draft,) = redraft([row], [best.tokens[:known]])
                assert draft.equal(best.tokens)
