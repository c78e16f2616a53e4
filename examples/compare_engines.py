r"""Does the engine write what the model writes, in float32 and in int8?

    python examples/compare_engines.py runs/demo/student/averaged.pt \
        --raw runs/demo/corpus/raw --teacher runs/demo/teacher \
        --shortlist shortlist.txt --out agreement/student.json

A checkpoint and its exported folders translate the same sentences, with every search
that its kind has; told are the shares of words, codes and sentences that are equal, how
far scores are apart where the words are equal, and BLEU. A latent model's candidates
are ranked by --teacher as well, if one is given; with --shortlist the int8 folder does
it all once more, looking at the file's words alone. `report.md` beside --out has the
tables of all rows of its folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypedDict

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

import vq_nat
from examples.lib.scripts import positive, refusals
from vq_nat.bench.machine import describe_machine
from vq_nat.bench.quality import score
from vq_nat.bench.sentences import TestSet
from vq_nat.engine.weights import FORMATS
from vq_nat.results.rows import Machine, rows_of_kind
from vq_nat.results.tables import Column, made_on, markdown, number, percent
from vq_nat.translated import Hypothesis
from vq_nat.translation.export import export_checkpoint
from vq_nat.translation.loading import languages_of
from vq_nat.writing import write_json, write_text

Decoding = dict[str, Any]
LATENT: dict[str, Decoding] = {
    "greedy": {},
    "beam 4": {"candidates": 4},
}
AUTOREGRESSIVE: dict[str, Decoding] = {"greedy": {"beam": 1}, "beam 4": {"beam": 4}}
KIND = "engine_agreement"  # of rows
RANKED = 10  # candidates of noisy parallel decoding


class Agreement(TypedDict):
    """What the engine writes, beside what the model writes."""

    search: str
    number_format: str
    words: float  # share of positions that are equal
    codes: float | None
    sentences: float
    score: float | None  # largest difference in nats where all words are equal
    bleu_model: float
    bleu: float


class AgreementRow(Machine):
    """Of one checkpoint."""

    kind: str
    label: str  # of the model
    corpus: str
    sentences: int
    agreement: list[Agreement]


COLUMNS: list[Column[Agreement]] = [
    ("search", lambda one: one["search"]),
    ("number format", lambda one: one["number_format"]),
    ("words equal", lambda one: percent(one["words"], 2)),
    ("codes equal", lambda one: percent(one["codes"], 2)),
    ("sentences equal", lambda one: percent(one["sentences"], 2)),
    ("scores differ by at most", lambda one: number(one["score"], 5)),
    ("BLEU of the model", lambda one: number(one["bleu_model"], 2)),
    ("of the engine", lambda one: number(one["bleu"], 2)),
]


def share(pairs: Iterable[tuple[Sequence[Any], Sequence[Any]]]) -> float:
    """Returns the share of positions that two lists of sequences have in common."""
    equal = whole = 0
    for own, other in pairs:
        equal += sum(a == b for a, b in zip(own, other, strict=False))
        whole += max(len(own), len(other))
    return equal / whole if whole else 1.0


def compare(
    names: tuple[str, str],
    wanted: Sequence[Hypothesis],
    own: Sequence[Hypothesis],
    test_set: TestSet,
) -> Agreement:
    """Compares what the model and the engine wrote.

    Args:
        names: of the search, and of the engine's number format.
        wanted: by the model.
        own: by the engine.
        test_set: what was translated.
    """
    pairs = list(zip(wanted, own, strict=True))
    same = [(a, b) for a, b in pairs if a.tokens == b.tokens]
    bleu = [
        score(
            [one.text for one in written],
            test_set.references,
            test_set.complete,
            test_set.target_lang,
        ).bleu
        for written in (wanted, own)
    ]
    coded = any(one.codes for one in wanted)
    return {
        "search": names[0],
        "number_format": names[1],
        "words": share((a.tokens, b.tokens) for a, b in pairs),
        "codes": share((a.codes, b.codes) for a, b in pairs) if coded else None,
        "sentences": len(same) / len(pairs),
        "score": max((abs(a.score - b.score) for a, b in same), default=None),
        "bleu_model": bleu[0],
        "bleu": bleu[1],
    }


def searches_of(latent: bool, teacher: Path | None) -> dict[str, Decoding]:
    """Returns the ways of decoding by name; the one of a teacher names its path."""
    if not latent:
        return AUTOREGRESSIVE
    if teacher is None:
        return LATENT
    ranked = {"candidates": RANKED, "teacher": str(teacher)}
    return {**LATENT, f"{RANKED} candidates ranked by the teacher": ranked}


def measure(
    checkpoint: Path,
    test_set: TestSet,
    data: Path | None,
    teacher: Path | None,
    shortlist: Path | None = None,
) -> list[Agreement]:
    """Translates with the model and with the engine, and compares.

    Args:
        checkpoint: of a latent model, or of an autoregressive Transformer.
        test_set: what is translated.
        data: see `Translator.load`.
        teacher: checkpoint that ranks a latent model's candidates.
        shortlist: file of words that the int8 engine looks at, once more.
    """
    rows: list[Agreement] = []
    latent = vq_nat.load(checkpoint, data=data).parallel
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number_format in FORMATS:
            for own, path in (("student", checkpoint), ("teacher", teacher)):
                if path is not None:
                    out = folder / f"{own}-{number_format}"
                    export_checkpoint(path, out, data, number_format)
        for search, decoding in searches_of(latent, teacher).items():
            model = vq_nat.load(checkpoint, data=data, **decoding)
            wanted = model.hypotheses(test_set.sources)
            for label, number_format, more in ways(shortlist):
                asked = {**decoding, **more}
                if "teacher" in asked:
                    asked["teacher"] = str(folder / f"teacher-{number_format}")
                exported = vq_nat.load(folder / f"student-{number_format}", **asked)
                own = exported.hypotheses(test_set.sources)
                rows.append(compare((search, label), wanted, own, test_set))
    return rows


def ways(shortlist: Path | None) -> list[tuple[str, str, Decoding]]:
    """Returns the engine's ways by label: number format, and options of decoding."""
    plain: list[tuple[str, str, Decoding]] = [(one, one, {}) for one in FORMATS]
    if shortlist is None:
        return plain
    return [*plain, ("int8, shortlist", "int8", {"shortlist": str(shortlist)})]


