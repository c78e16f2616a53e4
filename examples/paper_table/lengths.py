"""Owns what the report says of lengths: quality, time and repetitions by target words.

Where parallel decoding pays is one sentence, whichever way it goes: from how many
words on one of ours is the faster one at equal quality, against the fastest good rival
that writes word for word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import mean
from typing import NamedTuple

from examples.paper_table.entries import (
    BEAM,
    CLEARLY,
    GREEDY,
    Entry,
    by_latency,
    by_name,
    comparable,
    pareto_front,
)
from vq_nat.results.lengths import RANGES, Range, by_range
from vq_nat.results.rows import LengthScores, at
from vq_nat.results.tables import NOTHING, Column, markdown, number, percent

EQUAL = 0.97  # of a rival's BLEU, or more, is equal quality
FEWEST = 20  # sentences of a range; BLEU of fewer says nothing
RIVALS = {"in CTranslate2": ("ctranslate2",), "in any engine": ()}
Cell = Callable[[Entry, Range], str]


def bleu_at(entry: Entry, length: Range, test_set: str = "") -> float | None:
    """Returns BLEU on the sentences of a range, the mean over seeds.

    Args:
        entry: the line.
        length: the range.
        test_set: another one than the main one.
    """
    known = [scores(entry, n, test_set).get(length) for n in range(len(entry.rows))]
    found = [one["bleu"] for one in known if one and one["sentences"] >= FEWEST]
    return mean(found) if found else None


def scores(entry: Entry, seed: int, test_set: str = "") -> dict[Range, LengthScores]:
    """Returns what the row of a seed knows of each range."""
    path = ("other_test_sets", test_set, "by_length") if test_set else ("by_length",)
    return by_range(at(entry.rows[seed], *path))


def ms_at(entry: Entry, length: Range) -> float | None:
    """Returns milliseconds of one sentence of a range, one at a time."""
    times = by_range(entry.timed.get("latency_by_length"))
    return times[length]["ms"]["median"] if length in times else None


def words_at(entry: Entry, length: Range) -> float:
    """Returns the mean number of target words of a range's timed sentences."""
    return by_range(entry.timed["latency_by_length"])[length]["words"]


def writes_word_for_word(entry: Entry) -> bool:
    """Tells whether a line is an autoregressive model's."""
    return entry.timed.get("beam") is not None


def has_codes(entry: Entry) -> bool:
    """Tells whether a line is a model of ours, whose codes may be words."""
    return bool(entry.timed.get("n_c") or entry.timed.get("words_per_code"))


# --------------------------------------------------------------------------- the tables


def length_tables(entries: Sequence[Entry]) -> str:
    """Returns BLEU, time and repetitions by length, after the sentence about them."""
    known = [e for e in entries if e.rows[0].get("by_length")]
    others = dict.fromkeys(
        name for e in known for name in e.rows[0].get("other_test_sets", ())
    )
    timed = [e for e in known if e.is_timed and e.timed.get("latency_by_length")]
    main = known[0].rows[0]["test_set"] if known else ""
    parts = [
        "\n".join(f"- {sentence}" for sentence in verdicts(entries)),
        titled(f"BLEU on {main}, by words of the reference", known, bleu_cell("")),
        *(
            titled(f"BLEU on {name}, by words of the reference", known, bleu_cell(name))
            for name in others
        ),
        titled("Milliseconds of one sentence, one at a time", timed, ms_cell),
        titled("Share of words that repeat the one before", known, repetition_cell),
    ]
    return "\n\n".join(part for part in parts if part)


def titled(title: str, entries: Sequence[Entry], cell: Cell) -> str:
    """Returns a table of a column for each range, without lines of nothing."""
    lines = [e for e in entries if any(cell(e, r) != NOTHING for r in RANGES)]
    if not lines:
        return ""

    def of_range(length: Range) -> Column[Entry]:
        return length.name, lambda entry: cell(entry, length)

    columns: list[Column[Entry]] = [("system", lambda entry: entry.label)]
    columns += [of_range(length) for length in RANGES]
    return f"{title}:\n\n{markdown(columns, lines)}"


def bleu_cell(test_set: str) -> Cell:
    """Returns how BLEU on a test set is written."""
    return lambda entry, length: number(bleu_at(entry, length, test_set))


def ms_cell(entry: Entry, length: Range) -> str:
    """Writes the time of a sentence."""
    return number(ms_at(entry, length), 2)


def repetition_cell(entry: Entry, length: Range) -> str:
    """Writes how often a word repeats the one before."""
    found = scores(entry, 0).get(length)
    return percent(found["repetition_rate"]) if found else NOTHING


