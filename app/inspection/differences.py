"""Where a later search contradicts what was settled: both are kept, and the verdict stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, cast, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.consent.evidence import MIN_STAY_MS
from app.consent.models import Assertion
from app.consent.purposes import Kind, Status
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.inspection import detection
from app.inspection.models import DifferenceKind, NoticeDifference, NoticeHit, NoticeSearch
from app.inspection.notice import windows
from app.inspection.notice.features import SAMPLE_RATE_HZ
from app.recordings.models import Recording

_PUT_ASIDE = frozenset({Status.REJECTED, Status.INVALIDATED})


def note(session: Session, recording: Recording, names: Collection[str], *, at: datetime) -> int:
    """Compare what was settled on the texts `names` (`id:version`) with the newest searches.

    Returns how many differences are new. Nothing that was settled changes.
    """
    found = session.scalars(
        select(Assertion)
        .where(Assertion.recording_id == recording.id, Assertion.kind == Kind.IVR_NOTICE)
        .order_by(Assertion.proposed_at, Assertion.id)
    ).all()
    about = [row for row in found if _name(row) in names]
    if not about:
        return 0
    hits = [hit for hit in detection.standing_hits(session, recording.id) if hit.complete]
    standing = detection.standing_searches(session, recording.id)
    count = 0
    for row in about:
        near = [hit for hit in hits if _is_of(row, hit)]
        if row.status in _PUT_ASIDE:
            anew = next((hit for hit in near if str(hit.id) != _hit_id(row)), None)
            search = session.get_one(NoticeSearch, anew.search_id) if anew else None
        else:
            anew = None
            search = None if near else _search_in_vain(session, recording, row, standing)
        if search is not None:
            count += _keep(session, row, search, anew, at=at)
    return count


def _name(row: Assertion) -> str:
    notice = row.evidence["notice"]
    return f"{notice['id']}:{notice['version']}"


def _is_of(row: Assertion, hit: NoticeHit) -> bool:
    """Say whether a hit is a finding of the playing that was asserted."""
    is_near = abs(row.evidence["played_ms"][0] - hit.start_ms) < MIN_STAY_MS
    return is_near and _name(row) == f"{hit.text_id}:{hit.text_version}"


def _hit_id(row: Assertion) -> str | None:
    match = row.evidence.get("match")
    found = match.get("hit_id") if isinstance(match, dict) else None
    return found if isinstance(found, str) else None


def _search_in_vain(
    session: Session,
    recording: Recording,
    row: Assertion,
    standing: Mapping[tuple[UUID, str], NoticeSearch],
) -> NoticeSearch | None:
    """Return the newer search of the place where the asserted playing was once heard.

    What rests on no hit, or lies where the newer search did not look, is not contradicted.
    """
    hit = session.scalar(
        select(NoticeHit).where(
            NoticeHit.recording_id == recording.id, cast(NoticeHit.id, Text) == _hit_id(row)
        )
    )
    if hit is None:
        return None
    before = session.get_one(NoticeSearch, hit.search_id)
    newest = standing.get((before.leg_id, _name(row)))
    if newest is None or newest.id == before.id:
        return None
    joins = [party.present_from_ms for party in recording.parties if party.present_from_ms > 0]
    looked = windows.whole() if newest.is_whole else windows.after_joins(joins)
    at = hit.start_ms * SAMPLE_RATE_HZ // 1000
    return newest if any(start <= at < end for start, end in looked) else None


def _keep(
    session: Session,
    row: Assertion,
    search: NoticeSearch,
    hit: NoticeHit | None,
    *,
    at: datetime,
) -> int:
    """Keep a difference and tell the ledger, once for each method."""
    kind = DifferenceKind.HEARD if hit else DifferenceKind.NOT_HEARD
    is_new = session.scalar(
        insert(NoticeDifference)
        .values(
            id=new_id(),
            recording_id=row.recording_id,
            assertion_id=row.id,
            kind=kind,
            status=row.status,
            by_person=row.decided_by is not None,
            method_version=search.method_version,
            search_id=search.id,
            hit_id=hit.id if hit else None,
            at=at,
        )
        .on_conflict_do_nothing()
        .returning(NoticeDifference.id)
    )
    if is_new is None:
        return 0
    ledger.append(
        session,
        detection.DETECTOR,
        Act.SEARCH_DIFFERED,
        ("recording", search.recording_id),
        at=at,
        facts={
            "assertion_id": str(row.id),
            "difference": str(kind),
            "status": row.status,
            "by_person": row.decided_by is not None,
            "method_version": search.method_version,
        },
    )
    return 1
