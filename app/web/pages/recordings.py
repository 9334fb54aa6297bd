"""The list of recordings: narrowed by facets and words, paged by key, and taken away as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.clients.numbers import normalise
from app.core.deps import SessionDep
from app.core.paging import Cursor
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission, Role
from app.recordings import finding
from app.recordings.finding import EventState, Found, Sought
from app.recordings.models import Direction, Flag
from app.web import edge, lookups, states
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
_MOST_TEXT: Final = 200
_DIGITS_OF_NUMBER: Final = 5
_MINUTE_MS: Final = 60_000
_MOST_MINUTES: Final = 24 * 60
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
_FIELDS: Final = (
    "q",
    "client",
    "agent",
    "direction",
    "flag",
    "line",
    "state",
    "from",
    "to",
    "shortest",
    "longest",
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


@router.get("/recordings")
def show_recordings(call: Request, actor: CanRead, session: SessionDep) -> Response:
    """List recordings, newest first, within what the person may see."""
    words = edge.words_of(call, actor, session)
    asked = _asked(call)
    sought = _sought(asked, words)
    cursor = call.query_params.get("cursor")
    after = Cursor.decode(cursor) if cursor else None
    rows = finding.page(session, actor, sought, after=after, limit=PAGE_ROWS + 1)
    shown = rows[:PAGE_ROWS]
    last = shown[-1].recording if len(rows) > PAGE_ROWS else None
    query = urlencode({name: value for name, value in asked.items() if value})
    page = ListPage(
        title=words.gettext("Recordings"),
        rows=tuple(_row(one, words) for one in shown),
        asked=asked,
        is_narrowed=any(asked.values()),
        has_more=any(asked[name] for name in _MORE),
        client=_client_name(session, sought),
        agents=_choice(words, lookups.agents(session)),
        directions=_choice(words, [(c, words.gettext(m)) for c, m in DIRECTIONS.items()]),
        flags=_choice(words, [(f, states.word(words, "flag", f)) for f in Flag]),
        states=_choice(words, [(c, words.gettext(m)) for c, m in EVENT_STATES.items()]),
        base=f"/recordings?{query}&" if query else "/recordings?",
        export=f"/recordings/export.csv?{query}" if query else "/recordings/export.csv",
        next_cursor=Cursor(at=last.started_at, id=last.id).encode() if last else None,
        is_first=after is None,
        sees_own=actor.role is Role.AGENT,
    )
    return edge.render(call, actor, session, "recordings/list.html", page, words=words)


@router.get("/recordings/export.csv")
def export_recordings(call: Request, actor: CanRead, session: SessionDep) -> Response:
    """Give the list as a table, at most ten thousand rows of it."""
    words = edge.words_of(call, actor, session)
    sought = _sought(_asked(call), words)
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow([words.gettext(name) for name in COLUMNS])
    for one in finding.page(session, actor, sought, after=None, limit=MOST_EXPORTED):
        row = _row(one, words)
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


def _asked(call: Request) -> dict[str, str]:
    """Return what the form sent, short and without what cannot be kept."""
    sent = call.query_params
    return {name: sent.get(name, "").replace("\x00", "").strip()[:_MOST_TEXT] for name in _FIELDS}


def _sought(asked: dict[str, str], words: Words) -> Sought:
    """Return what is sought; what cannot be read narrows nothing."""
    text = asked["q"]
    is_number = sum(c.isdigit() for c in text) >= _DIGITS_OF_NUMBER and not any(
        c.isalpha() for c in text
    )
    return Sought(
        client_id=_id(asked["client"]),
        agent=asked["agent"] or None,
        direction=asked["direction"] if asked["direction"] in set(Direction) else None,
        flag=asked["flag"] if asked["flag"] in set(Flag) else None,
        line=asked["line"] or None,
        event_state=EventState(asked["state"]) if asked["state"] in set(EventState) else None,
        since=_day(asked["from"], words.zone),
        until=_day(asked["to"], words.zone, after=1),
        shortest_ms=_minutes(asked["shortest"]),
        longest_ms=_minutes(asked["longest"]),
        words=text or None,
        number=(normalise(text, region=words.region) or text) if is_number else None,
    )


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _day(text: str, zone: ZoneInfo, *, after: int = 0) -> datetime | None:
    """Return the beginning of a day of the office, or of one `after` it."""
    try:
        day = date.fromisoformat(text) + timedelta(days=after)
    except (ValueError, OverflowError):
        return None
    if not 1970 <= day.year <= 2200:  # noqa: PLR2004 - as `core.moments` keeps them.
        return None
    return datetime.combine(day, time(), tzinfo=zone)


def _minutes(text: str) -> int | None:
    try:
        minutes = float(text.replace(",", "."))
    except ValueError:
        return None
    return int(minutes * _MINUTE_MS) if 0 < minutes <= _MOST_MINUTES else None


def _choice(words: Words, options: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return (("", words.gettext("all")), *((str(code), said) for code, said in options))


def _client_name(session: Session, sought: Sought) -> str:
    if sought.client_id is None:
        return ""
    found = session.get(Client, sought.client_id)
    return found.name if found else ""


def _row(one: Found, words: Words) -> Row:
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
