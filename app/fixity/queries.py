"""What is due, whose an object is, and what was found of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, func, select, text
from sqlalchemy.orm import Session

from app.fixity.models import FixityCheck, ObjectLock, Occasion, Outcome
from app.recordings.models import Leg, Recording, SealedRow

_REGULAR = (Occasion.INGEST, Occasion.DAY, Occasion.QUARTER)
_BATCH = 200

# Rooms to the left own some of these tables; of theirs nothing but the names is used.
_SUBJECTS = """
    SELECT 'recording' AS kind, recording_id AS id, recording_id, leg AS part, true AS is_original
        FROM legs WHERE object_id = {id}
    UNION ALL SELECT 'derived', id, recording_id, leg || ' playable', false
        FROM legs WHERE playable_object_id = {id}
    UNION ALL SELECT 'derived', id, recording_id, leg || ' peaks', false
        FROM legs WHERE peaks_object_id = {id}
    UNION ALL SELECT 'derived', leg_id, recording_id, 'talk', false
        FROM leg_sounds s WHERE talk_object_id = {id} AND NOT EXISTS (
            SELECT FROM leg_sounds n WHERE n.leg_id = s.leg_id AND (n.at, n.id) > (s.at, s.id))
    UNION ALL SELECT 'derived', sent_leg_id, recording_id, 'joined', false
        FROM joined_sounds j WHERE object_id = {id} AND NOT EXISTS (
            SELECT FROM joined_sounds n WHERE n.recording_id = j.recording_id
                AND (n.at, n.object_id) > (j.at, j.object_id))
    UNION ALL SELECT 'screenshot', id, NULL, NULL, true FROM screenshots WHERE object_id = {id}
    UNION ALL SELECT 'document', id, NULL, NULL, true FROM documents WHERE object_id = {id}
    UNION ALL SELECT 'notice_text', id, NULL, NULL, true FROM notice_texts WHERE object_id = {id}
    LIMIT 1
