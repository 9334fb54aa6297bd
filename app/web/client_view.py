"""A client as his card shows him: people, contracts, what happened, complaints and disputes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.clients import queries
from app.clients.models import Client, Contact, Contract, ContractClause, Event, EventKind
from app.consent import queries as evidence
from app.consent.models import ContactVerification
from app.disputes import figures, timeline, wording
from app.disputes import queries as disputes
from app.disputes.rules import State
from app.disputes.timeline import Line, Target, Window
from app.identity import offices
from app.identity.actor import Actor
from app.identity.permissions import Permission
from app.pictures import service as pictures
from app.recordings import finding
from app.recordings import queries as recordings
from app.recordings.finding import Sought
from app.recordings.models import Recording
from app.web import client_numbers, edge
from app.web import client_words as said
from app.web.client_numbers import MINOR, Figure, Lists, MonthRow
from app.web.words import Words

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FEW: Final = 10
_MONTHS: Final = 12
_NEAR: Final = timedelta(days=3)
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


class Desk:
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
            client_id=client.id, since=BEGINNING, until=self.at + timedelta(microseconds=1)
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
            amount = Decimal(contract.monthly_price_minor) / MINOR
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
        lists = Lists(client, words, since=months[0].since, until=self.at)
        sees_disputes = Permission.DISPUTE_READ in self.actor.permissions
        shown = client_numbers.numbers(found, lists, words, sees_disputes=sees_disputes)
        return shown, client_numbers.rows(months, client, words, sees_disputes=sees_disputes)
