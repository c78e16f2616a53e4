"""How fast a teacher translates: fairseq-generate, distill.py and CTranslate2.

All have the same sentences, teacher, machine and number of threads.

    python examples/bench_distill.py --teacher T.pt --data CORPUS --name demo

Each system runs as a user runs it, from the command to the last translation, loading
included. fairseq-generate has one process with all threads, the others have a worker
on each. A row of JSON for each goes to OUT/NAME.jsonl, and a table made of them
to OUT/NAME.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib import pool
from data_prep.lib.distillation import read_plans
from data_prep.lib.manifest import PACKAGES
from data_prep.lib.shards import Store, cut
from data_prep.lib.steps import UserError, errors_as_sentences, sha256, tell
from data_prep.lib.teachers import (
    Decoding,
    convert_for_ctranslate2,
    find_device,
    resolve_precision,
)
from data_prep.lib.text import read_lines, write_lines
from examples.lib.places import ROOT
from vq_nat.bench.machine import commit, processor
from vq_nat.results.rows import Machine
from vq_nat.results.tables import Column, markdown, percent
from vq_nat.results.versions import installed
from vq_nat.writing import write_text

BASELINE = "fairseq-generate"


class Rate(Machine):
    """How fast a system translated."""

    system: str
    corpus: str
    split: str
    sentences: int
    seconds: float
    sentences_per_s: float
    same_as_fairseq: float
    beam: int
    max_tokens: int
    repeats: int
    teacher: str


@dataclass(frozen=True)
class Setting:
    """What all systems share."""

    teacher: Path
    data: Path
    langs: tuple[str, str]
    split: str
    beam: int
    max_tokens: int
    threads: int
    device: str

    @property
    def source(self) -> Path:
        """The sentences, in subwords."""
        return self.data / "bpe" / f"{self.split}.{self.langs[0]}"


def first_sentences(setting: Setting, count: int, folder: Path) -> Setting:
    """Makes a corpus of a split's first sentences, in the same dictionaries."""
    (folder / "bpe").mkdir()
    for lang in setting.langs:
        name = f"bpe/{setting.split}.{lang}"
        lines = islice(read_lines(setting.data / name), count)
        write_lines(folder / name, lines)
    source, target = (setting.data / "bin" / f"dict.{x}.txt" for x in setting.langs)
    command = [sys.executable, "-m", "fairseq_cli.preprocess"]
    command += ["--source-lang", setting.langs[0], "--target-lang", setting.langs[1]]
    command += ["--srcdict", str(source), "--tgtdict", str(target)]
    command += [f"--{setting.split}pref", str(folder / "bpe" / setting.split)]
    command += ["--destdir", str(folder / "bin")]
    subprocess.run(command, check=True, capture_output=True)
    return replace(setting, data=folder)


def run_fairseq(setting: Setting, folder: Path) -> list[str]:
    """Translates with fairseq-generate, as its documentation does."""
    command = [sys.executable, "-m", "fairseq_cli.generate", str(setting.data / "bin")]
    command += ["--path", str(setting.teacher), "--gen-subset", setting.split]
    command += ["--beam", str(setting.beam), "--max-tokens", str(setting.max_tokens)]
    command += ["--user-dir", str(ROOT / "vq_nat"), "--remove-bpe"]
    command += ["--task", "discrete_latent_translation"]  # of our teachers
    command += ["--required-batch-size-multiple", "1"]  # leave out no sentence
    command += ["--cpu"] if setting.device == "cpu" else []
    env = {**os.environ, "OMP_NUM_THREADS": str(setting.threads)}
    result = subprocess.run(command, env=env, encoding="utf-8", capture_output=True)
    if result.returncode:
        raise UserError(f"fairseq-generate failed: {result.stderr[-300:]}")
    rows = [line.split("\t") for line in result.stdout.splitlines() if line[:2] == "H-"]
    by_number = {int(name[2:]): text for name, _, text in rows}
    return [by_number[n] for n in range(len(by_number))]


def run_pool(backend: str, precision: str, setting: Setting, folder: Path) -> list[str]:
    """Translates with the local workers of distill.py."""
    decoding = Decoding(
        beam=setting.beam,
        max_tokens=setting.max_tokens,
        precision=precision,
        backend=backend,
    )
    checkpoint, store = setting.teacher, Store(folder, {"precision": precision})
    store.open()
    if backend == "ctranslate2":
        checkpoint = convert_for_ctranslate2(
            setting.teacher, setting.data / "bin", setting.langs, folder
        )
    chunks = cut({"train": setting.source}, 2_000)
    devices = (setting.device,) * setting.threads
    job = pool.DecodingJob(checkpoint, setting.data / "bin", decoding, store, devices)
    os.environ["OMP_NUM_THREADS"] = str(setting.threads)
    pool.decode(job, chunks, 0)
    outputs = [json.loads(row) for chunk in chunks for row in store.read(chunk) or []]
    return [row[0][1].replace("@@ ", "") for row in outputs]


