"""CTranslate2, an optional engine.

Converts fairseq's autoregressive Transformers, and translates raw text with them as
`vq_nat.load` does.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Protocol

import torch
from fairseq.data import Dictionary

from ..fairseq_side.checkpoints import checkpoint_path
from ..fairseq_side.compat import (
    load_config,
    load_state,
    load_task_state,
    load_weights,
)
from ..files import reason, sha256
from .binding import KEY, LENGTH, check_text, describe_text
from .codec import Limits, TextCodec
from .loading import find_data, languages_of

COMPUTE_TYPES = ("float32", "int8", "int8_float32", "float16", "bfloat16")
LONGEST = 200  # words of an output, as in fairseq


def import_ctranslate2() -> ModuleType:
    """Returns the module, which is an optional part of the installation.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        import ctranslate2
    except ImportError:
        raise ValueError(
            "CTranslate2 must be installed for this (`pip install -e .[ctranslate2]`), "
            "but is not."
        ) from None
    return ctranslate2


def convert(
    checkpoint: Path,
    data: Path,
    languages: tuple[str, str],
    folder: Path,
    shortlist: Path | None = None,
) -> Path:
    """Converts a model once, and returns the folder of the converted one.

    Args:
        checkpoint: of fairseq.
        data: folder with the dictionaries.
        languages: source and target.
        folder: where the converted model goes, by the checkpoint's hash.
        shortlist: a file of words that sources allow, the engine's `vmap`.

    Raises:
        FileNotFoundError: if there is no shortlist of this name.
        ValueError: if the engine does not know this kind of model, or the dictionaries
            are not those of the training.
    """
    refuse_other_text(checkpoint, data, languages)
    final = folder / f"ctranslate2-{sha256(checkpoint)[:16]}"
    if shortlist is not None:
        final = final.with_name(f"{final.name}-{sha256(shortlist)[:16]}")
    if final.is_dir():
        return final
    import_ctranslate2()
    temporary = folder / f".tmp-ctranslate2-{os.getpid()}"
    try:
        write_converted(checkpoint, data, languages, temporary, shortlist)
        os.rename(temporary / "model", final)
    except OSError:  # another process was faster
        if not final.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return final


def write_converted(
    checkpoint: Path,
    data: Path,
    languages: tuple[str, str],
    folder: Path,
    shortlist: Path | None = None,
) -> None:
    """Converts a model into FOLDER/model.

    The engine's own reader gets a copy with the options that were checked.

    Raises:
        ValueError: if the engine does not know this kind of model.
    """
    from ctranslate2.converters import FairseqConverter

    state = load_state(checkpoint)
    folder.mkdir()
    copy = folder / "checked.pt"
    parts = ("cfg", "model")
    torch.save({"args": None, **{part: state[part] for part in parts}}, copy)
    source, target = languages
    converter = FairseqConverter(
        str(copy), str(data), source_lang=source, target_lang=target
    )
    try:
        words = None if shortlist is None else str(shortlist)
        converter.convert(str(folder / "model"), vmap=words, force=True)
    except Exception as error:  # it looks for what others have not
        raise ValueError(
            f"CTranslate2 cannot convert the model {checkpoint}: {reason(error)}."
        ) from error


def refuse_other_text(checkpoint: Path, data: Path, languages: tuple[str, str]) -> None:
    """Refuses dictionaries that a checkpoint was not trained with.

    Raises:
        OtherTextError: naming what differs.
    """
    trained = load_task_state(checkpoint).get(KEY)
    if trained is not None:
        dictionaries = [
            Dictionary.load(str(data / f"dict.{lang}.txt")) for lang in languages
        ]
        check_text(
            trained, describe_text(languages, dictionaries), data, str(checkpoint)
        )


class Result(Protocol):
    """What the engine says of one sentence."""

    hypotheses: list[list[str]]


