"""Looking at a day: what belongs together, what is missing and why, and the statement of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_id
from app.custody import ledger
from app.custody.checkpoints import LogTools
from app.custody.ledger import Act
from app.custody.signing import KeyRing
from app.feeds import days, queries, rules, statements
from app.feeds.days import Office
from app.feeds.models import (
    CallCounter,
    CallGap,
    ExceptionKind,
    GapKind,
    KnownCall,
    MatchedBy,
    Statement,
)
from app.feeds.reasons import ALARMS, GapReason
from app.feeds.rules import Call, Circumstances, Exclusion, Match, Matching, Sound
from app.feeds.statements import Summed
from app.identity.actor import Actor
from app.identity.models import Device
from app.recordings.models import Recording
from app.settings import Settings
from app.webhooks import outbox
from app.webhooks.models import Kind

_ACTOR = Actor.system("reconciliation")
_MARGIN = timedelta(hours=2)
_SURE_ID_LENGTH = 8
_MADE_EACH_TIME = ("version", "supersedes", "made_at")
_log = structlog.get_logger()
Json = dict[str, Any]


class FeedTools(Protocol):
    """What looking at days needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def log(self) -> LogTools: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a day is looked at: whose days, how far clocks drift, which talk is too short."""

    office: Office
    tolerance: timedelta
    shortest_ms: int
    ring: KeyRing

    @classmethod
    def of(cls, settings: Settings, ring: KeyRing) -> Look:
        """Return what the settings say."""
        return cls(
            office=office_of(settings),
            tolerance=timedelta(seconds=settings.call_tolerance_seconds),
            shortest_ms=settings.shortest_call_seconds * 1000,
            ring=ring,
        )


def office_of(settings: Settings) -> Office:
    """Return the office whose days they are."""
    return Office(zone=settings.zone, grace=timedelta(hours=settings.reconcile_after_hours))


@dataclass(slots=True, kw_only=True)
class _Source:
    """One source on a day."""

    device: Device
    calls: list[KnownCall] = field(default_factory=list)
    found: Matching = field(default_factory=Matching)
    reasons: dict[UUID, GapReason] = field(default_factory=dict)
    counter: CallCounter | None = None

    @property
    def heads(self) -> list[KnownCall]:
        return [call for call in self.calls if call.id not in self.found.part_of]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missing:
    """Something that is missing, as it is found now."""

    kind: GapKind
    device: UUID
    subject: UUID
    at: datetime
    reason: GapReason
    counted: int | None = None


def reconcile(session: Session, day: date, look: Look, *, at: datetime) -> Statement | None:
    """Look at a day once more; return its statement if there is a new one.

    Matches, gaps and the statement are of one transaction. Where nothing differs from the newest
    statement none is made.
    """
    row = days.known(session, day)
    since, until = look.office.bounds(day)
    wide = (since - _MARGIN, until + _MARGIN)
    calls = queries.calls_between(session, *wide)
    recordings = queries.recordings_for(session, calls, *wide)
    on_day = [r for r in recordings if since <= r.started_at < until]
    by_source = _matched(session, calls, recordings, wide, look)
    of_day: dict[UUID, _Source] = {}
    devices = queries.devices(session)
    for device_id, (rows, found) in by_source.items():
        inside = [call for call in rows if since <= call.started_at < until]
        if inside:
            of_day[device_id] = _Source(device=devices[device_id], calls=inside, found=found)
    for counter in queries.counters(session, day):
        source = of_day.setdefault(counter.device_id, _Source(device=devices[counter.device_id]))
        source.counter = counter
    _explain(session, of_day, recordings, calls, look)
    _keep_matches(session, of_day.values())
    has_sound = {m.sound for _, found in by_source.values() for m in found.matches.values()}
    unsure = {one for _, found in by_source.values() for one in found.ambiguous_sounds}
    missing = list(_missing(of_day.values(), on_day, has_sound, unsure, since=since))
    gaps = _keep_gaps(session, day, missing, at=at)
    row.is_dirty, row.looked_at = False, at
    session.flush()
    body = _body(day, look, of_day.values(), on_day, gaps, devices)
    return _state(session, row.id, body, look.ring, at=at)


def _matched(
    session: Session,
    calls: Sequence[KnownCall],
    recordings: Sequence[Recording],
    wide: tuple[datetime, datetime],
    look: Look,
) -> dict[UUID, tuple[list[KnownCall], Matching]]:
    """Match the calls of each source by themselves: two sources may tell of the same call."""
    groups: dict[UUID, list[KnownCall]] = defaultdict(list)
    for call in calls:
        groups[call.device_id].append(call)
    held = queries.held_elsewhere(session, [r.id for r in recordings], *wide)
    erased = {r.id for r in recordings if r.erased_at is not None}
    found = {}
    for device_id, rows in groups.items():
        sounds = [_sound(r) for r in recordings if (device_id, r.id) not in held]
        # Nothing but what is known from before tells whose an erased recording was.
        fixed = {
            row.id: Match(sound=row.recording_id, by=row.matched_by)
            for row in rows
            if row.recording_id in erased and row.recording_id and row.matched_by
        }
        asked = [_call(row) for row in rows]
        found[device_id] = (
            rows,
            rules.match(asked, sounds, tolerance=look.tolerance, fixed=fixed),
        )
    return found


def _call(row: KnownCall) -> Call:
    return Call(
        id=row.id,
        source=row.device_id,
        call_id=row.call_id,
        linked_id=row.linked_id,
        started_at=row.started_at,
        duration_ms=row.duration_ms,
        talk_ms=row.talk_ms,
        is_answered=row.is_answered,
        number=row.outside_number,
        ends=_ends(row.from_party, row.to_party),
        line=row.line,
        direction=row.direction,
    )


def _sound(row: Recording) -> Sound:
    return Sound(
        id=row.id,
        device=row.device_id,
        call_id=row.source_call_id,
        started_at=row.started_at,
        duration_ms=row.duration_ms or row.claimed_duration_ms,
        number=row.outside_number,
        ends=_ends(row.from_party, row.to_party),
        line=row.line,
    )


def _said(row: KnownCall) -> Sound:
    """Return a call of which a source says that it was not recorded, to be found from another's."""
    return Sound(
        id=row.id,
        device=row.device_id,
        call_id=row.call_id,
        started_at=row.started_at,
        duration_ms=row.talk_ms,
        number=row.outside_number,
        ends=_ends(row.from_party, row.to_party),
        line=row.line,
    )


