"""Sentences that arrive together are decoded together.

One queue, and one thread that decodes: while it does, the next batch gathers. No two
decodings run at the same time, so that their times can be compared.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .limits import Limits, Refusal

Decode = Callable[[Any, list[Any]], Sequence[Any]]
RETRY = 1.0  # seconds until a full queue is worth another try
log = logging.getLogger(__name__)


@dataclass
class Waiting:
    """An item in the queue."""

    key: Hashable
    item: Any
    answer: asyncio.Future[Any]
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """Gathers items of the same kind, and decodes them in batches.

    A batch is begun when its oldest item has waited for the window, or when it is full.
    Items of a kind come back in the order in which they came.

    Args:
        decode: gives a result for each item; it runs in a thread of its own. Its first
            argument is the key that the items share.
        limits: of batches and of the queue.
        seen: is told the size and the seconds of each batch.
    """

    def __init__(
        self,
        decode: Decode,
        limits: Limits,
        seen: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self.decode, self.limits, self.seen = decode, limits, seen
        self.closing = False
        self._queue: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._queue)

    @property
    def serves(self) -> bool:
        """Whether it takes items, and decodes them."""
        return not self.closing and self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begins to serve, in the event loop that runs."""
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def close(self) -> None:
        """Finishes what has been taken, and takes no more."""
        self.closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def submit(self, key: Hashable, items: Sequence[Any]) -> list[Any]:
        """Returns the results of some items; all are taken, or none.

        Args:
            key: of their kind; others of the same key may be decoded with them.
            items: what is decoded.

        Raises:
            Refusal: if the queue is full, the service ends, or the time is over; what
                still waits by then is not decoded.
            ValueError: what `decode` says of an item.
        """
        if self.closing:
            raise Refusal(503, "the service is about to end.", RETRY)
        if len(self) + len(items) > self.limits.queue:
            raise Refusal(
                429,
                f"the queue must have room for {len(items)} more, but {len(self)} of "
                f"{self.limits.queue} sentences wait already.",
                RETRY,
            )
        loop = asyncio.get_running_loop()
        waiting = [Waiting(key, item, loop.create_future()) for item in items]
        self._queue.extend(waiting)
        self._arrived.set()
        try:
            async with asyncio.timeout(self.limits.seconds):
                return [await one.answer for one in waiting]
        except TimeoutError:
            raise Refusal(
                504,
                f"the answer must be there in {self.limits.seconds:g} s, but is not.",
                RETRY,
            ) from None
        finally:
            self._forget(waiting)

    def _forget(self, waiting: list[Waiting]) -> None:
        """Takes out of the queue what nobody waits for any more."""
        for one in waiting:
            if not one.answer.done():
                one.answer.cancel()
            elif not one.answer.cancelled():
                one.answer.exception()  # seen, or of no interest beside the first
        if any(one.answer.cancelled() for one in waiting):
            self._queue = deque(x for x in self._queue if not x.answer.cancelled())

    # -- the loop ------------------------------------------------------------------

    async def _serve(self) -> None:
        while self._queue or not self.closing:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._gather()
            if batch := self._take():
                await self._run(batch)

    async def _gather(self) -> None:
        """Waits until the oldest item's window is over, or a batch is full."""
        while self._queue and not self.closing and not self._full():
            left = self._queue[0].since + self.limits.window - time.monotonic()
            if left <= 0:
                return
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                return

    def _full(self) -> bool:
        if len(self._queue) < self.limits.batch:
            return False
        key = self._queue[0].key
        return sum(one.key == key for one in self._queue) >= self.limits.batch

    def _take(self) -> list[Waiting]:
        """Takes the oldest item, and those of its kind behind it."""
        batch: list[Waiting] = []
        left: deque[Waiting] = deque()
        for one in self._queue:
            fits = not batch or one.key == batch[0].key
            (batch if fits and len(batch) < self.limits.batch else left).append(one)
        self._queue = left
        return batch

    async def _run(self, batch: list[Waiting]) -> None:
        """Decodes a batch; of one that fails, each item by itself.

        So one bad item takes no other with it.
        """
        loop = asyncio.get_running_loop()
        key, items = batch[0].key, [one.item for one in batch]
        start = time.monotonic()
        try:
            results = await loop.run_in_executor(self._thread, self.decode, key, items)
            if len(results) != len(batch):
                raise RuntimeError(
                    f"there must be {len(batch)} results, but are {len(results)}."
                )
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    if not one.answer.done():  # who waits no more is not decoded
                        await self._run([one])
                return
            if not isinstance(error, ValueError):
                log.exception("A batch could not be decoded.")
            if not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        self.seen(len(batch), time.monotonic() - start)
        for one, result in zip(batch, results):
            if not one.answer.done():
                one.answer.set_result(result)
