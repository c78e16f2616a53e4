"""From nothing to a table: corpus, teacher, distillation, latent student, measurement.

Every step is skipped when it is finished and continues where it was interrupted. The
steps call the commands that a user would type; each command stands at the head of its
log, WORK/STEP/*.log.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "data_prep")]

from quickstart_run import (  # noqa: E402
    ForwardedBar,
    TrainingBar,
    environment,
    is_done,
    locked,
    mark_done,
    read_json,
    run_logged,
    write_json,
)
from steps import PrepError, errors_as_sentences, sha256  # noqa: E402

from vq_nat.bench.training_log import read_log  # noqa: E402

LANGS = ("en", "de")
SECTIONS = ("corpus", "teacher", "distill", "student", "measure")
TEACHER = "TEACHER"  # stands for the teacher's checkpoint in a preset
EXAMPLES = 5
RECIPE_VERSION = 1  # raise when a step's result changes for the same flags


@dataclass(frozen=True)
class Plan:
    """What to do, and where; every step reads it and none changes it."""

    kind: str  # demo or multi30k
    preset: dict[str, dict[str, Any]]
    work: Path
    rows: Path
    data: Path | None
    threads: int
    device: str
    compare: bool

    @property
    def corpus(self) -> Path:
        """The prepared corpus."""
        return self.work / "corpus"

    @property
    def distilled(self) -> Path:
        """The same with the teacher's translations."""
        return self.work / "corpus-distilled"

    @property
    def teacher(self) -> Path:
        """The teacher's checkpoint."""
        return self.work / "teacher" / "checkpoint_best.pt"

    @property
    def students(self) -> dict[str, Path]:
        """The latent systems and what each is trained on."""
        raw = {"student-raw": self.corpus} if self.compare else {}
        return {"student": self.distilled, **raw}

    def stamp(self, step: str) -> Path:
        """Where a step says that it is finished."""
        return self.work / ".done" / f"{step}.json"


# ------------------------------------------------------------------- corpus, distilled


def make_corpus(plan: Plan) -> str:
    """Makes or fetches the text, tokenises, splits into subwords, binarises."""
    options = {
        name: value
        for name, value in plan.preset["corpus"].items()
        if name not in ("name", "test-set")
    }
    bpe = {"bpe-operations": options.pop("bpe-operations")}
    workers = {"workers": plan.threads}
    out = {"out": plan.corpus}
    if plan.kind == "multi30k":
        script = ["bash", str(ROOT / "data_prep" / "multi30k_ende.sh")]
        commands = [[*script, *flags({**out, "data": plan.data, **bpe, **workers})]]
    else:
        langs = dict(zip(("source-lang", "target-lang"), LANGS, strict=True))
        text = {"raw": plan.corpus / "raw", **out, **langs, **bpe, **workers}
        commands = [
            python("demo_corpus.py", {**out, **options}),
            python("prepare.py", text),
        ]
    return run_data_prep(plan, plan.corpus, commands)


def distill(plan: Plan) -> str:
    """Lets the teacher translate the training sources."""
    options = {"teacher": plan.teacher, "data": plan.corpus, "out": plan.distilled}
    options |= plan.preset["distill"] | {"workers": plan.threads}
    return run_data_prep(plan, plan.distilled, [python("distill.py", options)])


def run_data_prep(plan: Plan, out: Path, commands: list[list[str]]) -> str:
    """Runs commands that keep stamps of their own, and looks whether they had to."""
    before = modified(corpus_stamp(out))
    env = environment(plan.threads, plan.device) | {"PYTHON": sys.executable}
    for command in commands:
        bar = ForwardedBar()
        try:
            run_logged(command, out / "prepare.log", env, bar)
        finally:
            bar.close()
    pairs = count_lines(out / "bpe" / f"train.{LANGS[0]}")
    state = "reused" if modified(corpus_stamp(out)) == before else "done"
    return f"{state}: {pairs:,} training pairs in {out}"


def corpus_stamp(corpus: Path) -> Path:
    """Returns what data_prep writes last: the hashes of a corpus's files."""
    return corpus / ".done" / "bin.json"


