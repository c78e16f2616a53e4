"""How systems are measured; the same for all that are compared. Needs no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from typing import Any, ClassVar, NamedTuple

from ..engine import MOST_THREADS, all_threads


@dataclass(frozen=True)
class Clock:
    """One way to time a system.

    Attributes:
        batch_size: sentences in a call; 0 = the largest that fits.
        threads: of the CPU; 0 = all that this process may use.
        device: where, "" = that of the conditions.
    """

    FORM: ClassVar[str] = 'BATCH:THREADS as in "8:1", with quotes'

    MOST_THREADS: ClassVar[int] = MOST_THREADS

    batch_size: int = 1
    threads: int = 1
    device: str = ""

    def __post_init__(self) -> None:
        for name, most in (("batch_size", inf), ("threads", MOST_THREADS)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                bound = "0 or more" if most == inf else f"from 0 to {most}"
                raise ValueError(f"`{name}` must be {bound}, but is {value} instead.")

    @classmethod
    def read(cls, text: str) -> Clock:
        """Reads BATCH_SIZE:THREADS or BATCH_SIZE:THREADS:DEVICE, as in "8:1".

        Raises:
            ValueError: for anything else.
        """
        size, _, rest = text.partition(":")
        threads, _, device = rest.partition(":")
        if not (size.isdecimal() and threads.isdecimal()):
            raise ValueError(
                "a clock must be BATCH_SIZE:THREADS or BATCH_SIZE:THREADS:DEVICE, "
                f"but is {text!r} instead."
            )
        return cls(int(size), int(threads), device)


class Rules(NamedTuple):
    """What all clocks have in common."""

    warm_up: int = 10  # sentences, at least one batch
    repeats: int = 3
    memory_limit: int = 8 * 2**30  # bytes of this process, for the largest batch


@dataclass(frozen=True)
class Conditions:
    """How a system is measured; the same for all that are compared.

    Attributes:
        device: where quality, `latency_ms` and `throughput` are measured.
        threads: the same for threads.
        autocast: see `--autocast`; a system's own `decoding` may say otherwise.
        batch_size: of the scored translation and of `throughput`.
        timed_sentences: spread evenly over the test set; the same for all clocks.
        warm_up: sentences before each clock starts.
        repeats: rounds over the timed sentences.
        clocks: that are read as well; those of one sentence at a time, with 1 thread
            and with `threads`, are always read.
        stages: whether the time of each stage is measured, one sentence at a time.
        memory_limit_gb: of this process, for the clock of the largest batch.
        comet: file of a COMET model on this machine.
        timed_by_length: sentences of each range of lengths that are timed one at a
            time besides; 0 = none.
    """

    device: str = "cpu"
    threads: int = 1
    autocast: str = "none"
    batch_size: int = 64
    timed_sentences: int = 100
    warm_up: int = 10
    repeats: int = 3
    clocks: tuple[Clock, ...] = ()
    stages: bool = False
    memory_limit_gb: float = 8.0
    comet: str | None = None
    timed_by_length: int = 0

    def all_clocks(self) -> list[Clock]:
        """Returns the clocks to read, `latency_ms` first, each once."""
        wanted = [Clock(1, self.threads), Clock(1, 1), *self.clocks]
        return list(dict.fromkeys(self.resolve(clock) for clock in wanted))

    def resolve(self, clock: Clock) -> Clock:
        """Replaces "" by the conditions' device, and 0 by the number of all threads."""
        threads = clock.threads or all_threads()
        return Clock(clock.batch_size, threads, clock.device or self.device)

    @property
    def rules(self) -> Rules:
        """What all clocks have in common."""
        limit = int(self.memory_limit_gb * 2**30)
        return Rules(self.warm_up, self.repeats, limit)


def describe_conditions(conditions: Conditions) -> dict[str, Any]:
    """Returns everything a measured row depends on besides model and test set."""
    from .machine import processor, versions  # which ask torch

    return {
        **asdict(conditions),
        "clocks": [asdict(clock) for clock in conditions.clocks],  # as JSON reads it
        "processor": processor(conditions.device),
        "versions": versions(),
    }
