"""Turns a trained system and a test set into a result row, which carries its recipe.

A row is one small JSON file, FOLDER/CORPUS/SYSTEM.json.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from .. import __version__, load
from .quality import Quality, score
from .timing import (
    INCLUDES,
    Translate,
    measure_latency,
    measure_throughput,
    pinned_threads,
    synchronizer,
)
from .training_log import TrainingLog, read_log

Row = dict[str, Any]
PACKAGE = Path(__file__).resolve().parents[1]
# What the figures do not depend on does not make a commit "dirty".
NO_CODE = (":(exclude)examples/results", ":(exclude)*.md")


class Decoder(NamedTuple):
    """A system's name for readers, and how it decodes."""

    label: str
    beam: int


DECODERS = {
    "teacher-beam4": Decoder("autoregressive teacher, beam 4", beam=4),
    "teacher-greedy": Decoder("autoregressive teacher, greedy", beam=1),
    "student": Decoder("latent student on the teacher's output", beam=1),
    "student-raw": Decoder("latent student on the human text", beam=1),
}


@dataclass(frozen=True)
class System:
    """A trained checkpoint under one of the names in `DECODERS`."""

    name: str
    checkpoint: Path
    log: Path | None = None  # of its training
    passes: int = 0  # refinement passes of a latent system

    @property
    def decoder(self) -> Decoder:
        """How it decodes.

        Raises:
            ValueError: for an unknown name.
        """
        if self.name not in DECODERS:
            raise ValueError(
                f"`name` must be one of {', '.join(DECODERS)}, "
                f"but is {self.name!r} instead."
            )
        return DECODERS[self.name]


@dataclass(frozen=True)
class TestSet:
    """Raw sentences and, for each, its raw references."""

    __test__ = False  # not a test, whatever pytest thinks of the name

    corpus: str
    name: str
    sources: list[str]
    references: list[list[str]]
    complete: bool = False  # the references are all correct translations there are

    @classmethod
    def read(
        cls,
        raw: Path,
        corpus: str,
        name: str = "test",
        languages: tuple[str, str] = ("en", "de"),
    ) -> TestSet:
        """Reads a test set from the raw text of a prepared corpus.

        Args:
            raw: folder with `test.{en,de}`, and `test.refs.json` if every correct
                translation is known.
            corpus: name of the corpus in rows and tables.
            name: name of the test set in rows and tables.
            languages: source and target.

        Raises:
            FileNotFoundError: if a side is missing.
        """
        source, target = (read_lines(raw / f"test.{lang}") for lang in languages)
        several = raw / "test.refs.json"
        if several.is_file():
            references = json.loads(several.read_text(encoding="utf-8"))
        else:
            references = [[line] for line in target]
        return cls(corpus, name, source, references, several.is_file())

    def first(self, count: int) -> TestSet:
        """Returns its first sentences."""
        part = slice(count)
        return replace(
            self, sources=self.sources[part], references=self.references[part]
        )


def read_lines(path: Path) -> list[str]:
    """Reads a text file; only a line feed ends a line.

    Raises:
        FileNotFoundError: if it does not exist.
    """
    if not path.is_file():
        raise FileNotFoundError(f"the file {path} does not exist.")
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


@dataclass(frozen=True)
class Conditions:
    """How a system is measured; the same for all that are compared."""

    device: str = "cpu"
    threads: int = 1
    autocast: str = "none"
    batch_size: int = 64
    timed_sentences: int = 100  # spread evenly over the test set
    warm_up: int = 10
    repeats: int = 3


# ---------------------------------------------------------------------------- the row


def measure(system: System, test_set: TestSet, conditions: Conditions) -> Row:
    """Translates the test set, scores it, times it, and returns the row.

    Raises:
        FileNotFoundError: if the checkpoint or the log is missing.
        ValueError: for an unknown system or an unusable test set.
    """
    decoder = system.decoder
    log = read_log(system.log) if system.log else None
    translator = load(
        system.checkpoint,
        device=conditions.device,
        autocast=conditions.autocast,
        beam=decoder.beam,
        passes=system.passes,
    )
    with pinned_threads(conditions.threads):
        # The pass that is scored is also the warm-up of the one that is timed.
        outputs = translator.translate(test_set.sources, conditions.batch_size)
        speed = measure_speed(translator.translate, test_set.sources, conditions)
    quality = score(outputs, test_set.references, test_set.complete)
    return {
        "system": system.name,
        "label": decoder.label,
        "corpus": test_set.corpus,
        "test_set": test_set.name,
        "sentences": len(test_set.sources),
        **describe_quality(quality),
        **speed,
        **describe_model(translator.model, system, conditions),
        **describe_training(log),
        **describe_machine(conditions),
    }


