"""Owns plain text on its way to the model: reading, checking, tokenising, BPE.

The tokeniser has the settings of fairseq's `--tokenizer moses` (dash splits and
escapes on), so that `fairseq-interactive` sees words exactly as training did and
`--eval-bleu-detok moses` turns them back. Case is kept everywhere.
"""

import contextlib
import gzip
import io
import multiprocessing
import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import islice, zip_longest
from pathlib import Path

from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer
from sentencepiece import SentencePieceProcessor
from subword_nmt.apply_bpe import BPE
from tqdm import tqdm

from data_prep.lib.plan import CorpusPlan
from data_prep.lib.steps import UserError
from vq_nat.text import quotes
from vq_nat.text.lines import NotUTF8Error, clean, lines_of
from vq_nat.text.lines import decode_line as decode
from vq_nat.text.subwords import BytePairs

LINES_PER_CHUNK = 2_000
MARKS = set(quotes.MARKS)
LONG_WORD = 200  # letters
BLANK = "\u2581"  # how SentencePiece writes a blank


def decode_line(line: bytes, path: Path, number: int) -> str:
    """Returns a line as text, without the blanks at its ends.

    Raises:
        UserError: if it is not UTF-8 (file, line and byte).
    """
    try:
        return decode(line, str(path), number).strip()
    except NotUTF8Error as error:
        raise UserError(str(error)) from None


def read_lines(path: Path) -> Iterator[str]:
    """Yields the stripped lines of a UTF-8 file, which may be a .gz file.

    Only a line feed ends a line, as everywhere in this project.

    Raises:
        UserError: if the file is missing, damaged, or not UTF-8.
        BadFile: if a line has no end.
    """
    if not path.is_file():
        raise UserError(f"The file {path} is missing.")
    unpack = gzip.open if path.suffix == ".gz" else open
    try:
        with unpack(path, "rb") as file:
            for number, line in enumerate(lines_of(file, str(path)), start=1):
                yield decode_line(line, path, number)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a complete .gz file: {error}.") from None


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Writes one line each and returns how many there were."""
    count = 0
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    return count


def read_pairs(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Yields the aligned lines of the two sides.

    Raises:
        UserError: if one side has more lines than the other.
    """
    counts = [0, 0]
    for pair in zip_longest(read_lines(source), read_lines(target)):
        counts = [
            count + (line is not None) for count, line in zip(counts, pair, strict=True)
        ]
        if counts[0] == counts[1]:
            yield pair
    if counts[0] != counts[1]:
        raise UserError(
            f"Both sides must have the same number of lines, but {source} has "
            f"{counts[0]} and {target} has {counts[1]} instead."
        )


@cache
def _normalizer(lang: str, plain_quotes: bool) -> MosesPunctNormalizer:
    # Moving quotes around commas and putting commas into "10 000" is not ours to do:
    # the references are raw text.
    moses = MosesPunctNormalizer(lang, norm_quote_commas=False, norm_numbers=False)
    moses.substitutions = [
        one for one in moses.substitutions if plain_quotes or not set(one[0]) & MARKS
    ]
    return moses


@cache
def _tokenizer(lang: str) -> MosesTokenizer:
    return MosesTokenizer(lang)


@cache
def _detokenizer(lang: str) -> MosesDetokenizer:
    return MosesDetokenizer(lang)


def normalize(sentence: str, lang: str, plain_quotes: bool = True) -> str:
    """Normalises punctuation, for subwords that need no words.

    Args:
        sentence: raw text.
        lang: its language.
        plain_quotes: whether „ “ ” « » become straight ones.
    """
    text = _normalizer(lang, plain_quotes).normalize(clean(sentence))
    return " ".join(text.split())


def tokenize(sentence: str, lang: str, plain_quotes: bool = True) -> str:
    """Normalises punctuation as `normalize` does, and splits a sentence into words."""
    text = _normalizer(lang, plain_quotes).normalize(clean(sentence))
    moses = _tokenizer(lang)
    return moses.tokenize(text, aggressive_dash_splits=True, return_str=True)