def systems(setting: Setting) -> dict[str, Callable[[Setting, Path], list[str]]]:
    """Returns what is compared, by name."""
    fast = resolve_precision("auto", setting.device)
    runners: dict[str, Callable[[Setting, Path], list[str]]] = {BASELINE: run_fairseq}
    runners["distill.py, float32"] = partial(run_pool, "fairseq", "float32")
    if fast != "float32":
        runners[f"distill.py, {fast}"] = partial(run_pool, "fairseq", fast)
    for precision in ("float32", "int8"):
        runners[f"distill.py, CTranslate2 {precision}"] = partial(
            run_pool, "ctranslate2", precision
        )
    return runners


def measure(setting: Setting, name: str, repeats: int) -> list[Rate]:
    """Times every system; the fastest of some runs counts."""
    rows: list[Rate] = []
    baseline: list[str] = []
    for system, translate in systems(setting).items():
        times = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                begin = time.perf_counter()
                texts = translate(setting, Path(folder))
                times.append(time.perf_counter() - begin)
        baseline = baseline or texts
        same = sum(a == b for a, b in zip(baseline, texts, strict=True)) / len(texts)
        rows.append(
            {
                "system": system,
                "corpus": name,
                "split": setting.split,
                "sentences": len(texts),
                "seconds": round(min(times), 2),
                "sentences_per_s": round(len(texts) / min(times), 1),
                "same_as_fairseq": round(same, 4),
                "beam": setting.beam,
                "max_tokens": setting.max_tokens,
                "threads": setting.threads,
                "repeats": repeats,
                "device": setting.device,
                "processor": processor(setting.device),
                "commit": commit(),
                "teacher": sha256(setting.teacher),
                "versions": installed(PACKAGES),
            }
        )
        tell(f"{system}: {rows[-1]['sentences_per_s']} sentences/s")
    return rows


def table(rows: list[Rate]) -> str:
    """Returns the Markdown table of some rows."""
    base = next(row for row in rows if row["system"] == BASELINE)["sentences_per_s"]
    columns: list[Column[Rate]] = [
        ("decoder", lambda row: row["system"]),
        ("sentences/s", lambda row: f"{row['sentences_per_s']:.1f}"),
        ("× fairseq-generate", lambda row: f"{row['sentences_per_s'] / base:.2f}×"),
        ("same output", lambda row: percent(row["same_as_fairseq"])),
    ]
    first = rows[0]
    note = (
        f"{first['sentences']} sentences ({first['corpus']}, {first['split']}), beam "
        f"{first['beam']}, {first['threads']} thread(s), {first['device']} "
        f"({first['processor']}); loading included."
    )
    return f"{markdown(columns, rows)}\n\n{note}"


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--teacher", type=Path, required=True, help="checkpoint")
    add("--data", type=Path, required=True, help="corpus made by prepare.py")
    add("--name", required=True, help="of the corpus, in rows and tables")
    add("--split", default="train", help="what to translate")
    add("--sentences", type=int, default=0, help="the first so many (default: all)")
    add("--beam", type=int, default=4)
    add("--max-tokens", type=int, default=8_000, help="batch size in subwords")
    add("--threads", type=int, default=2)
    add("--repeats", type=int, default=1)
    add("--device", default="auto")
    add("--out", type=Path, default=ROOT / "examples" / "results" / "distill")
    args = parser.parse_args(argv)
    with errors_as_sentences():
        data, _ = read_plans(args.data, Path(os.devnull), args.threads)
        setting = Setting(
            args.teacher,
            args.data,
            data.langs,
            args.split,
            args.beam,
            args.max_tokens,
            args.threads,
            find_device(args.device),
        )
        if not any(True for _ in read_lines(setting.source)):
            raise UserError(f"The file {setting.source} is empty.")
        with tempfile.TemporaryDirectory() as folder:
            if args.sentences:
                setting = first_sentences(setting, args.sentences, Path(folder))
            rows = measure(setting, args.name, args.repeats)
        text = "\n".join(json.dumps(row, sort_keys=True) for row in rows)
        write_text(text, args.out / f"{args.name}.jsonl")
        write_text(table(rows), args.out / f"{args.name}.md")
        print(table(rows))


if __name__ == "__main__":
    main()
