"""Which calls with the client there are in the period, and why some of them are not inside.

Of what is withheld nothing is told but the digests of its files and the class of the reason. Calls
that an exchange or a device told of and of which no recording is here are lost, each with its
reason; the signed statements of the days go with it, and hold figures and digests alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from app.consent import service as consent
from app.consent.purposes import Purpose
from app.consent.rules import Decision
from app.custody.ledger import Act
from app.custody.models import CustodyEntry
from app.custody.notes import NoteInvalid, PublicKey
from app.feeds import queries as feeds
from app.feeds import statements
from app.feeds.models import Statement
from app.recordings.models import InspectionState, Leg, Party, Recording, SealedRow
from app.releases.models import Release
from app.releases.passport import Json, moment, unknown

_DAY = timedelta(days=1)
_CLASSES = {
    "C": "consent",
    "S": "content",
    "RCPT": "recipient",
    "G": "consent",
    "P": "purpose",
    "L": "law",
    "J": "law",
    "R": "restriction",
    "E": "not_decided",
}
_NOT_COMPARED = (
    "calls of the exchange were not compared with recordings / "
    "вызовы станции с записями не сверялись"
)


def completeness(  # noqa: PLR0913 - what there is to know; all but three are named.
    session: Session,
    release: Release,
    included: Sequence[Recording],
    *,
    moments: Sequence[datetime] = (),
    keys: Sequence[PublicKey],
    zone: ZoneInfo,
    at: datetime,
) -> Json:
    """Return the calls with this client from the first day to the last of what is included.

    `moments` are those of what is handed over beside recordings; `keys` those that the log is known
    by.
    """
    since, until = _period([*(one.started_at for one in included), *moments], zone)
    inside = {one.id for one in included}
    withheld: list[Json] = []
    lost: list[Json] = []
    calls = _calls(session, release.client_id, since, until)
    for recording in calls:
        if recording.id in inside:
            continue
        reason = _lost(recording)
        files = _digests(session, recording.legs)
        if reason is not None:
            lost.append({"files": files, "reason": reason})
        else:
            withheld.append(
                {"files": files, "reason": _withheld(session, release, recording, at=at)}
            )
    lost += _without_recording(session, release.client_id, since, until)
    return {
        "client": str(release.client_id),
        "from": moment(since),
        "until": moment(until),
        "included": [
            {"recording": str(one.id), "files": _digests(session, one.legs)} for one in included
        ],
        "withheld": sorted(withheld, key=lambda one: str(one["files"])),
        "lost": sorted(lost, key=lambda one: str((one["files"], one.get("call")))),
        "counts": {
            "included": len(inside),
            "withheld": dict(Counter(str(one["reason"]) for one in withheld)),
            "lost": dict(Counter(str(one["reason"]) for one in lost)),
            "sent_twice_with_other_bytes": _conflicts(session, [one.id for one in calls]),
        },
        "compared_with_calls_made": _compared(session, since, until, keys),
    }


def signed_days(session: Session, told: Json) -> dict[str, bytes]:
    """Return the signed statements of the days that `completeness` told of, by their paths."""
    since, until = (datetime.fromisoformat(told[name]) for name in ("from", "until"))
    named = {one["note"] for one in told["compared_with_calls_made"]["days"]}
    rows = feeds.statements_over(session, since, until)
    return {_path(row): row.note.encode() for row in rows if _path(row) in named}


def _path(row: Statement) -> str:
    return f"metadata/reconciliation/{row.day.isoformat()}.{row.version}.note"


def _compared(
    session: Session, since: datetime, until: datetime, keys: Sequence[PublicKey]
) -> Json:
    """Return which days were compared, and of which no source had told any call.

    A day whose statement was signed by a key that was lost is named, and its statement stays here:
    nobody could verify it.
    """
    rows = {row.day: row for row in feeds.statements_over(session, since, until)}
    lost = {day for day, row in rows.items() if not _is_signed(row, keys)}
    told = {day for day, row in rows.items() if feeds.has_sources(row)}
    days = _days(since, until)
    return {
        "days": [
            {"day": day.isoformat(), "note": _path(row), "version": row.version}
            for day, row in sorted(rows.items())
            if day not in lost
        ],
        "signed_by_a_lost_key": sorted(day.isoformat() for day in lost),
        "without_call_records": [day.isoformat() for day in days if day not in told],
    } | ({} if told else unknown(_NOT_COMPARED))


def _is_signed(row: Statement, keys: Sequence[PublicKey]) -> bool:
    try:
        statements.check(row.note, keys)
    except NoteInvalid:
        return False
    return True


def _days(since: datetime, until: datetime) -> list[date]:
    count = (until.date() - since.date()).days
    return [since.date() + number * _DAY for number in range(count)]


def _without_recording(
    session: Session, client_id: UUID, since: datetime, until: datetime
) -> list[Json]:
    """Return the client's calls without recording: a class of reason, never anybody's words."""
    return [
        {
            "files": [],
            "call": {
                "started_at": moment(one.started_at),
                "duration_ms": one.talk_ms,
                "direction": one.direction,
            },
            "reason": one.reason,
            "by": "person" if one.is_explained_by_person else "rule",
        }
        for one in feeds.lost_with(session, client_id, since, until)
    ]


def _period(moments: Iterable[datetime], zone: ZoneInfo) -> tuple[datetime, datetime]:
    local = sorted(at.astimezone(zone) for at in moments)
    begin = datetime.combine(local[0].date(), time(), zone)
    return begin, datetime.combine(local[-1].date() + _DAY, time(), zone)


def _calls(
    session: Session, client_id: UUID, since: datetime, until: datetime
) -> Sequence[Recording]:
    with_client = select(Party.recording_id).where(Party.client_id == client_id)
    return session.scalars(
        select(Recording)
        .where(
            Recording.id.in_(with_client),
            Recording.started_at >= since,
            Recording.started_at < until,
        )
        .options(selectinload(Recording.legs))
        .order_by(Recording.started_at, Recording.id)
    ).all()


def _lost(recording: Recording) -> str | None:
    if recording.erased_at is not None:
        return "erased"
    if recording.integrity_failed_at is not None:
        return "damaged"
    if recording.inspection_state == InspectionState.FAILED:
        return "unreadable"
    return None


def _withheld(session: Session, release: Release, recording: Recording, *, at: datetime) -> str:
    """Return the class of the reason for which it could not go, or that nobody asked for it."""
    question = consent.question(
        session,
        purpose=Purpose(release.purpose),
        contact_id=release.contact_id,
        requested_by=release.requested_by,
        recording_id=recording.id,
    )
    return reason_class(consent.decide(session, recording.id, question, at=at))


def reason_class(decision: Decision) -> str:
    """Return the class of what stands in the way; an approval alone stands in nobody's."""
    codes = [reason.code for reason in decision.reasons if not reason.code.startswith("A_")]
    if not codes or decision.allowed:
        return "not_asked_for"
    return _CLASSES.get(codes[0].partition("_")[0], "other")


def _digests(session: Session, legs: Sequence[Leg]) -> list[str]:
    rows = session.scalars(
        select(SealedRow.sha256)
        .join(Leg, Leg.object_id == SealedRow.object_id)
        .where(Leg.id.in_([leg.id for leg in legs]))
    )
    return sorted(sha256.hex() for sha256 in rows)


def _conflicts(session: Session, recordings: Sequence[UUID]) -> int:
    return (
        session.scalar(
            select(func.count())
            .select_from(CustodyEntry)
            .where(
                CustodyEntry.object_kind == "recording",
                CustodyEntry.object_id.in_(recordings),
                CustodyEntry.act == Act.RECORDING_CONFLICT,
            )
        )
        or 0
    )
