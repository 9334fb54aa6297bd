"""Triage: recordings that a person must tie, or say to be of no client; each step can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.clients import queries
from app.clients.models import Client, Event
from app.core.deps import ClockDep, SessionDep
from app.core.paging import Cursor
from app.disputes import queries as disputes
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings import queries as recordings
from app.recordings import service, suggesting, triage
from app.recordings.models import LinkedBy, NoClient, Recording, TriageAside
from app.recordings.suggesting import Suggestion
from app.web import client_words as said
from app.web import edge
from app.web.asked import EMPTY, Listed
from app.web.edge import Form
from app.web.words import N_, Words

_DESK: Final = 20
_MOST_REASON: Final = 1000
_MOST_NAME: Final = 500
REASONS: Final = {
    NoClient.PRIVATE: N_("a private call"),
    NoClient.WRONG_NUMBER: N_("a wrong number"),
    NoClient.SUPPLIER: N_("a supplier or partner"),
    NoClient.ADVERTISING: N_("advertising"),
    NoClient.TEST: N_("a test"),
    NoClient.OTHER: N_("another reason, in words"),
}

CanRead = Annotated[Actor, Depends(Requires(Permission.CLIENT_READ))]
CanRelink = Annotated[Actor, Depends(Requires(Permission.RECORDING_RELINK))]

router = edge.page_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A suggestion in words."""

    suggestion: Suggestion
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A recording that a person must tie, and what it may belong to."""

    recording: Recording
    event: Event
    client: Client | None
    agent: str
    guesses: tuple[Guess, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A recording that somebody said to be of no client."""

    recording: Recording
    why: str
    note: str
    who: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JustDone:
    """What this person has just done, and how it is undone."""

    recording: Recording
    text: str
    undo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriagePage:
    """Recordings that a person must tie, the newest first; or those that are of no client."""

    title: str
    show: str
    rows: tuple[Waiting, ...]
    asides: tuple[Aside, ...]
    reasons: tuple[tuple[str, str], ...]
    clients: tuple[tuple[str, str], ...]
    just_done: JustDone | None
    untied: int
    may_relink: bool
    base: str
    next_cursor: str | None
    is_first: bool
    wrong: str = ""
    wrong_recording: UUID | None = None


class TriageAsked(Listed):
    """Which recordings: of no known client, of events that the archive made, of no client at all.

    `done` is the recording with which something was done just now.
    """

    show: Literal["unknown", "made", "aside"] = "unknown"
    done: Annotated[UUID | None, EMPTY] = None


# --- pages and forms ------------------------------------------------------------------------------


@router.get("/events/triage")
def show_triage(
    call: Request, actor: CanRead, session: SessionDep, asked: Annotated[TriageAsked, Query()]
) -> Response:
    """Show recordings that a person must tie, each with what it may belong to."""
    return _triage(call, actor, session, asked)


@router.post("/events/triage/{untied_id}/link")
def link(
    call: Request,
    untied_id: UUID,
    form: Form,
    actor: CanRelink,
    session: SessionDep,
    *,
    clock: ClockDep,
) -> Response:
    """Tie a recording to the event that was suggested or named."""
    words = edge.words_of(call, actor, session)
    event = queries.event_by_external_id(session, form.get("event"))
    wrong = ""
    if event is None or not queries.is_seen(session, actor, event.client_id):
        wrong = words.gettext("There is no event of this number.")
    elif event.client_id is None:
        wrong = words.gettext("That event has no client yet itself.")
    if wrong:
        return _triage(call, actor, session, _shown(form.get("show")), wrong, untied_id)
    reason = form.get("reason")[:_MOST_REASON] or words.gettext("Tied in triage.")
    service.relink(
        session, actor, untied_id, event=form.get("event"), reason=reason, at=clock.now()
    )
    return _next(form, untied_id)


@router.post("/events/triage/{untied_id}/client")
def make_client(
    call: Request,
    untied_id: UUID,
    form: Form,
    actor: CanRelink,
    session: SessionDep,
    *,
    clock: ClockDep,
) -> Response:
    """Make a client and its contact of an unknown number; all its calls are tied at once."""
    actor.must(Permission.CLIENT_WRITE)
    words = edge.words_of(call, actor, session)
    firm, contact = form.get("firm"), form.get("contact")
    if not (1 <= len(firm) <= _MOST_NAME and 1 <= len(contact) <= _MOST_NAME):
        wrong = words.gettext("Name the firm and the person.")
        return _triage(call, actor, session, TriageAsked(), wrong, untied_id)
    made = service.make_client(
        session,
        actor,
        untied_id,
        firm=firm,
        contact=contact,
        region=words.region,
        at=clock.now(),
    )
    return edge.see(f"/clients/{made.id}")


@router.post("/events/triage/{untied_id}/number")
def know_number(
    call: Request,
    untied_id: UUID,
    form: Form,
    actor: CanRelink,
    session: SessionDep,
    *,
    clock: ClockDep,
) -> Response:
    """Let the number be a contact's of a client that there is; all its calls are tied at once."""
    actor.must(Permission.CLIENT_WRITE)
    words = edge.words_of(call, actor, session)
    named, contact = form.get("client"), form.get("contact")
    found = [one for one in queries.names(session, actor) if named in one]
    wrong = ""
    if len(found) != 1:
        wrong = (
            words.gettext("Several clients are called so: write the code of one.")
            if found
            else words.gettext("There is no such client.")
        )
    elif not 1 <= len(contact) <= _MOST_NAME:
        wrong = words.gettext("Name the person.")
    client = queries.client_by_external_id(session, found[0][0]) if found else None
    if wrong or client is None:
        return _triage(call, actor, session, TriageAsked(), wrong, untied_id)
    triage.know_number(
        session, actor, untied_id, client_id=client.id, contact=contact, at=clock.now()
    )
    return _next(form, untied_id)


