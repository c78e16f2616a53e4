"""Clients that ask a service for translations, and look at the clock.

They speak HTTP over connections that stay open, with less work than a library's client
would do in the process that also counts the time: with few cores, that work would be
the measurement.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple

HOST = "127.0.0.1"
LENGTH = b"content-length:"
Span = tuple[float, float]  # when a request began, and when its answer was there


class Window(NamedTuple):
    """The time in which is counted."""

    start: float
    seconds: float

    def has(self, moment: float) -> bool:
        """Whether a moment lies in it."""
        return self.start <= moment <= self.start + self.seconds


class Figures(NamedTuple):
    """How long the answers took.

    A wait belongs to the moment when it began, or the longest would be left out; the
    rate counts answers when they came, or those at both edges would.
    """

    milliseconds: list[float]  # of what was asked in the window
    answered: int  # in it
    seconds: float  # that it lasted

    def summary(self) -> dict[str, float]:
        """Returns requests a second, and the quantiles of the waiting time."""
        times = sorted(self.milliseconds)
        return {
            "requests": self.answered,
            "seconds": round(self.seconds, 3),
            "requests_per_s": round(self.answered / self.seconds, 1),
            "p50_ms": round(quantile(times, 0.5), 3),
            "p99_ms": round(quantile(times, 0.99), 3),
        }


def quantile(times: Sequence[float], share: float) -> float:
    """Returns the smallest time that a share of sorted times does not exceed.

    Raises:
        ValueError: if there are none.
    """
    if not times:
        raise ValueError("the service must have answered, but has not.")
    return times[max(0, -int(-len(times) * share // 1) - 1)]


async def load(
    port: int,
    requests: Sequence[bytes],
    clients: int,
    warm_up: float,
    seconds: float,
) -> Figures:
    """Has clients ask, each for its next translation when it has the last.

    Args:
        port: of the service on this machine.
        requests: one for each sentence; every client begins at another one.
        clients: how many.
        warm_up: seconds that are not counted.
        seconds: that are.
    """
    window = Window(time.perf_counter() + warm_up, seconds)
    step = max(1, len(requests) // clients)
    of_clients = await asyncio.gather(
        *(
            client(port, islice(cycle(requests), i * step, None), window)
            for i in range(clients)
        )
    )
    return figures([one for spans in of_clients for one in spans], window)


def figures(spans: Sequence[Span], window: Window) -> Figures:
    """Counts what was asked and what was answered in a window."""
    times = [1000 * (end - begun) for begun, end in spans if window.has(begun)]
    return Figures(times, sum(window.has(end) for _, end in spans), window.seconds)


def translation_request(sentence: str, source: str, target: str) -> bytes:
    """Returns a request for a sentence's translation."""
    fields = {"q": sentence, "source": source, "target": target}
    body = json.dumps(fields).encode()
    head = (
        f"POST /translate HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def client(port: int, requests: Iterator[bytes], window: Window) -> list[Span]:
    """Asks until the time is over; returns when each request began and was answered.

    Raises:
        RuntimeError: if an answer is no translation.
    """
    reader, writer = await asyncio.open_connection(HOST, port)
    spans: list[Span] = []
    for one in requests:
        begun = time.perf_counter()
        if begun >= window.start + window.seconds:
            break
        writer.write(one)
        status, body = await answer(reader)
        now = time.perf_counter()
        if status != 200:
            raise RuntimeError(f"the service answers {status}: {body.decode()}")
        spans.append((begun, now))
    writer.close()
    await writer.wait_closed()
    return spans


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Reads an answer: its status and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = head.lower().partition(LENGTH)[2]
    body = await reader.readexactly(int(fields.partition(b"\r\n")[0]))
    return int(head[9:12]), body
