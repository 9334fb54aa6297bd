"""What a dispute costs: hours by role, at the rate that was in force on the day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import queries, rules, service
from app.disputes.models import DisputeHours, WorkRate
from app.disputes.refusals import HoursReplaced, HoursUnknown
from app.disputes.rules import WorkRole
from app.disputes.service import person
from app.identity.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """Time that somebody spent, or another time in the place of hours noted before."""

    role: WorkRole
    minutes: int
    worked_on: date
    person_id: UUID | None = None
    what: str | None = None
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The hours of a role. `cost_minor` by currency; minutes without a rate cost nobody knows."""

    role: WorkRole
    minutes: int
    cost_minor: dict[str, int]
    minutes_without_rate: int


def set_rate(  # noqa: PLR0913 - a rate has these parts; all but two are named.
    session: Session,
    actor: Actor,
    *,
    role: WorkRole,
    hour_minor: int,
    currency: str,
    valid_from: date,
    at: datetime,
) -> WorkRate:
    """Say what an hour of a role costs from a day on. What was noted before keeps its rate."""
    row = WorkRate(
        id=new_id(),
        role=role,
        hour_minor=hour_minor,
        currency=currency,
        valid_from=valid_from,
        set_by=person(actor),
        at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.WORK_RATE_SET,
        ("work_rate", row.id),
        at=at,
        facts={"role": role, "valid_from": valid_from.isoformat()},
        detail={"hour_minor": hour_minor, "currency": currency},
    )
    return row


def note(
    session: Session, actor: Actor, dispute_id: UUID, worked: Worked, *, at: datetime
) -> DisputeHours:
    """Write hours down.

    Raises:
        DisputeNotFound, DisputeClosed: there is no such open dispute.
        DisputePersonUnknown: no such person works here.
        HoursUnknown, HoursReplaced: they cannot take the place of those.
    """
    dispute = service.locked(session, dispute_id)
    if worked.person_id is not None:
        service.must_work_here(session, worked.person_id)
    if worked.replaces is not None:
        old = session.get(DisputeHours, worked.replaces)
        if old is None or old.dispute_id != dispute.id:
            raise HoursUnknown
        by = queries.hours_replacing(session, old.id)
        if by is not None:
            raise HoursReplaced(by=str(by))
    elif worked.minutes == 0:
        raise HoursUnknown("Only hours that were noted before can become none.")
    rate = queries.rate(session, worked.role, worked.worked_on)
    row = DisputeHours(
        id=new_id(),
        dispute_id=dispute.id,
        role=worked.role,
        person_id=worked.person_id,
        worked_on=worked.worked_on,
        minutes=worked.minutes,
        hour_minor=rate.hour_minor if rate else None,
        currency=rate.currency if rate else None,
        what=worked.what,
        replaces=worked.replaces,
        noted_by=person(actor),
        at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.DISPUTE_HOURS,
        ("dispute", dispute.id),
        at=at,
        facts={
            "hours_id": str(row.id),
            "role": row.role,
            "minutes": row.minutes,
            "replaces": str(row.replaces) if row.replaces else None,
        },
        detail={"what": row.what} if row.what else None,
    )
    return row


def summed(rows: Iterable[DisputeHours]) -> tuple[Line, ...]:
    """Return the hours by role, in the order of the roles."""
    minutes: defaultdict[WorkRole, int] = defaultdict(int)
    unrated: defaultdict[WorkRole, int] = defaultdict(int)
    costs: defaultdict[WorkRole, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        role = WorkRole(row.role)
        minutes[role] += row.minutes
        if row.hour_minor is None or row.currency is None:
            unrated[role] += row.minutes
        else:
            costs[role][row.currency] += rules.cost_minor(row.minutes, row.hour_minor)
    return tuple(
        Line(
            role=role,
            minutes=minutes[role],
            cost_minor=dict(costs[role]),
            minutes_without_rate=unrated[role],
        )
        for role in WorkRole
        if minutes[role]
    )


def total(lines: Iterable[Line]) -> dict[str, int]:
    """Return the cost of all, by currency."""
    found: defaultdict[str, int] = defaultdict(int)
    for line in lines:
        for currency, cost in line.cost_minor.items():
            found[currency] += cost
    return dict(sorted(found.items()))
