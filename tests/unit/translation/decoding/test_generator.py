"""Decoding does not depend on the batch, and refuses what it cannot serve."""

from itertools import compress

import pytest
import torch

from vq_nat.translation import IterativeLatentGenerator
from vq_nat.translation.decoding.generator import different, largest
from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.translation.decoding.limits import SearchOptions
from vq_nat.translation.decoding.rescoring import ChrfConsensus
from vq_nat.translation.flow import Candidate, LatentCodes

PAD, EOS = 1, 2


def generate(generator, model, source):
    return generator.generate([model], {"net_input": {"src_tokens": source}})


def translate(generator, model, source):
    return [candidates[0] for candidates in generate(generator, model, source)]


MODES = {
    "plain": {},
    "beam": {"search": SearchOptions("beam", 3)},
    "samples": {"search": SearchOptions("sample", 3)},
    "lengths": {"search": SearchOptions("lengths", 3)},
    "agreement": {
        "search": SearchOptions("sample", 3),
        "rescorer": ChrfConsensus(lambda tokens: str(tokens.tolist())),
    },
    "ratio": {"lengths": LengthRule(fixed=2.0), "search": SearchOptions("beam", 2)},
    "mask": {"max_iter": 3},
    "latent": {"max_iter": 3, "refinement": "latent"},
    "both": {"max_iter": 3, "refinement": "both", "search": SearchOptions("beam", 2)},
}


def assert_the_same(one, other) -> None:
    """Compares all hypotheses of two decodings of the same sentences."""
    for first, second in zip(one, other, strict=True):
        assert len(first) == len(second)
        for left, right in zip(first, second, strict=True):
            assert left.tokens.equal(right.tokens)
            assert left.codes.equal(right.codes)
            assert left.steps == right.steps
            assert left.score == pytest.approx(right.score, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 7, 64])
def test_neighbours_order_and_padding_change_nothing(
    model, dictionary, make_batch, repad, mode, size
) -> None:
    rule = {"lengths": LengthRule(b=30)} | MODES[mode]
    generator = IterativeLatentGenerator(dictionary, **rule)
    count = {1: 8, 7: 28, 64: 64}[size]
    source = make_batch(torch.randint(2, 20, (count,)).tolist())
    together = generate(generator, model, source)
    order = torch.randperm(count)
    for side in ("left", "right"):
        alone = []
        for rows in repad(source[order], side, extra=3).split(size):
            alone += generate(generator, model, rows)
        assert_the_same([together[i] for i in order], alone)


def recomputed(model, source, hypothesis) -> float:
    """log p(codes) + log p(words | codes) of one hypothesis, without any search."""
    codes = hypothesis.codes.unsqueeze(0)
    given = LatentCodes(codes, torch.ones_like(codes[..., 0]).bool(), torch.zeros(1))
    encoded = model.encode(source)
    decoded = model.decode(model.lookup(given), encoded)
    logp = decoded.logits[0].log_softmax(dim=-1)
    words = hypothesis.tokens
    known = words[: len(logp)]  # the end of the last code is the end of the words
    of_words = logp.gather(1, known.unsqueeze(1)).sum()
    return float(model.score_codes(given, encoded) + of_words)


@pytest.mark.parametrize("mode", ["plain", "beam", "samples", "lengths", "latent"])
def test_scores_are_the_models_log_probability(
    model, dictionary, make_batch, mode
) -> None:
    rule = {"lengths": LengthRule(b=30)} | MODES[mode]
    generator = IterativeLatentGenerator(dictionary, **rule)
    source = make_batch([9, 4, 6, 12, 3])
    with torch.no_grad():
        for row, candidates in enumerate(generate(generator, model, source)):
            alone = source[row : row + 1]
            for hypothesis in candidates:
                expected = recomputed(model, alone, hypothesis)
                assert hypothesis.score == pytest.approx(expected, rel=1e-4)
                parts = hypothesis.positional_scores.sum()
                total = float(parts) + hypothesis.code_score
                assert hypothesis.score == pytest.approx(total, rel=1e-5)


