"""Deadlines that come near or have passed, each noted once and told by mail once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.disputes import queries, rules
from app.disputes.models import DisputeReminder
from app.mail import service as mail
from app.mail.models import Kind
from app.mail.service import Letter

_AT_ONCE = 500
_TOLD_WITHIN = timedelta(days=2)


def note_due(session: Session, *, at: datetime) -> int:
    """Note each deadline that is near or over, once for each person; return how many are new."""
    noted = 0
    for one in queries.deadlines(session, until=at + rules.DUE_SOON):
        urgency = rules.urgency(one.due_at, at=at)
        if urgency is not None:
            noted += queries.add_reminder(session, one, urgency, at=at)
    return noted


def tell(session: Session, *, at: datetime) -> int:
    """Ask for a letter for each new reminder of a person who has an address; return how many.

    What was noted before a person had an address, two days ago or longer, is not told any more.
    """
    rows = queries.untold_reminders(session, noted_after=at - _TOLD_WITHIN, limit=_AT_ONCE)
    for row in rows:
        letter = Letter(
            kind=Kind.DEADLINE,
            about=("dispute", row.dispute_id),
            occasion=str(row.id),
            facts={"due": row.due_at.isoformat(), "urgency": row.urgency},
        )
        mail.to_person(session, row.person_id, letter, at=at)
        mark_told(session, row, at=at)
    return len(rows)


def mark_told(session: Session, row: DisputeReminder, *, at: datetime) -> None:
    """Say that the person was told."""
    row.told_at = at
    session.flush()
