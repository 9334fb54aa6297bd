"""Softphones that send each call until it is acknowledged, and remember every answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
from sqlalchemy import func, select, text

from app.core.clock import SystemClock
from app.core.db import DatabaseAway
from app.custody.ledger import Act
from app.custody.models import CustodyEntry
from app.recordings.models import Leg, Recording, SealedRow
from app.uploads import jobs
from tests.factories import wav
from tests.live import Live, metadata

SENDERS = 3
PATIENCE_SECONDS = 120


@dataclass
class Book:
    """What was sent and answered."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    answers: list[httpx.Response] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def send(self, live: Live, sender: int) -> None:
        number = 0
        while not self.over.is_set():
            call, body = f"call-{sender}-{number}", wav(0.3 + sender + number / 100)
            answer = live.send(metadata(call), body)
            self.answers.append(answer)
            if answer.is_success:
                self.acknowledged[call] = body
                number += 1
            time.sleep(0.1)

    def refused(self) -> list[httpx.Response]:
        return [answer for answer in list(self.answers) if not answer.is_success]

    def wait_answers(self, more: int, *, taken: bool | None = None) -> None:
        """Wait until so many more were taken, or refused, or either."""

        def count() -> int:
            if taken is None:
                return len(self.answers)
            return len(self.acknowledged) if taken else len(self.refused())

        before, give_up_at = count(), time.monotonic() + PATIENCE_SECONDS
        while count() < before + more:
            assert time.monotonic() < give_up_at, "taken" if taken else "refused"
            time.sleep(0.1)


@contextmanager
def sending(live: Live) -> Iterator[Book]:
    """Let senders send during the block; what broke them is raised after it."""
    book = Book()
    live.key("phone")
    with ThreadPoolExecutor(SENDERS) as pool:
        senders = [pool.submit(book.send, live, sender) for sender in range(SENDERS)]
        try:
            yield book
        finally:
            book.over.set()
    for sender in senders:
        sender.result()


def all_were_told_to_come_again(book: Book) -> Counter[str]:
    """See that whatever was not taken was answered with 503 and a time; count by problem."""
    told: Counter[str] = Counter()
    for answer in book.refused():
        assert answer.status_code == 503, answer.text
        assert answer.headers["Retry-After"]
        told[answer.json()["type"].removeprefix("/problems/")] += 1
    return told


def each_is_there_once(live: Live, book: Book) -> None:
    """See that each acknowledged call is kept once with its bytes, and nothing besides."""
    with suppress(DatabaseAway), live.tools.database.transaction() as session:
        # A connection that died while nobody used it is found dead at its next use.
        session.execute(text("SELECT 1"))
    later = SystemClock().now() + timedelta(hours=1)
    jobs.sweep(live.tools, older_than=later)
    with live.tools.database.transaction() as session:
        counts = [
            session.scalars(select(func.count()).select_from(table)).one()
            for table in (Recording, Leg, SealedRow)
        ]
        entries = session.scalar(
            select(func.count())
            .select_from(CustodyEntry)
            .where(CustodyEntry.act == Act.RECORDING_INGESTED)
        )
    assert [*counts, entries] == [len(book.acknowledged)] * 4
    assert len(list(live.tools.archive.listed(later))) == len(book.acknowledged)
    for call, body in book.acknowledged.items():
        again = live.send(metadata(call), body)
        assert again.status_code == 200, again.text
        path = f"/v1/recordings/{again.json()['id']}/audio?form=original"
        assert live.call("GET", path, who="reviewer").content == body
