"""Events: the list, and one with its recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal, cast
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.clients import queries
from app.clients.models import Client, Event, EventKind
from app.clients.queries import WantedEvents
from app.clients.service import EventNotFound
from app.core.deps import ClockDep, SessionDep
from app.core.paging import Cursor
from app.disputes import queries as disputes
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.pictures import service as pictures
from app.recordings import queries as recordings
from app.recordings import service
from app.recordings.models import LinkChange, Recording, Screenshot
from app.tools import Tools
from app.web import client_words as said
from app.web import edge
from app.web.asked import EMPTY, Listed
from app.web.asked import Words as Said
from app.web.edge import Form
from app.web.sections import Place, Section
from app.web.words import N_

_LISTED: Final = 50
_FEWEST_WORDS: Final = 3
_MOST_REASON: Final = 1000

CanRead = Annotated[Actor, Depends(Requires(Permission.CLIENT_READ))]
CanRelink = Annotated[Actor, Depends(Requires(Permission.RECORDING_RELINK))]


def waiting(session: Session, actor: Actor, at: datetime) -> int:
    """Count the recordings of no known client, for whoever may tie them."""
    del at
    if Permission.RECORDING_RELINK not in actor.permissions:
        return 0
    return recordings.untied_count(session, actor)


SECTION = Section(
    place=Place.EVENTS,
    path="/events",
    label=N_("Events"),
    also=("/screenshots",),
    permission=Permission.CLIENT_READ,
    waiting=waiting,
)
router = edge.page_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An event in the list."""

    event: Event
    client: Client | None
    kind: str
    agents: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """Events, the newest first."""

    title: str
    rows: tuple[Row, ...]
    kinds: tuple[tuple[str, str], ...]
    states: tuple[tuple[str, str], ...]
    asked: EventsAsked
    is_narrowed: bool
    base: str
    next_cursor: str | None
    is_first: bool
    untied: int
    may_look: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """How a recording was tied to the event."""

    link: LinkChange
    how: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """All of an event."""

    title: str
    event: Event
    client: Client | None
    kind: str
    origin: str
    agents: str
    calls: tuple[Recording, ...]
    names: Mapping[str, str]
    shots: tuple[Screenshot, ...]
    smalls: frozenset[UUID]
    may_look: bool
    ties: tuple[Tie, ...]
    may_relink: bool
    wrong: Mapping[str, str] = field(default_factory=dict)
    wrong_recording: str = ""
    told: Mapping[str, str] = field(default_factory=dict)


class EventsAsked(Listed):
    """What the list is narrowed to."""

    kind: Annotated[EventKind | None, EMPTY] = None
    client: Said = None
    agent: Said = None
    state: Annotated[Literal["open", "closed"] | None, EMPTY] = None


# --- pages ---------------------------------------------------------------------------------------


@router.get("/events")
def list_events(
    call: Request, actor: CanRead, session: SessionDep, asked: Annotated[EventsAsked, Query()]
) -> Response:
    """List events, the newest first."""
    words = edge.words_of(call, actor, session)
    after = Cursor.decode(asked.cursor) if asked.cursor else None
    wanted = WantedEvents(
        client=asked.client,
        kind=asked.kind,
        agent=asked.agent,
        is_open=None if asked.state is None else asked.state == "open",
        since=asked.since(words.zone),
        until=asked.until(words.zone),
    )
    found = queries.events(session, actor, wanted, after=after, limit=_LISTED + 1)
    last = found[_LISTED - 1][0] if len(found) > _LISTED else None
    named = _agents(session, [event for event, _ in found])
    told = asked.model_dump(mode="json", by_alias=True, exclude={"cursor"}, exclude_none=True)
    page = ListPage(
        title=words.gettext("Events"),
        rows=tuple(
            Row(
                event=event,
                client=client,
                kind=said.kind(event.kind, words),
                agents=_named(event.agents, named),
            )
            for event, client in found[:_LISTED]
        ),
        kinds=(
            ("", words.gettext("everything")),
            *((str(kind), said.kind(kind, words)) for kind in EventKind),
        ),
        states=(
            ("", words.gettext("open and closed")),
            ("open", words.gettext("in work")),
            ("closed", words.gettext("done with")),
        ),
        asked=asked,
        is_narrowed=bool(told),
        base=f"/events?{urlencode(told)}&" if told else "/events?",
        next_cursor=Cursor(at=last.occurred_at, id=last.id).encode() if last else None,
        is_first=after is None,
        untied=recordings.untied_count(session, actor),
        may_look=Permission.EXHIBIT_PREVIEW in actor.permissions,
    )
    return edge.render(call, actor, session, "events/list.html", page, words=words)


