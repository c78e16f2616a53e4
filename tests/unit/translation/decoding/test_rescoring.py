"""Rescoring: the teacher's score word by word, chrF as sacreBLEU has it, and ranks."""

import pytest
import torch
from sacrebleu.metrics import CHRF

from vq_nat.translation import IterativeLatentGenerator
from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.translation.decoding.limits import SearchOptions
from vq_nat.translation.decoding.rescoring import (
    ChrfConsensus,
    ModelScore,
    TeacherScore,
    chrf,
    ngrams,
)
from vq_nat.translation.flow import Candidate

PAD, EOS = 1, 2
NPD = {"search": SearchOptions("beam", 4), "lengths": LengthRule(b=30)}


def hypothesis(words, score=0.0, **rest) -> Candidate:
    words = torch.as_tensor(words)
    return Candidate(words, torch.zeros(len(words)), score, 0.0, words[:0], 0, **rest)


def score_by_hand(teacher, source, words) -> list[float]:
    """log p of each word, one decoder call for each, nothing padded, no cache."""
    encoded = teacher.encoder(source[None], src_lengths=torch.tensor([len(source)]))
    scores = []
    for place, word in enumerate(words.tolist()):
        previous = torch.cat([torch.tensor([EOS]), words[:place]])
        logits, _ = teacher.decoder(previous[None], encoder_out=encoded)
        scores.append(float(logits[0, -1].log_softmax(dim=-1)[word]))
    return scores


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("at_once", [1, 2**25])
@torch.no_grad()
def test_teacher_scores_equal_those_by_hand(
    make_teacher, dictionary, make_batch, repad, side, at_once
) -> None:
    teacher = make_teacher(dictionary, pre_norm=False, width=64)
    source, owners = make_batch([9, 4, 6]), [0, 0, 1, 2, 2, 2]
    rows = [row[row.ne(PAD)] for row in make_batch([5, 7, 3, 9, 1, 4])]
    rescorer = TeacherScore(teacher, dictionary, logits_at_once=at_once)
    scored = rescorer.scores(repad(source, side, extra=4), rows, owners)
    for row, owner, scores in zip(rows, owners, scored, strict=True):
        words = source[owner][source[owner].ne(PAD)]
        expected = score_by_hand(teacher, words, row)
        assert scores[: len(row)].tolist() == pytest.approx(expected, rel=1e-4)
        assert not scores[len(row) :].any()


@torch.no_grad()
def test_a_candidate_without_its_end_is_ranked_with_it(
    make_teacher, dictionary, make_batch
) -> None:
    """Else a first word alone would be the most probable candidate of all."""
    teacher = make_teacher(dictionary, pre_norm=True)
    source, (whole,) = make_batch([9]), make_batch([6])
    assert int(whole[-1]) == EOS
    candidates = [[hypothesis(whole), hypothesis(whole[:-1]), hypothesis(whole[:1])]]
    candidates = TeacherScore(teacher, dictionary).rank(source, candidates)
    scores = {len(h.tokens): h.rank_score for h in candidates[0]}
    assert scores[len(whole)] == pytest.approx(scores[len(whole) - 1])
    first = torch.stack([whole[0], whole[-1]])
    alone = sum(score_by_hand(teacher, source[0], first)) / 2
    assert scores[1] == pytest.approx(alone, rel=1e-4)


@torch.no_grad()
def test_a_symbol_the_teacher_does_not_know_is_left_out(
    make_teacher, dictionary, make_batch
) -> None:
    teacher = make_teacher(dictionary, pre_norm=True)
    source, rows = make_batch([9, 4]), list(make_batch([5, 5]))
    plain = TeacherScore(teacher, dictionary).scores(source, rows, [0, 1])
    begun = torch.cat([torch.zeros(2, 1, dtype=torch.long), source], dim=1)
    rescorer = TeacherScore(teacher, dictionary, bos=0)
    longer = [torch.cat([torch.tensor([0]), row]) for row in rows]
    torch.testing.assert_close(rescorer.scores(begun, longer, [0, 1]), plain)


