"""Replace the targets of the training set by a teacher's translations.

The model then learns one consistent way to translate instead of many (Kim & Rush,
arXiv 1606.07947). Validation and test sets, BPE codes and dictionaries stay the same,
and the teacher's output is used in subwords as it comes: nothing is tokenised twice.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from prepare import (
    Plan,
    copy_raw,
    make_bin,
    raise_from_log,
    raw_files,
    usable_pairs,
)
from steps import PrepError, Workspace, errors_as_sentences, report, sha256
from text import detokenize, read_lines, undo_bpe, write_lines
from tqdm import tqdm

USER_DIR = Path(__file__).resolve().parent.parent / "vq_nat"


@dataclass(frozen=True)
class Decoding:
    """How the teacher translates."""

    checkpoint: Path
    beam: int
    max_tokens: int
    autocast: str


def distill(data: Plan, distilled: Plan, decoding: Decoding) -> None:
    """Run every step that has no valid stamp yet.

    Args:
        data: The prepared corpus.
        distilled: The corpus to make, with the same languages.
        decoding: The teacher and how it translates.

    Raises:
        PrepError: If the corpus, the teacher or an option cannot be used.
    """
    check(data, decoding)
    dictionary = data.out / "bin" / f"dict.{data.target_lang}.txt"
    source = data.out / "bpe" / f"train.{data.source_lang}"
    human = data.files(data.out / "bpe")
    with Workspace(distilled.out) as work:
        inputs = {"teacher": decoding.checkpoint, "dict.txt": dictionary, "src": source}
        options = {"beam": decoding.beam, "autocast": decoding.autocast}
        work.step("teacher", inputs, options, partial(decode, data, decoding))

        teacher = distilled.out / "teacher" / f"train.{data.target_lang}"
        inputs = {**human, "teacher": teacher, "bpe.codes": data.out / "bpe/bpe.codes"}
        options = {"max_length": distilled.max_length}
        work.step("bpe", inputs, options, partial(make_bpe, data, distilled))

        subwords = data.files(distilled.out / "bpe")
        work.step("tok", subwords, {}, partial(make_tok, subwords))
        train = {key: subwords[key] for key in subwords if key.startswith("train.")}
        inputs = {**raw_files(data), **train}  # the human training text is not used
        work.step("raw", inputs, {}, partial(make_raw, data, distilled))

        inputs = {**subwords, "dict.txt": dictionary}
        work.step(
            "bin", inputs, {"langs": list(data.langs)}, partial(make_bin, distilled)
        )
    report(f"ready: {distilled.out / 'bin'}")


def check(data: Plan, decoding: Decoding) -> None:
    """Refuse what cannot work before the teacher is started."""
    for name in ("beam", "max_tokens"):
        if getattr(decoding, name) < 1:
            option = "--" + name.replace("_", "-")
            raise PrepError(
                f"{option} must be at least 1, but is {getattr(decoding, name)} "
                "instead."
            )
    if not decoding.checkpoint.is_file():
        raise PrepError(f"The teacher's checkpoint, {decoding.checkpoint}, is missing.")
    dictionaries = [data.out / "bin" / f"dict.{lang}.txt" for lang in data.langs]
    needed = [*dictionaries, data.out / "bpe" / "bpe.codes"]
    for folder in ("raw", "bpe"):
        needed += data.files(data.out / folder).values()
    for path in needed:
        if not path.is_file():
            raise PrepError(f"The file {path} is missing; run prepare.py first.")
    if sha256(dictionaries[0]) != sha256(dictionaries[1]):
        raise PrepError(
            f"{dictionaries[0]} and {dictionaries[1]} must be one joint dictionary, "
            "but differ instead."
        )


# ------------------------------------------------------------------------- the teacher


def decode(data: Plan, decoding: Decoding, folder: Path) -> None:
    """Translate the training sources, in the order of the corpus."""
    source = data.out / "bpe" / f"train.{data.source_lang}"
    size = sum(1 for _ in read_lines(source))
    lines: list[str | None] = [None] * size
    translations = tqdm(
        run_teacher(data, decoding),
        total=size,
        desc="teacher",
        unit=" sentences",
        mininterval=1 if sys.stderr.isatty() else 30,
    )
    for number, line in translations:
        lines[number] = line
    missing = lines.count(None)
    if missing:
        raise PrepError(
            f"The teacher must translate all {size} training sentences, but left out "
            f"{missing} (the first is line {lines.index(None) + 1} of {source})."
        )
    target = folder / f"train.{data.target_lang}"
    write_lines(target, (line or "" for line in lines))


def run_teacher(data: Plan, decoding: Decoding) -> Iterator[tuple[int, str]]:
    """Yield (line number from 0, translation in subwords) as they are finished."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            teacher_command(data, decoding),
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
            env=environment,
        ) as process,
    ):
        try:
            yield from read_hypotheses(process.stdout or ())
        except BaseException:  # stopped half-way, by an error or by the user
            process.kill()
            raise
        if process.wait() != 0:
            log.seek(0)
            raise_from_log("fairseq-generate", log.read())