def test_words_predicted_again_have_the_scores_of_their_last_pass(
    model, dictionary, make_batch
) -> None:
    """One pass: half of the words are shown, the others scored around them."""
    generator = IterativeLatentGenerator(
        dictionary, max_iter=1, lengths=LengthRule(b=32), retain_history=True
    )
    model.requires_grad_(False)
    source = make_batch([9])
    encoded = model.encode(source)
    draft = generator._codes(model, encoded, {"net_input": {"src_tokens": source}})
    latents = model.lookup(draft)
    first = generator._decode(model, latents, encoded)
    length = first.tokens.size(1)
    hidden = first.scores.argsort(dim=1, stable=True)[:, : length // 2]
    shown = torch.ones_like(first.mask).scatter(1, hidden, False)
    shown = shown & first.tokens.ne(PAD)
    decoded = model.decode(latents, encoded, first.tokens, shown)
    logp = decoded.logits.detach().log_softmax(dim=-1)
    logp[..., 0] = -float("inf")  # the beginning of a sentence is never predicted
    again = logp.max(dim=-1)
    best = generate(generator, model, source)[0][0]
    for place, token in enumerate(best.tokens[:-1].tolist()):
        if bool(hidden.eq(place).any()):
            assert token == int(again.indices[0, place])
            expected = float(again.values[0, place])
        else:
            assert token == int(first.tokens[0, place])
            expected = float(first.scores[0, place])
        assert float(best.positional_scores[place]) == pytest.approx(expected, rel=1e-4)


def test_latent_passes_stop_where_words_give_themselves_again(
    model, dictionary, make_batch
) -> None:
    """A pass from a fixed point changes nothing, whatever the passes before."""
    rule = {"refinement": "latent", "lengths": LengthRule(b=30)}
    source = make_batch([9, 4, 6, 12, 3, 8])
    deep = IterativeLatentGenerator(dictionary, max_iter=30, **rule)
    candidates = generate(deep, model, source)
    stopped = [row[0].steps < 30 for row in candidates]
    assert any(stopped)  # those that run in a circle tell nothing
    for hypotheses, alone in compress(zip(candidates, source, strict=True), stopped):
        encoded = model.encode(alone.unsqueeze(0))
        written = hypotheses[0].tokens[: 8 * len(hypotheses[0].codes)]
        codes = model.true_codes(written.unsqueeze(0), encoded)
        again = deep._decode(model, model.lookup(codes), encoded)
        words, _, length = deep._cut(again)
        assert words[0, : int(length)].equal(hypotheses[0].tokens)


@pytest.mark.parametrize("refinement", ["latent", "both"])
def test_a_text_that_fills_all_codes_is_refined(
    model, dictionary, make_batch, refinement
) -> None:
    with torch.no_grad():
        model.predictor.output.bias[model.predictor.end] = -1e4  # codes never end
        model.embed_tokens.weight[dictionary.eos()] = 0  # and hardly a sentence
    generator = IterativeLatentGenerator(
        dictionary, max_iter=3, refinement=refinement, lengths=LengthRule(b=1000)
    )
    candidates = generate(generator, model, make_batch([9, 4, 6]))
    longest = model.predictor.max_latents * model.chunk
    assert max(len(row[0].tokens) for row in candidates) >= longest
    assert all(len(row[0].codes) <= model.predictor.max_latents for row in candidates)


@pytest.mark.parametrize("mode", ["plain", "beam", "both"])
def test_decoding_in_several_steps_changes_nothing(
    model, dictionary, make_batch, mode
) -> None:
    rule = {"lengths": LengthRule(b=30)} | MODES[mode]
    source = make_batch([9, 4, 6, 12, 3])
    at_once = generate(IterativeLatentGenerator(dictionary, **rule), model, source)
    for logits in (1, 100 * len(dictionary)):
        small = IterativeLatentGenerator(dictionary, logits_at_once=logits, **rule)
        assert_the_same(at_once, generate(small, model, source))


@pytest.mark.parametrize("refinement", ["latent", "both"])
def test_passes_keep_sentences_without_an_end_in_bounds(
    model, dictionary, make_batch, refinement
) -> None:
    with torch.no_grad():  # it never ends a sentence, and writes no padding
        model.embed_tokens.weight[[PAD, EOS]] = 0
        model.decoder.layer_norm.bias[0] = 50.0
        model.embed_tokens.weight[4:, 0] = 1.0
    generator = IterativeLatentGenerator(
        dictionary,
        max_iter=4,
        refinement=refinement,
        lengths=LengthRule(b=16, least=0.5),
    )
    source = make_batch([9, 24, 32])
    together = generate(generator, model, source)
    assert_the_same(
        together,
        [generate(generator, model, row[row.ne(PAD)][None])[0] for row in source],
    )
    for candidates in together:
        assert len(candidates[0].codes) <= 2
        assert len(candidates[0].tokens) == 8 * len(candidates[0].codes) + 1


def test_a_fixed_ratio_gives_the_length(model, dictionary, make_batch) -> None:
    generator = IterativeLatentGenerator(dictionary, lengths=LengthRule(fixed=2.0))
    for length, candidates in zip(
        (9, 4, 6), generate(generator, model, make_batch([9, 4, 6])), strict=True
    ):
        assert len(candidates[0].codes) == -(-2 * length // 8)


def test_length_ratios_bound_the_codes(model, dictionary, make_batch) -> None:
    rule = LengthRule(least=2.0, most=4.0)
    generator = IterativeLatentGenerator(
        dictionary, lengths=rule, search=SearchOptions("beam", 4)
    )
    for candidates in generate(generator, model, make_batch([16, 16])):
        for hypothesis in candidates:
            assert 4 <= len(hypothesis.codes) <= 8


def test_no_more_words_than_asked_for_and_the_end_is_paid(
    model, dictionary, make_batch
) -> None:
    with torch.no_grad():
        model.predictor.output.bias[model.predictor.end] = -1e4  # codes never end
    source = make_batch([9, 4])
    for most in (3, 8, 13):
        generator = IterativeLatentGenerator(dictionary, lengths=LengthRule(b=most))
        for row, best in enumerate(translate(generator, model, source)):
            assert len(best.tokens) == most + 1 and best.tokens[-1] == EOS
            if most % 8:  # otherwise the codes end it, and nothing is paid
                with torch.no_grad():
                    expected = recomputed(model, source[row : row + 1], best)
                assert best.score == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("mode", ["plain", "mask", "latent", "both"])
def test_no_fewer_words_than_asked_for(model, dictionary, make_batch, mode) -> None:
    with torch.no_grad():  # the end of sentence is the most probable word everywhere
        model.decoder.layer_norm.bias[0] = 50.0
        model.embed_tokens.weight[:, 0] = 0.0
        model.embed_tokens.weight[EOS, 0] = 1.0
    source = make_batch([9, 4])
    for least in (1, 2, 9, 16):
        rule = {**MODES[mode], "lengths": LengthRule(shortest=least)}
        generator = IterativeLatentGenerator(dictionary, **rule)
        for best in translate(generator, model, source):
            words = len(best.tokens) - 1
            assert words == (least if least > 1 else 0)
            assert len(best.codes) >= -(-least // 8)


def test_codes_that_never_end_are_cut_off(model, dictionary, make_batch) -> None:
    """At 2 S + 20 words of their own sentence, whatever else is in the batch."""
    with torch.no_grad():
        model.predictor.output.bias[model.predictor.end] = -1e4
    generator = IterativeLatentGenerator(dictionary, lengths=LengthRule(guarded=True))
    candidates = generate(generator, model, make_batch([3, 16]))
    assert [len(of_one[0].codes) for of_one in candidates] == [-(-26 // 8), -(-52 // 8)]
    assert LengthRule(least=9.0, guarded=True).bounds(
        model.encode(make_batch([3])), 8
    ).most.tolist() == [-(-27 // 8)]


def test_equal_wordings_are_one_hypothesis(model, dictionary, make_batch) -> None:
    generator = IterativeLatentGenerator(
        dictionary, lengths=LengthRule(b=30), search=SearchOptions("sample", 20)
    )
    with torch.no_grad():
        model.predictor.output.weight.mul_(8)  # so that draws repeat
    for candidates in generate(generator, model, make_batch([9, 4])):
        wordings = [tuple(h.tokens.tolist()) for h in candidates]
        assert len(set(wordings)) == len(wordings) < 20
        assert sum(h.copies for h in candidates) == 20
        ranks = [h.rank_score for h in candidates]
        assert ranks == sorted(ranks, reverse=True)


def test_output_ends_in_one_end_of_sentence(model, dictionary, make_batch) -> None:
    generator = IterativeLatentGenerator(dictionary)
    for hypothesis in translate(generator, model, make_batch([9, 4, 6, 12])):
        tokens = hypothesis.tokens
        assert tokens[-1] == EOS
        assert not (tokens[:-1].eq(EOS) | tokens[:-1].eq(PAD)).any()
        assert len(hypothesis.positional_scores) == len(tokens)


def test_history_holds_every_pass(model, dictionary, make_batch) -> None:
    generator = IterativeLatentGenerator(dictionary, max_iter=4, retain_history=True)
    hypothesis = translate(generator, model, make_batch([9]))[0]
    assert len(hypothesis.history) == hypothesis.steps + 1
    assert hypothesis.history[-1].equal(hypothesis.tokens)


def test_ensembles_and_prefixes_are_refused(model, dictionary, make_batch) -> None:
    generator = IterativeLatentGenerator(dictionary)
    sample = {"net_input": {"src_tokens": make_batch([5])}}
    with pytest.raises(ValueError, match="`models` must hold one model, but holds 2"):
        generator.generate([model, model], sample)
    with pytest.raises(ValueError, match="must be None: all words are"):
        generator.generate([model], sample, prefix_tokens=torch.zeros(1, 1))


@pytest.mark.parametrize("shape", [(1, 7), (3, 2, 9)], ids=str)
def test_the_largest_is_what_torch_finds(shape) -> None:
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    logits[..., 3] = -float("inf")
    assert torch.equal(largest(logits), logits.argmax(dim=-1))


@pytest.mark.parametrize("refinement", ["mask", "latent", "both"])
def test_a_sentence_that_stands_still_is_finished(
    model, dictionary, make_batch, refinement
) -> None:
    """Words that depend on nothing are the same in the first pass: one is enough."""
    with torch.no_grad():
        model.decoder.layer_norm.weight.zero_()
        model.decoder.layer_norm.bias.copy_(model.embed_tokens.weight[7] * 50)
    rule = {"lengths": LengthRule(b=30), "refinement": refinement}
    generator = IterativeLatentGenerator(
        dictionary, max_iter=6, retain_history=True, **rule
    )
    passes = []
    decode, generator._decode = generator._decode, None

    def counted(*rest, **named):
        passes.append(1)
        return decode(*rest, **named)

    generator._decode = counted
    for best in translate(generator, model, make_batch([9, 4, 6])):
        assert best.steps <= 2  # the second pass finds that nothing changes
        assert len(best.history) == best.steps + 1
    assert len(passes) <= 3


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_of_equal_wordings_the_most_probable_codes_are_kept(order) -> None:
    """Whichever comes first; its number of copies is told."""
    said = {0: ([5, EOS], -3.0), 1: ([5, EOS], -1.0), 2: ([5, EOS], -2.0)}
    said[3] = ([6, EOS], -9.0)
    rows = [
        Candidate(
            torch.tensor(words), torch.zeros(2), score, 0.0, torch.tensor([[row]]), 0
        )
        for row, (words, score) in said.items()
    ]
    kept = {one.tokens[0].item(): one for one in different([rows[i] for i in order])}
    assert (kept[5].score, kept[5].codes.item(), kept[5].copies) == (-1.0, 1, 3)
    assert (kept[6].score, kept[6].codes.item(), kept[6].copies) == (-9.0, 3, 1)
