"""Owns a model's card: the page that goes with a model that is passed on.

Its head is what the Hugging Face hub reads of a page; all figures are those of a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..writing import write_text
from .rows import Row, at
from .tables import NOTHING, Column, markdown, number

CARD = "README.md"
KINDS = {
    "latent": "a latent model: it predicts a few codes one after the other, then "
    "writes all words at once",
    "parallel": "one of fairseq's parallel models: it writes all words at once",
    "autoregressive": "an autoregressive Transformer: it writes word after word",
}
# Of a row, what the card says of it.
TOLD = (
    "system",
    "label",
    "corpus",
    "text",
    "engine",
    "dtype",
    "decoding",
    "device",
    "processor",
    "threads",
    "latency_ms",
    "throughput",
    "versions",
    "commit",
)
SCORES = ("sentences", "bleu", "bleu_signature", "chrf", "chrf_signature")


def summary(row: Row, path: Path) -> dict[str, Any]:
    """Returns what a card says of a row.

    Args:
        row: of one system.
        path: of the row, for the sentence.

    Raises:
        ValueError: if it has no BLEU with its signature.
    """
    if not isinstance(row.get("bleu"), (int, float)) or not row.get("bleu_signature"):
        raise ValueError(
            f"{path} must be a row with `bleu` and its signature, but has none."
        )
    known: dict[str, Any] = {**row}
    others = known.get("other_test_sets") or {}
    tests = {str(known.get("test_set")): known, **others}
    return {
        **{name: known[name] for name in TOLD if known.get(name) is not None},
        "tests": {
            name: {score: of_one.get(score) for score in SCORES}
            for name, of_one in tests.items()
        },
    }


def write_card(
    folder: Path,
    description: str,
    digest: str,
    languages: Sequence[str],
    about: Mapping[str, Any],
    use: str,
) -> Path:
    """Writes the card of a folder.

    Args:
        folder: of the model.
        description: name of the file that lists the hashes of all others.
        digest: its SHA-256.
        languages: source and target.
        about: see `translation.about`.
        use: how it is used, Markdown.
    """
    head = json.dumps(front(languages, about), indent=1, ensure_ascii=False)
    parts = [
        f"---\n{head}\n---",
        f"# {title(languages, about)}",
        what(languages, about),
        f"## Use\n\n{use}",
        "## Data\n\n" + data(about),
        "## Results\n\n" + results(about.get("result")),
        "## How it was trained\n\n" + training(about),
        "## Licence\n\n" + licence(about),
        f"## Files\n\n`{description}` lists the SHA-256 of each file but this one, and "
        "they are checked whenever the folder is read. Its own is\n"
        f"`{digest}`.",
    ]
    return write_text("\n\n".join(parts), folder / CARD)


def front(languages: Sequence[str], about: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the head of the page; JSON is YAML as well."""
    metadata: dict[str, Any] = {
        "library_name": "vq-nat",
        "pipeline_tag": "translation",
        "language": list(languages),
        "tags": ["translation", "vq-nat", str(about.get("kind"))],
    }
    if about.get("licence"):
        metadata["license"] = about["licence"]
    result = about.get("result")
    if result:
        metadata["model-index"] = [
            {
                "name": title(languages, about),
                "results": [
                    entry(name, test, result) for name, test in result["tests"].items()
                ],
            }
        ]
    return metadata


