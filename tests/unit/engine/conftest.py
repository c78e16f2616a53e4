"""Small models for the engine: those of the tests of translation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fairseq.data import Dictionary

from tests.unit.translation.conftest import VOCABULARY, build, build_teacher
from vq_nat import engine
from vq_nat.engine.packing import write_tensors
from vq_nat.engine.weights import describe, tensors_of


@pytest.fixture
def build_latent() -> Callable[..., Any]:
    """Builds a small latent model with options."""
    return build


@pytest.fixture
def words() -> Dictionary:
    """A dictionary of 40 symbols."""
    dictionary = Dictionary()
    for number in range(VOCABULARY - len(dictionary)):
        dictionary.add_symbol(f"w{number}")
    return dictionary


@pytest.fixture
def teacher_of(words: Dictionary) -> Callable[..., Any]:
    """Builds a small autoregressive model."""

    def make(pre_norm: bool) -> Any:
        return build_teacher(words, pre_norm)

    return make


@pytest.fixture
def described(words: Dictionary, tmp_path: Path) -> Callable[..., Any]:
    """Writes a model's weights; gives their path and the model's description."""

    def write(model: Any, number_format: str = "float32") -> Any:
        path = tmp_path / f"{id(model)}-{number_format}.safetensors"
        write_tensors(path, tensors_of(model, number_format))
        return str(path), describe(model, {"en": words, "de": words})

    return write


@pytest.fixture
def to_engine(described: Any) -> Callable[..., Any]:
    """Opens a model with the engine."""

    def convert(model: Any, number_format: str = "float32") -> Any:
        return engine.engine().Model(*described(model, number_format))

    return convert


@pytest.fixture
def options_of() -> Callable[..., Any]:
    """Makes the engine's options from names and values."""

    def make(**values: Any) -> Any:
        options = engine.engine().Options()
        for name, value in values.items():
            setattr(options, name, value)
        return options

    return make
