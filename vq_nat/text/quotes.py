"""Owns quotation marks that a text keeps, „ “ ” « », and where they stand in a line.

Moses makes all of them straight before it cuts a line, and cannot tell afterwards which
ones there were. A text may keep them (`plain_quotes` of its description names the
languages that do not): each is a token then, and joining tokens must say which side of
it the space goes to. That follows from the marks of the line alone.
"""

import re
from collections.abc import Callable, Sequence

MARKS = "„“”«»"
EACH = re.compile(f"([{MARKS}])")
NEUTRAL = "«"  # what detokenisers take for a word, as none of the rules is about it
# What may close what is open.
CLOSERS = {"„": "“”", "“": "”“", "”": "”", "«": "»", "»": "«»"}
# Languages by what their marks can do, beyond „…“, “…” and «…».
CLOSED_BY_66 = ("de", "cs", "sk", "sl", "hr", "sr", "bg", "lt", "lv", "et", "is", "da")
REVERSED = ("de", "da", "hr", "sl", "sr", "hu", "cs", "sk")  # »…«
OPENED_BY_99 = ("sv", "fi", "no", "nb", "nn")  # ”…”, »…»
SPACED = ("fr",)  # «\u00a0…\u00a0»
INSIDE = "\u00a0"
WORD = re.compile(r"\w")
HYPHEN_BEFORE, HYPHEN_AFTER = re.compile(r"\w- $"), re.compile(r" -\w")


def join(text: str, language: str, decode: Callable[[str], str]) -> str:
    """Joins tokens, with quotation marks at their words.

    Args:
        text: tokens with spaces between.
        language: of the text.
        decode: joins tokens without such marks, such as Moses's detokeniser.
    """
    if not EACH.search(text):
        return decode(text)
    tokens = EACH.sub(r" \1 ", text).split()
    neutral = " ".join(NEUTRAL if token in MARKS else token for token in tokens)
    parts = decode(neutral).split(NEUTRAL)
    marks = [token for token in tokens if token in MARKS]
    for place, (mark, opens) in enumerate(zip(marks, opening(tokens, language))):
        inside = INSIDE if language in SPACED and mark in "«»" else ""
        if opens:
            parts[place] = unspaced(HYPHEN_BEFORE, parts[place], slice(None, -1))
            parts[place + 1] = inside + parts[place + 1].lstrip()
        else:
            parts[place] = parts[place].rstrip() + inside
            rest = unspaced(HYPHEN_AFTER, parts[place + 1], slice(1, None))
            parts[place + 1] = rest
    pairs = zip([*marks, ""], parts)
    return "".join(part + mark for mark, part in pairs).strip()


def unspaced(pattern: re.Pattern[str], part: str, rest: slice) -> str:
    """Returns a part of a line without the space before or behind a hyphen."""
    return part[rest] if pattern.search(part) else part


def opening(tokens: Sequence[str], language: str) -> list[bool]:
    """Tells of each mark whether it opens what is quoted.

    A mark closes what is open and fits. Where nothing does, it belongs to a quotation
    that began or ends in another line, and language and place decide.

    Args:
        tokens: of a line, each mark one of them.
        language: of the text.
    """
    openings: list[bool] = []
    stack: list[str] = []
    for place, mark in enumerate(tokens):
        if mark not in MARKS:
            continue
        fitting = [i for i, other in enumerate(stack) if mark in CLOSERS[other]]
        opens = not fitting and _opens(tokens, place, language)
        if opens:
            stack.append(mark)
        elif fitting:
            del stack[fitting[-1] :]
        openings.append(opens)
    return openings


def _opens(tokens: Sequence[str], place: int, language: str) -> bool:
    """Tells whether a mark opens, where nothing that is open fits it."""
    mark, after = tokens[place], tokens[place + 1 :]
    if not any(map(WORD.search, after)):
        return False  # there is nothing to quote
    if mark == "„" or not any(map(WORD.search, tokens[:place])):
        return True
    later = [token for token in after if token in MARKS]
    if mark == "“" and language in CLOSED_BY_66:
        until = later[: later.index("„")] if "„" in later else later
        return any(other in CLOSERS[mark] for other in until)
    if mark == "»":
        return language in OPENED_BY_99 or language in REVERSED and "«" in later
    return mark != "”" or language in OPENED_BY_99
