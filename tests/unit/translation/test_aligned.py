"""Words without places: the loss is that of all alignments, decoding the best one."""

from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from vq_nat.engine.weights import refuse_unserved
from vq_nat.translation.criterion import aligned_losses
from vq_nat.translation.decoding.build import build_generator
from vq_nat.translation.decoding.collapse import collapse
from vq_nat.translation.decoding.drafts import WordGuess
from vq_nat.translation.decoding.options import DecodingOptions
from vq_nat.translation.decoding.references import ReferenceScorer
from vq_nat.translation.flow import BLANK, AlignedWords
from vq_nat.translation.onnx.export import export as export_onnx

PAD, EOS = 1, 2  # of every fairseq dictionary
CTC = {"alignment": "ctc", "compression_steps": 2}
NONE = {"alignment": "ctc", "vq_kind": "none"}


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the words of a path: runs once, no blanks."""
    return tuple(word for word, _ in groupby(path) if word != BLANK)


def by_force(log_probs: Tensor, words: tuple[int, ...]) -> Tensor:
    """Returns -log of the sum of all paths of (P, V) that collapse to the words."""
    paths = product(range(log_probs.size(1)), repeat=len(log_probs))
    places = torch.arange(len(log_probs))
    known = [
        log_probs[places, torch.tensor(path)].sum()
        for path in paths
        if collapsed(path) == words
    ]
    return -torch.stack(known).logsumexp(dim=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_all_alignments(smoothing: float) -> None:
    lengths, symbols = (5, 4, 3), 4
    targets = [(2, 2), (3, 1, 2), (2,)]
    logits = torch.randn(3, 5, symbols)
    words = torch.full((3, 3), 1)
    for row, target in zip(words, targets):
        row[: len(target)] = torch.tensor(target)
    mask = torch.arange(5) < torch.tensor(lengths).unsqueeze(1)
    counts = torch.tensor([len(target) for target in targets])
    losses = aligned_losses(AlignedWords(logits, mask, words, counts), smoothing)
    logp = logits.log_softmax(dim=-1)
    rows = zip(logp, lengths, targets)
    expected = sum(by_force(row[:length], target) for row, length, target in rows)
    assert losses.nll == pytest.approx(float(expected), rel=1e-4)
    even = -logp.mean(dim=-1)[mask].mean() * counts.sum()
    total = (1 - smoothing) * float(expected) + smoothing * float(even)
    assert float(losses.loss) == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_words_that_do_not_fit_count_nothing(smoothing: float) -> None:
    logits = torch.randn(1, 2, 4, requires_grad=True)
    aligned = AlignedWords(
        logits,
        torch.ones(1, 2).bool(),
        torch.tensor([[2, 2, 3]]),
        torch.tensor([3]),
    )
    assert aligned.fits.tolist() == [False]
    loss = aligned_losses(aligned, smoothing).loss
    loss.backward()
    assert float(loss) == 0 and logits.grad is not None and not logits.grad.any()


def test_words_that_do_not_fit_are_not_among_those_of_the_mean(
    make_model, make_batch
) -> None:
    model = make_model(**NONE)
    target = torch.tensor([[9, 9, 9, 8, 7, EOS], [7, 8, 9, EOS, PAD, PAD]])
    # Two positions a word of the source: 8 for the first, with a blank between equals.
    for lengths, words in (([4, 3], 10), ([3, 3], 4), ([3, 2], 4), ([3, 1], 0)):
        assert model(make_batch(lengths), target=target).word_positions == words


def guess_of(rows: list[list[int]], scores: Tensor) -> WordGuess:
    """Lays paths of different lengths out as a generator does."""
    longest = max(map(len, rows))
    tokens = torch.full((len(rows), longest), 9)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = True
    return WordGuess(tokens, scores, torch.zeros_like(scores), mask)


def test_runs_become_one_word_and_blanks_none() -> None:
    rows = [[7, 7, BLANK, 7, 8, 8], [BLANK, BLANK, 5], [BLANK] * 4, [4, EOS, BLANK]]
    scores = torch.randn(4, 6)
    guess = collapse(guess_of(rows, scores), pad=PAD, eos=EOS)
    for number, row in enumerate(rows):
        words = collapsed(tuple(row))
        assert guess.tokens[number][guess.mask[number]].tolist() == [*words]
        assert guess.tokens[number, len(words) :].eq(PAD).all()
        if words:  # every position's score is some word's
            whole = scores[number, : len(row)].sum()
            assert guess.scores[number].sum() == pytest.approx(float(whole), abs=1e-5)
    expected = [scores[0, :2].sum(), scores[0, 2:4].sum(), scores[0, 4:].sum()]
    assert torch.allclose(guess.scores[0, :3], torch.stack(expected))
    assert guess.ends[3].tolist()[:2] == [
        0.0,
        float(guess.scores[3, 1]),
    ]


@pytest.mark.parametrize("options", [CTC, NONE], ids=str)
def test_padding_changes_no_loss_and_everything_learns(
    make_model, make_batch, options
) -> None:
    model = make_model(**options).train()
    source, target = make_batch([5, 3]), make_batch([6, 4])
    together = model(source, target=target)
    assert together.aligned is not None and together.word_positions == 10
    doubled = [2 * 8, 2 * 4] if options is CTC else [2 * 5, 2 * 3]
    assert together.aligned.mask.sum(dim=1).tolist() == doubled
    alone = [model(source[i : i + 1], target=target[i : i + 1]) for i in (0, 1)]
    losses = [aligned_losses(one.aligned).nll for one in (together, *alone)]
    if options is NONE:  # codes of a training are drawn
        assert float(losses[0]) == pytest.approx(float(sum(losses[1:])), rel=1e-4)
    aligned_losses(together.aligned).loss.backward()
    assert model.hidden_word.grad.abs().sum() > 0
    for stage in (model.encoder, model.decoder):
        assert all(p.grad is not None for p in stage.parameters())


@pytest.mark.parametrize("options", [CTC, NONE], ids=str)
def test_no_output_depends_on_its_batch(
    make_model, make_batch, dictionary, options
) -> None:
    model = make_model(**options)
    generator = build_generator(DecodingOptions(), [model], dictionary)
    source = make_batch([7, 3, 5])

    def translate(rows: Tensor) -> list[list[int]]:
        sample = {"net_input": {"src_tokens": rows}}
        candidates = generator.generate([model], sample)
        return [[*one.tokens.tolist(), len(one.codes)] for (one,) in candidates]

    together = translate(source)
    for row, expected in zip(source, together):
        assert translate(row[row.ne(PAD)].unsqueeze(0)) == [expected]
        assert BLANK not in expected[:-1] and expected[-2] == EOS
        assert (expected[-1] == 0) == (options is NONE)


def test_an_output_without_words_can_be_refined(
    make_model, make_batch, dictionary
) -> None:
    model = make_model(**CTC)
    with torch.no_grad():  # no position says anything
        model.decoder.layer_norm.weight.zero_()
        model.decoder.layer_norm.bias.copy_(9 * model.embed_tokens.weight[BLANK])
    options = DecodingOptions(passes=2, refinement="latent")
    generator = build_generator(options, [model], dictionary)
    sample = {"net_input": {"src_tokens": make_batch([5])}}
    ((candidate,),) = generator.generate([model], sample)
    assert candidate.tokens.tolist() == [EOS]


@pytest.mark.parametrize(
    ("options", "decoding", "message"),
    [
        (CTC, {"passes": 1}, "`passes` must be 0, but is 1 instead: the model was tr"),
        (CTC, {"min_len": 3}, "`min_len` must be 1 for a model without places"),
        (
            NONE,
            {"candidates": 3},
            "`candidates` must be 1 for a model that was trained",
        ),
        (NONE, {"passes": 1, "refinement": "latent"}, "`passes` must be 0 for a model"),
        (NONE, {"true_codes": True}, "`true_codes` must be False for a model that was"),
    ],
)
def test_what_needs_places_or_codes_is_refused(
    make_model, dictionary, options, decoding, message
) -> None:
    model = make_model(**options)
    with pytest.raises(ValueError, match=message):
        build_generator(DecodingOptions(**decoding), [model], dictionary)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"alignment": "dtw"},
            "`alignment` must be one of positions, ctc, but is 'dtw",
        ),
        ({"vq_kind": "none"}, "`alignment` must be 'ctc' with `vq_kind` 'none'"),
        ({**CTC, "vq_kind": "words"}, "`alignment` must be 'positions' with `vq_kind`"),
        ({**CTC, "shown_sentences": 0.1}, "`shown_sentences` must be 0 with `alignm"),
        ({**CTC, "alignment_doublings": 0}, "`alignment_doublings` must be at least 1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    make_model, options, message
) -> None:
    with pytest.raises(ValueError, match=message):
        make_model(**options)


def test_what_cannot_be_exported_or_scored_says_so(
    make_model, dictionary, tmp_path
) -> None:
    model, words = make_model(**CTC), dictionary
    with pytest.raises(ValueError, match="must have `alignment` 'positions', but has"):
        refuse_unserved(model)
    with pytest.raises(ValueError, match="must have latent codes, but this one has no"):
        refuse_unserved(make_model(**NONE))
    with pytest.raises(ValueError, match="`alignment` must be 'positions' to be expor"):
        export_onnx(model, {"en": words}, tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match="`score_reference` must be off"):
        ReferenceScorer(words).generate([model], {})
    with pytest.raises(ValueError, match="`words` must be None with `alignment` 'ctc'"):
        model.decode(None, None, words=torch.zeros(1, 1))
