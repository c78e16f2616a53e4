"""Scores against any number of references per sentence."""

import pytest

from vq_nat.bench.quality import (
    correct_share,
    mixed_share,
    reference_streams,
    repetition_rate,
    score,
)

REFERENCES = [
    ["Ein Mann fährt mit dem Rad.", "Ein Mann fährt Rad."],
    ["Zwei Hunde rennen über die Wiese."],
    ["Sie liest ein Buch.", "Sie liest in einem Buch.", "Die Frau liest ein Buch."],
]
FIRST = [of_one[0] for of_one in REFERENCES]


def test_references_score_100_against_themselves() -> None:
    for choice in (0, -1):
        quality = score([r[choice] for r in REFERENCES], REFERENCES, complete=True)
        assert quality.bleu == pytest.approx(100.0)
        assert quality.chrf == pytest.approx(100.0)
        assert (quality.correct, quality.mixed) == (1.0, 0.0)
        assert quality.length_ratio == 1.0


def test_more_references_never_lower_the_score() -> None:
    outputs = ["Ein Mann fährt Rad.", "Hunde rennen über die Wiese.", "Die Frau liest."]
    one, all_of_them = score(outputs, [[r] for r in FIRST]), score(outputs, REFERENCES)
    assert all_of_them.bleu > one.bleu and all_of_them.chrf > one.chrf


def test_the_order_of_references_does_not_matter() -> None:
    outputs = FIRST[1:] + FIRST[:1]
    assert score(outputs, REFERENCES) == score(outputs, [r[::-1] for r in REFERENCES])


def test_the_signature_tells_how_many_references() -> None:
    assert "nrefs:1|" in score(FIRST, [[r] for r in FIRST]).bleu_signature
    assert "nrefs:var|" in score(FIRST, REFERENCES).bleu_signature


def test_correct_is_only_known_with_all_references() -> None:
    quality = score(FIRST, REFERENCES)
    assert quality.correct is None and quality.mixed is None


def test_correct_means_one_of_the_references() -> None:
    outputs = ["Ein Mann fährt Rad.", "Zwei Hunde rennen.", " Sie liest ein Buch. "]
    assert correct_share(outputs, REFERENCES) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("output", "mixed"),
    [
        ("Sie liest ein Buch.", False),  # is right
        ("Die Frau liest in einem Buch.", True),
        ("Die Frau liest Buch.", True),  # a word lost where they meet
        ("Sie liest ein ein Buch.", True),  # or written by both
        ("Die Frau schreibt ein Buch.", False),  # a word of neither
        ("Die Frau liest", False),  # no end
        ("", False),
    ],
)
def test_mixed_begins_like_one_and_ends_like_another(output: str, mixed: bool) -> None:
    assert mixed_share([output, FIRST[0]], [REFERENCES[2], FIRST[:1]]) == mixed / 2


def test_streams_are_padded() -> None:
    assert reference_streams([["a", "b"], ["c"]]) == [["a", "c"], ["b", None]]


def test_repetition_counts_words_equal_to_the_word_before() -> None:
    assert repetition_rate(["a a b a a a", "a"]) == pytest.approx(3 / 7)
    assert repetition_rate(FIRST) == repetition_rate(["", ""]) == 0.0


@pytest.mark.parametrize("outputs", [FIRST[:2], [*FIRST, "x"], []])
def test_every_sentence_needs_one_translation(outputs: list[str]) -> None:
    with pytest.raises(ValueError, match=f"but holds {len(outputs)} instead"):
        score(outputs, REFERENCES)


def test_every_sentence_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="sentence 2 must hold at least one"):
        score(FIRST, [REFERENCES[0], [], REFERENCES[2]])