def _ends(one: str | None, other: str | None) -> frozenset[str]:
    return frozenset(end.strip().casefold() for end in (one, other) if end and end.strip())


def _explain(
    session: Session,
    sources: dict[UUID, _Source],
    recordings: Sequence[Recording],
    calls: Sequence[KnownCall],
    look: Look,
) -> None:
    """Find out why calls have no recording."""
    erased = {r.id for r in recordings if r.erased_at is not None}
    said = [row for row in calls if row.not_recorded is not None]
    by_id = {row.id: row for row in said}
    named = {name for row in calls for name in (row.call_id, row.linked_id) if name}
    refused = queries.refused(session, named)
    exclusions = [
        Exclusion(
            is_outage=one.kind == ExceptionKind.OUTAGE,
            source=one.device_id,
            line=one.line,
            direction=one.direction,
            since=one.since,
            until=one.until,
        )
        for one in queries.exceptions(session)
    ]
    for source in sources.values():
        heads = [_call(row) for row in source.heads]
        others = [_said(row) for row in said if row.device_id != source.device.id]
        elsewhere = rules.match(heads, others, tolerance=look.tolerance)
        declared = {
            call_id: GapReason(by_id[one.sound].not_recorded or GapReason.OTHER)
            for call_id, one in elsewhere.matches.items()
        }
        declared |= {
            row.id: GapReason(row.not_recorded) for row in source.calls if row.not_recorded
        }
        around = Circumstances(
            shortest_ms=look.shortest_ms,
            declared=declared,
            exclusions=exclusions,
            refused={call.id for call in heads if _was_refused(call, refused)},
            erased={
                call_id for call_id, one in source.found.matches.items() if one.sound in erased
            },
        )
        reasons = {call.id: rules.why(call, source.found, around) for call in heads}
        source.reasons = {call: reason for call, reason in reasons.items() if reason is not None}


def _was_refused(call: Call, refused: Collection[tuple[UUID, str]]) -> bool:
    """Say whether the call's upload was refused; another device's short id says nothing."""
    return any(
        name in {call.call_id, call.linked_id}
        and (device == call.source or len(name) >= _SURE_ID_LENGTH)
        for device, name in refused
    )


def _keep_matches(session: Session, sources: Iterable[_Source]) -> None:
    """Write down what belongs together; first what no longer does, for each goes to one alone."""
    changed = []
    for source in sources:
        for row in source.calls:
            one = source.found.matches.get(row.id)
            new = (one.sound if one else None, one.by if one else None)
            row.part_of = source.found.part_of.get(row.id)
            if (row.recording_id, row.matched_by) != new:
                changed.append((row, new))
                row.recording_id = row.matched_by = None
    session.flush()
    for row, (recording, by) in changed:
        if recording is None or by is None:
            continue
        # A day looked at before had it by what was known then.
        session.execute(
            update(KnownCall)
            .where(KnownCall.device_id == row.device_id, KnownCall.recording_id == recording)
            .values(recording_id=None, matched_by=None)
        )
        row.recording_id, row.matched_by = recording, MatchedBy(by)
    session.flush()


