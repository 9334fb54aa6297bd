"""The background work: days that are over are compared, and compared again when more has come."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.jobs import Job, enqueue
from app.feeds import days, queries, reconciling
from app.feeds.days import RECONCILE, Office
from app.feeds.models import Statement
from app.feeds.reconciling import FeedTools, Look

_MOST_DAYS = 62
_OVERLAP = timedelta(minutes=10)
_SEEN_AGAIN = timedelta(hours=26)


def handle_reconcile(tools: FeedTools) -> list[Statement]:
    """Look at every day that is over and to be looked at; return the statements that were made.

    Each day is a transaction of its own. More than two months of days wait for the next job.
    """
    look = Look.of(tools.settings, tools.log.ring)
    now = tools.clock.now()
    with tools.database.transaction() as session:
        waiting = queries.pending_days(session, look.office.last_over(now), limit=_MOST_DAYS)
        if len(waiting) == _MOST_DAYS:
            enqueue(session, Job(task=RECONCILE, args={}, lock=RECONCILE))
    return [made for day in waiting if (made := reconcile_day(tools, day)) is not None]


def reconcile_day(tools: FeedTools, day: date) -> Statement | None:
    """Look at one day; return its statement if there is a new one."""
    look = Look.of(tools.settings, tools.log.ring)
    with tools.database.transaction() as session:
        return reconciling.reconcile(session, day, look, at=tools.clock.now())


def handle_hourly(tools: FeedTools) -> list[Statement]:
    """Notice days that are over and recordings that came late, then look at those days.

    Every day since the first that a source told of gets a statement, also one of which nothing was
    told: that says so.
    """
    office = reconciling.office_of(tools.settings)
    now = tools.clock.now()
    with tools.database.transaction() as session:
        first = queries.first_day(session)
        if first is None:
            return []
        last = office.last_over(now)
        stated = queries.stated_days(session, first, last)
        every = (first + timedelta(days=n) for n in range((last - first).days + 1))
        days.mark(session, (day for day in every if day not in stated))
        days.mark(session, _with_newcomers(session, office, first=first, last=last, now=now))
    return handle_reconcile(tools)


def _with_newcomers(
    session: Session, office: Office, *, first: date, last: date, now: datetime
) -> set[date]:
    """Return the days with recordings that came since those days were looked at."""
    looked = queries.looks(session)
    since = max(looked.values(), default=now) - _SEEN_AGAIN
    found = set()
    for recording, started_at in queries.newcomers(session, first_id=_first_id(since)):
        day = office.day_of(started_at)
        if first <= day <= last and day in looked:
            is_late = recording >= _first_id(looked[day] - _OVERLAP)
            found |= {day} if is_late else set()
    return found


def _first_id(at: datetime) -> UUID:
    """Return the least id that a row made at `at` can have: ids begin with their moment.

    Source: RFC 9562, 5.7.
    """
    return UUID(int=int(at.timestamp() * 1000) << 80)
