"""Sentences that arrive together are decoded together, and nothing else changes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.unit.serve.fakes import settings
from vq_nat.serve.batching import Batcher
from vq_nat.serve.limits import Refusal


class Decoder:
    """Doubles numbers, and keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, list[int]]] = []
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, key: Any, items: list[int]) -> list[int]:
        """Returns twice each item; -1 fails."""
        self.calls.append((key, items))
        self.begun.set()
        assert self.gate.wait(10)
        if items == [-2]:
            return []
        if -1 in items:
            raise ValueError("an item must not be -1, but is.")
        return [2 * item for item in items]


def served(
    work: Callable[[Batcher, Decoder], Awaitable[Any]], **limits: Any
) -> tuple[Decoder, Any]:
    """Runs some work with a batcher; gives its decoder and the work's result."""
    decoder = Decoder()

    async def run() -> Any:
        batcher = Batcher(decoder, settings(**limits))
        batcher.start()
        try:
            return await work(batcher, decoder)
        finally:
            decoder.gate.set()
            await batcher.close()

    return decoder, asyncio.run(run())


def test_what_arrives_together_is_decoded_in_one_call_and_in_order() -> None:
    async def work(batcher: Batcher, _: Decoder) -> list[list[int]]:
        texts = [[3], [1, 2], [5], [4]]
        return await asyncio.gather(*(batcher.submit("a", text) for text in texts))

    decoder, results = served(work)
    assert results == [[6], [2, 4], [10], [8]]
    assert decoder.calls == [("a", [3, 1, 2, 5, 4])]


def test_who_comes_within_the_window_is_in_the_batch() -> None:
    async def work(batcher: Batcher, _: Decoder) -> list[int]:
        first = asyncio.create_task(batcher.submit("a", [1]))
        await asyncio.sleep(0.02)
        return [*await batcher.submit("a", [2]), *await first]

    decoder, results = served(work, window=0.3)
    assert results == [4, 2]
    assert decoder.calls == [("a", [1, 2])]


def test_a_batch_is_no_larger_than_it_may_be() -> None:
    async def work(batcher: Batcher, _: Decoder) -> list[int]:
        return await batcher.submit("a", range(7))

    decoder, results = served(work, batch=3)
    assert results == [0, 2, 4, 6, 8, 10, 12]
    assert [len(items) for _, items in decoder.calls] == [3, 3, 1]


def test_kinds_are_not_mixed_and_the_oldest_is_first() -> None:
    async def work(batcher: Batcher, _: Decoder) -> list[list[int]]:
        wanted = [("a", [1]), ("b", [2]), ("a", [3])]
        return await asyncio.gather(*(batcher.submit(*one) for one in wanted))

    decoder, results = served(work)
    assert results == [[2], [4], [6]]
    assert decoder.calls == [("a", [1, 3]), ("b", [2])]


def test_while_one_batch_is_decoded_the_next_gathers_without_a_window() -> None:
    async def work(batcher: Batcher, decoder: Decoder) -> list[list[int]]:
        decoder.gate.clear()
        first = asyncio.create_task(batcher.submit("a", [1]))
        await asyncio.to_thread(decoder.begun.wait, 5)
        others = [asyncio.create_task(batcher.submit("a", [i])) for i in (2, 3, 4)]
        await asyncio.sleep(0.02)  # longer than the window
        assert len(batcher) == 3
        decoder.gate.set()
        return [await task for task in (first, *others)]

    decoder, results = served(work)
    assert results == [[2], [4], [6], [8]]
    assert [items for _, items in decoder.calls] == [[1], [2, 3, 4]]


def test_a_bad_item_takes_no_other_with_it() -> None:
    async def work(batcher: Batcher, _: Decoder) -> list[Any]:
        texts = [[1], [-1], [2]]
        return await asyncio.gather(
            *(batcher.submit("a", text) for text in texts), return_exceptions=True
        )

    _, (first, second, third) = served(work)
    assert (first, third) == ([2], [4])
    assert str(second) == "an item must not be -1, but is."


def test_of_a_batch_that_fails_nobody_is_decoded_again_who_is_gone() -> None:
    async def work(batcher: Batcher, decoder: Decoder) -> None:
        decoder.gate.clear()
        waiting = asyncio.create_task(batcher.submit("a", [1, -1, 2]))
        await asyncio.to_thread(decoder.begun.wait, 5)
        with pytest.raises(Refusal, match=r"must be there in 0\.05 s"):
            await waiting

    decoder, _ = served(work, seconds=0.05)
    assert decoder.calls == [("a", [1, -1, 2])]


def test_results_that_are_missing_are_told_and_others_served() -> None:
    async def work(batcher: Batcher, _: Decoder) -> list[int]:
        with pytest.raises(RuntimeError, match="must be 1 results, but are 0"):
            await batcher.submit("a", [-2])
        assert batcher.serves
        return await batcher.submit("a", [3])

    assert served(work)[1] == [6]


def test_a_full_queue_refuses_a_request_whole() -> None:
    async def work(batcher: Batcher, decoder: Decoder) -> list[int]:
        decoder.gate.clear()
        first = asyncio.create_task(batcher.submit("a", [1]))
        await asyncio.to_thread(decoder.begun.wait, 5)
        second = asyncio.create_task(batcher.submit("a", [2, 3]))
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="room for 2 more, but 2 of 3") as refused:
            await batcher.submit("a", [4, 5])
        assert refused.value.status == 429 and refused.value.retry
        third = asyncio.create_task(batcher.submit("a", [6]))
        await asyncio.sleep(0)
        decoder.gate.set()
        return [*await first, *await second, *await third]

    decoder, results = served(work, queue=3)
    assert results == [2, 4, 6, 12]
    assert 4 not in sum((items for _, items in decoder.calls), [])


def test_who_waits_too_long_is_told_so_and_not_decoded() -> None:
    async def work(batcher: Batcher, decoder: Decoder) -> int:
        decoder.gate.clear()
        first = asyncio.create_task(batcher.submit("a", [1]))
        await asyncio.to_thread(decoder.begun.wait, 5)
        with pytest.raises(Refusal, match=r"must be there in 0\.05 s") as refused:
            await batcher.submit("a", [2])
        with pytest.raises(Refusal):
            await first
        assert len(batcher) == 0
        return refused.value.status

    decoder, status = served(work, seconds=0.05)
    assert status == 504
    assert decoder.calls == [("a", [1])]


def test_the_end_finishes_what_waits_and_takes_no_more() -> None:
    async def work(batcher: Batcher, decoder: Decoder) -> list[list[int]]:
        decoder.gate.clear()
        tasks = [asyncio.create_task(batcher.submit("a", [i])) for i in (1, 2)]
        await asyncio.to_thread(decoder.begun.wait, 5)
        tasks.append(asyncio.create_task(batcher.submit("b", [3])))
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="about to end") as refused:
            await batcher.submit("a", [4])
        assert refused.value.status == 503
        decoder.gate.set()
        await closing
        return [await task for task in tasks]

    decoder, results = served(work)
    assert results == [[2], [4], [6]]
    assert decoder.calls == [("a", [1, 2]), ("b", [3])]


@pytest.mark.parametrize("name", ["batch", "queue", "seconds"])
def test_a_bound_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be at least .* and finite"):
        settings(**{name: 0})
