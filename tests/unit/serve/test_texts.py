"""Texts are parted into sentences, and put together again as they were."""

from html import unescape

import pytest

from vq_nat.serve.languages import detect, name_of
from vq_nat.serve.texts import take_apart

PARTED = [
    ("A dog. A cat.", ["A dog.", "A cat."]),
    ("  one line \n\nanother\r\n", ["one line", "another"]),
    ("Dr. Smith left at 2.30 p.m. He slept.", None),
    ("", []),
    (" \n ", []),
]


@pytest.mark.parametrize(("text", "sentences"), PARTED, ids=repr)
def test_what_is_taken_apart_can_be_put_together(text: str, sentences: object) -> None:
    frame, parts = take_apart(text, "en")
    assert frame.fill(parts) == text
    assert sentences is None or parts == sentences
    assert all(one == one.strip() and one for one in parts)


def test_an_abbreviation_ends_no_sentence() -> None:
    _, parts = take_apart("Dr. Smith left at 2.30 p.m. He slept.", "en")
    assert parts == ["Dr. Smith left at 2.30 p.m.", "He slept."]


HTML = (
    "<!DOCTYPE html><p class='a>b'>A &lt;b&gt; dog.\n <b>Two</b> cats.<br/></p>"
    "<script>if (a < b && c) { x(); }</script><!-- no text --><code>x &amp; y</code>"
)


def test_html_keeps_all_that_is_no_text() -> None:
    frame, parts = take_apart(HTML, "en", html=True)
    assert parts == ["A <b> dog.", "Two", "cats."]
    assert frame.fill(parts) == HTML
    filled = frame.fill(["<script>", "&", "x"])
    assert "<p class='a>b'>&lt;script&gt;\n <b>&amp;</b> x<br/></p>" in filled


@pytest.mark.parametrize("text", ["<", "<p", "</", "a < b", "<!--x", "<![x"])
def test_broken_html_is_no_error(text: str) -> None:
    frame, parts = take_apart(text, "en", html=True)
    assert "<script" not in frame.fill(["<script>"] * len(parts))


BEGUN = ["<a ", "<a '", '<a "', "<!--", "<!", "<script>", "<![CDATA[", "</a", "<"]


@pytest.mark.parametrize("begun", BEGUN)
def test_tags_that_never_end_are_read_to_the_end(begun: str) -> None:
    frame, parts = take_apart(begun * 5_000, "en", html=True)
    assert begun.strip() in unescape(frame.fill(parts))


def test_a_language_has_a_name_if_it_is_known() -> None:
    assert name_of("de") == "German"
    assert name_of("xx-none") == "xx-none"


def test_of_languages_that_nobody_knows_nothing_is_claimed() -> None:
    assert detect("Ein Hund", ("xx", "yy")) == [("xx", 0.0)]
    assert detect(" ", ("en", "de")) == [("en", 0.0)]
    german = detect("Das ist ein Haus mit einem Garten.", ("en", "de"))
    assert [one.language for one in german] == ["de", "en"]
    assert german[0].confidence > 90