@router.get("/events/{event_id}")
def show_event(call: Request, event_id: UUID, actor: CanRead, session: SessionDep) -> Response:
    """Show an event with its recordings, screenshots and how they were tied."""
    return _event(call, actor, session, event_id)


# --- forms ---------------------------------------------------------------------------------------


@router.post("/events/{event_id}/relink")
def relink(
    call: Request,
    event_id: UUID,
    form: Form,
    actor: CanRelink,
    session: SessionDep,
    *,
    clock: ClockDep,
) -> Response:
    """Tie a recording of this event to another."""
    words = edge.words_of(call, actor, session)
    told = {name: form.get(name) for name in ("event", "reason")}
    wrong = {}
    if not _FEWEST_WORDS <= len(told["reason"]) <= _MOST_REASON:
        wrong["reason"] = words.gettext("Say in some words why.")
    target = queries.event_by_external_id(session, told["event"])
    if target is None or not queries.is_seen(session, actor, target.client_id):
        wrong["event"] = words.gettext("There is no event of this number.")
    elif target.client_id is None:
        wrong["event"] = words.gettext("That event has no client yet itself.")
    recording_id = form.id("recording")
    if wrong:
        return _event(
            call, actor, session, event_id, wrong=wrong, recording=recording_id, told=told
        )
    service.relink(session, actor, recording_id, **told, at=clock.now())
    return edge.see(f"/events/{target.id if target else event_id}")


# --- how they are shown --------------------------------------------------------------------------


def _agents(session: Session, events: Sequence[Event]) -> dict[str, str]:
    return disputes.agents(session, (one for event in events for one in event.agents))


def _named(refs: Sequence[str], names: Mapping[str, str]) -> str:
    return ", ".join(names.get(one.strip().casefold(), one) for one in refs)


def _event(  # noqa: PLR0913 - what is wrong with the form stands beside its fields.
    call: Request,
    actor: Actor,
    session: Session,
    event_id: UUID,
    *,
    wrong: Mapping[str, str] | None = None,
    recording: UUID | None = None,
    told: Mapping[str, str] | None = None,
) -> Response:
    found = queries.event(session, actor, event_id)
    if found is None:
        raise EventNotFound
    event, client = found
    words = edge.words_of(call, actor, session)
    calls = recordings.of_event(session, actor, event.id)
    shots = recordings.screenshots_of_event(session, event.id)
    links = recordings.links_to(session, actor, event.id)
    people = disputes.names(session, (one.user_id for one in links))
    refs = [*event.agents, *(one.agent for one in calls)]
    names = disputes.agents(session, refs)
    page = EventPage(
        title=event.subject,
        event=event,
        client=client,
        kind=said.kind(event.kind, words),
        origin=words.gettext(said.ORIGINS[event.origin]),
        agents=_named(event.agents, names),
        calls=tuple(calls),
        names=names,
        shots=tuple(shots),
        smalls=pictures.shown(
            session, actor, shots, at=cast("Tools", call.app.state.tools).clock.now()
        ),
        may_look=Permission.EXHIBIT_PREVIEW in actor.permissions,
        ties=tuple(
            Tie(
                link=one,
                how=words.gettext(said.LINKED[one.linked_by]),
                who=people.get(one.user_id, "") if one.user_id else "",
            )
            for one in links
        ),
        may_relink=Permission.RECORDING_RELINK in actor.permissions,
        wrong=wrong or {},
        wrong_recording=str(recording) if wrong and recording else "",
        told=told or {},
    )
    status = 422 if wrong else 200
    return edge.render(call, actor, session, "events/event.html", page, words=words, status=status)
