"""Remembering attempts that were refused: the refusal rolled their own transaction back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from fastapi import Request
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Refusal, Unauthenticated
from app.core.problems import status_of
from app.custody import ledger
from app.custody.ledger import Act, Doer, Outcome

ENTRIES_PER_MINUTE = 60
_MINUTE = timedelta(minutes=1)
_FORBIDDEN = 403
_OF_AN_OBJECT = frozenset({404, 409, 410})
_OF_A_BODY = frozenset({400, 410, 413, 415, 422})
_REFUSALS = Counter(
    "audiatur_refusals_total",
    "Refusals, and what the ledger was told of each.",
    ["refusal", "told"],
)
_log = structlog.get_logger()


def remember(
    database: Database,
    actor: Doer,
    act: Act,
    about: tuple[str, UUID],
    *,
    at: datetime,
    facts: Mapping[str, str | int | bool | None] | None = None,
) -> None:
    """Tell the ledger, in a transaction of its own, that `actor` was denied `act`."""
    with database.transaction() as session:
        ledger.append(session, actor, act, about, at=at, outcome=Outcome.DENIED, facts=facts)


_COUNTED = text(
    """
    INSERT INTO refusals_told AS t (actor_id, began_at, count)
    VALUES (:who, CAST(:at AS timestamptz), 1)
    ON CONFLICT (actor_id) DO UPDATE SET
        began_at = CASE WHEN excluded.began_at - t.began_at >= interval '1 minute'
            THEN excluded.began_at ELSE t.began_at END,
        count = CASE WHEN excluded.began_at - t.began_at >= interval '1 minute'
            THEN 1 ELSE t.count + 1 END
    RETURNING count
    """
)


def _is_told(session: Session, who: UUID, *, at: datetime) -> bool:
    """Count one more of `who` for all processes; say whether the ledger is told of it."""
    count: int = session.execute(_COUNTED, {"who": who, "at": at}).scalar_one()
    return count <= ENTRIES_PER_MINUTE


class Limit:
    """Lets each one through so many times in a minute, so that nobody floods the ledger.

    It is of this process alone, and spares the database the count that is of all.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._counted: dict[UUID, tuple[datetime, int]] = {}
        self._lock = threading.Lock()

    def lets_through(self, who: UUID, *, at: datetime) -> bool:
        """Count one more of `who`; say whether it is within the limit."""
        with self._lock:
            began, count = self._counted.get(who, (at, 0))
            if at - began >= _MINUTE:
                began, count = at, 0
            self._counted[who] = (began, count + 1)
            return count < self._per_minute


class Denials:
    """Tells the ledger of every refusal of a known person or device, as the edge sees it.

    Of a caller who is not known, and of what lies beyond the limit, only a metric tells. What a
    room has remembered with reasons of its own is not told twice.
    """

    def __init__(self, database: Database, clock: Clock, who: Callable[[Request], Doer]) -> None:
        self._database = database
        self._clock = clock
        self._who = who
        self._limit = Limit(ENTRIES_PER_MINUTE)

    def __call__(self, request: Request, refusal: Refusal) -> None:
        """Tell of `refusal`; a database that does not take it changes nothing of the answer."""
        told = "failed"
        try:
            told = self._tell(request, refusal)
        except (Refusal, SQLAlchemyError) as exc:
            _log.warning("refusal.untold", refusal=refusal.slug, error=type(exc).__name__)
        _REFUSALS.labels(refusal.slug, told).inc()

    def _tell(self, request: Request, refusal: Refusal) -> str:
        if refusal.is_told:
            return "by_room"
        if isinstance(refusal, Unauthenticated):
            return "no"
        status = status_of(type(refusal))
        named = _named_in(request)
        try:
            actor = self._who(request)
        except Refusal:
            return "no"
        act = _act(actor, status, is_of_object=named is not None)
        if act is None or actor.id is None:
            return "no"
        now = self._clock.now()
        if not self._limit.lets_through(actor.id, at=now):
            return "limited"
        route = getattr(request.scope.get("route"), "path", "unknown")
        facts: dict[str, str | int | bool | None] = {
            "route": f"{request.method} {route}",
            "refusal": refusal.slug,
            "status": status,
        }
        if act is Act.UPLOAD_REFUSED:
            facts["received_bytes"] = getattr(request.state, "received_bytes", 0)
        about = ("route", named or actor.id)
        with self._database.transaction() as session:
            is_told = _is_told(session, actor.id, at=now)
            if is_told:
                outcome = Outcome.DENIED
                ledger.append(session, actor, act, about, at=now, outcome=outcome, facts=facts)
        return "yes" if is_told else "limited"


def _act(actor: Doer, status: int, *, is_of_object: bool) -> Act | None:
    if actor.kind == "device" and status in _OF_A_BODY:
        return Act.UPLOAD_REFUSED  # A device does nothing but send.
    if status == _FORBIDDEN or (status in _OF_AN_OBJECT and is_of_object):
        return Act.ACCESS_DENIED
    return None


def _named_in(request: Request) -> UUID | None:
    """Return the object that the path names."""
    for value in request.path_params.values():
        with suppress(ValueError):
            return UUID(str(value))
    return None
