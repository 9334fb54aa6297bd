"""Clients: the list, and the card of one: people, contracts, what happened, what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.clients import queries, service
from app.clients.models import Client, Contact, Event
from app.consent import review
from app.core.deps import ClockDep, SessionDep
from app.core.paging import Cursor, NameCursor
from app.disputes import queries as disputes
from app.disputes import service as settling
from app.disputes import timeline
from app.disputes.service import Plan
from app.disputes.timeline import Happened, Window
from app.identity import offices
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings import finding
from app.recordings import queries as recordings
from app.recordings.finding import Sought
from app.web import client_words as said
from app.web import edge
from app.web.asked import EMPTY, Listed
from app.web.asked import Words as Said
from app.web.client_view import BEGINNING, Desk, Happening, Heard
from app.web.edge import Form
from app.web.sections import Place, Section
from app.web.words import N_

_LISTED: Final = 50
_FEWEST_WORDS: Final = 3
_MOST_SUBJECT: Final = 500
_MOST_BASIS: Final = 4000

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
    desk = Desk(call, actor, session, at=clock.now())
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
    desk = Desk(call, actor, session, at=clock.now())
    words = desk.words
    window = Window(
        client_id=client.id,
        since=asked.since(words.zone) or BEGINNING,
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
    desk = Desk(call, actor, session, at=clock.now())
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
        desk = Desk(call, actor, session, at=clock.now())
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
    desk = Desk(call, actor, session, at=clock.now())
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


def _event_of(session: Session, client: Client, event_id: UUID | None) -> Event | None:
    found = session.get(Event, event_id) if event_id else None
    return found if found is not None and found.client_id == client.id else None


def _query(asked: Listed, **more: str) -> str:
    told = {"from": asked.first, "to": asked.last, **more}
    pairs = [(name, str(value)) for name, value in told.items() if value]
    return f"{urlencode(pairs)}&" if pairs else ""