def entry(
    name: str, test: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the figures of one test set as the hub reads them."""
    signature = test.get("bleu_signature")
    return {
        "task": {"type": "translation"},
        "dataset": {
            "name": f"{result.get('corpus')}, {name}",
            "type": str(result.get("corpus")),
        },
        "metrics": [{"type": "bleu", "value": test["bleu"], "name": signature}],
    }


def title(languages: Sequence[str], about: Mapping[str, Any]) -> str:
    """Returns what the page is called."""
    result = about.get("result") or {}
    system = result.get("system") or about.get("architecture") or "model"
    return plain(f"{system}, {languages[0]} → {languages[1]}")


def what(languages: Sequence[str], about: Mapping[str, Any]) -> str:
    """Says what kind of a model it is."""
    kind = KINDS.get(str(about.get("kind")), "a translation model")
    size = about.get("parameters")
    sizes = f", {size:,} parameters" if isinstance(size, int) else ""
    shape = plain(about.get("architecture"))
    source, target = languages
    return (
        f"Translates from `{source}` to `{target}`. It is {kind} "
        f"(architecture `{shape}`{sizes}). Made with vq-nat, discrete latent "
        "variables for machine translation."
    )


def data(about: Mapping[str, Any]) -> str:
    """Says what it was trained on, as far as its checkpoint and text say."""
    result, text = about.get("result") or {}, about.get("text") or {}
    lines = []
    if result.get("corpus"):
        kind = f", {plain(result['text'])} text" if result.get("text") else ""
        lines.append(f"Corpus: {plain(result['corpus'])}{kind}")
    if text.get("pairs"):
        lines.append(f"Sentence pairs: {text['pairs']:,}")
    if text.get("teacher"):
        beam = (text.get("decoding") or {}).get("beam")
        how = f", beam {beam}" if beam else ""
        lines.append(f"Target side: output of the teacher `{text['teacher']}`{how}")
    if text.get("manifest"):
        lines.append(f"SHA-256 of the text's manifest: `{text['manifest']}`")
    return bullets(lines) or "Its checkpoint does not name the corpus."


def results(result: Mapping[str, Any] | None) -> str:
    """Returns the table of quality and time with the recipe of its figures."""
    if not result:
        return "It was passed on without measured figures."
    tests = [{"name": name, **test} for name, test in result["tests"].items()]
    columns: list[Column] = [
        ("test set", lambda test: plain(test["name"])),
        ("sentences", lambda test: str(test.get("sentences") or NOTHING)),
        ("BLEU", lambda test: number(test.get("bleu"), 2)),
        ("chrF", lambda test: number(test.get("chrf"), 2)),
    ]
    lines = [*signatures(tests), *speed(result)]
    return f"{markdown(columns, tests)}\n\n{bullets(lines)}"


def signatures(tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields how BLEU and chrF were computed; most test sets share it."""
    for name, score in (("BLEU", "bleu"), ("chrF", "chrf")):
        known = [test.get(f"{score}_signature") for test in tests]
        for signature in dict.fromkeys(one for one in known if one):
            yield f"{name} is sacreBLEU's, `{plain(signature, '')}`"


def speed(result: Mapping[str, Any]) -> Iterator[str]:
    """Yields times, and under what conditions they hold."""
    row = dict(result)
    median, p90 = at(row, "latency_ms", "median"), at(row, "latency_ms", "p90")
    if median is not None:
        includes = plain(at(row, "latency_ms", "includes") or "")
        yield (
            f"Time of one sentence: {number(median)} ms (90 % are below "
            f"{number(p90)} ms); {includes}"
        )
    per_second = at(row, "throughput", "sentences_per_s")
    if per_second is not None:
        batch = at(row, "throughput", "batch_size")
        yield f"Sentences a second: {number(per_second)}, {batch} at a time"
    names = ("engine", "dtype", "device", "processor", "threads", "commit")
    known = [f"{name} {plain(row[name])}" for name in names if row.get(name)]
    options = row.get("decoding") or {}
    known += [f"{name} {plain(value)}" for name, value in options.items()]
    versions = row.get("versions") or {}
    known += [f"{name} {plain(version)}" for name, version in versions.items()]
    if known:
        yield f"Measured with: {', '.join(known)}"


def training(about: Mapping[str, Any]) -> str:
    """Lists how it was trained."""
    told = about.get("training") or {}
    lines = [
        f"{name.replace('_', ' ')}: {plain(value)}"
        for name, value in told.items()
        if value is not None and name not in ("best", "metric")
    ]
    if told.get("best") is not None:
        metric = plain(told.get("metric") or "loss")
        lines.append(f"best {metric} on the validation set: {told['best']}")
    if about.get("checkpoint"):
        lines.append(f"SHA-256 of the checkpoint: `{about['checkpoint']}`")
    return bullets(lines) or "Its checkpoint does not say."


def licence(about: Mapping[str, Any]) -> str:
    """Says under which licence it is passed on."""
    if about.get("licence"):
        return f"`{plain(about['licence'])}`"
    return (
        "None is stated: ask who passed it on. A model may also be bound by the "
        "licence of its training data."
    )


def bullets(lines: Sequence[str]) -> str:
    """Returns a list."""
    return "\n".join(f"- {line}" for line in lines)


def plain(value: object, bars: str = "|") -> str:
    """Returns a value in one line that no table or markup takes apart.

    Args:
        value: whatever it is.
        bars: what would end the cell of a table; "" outside of one.
    """
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    text = " ".join(str(value).split())
    return "".join(" " if sign in f"`<>{bars}" else sign for sign in text)
