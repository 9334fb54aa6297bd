"""Background work of this room: events that arrive later, and what interrupted uploads left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.recordings import call_events, service
from app.recordings.models import SealedRow
from app.settings import Settings
from storage.sealed import SealedReaper

_log = structlog.get_logger()
_BATCH = 500

Named = Callable[[Session, Sequence[UUID]], set[UUID]]


class RecordingTools(Protocol):
    """What the jobs of this room need."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def archive(self) -> SealedReaper: ...


def adopt(tools: RecordingTools, event_id: str | None = None, client_id: str | None = None) -> None:
    """Tie to a newly told event or client the recordings that waited for it."""
    with tools.database.transaction() as session:
        if event_id is not None:
            window = timedelta(hours=tools.settings.event_window_hours)
            taken = service.adopt_by_event(
                session, UUID(event_id), window=window, at=tools.clock.now()
            )
            _log.info("recordings.adopted", event_id=event_id, count=taken)
        if client_id is not None:
            taken = service.adopt_by_client(session, UUID(client_id), at=tools.clock.now())
            _log.info("recordings.identified", client_id=client_id, count=taken)


def place_parties(tools: RecordingTools, call_id: str) -> None:
    """Let the parties of a call's recordings follow its events, where both came at one time."""
    with tools.database.transaction() as session:
        for recording in call_events.matching(session, call_id):
            call_events.place(
                session, recording, region=tools.settings.region, at=tools.clock.now()
            )


def sweep(tools: RecordingTools, *, older_than: datetime, named_elsewhere: Named) -> int:
    """Remove objects without a row and unfinished drafts; return how many objects went.

    Only what is older than any upload can last is looked at, since an object comes before its
    row. `named_elsewhere` says which of some objects have a row in a room above this one.
    """
    drafts = tools.archive.sweep_drafts(older_than)
    removed = 0
    for batch in batches(tools.archive.listed(older_than)):
        with tools.database.transaction() as session:
            known = set(
                session.scalars(select(SealedRow.object_id).where(SealedRow.object_id.in_(batch)))
            )
            known |= named_elsewhere(session, batch)
        for object_id in set(batch) - known:
            tools.archive.delete(object_id)
            removed += 1
    _log.info("sweep.done", objects=removed, drafts=drafts)
    return removed


def batches(ids: Iterator[UUID]) -> Iterator[list[UUID]]:
    """Yield ids in lists that one question to the database can be about."""
    while batch := list(islice(ids, _BATCH)):
        yield batch
