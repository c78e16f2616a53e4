"""BLEU's words go by the language: in measuring, in training, in the tables."""

from typing import Any

import pytest
import torch
from fairseq.data import Dictionary
from sacrebleu.metrics import TER

from vq_nat.bench.quality import score
from vq_nat.bench.significance import compare
from vq_nat.translation.scores import bleu_of, ter_of
from vq_nat.translation.validation import BleuByLanguage

CHINESE = ["这是一个非常好的例子。", "他每天早上都去公园跑步。"]
NEARLY = ["这是一个非常好的例子！", "他每天早上都去公园走路。"]


@pytest.mark.parametrize(
    ("language", "tokeniser"),
    [("de", "13a"), ("", "13a"), ("zh", "zh"), ("zh_CN", "zh"), ("zho-Hans", "zh")],
)
def test_the_language_chooses_the_tokeniser(language: str, tokeniser: str) -> None:
    metric = bleu_of(language)
    metric.corpus_score(["a"], [["a"]])
    assert f"tok:{tokeniser}|" in str(metric.get_signature())


def test_nearly_equal_chinese_scores() -> None:
    references = [[line] for line in CHINESE]
    scores = score(NEARLY, references, language="zh")
    assert scores.bleu > 50
    assert "tok:zh" in scores.bleu_signature
    assert scores.ter is not None and scores.ter < 50
    assert score(NEARLY, references).bleu == 0.0  # as it was
    assert score(CHINESE, references, language="zh").ter == 0


def test_a_comparison_counts_as_the_score_does() -> None:
    references = [[line] for line in CHINESE]
    compared = compare(NEARLY, CHINESE, references, "zh")
    expected = 100 - score(NEARLY, references, language="zh").bleu
    assert compared["bleu"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_a_missing_tokeniser_is_said(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise RuntimeError("requires extra dependencies")

    monkeypatch.setattr("sacrebleu.metrics.bleu._get_tokenizer", missing)
    with pytest.raises(ValueError, match=rf"pip install sacrebleu\[{language}\]"):
        bleu_of(language)


def test_ter_of_spaced_languages_is_the_usual_one() -> None:
    signatures = []
    for metric in (ter_of("de"), TER()):
        metric.corpus_score(["a"], [["a"]])
        signatures.append(str(metric.get_signature()))
    assert signatures[0] == signatures[1]


class Fixed(BleuByLanguage):
    """A task whose decoding is given."""

    tokenizer = None

    def __init__(self, language: str, tokenized: bool, outputs: torch.Tensor) -> None:
        from argparse import Namespace

        self.cfg = Namespace(
            target_lang=language,
            eval_tokenized_bleu=tokenized,
            eval_bleu_remove_bpe="sentencepiece",
            eval_bleu_print_samples=True,
        )
        self.target_dictionary, self.outputs = Dictionary(), outputs

    def inference_step(self, generator, models, sample, prefix_tokens=None):
        return [[{"tokens": row}] for row in self.outputs]


@pytest.mark.parametrize("tokenized", [False, True])
@pytest.mark.parametrize("language", ["de", "zh"])
def test_validation_counts_as_measuring_does(language: str, tokenized: bool) -> None:
    task = Fixed(language, tokenized, torch.zeros(2, 0))
    index = task.target_dictionary.add_symbol
    task.outputs = [torch.tensor([index(f"\u2581{line}")]) for line in NEARLY]
    targets = torch.tensor([[index(f"\u2581{line}"), 1] for line in CHINESE])
    bleu = task._inference_with_bleu(None, {"target": targets}, None)
    expected = 0.0 if tokenized or language == "de" else None
    if expected is None:
        expected = score(NEARLY, [[x] for x in CHINESE], language="zh").bleu
    assert bleu.score == pytest.approx(expected)


def test_an_unknown_word_matches_nothing() -> None:
    task = Fixed("de", False, torch.full((1, 4), 3))
    sample = {"target": torch.full((1, 4), 3)}
    assert task._inference_with_bleu(None, sample, None).score == 0.0
