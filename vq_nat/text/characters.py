"""The characters whose Moses classes are those that Python gives them.

Moses's tokeniser asks whether a character is a letter, a digit, a symbol of currency.
sacremoses has these classes as lists of Unicode's past, whose expressions take 0.3 s to
compile; for the scripts of Europe, punctuation and symbols, Python agrees with them
(which a test shows, character by character).
"""

import re
import unicodedata

RANGES = (
    (0x20, 0x530),  # Latin, Greek, Cyrillic
    (0x2010, 0x2028),  # punctuation
    (0x2030, 0x205F),
    (0x20A0, 0x20BE),  # currency
    (0x2122, 0x2123),  # ™
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x2270),  # mathematics
)
WHITE = "\t\n\v\f\r"
DIFFERENT = "\u0345"  # a mark that Moses takes for a letter

KNOWN = WHITE + "".join(
    chr(code)
    for start, end in RANGES
    for code in range(start, end)
    if chr(code) not in DIFFERENT
)


def letter(character: str) -> bool:
    """Tells whether a character is of Moses's IsAlpha."""
    return character.isalpha()


def letter_or_digit(character: str) -> bool:
    """Tells whether a character is of Moses's IsAlnum."""
    return character.isalpha() or unicodedata.category(character) == "Nd"


def number(character: str) -> bool:
    """Tells whether a character is of Moses's IsN."""
    return unicodedata.category(character)[0] == "N"


def currency(character: str) -> bool:
    """Tells whether a character is of Moses's IsSc."""
    return unicodedata.category(character) == "Sc"


def ranges(characters: str) -> str:
    """Writes sorted characters as a class of a regular expression, without brackets."""
    spans: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if spans and code == spans[-1][1] + 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in spans)


LETTERS = ranges("".join(filter(letter, KNOWN)))
ALNUM = ranges("".join(filter(letter_or_digit, KNOWN)))
NUMBERS = ranges("".join(filter(number, KNOWN)))
CURRENCY = ranges("".join(filter(currency, KNOWN)))
unknown = re.compile(f"[^{ranges(KNOWN)}]").search  # finds what is not known
