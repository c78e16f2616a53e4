"""The search for codes: exhaustive where it can be, bounded, and blind to the batch."""

from itertools import product
from typing import NamedTuple

import pytest
import torch

from vq_nat.translation.decoding.beam import joint_best
from vq_nat.translation.decoding.gumbel import mix, sentence_keys
from vq_nat.translation.decoding.limits import CodeBounds, SearchOptions
from vq_nat.translation.decoding.search import search
from vq_nat.translation.flow import EncodedSource, LatentCodes, take

PAD = 1
WIDTHS = {"greedy": 1, "beam": 3, "sample": 4, "lengths": 3}


def bounds(source, most, least=1, **rest) -> CodeBounds:
    """The same bounds for all sentences, and keys for samples."""
    size = len(source.mask)
    keys = mix(torch.arange(size) + 7)
    least, most = torch.full((size,), least), torch.full((size,), most)
    return CodeBounds(least, most, keys=keys, **rest)


def sharpen(model, factor=6.0):
    """Makes a random predictor's beliefs differ as much as those of a trained one."""
    with torch.no_grad():
        model.predictor.output.weight.mul_(factor)
    return model


def recomputed(model, latents: LatentCodes, source, ends: bool) -> torch.Tensor:
    """log p of each sequence, symbol by symbol, without a cache or a mask."""
    totals = []
    for row, codes in enumerate(latents.codes):
        length, one = int(latents.mask[row].sum()), torch.tensor([row])
        alone = take(source, one)
        logp = model.predictor.log_probs(model.predictor(codes[None, :length], alone))
        total = logp.new_zeros(())
        for step in range(length):
            for part in range(codes.size(1)):
                total = total + logp[0, step, part, codes[step, part]]
        totals.append(total + ends * logp[0, length, 0, model.predictor.end])
    return torch.stack(totals)


def widened(source, width: int):
    return take(source, torch.arange(len(source.mask)).repeat_interleave(width))


@pytest.mark.parametrize("kind", WIDTHS)
@pytest.mark.parametrize("slices", [1, 2])
@pytest.mark.parametrize("ends", [True, False])
def test_scores_are_log_probabilities(make_model, make_batch, kind, slices, ends):
    if kind == "lengths" and not ends:
        return
    model = sharpen(make_model(vq_slices=slices), 2.0)
    source = model.encode(make_batch([9, 4, 6, 12, 3]))
    options = SearchOptions(kind, WIDTHS[kind])
    latents = search(model.predictor, source, bounds(source, 5, ends=ends), options)
    assert len(latents.codes) == 5 * WIDTHS[kind]
    expected = recomputed(model, latents, widened(source, WIDTHS[kind]), ends)
    torch.testing.assert_close(latents.score, expected, rtol=1e-4, atol=1e-3)
    if ends:
        scored = model.score_codes(latents, widened(source, WIDTHS[kind]))
        torch.testing.assert_close(latents.score, scored, rtol=1e-4, atol=1e-3)


def exhaustive(model, source, slices: int, codes: int, longest: int, penalty: float):
    """The best sequence of one sentence among all there are, and its rank."""
    best = (-float("inf"), [])
    symbols = list(product(range(codes), repeat=slices))
    for length in range(1, longest + 1):
        every = torch.tensor(list(product(symbols, repeat=length)))
        many = widened(source, len(every))
        mask = torch.ones(every.shape[:2], dtype=torch.bool)
        given = LatentCodes(every, mask, torch.zeros(()))
        score = model.score_codes(given, many).detach()
        value, index = (score / (length + 1) ** penalty).max(dim=0)
        best = max(best, (float(value), every[index].tolist()))
    return best


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize(("slices", "codes", "longest"), [(1, 3, 4), (2, 2, 3)])
def test_a_beam_as_wide_as_the_tree_finds_the_optimum(
    make_model, make_batch, slices, codes, longest, penalty
) -> None:
    for _ in range(4):
        model = sharpen(make_model(vq_slices=slices, vq_num_codes=codes))
        source = model.encode(make_batch([9, 4, 6]))
        width = codes ** (slices * longest)
        options = SearchOptions("beam", width, length_penalty=penalty)
        latents = search(model.predictor, source, bounds(source, longest), options)
        for row in range(3):
            one = take(source, torch.tensor([row]))
            rank, best = exhaustive(model, one, slices, codes, longest, penalty)
            first = row * width
            steps = int(latents.mask[first].sum())
            assert latents.codes[first, :steps].tolist() == best
            assert float(latents.score[first]) / (
                steps + 1
            ) ** penalty == pytest.approx(rank, rel=1e-4)