@router.post("/events/triage/{untied_id}/aside")
def set_aside(
    call: Request,
    untied_id: UUID,
    form: Form,
    actor: CanRelink,
    session: SessionDep,
    *,
    clock: ClockDep,
) -> Response:
    """Say that a call is of no client, and why."""
    words = edge.words_of(call, actor, session)
    reason, note = form.get("reason"), form.get("note")[:_MOST_REASON]
    if reason not in set(NoClient) or (reason == NoClient.OTHER and not note):
        wrong = words.gettext("Say why it is of no client.")
        return _triage(call, actor, session, _shown(form.get("show")), wrong, untied_id)
    triage.set_aside(session, actor, untied_id, NoClient(reason), note=note or None, at=clock.now())
    return _next(form, untied_id)


@router.post("/events/triage/{untied_id}/back")
def put_back(
    untied_id: UUID, form: Form, actor: CanRelink, session: SessionDep, clock: ClockDep
) -> Response:
    """Let a call that was said to be of no client wait again."""
    triage.put_back(session, actor, untied_id, at=clock.now())
    return edge.see("/events/triage", {"show": _shown(form.get("show")).show})


@router.post("/events/triage/{untied_id}/undo")
def undo_link(
    untied_id: UUID, form: Form, actor: CanRelink, session: SessionDep, clock: ClockDep
) -> Response:
    """Take back the tie that this person made last."""
    triage.undo(session, actor, untied_id, at=clock.now())
    return edge.see("/events/triage", {"show": _shown(form.get("show")).show})


def _next(form: edge.Fields, done: UUID) -> Response:
    """Go on with what waits; what was done just now stands above, to be undone."""
    return edge.see("/events/triage", {"show": _shown(form.get("show")).show, "done": str(done)})


# --- how they are shown --------------------------------------------------------------------------


def _shown(show: str) -> TriageAsked:
    return TriageAsked(show=show if show in {"made", "aside"} else "unknown")


def _triage(
    call: Request,
    actor: Actor,
    session: Session,
    asked: TriageAsked,
    wrong: str = "",
    recording: UUID | None = None,
) -> Response:
    words = edge.words_of(call, actor, session)
    after = Cursor.decode(asked.cursor) if asked.cursor else None
    asides: Sequence[tuple[Recording, Event, TriageAside]] = ()
    found: Sequence[tuple[Recording, Event, Client | None]] = ()
    if asked.show == "aside":
        asides = recordings.aside(session, actor, after=after, limit=_DESK + 1)
    else:
        is_made = asked.show == "made"
        found = recordings.untied(session, actor, is_made=is_made, after=after, limit=_DESK + 1)
    listed = [one[0] for one in (asides or found)]
    last = listed[_DESK - 1] if len(listed) > _DESK else None
    names = disputes.agents(session, (one.agent for one in listed))
    people = disputes.names(session, (one.set_by for _, _, one in asides))
    may_relink = Permission.RECORDING_RELINK in actor.permissions
    page = TriagePage(
        title=words.gettext("Triage"),
        show=asked.show,
        rows=tuple(
            Waiting(
                recording=one,
                event=event,
                client=client,
                agent=names.get(one.agent or "", one.agent or ""),
                guesses=tuple(
                    _guess(guess, words)
                    for guess in suggesting.suggestions(
                        session, actor, one, client_id=client.id if client else None
                    )
                ),
            )
            for one, event, client in found[:_DESK]
        ),
        untied=recordings.untied_count(session, actor),
        asides=tuple(
            Aside(
                recording=one,
                why=words.gettext(REASONS[NoClient(aside.reason)]),
                note=aside.note or "",
                who=people.get(aside.set_by, ""),
                at=aside.set_at,
            )
            for one, _, aside in asides[:_DESK]
        ),
        reasons=tuple((str(code), words.gettext(text)) for code, text in REASONS.items()),
        clients=tuple(queries.names(session, actor)) if may_relink and found else (),
        just_done=_just_done(session, actor, asked.done, words)
        if asked.done and may_relink
        else None,
        may_relink=may_relink,
        base=f"/events/triage?show={asked.show}&",
        next_cursor=Cursor(at=last.started_at, id=last.id).encode() if last else None,
        is_first=after is None,
        wrong=wrong,
        wrong_recording=recording,
    )
    status = 422 if wrong else 200
    return edge.render(call, actor, session, "events/triage.html", page, words=words, status=status)


def _just_done(session: Session, actor: Actor, recording_id: UUID, words: Words) -> JustDone | None:
    """Return what was done with a recording just now, if this person may undo it."""
    found = service.find(session, actor, recording_id)
    if recordings.is_aside(session, recording_id):
        text = words.gettext("Said to be of no client.")
        return JustDone(recording=found, text=text, undo="back")
    last = recordings.links_of(session, recording_id)[-1:]
    if not last or last[0].user_id != actor.id or last[0].linked_by != LinkedBy.MANUAL:
        return None
    event = session.get_one(Event, found.event_id)
    client = session.get(Client, event.client_id) if event.client_id else None
    text = words.gettext("Tied to: %(event)s")
    where = " · ".join(part for part in (client.name if client else "", event.subject) if part)
    return JustDone(recording=found, text=text % {"event": where}, undo="undo")


def _guess(found: Suggestion, words: Words) -> Guess:
    why = [words.gettext(said.WHY[one]) for one in found.reasons]
    apart = words.since(found.distance + timedelta(seconds=59))
    why.append(words.gettext("%(long)s apart") % {"long": apart})
    return Guess(suggestion=found, kind=said.kind(found.event.kind, words), why=", ".join(why))
