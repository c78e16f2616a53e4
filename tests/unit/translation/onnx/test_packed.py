"""What `make_generation_fast_` prepares for decoding changes speed and nothing else."""

import copy

import pytest
import torch

from vq_nat.translation.decoding.generator import IterativeLatentGenerator
from vq_nat.translation.decoding.lengths import LengthRule


@pytest.fixture
def both(model):
    """The same model as it was trained, and prepared for decoding."""
    packed = copy.deepcopy(model)
    packed.make_generation_fast_()
    return model, packed


@torch.no_grad()
def test_all_stages_compute_the_same(both, make_batch) -> None:
    source, target = make_batch([9, 4, 6]), make_batch([17, 3, 8])
    encoded = [model.encode(source) for model in both]
    torch.testing.assert_close(*(one.states for one in encoded))
    codes = both[0].true_codes(target, encoded[0])
    logits = [m.predictor(codes.codes, e) for m, e in zip(both, encoded)]
    torch.testing.assert_close(*logits)
    words = [m.decode(m.lookup(codes), e).logits for m, e in zip(both, encoded)]
    torch.testing.assert_close(*words)


@pytest.mark.parametrize("lengths", [[9, 4, 6], [7]])
def test_outputs_are_the_same(both, dictionary, make_batch, lengths) -> None:
    generator = IterativeLatentGenerator(dictionary, lengths=LengthRule(b=30))
    sample = {"net_input": {"src_tokens": make_batch(lengths)}}
    plain, fast = (
        [row[0].tokens.tolist() for row in generator.generate([model], sample)]
        for model in both
    )
    assert fast == plain


def test_a_checkpoint_stays_the_same(both) -> None:
    plain, packed = (model.state_dict() for model in both)
    assert plain.keys() == packed.keys()
    assert all(packed[name].equal(plain[name]) for name in plain)


@torch.no_grad()
def test_weights_that_change_later_count(both, make_model, make_batch) -> None:
    other, source = make_model(), make_batch([9, 4])
    both[1].load_state_dict(other.state_dict())
    after = both[1].encode(source).states
    torch.testing.assert_close(after, other.encode(source).states)


def test_what_is_packed_moves_with_the_model(both) -> None:
    double = both[1].double()
    stack = double.decoder.layers
    assert stack.joint[0].weight.dtype == torch.float64
    assert stack[0].self_attn.joint.weight.dtype == torch.float64


@torch.no_grad()
def test_padding_takes_the_mask_along(both, make_batch, repad) -> None:
    source = make_batch([9])
    for model in both:
        trimmed = model.encode(source).states
        padded = model.encode(repad(source, "left", 4)).states[:, :9]
        torch.testing.assert_close(padded, trimmed)
