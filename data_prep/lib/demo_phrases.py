"""Owns the phrases of the demo corpus: each in English with all its German wordings.

A slot draws one phrase at random. Articles and cases are stored or built as whole
German phrases, so that any wording fits where its slot stands.
"""

import datetime
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple, TypeVar

from babel.dates import format_date, get_day_names, get_month_names
from babel.numbers import get_currency_name
from num2words import num2words

Item = TypeVar("Item")


class Phrase(NamedTuple):
    """An English phrase and every German wording of it."""

    english: str
    german: tuple[str, ...]


class Draw:
    """A source of random choices that is the same for every Python version."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choice(self, items: Sequence[Item]) -> Item:
        """Returns one of the items; `random()` is the one stable method."""
        return items[int(self._random.random() * len(items))]


Slot = Callable[[Draw], Phrase]


@cache
def english(number: int, to: str = "cardinal") -> str:
    """Spells a number in English."""
    return num2words(number, lang="en", to=to)


@cache
def german(number: int, to: str = "cardinal") -> str:
    """Spells a number in German (1 as in counting: "eins")."""
    return num2words(number, lang="de", to=to)


def german_amounts(number: int) -> tuple[str, ...]:
    """Spells a number before a noun: "hundertzwanzig" is as good as "einhundert..."."""
    word = german(number)
    return (word, word.removeprefix("ein")) if 100 <= number < 200 else (word,)


# ---------------------------------------------------------------------- clock times


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


# ---------------------------------------------------------------- dates and durations


YEAR = [datetime.date(2023, 1, 1) + datetime.timedelta(n) for n in range(365)]


def month_first(day: datetime.date) -> str:
    """Spells a date as in "May third"."""
    month = get_month_names("wide", locale="en")[day.month]
    return f"{month} {english(day.day, to='ordinal')}"


def day_first(day: datetime.date) -> str:
    """Spells a date as in "the third of May"."""
    month = get_month_names("wide", locale="en")[day.month]
    return f"the {english(day.day, to='ordinal')} of {month}"


def german_dates(day: datetime.date) -> tuple[str, str]:
    """Spells a date in the dative: "dritten Mai" and "3. Mai"."""
    month = get_month_names("wide", locale="de")[day.month]
    spelled = f"{german(day.day, to='ordinal')}n {month}"
    return spelled, format_date(day, "d. MMMM", locale="de")


def date(draw: Draw) -> Phrase:
    """Draws a day of the year."""
    day, say = draw.choice(YEAR), draw.choice((month_first, day_first))
    return Phrase(say(day), german_dates(day))


def date_span(draw: Draw) -> Phrase:
    """Draws "from May third to June fourth", both dates in the same style."""
    first = draw.choice(range(len(YEAR)))
    last = (first + draw.choice(range(2, 100))) % len(YEAR)
    days, say = (YEAR[first], YEAR[last]), draw.choice((month_first, day_first))
    forms = product(*map(german_dates, days))
    return Phrase(
        f"from {say(days[0])} to {say(days[1])}",
        tuple(f"vom {start} bis zum {end}" for start, end in forms),
    )


def weekday(draw: Draw) -> Phrase:
    """Draws "on Monday"."""
    day = draw.choice(range(7))
    names = [get_day_names("wide", locale=locale)[day] for locale in ("en", "de")]
    return Phrase(f"on {names[0]}", (f"am {names[1]}",))


def weekdays(draw: Draw) -> Phrase:
    """Draws "on Mondays"."""
    day = draw.choice(range(7))
    names = [get_day_names("wide", locale=locale)[day] for locale in ("en", "de")]
    adverb = names[1][0].lower() + names[1][1:] + "s"
    return Phrase(f"on {names[0]}s", (adverb, f"jeden {names[1]}"))


HALF_HOURS = (
    Phrase("half an hour", ("eine halbe Stunde", "dreißig Minuten")),
    Phrase(
        "an hour and a half",
        ("anderthalb Stunden", "eineinhalb Stunden", "neunzig Minuten"),
    ),
)


def duration(draw: Draw) -> Phrase:
    """Draws "forty minutes", "three hours" or "three and a half hours"."""
    kind = draw.choice(("minutes", "hours", "half hours", "fixed"))
    if kind == "fixed":
        return draw.choice(HALF_HOURS)
    number = draw.choice(range(2, 13))
    if kind == "hours":
        return Phrase(f"{english(number)} hours", (f"{german(number)} Stunden",))
    if kind == "half hours":
        words = f"{german(number)}einhalb Stunden"
        return Phrase(f"{english(number)} and a half hours", (words,))
    minutes = draw.choice([n for n in range(10, 60, 5) if n != 30])
    wordings = [f"{german(minutes)} Minuten"]
    if minutes == 45:
        wordings.append("eine Dreiviertelstunde")
    return Phrase(f"{english(minutes)} minutes", tuple(wordings))


# --------------------------------------------------------------- prices and quantities

SHORT_NAMES = {"EUR": (), "USD": ("Dollar",), "CHF": ("Franken",)}


def amount(currency: str, number: int) -> Phrase:
    """Returns a whole amount of money."""
    name = get_currency_name(currency, 2, locale="en")
    names = (get_currency_name(currency, 2, locale="de"), *SHORT_NAMES[currency])
    wordings = [f"{word} {unit}" for word in german_amounts(number) for unit in names]
    return Phrase(f"{english(number)} {name}", tuple(wordings))


def price(draw: Draw) -> Phrase:
    """Draws "twenty US dollars" or "three euros and fifty cents"."""
    number = draw.choice(range(2, 100))
    if draw.choice((True, False)):
        return amount(draw.choice(tuple(SHORT_NAMES)), number)
    cents = draw.choice(range(10, 100, 5))
    whole = amount("EUR", number)
    start, words = whole.german[0], german(cents)
    return Phrase(
        f"{whole.english} and {english(cents)} cents",
        (f"{start} {words}", f"{start} und {words} Cent"),
    )


def rent(draw: Draw) -> Phrase:
    """Draws a whole amount from forty to three hundred."""
    return amount(draw.choice(tuple(SHORT_NAMES)), draw.choice(range(40, 310, 10)))


PIECES = (
    Phrase("apples", ("Äpfel",)),
    Phrase("bread rolls", ("Brötchen", "Semmeln")),
    Phrase("candles", ("Kerzen",)),
    Phrase("eggs", ("Eier",)),
    Phrase("envelopes", ("Briefumschläge", "Umschläge")),
    Phrase("lemons", ("Zitronen",)),
    Phrase("oranges", ("Orangen", "Apfelsinen")),
    Phrase("pencils", ("Bleistifte",)),
    Phrase("postcards", ("Postkarten", "Ansichtskarten")),
    Phrase("stamps", ("Briefmarken",)),
)
MEASURES = (
    Phrase("bottles of milk", ("Flaschen Milch",)),
    Phrase("bottles of water", ("Flaschen Wasser",)),
    Phrase("jars of honey", ("Gläser Honig",)),
    Phrase("kilos of potatoes", ("Kilo Kartoffeln", "Kilogramm Kartoffeln")),
    Phrase("kilos of rice", ("Kilo Reis", "Kilogramm Reis")),
    Phrase("liters of juice", ("Liter Saft",)),
    Phrase("packs of tea", ("Packungen Tee", "Schachteln Tee")),
)
WEIGHED = (
    Phrase("butter", ("Butter",)),
    Phrase("cheese", ("Käse",)),
    Phrase("ham", ("Schinken",)),
)


def goods(draw: Draw) -> Phrase:
    """Draws "three bottles of milk", "a dozen eggs" or "fifty grams of ham"."""
    kind = draw.choice(("pieces", "pieces", "measures", "weighed"))
    if kind == "measures":
        return counted(draw.choice(range(2, 21)), draw.choice(MEASURES))
    if kind == "weighed":
        what = draw.choice(WEIGHED)
        grams = Phrase(
            f"grams of {what.english}", tuple(f"Gramm {w}" for w in what.german)
        )
        return counted(draw.choice(range(50, 550, 50)), grams)
    number, what = draw.choice(range(2, 61)), draw.choice(PIECES)
    if number != 12:
        return counted(number, what)
    plain = counted(12, what)
    dozen = tuple(f"ein Dutzend {word}" for word in what.german)
    words = draw.choice((plain.english, f"a dozen {what.english}"))
    return Phrase(words, plain.german + dozen)


def counted(number: int, what: Phrase) -> Phrase:
    """Puts a number before a plural."""
    wordings = [f"{n} {word}" for n in german_amounts(number) for word in what.german]
    return Phrase(f"{english(number)} {what.english}", tuple(wordings))


def platform(draw: Draw) -> Phrase:
    """Draws the number of a railway platform."""
    number = draw.choice(range(2, 25))
    return Phrase(english(number), (german(number),))


# -------------------------------------------------------------------------- word lists

PERSONS = (
    Phrase("Anna", ("Anna",)),
    Phrase("Paul", ("Paul",)),
    Phrase("Julia", ("Julia",)),
    Phrase("Mr. Weber", ("Herr Weber",)),
    Phrase("Mrs. Keller", ("Frau Keller",)),
    Phrase("my sister", ("meine Schwester",)),
    Phrase("my brother", ("mein Bruder",)),
    Phrase("our neighbor", ("unser Nachbar", "unsere Nachbarin")),
    Phrase("the teacher", ("der Lehrer", "die Lehrerin")),
    Phrase("the doctor", ("der Arzt", "die Ärztin")),
)
CITIES = (
    Phrase("Berlin", ("Berlin",)),
    Phrase("Cologne", ("Köln",)),
    Phrase("Dresden", ("Dresden",)),
    Phrase("Geneva", ("Genf",)),
    Phrase("Hamburg", ("Hamburg",)),
    Phrase("Munich", ("München",)),
    Phrase("Prague", ("Prag",)),
    Phrase("Salzburg", ("Salzburg",)),
    Phrase("Vienna", ("Wien",)),
    Phrase("Zurich", ("Zürich",)),
)
TRAINS = (
    Phrase("train", ("der Zug",)),
    Phrase("express train", ("der Schnellzug",)),
    Phrase("regional train", ("der Regionalzug",)),
)
VEHICLES = (
    *TRAINS,
    Phrase("bus", ("der Bus",)),
    Phrase("coach", ("der Reisebus",)),
)
PLACES = (
    Phrase("bakery", ("die Bäckerei",)),
    Phrase("bank", ("die Bank",)),
    Phrase("bookstore", ("die Buchhandlung", "der Buchladen")),
    Phrase("library", ("die Bibliothek", "die Bücherei")),
    Phrase("museum", ("das Museum",)),
    Phrase("pharmacy", ("die Apotheke",)),
    Phrase("supermarket", ("der Supermarkt",)),
    Phrase("swimming pool", ("das Schwimmbad",)),
)
SHOPS = (
    Phrase("at the bakery", ("in der Bäckerei", "beim Bäcker")),
    Phrase("at the department store", ("im Kaufhaus",)),
    Phrase("at the kiosk", ("am Kiosk",)),
    Phrase("at the market", ("auf dem Markt",)),
    Phrase("at the station", ("am Bahnhof", "im Bahnhof")),
    Phrase("at the supermarket", ("im Supermarkt",)),
)
EVENTS = (
    Phrase("concert", ("das Konzert",)),
    Phrase("course", ("der Kurs",)),
    Phrase("exam", ("die Prüfung",)),
    Phrase("lecture", ("der Vortrag", "die Vorlesung")),
    Phrase("meeting", ("die Besprechung", "die Sitzung")),
    Phrase("party", ("die Feier", "die Party")),
)
OCCASIONS = (  # accusative
    Phrase("the party", ("die Feier", "die Party")),
    Phrase("the picnic", ("das Picknick",)),
    Phrase("the trip", ("den Ausflug", "die Reise")),
    Phrase("the wedding", ("die Hochzeit",)),
    Phrase("the course", ("den Kurs",)),
)
ARTICLES: Mapping[str, tuple[tuple[str, str], ...]] = {  # nominative, accusative
    "bag": (("die Tasche", "die Tasche"),),
    "bicycle": (("das Fahrrad", "das Fahrrad"), ("das Rad", "das Rad")),
    "book": (("das Buch", "das Buch"),),
    "coat": (("der Mantel", "den Mantel"),),
    "hat": (("der Hut", "den Hut"),),
    "jacket": (("die Jacke", "die Jacke"),),
    "lamp": (("die Lampe", "die Lampe"),),
    "suitcase": (("der Koffer", "den Koffer"),),
    "table": (("der Tisch", "den Tisch"),),
    "umbrella": (("der Regenschirm", "den Regenschirm"), ("der Schirm", "den Schirm")),
}
RENTED = (
    Phrase("boat", ("das Boot",)),
    Phrase("double room", ("das Doppelzimmer",)),
    Phrase("rental car", ("der Mietwagen", "der Leihwagen")),
    Phrase("single room", ("das Einzelzimmer",)),
    Phrase("vacation apartment", ("die Ferienwohnung",)),
)
UNITS = (
    Phrase("per day", ("pro Tag", "am Tag")),
    Phrase("per week", ("pro Woche", "in der Woche")),
)
MEANS = (
    Phrase("by bus", ("mit dem Bus",)),
    Phrase("by car", ("mit dem Auto",)),
    Phrase("by train", ("mit dem Zug", "mit der Bahn")),
)


def articles(case: int) -> tuple[Phrase, ...]:
    """Returns the articles of daily use in the nominative (0) or accusative (1)."""
    return tuple(
        Phrase(name, tuple(forms[case] for forms in variants))
        for name, variants in ARTICLES.items()
    )


def one_of(phrases: Sequence[Phrase]) -> Slot:
    """Returns the slot that draws from a word list."""
    return lambda draw: draw.choice(phrases)


def unique(items: Sequence[str]) -> tuple[str, ...]:
    """Returns the items without repetitions, in order."""
    return tuple(dict.fromkeys(items))


def prefixed(prefix: str, items: Sequence[str]) -> tuple[str, ...]:
    """Returns the items with a prefix."""
    return tuple(prefix + item for item in items)


SLOTS: Mapping[str, Slot] = {
    "article": one_of(articles(0)),
    "article_accusative": one_of(articles(1)),
    "at_clock": at_clock,
    "at_evening": at_evening,
    "at_morning": at_morning,
    "at_opening": at_opening,
    "at_time": at_time,
    "city": one_of(CITIES),
    "clock_span": clock_span,
    "date": date,
    "date_span": date_span,
    "duration": duration,
    "event": one_of(EVENTS),
    "goods": goods,
    "means": one_of(MEANS),
    "occasion": one_of(OCCASIONS),
    "person": one_of(PERSONS),
    "place": one_of(PLACES),
    "platform": platform,
    "price": price,
    "rent": rent,
    "rented": one_of(RENTED),
    "shop": one_of(SHOPS),
    "train": one_of(TRAINS),
    "unit": one_of(UNITS),
    "vehicle": one_of(VEHICLES),
    "weekday": weekday,
    "weekdays": weekdays,
}