def report(rows: Sequence[AgreementRow]) -> str:
    """Writes the tables of all rows, the machine and versions beside them."""
    parts = ["# The engine beside the models that it runs"]
    for row in rows:
        told = f"{row['sentences']:,} sentences of {row['corpus'] or 'a corpus'}."
        parts += [f"## {row['label']}", f"{told} {made_on([row])}"]
        parts += [markdown(COLUMNS, row["agreement"])]
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Compares, prints the table, and writes the row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", type=Path, help="a checkpoint, latent or autoregressive")
    add("--raw", type=Path, required=True, help="folder with test.SOURCE, test.TARGET")
    add("--data", type=Path, help="see `vq-nat translate`")
    add("--teacher", type=Path, help="checkpoint that ranks candidates")
    add("--shortlist", type=Path, help="file of data_prep/shortlist.py")
    add(
        "--first", type=positive, default=1000, help="so many sentences (default: 1000)"
    )
    add("--corpus", default="", help="its name in the row")
    add("--label", default="", help="the model's name in the row")
    add("--out", type=Path, help="where the row goes")
    options = parser.parse_args(arguments)
    languages = languages_of(options.model, options.data)
    test_set = TestSet.read(options.raw, options.corpus, "test", languages)
    test_set = test_set.first(options.first)
    given = options.data, options.teacher, options.shortlist
    rows = measure(options.model, test_set, *given)
    print(markdown(COLUMNS, rows))
    if options.out is not None:
        row: AgreementRow = {
            "kind": KIND,
            **describe_machine("cpu", torch.get_num_threads()),
            "label": options.label or options.out.stem,
            "corpus": options.corpus,
            "sentences": len(test_set.sources),
            "agreement": rows,
        }
        write_json(row, options.out)
        folder = options.out.parent
        write_text(report(rows_of_kind(folder, KIND)), folder / "report.md")


if __name__ == "__main__":
    with refusals():
        main()
