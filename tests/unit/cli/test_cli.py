"""The command line: what it prints, and one sentence with exit code 2 for misuse."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import vq_nat
from vq_nat.cli import main as cli

TABLE = "| system | BLEU |\n|---|---:|\n| teacher, beam 4 | 36.0 |\n\nsignature"


class Shout(NamedTuple):
    """Stands in for a hypothesis."""

    text: str
    score: float = -1.5
    rank_score: float = -0.5
    teacher_score: float | None = None
    passes: int = 0
    tokens: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    seconds: float = 0.25
    teacher_seconds: float = 0.0
    history: tuple[str, ...] = ()


class Shouter:
    """Stands in for a translator and keeps the batches it was given."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def nbest(self, sentences: list[str], batch_size: int) -> list[list[Shout]]:
        self.batches.append(sentences)
        return [
            [Shout(sentence.upper().strip()), Shout(sentence.strip() + "!")]
            for sentence in sentences
        ]


@pytest.fixture
def shouter(monkeypatch: pytest.MonkeyPatch) -> Shouter:
    """Makes the command load a `Shouter`; its `options` are those of `load`."""
    translator = Shouter()

    def load(path: str, **options: Any) -> Shouter:
        translator.options = {"path": path, **options}  # type: ignore[attr-defined]
        return translator

    monkeypatch.setattr("vq_nat.cli.translate.load", load)
    return translator


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """feed(content): puts bytes on standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Puts a stand-in for the report of the bench in its place."""
    bench = ModuleType("vq_nat.bench")
    module = ModuleType("vq_nat.results.report")
    module.load_rows = lambda folder: sorted(folder.iterdir())  # type: ignore
    module.main_table = lambda rows: TABLE  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vq_nat.bench", bench)
    monkeypatch.setitem(sys.modules, "vq_nat.results.report", module)
    return module


def test_where_is_what_user_dir_wants(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["where"]) == 0
    printed = capsys.readouterr().out.rstrip("\n")
    assert printed in vq_nat.__path__  # fairseq compares the two as strings


