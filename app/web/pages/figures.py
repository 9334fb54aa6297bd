"""Figures: whether complaints outgrow clients, and which clients cost more than they bring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from babel.numbers import get_currency_precision
from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.clients.models import EventKind
from app.core.deps import ClockDep, SessionDep
from app.disputes import comparing, figures
from app.disputes.comparing import Line, Order, Sum
from app.disputes.figures import Quarter
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.web import charts, edge
from app.web.asked import EMPTY, Listed, midnight
from app.web.charts import Series
from app.web.sections import Place, Section
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.DISPUTE_READ))]

SECTION = Section(
    place=Place.REPORTS, path="/figures", label=N_("Figures"), permission=Permission.DISPUTE_READ
)

_QUARTERS: Final = 8
_CHOICES: Final = (4, 8, 12, 20)
_MOST: Final = 50
_DRAWN: Final = 12


class Of(StrEnum):
    """What of the quarters is drawn."""

    COMPLAINTS = "complaints"
    CLIENTS = "clients"


_DRAWN_OF: Final = {
    Of.COMPLAINTS: N_("Complaints"),
    Of.CLIENTS: N_("Clients under contract"),
}
_YEAR: Final = timedelta(days=365)
_MINUTE: Final = 60
ORDERS: Final = {
    Order.COST: N_("cost of disputes"),
    Order.HOURS: N_("hours of disputes"),
    Order.COMPLAINTS: N_("complaints"),
    Order.CALLS: N_("calls"),
    Order.MINUTES: N_("minutes of calls"),
    Order.BRINGS: N_("what contracts bring"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarterRow:
    """A quarter: numbers, and the lists behind them."""

    name: str
    complaints: int
    complaints_path: str
    disputes: int
    disputes_path: str
    clients: int
    clients_path: str
    per_client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPage:
    """Complaints against the number of clients, quarter by quarter."""

    title: str
    rows: tuple[QuarterRow, ...]
    quarters: int
    choices: tuple[tuple[int, str], ...]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRow:
    """A client: numbers, and the lists behind them."""

    id: UUID
    name: str
    calls: int
    calls_path: str
    minutes_per_call: str
    calls_per_ticket: str
    tickets_path: str
    complaints: int
    complaints_path: str
    disputes: int
    dispute_hours: str
    disputes_path: str
    cost: str
    cost_is_known: bool
    brings: str
    brings_is_known: bool
    costs_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsPage:
    """Clients beside each other."""

    title: str
    first: str
    last: str
    order: str
    orders: tuple[tuple[str, str], ...]
    rows: tuple[ClientRow, ...]
    left_out: int
    chart: str
    currency: str


class ClientsAsked(Listed):
    """Of which days, and in which order."""

    order: Annotated[Order | None, EMPTY] = None


Quarters = Annotated[int, Query(ge=1, le=40)]


@router.get("/figures")
def show_trend(
    call: Request,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    quarters: Quarters = _QUARTERS,
) -> Response:
    """Show complaints against the number of clients, quarter by quarter."""
    words = edge.words_of(call, actor, session)
    found = figures.trend(session, actor, quarters=quarters, zone=words.zone, at=clock.now())
    page = TrendPage(
        title=words.gettext("Complaints and clients"),
        rows=tuple(_quarter(one, words) for one in reversed(found)),
        quarters=quarters,
        choices=tuple((n, str(n)) for n in sorted({*_CHOICES, quarters})),
        says=_says(found, words),
    )
    return edge.render(call, actor, session, "figures/trend.html", page, words=words)


@router.get("/figures/trend.svg")
def draw_trend(
    call: Request,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    quarters: Quarters = _QUARTERS,
    of: Of = Of.COMPLAINTS,
) -> Response:
    """Draw complaints, or clients: two pictures, since they have two measures."""
    words = edge.words_of(call, actor, session)
    found = figures.trend(session, actor, quarters=quarters, zone=words.zone, at=clock.now())
    numbers = [one.clients if of is Of.CLIENTS else one.complaints for one in found]
    name = words.gettext(_DRAWN_OF[of])
    values = [float(one.value or 0) for one in numbers]
    return charts.line([_name(one) for one in found], Series(name=name, values=values))


@router.get("/figures/clients")
def show_clients(
    call: Request,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    asked: Annotated[ClientsAsked, Query()],
) -> Response:
    """Show which clients take and bring how much."""
    words = edge.words_of(call, actor, session)
    first, last = _days(asked, clock.now(), words)
    order = asked.order or Order.COST
    found, currency = _lines(session, actor, (first, last), order, words)
    told = {"from": first.isoformat(), "to": last.isoformat(), "order": str(order)}
    page = ClientsPage(
        title=words.gettext("Clients: what they take and bring"),
        first=first.isoformat(),
        last=last.isoformat(),
        order=order,
        orders=tuple((str(one), words.gettext(said)) for one, said in ORDERS.items()),
        rows=tuple(
            _client(one, first, last, currency=currency, words=words) for one in found[:_MOST]
        ),
        left_out=max(0, len(found) - _MOST),
        chart=f"/figures/clients.svg?{urlencode(told)}",
        currency=currency or "",
    )
    return edge.render(call, actor, session, "figures/clients.html", page, words=words)


@router.get("/figures/clients.svg")
def draw_clients(
    call: Request,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    asked: Annotated[ClientsAsked, Query()],
) -> Response:
    """Draw cost against income of the first of them."""
    words = edge.words_of(call, actor, session)
    days = _days(asked, clock.now(), words)
    found, currency = _lines(session, actor, days, asked.order or Order.COST, words)
    drawn = found[:_DRAWN]
    unit = f", {currency}" if currency else ""

    def major(one: Sum) -> float:
        return float(_major(one.minor.get(currency or "", 0), currency or "RUB"))

    return charts.bars(
        [one.name for one in drawn],
        [
            Series(
                name=words.gettext("Cost of disputes") + unit,
                values=[major(one.cost) for one in drawn],
            ),
            Series(
                name=words.gettext("Contracts bring") + unit,
                values=[major(one.brings) for one in drawn],
            ),
        ],
    )


# --- how they are shown --------------------------------------------------------------------------


def _days(asked: Listed, at: datetime, words: Words) -> tuple[date, date]:
    """Return the first and last day; without any, those of the last year."""
    last = asked.last or at.astimezone(words.zone).date()
    first = asked.first or last - _YEAR
    return min(first, last), last


def _lines(
    session: Session, actor: Actor, days: tuple[date, date], order: Order, words: Words
) -> tuple[list[Line], str | None]:
    since = midnight(days[0], words.zone)
    until = midnight(days[1] + timedelta(days=1), words.zone)
    found = comparing.lines(session, actor, since=since, until=until, zone=words.zone)
    currency = comparing.currency_of(found)
    return comparing.ordered(found, order, currency), currency


def _name(quarter: Quarter) -> str:
    year, number = quarter.name.split("-Q")
    return f"{'I' * int(number) if number != '4' else 'IV'} {year}"


def _quarter(one: Quarter, words: Words) -> QuarterRow:
    first = one.since.astimezone(words.zone).date().isoformat()
    last = (one.until - timedelta(microseconds=1)).astimezone(words.zone).date().isoformat()
    days = {"from": first, "to": last}
    per_client = one.complaints_per_client.value
    return QuarterRow(
        name=_name(one),
        complaints=int(one.complaints.value or 0),
        complaints_path=f"/events?{urlencode({'kind': str(EventKind.COMPLAINT), **days})}",
        disputes=int(one.disputes.value or 0),
        disputes_path=f"/disputes?{urlencode({'since': first, 'until': last})}",
        clients=int(one.clients.value or 0),
        clients_path=f"/figures/clients?{urlencode(days)}",
        per_client="—" if per_client is None else _rounded(per_client * 100, words),
    )


def _says(found: list[Quarter], words: Words) -> str:
    """Say in a sentence whether complaints grew faster than clients, from the first to the last."""
    known = [one for one in found[:-1] if one.complaints_per_client.value is not None]
    if len(known) < 2:  # noqa: PLR2004 - a growth has a beginning and an end.
        return words.gettext("There are too few whole quarters yet to see a trend.")
    before, after = known[0], known[-1]
    was = before.complaints_per_client.value or Fraction(0)
    now = after.complaints_per_client.value or Fraction(0)
    if now > was:
        said = words.gettext(
            "Complaints grow faster than the number of clients: %(was)s per 100 clients in "
            "%(before)s, %(now)s in %(after)s."
        )
    else:
        said = words.gettext(
            "Complaints do not outgrow the number of clients: %(was)s per 100 clients in "
            "%(before)s, %(now)s in %(after)s."
        )
    return said % {
        "was": _rounded(was * 100, words),
        "now": _rounded(now * 100, words),
        "before": _name(before),
        "after": _name(after),
    }


def _client(one: Line, first: date, last: date, *, currency: str | None, words: Words) -> ClientRow:
    days = {"from": first.isoformat(), "to": last.isoformat()}
    events = {"client": one.external_id, **days}
    of_disputes = {"client": one.external_id, "since": days["from"], "until": days["to"]}
    code = currency or ""
    return ClientRow(
        id=one.id,
        name=one.name,
        calls=one.calls,
        calls_path=f"/clients/{one.id}/calls?{urlencode(days)}",
        minutes_per_call=_rounded(one.minutes_per_call, words),
        calls_per_ticket=_rounded(one.calls_per_ticket, words),
        tickets_path=f"/events?{urlencode({**events, 'kind': str(EventKind.TICKET)})}",
        complaints=one.complaints,
        complaints_path=f"/events?{urlencode({**events, 'kind': str(EventKind.COMPLAINT)})}",
        disputes=one.disputes,
        dispute_hours=_rounded(Fraction(one.dispute_minutes, _MINUTE), words),
        disputes_path=f"/disputes?{urlencode(of_disputes)}",
        cost=_money(one.cost, words),
        cost_is_known=one.cost.is_known,
        brings=_money(one.brings, words),
        brings_is_known=one.brings.is_known or not one.has_contract,
        costs_more=one.cost.minor.get(code, 0) > one.brings.minor.get(code, 0),
    )


def _rounded(value: Fraction | None, words: Words) -> str:
    return "—" if value is None else words.number(round(float(value), 1))


def _major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-get_currency_precision(currency))


def _money(found: Sum, words: Words) -> str:
    sums = [words.money(_major(minor, code), code) for code, minor in found.minor.items()]
    return ", ".join(sums) or "—"
