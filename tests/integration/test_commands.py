"""fairseq's commands, a few updates each: train, generate, validate, interactive."""

import io
import math
import re
import shlex
from pathlib import Path

import pytest
import torch
from fairseq_commands import STUDENT, TEACHER, USER_DIR, call, task

from vq_nat.fairseq_side.compat import Refused, load_weights

PLAIN = ("--iter-decode-max-iter", "0")
SHORT = ("--max-len-b", "20")  # an untrained model may not find an end


@pytest.fixture
def student(checkpoint: Path) -> Path:
    """The checkpoint of a student, to read only."""
    return checkpoint / "checkpoint_best.pt"


def hypotheses(printed: str) -> dict[int, str]:
    """Reads the H- lines of fairseq-generate."""
    lines = re.findall(r"^H-(\d+)\t\S+\t(.*)$", printed, flags=re.MULTILINE)
    return {int(index): words for index, words in lines}


def test_the_readmes_commands_train_and_translate(tmp_corpus, tmp_path) -> None:
    page = Path(__file__).parents[2] / "vq_nat" / "translation" / "README.md"
    readme = page.read_text("utf-8")
    run = {}
    for command in ("train", "generate"):
        line = re.search(rf"^(fairseq-{command} (?:.*\\\n)*.*)$", readme, re.MULTILINE)
        text = line[1].replace("\\\n", " ").replace("$(vq-nat where)", USER_DIR)
        run[command] = shlex.split(text)[1:]
        run[command][0] = str(tmp_corpus)
    start = run["train"].index("--init-from-teacher")  # of another width than ours
    assert run["train"][start + 1] == "TEACHER/checkpoint_best.pt"
    del run["train"][start : start + 2]
    short = ("--max-update", "2", "--warmup-updates", "1", "--save-dir", str(tmp_path))
    call("train", [*run["train"], *short, "--num-workers", "0"])
    place = run["generate"].index("CHECKPOINT")
    run["generate"][place] = str(tmp_path / "checkpoint_best.pt")
    assert len(hypotheses(call("generate", [*run["generate"], *SHORT]))) == 40


@pytest.mark.parametrize("assign", ["hard", "soft"])
@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_two_updates_and_a_translation(train, generate, tmp_path, assign, update):
    options = ("--vq-assign", assign, "--vq-update", update, "--shown-sentences", "0")
    train(tmp_path, 2, *options, "--disable-validation")
    printed = generate(tmp_path / "checkpoint_last.pt", *PLAIN)
    # Without a word it takes one pass as well: it was trained without shown words.
    assert hypotheses(generate(tmp_path / "checkpoint_last.pt")) == hypotheses(printed)
    assert sorted(hypotheses(printed)) == list(range(40))


@pytest.mark.parametrize(
    "options",
    [
        ("--vq-kind", "fsq", "--vq-levels", "4,4"),
        ("--vq-kind", "gumbel", "--vq-slices", "2"),
        ("--vq-kind", "semhash"),
        ("--vq-code-dim", "8", "--vq-metric", "cosine", "--vq-init", "data"),
        (
            *("--vq-schedule", "exponential", "--vq-schedule-updates", "2"),
            *("--vq-num-samples-end", "1", "--vq-temperature-end", "0.01"),
        ),
    ],
    ids=lambda options: " ".join(options[:2]),
)
def test_every_bottleneck_is_within_reach_of_flags(
    train, generate, tmp_path, options
) -> None:
    train(tmp_path, 3, *options, "--disable-validation")
    printed = generate(tmp_path / "checkpoint_last.pt", *PLAIN)
    assert sorted(hypotheses(printed)) == list(range(40))


def test_batch_size_does_not_change_what_is_generated(train, generate, tmp_path):
    train(tmp_path, 4, "--disable-validation")
    last = tmp_path / "checkpoint_last.pt"
    by_size = [
        hypotheses(generate(last, *PLAIN, "--batch-size", size))
        for size in ("1", "8", "64")
    ]
    assert by_size[0] == by_size[1] == by_size[2]


@pytest.mark.parametrize("stops", [(3,), (4, 9)])
@pytest.mark.parametrize("model", [STUDENT, TEACHER], ids=["student", "teacher"])
def test_resumed_equals_unbroken(
    train, tmp_path, caplog, stops: tuple[int, ...], model: list[str]
) -> None:
    """Over three epochs, broken off within them and between."""
    schedule = ("--lr-scheduler", "inverse_sqrt", "--warmup-updates", "4")
    schedule += ("--disable-validation", "--dropout", "0.1")
    schedule += ("--vq-restart-after", "2") * (model is STUDENT)
    caplog.set_level("INFO", "fairseq.trainer")
    train(tmp_path / "unbroken", 11, *schedule, model=model)
    begun = [r.args for r in caplog.records if "begin training epoch" in r.message]
    assert len(begun) >= 2  # updates 1 to 11 are of several epochs
    for updates in (*stops, 11):
        train(tmp_path / "broken", updates, *schedule, model=model)
    unbroken = load_weights(tmp_path / "unbroken" / "checkpoint_last.pt")
    resumed = load_weights(tmp_path / "broken" / "checkpoint_last.pt")
    assert unbroken.keys() == resumed.keys()
    for name, tensor in unbroken.items():
        assert torch.equal(resumed[name], tensor), name


