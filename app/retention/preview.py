"""What would be erased within some days, and what keeps the rest: it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.retention import keeping, queries
from app.retention.models import LegalHold
from app.retention.rules import Because, Outcome, Rule
from app.retention.subjects import Kept, Subject

_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What has its time over by then: what is done with it, because of what, or held by."""

    subject: Subject
    outcome: Outcome
    because: Because
    rules: tuple[str, ...]
    ends_at: datetime | None
    due_at: datetime | None
    holds: tuple[LegalHold, ...]


def foresee(session: Session, *, zone: ZoneInfo, by: datetime) -> Iterator[Foreseen]:
    """Yield what would be erased, looked at or left in conflict at `by`, and what holds keep.

    `due_at` is when an erasure that was announced begins; what was not announced yet is not begun
    sooner than fourteen days after it is.
    """
    in_force = [queries.as_rule(row) for row in queries.rules_in_force(session)]
    after: UUID | None = None
    while rows := queries.unerased(session, after=after, limit=_BATCH):
        yield from _of(session, rows, in_force, zone=zone, by=by)
        after = rows[-1].id


def page(
    session: Session, *, zone: ZoneInfo, by: datetime, after: UUID | None, limit: int
) -> tuple[list[Foreseen], UUID | None]:
    """Return the same of the next `limit` things that are kept, and where to go on."""
    in_force = [queries.as_rule(row) for row in queries.rules_in_force(session)]
    rows = queries.unerased(session, after=after, limit=limit)
    found = list(_of(session, rows, in_force, zone=zone, by=by))
    return found, rows[-1].id if len(rows) == limit else None


def _of(
    session: Session,
    rows: Sequence[Kept],
    in_force: Sequence[Rule],
    *,
    zone: ZoneInfo,
    by: datetime,
) -> Iterator[Foreseen]:
    for said in keeping.standings_of(session, rows, in_force, zone=zone, at=by):
        if said.verdict.outcome is Outcome.KEEP and not said.verdict.held_past_retention:
            continue
        deciding = set(said.bounds.deciding)
        yield Foreseen(
            subject=said.subject,
            outcome=said.verdict.outcome,
            because=said.verdict.because,
            rules=tuple(rule.name for rule in said.rules if rule.id in deciding),
            ends_at=said.bounds.latest,
            due_at=said.notice.due_at if said.notice else None,
            holds=tuple(said.holds),
        )
