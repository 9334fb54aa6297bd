"""The background jobs of releases: `releases.reconsider`, `releases.sweep`, `releases.destroy`."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import ReleaseId
from app.releases import copies, queries, service
from app.releases.copies import ReleaseStore


class Tools(Protocol):
    """What these jobs need of the worker's tools."""

    @property
    def database(self) -> Database: ...
    @property
    def release(self) -> ReleaseStore: ...
    @property
    def clock(self) -> Clock: ...


def handle_reconsider(tools: Tools, recording_id: str) -> None:
    """Decide anew on the live releases of a recording whose consent state has changed."""
    with tools.database.transaction() as session:
        found = queries.live_of(session, UUID(recording_id))
    _reconsider(tools, [ReleaseId(release_id) for release_id in found])


def handle_sweep(tools: Tools) -> None:
    """Decide anew on every granted release that is closed, whatever closed it.

    Time, a contact's verification, a contract or a pack closes links too, and belongs to no one
    recording.
    """
    with tools.database.transaction() as session:
        found = queries.closed(session, tools.clock.now())
    _reconsider(tools, [ReleaseId(release_id) for release_id in found])


def handle_destroy(tools: Tools, release_id: str) -> None:
    """Destroy the copies of an ended release, the keys first."""
    copies.destroy(tools.database, tools.release, ReleaseId(UUID(release_id)), at=tools.clock.now())


def _reconsider(tools: Tools, release_ids: list[ReleaseId]) -> None:
    for release_id in release_ids:
        with tools.database.transaction() as session:
            service.reconsider(session, release_id, at=tools.clock.now())