class CTranslate2Translator:
    """An autoregressive model on CTranslate2: raw text in, raw text out.

    Text is normalised, tokenised and cut into subwords by the code that `vq_nat.load`
    uses, and decoded under the same limits, so that times and outputs compare.

    Args:
        path: a checkpoint, or a folder that holds `checkpoint_best.pt`.
        data: folder with dictionaries and `text.json`; see `Translator.load`.
        device: "cpu" or "cuda".
        threads: of the CPU; 0 = the engine's own choice.
        beam: 1 is greedy.
        compute_type: number format, one of `COMPUTE_TYPES`.
        shortlist: file of data_prep/shortlist.py; its words alone are written.

    Raises:
        FileNotFoundError: if the checkpoint, the data folder or the list is missing.
        ValueError: for an unknown number format, or a model it cannot convert.
    """

    def __init__(
        self,
        path: Path,
        data: Path | None = None,
        device: str = "cpu",
        *,
        threads: int = 0,
        beam: int = 1,
        compute_type: str = "float32",
        shortlist: str | Path | None = None,
    ) -> None:
        if compute_type not in COMPUTE_TYPES:
            raise ValueError(
                f"`compute_type` must be one of {', '.join(COMPUTE_TYPES)}, "
                f"but is {compute_type!r} instead."
            )
        module, checkpoint = import_ctranslate2(), checkpoint_path(path)
        languages = languages_of(checkpoint, data)
        folder = find_data(checkpoint, data)
        source, target = (
            Dictionary.load(str(folder / f"dict.{language}.txt"))
            for language in languages
        )
        self.codec = TextCodec(folder, source, target, languages)
        trained = load_task_state(checkpoint).get(LENGTH)
        self.limits = Limits.of(longest_source(checkpoint), trained)
        self.beam, self.compute_type = beam, compute_type
        self.listed = None if shortlist is None else Path(shortlist)
        self.parameters = count_parameters(checkpoint)
        kind, _, index = device.partition(":")
        place = checkpoint.parent
        converted = convert(checkpoint, folder, languages, place, self.listed)
        self.engine = module.Translator(
            str(converted),
            device=kind,
            device_index=int(index or 0),
            compute_type=compute_type,
            intra_threads=threads,
            inter_threads=1,
        )

    def translate(self, sentences: list[str], batch_size: int = 64) -> list[str]:
        """Translates raw sentences; order and number are kept, empty stays empty."""
        pieces = [self.codec.pieces(text, self.limits) for text in sentences]
        rows = [self.codec.subwords(one[:-1]) for of_one in pieces for one in of_one]
        outputs = iter(self._translate(rows, batch_size))
        return [
            " ".join(text for text in (next(outputs) for _ in of_one) if text)
            for of_one in pieces
        ]

    def _translate(self, rows: list[list[str]], batch_size: int) -> list[str]:
        if not rows:
            return []
        results = self.run_engine(rows, batch_size)
        index = self.codec.target.index
        return [
            self.codec.decode(torch.tensor([index(word) for word in one.hypotheses[0]]))
            for one in results
        ]

    def run_engine(self, rows: list[list[str]], batch_size: int) -> list[Result]:
        """Translates subwords; all that the engine itself does."""
        results: list[Result] = self.engine.translate_batch(
            rows,
            max_batch_size=batch_size,
            beam_size=self.beam,
            length_penalty=1,
            disable_unk=True,
            max_decoding_length=LONGEST,
            use_vmap=self.listed is not None,
        )
        return results


def longest_source(checkpoint: Path) -> int:
    """Returns how many positions of a source a checkpoint's task allows."""
    return int(load_config(checkpoint)["task"].get("max_source_positions", 1024))


def count_parameters(checkpoint: Path) -> int:
    """Counts a checkpoint's parameters, shared ones once."""
    tensors = load_weights(checkpoint).values()
    shared = {t.data_ptr(): t.numel() for t in tensors if t.numel() > 1}
    return sum(shared.values())
