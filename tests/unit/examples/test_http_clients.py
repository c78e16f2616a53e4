"""What the clients of a service read and count."""

import asyncio
import json

import pytest

from examples.lib.http_clients import Figures, answer, quantile, translation_request


def test_a_quantile_is_a_time_that_was_seen() -> None:
    times = [float(n) for n in range(1, 101)]
    assert quantile(times, 0.5) == 50.0
    assert quantile(times, 0.99) == 99.0
    assert quantile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="must have answered, but has not"):
        quantile([], 0.5)


def test_a_summary_counts_what_was_answered() -> None:
    summary = Figures([3.0, 1.0, 2.0], 0.5).summary()
    assert summary["requests_per_s"] == 6.0
    assert (summary["p50_ms"], summary["p99_ms"]) == (2.0, 3.0)


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