def modified(path: Path) -> int:
    """Returns when a file was written, 0 if there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def count_lines(path: Path) -> int:
    """Counts the lines of a file."""
    with open(path, "rb") as file:
        return sum(1 for _ in file)


# ---------------------------------------------------------------------------- training


def train(plan: Plan, name: str, section: str, corpus: Path) -> str:
    """Trains, or continues a training that was interrupted.

    Args:
        plan: what to do.
        name: of the system and its folder.
        section: of the preset, with fairseq's flags.
        corpus: prepared corpus to train on.
    """
    folder, options = plan.work / name, plan.preset[section]
    inputs = {"corpus": sha256(corpus_stamp(corpus))}
    if TEACHER in options.values():
        inputs["teacher"] = sha256(plan.teacher)
    recipe = {"version": RECIPE_VERSION, "flags": options, "inputs": inputs}
    best = folder / "checkpoint_best.pt"
    state = "reused"
    if not is_done(plan.stamp(name), recipe, best):
        state = "done"
        make_ready(folder, recipe)
        bar = TrainingBar(int(options["max-update"]))
        env = environment(plan.threads, plan.device)
        command = training_command(plan, folder, options, corpus)
        try:
            run_logged(command, folder / "train.log", env, bar)
        finally:
            bar.close()
        mark_done(plan.stamp(name), recipe, best)
    return f"{state}: {describe_training(folder)}"


def training_command(
    plan: Plan, folder: Path, options: dict[str, Any], corpus: Path
) -> list[str]:
    """Returns the call of fairseq-train for a step of the plan."""
    own = {k: plan.teacher if v == TEACHER else v for k, v in options.items()}
    return fairseq_train(corpus / "bin", folder, own)


def fairseq_train(data: Path, folder: Path, options: dict[str, Any]) -> list[str]:
    """Returns a call of fairseq-train.

    Args:
        data: binary files.
        folder: for checkpoints.
        options: further flags.
    """
    fixed = {
        "user-dir": ROOT / "vq_nat",
        "task": "discrete_latent_translation",
        "source-lang": LANGS[0],
        "target-lang": LANGS[1],
        "autocast": "auto",
        "num-workers": 0,
        "required-batch-size-multiple": 1,  # fairseq's 8 leaves out up to 7 sentences
        "log-format": "json",
        "log-interval": 10,
        "no-epoch-checkpoints": True,
        "save-dir": folder,
    }
    program = [sys.executable, "-m", "fairseq_cli.train", str(data)]
    return [*program, *flags({**fixed, **options})]


def make_ready(folder: Path, recipe: dict[str, Any]) -> None:
    """Keeps what an interrupted training with the same recipe has left; nothing else.

    Raises:
        PrepError: if the folder holds something that is not ours.
    """
    started = folder / "started.json"
    if folder.exists() and read_json(started) != recipe:
        if any(folder.iterdir()) and not started.exists():
            raise PrepError(
                f"{folder} must be a folder of this script, but holds other files; "
                "choose another one with --work."
            )
        shutil.rmtree(folder)
    write_json(started, recipe)
    last, best = folder / "checkpoint_last.pt", folder / "checkpoint_best.pt"
    if last.exists() and not zipfile.is_zipfile(last):  # killed while it was written
        last.unlink()
        if zipfile.is_zipfile(best):
            shutil.copyfile(best, last)


def describe_training(folder: Path) -> str:
    """Sums up a training's log."""
    log = read_log(folder / "train.log")
    bleu = log.best.get("bleu", float("nan"))
    text = f"valid BLEU {bleu:.1f}"
    if "bleu_true_codes" in log.best:
        text += f" ({log.best['bleu_true_codes']:.1f} with true codes)"
    return f"{text} after {log.updates:,} updates in {minutes(log.seconds)}"


# ------------------------------------------------------------------------- measurement