def test_where_starts_without_torch() -> None:
    program = "import sys, vq_nat.cli.main as c; c.main(['where']); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(vq_nat.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"torch", "fairseq"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--version"], f"vq-nat {vq_nat.__version__}\n"),
        (["--help"], "translate raw text"),
        (["translate", "--help"], "--batch-size"),
        (["table", "--help"], "ROWS_DIR"),
    ],
)
def test_version_and_help(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "required: COMMAND"),
        (["sing"], "invalid choice: 'sing'"),
        (["translate"], "required: MODEL"),
        (["translate", "m", "--batch-size", "0"], "above 0, but is '0' instead"),
        (["translate", "m", "--beam", "wide"], "above 0, but is 'wide' instead"),
        (["translate", "m", "--passes", "-1"], "0 or more, but is '-1' instead"),
        (["translate", "m", "--length-ratio", "-1"], "0 and finite, but is '-1' inst"),
        (["translate", "m", "--temperature", "hot"], "be a number, but is 'hot' inst"),
        (["translate", "m", "--autocast", "half"], "invalid choice: 'half'"),
        (["translate", "m", "--device", "gpu"], "compute on here, but is 'gpu'"),
        (["codes", "m", "d", "--device", "meta"], "compute on here, but is 'meta'"),
        (["serve", "m", "--port", "99999"], "from 0 to 65535, but is '99999' instead"),
        (["serve", "m", "--threads", "5000"], "from 1 to 1024, but is '5000' instead"),
        (["table"], "required: ROWS_DIR"),
        (["where", "--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_bad_usage_is_one_sentence(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert expected in said and said.endswith("--help`.\n") and said.count("\n") == 1


def test_a_missing_model_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["translate", str(tmp_path / "none.pt")]) == 2
    said = capsys.readouterr().err
    assert "none.pt does not exist." in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ""),
        (b"a\nb\nc\n", "A\nB\nC\n"),
        (b"a\n\n  \nb", "A\n\n\nB\n"),
        (b"a\r\nb\x0bc\n", "A\nB\x0bC\n"),
        ("\u00fc\u2028x\n".encode(), "\u00dc\u2028X\n"),
    ],
)
def test_translate_writes_one_line_per_line(
    content: bytes,
    expected: str,
    shouter: Shouter,
    feed: Callable[[bytes], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(content)
    assert cli.main(["translate", "m", "--batch-size", "2"]) == 0
    assert capsys.readouterr().out == expected


def test_an_interrupt_is_no_traceback(
    shouter: Shouter,
    feed: Callable[[bytes], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(sentences: list[str], batch_size: int) -> list[list[Shout]]:
        if sentences == ["a"]:
            return [[Shout("A")]]
        raise KeyboardInterrupt

    feed(b"a\nb\n")
    monkeypatch.setattr(shouter, "nbest", interrupted)
    assert cli.main(["translate", "m", "--batch-size", "1"]) == 130
    said = capsys.readouterr()
    assert (said.out, said.err) == ("A\n", "vq-nat: interrupted.\n")


@pytest.mark.parametrize("command", ["pack", "export"])
def test_sigterm_ends_what_writes_a_folder_in_order(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is taken while a folder is written alone: the engine hears no signals."""

    def ended(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal must have ended the command")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(f"vq_nat.translation.{command}.{command}_checkpoint", ended)
    assert cli.main([command, "m", str(tmp_path / "out")]) == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().err == ""


def test_what_is_said_to_a_closed_standard_error_goes_nowhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["translate", str(tmp_path / "none.pt")]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("stream", "word"), [("stdin", "input"), ("stdout", "output")])
def test_a_closed_stream_is_one_sentence(
    stream: str,
    word: str,
    shouter: Shouter,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Python has None in the place of a closed one; only `translate` needs both."""
    with monkeypatch.context() as closed:
        closed.setattr(sys, stream, None)
        assert cli.main(["translate", "m"]) == 2
        assert cli.main(["where"]) == 0
    said = capsys.readouterr().err
    assert said == f"vq-nat: standard {word} must be open, but is closed.\n"


def test_a_teacher_with_nothing_to_choose_from_is_refused(
    shouter: Shouter, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["translate", "m", "--teacher", "t"]) == 2
    assert "`candidates` must be above 1 with `teacher`" in capsys.readouterr().err


def test_translate_reads_a_batch_at_a_time(
    shouter: Shouter, feed: Callable[[bytes], None]
) -> None:
    feed(b"a\nb\nc\n")
    options = ["--data", "d", "--beam", "4", "--batch-size", "2", "--teacher", "t"]
    options += ["--candidates", "3", "--search", "sample", "--passes", "2"]
    cli.main(["translate", "m", *options])
    assert shouter.batches == [["a", "b"], ["c"]]
    expected = {"path": "m", "data": "d", "beam": 4, "device": "cpu", "teacher": "t"}
    expected |= {"candidates": 3, "code_search": "sample", "passes": 2}
    assert shouter.options == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize("batch_size", ["1", "2", "64"])
def test_translate_says_which_line_is_not_utf8(
    batch_size: str,
    shouter: Shouter,
    feed: Callable[[bytes], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(b"a\nb\n\xff\n")
    assert cli.main(["translate", "m", "--batch-size", batch_size]) == 2
    said = capsys.readouterr()
    assert said.out == "A\nB\n"
    assert "standard input, line 3: byte 1 of the line (0xff) is not UTF-8" in said.err
    feed(b"a\n\xff\n")
    assert cli.main(["translate", "m", "--invalid-utf8", "replace"]) == 0
    assert capsys.readouterr().out == "A\n\ufffd\n"


def test_several_translations_are_numbered(
    shouter: Shouter,
    feed: Callable[[bytes], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(b"a\n\nc\n")
    assert cli.main(["translate", "m", "--nbest", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "1\t-0.5000\tA",
        "1\t-0.5000\ta!",
        "2\t-0.5000\t",
    ]


def test_json_has_an_object_for_each_line(
    shouter: Shouter,
    feed: Callable[[bytes], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(b"a\n\nc\n")
    assert cli.main(["translate", "m", "--json", "--nbest", "2"]) == 0
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["line"] for row in rows] == [1, 2, 3]
    assert [one["text"] for one in rows[0]["translations"]] == ["A", "a!"]
    assert rows[2]["translations"][0]["ms"] == 250.0
    assert rows[2]["translations"][0].keys() >= {"score", "codes", "teacher_ms"}
    assert said.err == ""  # no progress where nobody looks


def test_table_in_markdown_and_in_columns(
    report: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "row.json").touch()
    assert cli.main(["table", str(tmp_path), "--markdown"]) == 0
    assert capsys.readouterr().out == TABLE + "\n"
    assert cli.main(["table", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "system           BLEU",
        "---------------  ----",
        "teacher, beam 4  36.0",
        "",
        "signature",
    ]


def test_table_without_rows_is_one_sentence(
    report: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["table", str(tmp_path)]) == 2
    assert "must hold rows" in capsys.readouterr().err
    assert cli.main(["table", str(tmp_path / "none")]) == 2
    assert "none does not exist." in capsys.readouterr().err