def detokenize(words: str, lang: str, plain_quotes: bool = True) -> str:
    """Undoes :func:`tokenize` (spaces around punctuation follow the language)."""

    def decode(text: str) -> str:
        return _detokenizer(lang).detokenize(text.split())

    return decode(words) if plain_quotes else quotes.join(words, lang, decode)


def plain_text(words: str, lang: str, plan: CorpusPlan) -> str:
    """Undoes what made words of a corpus's text, if anything did."""
    if plan.tokenizer != "moses":
        return words
    return detokenize(words, lang, plan.has_plain_quotes(lang))


@cache
def load_bpe(codes: Path) -> BPE:
    """Returns the subword splitter that a file of subword-nmt's codes describes.

    Raises:
        UserError: if the file does not hold such codes.
    """
    try:
        # subword-nmt prints its complaint and exits
        with (
            open(codes, encoding="utf-8") as file,
            contextlib.redirect_stderr(io.StringIO()),
        ):
            return BPE(file)
    except (SystemExit, ValueError, IndexError):
        raise UserError(f"The file {codes} does not hold BPE codes.") from None


def apply_bpe(words: str, codes: Path) -> str:
    """Splits words into subwords, each but the last of a word marked by `@@`."""
    if len(max(words.split(" "), key=len)) > LONG_WORD:
        return BytePairs(codes).encode(words)  # the same, in less than quadratic time
    return load_bpe(codes).process_line(words)


@cache
def load_sentencepiece(model: Path) -> SentencePieceProcessor:
    """Returns the subword splitter of a SentencePiece model.

    Raises:
        UserError: if the file does not hold one.
    """
    try:
        return SentencePieceProcessor(model_file=str(model))
    except (RuntimeError, OSError):
        raise UserError(
            f"The file {model} does not hold a SentencePiece model."
        ) from None


def split_words(words: str, codes: Path) -> str:
    """Splits words into subwords by either kind of codes."""
    if codes.suffix == ".model":
        return " ".join(load_sentencepiece(codes).encode(words, out_type=str))
    return apply_bpe(words, codes)


def undo_bpe(subwords: str) -> str:
    """Joins subwords again, as fairseq's `--remove-bpe` does for either kind."""
    if BLANK in subwords:  # SentencePiece; it never leaves a blank as it is
        return "".join(subwords.split()).replace(BLANK, " ").strip()
    return (subwords + " ").replace("@@ ", "").rstrip()


def start_worker() -> None:
    """Lets a worker end with its parent: quietly, and also when that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _map_chunk(function: Callable[[str], str], lines: list[str]) -> list[str]:
    return [function(line) for line in lines]


def map_lines(
    function: Callable[[str], str], path: Path, workers: int
) -> Iterator[str]:
    """Yields `function(line)` for each line of a file, in order, with progress.

    Args:
        function: picklable (a top-level function or a `partial` of one).
        path: the file to read.
        workers: number of processes; short files are done in this one.
    """
    lines = read_lines(path)
    first = list(islice(lines, LINES_PER_CHUNK))
    with tqdm(desc=path.name, unit=" lines", leave=False, disable=None) as bar:
        yield from _counted(_map_chunk(function, first), bar)
        if workers == 1 or len(first) < LINES_PER_CHUNK:
            yield from _counted(map(function, lines), bar)
            return
        yield from _counted(_map_in_processes(function, lines, workers), bar)


def _map_in_processes(
    function: Callable[[str], str], lines: Iterator[str], workers: int
) -> Iterator[str]:
    """Keeps a bounded number of chunks in flight: a corpus need not fit in memory."""
    job = partial(_map_chunk, function)
    with ProcessPoolExecutor(workers, initializer=start_worker) as pool:
        pending = [
            pool.submit(job, chunk) for chunk in islice(_chunks(lines), 4 * workers)
        ]
        while pending:
            yield from pending.pop(0).result()
            pending += [pool.submit(job, c) for c in islice(_chunks(lines), 1)]


def _chunks(lines: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(lines, LINES_PER_CHUNK)):
        yield chunk


def _counted(lines: Iterable[str], bar: tqdm) -> Iterator[str]:
    for line in lines:
        bar.update()
        yield line