def test_a_complete_training_makes_no_update_more(train, tmp_path) -> None:
    train(tmp_path, 3, "--disable-validation")
    before = (tmp_path / "checkpoint_last.pt").read_bytes()
    train(tmp_path, 3, "--disable-validation")
    assert (tmp_path / "checkpoint_last.pt").read_bytes() == before


def test_half_a_checkpoint_is_passed_over(train, tmp_path) -> None:
    """As a kill leaves it that comes while fairseq copies."""
    options = ("--disable-validation", "--save-interval-updates", "2")
    train(tmp_path / "whole", 5, *options)
    train(tmp_path / "torn", 4, *options)
    last = tmp_path / "torn" / "checkpoint_last.pt"
    last.write_bytes(last.read_bytes()[:5000])
    train(tmp_path / "torn", 5, *options)
    resumed, wanted = (
        load_weights(tmp_path / name / "checkpoint_last.pt")
        for name in ("torn", "whole")
    )
    for name, tensor in wanted.items():
        assert torch.equal(resumed[name], tensor), name


def test_the_same_seed_gives_the_same_bits(train, tmp_path) -> None:
    runs = [train(tmp_path / name, 4, "--disable-validation") for name in "ab"]
    first, second = (load_weights(run / "checkpoint_last.pt") for run in runs)
    for name, tensor in first.items():
        assert torch.equal(second[name], tensor), name


def test_bleu_selects_the_best_checkpoint(train, tmp_path) -> None:
    bleu = ("--eval-bleu", "--eval-true-codes", "--best-checkpoint-metric", "bleu")
    train(tmp_path, 3, *bleu, "--maximize-best-checkpoint-metric")
    assert (tmp_path / "checkpoint_best.pt").is_file()


def test_words_as_codes_learn_and_decode(train, generate, tmp_path) -> None:
    words = ["--vq-kind", "words", "--words-per-code", "3", "--code-smoothing", "0.1"]
    bleu = ("--eval-bleu", "--eval-true-codes", "--best-checkpoint-metric", "bleu")
    rates = ("--predictor-dropout", "0.2", "--word-smoothing", "0.05")
    train(
        *(tmp_path, 3, *words, *rates, *bleu),
        "--maximize-best-checkpoint-metric",
    )
    best = tmp_path / "checkpoint_best.pt"
    greedy = hypotheses(generate(best, *PLAIN))
    refined = hypotheses(generate(best, "--iter-decode-max-iter", "2"))
    assert greedy.keys() == refined.keys() == set(range(40))


@pytest.mark.parametrize("likelihood", ["0", "0.5"])
def test_minimum_risk_goes_on_from_a_student(
    train, checkpoint, tmp_path, likelihood
) -> None:
    start = load_weights(checkpoint / "checkpoint_best.pt")
    path = str(checkpoint / "checkpoint_best.pt")
    risk = ("--risk-samples", "3", "--risk-likelihood", likelihood)
    train(
        *(tmp_path, 2, "--disable-validation", "--finetune-from-model", path),
        *("--criterion", "minimum_risk", *risk),
    )
    end = load_weights(tmp_path / "checkpoint_last.pt")
    moved = {n.split(".")[0] for n, t in end.items() if not t.equal(start[n])}
    assert "predictor" in moved
    assert ("encoder" in moved) == ("decoder" in moved) == (likelihood != "0")


def test_validate_reads_the_checkpoint_again(train, tmp_corpus, tmp_path) -> None:
    train(tmp_path, 2, "--disable-validation")
    path = ["--path", str(tmp_path / "checkpoint_last.pt"), "--valid-subset", "valid"]
    # fairseq-validate takes the criterion from the checkpoint.
    call("validate", [*task(tmp_corpus), *path, "--max-tokens", "500"])


def test_interactive_translates_what_it_is_given(
    train, tmp_corpus, tmp_path, monkeypatch
) -> None:
    train(tmp_path, 2, "--disable-validation")
    monkeypatch.setattr("sys.stdin", io.StringIO("a b c\nd e unheard-of\n"))
    arguments = ["--path", str(tmp_path / "checkpoint_last.pt"), *PLAIN]
    printed = call("interactive", [*task(tmp_corpus), *arguments, "--input", "-"])
    assert sorted(hypotheses(printed)) == [0, 1]


