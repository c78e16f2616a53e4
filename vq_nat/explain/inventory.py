"""Which words, places and lengths each code stands for, counted over a data set.

The codes are those that compressor and bottleneck give the reference translations.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..translation.translator import Translator
from ..writing import write_text

MOST = 10  # words and chunks kept of each code
COLUMNS = (
    *("slice", "code", "count", "share", "words", "chunks"),
    *("mean_place", "mean_words", "mean_sentence_words"),
)


class Chunk(NamedTuple):
    """The words behind one step of codes."""

    codes: tuple[int, ...]  # one of each slice
    words: tuple[str, ...]  # subwords, without padding
    place: int  # step of the sentence, from 0
    sentence_words: int


@dataclass
class CodeCounts:
    """What has been seen with one code of one slice."""

    count: int = 0
    words: Counter[str] = field(default_factory=Counter)
    chunks: Counter[str] = field(default_factory=Counter)
    places: Counter[int] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)  # words in the chunk
    sentences: Counter[int] = field(default_factory=Counter)  # words in the sentence

    def add(self, chunk: Chunk) -> None:
        """Counts one more occurrence."""
        self.count += 1
        self.words.update(chunk.words)
        self.chunks[" ".join(chunk.words)] += 1
        self.places[chunk.place] += 1
        self.lengths[len(chunk.words)] += 1
        self.sentences[chunk.sentence_words] += 1


Inventory = dict[tuple[int, int], CodeCounts]  # by slice and code


@torch.no_grad()
def read_chunks(
    translator: Translator, split: str, batch_size: int = 64
) -> Iterator[Chunk]:
    """Yields every chunk of the references of a split, with its codes."""
    model, task = translator.model, translator.task
    device, size = next(model.parameters()).device, model.chunk
    task.load_dataset(split)
    dataset = task.dataset(split)
    for start in range(0, len(dataset), batch_size):
        rows = range(start, min(start + batch_size, len(dataset)))
        sample = dataset.collater([dataset[i] for i in rows])
        source = model.encode(sample["net_input"]["src_tokens"].to(device))
        target = sample["target"].to(device)
        codes = model.true_codes(target, source)
        for words, of_one, mask in zip(target, codes.codes, codes.mask):
            tokens = translator.codec.subwords(words[words.ne(model.pad)])
            for place, step in enumerate(of_one[mask].tolist()):
                chunk = tokens[place * size : (place + 1) * size]
                yield Chunk(tuple(step), tuple(chunk), place, len(tokens))


def some_sentences(translator: Translator, split: str, count: int = 3) -> list[str]:
    """Returns raw sentences of a split's sources, evenly spaced."""
    task, codec = translator.task, translator.codec
    dictionary: Any = codec.source  # fairseq's
    task.load_dataset(split)
    dataset = task.dataset(split)
    places = [i * len(dataset) // count for i in range(min(count, len(dataset)))]
    rows = [dataset[place]["source"] for place in places]
    return [
        codec.tokenizer.decode(codec.bpe.decode(dictionary.string(row))) for row in rows
    ]


def count_codes(chunks: Iterator[Chunk]) -> Inventory:
    """Counts what each code of each slice occurs with."""
    inventory: Inventory = {}
    for chunk in chunks:
        for key in enumerate(chunk.codes):
            inventory.setdefault(key, CodeCounts()).add(chunk)
    return inventory


def mean(counts: Counter[int]) -> float:
    """Returns the mean of counted numbers."""
    return sum(value * n for value, n in counts.items()) / max(1, counts.total())


def describe(inventory: Inventory) -> list[dict[str, Any]]:
    """Turns counts into records, the most frequent code of a slice first."""
    totals: Counter[int] = Counter()
    for (part, _), counts in inventory.items():
        totals[part] += counts.count
    order = sorted(inventory, key=lambda key: (key[0], -inventory[key].count, key[1]))
    records = []
    for part, code in order:
        counts = inventory[part, code]
        records.append(
            {
                "slice": part,
                "code": code,
                "count": counts.count,
                "share": round(counts.count / totals[part], 5),
                "words": counts.words.most_common(MOST),
                "chunks": counts.chunks.most_common(MOST),
                "places": sorted(counts.places.items()),
                "mean_place": round(mean(counts.places), 2),
                "mean_words": round(mean(counts.lengths), 2),
                "mean_sentence_words": round(mean(counts.sentences), 2),
            }
        )
    return records


def write_records(records: list[dict[str, Any]], path: Path) -> None:
    """Writes records as JSON, or as columns if the name ends in `.tsv`."""
    if path.suffix == ".tsv":
        lines = ["\t".join(COLUMNS)]
        lines += [
            "\t".join(cell(record[name]) for name in COLUMNS) for record in records
        ]
        text = "\n".join(lines)
    else:
        text = json.dumps(records, indent=1, ensure_ascii=False)
    write_text(text, path)


def cell(value: Any) -> str:
    """Sets a figure, or counted words, in one column."""
    if isinstance(value, list):
        return ", ".join(f"{name} ({n})" for name, n in value)
    return str(value)
