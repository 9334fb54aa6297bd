"""Clients beside each other: who costs more than he pays, and by what that is seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Client, Contract, Event, EventKind
from app.disputes import hours, queries, rules
from app.disputes.models import Dispute, DisputeHours
from app.identity.actor import Actor
from app.recordings import queries as recordings
from app.recordings.models import Recording

_MILLISECONDS_IN_MINUTE = 60_000


class Order(StrEnum):
    """By what clients are put in order, the greatest first."""

    COST = "cost"
    HOURS = "hours"
    COMPLAINTS = "complaints"
    CALLS = "calls"
    MINUTES = "minutes"
    BRINGS = "brings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Amounts by currency, in minor units; `is_known` is False where a rate or price is missing."""

    minor: Mapping[str, int] = field(default_factory=dict)
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one client took and brought in a time."""

    id: UUID
    external_id: str
    name: str
    calls: int
    minutes: Fraction
    tickets: int
    complaints: int
    disputes: int
    dispute_minutes: int
    cost: Sum
    brings: Sum
    has_contract: bool

    @property
    def minutes_per_call(self) -> Fraction | None:
        return self.minutes / self.calls if self.calls else None

    @property
    def calls_per_ticket(self) -> Fraction | None:
        return Fraction(self.calls, self.tickets) if self.tickets else None


def lines(
    session: Session, actor: Actor, *, since: datetime, until: datetime, zone: ZoneInfo
) -> list[Line]:
    """Return the clients that `actor` sees who had a contract, a call or an event in a time."""
    calls = _calls(session, actor, since=since, until=until)
    events = _events(session, actor, since=since, until=until)
    disputes = _disputes(session, actor, since=since, until=until)
    contracts = _contracts(session, actor, since=since, until=until)
    wanted = {*calls, *(client for client, _ in events), *disputes, *contracts}
    named = session.execute(
        select(Client.id, Client.external_id, Client.name)
        .where(clients.visible_to(actor), Client.id.in_(wanted))
        .order_by(func.lower(Client.name), Client.id)
    )
    found = []
    for client_id, external_id, name in named:
        count, lasted_ms = calls.get(client_id, (0, 0))
        opened, worked = disputes.get(client_id, (0, []))
        summed = hours.summed(worked)
        found.append(
            Line(
                id=client_id,
                external_id=external_id,
                name=name,
                calls=count,
                minutes=Fraction(lasted_ms, _MILLISECONDS_IN_MINUTE),
                tickets=events.get((client_id, EventKind.TICKET), 0),
                complaints=events.get((client_id, EventKind.COMPLAINT), 0),
                disputes=opened,
                dispute_minutes=sum(line.minutes for line in summed),
                cost=Sum(
                    minor=hours.total(summed),
                    is_known=not any(line.minutes_without_rate for line in summed),
                ),
                brings=_brings(contracts.get(client_id, []), since=since, until=until, zone=zone),
                has_contract=client_id in contracts,
            )
        )
    return found


def currency_of(found: Sequence[Line]) -> str | None:
    """Return the currency in which most clients are paid for or cost; None where none is known."""
    counted: defaultdict[str, int] = defaultdict(int)
    for line in found:
        for code in {*line.cost.minor, *line.brings.minor}:
            counted[code] += 1
    return min(counted, key=lambda code: (-counted[code], code)) if counted else None


def ordered(found: Sequence[Line], order: Order, currency: str | None) -> list[Line]:
    """Return the clients, those first who have most of it; money in one currency."""
    code = currency or ""

    def by(one: Line) -> Fraction | int:
        amounts: dict[Order, Fraction | int] = {
            Order.COST: one.cost.minor.get(code, 0),
            Order.HOURS: one.dispute_minutes,
            Order.COMPLAINTS: one.complaints,
            Order.CALLS: one.calls,
            Order.MINUTES: one.minutes,
            Order.BRINGS: one.brings.minor.get(code, 0),
        }
        return amounts[order]

    return sorted(found, key=lambda one: (-by(one), -one.dispute_minutes, -one.calls, one.name))


def _calls(
    session: Session, actor: Actor, *, since: datetime, until: datetime
) -> dict[UUID, tuple[int, int]]:
    rows = session.execute(
        select(Event.client_id, func.count(), func.sum(func.coalesce(Recording.duration_ms, 0)))
        .join(Event, Event.id == Recording.event_id)
        .where(
            Event.client_id.is_not(None),
            Recording.started_at >= since,
            Recording.started_at < until,
            Recording.erased_at.is_(None),
            recordings.visible_to(actor),
        )
        .group_by(Event.client_id)
    )
    return {client: (count, int(lasted)) for client, count, lasted in rows if client}


def _events(
    session: Session, actor: Actor, *, since: datetime, until: datetime
) -> dict[tuple[UUID, EventKind], int]:
    rows = session.execute(
        select(Event.client_id, Event.kind, func.count())
        .join(Client, Client.id == Event.client_id)
        .where(
            clients.visible_to(actor),
            Event.kind.in_((EventKind.TICKET, EventKind.COMPLAINT)),
            Event.occurred_at >= since,
            Event.occurred_at < until,
        )
        .group_by(Event.client_id, Event.kind)
    )
    return {(client, EventKind(kind)): count for client, kind, count in rows if client}


def _disputes(
    session: Session, actor: Actor, *, since: datetime, until: datetime
) -> dict[UUID, tuple[int, list[DisputeHours]]]:
    of = dict(
        session.execute(
            select(Dispute.id, Dispute.client_id).where(
                queries.visible_to(actor), Dispute.opened_at >= since, Dispute.opened_at < until
            )
        ).all()
    )
    counted: defaultdict[UUID, int] = defaultdict(int)
    worked: defaultdict[UUID, list[DisputeHours]] = defaultdict(list)
    for client in of.values():
        counted[client] += 1
    for row in queries.hours(session, list(of)):
        worked[of[row.dispute_id]].append(row)
    return {client: (count, worked[client]) for client, count in counted.items()}


def _contracts(
    session: Session, actor: Actor, *, since: datetime, until: datetime
) -> dict[UUID, list[Contract]]:
    ends = func.least(Contract.valid_to, Contract.terminated_at)
    found: defaultdict[UUID, list[Contract]] = defaultdict(list)
    for row in session.scalars(
        select(Contract)
        .join(Client, Client.id == Contract.client_id)
        .where(
            clients.visible_to(actor),
            Contract.valid_from < until,
            or_(ends.is_(None), ends > since),
        )
        .order_by(Contract.valid_from, Contract.id)
    ):
        found[row.client_id].append(row)
    return dict(found)


def _brings(
    contracts: Sequence[Contract], *, since: datetime, until: datetime, zone: ZoneInfo
) -> Sum:
    found: defaultdict[str, int] = defaultdict(int)
    is_known = bool(contracts)
    for contract in contracts:
        if contract.monthly_price_minor is None or contract.currency is None:
            is_known = False
            continue
        ends = [one for one in (contract.valid_to, contract.terminated_at, until) if one]
        found[contract.currency] += rules.month_share(
            contract.monthly_price_minor,
            max(since, contract.valid_from).astimezone(zone).date(),
            min(ends).astimezone(zone).date(),
        )
    return Sum(minor=dict(sorted(found.items())), is_known=is_known)