def measure(plan: Plan) -> str:
    """Scores and times every system on the test set, and prints the tables."""
    from vq_nat.bench import report, systems

    conditions = read_conditions(plan)
    test_set = read_test_set(plan)
    logs = {
        name: plan.work / name / "train.log" for name in ("teacher", *plan.students)
    }
    measured = [
        systems.System("teacher-beam4", plan.teacher, logs["teacher"]),
        systems.System("teacher-greedy", plan.teacher, logs["teacher"]),
    ]
    for name in plan.students:
        checkpoint = plan.work / name / "checkpoint_best.pt"
        measured.append(systems.System(name, checkpoint, logs[name]))
    rows = []
    for system in measured:
        row, state = measure_one(plan, system, test_set, conditions)
        rows.append(row)
        speed = f"{row['latency_ms']['median']:.1f} ms/sentence"
        say(f"      {system.name}: BLEU {row['bleu']:.1f}, {speed} ({state})")
    tables = report.full_report(rows)
    path = plan.work / "results.md"
    path.write_text(tables + "\n", encoding="utf-8")
    say(f"\n{tables}\n")
    return f"tables in {path}, rows in {plan.rows / test_set.corpus}"


def measure_one(
    plan: Plan, system: Any, test_set: Any, conditions: Any
) -> tuple[dict[str, Any], str]:
    """Returns a system's row, measured anew only if something has changed."""
    from vq_nat.bench import systems

    sources = corpus_stamp(plan.corpus)
    recipe = {
        "version": RECIPE_VERSION,
        "system": system.name,
        "corpus": f"{test_set.corpus}/{test_set.name}",
        "conditions": systems.describe_conditions(conditions),
        "inputs": {
            "checkpoint": sha256(system.checkpoint),
            "text": sha256(sources.with_name("raw.json")),
        },
    }
    stamp = plan.stamp(f"measure-{system.name}")
    path = systems.row_path(plan.rows, test_set.corpus, system.name)
    if is_done(stamp, recipe, path):
        return read_json(path), "reused"
    row = systems.measure(system, test_set, conditions)
    mark_done(stamp, recipe, systems.write_row(row, plan.rows))
    return row, "measured"


def read_conditions(plan: Plan) -> Any:
    """Returns how the preset wants systems to be measured."""
    from vq_nat.bench.systems import Conditions

    options = {k.replace("-", "_"): v for k, v in plan.preset["measure"].items()}
    return Conditions(device=find_device(plan), threads=plan.threads, **options)


def find_device(plan: Plan) -> str:
    """Returns where models run: the device asked for, or the GPU if there is one."""
    import torch

    if plan.device != "auto":
        return plan.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def read_test_set(plan: Plan) -> Any:
    """Reads the raw test set and all its references."""
    from vq_nat.bench.systems import TestSet

    corpus = plan.preset["corpus"]
    return TestSet.read(
        plan.corpus / "raw", corpus["name"], corpus.get("test-set", "test"), LANGS
    )


# ---------------------------------------------------------------------------- examples


def show_examples(plan: Plan) -> str:
    """Prints translations, with the words that each code produced."""
    import vq_nat

    student = vq_nat.load(plan.work / "student", device=find_device(plan))
    words_per_code = 2**student.model.cfg.compression_steps
    sources = read_test_set(plan).sources[:EXAMPLES]
    for source, found in zip(sources, student.hypotheses(sources), strict=True):
        say(f"\n      {LANGS[0]}  {source}\n      {LANGS[1]}  {found.text}")
        for index, code in enumerate(found.codes):
            chunk = found.tokens[index * words_per_code :][:words_per_code]
            name = "+".join(map(str, code))
            say(f"      {name:>10}  {join_subwords(chunk)}")
    say("")
    return f"each code stands for {words_per_code} subwords"


def join_subwords(tokens: list[str]) -> str:
    """Joins the subwords of one code; a word cut by the code's end keeps a hyphen."""
    words = " ".join(t for t in tokens if t != "</s>").replace("@@ ", "")
    return words.removesuffix("@@") + "-" if words.endswith("@@") else words or "(end)"


# ------------------------------------------------------------------------- small parts


def python(script: str, options: dict[str, Any]) -> list[str]:
    """Returns the call of a script of data_prep."""
    return [sys.executable, str(ROOT / "data_prep" / script), *flags(options)]


