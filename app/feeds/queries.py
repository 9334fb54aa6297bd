"""Reading calls, gaps and statements."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, text, true
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Client, Contact, ContactPhone
from app.core.paging import Cursor
from app.feeds.models import (
    CallCounter,
    CallGap,
    GapKind,
    KnownCall,
    ReconciledDay,
    RecordingException,
    RefusedUpload,
    Statement,
)
from app.feeds.reasons import ALARMS, GapReason
from app.identity.actor import Actor
from app.identity.models import Device
from app.recordings import queries as recordings
from app.recordings.models import Recording

_PIECE = 5000
_FIGURED = timedelta(days=7)


def calls_between(session: Session, since: datetime, until: datetime) -> Sequence[KnownCall]:
    """Return the calls that began in a span, locked: matches are written to them."""
    return session.scalars(
        select(KnownCall)
        .where(KnownCall.started_at >= since, KnownCall.started_at < until)
        .order_by(KnownCall.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def recordings_for(
    session: Session, calls: Sequence[KnownCall], since: datetime, until: datetime
) -> list[Recording]:
    """Return the recordings of a span, and those anywhere that have an id of a call."""
    near = session.scalars(
        select(Recording).where(Recording.started_at >= since, Recording.started_at < until)
    ).all()
    found = {recording.id: recording for recording in near}
    named = sorted({c.call_id for c in calls} | {c.linked_id for c in calls if c.linked_id})
    matched = sorted({c.recording_id for c in calls if c.recording_id is not None})
    for start in range(0, len(named), _PIECE):
        piece = named[start : start + _PIECE]
        for recording in session.scalars(
            select(Recording).where(Recording.source_call_id.in_(piece))
        ):
            found[recording.id] = recording
    missing = [one for one in matched if one not in found]
    for start in range(0, len(missing), _PIECE):
        piece_ids = missing[start : start + _PIECE]
        for recording in session.scalars(select(Recording).where(Recording.id.in_(piece_ids))):
            found[recording.id] = recording
    return list(found.values())


def held_elsewhere(
    session: Session, recordings: Collection[UUID], since: datetime, until: datetime
) -> set[tuple[UUID, UUID]]:
    """Return which recordings calls outside of a span have, each with the call's source."""
    rows = session.execute(
        select(KnownCall.device_id, KnownCall.recording_id).where(
            KnownCall.recording_id.in_(recordings),
            or_(KnownCall.started_at < since, KnownCall.started_at >= until),
        )
    )
    return {(device, recording) for device, recording in rows if recording is not None}


def refused(session: Session, call_ids: Collection[str]) -> set[tuple[UUID, str]]:
    """Return the devices whose uploads of these calls were refused."""
    named = sorted(call_ids)
    found: set[tuple[UUID, str]] = set()
    for start in range(0, len(named), _PIECE):
        rows = session.execute(
            select(RefusedUpload.device_id, RefusedUpload.call_id).where(
                RefusedUpload.call_id.in_(named[start : start + _PIECE])
            )
        )
        found |= {(device, call) for device, call in rows}
    return found


def exceptions(session: Session) -> Sequence[RecordingException]:
    """Return what is not recorded, the newest first."""
    return session.scalars(
        select(RecordingException).order_by(
            RecordingException.set_at.desc(), RecordingException.id.desc()
        )
    ).all()


def counters(session: Session, day: date) -> list[CallCounter]:
    """Return the counters of a day that are in force."""
    rows = session.scalars(
        select(CallCounter)
        .where(CallCounter.day == day)
        .order_by(CallCounter.device_id, CallCounter.version)
    )
    return list({row.device_id: row for row in rows}.values())


def devices(session: Session) -> dict[UUID, Device]:
    """Return all devices by id."""
    return {device.id: device for device in session.scalars(select(Device))}


def device_named(session: Session, name: str) -> Device | None:
    """Return a device by its name."""
    return session.scalar(select(Device).where(Device.name == name))


def newest_statement(session: Session, day: date) -> Statement | None:
    """Return the statement of a day that no other supersedes."""
    return session.scalar(
        select(Statement).where(Statement.day == day).order_by(Statement.version.desc()).limit(1)
    )


def statements_of(session: Session, day: date) -> Sequence[Statement]:
    """Return every statement of a day, the first one first."""
    return session.scalars(
        select(Statement).where(Statement.day == day).order_by(Statement.version)
    ).all()


