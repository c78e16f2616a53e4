"""A checkpoint knows its languages and its dictionaries, and refuses others."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
from fairseq.data import Dictionary

from vq_nat.fairseq_side import training
from vq_nat.image.criterion import BitsPerDimCriterion
from vq_nat.translation.binding import BoundToText, describe_text, fingerprint
from vq_nat.translation.criterion import LatentPredictionCriterion


def words(*symbols: str, count: int = 1) -> Dictionary:
    made = Dictionary()
    for symbol in symbols:
        made.add_symbol(symbol, n=count)
    return made


class Stock:
    """What fairseq's tasks do with their state."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {"other": 1}

    def state_dict(self) -> dict[str, Any]:
        return self.kept

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.kept = state


class Task(BoundToText, Stock):
    """A task of two dictionaries."""

    def __init__(self, languages: str, source: Dictionary, target: Dictionary) -> None:
        super().__init__()
        first, second = languages.split("-")
        self.cfg = SimpleNamespace(source_lang=first, target_lang=second, data="bin")
        self.source_dictionary, self.target_dictionary = source, target


ONE, OTHER = words("a", "b", "c"), words("d", "e")


def test_order_counts_and_frequencies_do_not() -> None:
    assert fingerprint(words("a", "b")) == fingerprint(words("a", "b", count=7))
    assert fingerprint(words("a", "b")) != fingerprint(words("b", "a"))
    assert fingerprint(words("a", "b")) != fingerprint(words("a"))


def test_its_own_text_is_taken() -> None:
    state = Task("en-de", ONE, OTHER).state_dict()
    again = Task("en-de", words("a", "b", "c", count=3), OTHER)
    again.load_state_dict(state)
    assert again.kept == {"other": 1}
    again.load_state_dict({})  # of one of fairseq's tasks


@pytest.mark.parametrize(
    ("languages", "source", "target", "message"),
    [
        ("en-de", words("b", "a", "c"), OTHER, r"dict\.en\.txt in bin must be the"),
        ("en-de", ONE, words("e", "d"), r"dict\.de\.txt in bin must be the"),
        ("en-de", ONE, words("d", "e", "f"), r"dict\.de\.txt in bin must be the"),
        ("de-en", ONE, OTHER, "from de to en, but was trained from en to de"),
    ],
)
def test_another_text_is_refused(
    languages: str, source: Dictionary, target: Dictionary, message: str
) -> None:
    state = Task("en-de", ONE, OTHER).state_dict()
    with pytest.raises(ValueError, match=message):
        Task(languages, source, target).load_state_dict(state)


def test_the_same_languages_by_other_names_are_taken() -> None:
    state = Task("en-de", ONE, OTHER).state_dict()
    Task("eng-deu", ONE, OTHER).load_state_dict(state)


def test_a_shuffle_of_any_size_is_noticed() -> None:
    symbols = [f"w{i}" for i in range(50)]
    before = describe_text(("en", "de"), (words(*symbols),) * 2)
    random.shuffle(symbols)
    assert before != describe_text(("en", "de"), (words(*symbols),) * 2)


@pytest.mark.parametrize(
    ("criterion", "task"),
    [
        (LatentPredictionCriterion, "discrete_latent_translation"),
        (BitsPerDimCriterion, "image_vqvae"),
    ],
)
def test_a_task_without_m_step_is_refused(criterion: Any, task: str) -> None:
    message = f"`--task` must be {task}, .* but is a SimpleNamespace instead"
    with pytest.raises(ValueError, match=message):
        criterion.build_criterion(SimpleNamespace(), SimpleNamespace())


def test_fairseqs_criterions_are_refused() -> None:
    from fairseq.criterions.cross_entropy import CrossEntropyCriterion

    model = SimpleNamespace(criterion_name="latent_prediction")
    foreign = CrossEntropyCriterion(None, True)
    message = "`--criterion` must be latent_prediction .* is a CrossEntropyCriterion"
    with pytest.raises(ValueError, match=message):
        training.require_criterion(model, foreign)
    training.require_criterion(SimpleNamespace(), foreign)  # a teacher's
    training.require_criterion(model, SimpleNamespace())  # a user's own
