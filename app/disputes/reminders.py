"""Deadlines that come near or have passed, as rows that whoever sends mail takes and marks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.disputes import queries, rules
from app.disputes.models import DisputeReminder


def note_due(session: Session, *, at: datetime) -> int:
    """Note each deadline that is near or over, once for each person; return how many are new."""
    noted = 0
    for one in queries.deadlines(session, until=at + rules.DUE_SOON):
        urgency = rules.urgency(one.due_at, at=at)
        if urgency is not None:
            noted += queries.add_reminder(session, one, urgency, at=at)
    return noted


def untold(session: Session, *, limit: int) -> Sequence[DisputeReminder]:
    """Return what nobody was told of yet, the oldest first; locked, so that others skip it."""
    return queries.untold_reminders(session, limit=limit)


def payload(row: DisputeReminder) -> dict[str, str]:
    """Return what a job that tells of it is given: ids and codes, no words."""
    return {
        "reminder_id": str(row.id),
        "dispute_id": str(row.dispute_id),
        "subject_kind": row.subject_kind,
        "subject_id": str(row.subject_id),
        "urgency": row.urgency,
        "due_at": row.due_at.isoformat(),
        "person_id": str(row.person_id),
    }


def mark_told(session: Session, row: DisputeReminder, *, at: datetime) -> None:
    """Say that the person was told."""
    row.told_at = at
    session.flush()
