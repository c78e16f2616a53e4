"""What the clients of a service read and count."""

import asyncio
import json

import pytest

from examples.lib.http_clients import (
    Figures,
    Window,
    answer,
    figures,
    quantile,
    translation_request,
)


def test_a_quantile_is_a_time_that_was_seen() -> None:
    times = [float(n) for n in range(1, 101)]
    assert quantile(times, 0.5) == 50.0
    assert quantile(times, 0.99) == 99.0
    assert quantile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="must have answered, but has not"):
        quantile([], 0.5)


def test_a_summary_counts_what_was_answered() -> None:
    summary = Figures([3.0, 1.0, 2.0], 3, 0.5).summary()
    assert summary["requests_per_s"] == 6.0
    assert (summary["p50_ms"], summary["p99_ms"]) == (2.0, 3.0)


def test_no_wait_is_left_out_at_the_edges() -> None:
    """A service that answers one after the other, each after two seconds."""
    spans = [(2.0 * n, 2.0 * n + 2) for n in range(8)]
    found = figures(spans, Window(start=3.0, seconds=8.0))
    assert found.milliseconds == [2000.0] * 4  # begun at 4, 6, 8 and 10
    assert found.answered == 4  # at 4, 6, 8 and 10
    late = figures([*spans, (10.5, 99.0)], Window(start=3.0, seconds=8.0))
    assert max(late.milliseconds) == 88500.0 and late.answered == 4


def test_a_request_tells_its_length_and_an_answer_is_read_whole() -> None:
    head, _, body = translation_request("ä", "en", "de").partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"q": "ä", "source": "en", "target": "de"}

    async def read() -> list[tuple[int, bytes]]:
        reader = asyncio.StreamReader()
        for text in ("ab", "cde"):
            size = f"content-length: {len(text)}"
            reader.feed_data(f"HTTP/1.1 200 OK\r\n{size}\r\n\r\n{text}".encode())
        return [await answer(reader), await answer(reader)]

    assert asyncio.run(read()) == [(200, b"ab"), (200, b"cde")]
