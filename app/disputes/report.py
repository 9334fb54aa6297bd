"""What the report on a dispute says: gathered in one transaction, printed outside of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, get_currency_precision
from sqlalchemy.orm import Session

from app.core.ids import DisputeId
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import queries, reading, timeline, wording
from app.disputes.hours import Line as Hours
from app.disputes.models import DisputeStatement, Exhibit
from app.disputes.papers import Axis, Lane, Mark, Report, Row, Said
from app.disputes.reading import Whole
from app.disputes.rules import (
    AnswerKind,
    Channel,
    Outcome,
    RequestState,
    Side,
    State,
    StatementKind,
    StepKind,
    StepState,
)
from app.disputes.timeline import Happened, Line
from app.identity.actor import Actor

MOST_LINES: Final = 400
_TICKS: Final = 5
_LOCALES: Final = {"ru": "ru_RU", "en": "en_GB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """In which language and whose days a report is written."""

    language: str
    zone: ZoneInfo

    def moment(self, at: datetime | None) -> str:
        if at is None:
            return ""
        locale = _LOCALES[self.language]
        return str(format_datetime(at, "dd.MM.yyyy HH:mm", tzinfo=self.zone, locale=locale))

    def day(self, at: datetime) -> str:
        day = at.astimezone(self.zone).date()
        return str(format_date(day, "dd.MM.yy", locale=_LOCALES[self.language]))

    def money(self, minor: int, currency: str) -> str:
        """Return an amount in the currency's own places."""
        exact = Decimal(minor).scaleb(-get_currency_precision(currency))
        return str(format_currency(exact, currency, locale=_LOCALES[self.language]))

    def amounts(self, minor: Mapping[str, int]) -> str:
        return ", ".join(self.money(amount, currency) for currency, amount in minor.items())


def gather(
    session: Session, actor: Actor, dispute_id: DisputeId, reader: Reader, *, at: datetime
) -> Report:
    """Return what `actor` may be told of a dispute, and write down that he takes it.

    Raises:
        DisputeNotFound: there is none.
    """
    whole = reading.whole(session, actor, dispute_id)
    window = timeline.window_of(session, whole.dispute, since=None, until=None, at=at)
    found = timeline.lines(session, actor, window, after=None, limit=MOST_LINES + 1)
    shown = found[:MOST_LINES]
    ledger.append(
        session,
        actor,
        Act.DISPUTE_REPORTED,
        ("dispute", whole.dispute.id),
        at=at,
        facts={"language": reader.language, "lines": len(shown)},
    )
    left_out = 0
    if len(found) > len(shown):
        left_out = timeline.count(session, actor, window) - len(shown)
    return _report(session, whole, shown, reader, left_out=left_out, actor=actor, at=at)


def _report(  # noqa: PLR0913 - all but four are named.
    session: Session,
    whole: Whole,
    shown: Sequence[Line],
    reader: Reader,
    *,
    left_out: int,
    actor: Actor,
    at: datetime,
) -> Report:
    contracts = queries.contract_numbers(session, (one.contract_id for one in whole.statements))

    def told(kind: StatementKind) -> list[Said]:
        return [_said(one, whole, contracts, reader) for one in whole.of_kind(kind)]

    return Report(
        language=reader.language,
        dispute=str(whole.dispute.id),
        subject=whole.dispute.subject,
        facts=_facts(whole, reader, actor=actor, at=at),
        complaints=told(StatementKind.COMPLAINT),
        steps=_steps(whole, reader),
        axis=axis(shown, reader),
        timeline=[happening(one, reader) for one in shown],
        left_out=left_out,
        exhibits=_exhibits(session, whole, reader),
        requests=_requests(whole, reader),
        findings=told(StatementKind.FINDING),
        verdicts=told(StatementKind.VERDICT),
        hours=[_hours(line, reader) for line in whole.lines],
        total=_total(whole, reader),
        bases=told(StatementKind.BASIS),
        answers=told(StatementKind.ANSWER),
        outcomes=told(StatementKind.OUTCOME),
        lessons=told(StatementKind.LESSON),
        praise=told(StatementKind.PRAISE),
    )


def _facts(whole: Whole, reader: Reader, *, actor: Actor, at: datetime) -> list[tuple[str, str]]:
    one, lang = whole.dispute, reader.language
    asker = whole.people.get(actor.id, actor.name) if actor.id else actor.name
    period = " – ".join(filter(None, map(reader.moment, (one.period_from, one.period_to))))
    told = (
        ("client", whole.client.name),
        ("state", wording.say(State(one.state), lang)),
        ("owner", whole.people.get(one.owner_id, "")),
        ("opened", reader.moment(one.opened_at)),
        ("due", reader.moment(one.due_at)),
        ("period", period),
        ("closed", reader.moment(one.closed_at)),
        ("made", f"{reader.moment(at)}, {wording.say('made_for', lang)} {asker}"),
    )
    return [(wording.say(name, lang), value) for name, value in told if value]