# ------------------------------------------------------------------------- the sentence


class Reach(NamedTuple):
    """How far down the lengths a line of ours wins."""

    entry: Entry
    won: list[Range]  # without a gap, up to the longest


def verdicts(entries: Sequence[Entry]) -> Iterator[str]:
    """Yields from how many words on ours is the faster one, against each rival."""
    known = [e for e in comparable(entries) if e.timed.get("latency_by_length")]
    ours = [e for e in known if has_codes(e)]
    seen: set[str] = set()
    for where, groups in RIVALS.items():
        rival = fastest_rival(known, groups)
        if rival is None or not ours or rival.name in seen:
            continue
        seen.add(rival.name)
        best = max((reach(e, rival) for e in ours), key=rank)
        yield verdict(best, rival, where)


def fastest_rival(entries: Sequence[Entry], groups: Sequence[str]) -> Entry | None:
    """Returns the fastest line that writes word for word and translates well.

    Args:
        entries: whose times compare.
        groups: of the rival; none for all.
    """
    rivals = [e for e in entries if writes_word_for_word(e)]
    if groups:
        rivals = [e for e in rivals if e.spec.group in groups]
    best = max((e.bleu for e in rivals), default=0.0)
    good = [e for e in rivals if e.bleu >= EQUAL * best]
    return min(good, key=by_latency, default=None)


def shared(entry: Entry, rival: Entry) -> list[Range]:
    """Returns the ranges in which both have quality and time."""
    return [
        length
        for length in RANGES
        if None not in {f(e, length) for f in (bleu_at, ms_at) for e in (entry, rival)}
    ]


def share_of_bleu(entry: Entry, rival: Entry, length: Range) -> float:
    """Returns BLEU as a share of the rival's, in a range that both have."""
    own, other = bleu_at(entry, length) or 0.0, bleu_at(rival, length) or 0.0
    return own / other if other else 1.0


def times_as_fast_at(entry: Entry, rival: Entry, length: Range) -> float:
    """Returns how many times as fast as the rival, in a range that both have."""
    own, other = ms_at(entry, length) or 0.0, ms_at(rival, length) or 0.0
    return other / own if own else 1.0


def reach(entry: Entry, rival: Entry) -> Reach:
    """Returns the longest ranges that a line wins, until one that it does not."""
    won: list[Range] = []
    for length in reversed(shared(entry, rival)):
        fast = times_as_fast_at(entry, rival, length) >= CLEARLY
        if not fast or share_of_bleu(entry, rival, length) < EQUAL:
            break
        won.insert(0, length)
    return Reach(entry, won)


def rank(found: Reach) -> tuple[int, float]:
    """Orders by the ranges that are won, then by quality."""
    return len(found.won), found.entry.bleu


def verdict(found: Reach, rival: Entry, where: str) -> str:
    """Says from how many words on ours is the faster one, or where it fails."""
    entry, won = found
    named = f"{rival.quoted}, the fastest good one {where} that writes word for word"
    if won:
        gains = [times_as_fast_at(entry, rival, length) for length in won]
        kept = [share_of_bleu(entry, rival, length) for length in won]
        return (
            f"From {won[0].least} words on ours is the faster one at equal quality: "
            f"{entry.quoted} is {min(gains):.1f} to {max(gains):.1f} times as fast as "
            f"{named}, with {percent(min(kept))} or more of its BLEU at each length."
        )
    if not (lengths := shared(entry, rival)):
        return f"Ours and {named}, were not measured at the same lengths."
    longest = lengths[-1]
    return (
        "At no length is ours the faster one at equal quality "
        f"({EQUAL:.0%} of BLEU or more): at {longest.name} words {entry.quoted} is "
        f"{times_as_fast_at(entry, rival, longest):.1f} times as fast as {named}, with "
        f"{percent(share_of_bleu(entry, rival, longest))} of its BLEU."
    )


def drawn(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the lines worth a curve: the front, the teacher, and the rivals."""
    known = [e for e in comparable(entries) if e.timed.get("latency_by_length")]
    names = {e.name for e in pareto_front(known, by_latency)} | {BEAM, GREEDY}
    for groups in RIVALS.values():
        rival = fastest_rival(known, groups)
        names |= {rival.name} if rival else set()
    return [e for e in known if e.name in names]


def teacher_of(entries: Sequence[Entry]) -> Entry | None:
    """Returns the teacher whose BLEU others are set against, the beam's if known."""
    known = by_name(entries)
    return known.get(BEAM) or known.get(GREEDY)
