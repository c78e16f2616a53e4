"""Decoding from references, as text and with fairseq's commands."""

import json
from pathlib import Path

import pytest
from fairseq_commands import STUDENT, call, task
from test_commands import hypotheses

import vq_nat

TEXTS = ["a b c d e", "", "k", "t s r q p"]


@pytest.fixture(scope="module")
def identity(train_into, tmp_path_factory) -> Path:
    """A model without discretisation, trained and validated as the others are."""
    folder = tmp_path_factory.mktemp("identity")
    log = ["--log-file", str(folder / "train.log"), "--vq-kind", "identity"]
    best = ["--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric"]
    train_into(
        folder, 4, "--eval-bleu", "--eval-true-codes", *best, *log, model=STUDENT
    )
    return folder


def test_a_model_without_codes_is_validated_and_decoded(identity, tmp_corpus) -> None:
    lines = (identity / "train.log").read_text().splitlines()
    last = [json.loads(line) for line in lines if '"valid_bleu"' in line][-1]
    assert float(last["valid_bleu"]) == float(last["valid_bleu_true_latents"])
    assert "valid_bleu_true_codes" not in last
    translator = vq_nat.load(identity, true_latents=True)
    together = translator.hypotheses(TEXTS, references=TEXTS)
    assert together[1].text == "" and [h.codes for h in together[2:3]] == [[[]]]
    alone = [translator.translate([t], references=[t])[0] for t in TEXTS]
    assert alone == [h.text for h in together]
    options = ["--path", str(identity / "checkpoint_best.pt"), "--true-latents"]
    options += ["--gen-subset", "test", "--num-workers", "0"]
    options += ["--iter-decode-max-iter", "0"]
    printed = call("generate", [*task(tmp_corpus), *options])
    assert sorted(hypotheses(printed)) == list(range(40))


def test_a_model_without_codes_predicts_none(identity) -> None:
    with pytest.raises(ValueError, match="`true_latents` must be the way to decode"):
        vq_nat.load(identity)


def test_true_codes_are_those_of_the_references(checkpoint: Path) -> None:
    translator = vq_nat.load(checkpoint, true_codes=True)
    decoded = translator.hypotheses(TEXTS, references=TEXTS)
    # An end of sentence is a word as well, and a code holds four.
    assert [len(h.codes) for h in decoded] == [2, 0, 1, 2]
    other = translator.hypotheses(TEXTS, references=["a b c d e f g h"] * 4)
    assert [len(h.codes) for h in other] == [3, 0, 3, 3]


def test_references_come_with_what_needs_them(checkpoint: Path) -> None:
    plain, true = vq_nat.load(checkpoint), vq_nat.load(checkpoint, true_codes=True)
    for translator, references in ((plain, TEXTS), (true, None), (true, TEXTS[:2])):
        with pytest.raises(ValueError, match="`references` must be given with `true"):
            translator.translate(TEXTS, references=references)
    with pytest.raises(ValueError, match="sentence 1 and its reference must have at"):
        true.translate(["a"], references=["a b " * 1000])