def statements_between(session: Session, first: date, last: date) -> list[Statement]:
    """Return the newest statements of days, the newest day first."""
    rows = session.scalars(
        select(Statement)
        .where(Statement.day >= first, Statement.day <= last)
        .order_by(Statement.day.desc(), Statement.version)
    )
    return list({row.day: row for row in rows}.values())


def statements_over(session: Session, since: datetime, until: datetime) -> list[Statement]:
    """Return the newest statements of the days that a span touches, by day."""
    rows = session.scalars(
        select(Statement)
        .where(Statement.since < until, Statement.until > since)
        .order_by(Statement.day, Statement.version)
    )
    return list({row.day: row for row in rows}.values())


def has_sources(row: Statement) -> bool:
    """Say whether any source had told of the day."""
    return bool(json.loads(row.body)["sources"])


def pending_days(session: Session, last: date, *, limit: int) -> list[date]:
    """Return days up to `last` that are to be looked at, the first ones first."""
    return list(
        session.scalars(
            select(ReconciledDay.day)
            .where(ReconciledDay.is_dirty, ReconciledDay.day <= last)
            .order_by(ReconciledDay.day)
            .limit(limit)
        )
    )


def first_day(session: Session) -> date | None:
    """Return the first day that any source told of."""
    return session.scalar(select(func.min(ReconciledDay.day)))


def stated_days(session: Session, first: date, last: date) -> set[date]:
    """Return which days have a statement."""
    return set(
        session.scalars(
            select(Statement.day).where(Statement.day >= first, Statement.day <= last).distinct()
        )
    )


def newcomers(session: Session, *, first_id: UUID) -> Iterator[tuple[UUID, datetime]]:
    """Return the recordings with an id from `first_id` on, and when their calls began."""
    found = select(Recording.id, Recording.started_at).where(Recording.id >= first_id)
    for row in session.execute(found):
        yield row[0], row[1]


