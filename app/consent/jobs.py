"""The background jobs of consent: flags that follow what happens elsewhere."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from app.consent import queries, service
from app.core.clock import Clock
from app.core.db import Database
from app.core.jobs import Job, enqueue
from app.fixity import holds as store_holds


class Tools(Protocol):
    """What this job needs of the worker's tools."""

    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...


def handle_refresh_flags(tools: Tools, assertion_id: str) -> None:
    """Let the flags of all recordings follow an assertion on a client, contact or agent."""
    with tools.database.transaction() as session:
        found = queries.assertion(session, UUID(assertion_id))
        affected = queries.recordings_of(session, found) if found else []
    for recording_id in affected:
        _follow(tools, recording_id)


def handle_refresh_flag(tools: Tools, recording_id: str) -> None:
    """Let the flag of one recording follow a change of its link or of who is heard in it."""
    _follow(tools, UUID(recording_id))


def _follow(tools: Tools, recording_id: UUID) -> None:
    with tools.database.transaction() as session:
        service.refresh_flag(session, recording_id, at=tools.clock.now())
        # Whose it is decides too whether a hold's rule has caught it.
        store_holds.follow(session, recording_id)
        job = Job(task="releases.reconsider", args={"recording_id": str(recording_id)})
        enqueue(session, job)
