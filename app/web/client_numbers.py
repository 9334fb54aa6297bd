"""What a client costs and brings, as his card shows it: numbers, and the lists behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from app.clients.models import Client
from app.disputes.figures import ClientFigures, Money, Month
from app.web.words import Words

MINOR: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number, what it means, and where the list behind it is."""

    label: str
    value: str
    note: str
    behind: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A number of a month, as a share of the greatest, and the list behind it."""

    value: str
    share: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRow:
    """A month: calls, minutes, complaints, and hours of disputes."""

    since: datetime
    bars: tuple[Bar, ...]


class Lists:
    """Where the lists behind a client's numbers are, for the days of a time."""

    def __init__(self, client: Client, words: Words, *, since: datetime, until: datetime) -> None:
        last = (until - timedelta(microseconds=1)).astimezone(words.zone).date()
        self._days = {"from": since.astimezone(words.zone).date().isoformat()}
        self._days["to"] = last.isoformat()
        self._client = client

    @property
    def calls(self) -> str:
        return f"/clients/{self._client.id}/calls?{urlencode(self._days)}"

    @property
    def disputes(self) -> str:
        return f"/clients/{self._client.id}/timeline?{urlencode({**self._days, 'kind': 'dispute'})}"

    def events(self, kind: str = "") -> str:
        kinds = {"kind": kind} if kind else {}
        told = {"client": self._client.external_id, **kinds, **self._days}
        return f"/events?{urlencode(told)}"


def numbers(
    found: ClientFigures, lists: Lists, words: Words, *, sees_disputes: bool
) -> tuple[Figure, ...]:
    """Return the numbers of a time in words, those of disputes for whom they are told to."""
    calls, events = (words.gettext("calls"), lists.calls), (words.gettext("events"), lists.events())
    tickets = (words.gettext("tickets"), lists.events("ticket"))
    counted = [
        (words.gettext("Calls"), found.calls, "", (calls,)),
        (words.gettext("Minutes per call"), found.minutes_per_call, "", (calls,)),
        (words.gettext("Calls per event"), found.calls_per_event, "", (calls, events)),
        (words.gettext("Calls per ticket"), found.calls_per_ticket, "", (calls, tickets)),
        (
            words.gettext("Complaints"),
            found.complaints,
            "",
            ((words.gettext("complaints"), lists.events("complaint")),),
        ),
    ]
    if sees_disputes:
        of_disputes = ((words.gettext("disputes"), lists.disputes),)
        counted += [
            (words.gettext("Disputes"), found.disputes, "", of_disputes),
            (words.gettext("Hours of disputes"), found.dispute_hours, "", of_disputes),
        ]
    shown = [
        Figure(
            label=label,
            value="—" if number.value is None else words.number(round(float(number.value), 1)),
            note=note,
            behind=behind,
        )
        for label, number, note, behind in counted
    ]
    partly = words.gettext("not all of it is known")
    if sees_disputes:
        cost = found.dispute_cost
        shown.append(
            Figure(
                label=words.gettext("Cost of disputes"),
                value=_money(cost, words),
                note="" if cost.is_known else partly,
                behind=((words.gettext("disputes"), lists.disputes),),
            )
        )
    brings = found.contracts_bring
    shown.append(
        Figure(
            label=words.gettext("Contracts bring"),
            value=_money(brings, words),
            note="" if brings.is_known else partly,
            behind=((words.gettext("contracts"), "#contracts"),),
        )
    )
    return tuple(shown)


def rows(
    months: Sequence[Month], client: Client, words: Words, *, sees_disputes: bool
) -> tuple[MonthRow, ...]:
    """Return the months, the newest first, each number as a share of its greatest."""
    columns = [
        [Decimal(month.calls) for month in months],
        [Decimal(round(float(month.minutes))) for month in months],
        [Decimal(month.complaints) for month in months],
    ]
    if sees_disputes:
        columns.append([Decimal(round(month.dispute_minutes / 60, 1)) for month in months])
    most = [max(column) or Decimal(1) for column in columns]
    found = []
    for place, month in enumerate(months):
        lists = Lists(client, words, since=month.since, until=month.until)
        paths = (lists.calls, lists.calls, lists.events("complaint"), lists.disputes)
        bars = tuple(
            Bar(
                value=words.number(round(float(column[place]), 1)),
                share=round(100 * column[place] / greatest),
                path=path if column[place] else "",
            )
            for column, greatest, path in zip(columns, most, paths, strict=False)
        )
        found.append(MonthRow(since=month.since, bars=bars))
    return tuple(reversed(found))


def _money(money: Money, words: Words) -> str:
    sums = [words.money(Decimal(minor) / MINOR, code) for code, minor in money.minor.items()]
    return ", ".join(sums) or "—"