def teacher_command(data: Plan, decoding: Decoding) -> list[str]:
    """Return the call of fairseq-generate, without removal of BPE marks."""
    command = [sys.executable, "-m", "fairseq_cli.generate", str(data.out / "bin")]
    command += ["--user-dir", str(USER_DIR), "--task", "discrete_latent_translation"]
    command += ["--source-lang", data.source_lang, "--target-lang", data.target_lang]
    command += ["--path", str(decoding.checkpoint), "--gen-subset", "train"]
    command += ["--beam", str(decoding.beam), "--max-tokens", str(decoding.max_tokens)]
    command += ["--autocast", decoding.autocast, "--num-workers", "0"]
    # With fairseq's default of 8, up to 7 sentences are silently left out.
    command += ["--required-batch-size-multiple", "1"]
    # A teacher caught in a loop must not write 200 words for a sentence of five, and
    # an unknown word in a target would be learned as a word.
    command += ["--max-len-a", "2", "--max-len-b", "20", "--unkpen", "1000"]
    return command


def read_hypotheses(output: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Pick the translations ("H-number, score, text") out of fairseq's output."""
    for line in output:
        if line.startswith("H-"):
            name, _, text = line.rstrip("\n").split("\t", 2)
            yield int(name.removeprefix("H-")), text


# -------------------------------------------------------------------------- the corpus


def make_bpe(data: Plan, distilled: Plan, folder: Path) -> None:
    """Pair the sources with the teacher's output; the rest is as it was."""
    for path in (*data.files(data.out / "bpe").values(), data.out / "bpe/bpe.codes"):
        if not path.name.startswith("train."):
            shutil.copyfile(path, folder / path.name)
    source = read_lines(data.out / "bpe" / f"train.{data.source_lang}")
    target = read_lines(distilled.out / "teacher" / f"train.{data.target_lang}")
    pairs = usable_pairs(distilled, "train", zip(source, target, strict=True))
    sides = list(zip(*pairs, strict=True))
    for lang, lines in zip(data.langs, sides, strict=True):
        write_lines(folder / f"train.{lang}", lines)


def make_tok(subwords: dict[str, Path], folder: Path) -> None:
    """Write the words again, for reading and for other tools."""
    for name, path in subwords.items():
        write_lines(folder / name, map(undo_bpe, read_lines(path)))


def make_raw(data: Plan, distilled: Plan, folder: Path) -> None:
    """Keep the raw validation and test text; detokenise the training text to read."""
    copy_raw(data, folder)
    for lang in data.langs:
        words = read_lines(distilled.out / "tok" / f"train.{lang}")
        text = (detokenize(line, lang) for line in words)
        write_lines(folder / f"train.{lang}", text)


# -------------------------------------------------------------------------------- main


def read_plans(folder: Path, out: Path, workers: int) -> tuple[Plan, Plan]:
    """Return the plans of the prepared corpus in ``folder`` and of the distilled one.

    Raises:
        PrepError: If ``folder`` is not a prepared corpus.
    """
    path = folder / "bin" / "text.json"
    try:
        recipe = json.loads(path.read_text("utf-8"))
        langs = recipe["source_lang"], recipe["target_lang"]
    except FileNotFoundError:
        raise PrepError(f"The file {path} is missing; run prepare.py first.") from None
    except (ValueError, KeyError, TypeError):
        raise PrepError(f"{path} must name the two languages, but does not.") from None
    if out.resolve() == folder.resolve():
        raise PrepError(f"--out must not be the folder of --data, but both are {out}.")
    data = Plan(folder / "raw", folder, *langs, workers=workers)
    dictionary = folder / "bin" / f"dict.{langs[1]}.txt"
    distilled = Plan(
        folder / "raw", out, *langs, joined_dict=dictionary, workers=workers
    )
    return data, distilled


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--teacher", type=Path, required=True, help="checkpoint of the teacher")
    add("--data", type=Path, required=True, help="corpus made by prepare.py")
    add("--out", type=Path, required=True, help="folder of the distilled corpus")
    add("--beam", type=int, default=4, help="beam size of the teacher")
    add("--max-tokens", type=int, default=16_000, help="batch size in subwords")
    add("--autocast", default="none", help="number format, such as bfloat16")
    add("--workers", type=int, default=1, help="processes for binarising")
    args = parser.parse_args(argv)
    with errors_as_sentences():
        data, distilled = read_plans(args.data, args.out, args.workers)
        decoding = Decoding(args.teacher, args.beam, args.max_tokens, args.autocast)
        distill(data, distilled, decoding)


if __name__ == "__main__":
    main()
