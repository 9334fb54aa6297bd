"""Screenshots and papers: small copies, the text that a machine has read, what metadata tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from app.clients import queries as clients
from app.clients.models import Event
from app.consent.rules import ConsentRefused
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.paging import Cursor
from app.disputes import queries as people
from app.documents import queries as documents
from app.documents.models import DocumentRole
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.pictures import service
from app.pictures.models import LookState, TextState
from app.pictures.service import Known
from app.playback import asking
from app.recordings.models import Screenshot
from app.web import edge
from app.web.asked import EMPTY, Listed, Words
from app.web.words import N_
from app.web.words import Words as Language

router = edge.page_router()

CanLook = Annotated[Actor, Depends(Requires(Permission.EXHIBIT_PREVIEW))]
CanRead = Annotated[Actor, Depends(Requires(Permission.DOCUMENT_READ))]
_SHOWN: Final = 24

TEXTS: Final = {
    TextState.READ: "",
    TextState.NONE: N_("No text was found in the picture."),
    TextState.FAILED: N_("The text could not be read within its limits."),
    TextState.NO_READER: N_("Text is not read here: the program for it is not installed."),
}
LOOKS: Final = {
    LookState.SEEN: "",
    LookState.UNREADABLE: N_("The picture cannot be decoded; it is kept as it came."),
    LookState.DAMAGED: N_("The bytes in the store are not those that were kept."),
}
ROLES: Final = {
    DocumentRole.CONTRACT: N_("contract"),
    DocumentRole.PROCESSING_CONTRACT: N_("contract on processing"),
    DocumentRole.CONSENT_FORM: N_("consent form"),
    DocumentRole.LOCAL_ACT: N_("act of the house"),
    DocumentRole.ACKNOWLEDGEMENT: N_("acknowledgement"),
    DocumentRole.ASSESSMENT: N_("assessment"),
    DocumentRole.DEMAND: N_("demand"),
    DocumentRole.REFUSAL: N_("refusal"),
    DocumentRole.WITHDRAWAL: N_("withdrawal"),
    DocumentRole.OTHER: N_("other paper"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotRow:
    """A screenshot in the list."""

    id: UUID
    at: datetime
    note: str
    agent: str
    event: Event
    size: str
    has_small: bool
    excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotsPage:
    """The newest screenshots, or those with some words."""

    title: str
    rows: tuple[ShotRow, ...]
    words: str
    base: str
    next_cursor: str | None
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundShown:
    """What was found in a picture, in words. `personal` is None where it is not shown."""

    small: str
    text: str
    reader: str
    says: tuple[str, ...]
    told: Mapping[str, str]
    personal: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPage:
    """One screenshot."""

    title: str
    id: UUID
    at: datetime
    received_at: datetime
    agent: str
    note: str
    event: Event
    size: str
    media_type: str
    file_name: str
    found: FoundShown


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPage:
    """One document; `found` is None where what stands in it is not shown."""

    title: str
    id: UUID
    role: str
    client_id: UUID | None
    client_name: str
    at: datetime
    who: str
    media_type: str
    size_bytes: int
    sha256: str
    file_name: str
    examined: tuple[str, ...]
    oddities: tuple[str, ...]
    may_open: bool
    is_erased: bool
    is_picture: bool
    found: FoundShown | None


class ShotsAsked(Listed):
    """What the list is narrowed to."""

    q: Annotated[Words, EMPTY] = None


@router.get("/screenshots")
def list_screenshots(
    call: Request,
    actor: CanLook,
    session: SessionDep,
    clock: ClockDep,
    asked: Annotated[ShotsAsked, Query()],
) -> Response:
    """Show the newest screenshots, or those that have some words."""
    words = edge.words_of(call, actor, session)
    after = Cursor.decode(asked.cursor) if asked.cursor else None
    at = clock.now()
    found = service.listed(session, actor, asked.q, after=after, limit=_SHOWN + 1, at=at)
    shots = [row[0] for row in found[:_SHOWN]]
    seen = service.shown(session, actor, shots, at=at)
    names = people.agents(session, (one.agent for one in shots))
    last = shots[-1] if len(found) > _SHOWN else None
    page = ShotsPage(
        title=words.gettext("Screenshots"),
        rows=tuple(
            ShotRow(
                id=shot.id,
                at=shot.captured_at,
                note=shot.note or "",
                agent=names.get(shot.agent, shot.agent) if shot.agent else "",
                event=event,
                size=f"{shot.width} × {shot.height}",
                has_small=shot.id in seen,
                excerpt=_excerpt(look.words, asked.q)
                if look is not None and look.words and asked.q and shot.id in seen
                else "",
            )
            for shot, event, look in found[:_SHOWN]
        ),
        words=asked.q or "",
        base=f"/screenshots?{urlencode({'q': asked.q})}&" if asked.q else "/screenshots?",
        next_cursor=Cursor(at=last.captured_at, id=last.id).encode() if last else None,
        is_first=after is None,
    )
    return edge.render(call, actor, session, "pictures/screenshots.html", page, words=words)


@router.get("/screenshots/{screenshot_id}")
def show_screenshot(
    call: Request, screenshot_id: UUID, actor: CanLook, database: DatabaseDep, clock: ClockDep
) -> Response:
    """Show a screenshot and what was found in it; decided and written down as looking at it."""
    try:
        with database.transaction() as session:
            found = service.screenshot(session, actor, screenshot_id)
            known = service.look_at(session, actor, found, at=clock.now())
            words = edge.words_of(call, actor, session)
            page = _shot(found, service.event_of(session, found), known, words)
            names = people.agents(session, (found.agent,))
            page = _named(page, names)
            return edge.render(call, actor, session, "pictures/screenshot.html", page, words=words)
    except ConsentRefused as exc:
        asking.remember(database, actor, ("screenshot", screenshot_id), exc, clock)
        raise


@router.get("/documents/{document_id}")
def show_document(
    call: Request, document_id: UUID, actor: CanRead, session: SessionDep, clock: ClockDep
) -> Response:
    """Show what is known of a document; of a picture what was found in it, to who may open it."""
    words = edge.words_of(call, actor, session)
    row = service.document(session, actor, document_id)
    kept = documents.document(session, document_id)
    may_open = service.may_open(actor, row)
    is_picture = row.media_type.startswith("image/")
    found = None
    if may_open and is_picture:
        known = service.read_document(session, actor, row, at=clock.now())
        found = _found(known, f"/v1/documents/{row.id}/small", words)
    client = clients.client(session, actor, row.client_id) if row.client_id else None
    names = people.names(session, (row.uploaded_by,))
    page = PaperPage(
        title=row.title or words.gettext("Document"),
        id=row.id,
        role=words.gettext(ROLES[DocumentRole(row.role)]),
        client_id=client.id if client else None,
        client_name=client.name if client else "",
        at=row.uploaded_at,
        who=names.get(row.uploaded_by, "")
        if row.uploaded_by
        else words.gettext("the client, by a link"),
        media_type=row.media_type,
        size_bytes=kept[1].size_bytes if kept else 0,
        sha256=row.sha256.hex(),
        file_name=row.file_name or "",
        examined=tuple(row.examined),
        oddities=tuple(row.oddities),
        may_open=may_open,
        is_erased=row.erased_at is not None,
        is_picture=is_picture,
        found=found,
    )
    return edge.render(call, actor, session, "pictures/document.html", page, words=words)


def _shot(found: Screenshot, event: Event, known: Known, words: Language) -> ShotPage:
    return ShotPage(
        title=words.gettext("Screenshot"),
        id=found.id,
        at=found.captured_at,
        received_at=found.received_at,
        agent=found.agent or "",
        note=found.note or "",
        event=event,
        size=f"{found.width} × {found.height}",
        media_type=found.media_type,
        file_name=found.file_name or "",
        found=_found(known, f"/v1/screenshots/{found.id}/small", words),
    )


def _named(page: ShotPage, names: Mapping[str, str]) -> ShotPage:
    return replace(page, agent=names.get(page.agent, page.agent))


def _found(known: Known, small: str, words: Language) -> FoundShown:
    look = known.look
    says: list[str] = []
    if look is None:
        says.append(words.gettext("Nobody has looked at it yet; a worker does within minutes."))
    else:
        parts = [LOOKS[LookState(look.state)]]
        if look.state == LookState.SEEN:
            parts.append(TEXTS[TextState(look.text_state)])
        says += [words.gettext(one) for one in parts if one]
    return FoundShown(
        small=small if look is not None and look.small is not None else "",
        text=known.words or "",
        reader=(look.reader or "") if look is not None else "",
        says=tuple(says),
        told=known.told,
        personal=known.personal,
    )


def _excerpt(text: str, sought: str, around: int = 60) -> str:
    """Return the place in a text where the first of the words stands."""
    first = sought.split(maxsplit=1)[0].casefold() if sought.split() else ""
    place = max(text.casefold().find(first), 0)
    begin, end = max(0, place - around), place + len(first) + around
    cut = " ".join(text[begin:end].split())
    return f"{'…' if begin else ''}{cut}{'…' if end < len(text) else ''}"