"""
_SUBJECT_OF = text(_SUBJECTS.format(id=":object_id"))
_OPEN = text(
    """
    SELECT c.object_id, c.outcome, c.occasion, c.at, s.kind, s.id, s.recording_id, s.part
    FROM (
        SELECT DISTINCT ON (object_id) * FROM fixity_checks WHERE outcome <> 'success'
        ORDER BY object_id, at DESC, id DESC
    ) c
    JOIN sealed_objects o ON o.object_id = c.object_id AND o.wrapped_key IS NOT NULL
    CROSS JOIN LATERAL ("""  # noqa: S608 - put together of constants.
    + _SUBJECTS.format(id="c.object_id")
    + """) s
    WHERE NOT EXISTS (
        SELECT FROM fixity_checks r
        WHERE r.object_id = c.object_id AND r.occasion = 'repair' AND r.outcome = 'success'
            AND (r.at, r.id) > (c.at, c.id)
    )
    ORDER BY c.at, c.id
    """
)

_WITHOUT_NOTE = text(
    """
    SELECT o.object_id FROM sealed_objects o
    JOIN legs l ON l.object_id = o.object_id
    LEFT JOIN object_notes n ON n.object_id = o.object_id
    WHERE o.wrapped_key IS NOT NULL AND (
        n.object_id IS NULL
        OR EXISTS (SELECT FROM link_changes c
            WHERE c.recording_id = l.recording_id AND c.at > n.at)
        OR EXISTS (SELECT FROM party_changes c
            WHERE c.recording_id = l.recording_id
                AND greatest(c.proposed_at, c.decided_at) > n.at)
    )
    UNION ALL
    SELECT o.object_id FROM sealed_objects o
    JOIN screenshots s ON s.object_id = o.object_id
    LEFT JOIN object_notes n ON n.object_id = o.object_id
    WHERE o.wrapped_key IS NOT NULL AND (
        n.object_id IS NULL
        OR EXISTS (SELECT FROM link_changes c WHERE c.screenshot_id = s.id AND c.at > n.at)
    )
    LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose bytes an object is: of what kind and which, and of which recording if of one."""

    kind: str
    id: UUID
    recording_id: UUID | None = None
    part: str | None = None
    is_original: bool = False

    @property
    def held_by(self) -> UUID | None:
        """Return of what holds are asked: what it is itself, or the recording it belongs to."""
        return self.id if self.kind in {"screenshot", "document"} else self.recording_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """An object that was found damaged or missing and was not mended since."""

    object_id: UUID
    outcome: str
    occasion: str
    at: datetime
    subject: Subject


def subject_of(session: Session, object_id: UUID) -> Subject | None:
    """Return whose bytes the object is, None where nothing names it any more."""
    row = session.execute(_SUBJECT_OF, {"object_id": object_id}).mappings().first()
    return _subject(row, is_original=row["is_original"]) if row else None


def _subject(row: RowMapping, *, is_original: bool) -> Subject:
    return Subject(
        kind=row["kind"],
        id=row["id"],
        recording_id=row["recording_id"],
        part=row["part"],
        is_original=is_original,
    )


def damages(session: Session) -> list[Damage]:
    """Return what is damaged or missing and not mended, the longest known first."""
    return [
        Damage(
            object_id=row["object_id"],
            outcome=row["outcome"],
            occasion=row["occasion"],
            at=row["at"],
            subject=_subject(row, is_original=row["kind"] != "derived"),
        )
        for row in session.execute(_OPEN).mappings()
    ]


def due(session: Session, *, at: datetime) -> SealedRow | None:
    """Return the object that is longest due, locked, of those nobody else has in hand."""
    return session.scalar(
        select(SealedRow)
        .where(SealedRow.check_due_at <= at, SealedRow.wrapped_key.is_not(None))
        .order_by(SealedRow.check_due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def newest_regular(session: Session, object_id: UUID) -> FixityCheck | None:
    """Return the newest check that was due, not drawn or asked for."""
    return session.scalar(
        select(FixityCheck)
        .where(FixityCheck.object_id == object_id, FixityCheck.occasion.in_(_REGULAR))
        .order_by(FixityCheck.at.desc(), FixityCheck.id.desc())
        .limit(1)
    )


def seal_of(session: Session, object_id: UUID) -> bytes | None:
    """Return the digest of the sealed bytes, as the newest reading that proved them noted it."""
    return session.scalar(
        select(FixityCheck.sealed_sha256)
        .where(
            FixityCheck.object_id == object_id,
            FixityCheck.outcome == Outcome.SUCCESS,
            FixityCheck.sealed_sha256.is_not(None),
        )
        .order_by(FixityCheck.at.desc(), FixityCheck.id.desc())
        .limit(1)
    )


def drawn(session: Session, *, percent: int, least: int) -> Sequence[UUID]:
    """Return a random part of all objects, at least so many."""
    kept = select(func.count()).select_from(SealedRow).where(SealedRow.wrapped_key.is_not(None))
    wanted = max(least, -(-(session.scalar(kept) or 0) * percent // 100))
    return session.scalars(
        select(SealedRow.object_id)
        .where(SealedRow.wrapped_key.is_not(None))
        .order_by(func.random())
        .limit(wanted)
    ).all()


def all_objects(session: Session, *, after: UUID | None) -> Sequence[UUID]:
    """Return the next objects in the order of their ids."""
    statement = select(SealedRow.object_id).where(SealedRow.wrapped_key.is_not(None))
    if after is not None:
        statement = statement.where(SealedRow.object_id > after)
    return session.scalars(statement.order_by(SealedRow.object_id).limit(_BATCH)).all()


def legs_of(session: Session, recording_id: UUID) -> Sequence[Leg]:
    """Return the legs of a recording."""
    return session.scalars(
        select(Leg).where(Leg.recording_id == recording_id).order_by(Leg.received_at, Leg.id)
    ).all()


def recording(session: Session, recording_id: UUID) -> Recording | None:
    """Return a recording, locked."""
    return session.scalar(select(Recording).where(Recording.id == recording_id).with_for_update())


def checks_of(session: Session, object_ids: Sequence[UUID], *, limit: int) -> Sequence[FixityCheck]:
    """Return the newest checks of some objects, the newest first."""
    return session.scalars(
        select(FixityCheck)
        .where(FixityCheck.object_id.in_(object_ids))
        .order_by(FixityCheck.at.desc(), FixityCheck.id.desc())
        .limit(limit)
    ).all()


def locks_of(session: Session, object_ids: Sequence[UUID]) -> dict[UUID, ObjectLock]:
    """Return the locks of some objects, by object."""
    rows = session.scalars(select(ObjectLock).where(ObjectLock.object_id.in_(object_ids)))
    return {row.object_id: row for row in rows}


def differing(session: Session, *, since: datetime) -> Sequence[ObjectLock]:
    """Return the locks that differ, or differed since then."""
    return session.scalars(
        select(ObjectLock)
        .where((ObjectLock.difference.is_not(None)) | (ObjectLock.differed_at >= since))
        .order_by(ObjectLock.differed_at, ObjectLock.object_id)
    ).all()


def lock_page(session: Session, *, after: UUID | None) -> dict[UUID, datetime | None]:
    """Return the next locks in the order of their objects, and when each was last seen."""
    statement = select(ObjectLock.object_id, ObjectLock.seen_at)
    if after is not None:
        statement = statement.where(ObjectLock.object_id > after)
    rows = session.execute(statement.order_by(ObjectLock.object_id).limit(_BATCH))
    return {row[0]: row[1] for row in rows}


def without_note(session: Session, *, limit: int) -> Sequence[UUID]:
    """Return originals of recordings and screenshots whose note is missing or out of date."""
    rows = session.scalars(_WITHOUT_NOTE, {"limit": limit})
    return [UUID(str(row)) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How the checks and locks stand, in numbers."""

    damaged: int
    lock_differences: int
    overdue_seconds: float


def figures(session: Session) -> Figures:
    """Return how the checks and locks stand now."""
    late = func.extract("epoch", func.now() - func.min(SealedRow.check_due_at))
    overdue = session.scalar(select(late).where(SealedRow.wrapped_key.is_not(None)))
    differ = select(func.count()).where(ObjectLock.difference.is_not(None))
    return Figures(
        damaged=len(damages(session)),
        lock_differences=session.scalar(differ) or 0,
        overdue_seconds=max(0.0, float(overdue or 0)),
    )
