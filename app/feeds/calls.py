"""Taking in what sources tell of calls: once each, corrections as further versions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import rfc8785
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.clients.numbers import normalise
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.feeds import days
from app.feeds.days import Office
from app.feeds.models import CallCounter, KnownCall, KnownCallVersion
from app.feeds.schemas import (
    CallsTaken,
    CallTaken,
    CallTold,
    CounterTaken,
    CounterTold,
)
from app.identity.actor import Actor
from app.recordings.models import Direction

Result = Literal["new", "corrected", "repeated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What is known of the house: its days, and how it writes numbers."""

    office: Office
    region: str


def receive(
    session: Session,
    actor: Actor,
    calls: Sequence[CallTold],
    house: House,
    *,
    at: datetime,
    is_followed: bool = True,
) -> CallsTaken:
    """Keep what a device tells of its calls; one entry of the ledger tells of what is new in it.

    What was told before of a call changes nothing, however often it comes. Days that are over are
    looked at again unless the caller does that himself.
    """
    _one_at_a_time(session, actor)
    told = [call.model_dump(mode="json", by_alias=True, exclude_defaults=True) for call in calls]
    digests = [hashlib.sha256(rfc8785.dumps(one)).digest() for one in told]
    rows = {
        row.call_id: row
        for row in session.scalars(
            select(KnownCall).where(
                KnownCall.device_id == actor.id,
                KnownCall.call_id.in_([call.call_id for call in calls]),
            )
        )
    }
    versions = {
        (version.known_call_id, version.told_sha256): version.version
        for version in session.scalars(
            select(KnownCallVersion).where(
                KnownCallVersion.known_call_id.in_([row.id for row in rows.values()])
            )
        )
    }
    taken: list[CallTaken] = []
    written: list[tuple[KnownCall, dict[str, Any], bytes]] = []
    touched: set[date] = set()
    for call, body, digest in zip(calls, told, digests, strict=True):
        row = rows.get(call.call_id)
        before = versions.get((row.id, digest)) if row else None
        if row is not None and before is not None:
            taken.append(_taken(call, "repeated", before, row.version))
            continue
        result: Result = "new" if row is None else "corrected"
        if row is None:
            row = KnownCall(id=new_id(), device_id=actor.id, call_id=call.call_id, version=0)
            session.add(row)
        else:
            touched.add(house.office.day_of(row.started_at))
        _put(row, call, digest, region=house.region, at=at)
        touched.add(house.office.day_of(row.started_at))
        written.append((row, body, digest))
        taken.append(_taken(call, result, row.version, row.version))
    # The days first: who looks at a day holds it before he holds its calls.
    if is_followed:
        days.follow(session, touched, house.office, at=at)
    else:
        days.mark(session, touched)
    session.flush()
    if written:
        entry = _tell(session, actor, [digest for _, _, digest in written], taken, at=at)
        session.add_all(
            KnownCallVersion(
                known_call_id=row.id,
                version=row.version,
                told=body,
                told_sha256=digest,
                received_at=at,
                entry_id=entry,
            )
            for row, body, digest in written
        )
        session.flush()
    counts = {name: sum(1 for one in taken if one.result == name) for name in _RESULTS}
    return CallsTaken(**counts, items=taken)


_RESULTS: tuple[Result, ...] = ("new", "corrected", "repeated")


def _one_at_a_time(session: Session, actor: Actor) -> None:
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtext(:source))"), {"source": f"calls {actor.id}"}
    )


def _taken(call: CallTold, result: Result, version: int, current: int) -> CallTaken:
    return CallTaken(call_id=call.call_id, result=result, version=version, current=current)


def _put(row: KnownCall, call: CallTold, digest: bytes, *, region: str, at: datetime) -> None:
    row.version += 1
    row.linked_id = call.linked_id
    row.started_at = call.started_at
    row.duration_ms = call.duration_ms
    row.talk_ms = call.talk_ms
    row.direction = call.direction
    row.from_party = call.from_party
    row.to_party = call.to_party
    row.outside_number = _outside(call, region=region)
    row.line = call.line
    row.agent = call.agent
    row.disposition = call.disposition
    row.not_recorded = call.not_recorded
    row.told_sha256 = digest
    row.received_at = at


def _outside(call: CallTold, *, region: str) -> str | None:
    written = {
        Direction.INBOUND: call.from_party,
        Direction.OUTBOUND: call.to_party,
        Direction.INTERNAL: None,
    }[call.direction]
    return normalise(written, region=region) if written else None


def _tell(
    session: Session,
    actor: Actor,
    digests: Sequence[bytes],
    taken: Sequence[CallTaken],
    *,
    at: datetime,
) -> UUID:
    listed = rfc8785.dumps(sorted(digest.hex() for digest in digests))
    return ledger.append(
        session,
        actor,
        Act.CALLS_RECEIVED,
        ("call_batch", new_id()),
        at=at,
        facts={
            "new": sum(1 for one in taken if one.result == "new"),
            "corrected": sum(1 for one in taken if one.result == "corrected"),
            "calls_sha256": hashlib.sha256(listed).hexdigest(),
        },
    )


def count(
    session: Session, actor: Actor, told: CounterTold, house: House, *, at: datetime
) -> CounterTaken:
    """Keep what a device counted on a day; another count of the same day is a further version."""
    _one_at_a_time(session, actor)
    body = told.model_dump(mode="json")
    digest = hashlib.sha256(rfc8785.dumps(body)).digest()
    earlier = session.scalars(
        select(CallCounter)
        .where(CallCounter.device_id == actor.id, CallCounter.day == told.day)
        .order_by(CallCounter.version)
    ).all()
    current = earlier[-1].version if earlier else 0
    for one in earlier:
        if one.told_sha256 == digest:
            return CounterTaken(result="repeated", version=one.version, current=current)
    row_id = new_id()
    entry = ledger.append(
        session,
        actor,
        Act.CALLS_COUNTED,
        ("call_counter", row_id),
        at=at,
        facts={
            "day": told.day.isoformat(),
            "version": current + 1,
            "calls": told.calls,
            "recorded": told.recorded,
        },
    )
    session.add(
        CallCounter(
            id=row_id,
            device_id=actor.id,
            day=told.day,
            version=current + 1,
            calls=told.calls,
            recorded=told.recorded,
            not_recorded={str(reason): number for reason, number in told.not_recorded.items()},
            told_sha256=digest,
            received_at=at,
            entry_id=entry,
        )
    )
    session.flush()
    days.follow(session, [told.day], house.office, at=at)
    return CounterTaken(
        result="corrected" if earlier else "new", version=current + 1, current=current + 1
    )
