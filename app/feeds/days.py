"""Days of the office: where they begin and end, and which are to be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.feeds.models import ReconciledDay

RECONCILE = "feeds.reconcile"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Whose days they are, and how long after its end a day is waited for."""

    zone: ZoneInfo
    grace: timedelta

    def day_of(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def bounds(self, day: date) -> tuple[datetime, datetime]:
        """Return the first moment of a day and that of the next."""
        begin = datetime.combine(day, time(), self.zone)
        return begin, datetime.combine(day + _DAY, time(), self.zone)

    def last_over(self, at: datetime) -> date:
        """Return the last day that is over and was waited for."""
        return self.day_of(at - self.grace) - _DAY


def mark(session: Session, days: Iterable[date]) -> None:
    """Say that something has come that may change what is known of these days."""
    rows = [{"day": day, "id": new_id(), "is_dirty": True} for day in sorted(set(days))]
    if rows:
        told = insert(ReconciledDay).values(rows)
        session.execute(
            told.on_conflict_do_update(index_elements=[ReconciledDay.day], set_={"is_dirty": True})
        )


def follow(session: Session, days: Iterable[date], office: Office, *, at: datetime) -> None:
    """Mark days, and let those that are over be looked at without waiting for the hour."""
    marked = sorted(set(days))
    mark(session, marked)
    if marked and marked[0] <= office.last_over(at):
        enqueue(session, Job(task=RECONCILE, args={}, lock=RECONCILE))


def known(session: Session, day: date) -> ReconciledDay:
    """Return the row of a day, locked: one looks at it at a time."""
    session.execute(
        insert(ReconciledDay).values(day=day, id=new_id(), is_dirty=True).on_conflict_do_nothing()
    )
    return session.scalars(
        select(ReconciledDay)
        .where(ReconciledDay.day == day)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
