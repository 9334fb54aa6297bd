"""What people do about gaps: give a reason, and say what is not recorded for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Gone, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.feeds import days, queries
from app.feeds.days import Office
from app.feeds.models import CallGap, KnownCall, RecordingException, Statement
from app.feeds.queries import GapSeen
from app.feeds.schemas import ExceptionEnd, ExceptionWrite, GapExplain
from app.identity.actor import Actor
from app.recordings.models import Recording


class GapNotFound(NotFound):
    """There is no such gap."""


class GapClosed(Conflict):
    """Nothing is missing here any more."""


class GapOfErased(Gone):
    """The recording that it is about was erased; nothing more is written of it."""


class StatementNotFound(NotFound):
    """There is no statement of this day."""


class SourceNotFound(NotFound):
    """No device has this name."""


class ExceptionNotFound(NotFound):
    """There is no such exception."""


class ExceptionOver(Conflict):
    """The exception ends at another time already, or would end before it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A day as it is stated: the newest statement, those before it, and what is missing now."""

    statement: Statement
    versions: list[Statement]
    gaps: list[GapSeen]


def stated(session: Session, actor: Actor, day: date) -> Stated:
    """Return what is stated of a day, which is of the whole house, and the gaps that `actor` sees.

    Raises:
        StatementNotFound: nothing is.
    """
    versions = list(queries.statements_of(session, day))
    if not versions:
        raise StatementNotFound
    wanted = queries.WantedGaps(since=day, until=day, is_open=True)
    return Stated(
        statement=versions[-1],
        versions=versions,
        gaps=queries.gaps(session, actor, wanted, after=None, limit=None),
    )


def explain(
    session: Session, actor: Actor, gap_id: UUID, said: GapExplain, office: Office, *, at: datetime
) -> GapSeen:
    """Let a person say why something is missing; the ledger keeps the words, each time.

    Raises:
        GapNotFound: there is none that `actor` sees.
        GapClosed: nothing is missing any more.
        GapOfErased: what it is about was erased.
    """
    day = session.scalar(select(CallGap.day).where(CallGap.id == gap_id))
    if day is None or not queries.is_seen(session, actor, gap_id):
        raise GapNotFound
    # The day first, as who looks at it does.
    days.follow(session, [day], office, at=at)
    _must_not_be_erased(session, gap_id)
    gap = session.get(CallGap, gap_id, with_for_update=True, populate_existing=True)
    if gap is None or gap.closed_at is not None:
        raise GapClosed
    ledger.append(
        session,
        actor,
        Act.CALL_GAP_EXPLAINED,
        ("call_gap", gap.id),
        at=at,
        facts={"kind": gap.kind, "found": gap.found_reason, "reason": str(said.reason)},
        detail={"words": said.words, "before": gap.words},
    )
    gap.reason = said.reason
    gap.words = said.words
    gap.explained_by = actor.id
    gap.explained_at = at
    session.flush()
    return queries.gap(session, gap.id)


def _must_not_be_erased(session: Session, gap_id: UUID) -> None:
    """Refuse words about something erased. The recordings come first, as for who erases them."""
    about = session.execute(
        select(CallGap.recording_id, KnownCall)
        .outerjoin(KnownCall, KnownCall.id == CallGap.known_call_id)
        .where(CallGap.id == gap_id)
    ).one()
    call: KnownCall | None = about.KnownCall
    named = [name for name in (call.call_id, call.linked_id) if name] if call else []
    its = about.recording_id or (call.recording_id if call else None)
    found = select(Recording.id).where(
        or_(Recording.id == its, Recording.source_call_id.in_(named))
    )
    session.execute(found.order_by(Recording.id).with_for_update()).all()
    erased = text("SELECT is_call_of_erased(:its, :call, :linked, :part)")
    told = {
        "its": its,
        "call": call.call_id if call else None,
        "linked": call.linked_id if call else None,
        "part": call.part_of if call else None,
    }
    if session.scalar(erased, told):
        raise GapOfErased


def except_(
    session: Session, actor: Actor, said: ExceptionWrite, office: Office, *, at: datetime
) -> RecordingException:
    """Write down what is not recorded for a while.

    Raises:
        SourceNotFound: no device has this name.
    """
    device = queries.device_named(session, said.device) if said.device else None
    if said.device and device is None:
        raise SourceNotFound
    if actor.id is None:
        raise TypeError("An exception is set by a person.")
    row = RecordingException(
        id=new_id(),
        kind=said.kind,
        device_id=device.id if device else None,
        line=said.line,
        direction=said.direction,
        since=said.since,
        until=said.until,
        words=said.words,
        set_by=actor.id,
        set_at=at,
    )
    _mark(session, office, since=said.since, until=said.until, at=at)
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.RECORDING_EXCEPTION_SET,
        ("recording_exception", row.id),
        at=at,
        facts={"kind": row.kind, "device": str(row.device_id) if row.device_id else None},
        detail=said.model_dump(mode="json"),
    )
    return row


def end_exception(
    session: Session, actor: Actor, asked: UUID, said: ExceptionEnd, office: Office, *, at: datetime
) -> RecordingException:
    """Say when what was not recorded is recorded again.

    Raises:
        ExceptionNotFound: there is none.
        ExceptionOver: it has an end already, or would end before it began.
    """
    row = session.get(RecordingException, asked, with_for_update=True)
    if row is None:
        raise ExceptionNotFound
    if row.until is not None or said.until <= row.since:
        raise ExceptionOver
    _mark(session, office, since=said.until, until=None, at=at)
    row.until = said.until
    session.flush()
    ledger.append(
        session,
        actor,
        Act.RECORDING_EXCEPTION_ENDED,
        ("recording_exception", row.id),
        at=at,
        facts={"kind": row.kind},
        detail=said.model_dump(mode="json"),
    )
    return row


def _mark(
    session: Session, office: Office, *, since: datetime, until: datetime | None, at: datetime
) -> None:
    """Let the days with calls that this concerns be looked at again."""
    local = func.date(func.timezone(office.zone.key, KnownCall.started_at))
    query = select(local).where(KnownCall.started_at >= since).distinct()
    if until is not None:
        query = query.where(KnownCall.started_at < until)
    days.follow(session, list(session.scalars(query)), office, at=at)
