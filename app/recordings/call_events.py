"""What an exchange tells of calls: kept as it is told, and turned into who was on the line.

Events may come before their recording, years after it, in any order and again: they are kept by
the id that their sender gave them, and all that is known of a call is put together anew each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, selectinload

from app.clients.numbers import normalise
from app.core.errors import Conflict, Gone
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.identity.models import Device
from app.recordings import parties, presence
from app.recordings.call_schemas import CallEventTold
from app.recordings.models import (
    CallEvent,
    CallEventKind,
    ChangeState,
    Direction,
    InspectionState,
    Party,
    PartyChange,
    PresenceBy,
    Recording,
)
from app.recordings.presence import Leg, Presence, Told, Trust

PLACE_PARTIES = "recordings.place_parties"
FOLLOW_CALL = "inspection.follow_call"
SEARCH_JOINS = "inspection.search_joins"
_EXCHANGE = Actor.system("exchange")
_NEAR = timedelta(minutes=2)
_EVIDENCE = frozenset({CallEventKind.PROMPT_PLAYED, CallEventKind.DTMF})


class OtherEvent(Conflict):
    """Another event came before under this id.

    The first stays; nothing of what was sent was kept. `event_id` names it.
    """


class CallErased(Gone):
    """The recording of the call was erased; nothing that is told of it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of told events."""

    kept: int
    repeated: int
    skew_ms: int
    recordings: list[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An event of a recording's call, and whose word it is."""

    row: CallEvent
    told: Told


