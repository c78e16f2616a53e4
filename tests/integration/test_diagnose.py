"""`vq-nat diagnose` with models of a few updates."""

import json
from pathlib import Path

import pytest

import vq_nat
from vq_nat.cli import main as cli
from vq_nat.results.diagnosis import BEAM, GREEDY, OF_TEACHER, RANKED, TEACHER


@pytest.fixture(scope="module")
def models(train_into, tmp_path_factory) -> dict[str, Path]:
    """A student of words as codes and a teacher, after a few updates."""
    from fairseq_commands import STUDENT
    from fairseq_commands import TEACHER as AUTOREGRESSIVE

    root = tmp_path_factory.mktemp("diagnosed")
    words = [*STUDENT, "--vq-kind", "words", "--words-per-code", "2"]
    models = {"words": words, "teacher": AUTOREGRESSIVE}
    for name, model in models.items():
        train_into(root / name, 8, "--disable-validation", model=model)
    return {name: root / name / "checkpoint_last.pt" for name in models}


def call(model: Path, teacher: Path, corpus: Path, out: Path) -> dict:
    """Runs the command and returns what it wrote."""
    raw = corpus.parent / "raw"
    arguments = ["diagnose", str(model), "--teacher", str(teacher), "--raw", str(raw)]
    arguments += ["--sentences", "12", "--candidates", "3", "--batch-size", "5"]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    return json.loads(out.read_text())


def test_words_of_the_teacher_come_back_from_its_own_codes(
    models, tmp_corpus, tmp_path, capsys
) -> None:
    row = call(models["words"], models["teacher"], tmp_corpus, tmp_path / "row.json")
    printed = capsys.readouterr().out
    lines = {one["codes"]: one for one in row["decoding"]}
    assert lines[TEACHER]["bleu_of_teacher"] == pytest.approx(100)
    assert lines[TEACHER]["agreement"] == [1.0, 1.0, None, None]
    # Every second word is given.
    assert lines[OF_TEACHER]["agreement"][0] >= 0.4 > lines[GREEDY]["agreement"][0]
    losses = row["losses"]
    assert losses["decoder"] + losses["predictor"] == pytest.approx(
        lines[TEACHER]["bleu"] - lines[GREEDY]["bleu"], abs=0.02
    )
    for name in lines:
        assert f"| {name} |" in printed


def test_the_figures_do_not_depend_on_the_batches(
    checkpoint, models, tmp_corpus
) -> None:
    from vq_nat.bench.diagnosis import given

    translator = vq_nat.load(checkpoint)
    texts = ["a b c", "d e f g h i", "k l", "a c e g i"]
    one, four = (given("own", translator, texts, texts, size) for size in (1, 4))
    assert one == four


def test_given_codes_are_read_under_the_autocast_of_decoding(checkpoint) -> None:
    import torch

    from vq_nat.bench.diagnosis import given

    translator, seen = vq_nat.load(checkpoint, autocast="bfloat16"), []
    forward = translator.model.forward

    def watched(*args, **options):
        seen.append(torch.is_autocast_enabled("cpu"))
        return forward(*args, **options)

    translator.model.forward = watched
    given("own", translator, ["a b c"], ["a b c"], 1)
    assert seen == [True]


def test_learned_codes_are_diagnosed_too(
    checkpoint, models, tmp_corpus, tmp_path
) -> None:
    row = call(checkpoint, models["teacher"], tmp_corpus, tmp_path / "row.json")
    assert [one["codes"] for one in row["decoding"]][:4] == [
        *(TEACHER, GREEDY, BEAM, RANKED)
    ]
    assert all(0 <= one["code_accuracy"] <= 1 for one in row["given"])


def test_models_without_codes_are_refused(models, tmp_corpus, tmp_path, capsys) -> None:
    teacher, raw = str(models["teacher"]), str(tmp_corpus.parent / "raw")
    arguments = ["diagnose", teacher, "--teacher", teacher, "--raw", raw]
    assert cli.main(arguments) == 2
    assert "the model must have codes, but is a" in capsys.readouterr().err


@pytest.mark.parametrize("student", ["words", "learned"])
def test_a_verified_translation_is_that_of_the_verifier(
    models, checkpoint, student
) -> None:
    texts = ["a b c", "", "d e f g h i j k", "k l m"]
    model = models.get(student, checkpoint)
    verified = vq_nat.load(model, teacher=models["teacher"], verify=True)
    assert verified.translate(texts) == vq_nat.load(models["teacher"]).translate(texts)
    for h in verified.hypotheses(texts):
        assert min(1, len(h.tokens)) <= h.passes <= len(h.tokens)


def test_words_as_codes_are_counted_and_swapped(models, tmp_corpus, tmp_path) -> None:
    from vq_nat.explain.picture import draw

    out = ["--out", str(tmp_path), "--swaps", "2"]
    assert cli.main(["codes", str(models["words"]), str(tmp_corpus), *out]) == 0
    records = json.loads((tmp_path / "codes.json").read_text())
    translator = vq_nat.load(models["words"])
    for record in records:  # a code is the last word of its chunks
        name = translator.codec.target[record["code"]]
        assert all(chunk.split()[-1] == name for chunk, _ in record["chunks"])
    (picture,) = draw(translator, ["a b c d e f"], swaps=3)
    assert all(0 < step.probability <= 1 for step in picture.steps)
    for step in picture.steps:
        assert all(0 < swap.probability <= 1 for swap in step.swaps)


def test_verifying_is_measured(models, tmp_corpus, capsys) -> None:
    from examples.bench_verified import main

    raw = str(tmp_corpus.parent / "raw")
    models = [str(models["words"]), "--verifier", str(models["teacher"])]
    main([*models, "--raw", raw, "--sentences", "10", "--timed", "2"])
    row = json.loads(capsys.readouterr().out)
    assert row["exact"] == 1.0 and row["passes"] >= 1
    assert row["ways"]["verified"]["bleu"] == row["ways"]["greedy"]["bleu"]
    assert row["words_per_pass"] >= 1
