"""Routes of screenshots: finding them, their small copies, and what was found in them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import StringConstraints

from app.consent.rules import ConsentRefused
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor, CursorInvalid
from app.core.problems import problems
from app.core.text import KEPT
from app.documents.door import DocumentErased, DocumentNotFound, DocumentOnlyKept
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.pictures import service
from app.pictures.models import LookState, TextState
from app.pictures.schemas import FoundRead, ScreenshotPage, ScreenshotRead, ScreenshotRow
from app.pictures.service import Known, PictureNotSeen, ScreenshotNotFound, ScreenshotOnlyKept
from app.playback import asking

router = APIRouter(prefix="/v1", tags=["pictures"])

CanLook = Annotated[Actor, Depends(Requires(Permission.EXHIBIT_PREVIEW))]
CanOpen = Annotated[Actor, Depends(Requires(Permission.DOCUMENT_OPEN))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
SMALL_HEADERS = {
    "Cache-Control": "private, max-age=60",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_Asked = Annotated[str, StringConstraints(max_length=200, pattern=KEPT)]


@router.get("/screenshots", responses=problems(*GUARDED, CursorInvalid))
def list_screenshots(
    actor: CanLook,
    session: SessionDep,
    clock: ClockDep,
    q: Annotated[
        _Asked | None, Query(description="Words of the note, or of the text in it.")
    ] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> ScreenshotPage:
    """List the newest screenshots, or those that have some words."""
    after = Cursor.decode(cursor) if cursor else None
    rows = service.listed(session, actor, q, after=after, limit=limit + 1, at=clock.now())
    last = rows[limit - 1][0] if len(rows) > limit else None
    seen = service.shown(session, actor, [row[0] for row in rows[:limit]], at=clock.now())
    items = []
    for shot, _, _ in rows[:limit]:
        row = ScreenshotRow.model_validate(shot)
        row.has_small = shot.id in seen
        items.append(row)
    return ScreenshotPage(
        items=items,
        next_cursor=Cursor(at=last.captured_at, id=last.id).encode() if last else None,
    )


@router.get(
    "/screenshots/{screenshot_id}",
    responses=problems(*GUARDED, ScreenshotNotFound, ScreenshotOnlyKept, ConsentRefused),
)
def get_screenshot(
    screenshot_id: UUID, actor: CanLook, database: DatabaseDep, clock: ClockDep
) -> ScreenshotRead:
    """Tell what was found in a screenshot; it is decided as looking at it is, and written down."""
    try:
        with database.transaction() as session:
            found = service.screenshot(session, actor, screenshot_id)
            known = service.look_at(session, actor, found, at=clock.now())
            read = ScreenshotRead.model_validate(found)
            read.found = as_read(known)
            return read
    except ConsentRefused as exc:
        asking.remember(database, actor, ("screenshot", screenshot_id), exc, clock)
        raise


@router.get(
    "/screenshots/{screenshot_id}/small",
    response_class=Response,
    responses=problems(*GUARDED, ScreenshotNotFound, ScreenshotOnlyKept, PictureNotSeen),
)
def get_small(
    screenshot_id: UUID, actor: CanLook, session: SessionDep, clock: ClockDep
) -> Response:
    """Give a small copy, 320 pixels at most, by which a screenshot is known again."""
    body = service.small_of(session, actor, screenshot_id, at=clock.now())
    return Response(body, media_type="image/jpeg", headers=SMALL_HEADERS)


@router.get(
    "/documents/{document_id}/small",
    response_class=Response,
    responses=problems(
        *GUARDED, DocumentNotFound, DocumentErased, DocumentOnlyKept, PictureNotSeen
    ),
)
def get_small_document(document_id: UUID, actor: CanOpen, session: SessionDep) -> Response:
    """Give a small copy of a document that is a picture."""
    body = service.small_of_document(session, actor, document_id)
    return Response(body, media_type="image/jpeg", headers=SMALL_HEADERS)


@router.get(
    "/documents/{document_id}/found",
    responses=problems(
        *GUARDED, DocumentNotFound, DocumentErased, DocumentOnlyKept, PictureNotSeen
    ),
)
def get_found(document_id: UUID, actor: CanOpen, session: SessionDep, clock: ClockDep) -> FoundRead:
    """Tell what was found in a document that is a picture; the ledger has an entry of it."""
    document = service.document(session, actor, document_id)
    found = as_read(service.read_document(session, actor, document, at=clock.now()))
    if found is None:
        raise PictureNotSeen
    return found


def as_read(known: Known) -> FoundRead | None:
    """Return what was found as it is shown."""
    if known.look is None:
        return None
    return FoundRead(
        state=LookState(known.look.state),
        text_state=TextState(known.look.text_state),
        text=known.words,
        reader=known.look.reader,
        looked_at=known.look.looked_at,
        metadata=dict(known.told),
        personal=None if known.personal is None else dict(known.personal),
    )
