"""Owns extra source text without translations, for the teacher to translate.

A sentence is left out if it is empty, too long or a repetition, if the training text
has it already, and above all if a validation or test set has it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path

from data_prep.lib.plan import CorpusPlan
from data_prep.lib.steps import UserError, Workspace, tell
from data_prep.lib.text import (
    map_lines,
    normalize,
    read_lines,
    split_words,
    tokenize,
    write_lines,
)

PATIENCE = 3_600.0  # seconds; all shards want this text, and one of them makes it


def prepare_mono(
    data: CorpusPlan, out: Path, paths: tuple[Path, ...], dry_run: bool = False
) -> Path:
    """Returns the file of subwords made of raw text files (.gz or not).

    Raises:
        UserError: if a file is missing, damaged or not UTF-8.
    """
    for path in paths:
        if not path.is_file():
            raise UserError(f"The file {path} is missing.")
    codes = data.out / "bpe" / data.codes_name
    inputs = {f"{number}.{path.name}": path for number, path in enumerate(paths)}
    inputs |= {data.codes_name: codes} | source_files(data)
    options = {"lang": data.source_lang, "max_length": data.max_length}
    with Workspace(out / "mono", PATIENCE, dry_run) as work:
        work.step("text", inputs, options, partial(make_text, data, paths))
    return out / "mono" / "text" / f"mono.{data.source_lang}"


def source_files(data: CorpusPlan) -> dict[str, Path]:
    """Returns the tokenised source side of every split."""
    lang = data.source_lang
    return {
        f"{split}.{lang}": data.out / "tok" / f"{split}.{lang}"
        for split in data.splits()
    }


def make_text(data: CorpusPlan, paths: tuple[Path, ...], folder: Path) -> None:
    """Tokenises, cleans and splits the text into subwords."""
    lang, counts = data.source_lang, Counter[str]()
    raw, tok = folder / f"raw.{lang}", folder / f"tok.{lang}"
    write_lines(raw, (line for path in paths for line in read_lines(path)))
    make_words = tokenize if data.tokenizer == "moses" else normalize
    plain = data.has_plain_quotes(lang)
    words = partial(make_words, lang=lang, plain_quotes=plain)
    write_lines(
        tok,
        new_sentences(map_lines(words, raw, data.workers), source_files(data), counts),
    )
    codes = data.out / "bpe" / data.codes_name
    subwords = map_lines(partial(split_words, codes=codes), tok, data.workers)
    kept = not_too_long(subwords, data.max_length, counts)
    counts["kept"] = write_lines(folder / f"mono.{lang}", kept)
    raw.unlink()
    tok.unlink()
    text = ", ".join(f"{count} {name}" for name, count in counts.items())
    tell(f"mono: {text}")
    lines = (f"{name}\t{count}" for name, count in sorted(counts.items()))
    write_lines(folder / "counts.tsv", lines)
    if not counts["kept"]:
        raise UserError(f"No sentence of {paths[0]} can be used.")


def digest(words: str) -> bytes:
    """Returns a short fingerprint of a sentence."""
    return blake2b(words.encode(), digest_size=8).digest()


def new_sentences(
    words: Iterable[str], known: dict[str, Path], counts: Counter[str]
) -> Iterator[str]:
    """Leaves out what is empty, repeated, or in one of the `known` files."""
    seen: dict[bytes, str] = {}
    for name, path in known.items():
        split = name.split(".")[0].rstrip("0123456789")
        seen |= {digest(line): f"in {split}" for line in read_lines(path)}
    for line in words:
        key = digest(line)
        fault = seen.get(key, "") if line else "empty"
        if fault:
            counts[fault] += 1
        else:
            seen[key] = "repeated"
            yield line


def not_too_long(
    lines: Iterable[str], longest: int, counts: Counter[str]
) -> Iterator[str]:
    """Leaves out sentences of more subwords than training takes."""
    for line in lines:
        if len(line.split()) <= longest:
            yield line
        else:
            counts["too long"] += 1
