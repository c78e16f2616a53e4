"""A page that shows a sentence with its codes.

It has the words each code produced, and what changes when one of them is swapped.
Static HTML, nothing to serve.
"""

from __future__ import annotations

from html import escape

from .inventory import Inventory
from .picture import Picture, Step

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem;
  padding: 0 1rem; color: #222; background: #fff }
h2 { margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1rem }
table { border-collapse: collapse; margin: .5rem 0 }
td, th { border: 1px solid #ddd; padding: .25rem .6rem; text-align: left;
  vertical-align: top }
th { background: #f4f4f4; font-weight: 600 }
code { background: #eef; border-radius: 3px; padding: 0 .3em }
mark { background: #ffdf80 }
.dim { color: #666; font-size: .9em }
"""


def page(pictures: list[Picture], inventory: Inventory) -> str:
    """Returns the whole page.

    Args:
        pictures: sentences.
        inventory: what each code stands for; codes never seen are said to be so.
    """
    body = "\n".join(show(picture, inventory) for picture in pictures)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>Sentences and their codes</title>\n<style>{STYLE}</style>\n</head>\n"
        "<body>\n<h1>Sentences and their codes</h1>\n<p>Each code stands for a chunk "
        "of the translation. Below each sentence: its codes and the words that stand "
        "at their places; then, code by code, the translation that results if this "
        "code alone is another. <mark>Words</mark> that change are marked.</p>\n"
        f"{body}\n</body>\n</html>\n"
    )


def show(picture: Picture, inventory: Inventory) -> str:
    """Returns one sentence's part of the page."""
    codes = "".join(f"<th>{name(step.code)}</th>" for step in picture.steps)
    words = "".join(f"<td>{text(step.words)}</td>" for step in picture.steps)
    chances = "".join(
        f'<td class="dim">p = {step.probability:.2f}</td>' for step in picture.steps
    )
    swaps = "\n".join(
        show_swaps(place, step, picture, inventory)
        for place, step in enumerate(picture.steps)
    )
    return (
        f"<h2>{escape(picture.source)}</h2>\n<p>{escape(picture.output)}</p>\n"
        f"<table>\n<tr>{codes}</tr>\n<tr>{words}</tr>\n<tr>{chances}</tr>\n</table>\n"
        f"{swaps}"
    )


def show_swaps(place: int, step: Step, picture: Picture, inventory: Inventory) -> str:
    """Returns the table of what one code could have been."""
    rows = "".join(
        f"<tr><td>{name(swap.code)}</td><td>{swap.probability:.3f}</td>"
        f"<td>{marked(picture.words, swap.words)}</td>"
        f'<td class="dim">{meaning(swap.code, inventory)}</td></tr>\n'
        for swap in step.swaps
    )
    return (
        f"<h3>Code {place + 1}: {name(step.code)}</h3>\n"
        f'<p class="dim">Mostly stands for: {meaning(step.code, inventory)}</p>\n'
        "<table>\n<tr><th>instead</th><th>p</th><th>translation</th>"
        f"<th>mostly stands for</th></tr>\n{rows}</table>"
    )


def name(code: tuple[int, ...]) -> str:
    """Names the codes of a step."""
    return f"<code>{'·'.join(str(part) for part in code)}</code>"


def text(words: list[str]) -> str:
    """Sets subwords one after the other."""
    return escape(" ".join(words))


def marked(before: list[str], after: list[str]) -> str:
    """Sets words, and marks those that stand where another stood."""
    if before == after:
        return '<span class="dim">the same words</span>'
    spelled = []
    for place, word in enumerate(after):
        same = place < len(before) and before[place] == word
        spelled.append(escape(word) if same else f"<mark>{escape(word)}</mark>")
    return " ".join(spelled)


def meaning(code: tuple[int, ...], inventory: Inventory) -> str:
    """Tells the chunks that a step's codes have been seen with most often."""
    parts = []
    for key in enumerate(code):
        counts = inventory.get(key)
        if counts is None:
            parts.append("(not seen)")
            continue
        chunks = counts.chunks.most_common(3)
        parts.append("; ".join(f"“{escape(chunk)}” ({n})" for chunk, n in chunks))
    return " | ".join(parts)