def test_a_wider_beam_is_no_worse_on_average(make_model, make_batch) -> None:
    means = []
    model = sharpen(make_model(vq_num_codes=6), 3.0)
    source = model.encode(make_batch([9, 4, 6, 12, 3, 8, 15, 5] * 25))
    for width in (1, 2, 4, 8, 16):
        options = SearchOptions("beam" if width > 1 else "greedy", width)
        latents = search(model.predictor, source, bounds(source, 6), options)
        rank = latents.score / (latents.mask.sum(dim=1) + 1)
        means.append(float(rank.view(-1, width).max(dim=1).values.mean()))
    assert means == sorted(means)
    assert means[-1] > means[0] + 0.01  # and the search is hard enough to tell


def test_a_beam_is_sorted_and_holds_different_sequences(model, make_batch) -> None:
    source = model.encode(make_batch([9, 4]))
    beam = search(model.predictor, source, bounds(source, 5), SearchOptions("beam", 6))
    rank = (beam.score / (beam.mask.sum(dim=1) + 1)).view(2, 6)
    assert rank.equal(rank.sort(dim=1, descending=True).values)
    rows = [(tuple(c.flatten().tolist()), int(m.sum())) for c, m, _ in zip(*beam)]
    assert len(set(rows[:6])) == len(set(rows[6:])) == 6


@pytest.mark.parametrize("wanted", [1, 2])
@pytest.mark.parametrize("ends", [True, False])
def test_of_a_wider_beam_the_best_are_given(
    model, make_batch, wanted: int, ends: bool
) -> None:
    source = model.encode(make_batch([9, 4, 12]))
    asked = bounds(source, 5)._replace(ends=ends)
    wide = search(model.predictor, source, asked, SearchOptions("beam", 6))
    best = search(model.predictor, source, asked, SearchOptions("beam", wanted, beam=6))
    for row in range(3 * wanted):
        same = row // wanted * 6 + row % wanted
        steps = int(wide.mask[same].sum())
        assert int(best.mask[row].sum()) == steps
        assert best.codes[row, :steps].equal(wide.codes[same, :steps])
        assert best.score[row].equal(wide.score[same])
    assert best.mask.size(1) == int(best.mask.sum(dim=1).max())


def test_a_beam_wider_than_the_tree_repeats_its_best(make_model, make_batch) -> None:
    model = make_model(vq_num_codes=2)
    source = model.encode(make_batch([9]))
    beam = search(model.predictor, source, bounds(source, 1), SearchOptions("beam", 5))
    assert beam.codes.flatten().tolist()[:2] in ([0, 1], [1, 0])
    assert beam.codes.flatten()[2:].eq(beam.codes[0, 0, 0]).all()


@pytest.mark.parametrize("kind", WIDTHS)
@pytest.mark.parametrize("slices", [1, 2])
def test_neighbours_in_the_batch_change_nothing(
    make_model, make_batch, kind, slices
) -> None:
    """Sentences end at different steps, so that most of them leave early."""
    model = sharpen(make_model(vq_slices=slices), 3.0)
    source = model.encode(make_batch([9, 4, 6, 12, 3, 8, 15]))
    asked = bounds(source, 8)._replace(most=torch.tensor([1, 2, 3, 4, 5, 6, 7]))
    options = SearchOptions(kind, WIDTHS[kind])
    together = search(model.predictor, source, asked, options)
    for order in (torch.tensor([6, 2, 4, 0, 5, 3, 1]), *torch.arange(7).split(1)):
        part = CodeBounds(
            asked.least[order], asked.most[order], True, asked.keys[order]
        )
        alone = search(model.predictor, take(source, order), part, options)
        rows = (order[:, None] * options.width + torch.arange(options.width)).flatten()
        expected = take(together, rows)
        length = alone.codes.size(1)
        assert alone.codes.equal(expected.codes[:, :length])
        assert alone.mask.equal(expected.mask[:, :length])
        assert not expected.mask[:, length:].any()
        torch.testing.assert_close(alone.score, expected.score, rtol=1e-4, atol=1e-4)


class WholeSource(NamedTuple):
    """What an uncached predictor keeps: everything so far, and no keys or values."""

    source: EncodedSource
    codes: torch.Tensor  # (B, L, G)

    def take(self, rows, source):
        kept = take(self.source, rows) if source else self.source
        return WholeSource(kept, self.codes[rows])


class Uncached:
    """Computes every step from the beginning."""

    def __init__(self, predictor) -> None:
        self.predictor, self.log_probs = predictor, predictor.log_probs
        self.max_latents = predictor.max_latents
        self.slices, self.codes, self.end = (
            predictor.slices,
            predictor.codes,
            predictor.end,
        )

    def start(self, source):
        size = len(source.mask)
        return WholeSource(source, torch.zeros(size, 0, self.slices).long())

    def step(self, state, previous):
        if previous is not None:
            codes = torch.cat([state.codes, previous.unsqueeze(1)], dim=1)
            state = state._replace(codes=codes)
        return self.predictor(state.codes, state.source)[:, -1], state