def receive(  # noqa: PLR0913 - what was told, of what, by whom, by which clock.
    session: Session,
    actor: Actor,
    events: Sequence[CallEventTold],
    *,
    call_id: str,
    sent_at: datetime | None,
    region: str,
    at: datetime,
) -> Kept:
    """Keep events of a call and let the parties of its recordings follow them.

    Raises:
        CallErased: its recording was erased; nothing is kept.
        OtherEvent: one is known with other content; nothing is kept.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:call))"), {"call": call_id})
    _must_be_there(session, call_id)
    skew_ms = presence.place_ms(at, sent_at) if sent_at is not None else 0
    new = 0
    for event in events:
        row = _row(actor, event, call_id=call_id, skew_ms=skew_ms, region=region, at=at)
        new += _keep(session, actor, row, at=at)
    found = matching(session, call_id)
    if new:
        for recording in found:
            place(session, recording, region=region, at=at)
        enqueue(session, Job(task=PLACE_PARTIES, args={"call_id": call_id}))
    return Kept(
        kept=new,
        repeated=len(events) - new,
        skew_ms=skew_ms,
        recordings=[recording.id for recording in found],
    )


def _must_be_there(session: Session, call_id: str) -> None:
    """Refuse what is told of an erased call. Whoever erases it now is waited for, or waits."""
    named = select(Recording.id).where(Recording.source_call_id == call_id).order_by(Recording.id)
    session.execute(named.with_for_update()).all()
    erased = text("SELECT is_call_of_erased(NULL, :call, NULL, NULL)")
    if session.scalar(erased, {"call": call_id}):
        raise CallErased


def _row(
    actor: Actor, event: CallEventTold, *, call_id: str, skew_ms: int, region: str, at: datetime
) -> CallEvent:
    told = event.model_dump(mode="json", exclude_defaults=True)
    digest = hashlib.sha256(rfc8785.dumps({"call_id": call_id, "event": told})).digest()
    return CallEvent(
        id=new_id(),
        device_id=actor.id if actor.kind == "device" else None,
        user_id=actor.id if actor.kind == "user" else None,
        event_id=event.event_id,
        call_id=call_id,
        kind=event.kind,
        at=event.at,
        ended_at=event.ended_at,
        text_id=event.notice.text_id if event.notice else None,
        text_version=event.notice.version if event.notice else None,
        audio_sha256=bytes.fromhex(event.audio_sha256) if event.audio_sha256 else None,
        answer=event.answer,
        row_sha256=bytes.fromhex(event.row_sha256) if event.row_sha256 else None,
        number=normalise(event.number, region=region) if event.number else None,
        told=told,
        told_sha256=digest,
        skew_ms=skew_ms,
        received_at=at,
    )


def _keep(session: Session, actor: Actor, row: CallEvent, *, at: datetime) -> bool:
    """Keep an event unless it is known; return whether it is new."""
    by = CallEvent.device_id if actor.kind == "device" else CallEvent.user_id
    # Another call's event of the same id and sender would not wait for this call's lock.
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtext(:event))"),
        {"event": f"{actor.id} {row.event_id}"},
    )
    known = session.scalar(
        select(CallEvent.told_sha256).where(by == actor.id, CallEvent.event_id == row.event_id)
    )
    if known is not None:
        if known != row.told_sha256:
            raise OtherEvent(event_id=row.event_id)
        return False
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.CALL_EVENT_RECEIVED,
        ("call_event", row.id),
        at=at,
        facts={"kind": str(row.kind), "skew_ms": row.skew_ms},
        detail={"call_id": row.call_id, "event": row.told},
        content=row.told_sha256,
    )
    return True


def matching(session: Session, call_id: str) -> Sequence[Recording]:
    """Return the recordings that a call's events may speak of, locked, with their parties.

    They have its id; where none has, the one recording with the number and about the moment that
    the exchange tells of the call's beginning.
    """
    named = _locked(session, Recording.source_call_id == call_id)
    if named:
        return named
    begun = session.scalars(
        select(CallEvent).where(
            CallEvent.call_id == call_id,
            CallEvent.kind == CallEventKind.CALL_STARTED,
            CallEvent.number.is_not(None),
        )
    ).all()
    for event in begun:
        alike = session.scalars(
            select(Recording.id).where(
                Recording.outside_number == event.number,
                Recording.started_at.between(event.at - _NEAR, event.at + _NEAR),
            )
        ).all()
        if len(alike) == 1:
            return _locked(session, Recording.id == alike[0])
    return []


def _locked(session: Session, condition: Any) -> Sequence[Recording]:  # noqa: ANN401 - a condition of SQLAlchemy's.
    return session.scalars(
        select(Recording)
        .where(condition, Recording.erased_at.is_(None))
        .order_by(Recording.id)
        .options(selectinload(Recording.parties))
        .with_for_update(of=Recording)
        .execution_options(populate_existing=True)
    ).all()


def locked(session: Session, recording_id: UUID) -> Recording | None:
    """Return a recording with its parties, held until the transaction ends."""
    return next(iter(_locked(session, Recording.id == recording_id)), None)


def of_recording(session: Session, recording: Recording, *, region: str) -> list[Known]:
    """Return the events that speak of a recording, by their own times.

    What a device that is no exchange tells counts for its own recordings only.
    """
    calls = [recording.source_call_id, *_calls_like(session, recording)]
    rows = session.execute(
        select(CallEvent, Device.is_exchange)
        .outerjoin(Device, Device.id == CallEvent.device_id)
        .where(CallEvent.call_id.in_(calls))
        .order_by(CallEvent.at, CallEvent.id)
    )
    found = []
    for row, is_exchange in rows:
        trust = _trust(row, recording, is_exchange=bool(is_exchange))
        if trust is not None and presence.is_near(row.at, recording.started_at):
            found.append(Known(row=row, told=_told(row, recording, trust, region=region)))
    return found


def _calls_like(session: Session, recording: Recording) -> Sequence[str]:
    """Return the calls that are this one by number and moment, where no call has its id."""
    if recording.outside_number is None:
        return []
    named = select(func.count()).where(CallEvent.call_id == recording.source_call_id)
    if session.scalar(named):
        return []
    since, until = recording.started_at - _NEAR, recording.started_at + _NEAR
    calls = session.scalars(
        select(CallEvent.call_id)
        .where(
            CallEvent.kind == CallEventKind.CALL_STARTED,
            CallEvent.number == recording.outside_number,
            CallEvent.at.between(since, until),
        )
        .distinct()
    ).all()
    return [call for call in calls if recording.id in {r.id for r in matching(session, call)}]


def _trust(row: CallEvent, recording: Recording, *, is_exchange: bool) -> Trust | None:
    if row.user_id is not None:
        return Trust.PERSON
    if is_exchange:
        return Trust.EXCHANGE
    return Trust.OWN_DEVICE if row.device_id == recording.device_id else None


def _told(row: CallEvent, recording: Recording, trust: Trust, *, region: str) -> Told:
    told = row.told
    return Told(
        id=row.id,
        kind=CallEventKind(row.kind),
        at=row.at,
        trust=trust,
        # The clock that dated the recording is the one that dates the event.
        skew_ms=0 if row.device_id == recording.device_id else row.skew_ms,
        sequence=int(told.get("sequence", 0)),
        leg=_leg(told, region=region),
        target=_leg(told["target"], region=region) if "target" in told else None,
    )


def _leg(told: dict[str, Any], *, region: str) -> Leg | None:
    if "leg" not in told:
        return None
    written = told.get("number")
    return Leg(
        name=str(told["leg"]),
        number=normalise(str(written), region=region) if written else None,
        side=told.get("side"),
        agent=told.get("agent"),
        channel=told.get("channel"),
    )


def place(session: Session, recording: Recording, *, region: str, at: datetime) -> None:
    """Let the parties of a recording follow all that is told of its call.

    It may run again at any time: what is told already changes nothing.
    """
    known = of_recording(session, recording, region=region)
    if not known:
        return
    joined = False
    for one in presence.presences((k.told for k in known), started_at=recording.started_at):
        party = party_of(recording, one.leg)
        if party is None:
            _newcomer(session, recording, one, at=at)
            joined = True
        else:
            joined |= _move(session, recording, party, one, at=at)
    inspected = recording.inspection_state != InspectionState.PENDING
    if inspected and (joined or any(k.told.kind in _EVIDENCE for k in known)):
        enqueue(session, Job(task=FOLLOW_CALL, args={"recording_id": str(recording.id)}))
    if inspected and joined:
        enqueue(session, Job(task=SEARCH_JOINS, args={"recording_id": str(recording.id)}))


def party_of(recording: Recording, leg: Leg) -> Party | None:
    """Return the party that a leg is of: bound before, an end of the call, or by number or agent.

    A leg that could be nobody who is known is somebody else.
    """
    by_leg = {p.exchange_leg: p for p in recording.parties if p.exchange_leg}
    if leg.name in by_leg:
        return by_leg[leg.name]
    free = {p.label: p for p in recording.parties if p.exchange_leg is None}
    end = presence.label_of_end(leg.name, Direction(recording.direction))
    for label in (end, leg.name):
        if label is not None and label in free:
            return free[label]
    outside = leg.side != "own"
    for party in free.values():
        if leg.number and party.number == leg.number and (party.side != "own") == outside:
            return party
        if leg.agent and party.agent == leg.agent and leg.side in {"own", None}:
            return party
    return None


def _newcomer(session: Session, recording: Recording, one: Presence, *, at: datetime) -> None:
    side = "own" if one.leg.side == "own" else "other"
    stem = "own" if side == "own" else "guest"
    labels = {p.label for p in recording.parties}
    places = (f"{stem}-{n}" for n in range(2, len(labels) + 3))
    party = Party(
        id=new_id(),
        recording_id=recording.id,
        label=next(label for label in (stem, *places) if label not in labels),
        side=side,
        agent=one.leg.agent if side == "own" else None,
        number=one.leg.number,
        channel=one.leg.channel,
        present_from_ms=one.from_ms or 0,
        present_to_ms=one.to_ms,
        how_identified="exchange",
        exchange_leg=one.leg.name,
        presence_by=PresenceBy.EXCHANGE,
    )
    session.add(party)
    session.flush()
    recording.parties.append(party)
    parties.write_down(
        session, _EXCHANGE, recording, party, before=None, after=parties.facts_of(party), at=at
    )


def _move(
    session: Session, recording: Recording, party: Party, one: Presence, *, at: datetime
) -> bool:
    """Let a known party follow his leg; return whether he was on the line earlier than known."""
    by_person = party.presence_by == PresenceBy.PERSON
    from_ms, to_ms = presence.placed(
        _before_exchange(session, party, one),
        one,
        is_end=party.label in {"own", "own-2", "cli"} and party.how_identified != "exchange",
        by_person=by_person,
    )
    before = parties.facts_of(party)
    after = before | {"present_from_ms": from_ms, "present_to_ms": to_ms}
    if one.leg.channel is not None and party.channel is None:
        after["channel"] = one.leg.channel
    if party.exchange_leg is None:
        party.exchange_leg = one.leg.name
    if after == before:
        session.flush()
        return False
    parties.write_down(session, _EXCHANGE, recording, party, before=before, after=after, at=at)
    if not by_person:
        party.presence_by = PresenceBy.EXCHANGE
    parties.put(party, after)
    session.flush()
    return bool(from_ms != before["present_from_ms"])


def _before_exchange(session: Session, party: Party, one: Presence) -> tuple[int, int | None]:
    """Return the presence that was known before any event, so that their order is no matter."""
    if party.presence_by != PresenceBy.EXCHANGE:
        return party.present_from_ms, party.present_to_ms
    first = session.scalars(
        select(PartyChange)
        .where(
            PartyChange.party_id == party.id,
            PartyChange.source == "exchange",
            PartyChange.state == ChangeState.APPLIED,
        )
        .order_by(PartyChange.proposed_at, PartyChange.id)
        .limit(1)
    ).first()
    if first is None or first.before is None:
        return one.from_ms or 0, one.to_ms
    return first.before["present_from_ms"], first.before["present_to_ms"]
