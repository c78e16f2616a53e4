"""Owns the phrases of the demo corpus: each in English with all its German wordings.

A slot draws one phrase at random. Articles and cases are stored or built as whole
German phrases, so that any wording fits where its slot stands.
"""

import datetime
from collections.abc import Mapping, Sequence
from itertools import product

from babel.dates import format_date, get_day_names, get_month_names
from babel.numbers import get_currency_name

from data_prep.lib.demo_clocks import (
    at_clock,
    at_evening,
    at_morning,
    at_opening,
    at_time,
    clock_span,
)
from data_prep.lib.demo_draws import (
    Draw,
    Phrase,
    Slot,
    english,
    german,
    german_amounts,
)

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
