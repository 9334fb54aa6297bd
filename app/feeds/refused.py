"""Remembering of which call a refused upload was, so that its gap has a reason."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fastapi import Request
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Refusal
from app.core.ids import new_id
from app.core.problems import status_of
from app.custody.refusals import ENTRIES_PER_MINUTE, Limit
from app.feeds.models import RefusedUpload
from app.identity.actor import Actor

_OF_A_FILE = frozenset({400, 409, 413, 415, 422})
_log = structlog.get_logger()


class RefusedUploads:
    """Notes refusals of uploads whose metadata told of which call they are."""

    def __init__(self, database: Database, clock: Clock, who: Callable[[Request], Actor]) -> None:
        self._database = database
        self._clock = clock
        self._who = who
        self._limit = Limit(ENTRIES_PER_MINUTE)

    def __call__(self, request: Request, refusal: Refusal) -> None:
        """Note `refusal`; a database that does not take it changes nothing of the answer."""
        call_id = getattr(request.state, "source_call_id", None)
        status = status_of(type(refusal))
        if call_id is None or status not in _OF_A_FILE:
            return
        try:
            self._note(self._who(request), call_id, refusal.slug, status)
        except (Refusal, SQLAlchemyError) as exc:
            _log.warning("refusal.untold", refusal=refusal.slug, error=type(exc).__name__)

    def _note(self, actor: Actor, call_id: str, slug: str, status: int) -> None:
        now = self._clock.now()
        if actor.kind != "device" or actor.id is None:
            return
        if not self._limit.lets_through(actor.id, at=now):
            return
        with self._database.transaction() as session:
            session.execute(
                insert(RefusedUpload)
                .values(
                    id=new_id(),
                    device_id=actor.id,
                    call_id=call_id,
                    refusal=slug,
                    status=status,
                    at=now,
                )
                .on_conflict_do_nothing()
            )
