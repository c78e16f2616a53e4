"""Owns times of the day in the demo corpus: English, and all wordings in German."""

from collections.abc import Sequence
from itertools import product

from data_prep.lib.demo_draws import Draw, Phrase, english, german, prefixed, unique


def english_hour(hour: int) -> str:
    """Spells an hour of the twelve-hour clock."""
    return english((hour - 1) % 12 + 1)


def english_digital(hour: int, minute: int) -> str:
    """Spells a time as in "two thirty" (a full hour is the number alone)."""
    minutes = {0: "", 5: " oh five"}.get(minute, f" {english(minute)}")
    return english_hour(hour) + minutes


def english_colloquial(hour: int, minute: int) -> str:
    """Spells a time as in "half past two"."""
    if minute == 0:
        return f"{english_hour(hour)} o'clock"
    fractions = {15: "a quarter", 30: "half", 45: "a quarter"}
    if minute <= 30:
        amount = fractions.get(minute, english(minute))
        return f"{amount} past {english_hour(hour)}"
    amount = fractions.get(minute, english(60 - minute))
    return f"{amount} to {english_hour(hour + 1)}"


def german_hour(hour: int) -> str:
    """Spells an hour of the twelve-hour clock, as in "halb eins"."""
    return german((hour - 1) % 12 + 1)


def german_digital(hour: int, minute: int) -> str:
    """Spells a time as in "vierzehn Uhr dreißig"."""
    word = "ein" if hour == 1 else german(hour)
    return f"{word} Uhr {german(minute)}" if minute else f"{word} Uhr"


def german_twelve_hour(hour: int, minute: int) -> str:
    """Spells a time as in "zwei Uhr dreißig", whatever the part of the day."""
    return german_digital((hour - 1) % 12 + 1, minute)


def german_colloquial(hour: int, minute: int) -> str:
    """Spells a time as in "Viertel nach zwei" or "fünf vor halb drei"."""
    here, following = german_hour(hour), german_hour(hour + 1)
    forms = {
        0: german_twelve_hour(hour, 0),
        15: f"Viertel nach {here}",
        25: f"fünf vor halb {following}",
        30: f"halb {following}",
        35: f"fünf nach halb {following}",
        45: f"Viertel vor {following}",
    }
    if minute in forms:
        return forms[minute]
    if minute < 30:
        return f"{german(minute)} nach {here}"
    return f"{german(60 - minute)} vor {following}"


def twelve_hour_forms(hour: int, minute: int) -> tuple[str, ...]:
    """Returns the German wordings that leave the part of the day open."""
    forms = german_colloquial(hour, minute), german_twelve_hour(hour, minute)
    return unique(forms)


def day_part(hour: int) -> tuple[str, str, tuple[str, ...]]:
    """Returns (English phrase, English abbreviation, German adverbs) for an hour."""
    if hour < 12:
        adverbs = ("morgens",) * (hour < 11) + ("vormittags",) * (hour > 8)
        return "in the morning", "a.m.", adverbs
    if hour < 18:
        return "in the afternoon", "p.m.", ("nachmittags",)
    return "in the evening", "p.m.", ("abends",)


def at_open_clock(draw: Draw) -> Phrase:
    """Draws a time without its part of the day: "at half past two"."""
    hour, minute = draw.choice(range(1, 13)), draw.choice(range(0, 60, 5))
    words = english_colloquial(hour, minute)
    if minute:
        words = draw.choice((words, english_digital(hour, minute)))
    return Phrase(f"at {words}", prefixed("um ", twelve_hour_forms(hour, minute)))


def clock_span(draw: Draw) -> Phrase:
    """Draws "from two thirty to four fifteen", both times in the same style."""
    start = draw.choice(range(60, 720, 5))
    length = draw.choice(range(30, 255, 15))
    times = [divmod(minutes, 60) for minutes in (start, start + length)]
    say = draw.choice((english_colloquial, english_digital))
    if not all(minute for _, minute in times):  # not "from two thirty to four"
        say = english_colloquial
    words = [say(*time) for time in times]
    forms = product(*(twelve_hour_forms(*time) for time in times))
    return Phrase(
        f"from {words[0]} to {words[1]}",
        tuple(f"von {begin} bis {end}" for begin, end in forms),
    )


def at_known_clock(
    draw: Draw, hours: Sequence[int], adverb_first: bool, short: bool = False
) -> Phrase:
    """Draws a time with its part of the day: "at half past two in the afternoon".

    Args:
        draw: source of random choices.
        hours: hours of the 24-hour clock to choose from.
        adverb_first: also allow "nachmittags um halb drei", which does not go
            well after another date.
        short: always say it in few words: "at two thirty p.m.".
    """
    hour, minute = draw.choice(hours), draw.choice(range(0, 60, 5))
    part, abbreviation, adverbs = day_part(hour)
    if short or draw.choice((True, False)):
        words = f"{english_digital(hour, minute)} {abbreviation}"
    else:
        words = f"{english_colloquial(hour, minute)} {part}"
    forms = prefixed("um ", twelve_hour_forms(hour, minute))
    wordings = [f"{form} {adverb}" for form in forms for adverb in adverbs]
    if adverb_first:
        wordings += [f"{adverb} {form}" for form in forms for adverb in adverbs]
    wordings.append(f"um {german_digital(hour, minute)}")
    return Phrase(f"at {words}", tuple(wordings))


# Without 12 and 17: what part of the day they belong to is a matter of taste.
MORNING, AFTERNOON, EVENING = range(6, 12), range(13, 17), range(18, 23)
DAYTIME = (*MORNING, *AFTERNOON, *EVENING)


def at_time(draw: Draw) -> Phrase:
    """Draws a time for a sentence that holds no other date."""
    if draw.choice((True, False)):
        return at_open_clock(draw)
    return at_known_clock(draw, DAYTIME, adverb_first=True)


def at_clock(draw: Draw) -> Phrase:
    """Draws a time that can follow a date or a weekday."""
    if draw.choice((True, False)):
        return at_open_clock(draw)
    return at_known_clock(draw, DAYTIME, adverb_first=False)


def at_opening(draw: Draw) -> Phrase:
    """Draws a morning time that can follow a date or a weekday."""
    return at_known_clock(draw, MORNING, adverb_first=False)


def at_morning(draw: Draw) -> Phrase:
    """Draws a morning time in few words, for sentences with two times."""
    return at_known_clock(draw, MORNING, adverb_first=True, short=True)


def at_evening(draw: Draw) -> Phrase:
    """Draws an evening time in few words, for sentences with two times."""
    return at_known_clock(draw, EVENING, adverb_first=True, short=True)
