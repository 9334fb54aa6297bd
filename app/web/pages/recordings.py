"""The list of recordings: narrowed by facets and words, paged by key, and taken away as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.core.deps import SessionDep
from app.core.paging import Cursor
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission, Role
from app.recordings import finding, searches
from app.recordings.finding import EventState, Found, Sought
from app.recordings.models import Direction, Flag
from app.recordings.searches import Saved
from app.recordings.selections import MOST_CHOSEN
from app.web import edge, lookups, sought, states
from app.web.sections import Place, Section
from app.web.words import N_, Words

SECTION = Section(
    place=Place.RECORDINGS,
    path="/recordings",
    label=N_("Recordings"),
    permission=Permission.RECORDING_READ,
)
router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.RECORDING_READ))]

PAGE_ROWS: Final = 50
MOST_EXPORTED: Final = 10_000
_STARTS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
DIRECTIONS: Final = {
    Direction.INBOUND: N_("inbound"),
    Direction.OUTBOUND: N_("outbound"),
    Direction.INTERNAL: N_("internal"),
}
EVENT_STATES: Final = {
    EventState.OPEN: N_("the event is open"),
    EventState.CLOSED: N_("the event is closed"),
    EventState.WAITING: N_("no client known yet"),
}
COLUMNS: Final = (
    N_("Recording"),
    N_("Started"),
    N_("Client"),
    N_("Event"),
    N_("Subject"),
    N_("Agent"),
    N_("Number"),
    N_("Direction"),
    N_("Seconds"),
    N_("State of consent"),
)
_MORE: Final = ("direction", "state", "shortest", "longest", "line")
"""The conditions that are folded away until one of them is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A recording in the list."""

    id: UUID
    started_at: datetime
    client: str
    subject: str
    event: str
    agent: str
    number: str | None
    direction: str
    duration_ms: int | None
    flag: str
    inspection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRow:
    """A saved search: its name and address, whose it is, and what may be done with it."""

    id: UUID
    name: str
    path: str
    owner: str
    is_own: bool
    is_shared: bool
    is_pinned: bool
    is_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """A page of the list. `asked` has the fields of the form as they were sent."""

    title: str
    rows: tuple[Row, ...]
    asked: dict[str, str]
    is_narrowed: bool
    has_more: bool
    client: str
    agents: tuple[tuple[str, str], ...]
    directions: tuple[tuple[str, str], ...]
    flags: tuple[tuple[str, str], ...]
    states: tuple[tuple[str, str], ...]
    base: str
    export: str
    next_cursor: str | None
    is_first: bool
    sees_own: bool
    number: int
    most: int
    saved: tuple[SavedRow, ...]
    query: str


@router.get("/recordings")
def show_recordings(call: Request, actor: CanRead, session: SessionDep) -> Response:
    """List recordings, newest first, within what the person may see."""
    words = edge.words_of(call, actor, session)
    asked = sought.asked(call.query_params)
    wanted = sought.read(asked, words)
    cursor = call.query_params.get("cursor")
    after = Cursor.decode(cursor) if cursor else None
    rows = finding.page(session, actor, wanted, after=after, limit=PAGE_ROWS + 1)
    shown = rows[:PAGE_ROWS]
    last = shown[-1].recording if len(rows) > PAGE_ROWS else None
    query = sought.query_of(asked)
    saved = searches.listed(session, actor)
    page = ListPage(
        title=words.gettext("Recordings"),
        rows=tuple(row_of(one, words) for one in shown),
        asked=asked,
        is_narrowed=any(asked.values()),
        has_more=any(asked[name] for name in _MORE),
        client=_client_name(session, wanted),
        agents=_choice(words, lookups.agents(session)),
        directions=_choice(words, [(c, words.gettext(m)) for c, m in DIRECTIONS.items()]),
        flags=_choice(words, [(f, states.word(words, "flag", f)) for f in Flag]),
        states=_choice(words, [(c, words.gettext(m)) for c, m in EVENT_STATES.items()]),
        base=f"/recordings?{query}&" if query else "/recordings?",
        export=f"/recordings/export.csv?{query}" if query else "/recordings/export.csv",
        next_cursor=Cursor(at=last.started_at, id=last.id).encode() if last else None,
        is_first=after is None,
        sees_own=actor.role is Role.AGENT,
        number=finding.count(session, actor, wanted, most=MOST_CHOSEN + 1),
        most=MOST_CHOSEN,
        saved=tuple(_saved(one, actor, query) for one in saved),
        query=query,
    )
    return edge.render(call, actor, session, "recordings/list.html", page, words=words)


@router.get("/recordings/export.csv")
def export_recordings(call: Request, actor: CanRead, session: SessionDep) -> Response:
    """Give the list as a table, at most ten thousand rows of it."""
    words = edge.words_of(call, actor, session)
    wanted = sought.read(sought.asked(call.query_params), words)
    found = finding.page(session, actor, wanted, after=None, limit=MOST_EXPORTED)
    return as_table(found, words)


def as_table(found: Iterable[Found], words: Words) -> Response:
    """Return recordings as a table that is taken away."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow([words.gettext(name) for name in COLUMNS])
    for one in found:
        row = row_of(one, words)
        cells = [
            str(row.id),
            row.started_at.astimezone(words.zone).isoformat(timespec="seconds"),
            row.client,
            row.event,
            row.subject,
            row.agent,
            row.number or "",
            row.direction,
            "" if row.duration_ms is None else f"{row.duration_ms / 1000:.1f}",
            states.word(words, "flag", row.flag),
        ]
        table.writerow([harmless(cell) for cell in cells])
    headers = {"Content-Disposition": 'attachment; filename="recordings.csv"'}
    # The mark at the beginning tells spreadsheets that it is UTF-8.
    return Response(
        "\ufeff" + out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers
    )


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    Source: OWASP, CSV Injection.
    """
    return f"'{cell}" if cell.startswith(_STARTS_FORMULA) else cell


def _choice(words: Words, options: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return (("", words.gettext("all")), *((str(code), said) for code, said in options))


def _client_name(session: Session, wanted: Sought) -> str:
    if wanted.client_id is None:
        return ""
    found = session.get(Client, wanted.client_id)
    return found.name if found else ""


def _saved(one: Saved, actor: Actor, query: str) -> SavedRow:
    search = one.search
    return SavedRow(
        id=search.id,
        name=search.name,
        path=f"/recordings?{search.query}",
        owner=one.owner,
        is_own=search.owner_id == actor.id,
        is_shared=search.is_shared,
        is_pinned=one.is_pinned,
        is_here=bool(query) and search.query == query,
    )


def row_of(one: Found, words: Words) -> Row:
    """Return a recording as it stands in a list."""
    recording, event = one.recording, one.event
    return Row(
        id=recording.id,
        started_at=recording.started_at,
        client=one.client.name if one.client else "",
        subject=event.subject,
        event=event.external_id or "",
        agent=recording.agent or "",
        number=recording.outside_number,
        direction=words.gettext(DIRECTIONS[Direction(recording.direction)]),
        duration_ms=recording.duration_ms,
        flag=recording.flag,
        inspection=recording.inspection_state,
    )
