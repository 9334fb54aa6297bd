"""The sweep of the release store: what was sealed there and never written down.

A process that dies between store and row leaves a copy, a bundle, or what a client sent by a link.
No row has its key, so that nobody can open it; only the room is lost until the sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from app.core.db import Database
from app.disputes.models import ClientUpload
from app.recordings.jobs import batches
from app.releases.models import ReleaseBundle, ReleaseItem
from storage.sealed import SealedReaper

_NAMED = (ReleaseItem.object_id, ReleaseBundle.object_id, ClientUpload.object_id)

_log = structlog.get_logger()


class Tools(Protocol):
    """What the sweep needs of the worker's tools."""

    @property
    def database(self) -> Database: ...
    @property
    def release(self) -> SealedReaper: ...


def sweep_store(tools: Tools, *, older_than: datetime) -> int:
    """Remove objects without a row and unfinished drafts; return how many objects went.

    Only what is older than any making or sending can last is looked at, since an object comes
    before its row.
    """
    drafts = tools.release.sweep_drafts(older_than)
    removed = 0
    for batch in batches(tools.release.listed(older_than)):
        with tools.database.transaction() as session:
            known = _known(session, batch)
        for object_id in set(batch) - known:
            tools.release.delete(object_id)
            removed += 1
    _log.info("sweep.released", objects=removed, drafts=drafts)
    return removed


def _known(session: Session, ids: Sequence[UUID]) -> set[UUID | None]:
    return set(session.scalars(union_all(*(select(one).where(one.in_(ids)) for one in _NAMED))))
