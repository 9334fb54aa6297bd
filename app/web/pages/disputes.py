"""The board of disputes, and opening one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.core.deps import ClockDep, SessionDep
from app.core.errors import Malformed
from app.core.paging import Cursor
from app.disputes import queries, service, statements, wording
from app.disputes.models import Dispute
from app.disputes.queries import Wanted
from app.disputes.refusals import DisputePersonUnknown
from app.disputes.rules import Channel, MoverRole, State
from app.disputes.schemas import DisputeCreate
from app.disputes.service import DisputeClientUnknown
from app.disputes.work_schemas import Complaint
from app.identity import queries as people
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.web import edge, filling, refusal_words
from app.web.edge import Form
from app.web.filling import Wrong
from app.web.sections import Place, Section
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.DISPUTE_READ))]
CanWrite = Annotated[Actor, Depends(Requires(Permission.DISPUTE_WRITE))]

_FIRST: Final = 15
_FIRST_CLOSED: Final = 5
_PAGE: Final = 50
_MOST_OVERDUE: Final = 1000
_ORDER: Final = (
    State.OPEN,
    State.REOPENED,
    State.CALLING_BACK,
    State.CHECKING,
    State.WAITING_FOR_CLIENT,
    State.WITH_SPECIALIST,
    State.DECIDED,
    State.HANDED_OVER,
    State.ANSWERED,
    State.CLOSED,
)
"""Those that need us first stand first."""


def _waiting(session: Session, actor: Actor, at: datetime) -> int:
    """Count the disputes that this person settles."""
    del at
    counts = queries.counts(session, actor, Wanted(owner_id=actor.id))
    return sum(number for state, number in counts.items() if state is not State.CLOSED)


SECTION = Section(
    place=Place.DISPUTES,
    path="/disputes",
    label=N_("Disputes"),
    permission=Permission.DISPUTE_READ,
    waiting=_waiting,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A dispute on the board."""

    id: UUID
    subject: str
    client: str
    owner: str
    opened_at: datetime
    due_at: datetime | None
    is_overdue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The disputes of one state; `rows` are its newest, `more` how many others there are."""

    state: str
    number: int
    rows: tuple[Row, ...]
    more: int
    all_of_it: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPage:
    """All disputes by state, or those of one state page by page."""

    title: str
    may_open: bool
    groups: tuple[Group, ...]
    is_narrowed: bool
    states: tuple[tuple[str, str], ...]
    owners: tuple[tuple[str, str], ...]
    chosen: dict[str, str]
    base: str
    next_cursor: str
    is_first: bool
    overdue: int
    all_overdue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPage:
    """The form by which a dispute is opened."""

    title: str
    clients: tuple[tuple[str, str], ...]
    client: str
    owners: tuple[tuple[str, str], ...]
    channels: tuple[tuple[str, str], ...]
    now: str
    wrong: Wrong


def owners_of(session: Session) -> tuple[tuple[str, str], ...]:
    """Return those who can settle a dispute, by id and name."""
    roles = set(MoverRole)
    return tuple(
        (str(one.id), one.full_name)
        for one in people.users(session)
        if one.disabled_at is None and one.role in roles
    )


@router.get("/disputes")
def show_board(  # noqa: PLR0913, PLR0917 - what the board is narrowed by.
    call: Request,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    state: str = "",
    client: str = "",
    owner: str = "",
    since: str = "",
    until: str = "",
    overdue: str = "",
    q: str = "",
    cursor: str = "",
) -> Response:
    """Show the disputes by state, or those of one state page by page."""
    words, at = edge.words_of(call, actor, session), clock.now()
    chosen = {
        "state": state if state in set(State) else "",
        "client": client[:200],
        "owner": owner,
        "since": since,
        "until": until,
        "overdue": "yes" if overdue else "",
        "q": q.strip()[:200],
    }
    wanted = Wanted(
        client=chosen["client"] or None,
        owner_id=_person(owner),
        overdue=at if overdue else None,
        since=filling.day_from(since, words),
        until=filling.day_from(until, words, days=1),
        q=chosen["q"].replace("\x00", "") or None,
    )
    late = _late(session, actor, wanted, at)
    one = State(chosen["state"]) if chosen["state"] else None
    counts = queries.counts(session, actor, wanted)
    after = Cursor.decode(cursor) if cursor and one else None
    groups, following = [], ""
    for kind in (one,) if one else _ORDER:
        if not counts[kind]:
            continue
        limit = _PAGE if one else (_FIRST_CLOSED if kind is State.CLOSED else _FIRST)
        found = queries.page(
            session, actor, replace(wanted, state=kind), after=after, limit=limit + 1
        )
        rows = found[:limit]
        if one and len(found) > limit:
            following = Cursor(at=rows[-1][0].opened_at, id=rows[-1][0].id).encode()
        groups.append(
            Group(
                state=kind,
                number=counts[kind],
                rows=tuple(_row(*line, late=late) for line in rows),
                more=0 if one else counts[kind] - len(rows),
                all_of_it=_address(chosen | {"state": str(kind)}),
            )
        )
    page = BoardPage(
        title=words.gettext("Disputes"),
        may_open=Permission.DISPUTE_WRITE in actor.permissions,
        groups=tuple(groups),
        is_narrowed=any(chosen.values()),
        states=tuple((str(kind), wording.say(kind, words.language)) for kind in _ORDER),
        owners=owners_of(session),
        chosen=chosen,
        base=f"{_address(chosen)}&",
        next_cursor=following,
        is_first=after is None,
        overdue=len(late),
        all_overdue=_address(chosen | {"overdue": "yes"}),
    )
    return edge.render(call, actor, session, "disputes/board.html", page, words=words)


def _address(chosen: dict[str, str]) -> str:
    return f"/disputes?{urlencode({name: value for name, value in chosen.items() if value})}"


def _late(session: Session, actor: Actor, wanted: Wanted, at: datetime) -> frozenset[UUID]:
    """Return the disputes of which a deadline is over."""
    found = queries.page(
        session, actor, replace(wanted, overdue=at), after=None, limit=_MOST_OVERDUE
    )
    return frozenset(line[0].id for line in found)


def _person(owner: str) -> UUID | None:
    if not owner:
        return None
    try:
        return UUID(owner)
    except ValueError as exc:
        raise Malformed(field="owner") from exc


def _row(one: Dispute, _external_id: str, client: str, owner: str, *, late: frozenset[UUID]) -> Row:
    return Row(
        id=one.id,
        subject=one.subject,
        client=client,
        owner=owner,
        opened_at=one.opened_at,
        due_at=one.due_at,
        is_overdue=one.id in late,
    )


@router.get("/disputes/new")
def show_form(
    call: Request, actor: CanWrite, session: SessionDep, clock: ClockDep, client: str = ""
) -> Response:
    """Show the form by which a dispute is opened."""
    words = edge.words_of(call, actor, session)
    return _form(call, actor, session, words, client[:200], Wrong(), at=clock.now())


@router.post("/disputes")
def open_dispute(
    call: Request, form: Form, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> Response:
    """Open a dispute, with the complaint where its words are told."""
    words, at = edge.words_of(call, actor, session), clock.now()
    try:
        body = filling.told(DisputeCreate, form, words)
        said = _complaint(form, words)
        with session.begin_nested():
            made = service.open_dispute(
                session, actor, client=body.client, subject=body.subject, plan=body.plan(), at=at
            )
            if said is not None:
                statements.state(session, actor, made.id, said.told(), at=at)
    except (ValidationError, DisputeClientUnknown, DisputePersonUnknown) as exc:
        wrong = filling.refused("open", form, exc, words)
        if isinstance(exc, DisputeClientUnknown):
            wrong = replace(wrong, whole="", fields={"client": refusal_words.said(exc, words)})
        return _form(call, actor, session, words, form.get("client"), wrong, at=at)
    return edge.see(f"/disputes/{made.id}")


def _complaint(form: edge.Fields, words: Words) -> Complaint | None:
    """Return the complaint, if any of it is told; then all that belongs to it must be."""
    if not form.get("words") and not form.get("said_by"):
        return None
    return filling.told(Complaint, form, words)


def _form(  # noqa: PLR0913 - who looks, and a form that was not taken.
    call: Request,
    actor: Actor,
    session: Session,
    words: Words,
    client: str,
    wrong: Wrong,
    *,
    at: datetime,
) -> Response:
    page = OpenPage(
        title=words.gettext("Open a dispute"),
        clients=tuple(clients.names(session, actor)),
        client=client,
        owners=owners_of(session),
        channels=tuple((str(one), wording.say(one, words.language)) for one in Channel),
        now=filling.entered(at, words),
        wrong=wrong,
    )
    status = 422 if wrong.form else 200
    return edge.render(call, actor, session, "disputes/open.html", page, status=status, words=words)
