"""Decoding does not depend on the batch, and refuses what it cannot serve."""

from types import SimpleNamespace

import pytest
import torch

from vq_nat.translation import IterativeLatentGenerator
from vq_nat.translation.task import refuse_unserved

PAD, EOS = 1, 2


def translate(generator, model, source):
    found = generator.generate([model], {"net_input": {"src_tokens": source}})
    return [h[0] for h in found]


@pytest.mark.parametrize("passes", [0, 3])
@pytest.mark.parametrize("size", [1, 8, 64])
def test_output_is_the_same_at_every_batch_size_and_padding_side(
    model, dictionary, make_batch, repad, passes, size
) -> None:
    generator = IterativeLatentGenerator(dictionary, max_iter=passes, max_len_b=30)
    lengths = torch.randint(2, 20, (64,)).tolist()
    source = make_batch(lengths)
    together = translate(generator, model, source)
    for side in ("left", "right"):
        found = []
        for rows in repad(source, side, extra=3).split(size):
            found += translate(generator, model, rows)
        for one, other in zip(together, found, strict=True):
            assert one["tokens"].equal(other["tokens"])
            assert one["codes"].equal(other["codes"])
            assert one["score"] == pytest.approx(other["score"], rel=1e-4, abs=1e-3)


def test_output_ends_in_one_end_of_sentence(model, dictionary, make_batch) -> None:
    generator = IterativeLatentGenerator(dictionary)
    for hypothesis in translate(generator, model, make_batch([9, 4, 6, 12])):
        tokens = hypothesis["tokens"]
        assert tokens[-1] == EOS
        assert not (tokens[:-1].eq(EOS) | tokens[:-1].eq(PAD)).any()
        assert len(hypothesis["positional_scores"]) == len(tokens)


def test_history_holds_every_pass(model, dictionary, make_batch) -> None:
    generator = IterativeLatentGenerator(dictionary, max_iter=4, retain_history=True)
    hypothesis = translate(generator, model, make_batch([9]))[0]
    assert len(hypothesis["history"]) == hypothesis["steps"] + 1
    assert hypothesis["history"][-1]["tokens"].equal(hypothesis["tokens"])


def test_ensembles_and_prefixes_are_refused(model, dictionary, make_batch) -> None:
    generator = IterativeLatentGenerator(dictionary)
    sample = {"net_input": {"src_tokens": make_batch([5])}}
    with pytest.raises(ValueError, match="`models` must hold one model, but holds 2"):
        generator.generate([model, model], sample)
    with pytest.raises(ValueError, match="must be None: all words are"):
        generator.generate([model], sample, prefix_tokens=torch.zeros(1, 1))


@pytest.mark.parametrize(
    ("option", "value"),
    [("iter_decode_with_beam", 5), ("iter_decode_with_external_reranker", True)],
)
def test_settings_that_cannot_be_served_are_refused(option, value) -> None:
    with pytest.raises(ValueError, match=f"`{option}` must be"):
        refuse_unserved(SimpleNamespace(**{option: value}))