@pytest.mark.parametrize("kind", WIDTHS)
@torch.no_grad()
def test_the_cache_changes_nothing(make_model, make_batch, kind) -> None:
    model = sharpen(make_model(vq_slices=2), 3.0)
    source = model.encode(make_batch([9, 4, 6, 12, 3, 8, 15]))
    asked = bounds(source, 8)._replace(most=torch.tensor([1, 2, 3, 4, 5, 6, 7]))
    options = SearchOptions(kind, WIDTHS[kind])
    cached = search(model.predictor, source, asked, options)
    uncached = search(Uncached(model.predictor), source, asked, options)
    assert uncached.codes.equal(cached.codes)
    assert uncached.mask.equal(cached.mask)
    torch.testing.assert_close(uncached.score, cached.score, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", WIDTHS)
def test_bounds_hold(model, make_batch, kind) -> None:
    source = model.encode(make_batch([9, 4, 6]))
    asked = CodeBounds(
        torch.tensor([3, 1, 2]), torch.tensor([4, 1, 7]), True, torch.arange(3)
    )
    latents = search(model.predictor, source, asked, SearchOptions(kind, WIDTHS[kind]))
    lengths = latents.mask.sum(dim=1).view(3, -1)
    assert lengths.ge(asked.least.unsqueeze(1)).all()
    assert lengths.le(asked.most.unsqueeze(1)).all()


@pytest.mark.parametrize("kind", ["greedy", "beam", "sample"])
def test_a_fixed_length_is_kept(model, make_batch, kind) -> None:
    source = model.encode(make_batch([9, 4, 6]))
    most = torch.tensor([4, 1, 6])
    asked = CodeBounds(most, most, ends=False, keys=torch.arange(3))
    latents = search(model.predictor, source, asked, SearchOptions(kind, WIDTHS[kind]))
    lengths = latents.mask.sum(dim=1).view(3, -1)
    assert lengths.equal(most.unsqueeze(1).expand_as(lengths))


def test_other_lengths_are_tried_around_the_greedy_one(model, make_batch) -> None:
    source = model.encode(make_batch([9, 4]))
    greedy = search(model.predictor, source, bounds(source, 8, least=3))
    around = search(
        model.predictor, source, bounds(source, 8, least=1), SearchOptions("lengths")
    )
    best = around.mask.sum(dim=1)
    latents = search(
        model.predictor, source, bounds(source, 8), SearchOptions("lengths", 3)
    )
    lengths = latents.mask.sum(dim=1).view(2, 3)
    wanted = torch.stack([best, best + 1, best - 1], dim=1).clamp(1, 8)
    assert lengths.equal(wanted)
    assert greedy.mask.sum(dim=1).ge(3).all()


def test_samples_follow_the_distribution(make_model, make_batch) -> None:
    """20,000 draws of one code: five standard errors, false alarm below 1e-5."""
    model = make_model(vq_num_codes=4)
    source = model.encode(make_batch([9]))
    draws = 20_000
    for temperature in (1.0, 2.0):
        options = SearchOptions("sample", draws, temperature)
        drawn = search(model.predictor, source, bounds(source, 1), options)
        logp = model.predictor.log_probs(model.predictor(drawn.codes[:1, :0], source))
        expected = (logp[0, 0, 0, :-1] / temperature).softmax(dim=-1)
        share = drawn.codes.flatten().bincount(minlength=4) / draws
        error = (expected * (1 - expected) / draws).sqrt()
        assert (share - expected).abs().le(5 * error).all()


def test_samples_depend_on_sentence_and_seed_alone(model, make_batch, repad) -> None:
    words = make_batch([9, 4, 6])
    keys = sentence_keys(words, PAD)
    assert sentence_keys(repad(words, "right", 4), PAD).equal(keys)
    assert len(set(keys.tolist())) == 3
    source = model.encode(words)
    asked = bounds(source, 6)._replace(keys=keys)
    draws = [
        search(
            model.predictor, source, asked, SearchOptions("sample", 8, seed=seed)
        ).codes
        for seed in (1, 1, 2)
    ]
    assert draws[0].equal(draws[1])
    assert not draws[0].equal(draws[2])


def test_the_best_combinations_of_slices_are_exact() -> None:
    logp = torch.randn(5, 3, 4).log_softmax(dim=-1)
    scores, codes = joint_best(logp, 10)
    every = torch.tensor(list(product(range(4), repeat=3)))  # (64, 3)
    sums = sum(logp[:, g, every[:, g]] for g in range(3))
    best, index = sums.topk(10, dim=1)
    torch.testing.assert_close(scores, best)
    assert codes.equal(every[index])


def test_samples_need_keys(model, make_batch) -> None:
    source = model.encode(make_batch([9]))
    asked = bounds(source, 3)._replace(keys=None)
    with pytest.raises(ValueError, match="`keys` must be given to sample"):
        search(model.predictor, source, asked, SearchOptions("sample", 2))
