"""fairseq's own parallel models after a few updates, with its commands and as text."""

from pathlib import Path

import pytest
from fairseq_commands import TEACHER, call, task
from test_commands import hypotheses

import vq_nat

MENDED = ["--task", "translation_lev_mended"]
SIZES = [word for word in TEACHER[4:] if word != "--share-all-embeddings"]
MODELS = {
    "nonautoregressive_transformer": ["--noise", "full_mask", "--src-embedding-copy"],
    "cmlm_transformer": ["--noise", "random_mask"],
    "levenshtein_transformer": ["--noise", "random_delete", "--early-exit", "2,2,2"],
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, train_into, tmp_path_factory) -> tuple[str, Path]:
    """The name and the checkpoint of each model, trained by fairseq's own task."""
    options = ["--arch", request.param, "--criterion", "nat_loss", *SIZES]
    options += ["--share-all-embeddings", *MODELS[request.param]]
    theirs = ["--task", "translation_lev", "--disable-validation"]
    folder = tmp_path_factory.mktemp(request.param)
    train_into(folder, 3, *theirs, model=options)
    return request.param, folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def teacher(train_into, tmp_path_factory) -> Path:
    """The checkpoint of an autoregressive teacher."""
    folder = tmp_path_factory.mktemp("teacher")
    train_into(folder, 2, "--disable-validation", model=TEACHER)
    return folder / "checkpoint_last.pt"


def test_fairseqs_models_decode_and_are_rescored(model, teacher, tmp_corpus) -> None:
    name, path = model
    passes = "0" if name.startswith("non") else "2"
    options = ["--iter-decode-max-iter", passes, "--gen-subset", "test"]
    options += ["--num-workers", "0"]

    def generate(path: object, *more: str) -> dict[int, str]:
        arguments = [*task(tmp_corpus), *MENDED, "--path", str(path), *options, *more]
        return hypotheses(call("generate", arguments))

    alone = generate(path, "--batch-size", "3")
    assert sorted(alone) == list(range(40))
    assert alone == generate(path, "--batch-size", "40")
    for ignored in (("--nbest", "5"), ("--lenpen", "2"), ("--score-reference",)):
        with pytest.raises(ValueError, match="fairseq's default, but is .* cannot se"):
            generate(path, *ignored)
    if name.startswith("lev"):
        with pytest.raises(ValueError, match="`iter_decode_with_beam` must be 1"):
            generate(path, "--iter-decode-with-beam", "3")
        return
    beam = ("--iter-decode-with-beam", "3", "--iter-decode-with-external-reranker")
    assert sorted(generate(f"{path}:{teacher}", *beam)) == list(range(40))


def test_a_model_reads_the_sources_that_its_task_makes(model, monkeypatch) -> None:
    """They begin as in training: with a sign that other tasks do not put there."""
    translator = vq_nat.load(model[1])
    task, seen = translator.task, []
    step = task.inference_step

    def watched(generator, models, sample):
        seen.append(sample["net_input"])
        return step(generator, models, sample)

    monkeypatch.setattr(task, "inference_step", watched)
    lines = ["a b c", "a"]
    translator.translate(lines)
    rows = sorted((translator.codec.encode(line) for line in lines), key=len)
    dataset = task.build_dataset_for_inference(rows, [len(row) for row in rows])
    wanted = dataset.collater([dataset[i] for i in range(len(rows))])["net_input"]
    order = wanted["src_lengths"].argsort()
    assert seen[0]["src_tokens"].equal(wanted["src_tokens"][order])
    assert seen[0]["src_lengths"].equal(wanted["src_lengths"][order])
    assert (seen[0]["src_tokens"] == task.source_dictionary.bos()).any()


def test_fairseqs_models_translate_text(model, teacher) -> None:
    name, path = model
    texts = ["a b c d e", "", "k", "t s r q p o n m l k", "a b"]
    passes = 0 if name.startswith("non") else 2
    translator = vq_nat.load(path, passes=passes)
    together = translator.hypotheses(texts)
    assert together[1].text == ""
    alone = [translator.hypotheses([text])[0] for text in texts]
    assert [h.tokens for h in together] == [h.tokens for h in alone]
    if name.startswith("non"):
        with pytest.raises(ValueError, match="must be 0, but is 9 instead: NATransf"):
            translator.translate(texts, passes=9)
    if not name.startswith("lev"):
        judged = vq_nat.load(path, passes=passes, candidates=3, teacher=teacher)
        best = judged.hypotheses(texts)
        assert all(h.teacher_seconds > 0 for h in best if h.tokens)
