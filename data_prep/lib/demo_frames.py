"""Owns the sentence frames of the demo corpus and how a sentence is worded.

Every German frame is combined with every wording of every slot: that is what a
translator may write, and what a model that predicts words in parallel mixes up.
"""

from collections.abc import Mapping
from itertools import product
from string import Formatter
from typing import NamedTuple

from data_prep.lib.demo_draws import Draw, Phrase
from data_prep.lib.demo_phrases import SLOTS


class Frame(NamedTuple):
    """An English sentence with slots, and every German sentence that fits it.

    A slot is named after an entry of :data:`demo_phrases.SLOTS`.
    """

    english: str
    german: tuple[str, ...]


class Sentence(NamedTuple):
    """A frame with its slots filled: all there is to know about a sentence."""

    frame: Frame
    phrases: Mapping[str, Phrase]


FRAMES = (
    Frame(
        "the {vehicle} to {city} leaves {at_time}",
        (
            "{vehicle} nach {city} fährt {at_time} ab",
            "{at_time} fährt {vehicle} nach {city} ab",
        ),
    ),
    Frame(
        "{weekday} the {vehicle} to {city} leaves {at_clock}",
        (
            "{weekday} fährt {vehicle} nach {city} {at_clock} ab",
            "{vehicle} nach {city} fährt {weekday} {at_clock} ab",
            "{weekday} {at_clock} fährt {vehicle} nach {city} ab",
        ),
    ),
    Frame(
        "the {train} from {city} arrives {at_time} on platform {platform}",
        (
            "{train} aus {city} kommt {at_time} auf Gleis {platform} an",
            "{at_time} kommt {train} aus {city} auf Gleis {platform} an",
            "auf Gleis {platform} kommt {at_time} {train} aus {city} an",
        ),
    ),
    Frame(
        "the {place} opens {at_morning} and closes {at_evening}",
        (
            "{place} öffnet {at_morning} und schließt {at_evening}",
            "{place} macht {at_morning} auf und {at_evening} zu",
        ),
    ),
    Frame(
        "{weekdays} the {place} opens {at_opening}",
        (
            "{weekdays} öffnet {place} {at_opening}",
            "{place} öffnet {weekdays} {at_opening}",
            "{place} macht {weekdays} {at_opening} auf",
        ),
    ),
    Frame(
        "the {place} is closed {date_span}",
        (
            "{place} ist {date_span} geschlossen",
            "{place} bleibt {date_span} geschlossen",
            "{date_span} ist {place} geschlossen",
        ),
    ),
    Frame(
        "the {event} starts on {date} {at_clock}",
        (
            "{event} beginnt am {date} {at_clock}",
            "{event} fängt am {date} {at_clock} an",
            "am {date} {at_clock} beginnt {event}",
            "am {date} fängt {event} {at_clock} an",
        ),
    ),
    Frame(
        "the {event} lasts {clock_span}",
        (
            "{event} dauert {clock_span}",
            "{event} geht {clock_span}",
            "{clock_span} dauert {event}",
        ),
    ),
    Frame(
        "{person}'s birthday is on {date}",
        (
            "{person} hat am {date} Geburtstag",
            "am {date} hat {person} Geburtstag",
        ),
    ),
    Frame(
        "{person} was born in {city} on {date}",
        (
            "{person} wurde am {date} in {city} geboren",
            "am {date} wurde {person} in {city} geboren",
            "{person} kam am {date} in {city} zur Welt",
        ),
    ),
    Frame(
        "{person} has an appointment {weekday} {at_clock}",
        (
            "{person} hat {weekday} {at_clock} einen Termin",
            "{weekday} hat {person} {at_clock} einen Termin",
            "{weekday} {at_clock} hat {person} einen Termin",
        ),
    ),
    Frame(
        "{person} gets up {at_morning} and goes to bed {at_evening}",
        (
            "{person} steht {at_morning} auf und geht {at_evening} ins Bett",
            "{person} steht {at_morning} auf und geht {at_evening} schlafen",
        ),
    ),
    Frame(
        "the trip to {city} takes {duration} {means}",
        (
            "die Fahrt nach {city} dauert {means} {duration}",
            "die Reise nach {city} dauert {means} {duration}",
            "{means} dauert die Fahrt nach {city} {duration}",
            "{means} dauert die Reise nach {city} {duration}",
        ),
    ),
    Frame(
        "the {article} costs {price} {shop}",
        (
            "{article} kostet {shop} {price}",
            "{shop} kostet {article} {price}",
        ),
    ),
    Frame(
        "the {rented} costs {rent} {unit}",
        (
            "{rented} kostet {rent} {unit}",
            "{rented} kostet {unit} {rent}",
            "{unit} kostet {rented} {rent}",
        ),
    ),
    Frame(
        "{person} paid {price} for the {article_accusative}",
        (
            "{person} hat {price} für {article_accusative} bezahlt",
            "{person} hat für {article_accusative} {price} bezahlt",
            "{person} bezahlte {price} für {article_accusative}",
            "für {article_accusative} hat {person} {price} bezahlt",
            "für {article_accusative} bezahlte {person} {price}",
        ),
    ),
    Frame(
        "{person} bought {goods} {shop}",
        (
            "{person} hat {shop} {goods} gekauft",
            "{person} kaufte {shop} {goods}",
            "{shop} hat {person} {goods} gekauft",
            "{shop} kaufte {person} {goods}",
        ),
    ),
    Frame(
        "{person} sold {goods} {weekday}",
        (
            "{person} hat {weekday} {goods} verkauft",
            "{person} verkaufte {weekday} {goods}",
            "{weekday} hat {person} {goods} verkauft",
            "{weekday} verkaufte {person} {goods}",
        ),
    ),
    Frame(
        "we need {goods} for {occasion}",
        (
            "wir brauchen {goods} für {occasion}",
            "wir brauchen für {occasion} {goods}",
            "für {occasion} brauchen wir {goods}",
            "für {occasion} benötigen wir {goods}",
        ),
    ),
    Frame(
        "please bring {goods} {weekday}",
        (
            "bitte bringen Sie {weekday} {goods} mit",
            "bringen Sie {weekday} bitte {goods} mit",
            "bitte bring {weekday} {goods} mit",
            "bring {weekday} bitte {goods} mit",
        ),
    ),
)


def slots_of(frame: Frame) -> list[str]:
    """Returns the names of a frame's slots, in the order of the English sentence."""
    return [name for _, name, _, _ in Formatter().parse(frame.english) if name]


def draw_sentence(draw: Draw) -> Sentence:
    """Draws a frame and a phrase for each of its slots."""
    frame = draw.choice(FRAMES)
    return Sentence(frame, {name: SLOTS[name](draw) for name in slots_of(frame)})


def english_text(sentence: Sentence) -> str:
    """Returns the English sentence."""
    words = {name: phrase.english for name, phrase in sentence.phrases.items()}
    return finish(sentence.frame.english.format(**words))


def references(sentence: Sentence) -> list[str]:
    """Returns every correct German rendering of a sentence, without repetitions."""
    names = list(sentence.phrases)
    wordings = [sentence.phrases[name].german for name in names]
    texts = [
        finish(frame.format(**dict(zip(names, chosen, strict=True))))
        for frame in sentence.frame.german
        for chosen in product(*wordings)
    ]
    return list(dict.fromkeys(texts))


def finish(text: str) -> str:
    """Puts a capital at the start and a full stop at the end."""
    text = text[0].upper() + text[1:]
    return text if text.endswith(".") else text + "."
