"""Owns teachers: a checkpoint becomes something that translates lines of subwords.

Two back ends: fairseq's model under our own search, and CTranslate2 (optional).
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from data_prep.lib.steps import UserError
from data_prep.lib.teacher_search import (
    MAX_LENGTH_EXTRA,
    MAX_LENGTH_FACTOR,
    Search,
    Symbols,
)
from vq_nat.files import read_json

# A translation in subwords and its log-probability per subword.
Hypothesis = tuple[float, str]

BACKENDS = ("fairseq", "ctranslate2")
COMPUTE_TYPES = ("float32", "int8", "int8_float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Decoding:
    """How the teacher translates; all of it decides about the result."""

    beam: int = 4
    nbest: int = 1
    temperature: float | None = None  # draw words instead of searching with a beam
    top: int = 0
    seed: int = 1
    max_tokens: int = 16_000
    precision: str = "float32"
    backend: str = "fairseq"

    @property
    def width(self) -> int:
        """Number of hypotheses in the search."""
        return self.beam if self.temperature is None else self.nbest

    def describe(self) -> dict[str, Any]:
        """Returns the settings for stamps and manifests."""
        return asdict(self)


class Teacher(Protocol):
    """Translates lines of subwords."""

    longest: int  # most subwords in a source

    def translate(self, lines: list[str], seed: int) -> list[list[Hypothesis]]:
        """Returns the hypotheses of each line, the best first."""


def find_device(name: str) -> str:
    """Returns the device to use: the one asked for, or the GPU if there is one."""
    import torch

    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def resolve_precision(name: str, device: str) -> str:
    """Returns the number format that `--autocast` means on a device."""
    import torch

    from vq_nat.fairseq_side.compat import has_fast_bfloat16

    if name == "auto":
        return "bfloat16" if has_fast_bfloat16(torch.device(device)) else "float32"
    return "float32" if name == "none" else name


def load_teacher(
    checkpoint: Path, data: Path, decoding: Decoding, device: str
) -> Teacher:
    """Loads a teacher.

    Args:
        checkpoint: for CTranslate2 the folder of the converted model.
        data: folder with the dictionaries.
        decoding: how it translates.
        device: where.
    """
    if decoding.backend == "ctranslate2":
        return CTranslate2Teacher(checkpoint, data, decoding, device)
    return FairseqTeacher(checkpoint, data, decoding, device)


class FairseqTeacher:
    """A fairseq Transformer under our own search."""

    def __init__(
        self, checkpoint: Path, data: Path, decoding: Decoding, device: str
    ) -> None:
        import torch

        self.decoding = decoding
        self.model, task = load_model(checkpoint, data)
        self.model.to(device, getattr(torch, decoding.precision))
        self.source, self.target = task.source_dictionary, task.target_dictionary
        self.longest = int(self.model.max_positions()[0]) - 1
        symbols = Symbols(self.target.pad(), self.target.eos(), self.target.unk())
        self.search = Search(
            self.model, symbols, decoding.width, decoding.temperature, decoding.top
        )

    def translate(self, lines: list[str], seed: int) -> list[list[Hypothesis]]:
        """Returns the hypotheses of each line, the best first."""
        rows = [
            self.source.encode_line(line, add_if_not_exist=False).long()
            for line in lines
        ]
        return [
            [(one.score, self._text(one.tokens)) for one in of_one]
            for of_one in self.search(rows, seed)
        ]

    def _text(self, tokens: list[int]) -> str:
        start = self.target.bos()
        return " ".join(self.target[token] for token in tokens if token != start)


def load_model(checkpoint: Path, data: Path) -> tuple[Any, Any]:
    """Returns a checkpoint's autoregressive model and its task.

    Raises:
        UserError: if it is no such checkpoint, or was trained on other subwords.
    """
    logging.getLogger("fairseq").setLevel(logging.WARNING)
    import vq_nat.translation  # noqa: F401  registers task and models
    from vq_nat.fairseq_side.guard import load_models
    from vq_nat.translation.binding import OtherTextError

    check_direction(checkpoint, data)
    try:
        models, _, task = load_models(
            checkpoint, arg_overrides={"data": str(data), "eval_bleu": False}
        )
    except OtherTextError as error:
        raise UserError(f"The teacher {checkpoint} cannot be used: {error}") from None
    except ValueError as error:
        if "size mismatch" in str(error.__cause__):
            raise UserError(
                f"The teacher {checkpoint} must have been trained with the "
                f"dictionaries of {data}, but has others."
            ) from None
        raise UserError(f"The teacher {error}") from None
    model = models[0].eval()
    if not hasattr(model.decoder, "reorder_incremental_state_scripting"):
        raise UserError(
            f"The teacher {checkpoint} must be autoregressive, but is a "
            f"{type(model).__name__} instead."
        )
    model.make_generation_fast_(need_attn=False)
    return model, task


def check_direction(checkpoint: Path, data: Path) -> None:
    """Refuses a teacher that translates the corpus's target into its source.

    Raises:
        UserError: naming both languages.
    """
    from vq_nat.fairseq_side.compat import load_config

    text = data / "text.json"
    if not text.is_file():
        return
    recipe = read_json(text, "the description of a corpus")
    source, target = recipe.get("source_lang"), recipe.get("target_lang")
    try:
        task = load_config(checkpoint)["task"]
    except (OSError, ValueError):
        return  # said better where it is loaded
    if (task.get("source_lang"), task.get("target_lang")) == (target, source):
        raise UserError(
            f"The teacher {checkpoint} must translate from {source} to {target}, but "
            f"was trained from {target} to {source} instead."
        )


# ------------------------------------------------------------------------- CTranslate2


class CTranslate2Teacher:
    """The same Transformer, converted for the CTranslate2 engine."""

    def __init__(
        self, checkpoint: Path, data: Path, decoding: Decoding, device: str
    ) -> None:
        ctranslate2 = import_ctranslate2()
        name, _, index = device.partition(":")
        threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
        self.decoding = decoding
        self.longest = 1_000_000  # the engine has no limit of its own
        self.translator = ctranslate2.Translator(
            str(checkpoint),
            device=name,
            device_index=int(index or 0),
            compute_type=decoding.precision,
            intra_threads=threads,
        )

    def translate(self, lines: list[str], seed: int) -> list[list[Hypothesis]]:
        """Returns the hypotheses of each line, the best first."""
        decoding, words = self.decoding, [line.split() for line in lines]
        options: dict[str, Any] = {"beam_size": decoding.beam}
        if decoding.temperature is not None:
            import_ctranslate2().set_random_seed(seed)
            options = {"sampling_topk": decoding.top or 0, "beam_size": 1}
            options["sampling_temperature"] = decoding.temperature
        longest = max(map(len, words)) + 1
        results = self.translator.translate_batch(
            words,
            **options,
            num_hypotheses=decoding.nbest,
            return_scores=True,
            length_penalty=1,
            disable_unk=True,
            max_decoding_length=MAX_LENGTH_FACTOR * longest + MAX_LENGTH_EXTRA,
        )
        return [
            [
                (score, " ".join(text))
                for score, text in zip(result.scores, result.hypotheses, strict=True)
            ]
            for result in results
        ]


def import_ctranslate2() -> Any:
    """Returns the module, which is an optional part of the installation."""
    from vq_nat.translation import ctranslate2

    try:
        return ctranslate2.import_ctranslate2()
    except ValueError:
        raise UserError(
            "--backend ctranslate2 needs the package ctranslate2; install it with "
            "`pip install -e .[ctranslate2]`."
        ) from None


def convert_for_ctranslate2(
    checkpoint: Path, data: Path, langs: tuple[str, str], folder: Path
) -> Path:
    """Converts a teacher once, and returns the folder of the converted model.

    Raises:
        UserError: if the engine does not know this kind of model.
    """
    from vq_nat.translation import ctranslate2

    import_ctranslate2()
    check_direction(checkpoint, data)
    try:
        return ctranslate2.convert(checkpoint, data, langs, folder)
    except ValueError as error:
        raise UserError(str(error)) from None


# ----------------------------------------------------------------------------- batches


def batches_by_length(lines: list[str], max_tokens: int) -> Iterator[list[int]]:
    """Yields the indices of lines, sorted by length, in batches of so many subwords."""
    lengths = [len(line.split()) + 1 for line in lines]
    batch: list[int] = []
    for index in sorted(range(len(lines)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > max_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def target_losses(
    checkpoint: Path, data: Path, pairs: list[tuple[str, str]]
) -> list[float]:
    """Returns a teacher's mean loss per target subword of each pair, in nats."""
    import torch

    model, task = load_model(checkpoint, data)
    source, target = task.source_dictionary, task.target_dictionary
    losses = []
    with torch.inference_mode():
        for pair in pairs:
            words = source.encode_line(pair[0], add_if_not_exist=False).long()
            answer = target.encode_line(pair[1], add_if_not_exist=False).long()
            before = torch.cat([answer[-1:], answer[:-1]])
            lengths = torch.tensor([len(words)])
            logits, _ = model(words[None], lengths, before[None])
            loss = torch.nn.functional.cross_entropy(logits[0].float(), answer)
            losses.append(float(loss))
    return losses
