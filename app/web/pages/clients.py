"""Clients: the list, and the card of one: people, contracts, what happened, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.clients import queries, service
from app.clients.models import Client, Contact, Contract, ContractClause, Event, EventKind
from app.consent import queries as evidence
from app.consent import review
from app.consent.models import ContactVerification
from app.core.deps import ClockDep, SessionDep
from app.core.paging import Cursor, NameCursor
from app.disputes import figures, timeline, wording
from app.disputes import queries as disputes
from app.disputes import service as settling
from app.disputes.figures import ClientFigures, Money, Month
from app.disputes.rules import State
from app.disputes.service import Plan
from app.disputes.timeline import Happened, Line, Target, Window
from app.identity import offices
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.pictures import service as pictures
from app.recordings import finding
from app.recordings import queries as recordings
from app.recordings.finding import Sought
from app.recordings.models import Recording
from app.web import client_words as said
from app.web import edge
from app.web.asked import EMPTY, Listed
from app.web.asked import Words as Said
from app.web.edge import Form
from app.web.sections import Place, Section
from app.web.words import N_, Words

_LISTED: Final = 50
_FEW: Final = 10
_MONTHS: Final = 12
_NEAR: Final = timedelta(days=3)
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FEWEST_WORDS: Final = 3
_MOST_SUBJECT: Final = 500
_MOST_BASIS: Final = 4000
_MINOR: Final = 100

CanRead = Annotated[Actor, Depends(Requires(Permission.CLIENT_READ))]
CanVerify = Annotated[Actor, Depends(Requires(Permission.CONTACT_VERIFY))]
CanOpen = Annotated[Actor, Depends(Requires(Permission.DISPUTE_WRITE))]

SECTION = Section(
    place=Place.CLIENTS, path="/clients", label=N_("Clients"), permission=Permission.CLIENT_READ
)
router = edge.page_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A client in the list."""

    id: UUID
    name: str
    external_id: str
    tax_id: str
    office: str
    calls: int
    last_call_at: datetime | None
    open_disputes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """Clients by name."""

    title: str
    q: str
    rows: tuple[Row, ...]
    next_cursor: str | None
    is_first: bool
    sees_disputes: bool
    has_offices: bool
    may_bring: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A call with its recording."""

    path: str
    at: datetime
    duration_ms: int | None
    flag: str
    agent: str
    subject: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A contact, and who has verified that he is who he is and speaks for the firm."""

    contact: Contact
    phones: tuple[str, ...]
    verified_by: str
    verified_at: datetime | None
    looks: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A clause in its own words, and what it permits in plain ones."""

    ref: str
    quote: str
    permits: tuple[str, ...]
    survives_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A contract, and whether it holds now."""

    contract: Contract
    is_in_force: bool
    price: str
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A line of the timeline; without a path it leads nowhere."""

    at: datetime
    mark: str
    word: str
    title: str
    who: str
    path: str
    duration_ms: int | None
    flag: str | None
    release: str | None
    small: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A complaint and the calls around it."""

    event: Event
    calls: tuple[Heard, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarrel:
    """A dispute, and the places on the tape that it shows."""

    path: str
    subject: str
    state: str
    is_closed: bool
    opened_at: datetime
    shown: tuple[tuple[str, int], ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPage:
    """All of a client."""

    title: str
    client: Client
    office: str
    people: tuple[Person, ...]
    papers: tuple[Paper, ...]
    happenings: tuple[Happening, ...]
    calls: tuple[Heard, ...]
    complaints: tuple[Complaint, ...]
    quarrels: tuple[Quarrel, ...]
    figures: tuple[Figure, ...]
    months: tuple[MonthRow, ...]
    may_open: bool
    may_verify: bool
    sees_disputes: bool
    subject: str = ""
    about: Event | None = None
    wrong: Mapping[str, str] = field(default_factory=dict)
    wrong_contact: UUID | None = None
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePage:
    """What happened with a client, the newest first."""

    title: str
    client: Client
    kinds: tuple[tuple[str, str], ...]
    kind: str
    first: str
    last: str
    count: int
    happenings: tuple[Happening, ...]
    base: str
    next_cursor: str | None
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsPage:
    """The calls of a client, the newest first."""

    title: str
    client: Client
    first: str
    last: str
    calls: tuple[Heard, ...]
    base: str
    next_cursor: str | None
    is_first: bool


class ClientsAsked(Listed):
    """What the list is narrowed to."""

    q: Said = None


class TimelineAsked(Listed):
    """Which part of the timeline is wanted; an empty kind is all of them."""

    kind: Annotated[Happened | None, EMPTY] = None


# --- pages ---------------------------------------------------------------------------------------


@router.get("/clients")
def list_clients(
    call: Request, actor: CanRead, session: SessionDep, asked: Annotated[ClientsAsked, Query()]
) -> Response:
    """List clients by name, narrowed to what is looked for."""
    words = edge.words_of(call, actor, session)
    after = NameCursor.decode(asked.cursor) if asked.cursor else None
    found = queries.page(
        session, actor, asked.q, region=words.region, after=after, limit=_LISTED + 1
    )
    shown = found[:_LISTED]
    ids = [one.id for one in shown]
    heard = recordings.counted(session, actor, ids)
    open_ones = disputes.open_counts(session, actor, ids)
    places = offices.names(session)
    last = shown[-1] if len(found) > _LISTED else None
    page = ListPage(
        title=words.gettext("Clients"),
        q=asked.q or "",
        rows=tuple(
            Row(
                id=one.id,
                name=one.name,
                external_id=one.external_id,
                tax_id=one.tax_id or "",
                office=places[one.office_id],
                calls=heard[one.id][0] if one.id in heard else 0,
                last_call_at=heard[one.id][1] if one.id in heard else None,
                open_disputes=open_ones.get(one.id, 0),
            )
            for one in shown
        ),
        next_cursor=NameCursor(name=last.name, id=last.id).encode() if last else None,
        is_first=after is None,
        sees_disputes=Permission.DISPUTE_READ in actor.permissions,
        has_offices=len(places) > 1,
        may_bring=Permission.CLIENT_WRITE in actor.permissions,
    )
    return edge.render(call, actor, session, "clients/list.html", page, words=words)


@router.get("/clients/{client_id}")
def show_client(
    call: Request,
    client_id: UUID,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    about: UUID | None = None,
) -> Response:
    """Show all of a client; `about` is the complaint that a dispute is to be opened about."""
    client = service.find(session, actor, client_id)
    desk = _Desk(call, actor, session, at=clock.now())
    return desk.card(client, about=_event_of(session, client, about))


@router.get("/clients/{client_id}/timeline")
def show_timeline(
    call: Request,
    client_id: UUID,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    asked: Annotated[TimelineAsked, Query()],
) -> Response:
    """Show what happened with a client, narrowed to days and a kind."""
    client = service.find(session, actor, client_id)
    desk = _Desk(call, actor, session, at=clock.now())
    words = desk.words
    window = Window(
        client_id=client.id,
        since=asked.since(words.zone) or _BEGINNING,
        until=asked.until(words.zone) or desk.at + timedelta(microseconds=1),
        kinds=frozenset() if asked.kind is None else frozenset({asked.kind}),
    )
    after = Cursor.decode(asked.cursor) if asked.cursor else None
    found = timeline.lines(
        session, actor, window, after=after, limit=_LISTED + 1, is_newest_first=True
    )
    last = found[_LISTED - 1] if len(found) > _LISTED else None
    query = _query(asked, kind=asked.kind or "")
    page = TimelinePage(
        title=words.gettext("Timeline"),
        client=client,
        kinds=(
            ("", words.gettext("everything")),
            *((str(kind), said.happened(kind, words)) for kind in Happened),
        ),
        kind=asked.kind or "",
        first=asked.first.isoformat() if asked.first else "",
        last=asked.last.isoformat() if asked.last else "",
        count=timeline.count(session, actor, window),
        happenings=tuple(desk.happening(one) for one in found[:_LISTED]),
        base=f"/clients/{client.id}/timeline?{query}",
        next_cursor=Cursor(at=last.at, id=last.id).encode() if last else None,
        is_first=after is None,
    )
    return edge.render(call, actor, session, "clients/timeline.html", page, words=words)


@router.get("/clients/{client_id}/calls")
def list_calls(
    call: Request,
    client_id: UUID,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    asked: Annotated[Listed, Query()],
) -> Response:
    """List a client's calls with their recordings, the newest first."""
    client = service.find(session, actor, client_id)
    desk = _Desk(call, actor, session, at=clock.now())
    zone = desk.words.zone
    after = Cursor.decode(asked.cursor) if asked.cursor else None
    wanted = Sought(client_id=client.id, since=asked.since(zone), until=asked.until(zone))
    found = finding.page(session, actor, wanted, after=after, limit=_LISTED + 1)
    last = found[_LISTED - 1].recording if len(found) > _LISTED else None
    page = CallsPage(
        title=desk.words.gettext("Calls"),
        client=client,
        first=asked.first.isoformat() if asked.first else "",
        last=asked.last.isoformat() if asked.last else "",
        calls=desk.heard([(one.recording, one.event.subject) for one in found[:_LISTED]]),
        base=f"/clients/{client.id}/calls?{_query(asked)}",
        next_cursor=Cursor(at=last.started_at, id=last.id).encode() if last else None,
        is_first=after is None,
    )
    return edge.render(call, actor, session, "clients/calls.html", page, words=desk.words)


# --- forms ---------------------------------------------------------------------------------------


@router.post("/clients/{client_id}/disputes")
def open_dispute(
    call: Request,
    client_id: UUID,
    form: Form,
    actor: CanOpen,
    session: SessionDep,
    *,
    clock: ClockDep,
) -> Response:
    """Open a dispute with a client, about a complaint if one is named."""
    client = service.find(session, actor, client_id)
    subject = form.get("subject")
    about = _event_of(session, client, form.id("about") if form.get("about") else None)
    if not _FEWEST_WORDS <= len(subject) <= _MOST_SUBJECT:
        desk = _Desk(call, actor, session, at=clock.now())
        wrong = {"subject": desk.words.gettext("Say in some words what it is about.")}
        return desk.card(client, about=about, subject=subject, wrong=wrong)
    opened = settling.open_dispute(
        session,
        actor,
        client=client.external_id,
        subject=subject,
        plan=Plan(event=about.external_id if about else None),
        at=clock.now(),
    )
    path = f"/disputes/{opened.id}"
    return edge.see(path if edge.web_of(call).is_page(path) else f"/clients/{client.id}")


@router.post("/clients/{client_id}/contacts/{contact_id}/verify")
def verify_contact(  # noqa: PLR0913 - the framework injects what a form needs.
    call: Request,
    client_id: UUID,
    contact_id: UUID,
    form: Form,
    actor: CanVerify,
    *,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Write down how a contact's identity and mandate were checked."""
    client = service.find(session, actor, client_id)
    desk = _Desk(call, actor, session, at=clock.now())
    told = {name: form.get(name) for name in ("identity_basis", "mandate_basis")}
    wrong = {
        name: desk.words.gettext("Say in some words how this was checked.")
        for name, text in told.items()
        if not _FEWEST_WORDS <= len(text) <= _MOST_BASIS
    }
    contact = session.get(Contact, contact_id)
    if contact is None or contact.client_id != client.id:
        raise service.ClientNotFound
    if wrong:
        return desk.card(client, wrong=wrong, wrong_contact=contact_id, told=told)
    review.verify_contact(
        session, actor, contact_id, **told, looks=form.get("looks"), at=clock.now()
    )
    return edge.see(f"/clients/{client.id}")


# --- how the card is made ------------------------------------------------------------------------


def _event_of(session: Session, client: Client, event_id: UUID | None) -> Event | None:
    found = session.get(Event, event_id) if event_id else None
    return found if found is not None and found.client_id == client.id else None


def _query(asked: Listed, **more: str) -> str:
    told = {"from": asked.first, "to": asked.last, **more}
    pairs = [(name, str(value)) for name, value in told.items() if value]
    return f"{urlencode(pairs)}&" if pairs else ""


class _Desk:
    """Who looks at a client, when and in which words."""

    def __init__(self, call: Request, actor: Actor, session: Session, *, at: datetime) -> None:
        self.call = call
        self.actor = actor
        self.session = session
        self.at = at
        self.words: Words = edge.words_of(call, actor, session)
        self._is_page = edge.web_of(call).is_page

    def card(
        self,
        client: Client,
        *,
        about: Event | None = None,
        subject: str = "",
        wrong: Mapping[str, str] | None = None,
        wrong_contact: UUID | None = None,
        told: Mapping[str, str] | None = None,
    ) -> Response:
        """Answer with the card."""
        session, actor = self.session, self.actor
        wanted = Sought(client_id=client.id)
        newest = finding.page(session, actor, wanted, after=None, limit=_FEW)
        window = Window(
            client_id=client.id, since=_BEGINNING, until=self.at + timedelta(microseconds=1)
        )
        lines = timeline.lines(session, actor, window, after=None, limit=_FEW, is_newest_first=True)
        numbers, months = self._costs(client)
        page = CardPage(
            title=client.name,
            client=client,
            office=offices.names(session)[client.office_id],
            people=self._people(client),
            papers=tuple(
                self._paper(one) for one in reversed(queries.contracts_of(session, client.id))
            ),
            happenings=tuple(self.happening(one) for one in lines),
            calls=self.heard([(one.recording, one.event.subject) for one in newest]),
            complaints=self._complaints(client),
            quarrels=self._quarrels(client),
            figures=numbers,
            months=months,
            may_open=Permission.DISPUTE_WRITE in actor.permissions,
            may_verify=Permission.CONTACT_VERIFY in actor.permissions,
            sees_disputes=Permission.DISPUTE_READ in actor.permissions,
            subject=subject or (about.subject if about else ""),
            about=about,
            wrong=wrong or {},
            wrong_contact=wrong_contact,
            told=told or {},
        )
        return edge.render(
            self.call,
            actor,
            session,
            "clients/card.html",
            page,
            words=self.words,
            status=422 if wrong else 200,
        )

    def heard(self, found: Sequence[tuple[Recording, str]]) -> tuple[Heard, ...]:
        """Return calls as they are shown, each with what it was about."""
        names = disputes.agents(self.session, (one.agent for one, _ in found))
        return tuple(
            Heard(
                path=f"/recordings/{one.id}",
                at=one.started_at,
                duration_ms=one.duration_ms,
                flag=one.flag,
                agent=names.get(one.agent or "", one.agent or ""),
                subject=subject,
                direction=self.words.gettext(said.DIRECTIONS[one.direction]),
            )
            for one, subject in found
        )

    def happening(self, line: Line) -> Happening:
        """Return a line of the timeline as it is shown."""
        path = _LEADS[line.target].format(id=line.id, within=line.within)
        is_release = line.target is Target.RELEASE
        return Happening(
            at=line.at,
            mark=said.MARKS[line.kind],
            word=said.happened(line.kind, self.words),
            title="" if is_release else line.title,
            who=", ".join(line.who),
            path=path if line.target is Target.RECORDING or self._is_page(path) else "",
            duration_ms=line.duration_ms,
            flag=line.flag,
            release=line.title if is_release else None,
            small=self._small(line),
        )

    def _small(self, line: Line) -> str:
        """Return where the small copy of a picture is, if it is shown to this person."""
        kind = _PICTURES.get(line.target)
        if kind is None:
            return ""
        seen = pictures.shown_by_id(self.session, self.actor, [line.id], at=self.at)
        return f"/v1/{kind}/{line.id}/small" if line.id in seen else ""

    def _people(self, client: Client) -> tuple[Person, ...]:
        session = self.session
        verified = evidence.verifications(session, client.id)
        looks = queries.looks_of(session, client.id)
        names = disputes.names(session, (one.verified_by for one in verified.values()))
        contacts = queries.contacts_of(session, client.id)
        first = sorted(contacts, key=lambda one: (one.left_at is not None, not one.is_management))
        return tuple(self._person(one, verified.get(one.id), names, looks[one.id]) for one in first)

    @staticmethod
    def _person(
        contact: Contact,
        verified: ContactVerification | None,
        names: Mapping[UUID, str],
        looks: str,
    ) -> Person:
        return Person(
            contact=contact,
            phones=tuple(phone.number for phone in contact.phones),
            verified_by=names.get(verified.verified_by, "") if verified else "",
            verified_at=verified.at if verified else None,
            looks=looks,
        )

    def _paper(self, contract: Contract) -> Paper:
        ends = [one for one in (contract.valid_to, contract.terminated_at) if one is not None]
        price = ""
        if contract.monthly_price_minor is not None and contract.currency is not None:
            amount = Decimal(contract.monthly_price_minor) / _MINOR
            price = self.words.money(amount, contract.currency)
        return Paper(
            contract=contract,
            is_in_force=contract.valid_from <= self.at and all(self.at < end for end in ends),
            price=price,
            clauses=tuple(self._clause(one) for one in contract.clauses),
        )

    def _clause(self, clause: ContractClause) -> Clause:
        return Clause(
            ref=clause.clause_ref,
            quote=clause.quote,
            permits=said.permits(clause.scope, clause.purposes, clause.recipients, self.words),
            survives_until=clause.survives_until,
        )

    def _complaints(self, client: Client) -> tuple[Complaint, ...]:
        found = queries.newest_events(
            self.session, client.id, kind=EventKind.COMPLAINT, limit=_FEW // 2
        )
        return tuple(
            Complaint(
                event=one,
                calls=self.heard(
                    [
                        (near, "")
                        for near in recordings.near(
                            self.session,
                            self.actor,
                            client.id,
                            one.occurred_at,
                            within=_NEAR,
                            limit=_FEW // 2,
                        )
                    ]
                ),
            )
            for one in found
        )

    def _quarrels(self, client: Client) -> tuple[Quarrel, ...]:
        found = disputes.of_client(self.session, self.actor, client.id, limit=_FEW)
        return tuple(
            Quarrel(
                path=path if self._is_page(path := f"/disputes/{one.id}") else "",
                subject=one.subject,
                state=wording.say(State(one.state), self.words.language),
                is_closed=one.state == State.CLOSED,
                opened_at=one.opened_at,
                shown=tuple(
                    (f"/recordings/{exhibit.recording_id}?at={exhibit.from_ms}", exhibit.from_ms)
                    for exhibit in one.exhibits
                    if exhibit.recording_id is not None
                ),
            )
            for one in found
        )

    def _costs(self, client: Client) -> tuple[tuple[Figure, ...], tuple[MonthRow, ...]]:
        zone, words = self.words.zone, self.words
        months = figures.months(
            self.session, self.actor, client.id, count=_MONTHS, zone=zone, at=self.at
        )
        found = figures.of_client(
            self.session,
            self.actor,
            client.external_id,
            since=months[0].since,
            until=self.at,
            zone=zone,
        )
        lists = _Lists(client, words, since=months[0].since, until=self.at)
        sees_disputes = Permission.DISPUTE_READ in self.actor.permissions
        numbers = _figures(found, lists, words, sees_disputes=sees_disputes)
        return numbers, _rows(months, client, words, sees_disputes=sees_disputes)


class _Lists:
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


def _figures(
    found: ClientFigures, lists: _Lists, words: Words, *, sees_disputes: bool
) -> tuple[Figure, ...]:
    calls, events = (words.gettext("calls"), lists.calls), (words.gettext("events"), lists.events())
    tickets = (words.gettext("tickets"), lists.events("ticket"))
    numbers = [
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
        numbers += [
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
        for label, number, note, behind in numbers
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


def _money(money: Money, words: Words) -> str:
    sums = [words.money(Decimal(minor) / _MINOR, code) for code, minor in money.minor.items()]
    return ", ".join(sums) or "—"


def _rows(
    months: Sequence[Month], client: Client, words: Words, *, sees_disputes: bool
) -> tuple[MonthRow, ...]:
    columns = [
        [Decimal(month.calls) for month in months],
        [Decimal(round(float(month.minutes))) for month in months],
        [Decimal(month.complaints) for month in months],
    ]
    if sees_disputes:
        columns.append([Decimal(round(month.dispute_minutes / 60, 1)) for month in months])
    most = [max(column) or Decimal(1) for column in columns]
    rows = []
    for place, month in enumerate(months):
        lists = _Lists(client, words, since=month.since, until=month.until)
        paths = (lists.calls, lists.calls, lists.events("complaint"), lists.disputes)
        bars = tuple(
            Bar(
                value=words.number(round(float(column[place]), 1)),
                share=round(100 * column[place] / greatest),
                path=path if column[place] else "",
            )
            for column, greatest, path in zip(columns, most, paths, strict=False)
        )
        rows.append(MonthRow(since=month.since, bars=bars))
    return tuple(reversed(rows))


_PICTURES: Final = {Target.SCREENSHOT: "screenshots", Target.DOCUMENT: "documents"}
_LEADS: Final = {
    Target.EVENT: "/events/{id}",
    Target.RECORDING: "/recordings/{id}",
    Target.SCREENSHOT: "/events/{within}",
    Target.DOCUMENT: "/documents/{id}",
    Target.RELEASE: "/releases/{id}",
    Target.DISPUTE: "/disputes/{id}",
    Target.STATEMENT: "/disputes/{within}",
}