def flags(options: dict[str, Any]) -> list[str]:
    """Turns options into flags; True is a flag alone, False and None are no flag."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def say(text: str) -> None:
    """Prints at once, also into a pipe."""
    print(text, flush=True)


def minutes(seconds: float) -> str:
    """Writes a time span."""
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


# -------------------------------------------------------------------------------- main


def run(plan: Plan) -> None:
    """Runs all steps."""
    steps: list[tuple[str, Callable[[], str]]] = [
        ("Corpus: text, subwords, binary files", partial(make_corpus, plan)),
        (
            "Teacher: an autoregressive Transformer on the human text",
            partial(train, plan, "teacher", "teacher", plan.corpus),
        ),
        ("Distillation: the teacher translates", partial(distill, plan)),
    ]
    for name, corpus in plan.students.items():
        text = "the human text" if corpus == plan.corpus else "the teacher's output"
        train_it = partial(train, plan, name, "student", corpus)
        steps.append((f"Student: a latent model on {text}", train_it))
    steps.append(("Measurement: quality and time", partial(measure, plan)))
    steps.append(
        ("Examples: translations and their codes", partial(show_examples, plan))
    )
    begin = time.monotonic()
    for number, (title, action) in enumerate(steps, start=1):
        say(f"[{number}/{len(steps)}] {title}")
        say(f"      {action()}")
    say(f"All done in {minutes(time.monotonic() - begin)}.")


def read_preset(path: Path) -> dict[str, dict[str, Any]]:
    """Reads and checks a preset.

    Raises:
        PrepError: if it is missing or incomplete.
    """
    try:
        preset = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PrepError(f"The preset {path} is missing.") from None
    except yaml.YAMLError as error:
        place = str(error).replace("\n", " ")
        raise PrepError(
            f"The preset {path} must be YAML, but is not: {place}"
        ) from None
    for section in SECTIONS:
        if not isinstance(preset, dict) or not isinstance(preset.get(section), dict):
            raise PrepError(f"The preset {path} must have a section `{section}`.")
    for section, name in (
        ("corpus", "name"),
        ("corpus", "bpe-operations"),
        ("teacher", "max-update"),
        ("student", "max-update"),
    ):
        if name not in preset[section]:
            raise PrepError(f"Section `{section}` of {path} must have `{name}`.")
    return preset


def read_plan(args: argparse.Namespace) -> Plan:
    """Turns the command line into a plan.

    Raises:
        PrepError: if an option cannot be used.
    """
    if args.threads < 1:
        raise PrepError(f"--threads must be at least 1, but is {args.threads} instead.")
    if args.data is not None and args.corpus == "demo":
        raise PrepError("--data must go with --corpus multi30k; the demo needs none.")
    if args.data is not None and not args.data.is_dir():
        raise PrepError(f"--data must be a folder, but {args.data} is not.")
    preset = args.preset or ROOT / "examples" / "presets" / f"{args.corpus}.yaml"
    work = (args.work or ROOT / "runs" / args.corpus).resolve()
    return Plan(
        kind=args.corpus,
        preset=read_preset(preset),
        work=work,
        rows=(args.rows or work / "rows").resolve(),
        data=args.data and args.data.resolve(),
        threads=args.threads,
        device=args.device,
        compare=args.compare,
    )


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--corpus", choices=("demo", "multi30k"), default="demo", help="what to learn")
    add("--data", type=Path, help="multi30k: folder of the raw files (else: download)")
    add("--compare", action="store_true", help="train a student on the human text too")
    add("--work", type=Path, help="folder for everything (default: runs/CORPUS)")
    add("--rows", type=Path, help="folder for result rows (default: WORK/rows)")
    add("--preset", type=Path, help="default: examples/presets/CORPUS.yaml")
    add("--threads", type=int, default=2, help="CPU threads (default: 2)")
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto takes the GPU if there is one",
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    warnings.simplefilter("ignore")  # of fairseq's imports, which no user can heed
    logging.getLogger("fairseq").setLevel(logging.WARNING)
    with errors_as_sentences():
        plan = read_plan(args)
        with locked(plan.work):
            run(plan)


if __name__ == "__main__":
    main()