def looks(session: Session) -> dict[date, datetime]:
    """Return when each day was looked at last."""
    rows = session.execute(
        select(ReconciledDay.day, ReconciledDay.looked_at).where(
            ReconciledDay.looked_at.is_not(None)
        )
    )
    return {day: at for day, at in rows if at is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedGaps:
    """What a list of gaps is narrowed to; None is no condition."""

    since: date | None = None
    until: date | None = None
    kind: GapKind | None = None
    reason: GapReason | None = None
    is_open: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GapSeen:
    """A gap with what is known around it."""

    gap: CallGap
    source: str
    call: KnownCall | None
    recording: Recording | None


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of the gaps that `actor` may know of.

    A manager, those of the numbers and recordings of his offices' clients, and those whose client
    nobody knows; that a device's count differs says nothing of anybody.
    """
    if actor.offices is None:
        return true()
    numbers = select(ContactPhone.number).join(Contact).join(Client)
    own = numbers.where(clients.visible_to(actor)).correlate(None)
    others = numbers.where(~clients.visible_to(actor)).correlate(None)
    heard = select(Recording.id).where(recordings.visible_to(actor)).correlate(None)
    call = select(KnownCall.id).where(
        or_(
            KnownCall.outside_number.is_(None),
            KnownCall.outside_number.in_(own),
            KnownCall.outside_number.not_in(others),
        ),
        or_(KnownCall.recording_id.is_(None), KnownCall.recording_id.in_(heard)),
    )
    return and_(
        or_(CallGap.recording_id.is_(None), CallGap.recording_id.in_(heard)),
        or_(CallGap.known_call_id.is_(None), CallGap.known_call_id.in_(call.correlate(None))),
    )


def is_seen(session: Session, actor: Actor, gap_id: UUID) -> bool:
    """Say whether `actor` may know of a gap."""
    found = select(CallGap.id).where(CallGap.id == gap_id, visible_to(actor))
    return session.scalar(found) is not None


def gap(session: Session, gap_id: UUID) -> GapSeen:
    """Return one gap that is there."""
    row = session.execute(_GAPS.where(CallGap.id == gap_id)).one()
    return GapSeen(gap=row[0], source=row[1], call=row[2], recording=row[3])


_GAPS = (
    select(CallGap, Device.name, KnownCall, Recording)
    .join(Device, Device.id == CallGap.device_id)
    .outerjoin(KnownCall, KnownCall.id == CallGap.known_call_id)
    .outerjoin(Recording, Recording.id == CallGap.recording_id)
)


def gaps(
    session: Session,
    actor: Actor,
    wanted: WantedGaps,
    *,
    after: Cursor | None,
    limit: int | None,
) -> list[GapSeen]:
    """Return the gaps that `actor` sees, the newest calls first, a page at a time."""
    query = (
        _GAPS.where(visible_to(actor), *_conditions(wanted))
        .order_by(CallGap.at.desc(), CallGap.id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(
            text("(call_gaps.at, call_gaps.id) < (:at, :id)").bindparams(at=after.at, id=after.id)
        )
    return [
        GapSeen(gap=gap, source=source, call=call, recording=recording)
        for gap, source, call, recording in session.execute(query)
    ]


def _conditions(wanted: WantedGaps) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(CallGap.day >= wanted.since)
    if wanted.until is not None:
        found.append(CallGap.day <= wanted.until)
    if wanted.kind is not None:
        found.append(CallGap.kind == wanted.kind)
    if wanted.reason is not None:
        found.append(CallGap.reason == wanted.reason)
    if wanted.is_open is not None:
        found.append(
            CallGap.closed_at.is_(None) if wanted.is_open else CallGap.closed_at.is_not(None)
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LostCall:
    """A call with a client that has no recording to be handed over."""

    started_at: datetime
    talk_ms: int
    direction: str
    reason: str
    is_explained_by_person: bool


def lost_with(
    session: Session, client_id: UUID, since: datetime, until: datetime
) -> list[LostCall]:
    """Return the answered calls of a span with a client's numbers that have no recording.

    A number that is another client's contact's too is nobody's: it would tell of his calls.
    """
    own = select(ContactPhone.number).join(Contact).where(Contact.client_id == client_id)
    others = select(ContactPhone.number).join(Contact).where(Contact.client_id != client_id)
    rows = session.execute(
        select(KnownCall, CallGap)
        .join(CallGap, CallGap.known_call_id == KnownCall.id)
        .where(
            CallGap.kind == GapKind.CALL,
            CallGap.closed_at.is_(None),
            CallGap.reason != GapReason.ERASED,
            KnownCall.started_at >= since,
            KnownCall.started_at < until,
            KnownCall.outside_number.in_(own),
            KnownCall.outside_number.not_in(others),
        )
        .order_by(KnownCall.started_at, KnownCall.id)
    )
    return [
        LostCall(
            started_at=call.started_at,
            talk_ms=call.talk_ms,
            direction=call.direction,
            reason=gap.reason,
            is_explained_by_person=gap.explained_by is not None,
        )
        for call, gap in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFigures:
    """A source of call records: how much it told of the last week, and when it was heard last."""

    name: str
    known: int
    matched: int
    silent_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures for whoever watches the archive."""

    gaps: dict[str, int]
    sources: list[SourceFigures]

    @property
    def alarms(self) -> int:
        return sum(count for reason, count in self.gaps.items() if reason in ALARMS)


def open_gaps(session: Session, actor: Actor | None = None) -> dict[str, int]:
    """Return how many gaps are open, by reason: those that `actor` sees, or all."""
    rows = session.execute(
        select(CallGap.reason, func.count())
        .where(CallGap.closed_at.is_(None), true() if actor is None else visible_to(actor))
        .group_by(CallGap.reason)
    )
    return {row[0]: row[1] for row in rows}


def figures(session: Session, *, at: datetime) -> Figures:
    """Return the open gaps by reason, and how the sources are."""
    recent: Any = select(
        KnownCall.device_id,
        func.count().label("known"),
        func.count(KnownCall.recording_id).label("matched"),
    ).where(KnownCall.started_at >= at - _FIGURED, KnownCall.part_of.is_(None))
    recent = recent.group_by(KnownCall.device_id).subquery()
    last = (
        select(KnownCall.received_at)
        .where(KnownCall.device_id == Device.id)
        .order_by(KnownCall.received_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Device.name, recent.c.known, recent.c.matched, last)
        .outerjoin(recent, recent.c.device_id == Device.id)
        .where(Device.disabled_at.is_(None), last.is_not(None))
        .order_by(Device.name)
    )
    return Figures(
        gaps=open_gaps(session),
        sources=[
            SourceFigures(
                name=name,
                known=known or 0,
                matched=matched or 0,
                silent_seconds=max(0.0, (at - heard).total_seconds()),
            )
            for name, known, matched, heard in rows
        ],
    )