def _missing(
    sources: Collection[_Source],
    recordings: Sequence[Recording],
    has_call: Collection[UUID],
    unsure: Collection[UUID],
    *,
    since: datetime,
) -> Iterator[_Missing]:
    for source in sources:
        for row in source.heads:
            if row.id in source.reasons:
                yield _Missing(
                    kind=GapKind.CALL,
                    device=row.device_id,
                    subject=row.id,
                    at=row.started_at,
                    reason=source.reasons[row.id],
                )
        if source.counter is not None:
            came = sum(1 for r in recordings if r.device_id == source.device.id)
            if source.counter.expected != came:
                yield _Missing(
                    kind=GapKind.COUNT,
                    device=source.device.id,
                    subject=source.device.id,
                    at=since,
                    reason=GapReason.COUNT_DIFFERS,
                    counted=source.counter.expected - came,
                )
    if any(source.calls for source in sources):
        for recording in recordings:
            if recording.id not in has_call and recording.erased_at is None:
                is_unsure = recording.id in unsure
                yield _Missing(
                    kind=GapKind.RECORDING,
                    device=recording.device_id,
                    subject=recording.id,
                    at=recording.started_at,
                    reason=GapReason.AMBIGUOUS if is_unsure else GapReason.NO_CALL_RECORD,
                )


def _keep_gaps(
    session: Session, day: date, missing: Sequence[_Missing], *, at: datetime
) -> list[CallGap]:
    """Write down what is missing now, close what is not, and return what is open."""
    subjects = {
        GapKind.CALL: CallGap.known_call_id,
        GapKind.RECORDING: CallGap.recording_id,
    }
    known: dict[tuple[str, UUID], CallGap] = {}
    for row in session.scalars(select(CallGap).where(CallGap.day == day)):
        known[row.kind, row.known_call_id or row.recording_id or row.device_id] = row
    for kind, column in subjects.items():
        # A call whose time was corrected has its gap on another day.
        wanted = [m.subject for m in missing if m.kind == kind and (kind, m.subject) not in known]
        for row in session.scalars(select(CallGap).where(CallGap.kind == kind, column.in_(wanted))):
            known[row.kind, row.known_call_id or row.recording_id or row.device_id] = row
    open_now = []
    found: list[CallGap] = []
    for one in missing:
        gap = known.pop((one.kind, one.subject), None)
        if gap is None:
            gap = CallGap(
                id=new_id(),
                kind=one.kind,
                device_id=one.device,
                known_call_id=one.subject if one.kind == GapKind.CALL else None,
                recording_id=one.subject if one.kind == GapKind.RECORDING else None,
                reason=one.reason,
                found_at=at,
            )
            session.add(gap)
        found += [gap] if _is_news(gap, one) else []
        if gap.counted != one.counted:
            # Another number than the one that somebody explained.
            gap.explained_by = gap.explained_at = gap.words = None
        gap.day, gap.at, gap.counted = day, one.at, one.counted
        gap.found_reason = one.reason
        if gap.explained_by is None or one.reason == GapReason.ERASED:
            gap.reason = one.reason
        gap.closed_at = None
        open_now.append(gap)
    for gap in known.values():
        if gap.closed_at is None and gap.day == day:
            gap.closed_at = at
    session.flush()
    outbox.tell(session, Kind.GAP_FOUND, [_told(gap) for gap in found], at=at)
    return open_now


def _is_news(gap: CallGap, one: _Missing) -> bool:
    return gap.closed_at is not None or gap.found_reason != one.reason


def _told(gap: CallGap) -> Json:
    """Return what other systems are told of a gap."""
    return {
        "gap_id": gap.id,
        "missing": gap.kind,
        "day": gap.day.isoformat(),
        "reason": gap.reason,
        "is_alarm": gap.reason in ALARMS,
        "device_id": gap.device_id,
        "recording_id": gap.recording_id,
        "counted": gap.counted,
    }