def _said(
    one: DisputeStatement, whole: Whole, contracts: Mapping[UUID, str], reader: Reader
) -> Said:
    lang = reader.language
    head = []
    if one.value is not None:
        words = {
            StatementKind.VERDICT: Side,
            StatementKind.ANSWER: AnswerKind,
            StatementKind.OUTCOME: Outcome,
        }[StatementKind(one.kind)]
        head.append(wording.say(words(one.value), lang))
    if one.clause_ref is not None:
        quote = (one.quote or "").rstrip().removesuffix(".")
        number = contracts.get(one.contract_id, "") if one.contract_id else ""
        of_contract = f"{wording.say('contract', lang)} {number}, " if number else ""
        head.append(f"{of_contract}{wording.say('clause', lang)} {one.clause_ref}: {quote}")
    if one.amount_minor is not None and one.currency is not None:
        head.append(reader.money(one.amount_minor, one.currency))
    noter = whole.people.get(one.noted_by, "") if one.noted_by else ""
    said_by = None if one.id in whole.withheld else one.said_by
    by = [
        said_by or whole.agents.get(one.agent or "") or one.agent or noter,
        wording.say(Channel(one.channel), lang) if one.channel else "",
        reader.moment(one.said_at or one.at),
    ]
    shown = wording.say("withheld", lang) if one.id in whole.withheld else one.words
    return Said(head="; ".join(head), words=shown, by=", ".join(filter(None, by)))


def _steps(whole: Whole, reader: Reader) -> list[Row]:
    lang = reader.language
    return [
        Row(
            cells=(
                one.title or wording.say(StepKind(one.kind), lang),
                wording.say(StepState(one.state), lang),
                whole.people.get(one.owner_id, "") if one.owner_id else "",
                reader.moment(one.due_at),
                one.result or one.reason or "",
            )
        )
        for one in whole.steps
    ]


def happening(one: Line, reader: Reader) -> Row:
    """Return a line of the timeline as it is printed."""
    title, lasts = one.title, ""
    if one.kind is Happened.RELEASE:
        title = wording.say(f"release_{one.title}", reader.language)
    if one.duration_ms is not None:
        lasts = _clock(one.duration_ms)
    return Row(
        cells=(
            reader.moment(one.at),
            wording.say(one.kind, reader.language),
            ", ".join(filter(None, (title, lasts))),
            ", ".join(one.who),
        )
    )


def _exhibits(session: Session, whole: Whole, reader: Reader) -> list[Row]:
    moments = queries.exhibited_at(session, whole.exhibits)
    return [_exhibit(one, moments.get(one.id), whole, reader) for one in whole.exhibits]


def _exhibit(
    one: Exhibit, moment: tuple[datetime, bool] | None, whole: Whole, reader: Reader
) -> Row:
    lang = reader.language
    kind = Happened.SCREENSHOT if one.recording_id is None else Happened.RECORDING
    part = ""
    if one.recording_id is not None:
        is_whole = one.from_ms == 0 and one.to_ms is None
        span = f"{_clock(one.from_ms)}–{_clock(one.to_ms)}"
        part = wording.say("whole", lang) if is_whole else span
    taken_out = len(one.redactions) + len(one.areas)
    notes = [one.note or ""]
    if taken_out:
        notes.append(f"{wording.say('redacted', lang)}: {taken_out}")
    if moment is not None and moment[1]:
        notes.append(wording.say("erased", lang))
    return Row(
        cells=(
            reader.moment(moment[0]) if moment else "",
            wording.say(kind, lang),
            part,
            "; ".join(filter(None, notes)),
            whole.people.get(one.added_by, ""),
        )
    )


def _clock(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "…"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    return f"{minutes}:{seconds:02}"


def _requests(whole: Whole, reader: Reader) -> list[Row]:
    lang = reader.language

    def described(request_id: UUID) -> str:
        """Return the steps that the client described when he sent something."""
        sent = [one for one in whole.uploads.get(request_id, ()) if one.words]
        only_kept = wording.say("withheld", lang)
        said = [only_kept if one.id in whole.withheld else one.words for one in sent]
        return "; ".join(dict.fromkeys(filter(None, said)))

    return [
        Row(
            cells=(
                one.asked,
                wording.say(RequestState(one.state), lang),
                reader.moment(one.due_at),
                one.words or "",
                described(one.id),
            )
        )
        for one in whole.requests
    ]


def _hours(line: Hours, reader: Reader) -> Row:
    lang = reader.language
    cost = [reader.amounts(line.cost_minor)]
    if line.minutes_without_rate:
        cost.append(f"{wording.say('no_rate', lang)}: {_length(line.minutes_without_rate, lang)}")
    return Row(
        cells=(
            wording.say(line.role, lang),
            _length(line.minutes, lang),
            "; ".join(filter(None, cost)),
        )
    )


def _length(minutes: int, language: str) -> str:
    return f"{minutes // 60}:{minutes % 60:02} {wording.say('hours', language)}"


def _total(whole: Whole, reader: Reader) -> str:
    minutes = sum(line.minutes for line in whole.lines)
    told = (_length(minutes, reader.language), reader.amounts(whole.total_minor))
    return ", ".join(filter(None, told))


def axis(shown: Sequence[Line], reader: Reader) -> Axis:
    """Return all happenings over one axis, a lane for each kind that there is."""
    if not shown:
        return Axis(lanes=(), ticks=())
    first, last = shown[0].at, shown[-1].at
    length = max(last - first, timedelta(hours=1))
    lanes: defaultdict[Happened, list[Mark]] = defaultdict(list)
    for one in shown:
        lanes[one.kind].append(Mark(place=100 * ((one.at - first) / length)))
    return Axis(
        lanes=tuple(
            Lane(name=wording.say(kind, reader.language), marks=tuple(lanes[kind]))
            for kind in Happened
            if lanes[kind]
        ),
        ticks=tuple(
            (100 * tick / _TICKS, reader.day(first + length * tick / _TICKS))
            for tick in range(_TICKS + 1)
        ),
    )
