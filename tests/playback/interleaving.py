"""A scheduler of turns: of several doings one at a time goes on, until its next seam.

A seam is where a doing opens a transaction or waits for the store. Which doing goes on is drawn
from a seed, so that a failing order of events can be had again.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from psycopg.rows import TupleRow
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message

from app.core.db import Database
from storage.keys import MasterKeys
from storage.ports import Store
from storage.sealed import SealedRef, SealedStore

PATIENCE_SECONDS = 60


@dataclass(eq=False)
class _Doing:
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    is_over: bool = False
    failure: BaseException | None = None


_DOING: ContextVar[_Doing | None] = ContextVar("doing", default=None)


class Turns:
    """Lets doings go on one at a time; `turn` counts, and belongs to one doing alone."""

    def __init__(self) -> None:
        self.turn = 0
        self._back = threading.Semaphore(0)

    def seam(self) -> None:
        """Wait for the next turn, if this thread works for a doing."""
        doing = _DOING.get()
        if doing is not None:
            self._back.release()
            doing.go.acquire()

    def run(self, works: list[Callable[[], None]], order: random.Random) -> None:
        """Do all of `works`, in turns as `order` draws them; raise what any of them raised."""
        doings = [_Doing() for _ in works]
        threads = [
            threading.Thread(target=self._do, args=(doing, work), daemon=True)
            for doing, work in zip(doings, works, strict=True)
        ]
        for thread in threads:
            thread.start()
        while going := [doing for doing in doings if not doing.is_over]:
            self.turn += 1
            order.choice(going).go.release()
            if not self._back.acquire(timeout=PATIENCE_SECONDS):
                raise TimeoutError("A doing does not come to its next seam.")
        for doing in doings:
            if doing.failure is not None:
                raise doing.failure

    def _do(self, doing: _Doing, work: Callable[[], None]) -> None:
        _DOING.set(doing)
        doing.go.acquire()
        try:
            work()
        except BaseException as exc:  # noqa: BLE001 - handed to whoever runs the turns.
            doing.failure = exc
        doing.is_over = True
        self._back.release()


class SeamedDatabase(Database):
    """A door to the database with a seam before each transaction and statement."""

    turns: Turns

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        self.turns.seam()
        with super().transaction() as session:
            yield session

    def statement(self, sql: str, parameters: Mapping[str, object]) -> TupleRow | None:
        self.turns.seam()
        return super().statement(sql, parameters)


class SeamedStore(SealedStore):
    """A store with a seam before and after each reading."""

    def __init__(self, store: Store, keys: MasterKeys, turns: Turns) -> None:
        super().__init__(store, keys)
        self._turns = turns

    def read(self, ref: SealedRef, *, start: int, length: int) -> bytes:
        self._turns.seam()
        found = super().read(ref, start=start, length=length)
        self._turns.seam()
        return found


@dataclass(kw_only=True)
class Answer:
    """What came back of one request, and in which turns; a cut answer has no end."""

    status: int = 0
    began: int = 0
    pieces: list[tuple[int, int]] = field(default_factory=list)
    has_ended: bool = False

    @property
    def is_given(self) -> bool:
        return self.status in {200, 206}

    def after(self, turn: int) -> bool:
        """Say whether sound began to come, or came, in a turn after `turn`."""
        return self.is_given and (self.began > turn or any(at > turn for at, _ in self.pieces))


def ask(app: ASGIApp, turns: Turns, path: str, headers: Mapping[str, str]) -> Answer:
    """Send a GET to `app` in this thread and write down when each part of the answer came."""
    answer = Answer()
    told = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        found = next(told, None)
        if found is None:
            await asyncio.Event().wait()  # The listener stays for as long as anything comes.
        return found or {}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.began = message["status"], turns.turn
        elif message["type"] == "http.response.body":
            if size := len(message.get("body", b"")):
                answer.pieces.append((turns.turn, size))
            answer.has_ended = not message.get("more_body", False)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("archive", 80),
        "state": {},
    }

    async def answered() -> None:
        await app(scope, receive, send)

    asyncio.run(answered())
    return answer
