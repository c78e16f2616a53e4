"""Small models for the engine: those of the tests of translation."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fairseq.data import Dictionary

from tests.unit.translation.conftest import VOCABULARY, build, build_teacher
from vq_nat import engine
from vq_nat.engine.export import export
from vq_nat.engine.packing import write_tensors
from vq_nat.engine.weights import describe, tensors_of
from vq_nat.translation.codec import TextCodec
from vq_nat.translation.decoding.options import DecodingOptions
from vq_nat.translation.task import (
    DiscreteLatentTranslationConfig,
    DiscreteLatentTranslationTask,
)
from vq_nat.translation.translator import Translator


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

    def make(pre_norm: bool, **changed: Any) -> Any:
        return build_teacher(words, pre_norm, **changed)

    return make


@pytest.fixture
def model_of(build_latent: Any, teacher_of: Any) -> Callable[[str], Any]:
    """Builds a small model: autoregressive, with words as codes, or learned ones."""

    def make(kind: str) -> Any:
        if kind == "autoregressive":
            return teacher_of(True)
        words = {"vq_kind": "words", "words_per_code": 2}
        return build_latent(**(words if kind == "words" else {}))

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


@pytest.fixture
def letters() -> Dictionary:
    """A dictionary of letters and digits, 40 symbols with the special ones."""
    dictionary = Dictionary()
    for symbol in "abcdefghijklmnopqrstuvwxyz0123456789":
        dictionary.add_symbol(symbol)
    return dictionary


@pytest.fixture
def data(tmp_path: Path, letters: Dictionary) -> Path:
    """A folder of text processing."""
    folder = tmp_path / "data"
    folder.mkdir()
    for language in ("en", "de"):
        letters.save(str(folder / f"dict.{language}.txt"))
    (folder / "bpe.codes").write_text("#version: 0.2\na b</w>\n")
    recipe = {"source_lang": "en", "target_lang": "de"}
    recipe |= {"tokenizer": "moses", "bpe": "subword_nmt"}
    (folder / "text.json").write_text(json.dumps(recipe))
    return folder


@pytest.fixture
def exported(data: Path, letters: Dictionary) -> Any:
    """Exports a model into a folder of a name."""

    def make(
        model: Any,
        number_format: str = "float32",
        name: str = "out",
        trained: int | None = None,
    ) -> Path:
        out, both = data.parent / name, {"en": letters, "de": letters}
        export(model, both, data, out, number_format, "1.0", trained)
        return out

    return make


@pytest.fixture
def by_torch(data: Path) -> Any:
    """Returns the translator of a model that is not exported."""

    def make(model: Any, judge: Any = None, **options: Any) -> Translator:
        task = DiscreteLatentTranslationTask.setup_task(
            DiscreteLatentTranslationConfig(
                data=str(data),
                source_lang="en",
                target_lang="de",
                max_source_positions=64,
                max_target_positions=64,
            )
        )
        codec = TextCodec(data, task.source_dictionary, task.target_dictionary)
        return Translator(model, task, codec, DecodingOptions(**options), judge)

    return make
