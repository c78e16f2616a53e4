"""Owns the teacher's translations: decoded chunk by chunk, merged from all shards."""

from dataclasses import replace
from pathlib import Path

from data_prep.lib import pool, teachers
from data_prep.lib.distillation import Distillation
from data_prep.lib.evaluate import translate
from data_prep.lib.shards import Shard, Store, cut
from data_prep.lib.steps import UserError, tell
from data_prep.lib.text import read_lines

MIN_AGREEMENT = 90.0  # BLEU; int8 weights change some words, a wrong model changes all


def decode_all(task: Distillation, folder: Path) -> None:
    """Translates all sources on this machine and merges the chunks."""
    decode_shard(task, Shard(), folder)
    merge(task, folder)


def decode_shard(task: Distillation, shard: Shard, folder: Path | None = None) -> None:
    """Translates the chunks of a shard that are not finished."""
    store = task.store()
    for other, names in store.others().items():
        note = f"{store.root / other} holds translations with another "
        note += ", ".join(names)
        if folder is None:  # another process may still be adding to them
            raise UserError(f"{note}; give all shards the same, or delete that folder.")
        tell(f"note: {note}; they are not used")
    store.open()
    chunks = shard.own(cut(task.sources(), task.chunk_lines))
    missing = store.missing(chunks)
    finished = sum(chunk.lines for chunk in chunks)
    finished -= sum(chunk.lines for chunk in missing)
    if finished:
        tell(f"teacher: {finished} sentences are done already, going on")
    if missing:
        pool.decode(make_job(task, store, store.folder), missing, finished)


def make_job(task: Distillation, store: Store, folder: Path) -> pool.DecodingJob:
    """Returns what the workers do; a converted teacher is put into `folder`."""
    checkpoint, dictionaries = task.teacher, task.data.out / "bin"
    if task.decoding.backend == "ctranslate2":
        checkpoint = teachers.convert_for_ctranslate2(
            task.teacher, dictionaries, task.data.langs, folder
        )
        if task.agreement and task.decoding.temperature is None:
            check_agreement(task, checkpoint)
    return pool.DecodingJob(
        checkpoint, dictionaries, task.decoding, store, task.devices
    )


def check_agreement(task: Distillation, converted: Path) -> None:
    """Compares the other back end with ours on sentences from all over the corpus.

    Raises:
        UserError: if they translate differently.
    """
    from sacrebleu.metrics import BLEU

    path = task.sources()["train"]
    size = sum(1 for _ in read_lines(path))
    step = max(1, size // task.agreement)
    lines = [line for n, line in enumerate(read_lines(path)) if n % step == step // 2]
    texts = []
    for backend, checkpoint in (("fairseq", task.teacher), ("ctranslate2", converted)):
        precision = "float32" if backend == "fairseq" else task.decoding.precision
        decoding = replace(task.decoding, backend=backend, precision=precision)
        teacher = teachers.load_teacher(
            checkpoint, task.data.out / "bin", decoding, task.devices[0]
        )
        texts.append(translate(teacher, lines, decoding.max_tokens))
    same = sum(one == other for one, other in zip(*texts, strict=True))
    bleu = BLEU(tokenize="none", force=True).corpus_score(texts[1], [texts[0]]).score
    text = f"{same} of {len(lines)} sentences are the same, BLEU against each other "
    text += f"{bleu:.1f}"
    tell(f"teacher: fairseq and CTranslate2: {text}")
    if bleu < MIN_AGREEMENT:
        raise UserError(
            f"Both back ends must agree (BLEU {MIN_AGREEMENT} or more against each "
            f"other), but on a sample {text}; use --backend fairseq."
        )


def merge(task: Distillation, folder: Path) -> None:
    """Joins the chunks of all shards.

    Raises:
        UserError: if chunks are missing; the message says why, as far as known.
    """
    store, chunks = task.store(), cut(task.sources(), task.chunk_lines)
    others = store.others()
    if others and not store.folder.is_dir():
        name, names = next(iter(others.items()))
        raise UserError(
            f"{store.root / name} holds translations with another {', '.join(names)}; "
            "nothing is merged."
        )
    store.merge(chunks, folder)