def _body(
    day: date,
    look: Look,
    sources: Iterable[_Source],
    recordings: Sequence[Recording],
    gaps: Sequence[CallGap],
    devices: dict[UUID, Device],
) -> Json:
    """Return what the statement says, without what is said anew by each version."""
    since, until = look.office.bounds(day)
    call_ids = {row.id: row.call_id for source in sources for row in source.calls}
    missing: dict[UUID, list[Json]] = defaultdict(list)
    for gap in gaps:
        missing[gap.device_id].append(_line(gap, call_ids, devices))
    listed = sorted((one for lines in missing.values() for one in lines), key=statements.canonical)
    told = [_of_source(source, recordings, missing[source.device.id]) for source in sources]
    reasons = Counter(one["reason"] for one in listed)
    counts = {name: sum(one[name] for one in told) for name in ("calls", "answered", "matched")}
    return {
        "v": 1,
        "log": look.ring.origin,
        "day": day.isoformat(),
        "zone": look.office.zone.key,
        "since": statements.moment(since),
        "until": statements.moment(until),
        "counts": counts
        | {
            "recordings": len(recordings),
            "not_answered": counts["calls"] - counts["answered"],
            "gaps": len(listed),
            "alarms": sum(count for reason, count in reasons.items() if reason in ALARMS),
        },
        "gaps": dict(sorted(reasons.items())),
        "sources": sorted(told, key=lambda one: str(one["source"])),
        "missing": listed,
        "missing_sha256": statements.digest_of(listed),
    }


def _of_source(source: _Source, recordings: Sequence[Recording], missing: Sequence[Json]) -> Json:
    heads = source.heads
    answered = sum(1 for row in heads if row.is_answered)
    how = Counter(source.found.matches[r.id].by for r in heads if r.id in source.found.matches)
    counter = source.counter
    return {
        "source": source.device.name,
        "is_exchange": source.device.is_exchange,
        "calls": len(heads),
        "rows": len(source.calls),
        "answered": answered,
        "not_answered": len(heads) - answered,
        "recordings": sum(1 for r in recordings if r.device_id == source.device.id),
        "matched": sum(how.values()),
        "matched_by": dict(sorted(how.items())),
        "gaps": dict(sorted(Counter(one["reason"] for one in missing).items())),
        "missing_sha256": statements.digest_of(missing),
        "counter": counter
        and {
            "calls": counter.calls,
            "recorded": counter.recorded,
            "not_recorded": counter.not_recorded,
            "version": counter.version,
        },
    }


def _line(gap: CallGap, call_ids: dict[UUID, str], devices: dict[UUID, Device]) -> Json:
    told: Json = {
        "source": devices[gap.device_id].name,
        "kind": gap.kind,
        "at": statements.moment(gap.at),
        "reason": gap.reason,
        "by": "person" if gap.explained_by and gap.reason != GapReason.ERASED else "rule",
    }
    if gap.known_call_id is not None:
        told["call_id"] = call_ids[gap.known_call_id]
    if gap.recording_id is not None:
        told["recording"] = str(gap.recording_id)
    if gap.counted is not None:
        told["missing"] = gap.counted
    return told


def _state(
    session: Session, day_id: UUID, told: Json, ring: KeyRing, *, at: datetime
) -> Statement | None:
    """Sign what is said of a day, unless the newest statement says the same."""
    day = date.fromisoformat(told["day"])
    before = queries.newest_statement(session, day)
    if before is not None:
        said = json.loads(before.body)
        if {k: v for k, v in said.items() if k not in _MADE_EACH_TIME} == told:
            return None
    version = before.version + 1 if before else 1
    body = told | {
        "version": version,
        "supersedes": before.sha256.hex() if before else None,
        "made_at": statements.moment(at),
    }
    written = statements.canonical(body)
    sha256 = hashlib.sha256(written).digest()
    counts = body["counts"]
    entry = ledger.append(
        session,
        _ACTOR,
        Act.CDR_RECONCILED,
        ("reconciliation", day_id),
        at=at,
        facts={
            "day": body["day"],
            "version": version,
            "missing_sha256": body["missing_sha256"],
            "statement_sha256": sha256.hex(),
        }
        | counts,
        detail=body,
        content=sha256,
    )
    summed = Summed(
        log=body["log"],
        day=day,
        since=datetime.fromisoformat(body["since"]),
        until=datetime.fromisoformat(body["until"]),
        version=version,
        supersedes=before.sha256 if before else None,
        counts=counts,
        missing_sha256=bytes.fromhex(body["missing_sha256"]),
        statement_sha256=sha256,
        entry_id=entry,
    )
    made = Statement(
        id=new_id(),
        day=day,
        version=version,
        supersedes=before.id if before else None,
        since=summed.since,
        until=summed.until,
        body=written,
        sha256=sha256,
        note=statements.sign(ring, summed),
        entry_id=entry,
        made_at=at,
    )
    session.add(made)
    session.flush()
    _log.info("day.reconciled", day=body["day"], version=version, alarms=counts["alarms"])
    return made