def test_a_teacher_trains_and_decodes_with_the_same_task(
    train, generate, teacher_model, tmp_path
) -> None:
    train(tmp_path, 2, "--disable-validation", model=teacher_model)
    printed = generate(tmp_path / "checkpoint_last.pt", "--beam", "2")
    assert sorted(hypotheses(printed)) == list(range(40))


def test_a_student_starts_from_its_teacher(train, teacher_model, tmp_path) -> None:
    train(tmp_path / "teacher", 2, "--disable-validation", model=teacher_model)
    checkpoint = str(tmp_path / "teacher" / "checkpoint_last.pt")
    start = ("--init-from-teacher", checkpoint, "--lr", "1e-12")
    train(tmp_path / "student", 1, "--disable-validation", *start)
    ours = load_weights(tmp_path / "student" / "checkpoint_last.pt")
    theirs = load_weights(checkpoint)
    name = "encoder.layers.0.self_attn.q_proj.weight"
    torch.testing.assert_close(ours[name], theirs[name])


def test_accumulated_batches_train(train, tmp_path) -> None:
    train(tmp_path, 2, "--update-freq", "2", "--disable-validation")


def test_a_checkpoint_of_another_architecture_is_refused(
    train, generate, tmp_path
) -> None:
    train(tmp_path, 2, "--disable-validation")
    last = tmp_path / "checkpoint_last.pt"
    overrides = "{'encoder_embed_dim': 64}"
    with pytest.raises(RuntimeError, match="was trained with another architecture"):
        generate(last, *PLAIN, "--model-overrides", overrides)


@pytest.mark.parametrize(
    "mode",
    [
        ("--code-search", "beam"),
        ("--sampling", "--temperature", "0.5", "--beam", "4"),
        ("--code-search", "lengths", "--rescore", "chrf"),
        ("--length-mode", "ratio", "--iter-decode-max-iter", "2", "--refinement=both"),
    ],
)
def test_candidates_are_searched_in_every_way(student, generate, mode) -> None:
    wide = (*PLAIN, *SHORT, "--iter-decode-with-beam", "4", "--nbest", "4", *mode)
    printed = generate(student, *wide)
    assert sorted(hypotheses(printed)) == list(range(40))


def test_a_teacher_rescores_candidates(
    student, train, generate, teacher_model, tmp_path
) -> None:
    train(tmp_path, 2, "--disable-validation", model=teacher_model)
    both = f"{student}:{tmp_path / 'checkpoint_last.pt'}"
    options = (*PLAIN, *SHORT, "--iter-decode-with-beam", "4")
    options += ("--iter-decode-with-external-reranker",)
    assert sorted(hypotheses(generate(both, *options))) == list(range(40))


def test_a_missing_teacher_is_refused(student, generate) -> None:
    options = ("--iter-decode-with-beam", "4", "--iter-decode-with-external-reranker")
    with pytest.raises(ValueError, match="must come with the path of an autoregressi"):
        generate(student, *PLAIN, *options)


def test_dictionaries_must_be_joint(train, tmp_corpus, tmp_path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for file in tmp_corpus.iterdir():
        (data / file.name).write_bytes(file.read_bytes())
    with (data / "dict.de.txt").open("a", encoding="utf-8") as dictionary:
        dictionary.write("surplus 1\n")
    arguments = ["--max-update", "1", "--max-tokens", "500", "--optimizer", "adam"]
    arguments += ["--arch", "vq_em_transformer_tiny", "--criterion"]
    with pytest.raises(ValueError, match="must be the same, but differ in"):
        call("train", [*task(data), *arguments, "latent_prediction"])


def test_autocast_trains_in_float32_outside_products(train, tmp_path: Path) -> None:
    train(tmp_path, 2, "--autocast", "bfloat16", "--disable-validation")
    weights = load_weights(tmp_path / "checkpoint_last.pt")
    assert all(t.dtype != torch.bfloat16 for t in weights.values())
    codebook = next(t for name, t in weights.items() if name.startswith("bottleneck"))
    assert math.isfinite(float(codebook.float().sum()))


@pytest.mark.parametrize("flag", ["--amp", "--fp16", "--bf16"])
def test_half_precision_by_fairseq_is_refused(train, tmp_path, flag: str) -> None:
    """In a sentence: fairseq's commands end with what is an exit, too."""
    with pytest.raises(Refused, match=rf"{flag} must be off .* --autocast auto"):
        train(tmp_path, 1, flag, "--disable-validation")
    assert not list(tmp_path.iterdir())  # no crash.pt
    assert issubclass(Refused, SystemExit)
