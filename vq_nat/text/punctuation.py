"""Moses's normalisation of punctuation, as corpora are prepared with.

The substitutions of sacremoses's MosesPunctNormalizer with `norm_quote_commas=False`
and `norm_numbers=False`, in their order. Each names a text without which it cannot
match, and is skipped where that is missing.
"""

import re
from collections.abc import Callable

from .quotes import MARKS

Substitution = tuple[str, Callable[[str], str]]  # what must be there, what is done then

# Without one of these a line only loses surplus spaces.
UNUSUAL = re.compile("[\r()`„“”–—´‘’‚…«»\u00a0]|''| [:;%]").search


def by_pattern(needed: str, pattern: str, new: str) -> Substitution:
    """Returns a substitution by a regular expression."""
    expression = re.compile(pattern)
    return needed, lambda text: expression.sub(new, text)


def by_text(old: str, new: str) -> Substitution:
    """Returns a substitution of a text."""
    return old, lambda text: text.replace(old, new)


ONE_SPACE = by_pattern("  ", " +", " ")
SUBSTITUTIONS: list[Substitution] = [
    # White space.
    by_text("\r", ""),
    by_text("(", " ("),
    by_text(")", ") "),
    ONE_SPACE,
    by_pattern(") ", r"\) ([.!:?;,])", r")\g<1>"),
    by_text("( ", "("),
    by_text(" )", ")"),
    by_pattern(" %", r"(\d) %", r"\g<1>%"),
    by_text(" :", ":"),
    by_text(" ;", ";"),
    # Quotation marks of the Penn treebank.
    by_text("`", "'"),
    by_text("''", ' " '),
    # Signs beyond ASCII.
    by_text("„", '"'),
    by_text("“", '"'),
    by_text("”", '"'),
    by_text("–", "-"),
    by_text("—", " - "),
    ONE_SPACE,
    by_text("´", "'"),
    by_pattern("‘", "([a-zA-Z])‘([a-zA-Z])", r"\g<1>'\g<2>"),
    by_pattern("’", "([a-zA-Z])’([a-zA-Z])", r"\g<1>'\g<2>"),
    by_text("‘", "'"),
    by_text("‚", "'"),
    by_text("’", "'"),
    by_text("''", '"'),
    by_text("…", "..."),
    # French quotation marks, and spaces that do not break.
    by_text("\u00a0«\u00a0", '"'),
    by_text("«\u00a0", '"'),
    by_text("«", '"'),
    by_text("\u00a0»\u00a0", '"'),
    by_text("\u00a0»", '"'),
    by_text("»", '"'),
    by_text("\u00a0%", "%"),
    by_text("nº\u00a0", "nº "),
    by_text("\u00a0:", ":"),
    by_text("\u00a0ºC", " ºC"),
    by_text("\u00a0cm", " cm"),
    by_text("\u00a0?", "?"),
    by_text("\u00a0!", "!"),
    by_text("\u00a0;", ";"),
    by_text(",\u00a0", ", "),
    ONE_SPACE,
]


# Without those of quotation marks, for text that keeps them.
OTHERS = [one for one in SUBSTITUTIONS if not set(one[0]) & set(MARKS)]


def normalise(text: str, plain_quotes: bool = True) -> str:
    """Normalises the punctuation of a line.

    Args:
        text: the line.
        plain_quotes: whether „ “ ” « » become straight ones.
    """
    if UNUSUAL(text):
        for needed, substitute in SUBSTITUTIONS if plain_quotes else OTHERS:
            if needed in text:
                text = substitute(text)
    elif "  " in text:
        text = ONE_SPACE[1](text)
    return text.strip()
