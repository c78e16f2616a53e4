"""Every way to decode that the room's README names, as it stands there."""

import io
import math
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch
from fairseq.data import Dictionary
from fairseq_commands import TEACHER, call, task

import vq_nat
from vq_nat.cli import main as cli

README = Path(vq_nat.__file__).with_name("translation") / "README.md"
LINES = ["a b c d e", "", "t s r q p"]
SHORT = ["--max-len-b", "20"]  # an untrained model may not find an end


def documented(column: int) -> list[str]:
    """Returns the code spans of a column of the table of ways to decode."""
    text = README.read_text(encoding="utf-8")
    table = text[text.index("| what | in Python") :].split("\n\n")[0]
    cells = [re.split(r"(?<!\\)\|", row)[column] for row in table.splitlines()[2:]]
    return [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]


PYTHON = [span for span in documented(2) if "=" in span]
COMMAND, FAIRSEQ = documented(3), documented(4)


@pytest.fixture(scope="module")
def teacher(train_into, tmp_path_factory) -> str:
    """A teacher after two updates."""
    folder = tmp_path_factory.mktemp("teacher")
    train_into(folder, 2, "--disable-validation", model=TEACHER)
    return str(folder / "checkpoint_last.pt")


def test_the_table_is_read() -> None:
    assert min(len(PYTHON), len(COMMAND), len(FAIRSEQ)) >= 12
    assert any("--sampling --temperature" in span for span in FAIRSEQ)


def test_in_python(checkpoint: Path, teacher: str) -> None:
    for span in PYTHON:
        options = eval(f"dict({span})", {"TEACHER": teacher})
        translator = vq_nat.load(checkpoint, **{"max_len_b": 20, **options})
        candidates = translator.nbest(LINES)
        assert [len(of_one) >= 1 for of_one in candidates] == [True] * 3
        assert translator.translate(LINES) == [of_one[0].text for of_one in candidates]


def test_on_the_command_line(
    checkpoint: Path,
    teacher: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "".join(f"{line}\n" for line in LINES).encode()
    for span in COMMAND:
        words = shlex.split(span.replace("TEACHER", teacher))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert cli.main(["translate", str(checkpoint), *SHORT, *words]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert len(printed) == 3 or "--nbest" in span and len(printed) >= 3


def scores(printed: str) -> dict[int, list[tuple[float, str]]]:
    """Reads the H- lines of fairseq-generate: log-probabilities and words."""
    by_sentence: dict[int, list[tuple[float, str]]] = {}
    for index, score, words in re.findall(r"H-(\d+)\t(\S+)\t(.*)\n", printed):
        by_sentence.setdefault(int(index), []).append(
            (float(score) * math.log(2), words)
        )
    return by_sentence


@pytest.mark.parametrize("span", FAIRSEQ)
def test_in_fairseq(span: str, checkpoint: Path, teacher: str, generate) -> None:
    student = str(checkpoint / "checkpoint_best.pt")
    words = shlex.split(span.replace("STUDENT", student).replace("TEACHER", teacher))
    path, passes = student, [] if "max-iter" in span else ["--iter-decode-max-iter=0"]
    if words[0] == "--path":
        path, words = words[1], words[2:]
    printed = generate(path, *SHORT, *passes, *words)
    assert sorted(scores(printed)) == list(range(40))
    candidates = re.search(r"--iter-decode-with-beam (\d+)", span)
    assert f"with beam={candidates[1] if candidates else 1}:" in printed


def test_scores_of_references_are_those_of_their_codes(
    checkpoint: Path, generate, tmp_corpus: Path
) -> None:
    """Sentence by sentence from the model's own doors, without the command."""
    student = checkpoint / "checkpoint_best.pt"
    plain = ("--iter-decode-max-iter", "0")
    printed = generate(student, *plain, "--score-reference")
    scored = scores(printed)
    translator = vq_nat.load(checkpoint)
    model = translator.model
    sources = dict(re.findall(r"S-(\d+)\t(.*)\n", printed))
    targets = dict(re.findall(r"T-(\d+)\t(.*)\n", printed))
    dictionary: Dictionary = translator.task.target_dictionary
    for number in list(scored)[:5]:
        assert scored[number][0][1] == targets[str(number)]
        rows = [
            dictionary.encode_line(text, add_if_not_exist=False).long()[None]
            for text in (sources[str(number)], targets[str(number)])
        ]
        with torch.no_grad():
            source = model.encode(rows[0])
            codes = model.true_codes(rows[1], source)
            logp = model.decode(model.lookup(codes), source).logits.log_softmax(-1)
            of_words = logp[0].gather(1, rows[1].T)[: rows[1].size(1)].sum()
            expected = float(of_words + model.score_codes(codes, source))
        assert scored[number][0][0] == pytest.approx(expected, rel=1e-4)


def test_lengths_are_kept(checkpoint: Path, generate) -> None:
    student = checkpoint / "checkpoint_best.pt"
    for least, most in ((4, 7), (10, 10)):
        options = ("--min-len", str(least), "--max-len-b", str(most))
        printed = generate(student, "--iter-decode-max-iter", "0", *options)
        lengths = {len(of_one[0][1].split()) for of_one in scores(printed).values()}
        assert least <= min(lengths) and max(lengths) <= most


@pytest.mark.parametrize(
    "options",
    [
        ("--nbest", "5"),
        ("--no-repeat-ngram-size", "3"),
        ("--diverse-beam-groups", "2"),
        ("--match-source-len",),
        ("--unkpen", "1"),
        ("--prefix-size", "1"),
        ("--print-alignment",),
        ("--beam", "7"),
        ("--temperature", "0.7"),
        ("--iter-decode-force-max-iter",),
    ],
    ids=" ".join,
)
def test_what_would_change_nothing_is_refused(
    options: tuple[str, ...], checkpoint: Path, generate
) -> None:
    name = options[0].removeprefix("--").replace("-", "_")
    with pytest.raises(ValueError, match=f"`{name}` must be .*, but is .* instead"):
        generate(
            checkpoint / "checkpoint_best.pt", "--iter-decode-max-iter", "0", *options
        )


def test_a_teacher_decodes_as_in_fairseq(teacher: str, tmp_corpus: Path) -> None:
    """With all of fairseq's options: it is no parallel decoder."""
    options = ["--gen-subset", "test", "--num-workers", "0", "--nbest", "5"]
    printed = call("generate", [*task(tmp_corpus), "--path", teacher, *options])
    assert all(len(of_one) == 5 for of_one in scores(printed).values())
    assert "with beam=5:" in printed
