"""Everything that happened with a client, in one order: what the asker may see of it, paged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    Subquery,
    Text,
    Uuid,
    cast,
    func,
    literal,
    null,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from app.clients.models import Client, Event, EventOrigin
from app.core.paging import Cursor
from app.disputes import queries
from app.disputes.models import Dispute, DisputeStatement
from app.disputes.queries import RELEASES
from app.disputes.rules import StatementKind
from app.documents.models import Document
from app.identity.actor import Actor
from app.identity.agents import normalised
from app.identity.models import User
from app.identity.permissions import Permission, Role
from app.recordings import queries as recordings
from app.recordings.models import Recording, Screenshot

AROUND = timedelta(days=30)
"""How long before what a dispute is about its timeline begins."""


class Happened(StrEnum):
    """What a line of the timeline tells of: the kinds of events, and what is kept or made here."""

    CALL = "call"
    VISIT = "visit"
    UPDATE = "update"
    COMPLAINT = "complaint"
    ACT = "act"
    TICKET = "ticket"
    RECORDING = "recording"
    SCREENSHOT = "screenshot"
    DOCUMENT = "document"
    RELEASE = "release"
    DISPUTE = "dispute"
    STATEMENT = "statement"


class Target(StrEnum):
    """What a line leads to, by its id."""

    EVENT = "event"
    RECORDING = "recording"
    SCREENSHOT = "screenshot"
    DOCUMENT = "document"
    RELEASE = "release"
    DISPUTE = "dispute"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of a client's time is wanted; no `kinds` are all of them.

    For a dispute, what was said in it is told and not that it was opened; otherwise of all.
    """

    client_id: UUID
    since: datetime
    until: datetime
    dispute_id: UUID | None = None
    kinds: frozenset[Happened] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something that happened: when, what, who did it, and where it leads.

    `within` is the event of a recording or screenshot, the dispute of a statement or release.
    """

    at: datetime
    kind: Happened
    target: Target
    id: UUID
    title: str
    who: tuple[str, ...]
    duration_ms: int | None = None
    within: UUID | None = None
    flag: str | None = None


def window_of(
    session: Session,
    dispute: Dispute,
    *,
    since: datetime | None,
    until: datetime | None,
    kinds: Iterable[Happened] = (),
    at: datetime,
) -> Window:
    """Return the time around a dispute: from before what it is about until its end, or now."""
    begins = dispute.period_from or queries.first_complaint(session, dispute.id)
    begins = min(begins or dispute.opened_at, dispute.opened_at)
    ends = max(dispute.closed_at or at, dispute.period_to or at)
    return Window(
        client_id=dispute.client_id,
        since=since or begins - AROUND,
        until=until or ends + timedelta(microseconds=1),
        dispute_id=dispute.id,
        kinds=frozenset(kinds),
    )


def lines(
    session: Session,
    actor: Actor,
    window: Window,
    *,
    after: Cursor | None,
    limit: int,
    is_newest_first: bool = False,
) -> Sequence[Line]:
    """Return what happened in a window that `actor` may see, the oldest first if not asked else."""
    told = union_all(*_sources(actor, window)).subquery()
    place = tuple_(told.c.at, told.c.id)
    query = select(told).where(*_within(told, window))
    if is_newest_first:
        query = query.order_by(told.c.at.desc(), told.c.id.desc())
    else:
        query = query.order_by(told.c.at, told.c.id)
    if after is not None:
        seen = (after.at, after.id)
        query = query.where(place < seen if is_newest_first else place > seen)
    rows = session.execute(query.limit(limit)).all()
    known = queries.agents(session, (who for row in rows for who in row.who or ()))
    return [
        Line(
            at=row.at,
            kind=Happened(row.kind),
            target=Target(row.target),
            id=row.id,
            title=row.title or "",
            who=tuple(known.get(normalised(one) or "", one) for one in row.who or () if one),
            duration_ms=row.duration_ms,
            within=row.within,
            flag=row.flag,
        )
        for row in rows
    ]


def count(session: Session, actor: Actor, window: Window) -> int:
    """Return how much happened in a window that `actor` may see."""
    told = union_all(*_sources(actor, window)).subquery()
    return session.scalars(
        select(func.count()).select_from(told).where(*_within(told, window))
    ).one()


def _within(told: Subquery, window: Window) -> list[ColumnElement[bool]]:
    found = [told.c.at >= window.since, told.c.at < window.until]
    if window.kinds:
        found.append(told.c.kind.in_(window.kinds))
    return found


def _sources(actor: Actor, window: Window) -> list[Select[Any]]:
    client_id = window.client_id
    found = [
        _line(Event.occurred_at, Event.id, Event.kind, Target.EVENT, Event.subject, Event.agents)
        # What the archive made for a recording is told by the recording.
        .where(Event.client_id == client_id, Event.origin != EventOrigin.MADE),
        _line(
            Recording.started_at,
            Recording.id,
            literal(str(Happened.RECORDING)),
            Target.RECORDING,
            Event.subject,
            _one(Recording.agent),
            duration_ms=Recording.duration_ms,
            within=Event.id,
            flag=Recording.flag,
        )
        .join(Event, Event.id == Recording.event_id)
        .where(
            Event.client_id == client_id,
            Recording.erased_at.is_(None),
            recordings.visible_to(actor),
        ),
        _line(
            Dispute.opened_at,
            Dispute.id,
            literal(str(Happened.DISPUTE)),
            Target.DISPUTE,
            Dispute.subject,
            _one(User.full_name),
        )
        .join(User, User.id == Dispute.opened_by)
        .where(
            Dispute.client_id == client_id,
            Dispute.id.is_distinct_from(window.dispute_id),
            queries.visible_to(actor),
        ),
        _line(
            func.coalesce(DisputeStatement.said_at, DisputeStatement.at),
            DisputeStatement.id,
            literal(str(Happened.STATEMENT)),
            Target.STATEMENT,
            DisputeStatement.words,
            _one(DisputeStatement.said_by),
            within=DisputeStatement.dispute_id,
        )
        .join(Dispute, Dispute.id == DisputeStatement.dispute_id)
        .where(
            Dispute.client_id == client_id,
            *([] if window.dispute_id is None else [Dispute.id == window.dispute_id]),
            DisputeStatement.kind.in_((StatementKind.COMPLAINT, StatementKind.ANSWER)),
            ~queries.is_replaced(),
            queries.visible_to(actor),
        ),
    ]
    if Permission.RECORDING_READ in actor.permissions:
        own = Screenshot.agent == actor.agent_ref if actor.role is Role.AGENT else true()
        found.append(_screenshots(client_id).where(own))
    if Permission.DOCUMENT_READ in actor.permissions:
        found.append(_documents(client_id))
    if Permission.RELEASE_READ in actor.permissions:
        found.append(_releases(client_id))
    return found


def _screenshots(client_id: UUID) -> Select[Any]:
    return (
        _line(
            Screenshot.captured_at,
            Screenshot.id,
            literal(str(Happened.SCREENSHOT)),
            Target.SCREENSHOT,
            func.coalesce(Screenshot.note, Event.subject),
            _one(Screenshot.agent),
            within=Event.id,
        )
        .join(Event, Event.id == Screenshot.event_id)
        .where(Event.client_id == client_id, Screenshot.erased_at.is_(None))
    )


def _documents(client_id: UUID) -> Select[Any]:
    return (
        _line(
            Document.uploaded_at,
            Document.id,
            literal(str(Happened.DOCUMENT)),
            Target.DOCUMENT,
            Document.title,
            _one(func.coalesce(User.full_name, Client.name)),  # By a link the client sent it.
        )
        .join(Client, Client.id == Document.client_id)
        .outerjoin(User, User.id == Document.uploaded_by)
        .where(Document.client_id == client_id, Document.erased_at.is_(None))
    )


def _releases(client_id: UUID) -> Select[Any]:
    return (
        _line(
            func.coalesce(RELEASES.c.granted_at, RELEASES.c.requested_at),
            RELEASES.c.id,
            literal(str(Happened.RELEASE)),
            Target.RELEASE,
            RELEASES.c.state,
            _one(User.full_name),
            within=RELEASES.c.dispute_id,
        )
        .join(User, User.id == RELEASES.c.requested_by)
        .where(RELEASES.c.client_id == client_id)
    )


def _one(who: Any) -> ColumnElement[Any]:  # noqa: ANN401 - a column of a table or a model.
    return cast(array([who]), ARRAY(Text))


def _line(  # noqa: PLR0913 - a line has these parts.
    at: Any,  # noqa: ANN401 - columns of tables and models.
    row_id: Any,  # noqa: ANN401
    kind: Any,  # noqa: ANN401
    target: Target,
    title: Any,  # noqa: ANN401
    who: Any,  # noqa: ANN401
    *,
    duration_ms: Any = None,  # noqa: ANN401
    within: Any = None,  # noqa: ANN401
    flag: Any = None,  # noqa: ANN401
) -> Select[Any]:
    lasts = cast(null() if duration_ms is None else duration_ms, Integer)
    return select(
        at.label("at"),
        row_id.label("id"),
        kind.label("kind"),
        literal(str(target)).label("target"),
        title.label("title"),
        who.label("who"),
        lasts.label("duration_ms"),
        cast(null() if within is None else within, Uuid).label("within"),
        cast(null() if flag is None else flag, Text).label("flag"),
    )
