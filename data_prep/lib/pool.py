"""Owns the local workers of a decoding: chunks in, chunk files out, one progress bar.

Every worker takes the next chunk that nobody has, and writes a finished chunk in the
background while it decodes the next one.
"""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_EXCEPTION,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep.lib import teachers
from data_prep.lib.shards import Chunk, Store
from data_prep.lib.steps import UserError
from data_prep.lib.teachers import Decoding, Hypothesis, Teacher, batches_by_length
from data_prep.lib.text import start_worker

DIGITS = 4  # of a score
Report = Callable[[int], None]


class Stopped(Exception):
    """Another worker has failed, or the user has stopped the run."""


@dataclass(frozen=True)
class DecodingJob:
    """What all workers do."""

    checkpoint: Path
    data: Path  # folder of the dictionaries
    decoding: Decoding
    store: Store
    devices: tuple[str, ...]  # one for each worker


def decode(job: DecodingJob, chunks: list[Chunk], finished: int) -> None:
    """Decodes chunks with a worker on each device.

    Args:
        job: what to do.
        chunks: what is not finished yet.
        finished: number of sentences that are, for the progress bar.
    """
    total = finished + sum(chunk.lines for chunk in chunks)
    if not chunks:
        return
    with tqdm(
        total=total,
        initial=finished,
        desc="teacher",
        unit=" sentences",
        mininterval=1 if sys.stderr.isatty() else 30,
    ) as bar:
        workers = min(len(job.devices), len(chunks))
        if workers == 1:
            work(job, job.devices[0], iter(chunks), bar.update)
        else:
            run_workers(job, chunks, workers, bar)


def work(job: DecodingJob, device: str, chunks: Iterator[Chunk], count: Report) -> None:
    """Decodes chunks one after the other, writing each while the next is decoded."""
    with contextlib.redirect_stdout(sys.stderr):
        teacher = teachers.load_teacher(job.checkpoint, job.data, job.decoding, device)
    with ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        for chunk in chunks:
            rows = decode_chunk(teacher, chunk, job.decoding, count)
            if writing is not None:
                writing.result()
            writing = writer.submit(job.store.save, chunk, rows)
        if writing is not None:
            writing.result()


def decode_chunk(
    teacher: Teacher, chunk: Chunk, decoding: Decoding, count: Report
) -> list[list[Hypothesis]]:
    """Returns the hypotheses of each line of a chunk, in the order of the lines.

    Raises:
        UserError: if the teacher cannot take a line.
    """
    lines = chunk.read()
    for number, line in enumerate(lines, start=chunk.first):
        if len(line.split()) > teacher.longest:
            raise UserError(
                f"{chunk.path}, line {number}: the sentence has {len(line.split())} "
                f"subwords, but the teacher takes at most {teacher.longest}."
            )
    rows: list[list[Hypothesis]] = [[] for _ in lines]
    batches = batches_by_length(lines, decoding.max_tokens)
    for number, batch in enumerate(batches):
        # Neither shard nor worker may change what is drawn.
        seed = hash((decoding.seed, chunk.index, number)) % 2**31
        outputs = teacher.translate([lines[i] for i in batch], seed)
        for i, of_one in zip(batch, outputs, strict=True):
            best = of_one[: decoding.nbest]
            rows[i] = [(round(score, DIGITS), text) for score, text in best]
        count(len(batch))
    return rows


# ------------------------------------------------------------------------ the processes


class Shared:
    """What the processes tell each other."""

    def __init__(self, context: Any) -> None:
        self.taken = context.Value("q", 0)  # chunks that some worker has
        self.done = context.Value("q", 0)  # sentences
        self.stop = context.Value("b", False)

    def take(self, chunks: list[Chunk]) -> Iterator[Chunk]:
        """Yields the next chunk that no other worker has, until there is none."""
        while True:
            with self.taken.get_lock():
                index = self.taken.value
                self.taken.value += 1
            if index >= len(chunks):
                return
            yield chunks[index]

    def count(self, sentences: int) -> None:
        """Reports progress, and ends this worker if the run is over."""
        with self.done.get_lock():
            self.done.value += sentences
        if self.stop.value:
            raise Stopped


_shared: Shared | None = None  # in a worker


def enter_worker(shared: Shared) -> None:
    """Begins a worker's life."""
    global _shared
    _shared = shared
    start_worker()


def work_on_shared(job: DecodingJob, device: str, chunks: list[Chunk]) -> None:
    """Works on the chunks that other workers leave."""
    assert _shared is not None
    work(job, device, _shared.take(chunks), _shared.count)


def run_workers(job: DecodingJob, chunks: list[Chunk], workers: int, bar: tqdm) -> None:
    """Lets processes share out the chunks, and shows what they have done together."""
    context = multiprocessing.get_context("spawn")
    shared = Shared(context)
    with (
        shared_threads(workers),
        ProcessPoolExecutor(workers, context, enter_worker, (shared,)) as pool,
    ):
        pending = {
            pool.submit(work_on_shared, job, device, chunks)
            for device in job.devices[:workers]
        }
        try:
            while pending:
                done, pending = wait(pending, 0.2, FIRST_EXCEPTION)
                bar.update(bar.initial + shared.done.value - bar.n)
                for future in done:
                    future.result()
        except BrokenProcessPool:
            raise UserError(
                "A worker was killed, perhaps for want of memory; run the same command "
                "again, with fewer --workers or --max-tokens."
            ) from None
        finally:
            shared.stop.value = True


@contextlib.contextmanager
def shared_threads(workers: int) -> Iterator[None]:
    """Lets processes that are started inside have their share of the threads each."""
    before = os.environ.get("OMP_NUM_THREADS")
    threads = int(before or os.cpu_count() or 1)
    os.environ["OMP_NUM_THREADS"] = str(max(1, threads // workers))
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
