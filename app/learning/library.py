"""The library: calls worth hearing, for as long as the rules let them be heard for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select, true
from sqlalchemy.orm import Session

from app.clients.models import Client, Event
from app.consent import service as consent
from app.consent.casefile import Question
from app.consent.purposes import Purpose, RecipientClass
from app.consent.rules import Decision
from app.core.ids import new_id
from app.core.paging import Cursor
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import queries as identity
from app.identity.actor import Actor
from app.identity.models import User
from app.identity.permissions import Permission, Role
from app.learning.models import ExemplaryCall
from app.learning.refusals import AlreadyExemplary, ExemplaryCallNotFound, StartBeyondEnd
from app.recordings import queries as recordings
from app.recordings import service as seen
from app.recordings.models import Recording
from app.recordings.service import RecordingNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplary:
    """A call of the library, and what the rules say of it now. Who the client is, is not told."""

    call: ExemplaryCall
    agent: str | None
    duration_ms: int | None
    added_by: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Praised:
    """What is said of a call that enters."""

    title: str
    why: str
    topics: tuple[str, ...] = ()
    start_ms: int = 0


def question_of(session: Session, actor: Actor) -> Question:
    """Return what is asked before a call is heard for training: staff hear it, whoever asks.

    Raises:
        ExemplaryCallNotFound: it is nobody who could listen.
    """
    if actor.id is None:
        raise ExemplaryCallNotFound
    return consent.question(
        session,
        purpose=Purpose.INTERNAL_TRAINING,
        recipient_class=RecipientClass.OWN_STAFF_MANAGER,
        requested_by=actor.id,
    )


def visible_to(session: Session, actor: Actor) -> ColumnElement[bool]:
    """Return the condition of the recordings whose calls `actor` may learn from.

    Others see what they see anyway. An agent learns from the calls of others too: those with
    clients of his offices, where there are several offices.
    """
    if actor.role is not Role.AGENT or actor.id is None:
        return recordings.visible_to(actor)
    own = set(identity.offices_of(session, actor.id))
    if own >= {office.id for office in identity.offices(session)}:
        return true()
    of_another = (
        select(Event.id)
        .join(Client, Client.id == Event.client_id)
        .where(Event.id == Recording.event_id, Client.office_id.not_in(own))
        .correlate(Recording)
    )
    return ~of_another.exists()


def add(
    session: Session, actor: Actor, recording_id: UUID, praised: Praised, *, at: datetime
) -> ExemplaryCall:
    """Put a call into the library.

    Raises:
        RecordingNotFound: there is none that `actor` may see, or it was erased.
        ConsentRefused: the rules do not let it be heard for training.
        AlreadyExemplary: it is there already.
        StartBeyondEnd: it is shorter.
    """
    found = seen.find(session, actor, recording_id)
    if found.erased_at is not None or actor.id is None:
        raise RecordingNotFound
    if found.duration_ms is not None and praised.start_ms > found.duration_ms:
        raise StartBeyondEnd(duration_ms=found.duration_ms)
    session.scalars(select(Recording.id).where(Recording.id == recording_id).with_for_update())
    there = session.scalar(
        select(ExemplaryCall.id).where(
            ExemplaryCall.recording_id == recording_id, ExemplaryCall.removed_at.is_(None)
        )
    )
    if there is not None:
        raise AlreadyExemplary(exemplary_id=str(there))
    consent.permit_for(session, actor, recording_id, question_of(session, actor), at=at)
    row = ExemplaryCall(
        id=new_id(),
        recording_id=recording_id,
        title=praised.title,
        why=praised.why,
        topics=list(dict.fromkeys(topic.casefold() for topic in praised.topics)),
        start_ms=praised.start_ms,
        added_by=actor.id,
        added_at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.EXEMPLARY_ADDED,
        ("recording", recording_id),
        at=at,
        facts={"exemplary_id": str(row.id), "start_ms": row.start_ms},
        detail={"title": row.title, "why": row.why, "topics": row.topics},
    )
    return row


def remove(session: Session, actor: Actor, exemplary_id: UUID, *, at: datetime) -> None:
    """Take a call out of the library.

    Raises:
        ExemplaryCallNotFound: there is none that `actor` may see.
    """
    row = session.scalar(
        select(ExemplaryCall)
        .join(Recording, Recording.id == ExemplaryCall.recording_id)
        .where(
            ExemplaryCall.id == exemplary_id,
            ExemplaryCall.removed_at.is_(None),
            recordings.visible_to(actor),
        )
        .with_for_update(of=ExemplaryCall)
    )
    if row is None:
        raise ExemplaryCallNotFound
    row.removed_at, row.removed_by = at, actor.id
    ledger.append(
        session,
        actor,
        Act.EXEMPLARY_REMOVED,
        ("recording", row.recording_id),
        at=at,
        facts={"exemplary_id": str(row.id)},
    )


def find(session: Session, actor: Actor, exemplary_id: UUID, *, at: datetime) -> Exemplary:
    """Return a call of the library.

    Who may not put calls in does not learn of one that the rules no longer allow.

    Raises:
        ExemplaryCallNotFound: there is none that `actor` may see.
    """
    rows = _rows(session, actor, [ExemplaryCall.id == exemplary_id], limit=1)
    found = _decided(session, actor, rows, at=at)
    if not found or not (found[0].decision.allowed or _curates(actor)):
        raise ExemplaryCallNotFound
    return found[0]


def recording_of(session: Session, actor: Actor, exemplary_id: UUID) -> UUID:
    """Return the recording of a call of the library that is to be heard.

    Raises:
        ExemplaryCallNotFound: there is none that `actor` may see.
    """
    found = session.scalar(
        select(ExemplaryCall.recording_id)
        .join(Recording, Recording.id == ExemplaryCall.recording_id)
        .where(
            ExemplaryCall.id == exemplary_id,
            ExemplaryCall.removed_at.is_(None),
            Recording.erased_at.is_(None),
            visible_to(session, actor),
        )
    )
    if found is None:
        raise ExemplaryCallNotFound
    return found


def page(
    session: Session,
    actor: Actor,
    *,
    topic: str | None = None,
    after: Cursor | None = None,
    limit: int,
    at: datetime,
) -> tuple[list[Exemplary], Cursor | None]:
    """Return calls of the library, the newest first, and where to go on.

    One that the rules no longer allow is told of to those alone who may put calls in.
    """
    conditions: list[ColumnElement[bool]] = []
    if topic:
        conditions.append(ExemplaryCall.topics.contains([topic.casefold()]))
    if after is not None:
        conditions.append(
            (ExemplaryCall.added_at < after.at)
            | ((ExemplaryCall.added_at == after.at) & (ExemplaryCall.id < after.id))
        )
    rows = _rows(session, actor, conditions, limit=limit + 1)
    last = rows[limit - 1][0] if len(rows) > limit else None
    found = _decided(session, actor, rows[:limit], at=at)
    shown = [one for one in found if one.decision.allowed or _curates(actor)]
    return shown, Cursor(at=last.added_at, id=last.id) if last else None


def topics(session: Session, actor: Actor) -> Sequence[str]:
    """Return what the calls of the library are about."""
    topic = ExemplaryCall.topics
    rows = session.scalars(
        select(topic)
        .join(Recording, Recording.id == ExemplaryCall.recording_id)
        .where(ExemplaryCall.removed_at.is_(None), visible_to(session, actor))
    )
    return sorted({one for row in rows for one in row})


def of_recording(session: Session, recording_id: UUID) -> ExemplaryCall | None:
    """Return under what a recording stands in the library, if it does."""
    return session.scalar(
        select(ExemplaryCall).where(
            ExemplaryCall.recording_id == recording_id, ExemplaryCall.removed_at.is_(None)
        )
    )


def _rows(
    session: Session, actor: Actor, conditions: Sequence[ColumnElement[bool]], *, limit: int
) -> Sequence[Row[ExemplaryCall, str | None, int | None, str]]:
    return session.execute(
        select(ExemplaryCall, Recording.agent, Recording.duration_ms, User.full_name)
        .join(Recording, Recording.id == ExemplaryCall.recording_id)
        .join(User, User.id == ExemplaryCall.added_by)
        .where(
            ExemplaryCall.removed_at.is_(None),
            Recording.erased_at.is_(None),
            visible_to(session, actor),
            *conditions,
        )
        .order_by(ExemplaryCall.added_at.desc(), ExemplaryCall.id.desc())
        .limit(limit)
    ).all()


def _decided(
    session: Session,
    actor: Actor,
    rows: Sequence[Row[ExemplaryCall, str | None, int | None, str]],
    *,
    at: datetime,
) -> list[Exemplary]:
    question = question_of(session, actor)
    ids = [row.recording_id for row, *_ in rows]
    decisions = consent.decide_each(session, ids, question, at=at)
    return [
        Exemplary(
            call=row,
            agent=agent,
            duration_ms=lasts,
            added_by=name,
            decision=decisions[row.recording_id],
        )
        for row, agent, lasts, name in rows
    ]


def _curates(actor: Actor) -> bool:
    return Permission.LEARNING_WRITE in actor.permissions
