"""One line out for each line in, whatever the lines are."""

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vq_nat
from vq_nat.cli import main as cli

LINES = 20
EXAMPLES = 50  # of 20 lines each: 1,000 inputs
PIECES = [
    *("a", "b c", "ab", "<unk>", "</s>", "<s>", "<pad>", "@@", "a@@ b", "@-@", "▁"),
    *("&amp;", "&#124;", "&lt;unk&gt;", "|||", "\\n", '"', "'", "﻿", "\u200b"),
    *("😀", "👨‍👩‍👧‍👦", "🇩🇪", "e\u0301\u0301\u0301", "שלום", "مرحبا", "\u202e", "中文"),
    *("\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x00", "\x07", "\x1b[31m"),
]
BLANK = st.text(alphabet=" \t\u00a0\u3000\u2003", max_size=5)
WORDS = st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)
GLUED = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
ANY = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))
LINE = st.one_of(BLANK, WORDS, GLUED, ANY).map(str.encode)
INVALID = st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"\xff"))
FILE = st.lists(st.one_of(LINE, INVALID), min_size=LINES, max_size=LINES)


@pytest.fixture(scope="module")
def command(checkpoint: Path):
    """Runs `vq-nat translate` over bytes: command(content, *arguments)."""
    translator = vq_nat.load(checkpoint, max_len_b=8)

    def run(content: bytes, *arguments: str) -> list[str]:
        printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vq_nat.cli.translate.load", lambda *_, **__: translator)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
            patch.setattr(sys, "stdout", printed)
            arguments += ("--invalid-utf8", "replace", "--batch-size", str(LINES))
            assert cli.main(["translate", "m", *arguments]) == 0
        text = printed.buffer.getvalue().decode("utf-8")
        assert text.endswith("\n") or not text
        return text.split("\n")[:-1]

    return run


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(FILE)
def test_no_line_is_lost_or_added(command, lines) -> None:
    outputs = command(b"\n".join(lines) + b"\n")
    assert len(outputs) == LINES
    for line, output in zip(lines, outputs, strict=True):
        if not line.decode("utf-8", "replace").strip():
            assert output == ""
        assert len(output.splitlines()) <= 1


NASTY = ["", " ", "word " * 5000, "😀" * 5000, "x" * 5000, "a\x00b", "</s>", "a"]


def test_the_longest_lines_come_back(command) -> None:
    outputs = command("\n".join(NASTY).encode())  # no line feed behind the last
    assert len(outputs) == len(NASTY)
    assert outputs[0] == outputs[1] == ""


def test_what_is_written_as_json_can_be_read(command) -> None:
    short = [line for line in NASTY if len(line) < 100]
    rows = [json.loads(line) for line in command("\n".join(short).encode(), "--json")]
    assert [row["line"] for row in rows] == list(range(1, len(short) + 1))
    texts = [row["translations"][0]["text"] for row in rows]
    assert texts == command("\n".join(short).encode())


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n", b"a", b"a\n\n"])
def test_line_feeds_are_counted(command, content) -> None:
    lines = content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
    assert len(command(content)) == lines