def test_the_teacher_chooses_among_candidates(
    model, make_teacher, dictionary, make_batch
) -> None:
    teacher = make_teacher(dictionary, pre_norm=True)
    rescorer = TeacherScore(teacher, dictionary)
    generator = IterativeLatentGenerator(dictionary, rescorer=rescorer, **NPD)
    source = make_batch([9, 4, 6, 12])
    sample = {"net_input": {"src_tokens": source}}
    judged = generator.generate([model, teacher], sample)  # as fairseq hands both over
    chosen = IterativeLatentGenerator(dictionary, **NPD).generate([model], sample)
    assert any(
        not ours[0].tokens.equal(own[0].tokens)
        for ours, own in zip(judged, chosen, strict=True)
    )
    with torch.no_grad():
        for hypotheses, words in zip(judged, source, strict=True):
            by_hand = [
                score_by_hand(teacher, words[words.ne(PAD)], h.tokens)
                for h in hypotheses
            ]
            ranks = [sum(scores) / len(scores) for scores in by_hand]
            assert [h.rank_score for h in hypotheses] == pytest.approx(ranks, 1e-4)
            assert ranks == sorted(ranks, reverse=True)
            assert all(h.teacher_seconds > 0 for h in hypotheses)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_what_the_teacher_chooses_does_not_depend_on_the_batch(
    model, make_teacher, dictionary, make_batch, repad, size
) -> None:
    teacher = make_teacher(dictionary, pre_norm=True)
    generator = IterativeLatentGenerator(
        dictionary, rescorer=TeacherScore(teacher, dictionary), **NPD
    )
    source = make_batch([9, 4, 6, 12, 3, 8, 15, 7] * 2)

    def choose(rows):
        sample = {"net_input": {"src_tokens": rows}}
        return [h[0].tokens for h in generator.generate([model], sample)]

    together = choose(source)
    parts = repad(source, "left", extra=2).split(size)
    alone = [tokens for rows in parts for tokens in choose(rows)]
    for one, other in zip(together, alone, strict=True):
        assert one.equal(other)


def test_the_models_own_score_counts_per_word() -> None:
    pair = [hypothesis([4, EOS], score=-4.0), hypothesis([4, 5, 6, EOS], score=-6.0)]
    (pair,) = ModelScore().rank(torch.zeros(1, 1), [pair])
    assert [h.score for h in pair] == [-6.0, -4.0]
    assert pair[0].rank_score == -1.5
    (pair,) = ModelScore(length_penalty=0.0).rank(torch.zeros(1, 1), [pair])
    assert [h.score for h in pair] == [-4.0, -6.0]


TEXTS = ["ein Hund", "der Hund läuft", "", "a", "ein Hund läuft schnell", "xyz xyz"]


@pytest.mark.parametrize("output", TEXTS)
@pytest.mark.parametrize("reference", TEXTS)
def test_chrf_is_sacrebleus(output, reference) -> None:
    expected = CHRF().sentence_score(output, [reference]).score
    assert chrf(ngrams(output), ngrams(reference)) == pytest.approx(expected)


def test_the_candidate_that_others_agree_with_is_chosen() -> None:
    words = {4: "ein Hund läuft", 5: "ein Hund lief", 6: "Katzen", 7: "ein Hund geht"}
    rescorer = ChrfConsensus(lambda tokens: words[int(tokens[0])])
    candidates = [hypothesis([token, EOS], copies=1) for token in (6, 5, 4, 7)]
    (candidates,) = rescorer.rank(torch.zeros(1, 1), [candidates])
    metric = CHRF()
    for one in candidates:
        text = rescorer.to_text(one.tokens)
        scores = [
            metric.sentence_score(text, [other]).score for other in words.values()
        ]
        assert one.rank_score == pytest.approx(sum(scores) / 4)
    assert int(candidates[0].tokens[0]) != 6
    assert int(candidates[-1].tokens[0]) == 6
    often = [hypothesis([6, EOS], copies=9), hypothesis([4, EOS], copies=1)]
    (often,) = rescorer.rank(torch.zeros(1, 1), [often])
    assert int(often[0].tokens[0]) == 6
    other = metric.sentence_score("Katzen", ["ein Hund läuft"]).score
    assert often[0].rank_score == pytest.approx(0.9 * 100 + 0.1 * other)
