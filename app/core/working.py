"""Threads that work on a body while it comes; the event loop only collects its pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from fastapi import Request

from app.core import traces
from app.core.lending import Lender, Loan, lender_of

SHORT_BYTES: Final = 64 * 1024
LONG_BYTES: Final = 512 * 1024
"""How long batches are: short where many bodies come at once, and long where few do."""
_BATCHES_BYTES: Final = 4 * 1024 * 1024

Done = TypeVar("Done")


def share_of(bodies: int) -> int:
    """Return how long a batch of one of so many bodies may be, for they share one room."""
    return max(SHORT_BYTES, min(LONG_BYTES, _BATCHES_BYTES // max(1, bodies)))


class Workers:
    """Threads that work on bodies, and the room for the batches that they have in hand.

    Those that wait for their senders have no share of it: who drips makes nobody else slower. Used
    by the event loop.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._bodies = 0

    @contextmanager
    def share(self) -> Iterator[int]:
        """Have a share of the room: how long a batch of one more body may be."""
        self._bodies += 1
        try:
            yield share_of(self._bodies)
        finally:
            self._bodies -= 1

    async def do(self, work: Callable[[], Done]) -> Done:
        """Have a thread do some work, and wait for it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, traces.carried(work))


class Working(Generic[Done]):
    """Has threads work on one body: each batch is given to `feed`, then comes `finish`.

    A thread reads on itself what comes quickly; see `lending`. Where few bodies come, one that has
    had the last byte finishes at once, which saves a hand-over. Where many do, those that wait for
    threads meanwhile would take more room.
    """

    def __init__(
        self,
        request: Request,
        workers: Workers,
        *,
        feed: Callable[[bytes], None],
        finish: Callable[[], Done],
    ) -> None:
        declared = request.headers.get("content-length", "")
        self.declared_bytes = int(declared) if declared.isdigit() else None
        self._request = request
        self._workers = workers
        self._feed = feed
        self._finish = finish
        self._waiting: list[bytes] = []
        self._done: list[Done] = []
        self.waiting_bytes = 0
        self.received_bytes = 0

    def add(self, piece: bytes) -> None:
        """Collect a piece that came by the event loop."""
        self._waiting.append(piece)
        self.waiting_bytes += len(piece)
        self.received_bytes += len(piece)

    @property
    def is_short(self) -> bool:
        """Tell whether the body is surely not longer than what is worked on at once."""
        return self.declared_bytes is not None and self.declared_bytes <= SHORT_BYTES

    @property
    def is_whole(self) -> bool:
        """Tell whether all of the body has come that was declared."""
        return self.received_bytes == self.declared_bytes

    @property
    def is_done(self) -> bool:
        """Tell whether the body was finished with its last byte."""
        return bool(self._done)

    async def work(self) -> None:
        """Have a thread work on what waits, and on what more it can read."""
        lender = lender_of(self._request)
        loan = lender.lend() if lender is not None else None
        with self._workers.share() as batch_bytes:
            if lender is None or loan is None:
                await self._workers.do(self._feed_waiting)
            else:
                await self._work_on(lender, loan, batch_bytes)

    async def _work_on(self, lender: Lender, loan: Loan, batch_bytes: int) -> None:
        loan.let_wait(batch_bytes)
        unread_bytes = len(loan.unread)
        self.add(loan.unread)
        loan.unread = b""
        before = self.received_bytes
        try:
            await self._workers.do(lambda: self._feed_on(loan, batch_bytes, before))
        finally:
            self.received_bytes = before + loan.taken
            self._request.state.paced.count(unread_bytes + loan.taken)
            lender.give_back(loan)

    async def finish(self) -> Done:
        """Have a thread work on what waits still, and finish, unless that was done already."""
        if not self._done:
            await self._workers.do(self._feed_and_finish)
        return self._done[0]

    async def stop(self, last: Callable[[], None], *, is_feeding: bool = True) -> None:
        """Have a thread do what is `last`, and before it work on what waits still."""

        def stopped() -> None:
            if is_feeding:
                self._feed_waiting()
            last()

        await self._workers.do(stopped)

    def _feed_waiting(self) -> None:
        # One long piece costs less than many short ones.
        batch = b"".join(self._waiting)
        self._waiting.clear()
        self.waiting_bytes = 0
        if batch:
            self._feed(batch)

    def _feed_and_finish(self) -> None:
        self._feed_waiting()
        self._done.append(self._finish())

    def _feed_on(self, loan: Loan, batch_bytes: int, before: int) -> None:
        try:
            self._feed_waiting()
            while loan.left and self._feed_batch(loan, batch_bytes):
                pass
        finally:
            loan.end()
        is_whole = before + loan.taken == self.declared_bytes
        if is_whole and batch_bytes >= LONG_BYTES:
            self._done.append(self._finish())

    def _feed_batch(self, loan: Loan, batch_bytes: int) -> bool:
        """Work on what can be read; return whether there was as much as was wanted.

        What was read is held once, and no longer than it is worked on: bodies are many.
        """
        pieces = loan.batch(batch_bytes)
        batch = b"".join(pieces)
        pieces.clear()
        if batch:
            self._feed(batch)
        return len(batch) >= batch_bytes
