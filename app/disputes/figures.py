"""What a client costs and brings, and whether complaints grow: numbers with what is behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, literal, or_, select
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Client, Contract, Event, EventKind
from app.disputes import hours, queries, rules
from app.disputes.models import Dispute
from app.disputes.service import DisputeClientUnknown
from app.identity.actor import Actor
from app.recordings import queries as recordings
from app.recordings.models import Recording

MOST_IDS = 500
_MILLISECONDS_IN_MINUTE = 60_000
_QUARTER_MONTHS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What a number was made of: the ids (the first of many), and the filter that finds them."""

    kind: str
    filter: Mapping[str, str]
    ids: tuple[UUID, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number, or None where it would be a division by nothing."""

    value: Fraction | None
    unit: str
    behind: tuple[Behind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Amounts by currency, in minor units; `is_known` is False where a rate or price is missing."""

    minor: Mapping[str, int]
    is_known: bool
    behind: tuple[Behind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFigures:
    """The figures of one client in a time."""

    client: str
    client_name: str
    since: datetime
    until: datetime
    calls: Number
    minutes: Number
    minutes_per_call: Number
    calls_per_ticket: Number
    calls_per_event: Number
    complaints: Number
    disputes: Number
    dispute_hours: Number
    dispute_cost: Money
    contracts_bring: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarter:
    """A quarter of the office's calendar: complaints, disputes, and clients under contract."""

    name: str
    since: datetime
    until: datetime
    complaints: Number
    disputes: Number
    clients: Number
    complaints_per_client: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month of a client in the office's calendar."""

    since: datetime
    until: datetime
    calls: int
    minutes: Fraction
    complaints: int
    dispute_minutes: int


def of_client(
    session: Session,
    actor: Actor,
    client: str,
    *,
    since: datetime,
    until: datetime,
    zone: ZoneInfo,
) -> ClientFigures:
    """Return the figures of a client from `since` until `until`.

    Raises:
        DisputeClientUnknown: there is no such client.
    """
    found = queries.client_named(session, client)
    if found is None:
        raise DisputeClientUnknown(client=client)
    period = {"client": client, "since": since.isoformat(), "until": until.isoformat()}
    calls, lasted_ms = _calls(session, actor, found.id, since=since, until=until)
    events = _events(session, found.id, since=since, until=until)
    disputes = _disputes(session, actor, found.id, since=since, until=until)
    of_calls = _behind("recordings", period, calls)
    of_disputes = _behind("disputes", period, disputes)
    tickets, complaints = (
        _behind("events", period | {"kind": str(kind)}, events.get(kind, []))
        for kind in (EventKind.TICKET, EventKind.COMPLAINT)
    )
    of_events = _behind("events", period, [one for ids in events.values() for one in ids])
    worked = queries.hours(session, disputes)
    summed = hours.summed(worked)
    spent = sum(line.minutes for line in summed)
    of_hours = _behind("hours", period, [row.id for row in worked])
    minutes = Fraction(lasted_ms, _MILLISECONDS_IN_MINUTE)
    return ClientFigures(
        client=client,
        client_name=found.name,
        since=since,
        until=until,
        calls=_number(len(calls), "calls", of_calls),
        minutes=_number(minutes, "minutes", of_calls),
        minutes_per_call=_ratio(minutes, len(calls), "minutes per call", of_calls),
        calls_per_ticket=_ratio(len(calls), tickets.count, "calls per ticket", of_calls, tickets),
        calls_per_event=_ratio(len(calls), of_events.count, "calls per event", of_calls, of_events),
        complaints=_number(complaints.count, "complaints", complaints),
        disputes=_number(len(disputes), "disputes", of_disputes),
        dispute_hours=_number(Fraction(spent, 60), "hours", of_disputes, of_hours),
        dispute_cost=Money(
            minor=hours.total(summed),
            is_known=not any(line.minutes_without_rate for line in summed),
            behind=(of_hours,),
        ),
        contracts_bring=_brings(session, found, period, since=since, until=until, zone=zone),
    )


def months(
    session: Session,
    actor: Actor,
    client_id: UUID,
    *,
    count: int,
    zone: ZoneInfo,
    at: datetime,
) -> list[Month]:
    """Return the last months of a client, the present one last."""
    today = at.astimezone(zone).date()
    this = today.year * 12 + today.month - 1
    days = [date(n // 12, n % 12 + 1, 1) for n in range(this - count + 1, this + 2)]
    starts = [_midnight(day, zone) for day in days]
    since, until = starts[0], starts[-1]
    lasted = _by_month(
        session,
        select(Recording.started_at, func.coalesce(Recording.duration_ms, 0))
        .join(Event, Event.id == Recording.event_id)
        .where(
            Event.client_id == client_id,
            Recording.started_at >= since,
            Recording.started_at < until,
            Recording.erased_at.is_(None),
            recordings.visible_to(actor),
        ),
        zone,
    )
    complained = _by_month(
        session,
        select(Event.occurred_at, literal(1)).where(
            Event.client_id == client_id,
            Event.kind == EventKind.COMPLAINT,
            Event.occurred_at >= since,
            Event.occurred_at < until,
        ),
        zone,
    )
    disputes = select(Dispute.id).where(Dispute.client_id == client_id, queries.visible_to(actor))
    worked: defaultdict[tuple[int, int], int] = defaultdict(int)
    for row in queries.hours(session, session.scalars(disputes).all()):
        worked[row.worked_on.year, row.worked_on.month] += row.minutes
    return [
        Month(
            since=begin,
            until=end,
            calls=len(lasted[day.year, day.month]),
            minutes=Fraction(sum(lasted[day.year, day.month]), _MILLISECONDS_IN_MINUTE),
            complaints=len(complained[day.year, day.month]),
            dispute_minutes=worked[day.year, day.month],
        )
        for day, begin, end in zip(days[:-1], starts[:-1], starts[1:], strict=True)
    ]


def _by_month(
    session: Session, query: Select[datetime, int], zone: ZoneInfo
) -> defaultdict[tuple[int, int], list[int]]:
    found: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for at, value in session.execute(query):
        local = at.astimezone(zone)
        found[local.year, local.month].append(value)
    return found


def trend(
    session: Session, actor: Actor, *, quarters: int, zone: ZoneInfo, at: datetime
) -> list[Quarter]:
    """Return the last quarters, the present one last, to see whether complaints outgrow clients."""
    first = _first_day(at.astimezone(zone).date())
    begins = [_earlier(first, back) for back in range(quarters - 1, -1, -1)]
    return [_quarter(session, actor, day, zone=zone) for day in begins]


def _quarter(session: Session, actor: Actor, day: date, *, zone: ZoneInfo) -> Quarter:
    since, until = _midnight(day, zone), _midnight(_earlier(day, -1), zone)
    period = {"since": since.isoformat(), "until": until.isoformat()}
    complaints = _behind(
        "events",
        period | {"kind": str(EventKind.COMPLAINT)},
        session.scalars(
            select(Event.id)
            .outerjoin(Client, Client.id == Event.client_id)
            .where(
                _seen_or_nobodys(actor),
                Event.kind == EventKind.COMPLAINT,
                Event.occurred_at >= since,
                Event.occurred_at < until,
            )
            .order_by(Event.occurred_at, Event.id)
        ).all(),
    )
    disputes = _behind(
        "disputes", period, _disputes(session, actor, None, since=since, until=until)
    )
    under_contract = _behind(
        "clients",
        period,
        session.scalars(
            select(Contract.client_id)
            .join(Client, Client.id == Contract.client_id)
            .where(clients.visible_to(actor), Contract.valid_from < until, _ends_after(since))
            .group_by(Contract.client_id)
            .order_by(Contract.client_id)
        ).all(),
    )
    return Quarter(
        name=f"{day.year}-Q{(day.month - 1) // _QUARTER_MONTHS + 1}",
        since=since,
        until=until,
        complaints=_number(complaints.count, "complaints", complaints),
        disputes=_number(disputes.count, "disputes", disputes),
        clients=_number(under_contract.count, "clients under contract", under_contract),
        complaints_per_client=_ratio(
            complaints.count,
            under_contract.count,
            "complaints per client",
            complaints,
            under_contract,
        ),
    )


def _calls(
    session: Session, actor: Actor, client_id: UUID, *, since: datetime, until: datetime
) -> tuple[Sequence[UUID], int]:
    rows = session.execute(
        select(Recording.id, func.coalesce(Recording.duration_ms, 0))
        .join(Event, Event.id == Recording.event_id)
        .where(
            Event.client_id == client_id,
            Recording.started_at >= since,
            Recording.started_at < until,
            Recording.erased_at.is_(None),
            recordings.visible_to(actor),
        )
        .order_by(Recording.started_at, Recording.id)
    ).all()
    return [row[0] for row in rows], sum(row[1] for row in rows)


def _events(
    session: Session, client_id: UUID, *, since: datetime, until: datetime
) -> dict[EventKind, list[UUID]]:
    found: defaultdict[EventKind, list[UUID]] = defaultdict(list)
    for row in session.execute(
        select(Event.kind, Event.id)
        .where(Event.client_id == client_id, Event.occurred_at >= since, Event.occurred_at < until)
        .order_by(Event.occurred_at, Event.id)
    ):
        found[EventKind(row[0])].append(row[1])
    return found


def _disputes(
    session: Session, actor: Actor, client_id: UUID | None, *, since: datetime, until: datetime
) -> Sequence[UUID]:
    query = select(Dispute.id).where(
        queries.visible_to(actor), Dispute.opened_at >= since, Dispute.opened_at < until
    )
    if client_id is not None:
        query = query.where(Dispute.client_id == client_id)
    return session.scalars(query.order_by(Dispute.opened_at, Dispute.id)).all()


def _seen_or_nobodys(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of events of the clients that `actor` sees, or of nobody known yet."""
    return or_(Event.client_id.is_(None), clients.visible_to(actor))


def _ends_after(moment: datetime) -> ColumnElement[bool]:
    ends = func.least(Contract.valid_to, Contract.terminated_at)
    return or_(ends.is_(None), ends > moment)


def _brings(
    session: Session,
    client: Client,
    period: Mapping[str, str],
    *,
    since: datetime,
    until: datetime,
    zone: ZoneInfo,
) -> Money:
    """Return what the contracts in force bring in a time, day by day of each month."""
    found: defaultdict[str, int] = defaultdict(int)
    used = []
    is_known = True
    for contract in session.scalars(
        select(Contract)
        .where(
            Contract.client_id == client.id,
            Contract.valid_from < until,
            _ends_after(since),
        )
        .order_by(Contract.valid_from, Contract.id)
    ):
        used.append(contract.id)
        if contract.monthly_price_minor is None or contract.currency is None:
            is_known = False
            continue
        ends = [one for one in (contract.valid_to, contract.terminated_at, until) if one]
        share = rules.month_share(
            contract.monthly_price_minor,
            max(since, contract.valid_from).astimezone(zone).date(),
            min(ends).astimezone(zone).date(),
        )
        found[contract.currency] += share
    behind = _behind("contracts", period, used)
    minor = dict(sorted(found.items()))
    return Money(minor=minor, is_known=is_known and bool(used), behind=(behind,))


def _behind(kind: str, period: Mapping[str, str], ids: Sequence[UUID]) -> Behind:
    return Behind(kind=kind, filter=dict(period), ids=tuple(ids[:MOST_IDS]), count=len(ids))


def _number(value: Fraction | int, unit: str, *behind: Behind) -> Number:
    return Number(value=Fraction(value), unit=unit, behind=behind)


def _ratio(above: Fraction | int, below: int, unit: str, *behind: Behind) -> Number:
    value = Fraction(above) / below if below else None
    return Number(value=value, unit=unit, behind=behind)


def _first_day(day: date) -> date:
    return date(day.year, (day.month - 1) // _QUARTER_MONTHS * _QUARTER_MONTHS + 1, 1)


def _earlier(first: date, quarters: int) -> date:
    month = first.year * 12 + first.month - 1 - _QUARTER_MONTHS * quarters
    return date(month // 12, month % 12 + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