def measure_speed(translate: Any, sources: list[str], conditions: Conditions) -> Row:
    """Times single sentences and batches."""

    def batched(texts: list[str]) -> list[str]:
        return translate(texts, conditions.batch_size)

    one_by_one: Translate = batched  # a call with one sentence is a batch of one
    wait = synchronizer(conditions.device)
    sentences = spread(sources, conditions.timed_sentences)
    latency = measure_latency(
        one_by_one, sentences, conditions.warm_up, conditions.repeats, wait
    )
    rate = measure_throughput(batched, sources, synchronize=wait)
    return {
        "latency_ms": {
            "median": round(latency.median, 3),
            "p90": round(latency.p90, 3),
            "batch_size": 1,
            "sentences": latency.sentences,
            "warm_up": conditions.warm_up,
            "repeats": latency.repeats,
            "includes": INCLUDES,
        },
        "throughput": {
            "sentences_per_s": round(rate, 2),
            "batch_size": conditions.batch_size,
        },
    }


def spread(items: list[str], count: int) -> list[str]:
    """Returns at most `count` items, evenly spaced."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def describe_quality(quality: Quality) -> Row:
    """Rounds the scores; an unknown share stays None."""
    correct = quality.correct
    return {
        "bleu": round(quality.bleu, 2),
        "bleu_signature": quality.bleu_signature,
        "chrf": round(quality.chrf, 2),
        "correct": None if correct is None else round(correct, 4),
        "length_ratio": round(quality.length_ratio, 4),
        "repetition_rate": round(quality.repetition_rate, 4),
    }


def describe_model(model: Any, system: System, conditions: Conditions) -> Row:
    """Names the sizes that matter; those of the latents are None without latents."""
    parameters = list(model.parameters())
    row: Row = {
        "parameters": sum(p.numel() for p in parameters),
        "dtype": describe_dtype(parameters[0].dtype, conditions.autocast),
        "beam": None,
        "passes": None,
        "n_c": None,
        "n_s": None,
        "codebook_size": None,
        "slices": None,
    }
    if not hasattr(model, "lookup"):
        return {**row, "beam": system.decoder.beam}
    options, soft = model.cfg, model.cfg.vq_assign == "soft"
    return {
        **row,
        "passes": system.passes,
        "n_c": options.compression_steps,
        "n_s": options.vq_num_samples if soft and options.vq_kind == "vq" else None,
        "codebook_size": options.vq_num_codes,
        "slices": options.vq_slices,
    }


def describe_dtype(dtype: torch.dtype, autocast: str) -> str:
    """Names the type of weights and, under autocast, of products."""
    name = str(dtype).removeprefix("torch.")
    return name if autocast == "none" else f"{name}, autocast {autocast}"


def describe_training(log: TrainingLog | None) -> Row:
    """Names the effort, and what validation said of the measured checkpoint."""
    if log is None:
        return dict.fromkeys(("seed", "updates", "train_seconds", "validation"))
    names = {
        "bleu": "bleu",
        "bleu_true_codes": "bleu_true_codes",
        "code_accuracy": "code_accuracy",
        "perplexity": "vq_perplexity",
        "posterior_entropy": "vq_posterior_entropy",
    }
    figures: Row = {name: log.best.get(key) for name, key in names.items()}
    return {
        "seed": log.seed,
        "updates": log.updates,
        "train_seconds": round(log.seconds),
        "validation": {"updates": int(log.best.get("num_updates", 0)), **figures},
    }


# ------------------------------------------------------------------------ the machine


def describe_machine(conditions: Conditions) -> Row:
    """Names the device, the versions and the commit."""
    return {
        "device": conditions.device,
        "processor": processor(conditions.device),
        "threads": conditions.threads,
        "versions": versions(),
        "commit": commit(),
    }


def processor(device: str) -> str:
    """Returns the name of the processor that does the work."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not a Linux
        lines = []
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Returns the versions that may change a figure."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "fairseq": distribution_version("fairseq-fixed", "fairseq"),
        "sacrebleu": distribution_version("sacrebleu"),
        "vq_nat": __version__,
    }


def distribution_version(*names: str) -> str:
    """Returns the version of the first of these distributions that is installed."""
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def commit(package: Path = PACKAGE) -> str:
    """Returns the commit of the code, "-dirty" after it if changed, or "unknown"."""
    root = git(package.parent, "rev-parse", "--show-toplevel")
    head = git(package.parent, "rev-parse", "--short=12", "HEAD")
    if not root or not head or Path(root).resolve() != package.parent.resolve():
        return "unknown"
    changes = git(package.parent, "status", "--porcelain", "-uno", "--", ".", *NO_CODE)
    return f"{head}-dirty" if changes else head


def git(folder: Path, *arguments: str) -> str:
    """Returns what git says, nothing if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True
        )
    except OSError:  # no git
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


# ------------------------------------------------------------------------------ files


def row_path(folder: Path, corpus: str, system: str) -> Path:
    """Returns where a row is kept."""
    return folder / corpus / f"{system}.json"


def write_row(row: Row, folder: Path) -> Path:
    """Writes FOLDER/CORPUS/SYSTEM.json, never seen half-written."""
    return write_json(row, row_path(folder, row["corpus"], row["system"]))


def write_json(row: Row, path: Path) -> Path:
    """Writes a row of any kind, never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{path.name}")
    text = json.dumps(row, indent=2, ensure_ascii=False) + "\n"
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return path


def describe_conditions(conditions: Conditions) -> Row:
    """Returns everything a measured row depends on besides model and test set."""
    return {
        **asdict(conditions),
        "processor": processor(conditions.device),
        "versions": versions(),
    }
