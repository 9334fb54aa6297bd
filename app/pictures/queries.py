"""Finding pictures: those that nobody looked at yet, and those that somebody may see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, desc, func, literal_column, or_, select, tuple_
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import WORDS, Client, Event
from app.core.paging import Cursor
from app.documents.models import Document, DocumentKind
from app.identity.actor import Actor
from app.identity.permissions import Permission
from app.pictures.models import PictureLook, TextState
from app.recordings.models import Screenshot, SealedRow

_KINDS: Final = tuple(kind for kind in DocumentKind if kind is not DocumentKind.PDF)
_WORD: Final = re.compile(r"\w+")
_MOST_WORDS: Final = 8
_SIMPLE: ColumnElement[str] = literal_column("'simple'::regconfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A picture that waits to be looked at."""

    screenshot_id: UUID | None
    document_id: UUID | None
    media_type: str
    size: tuple[int, int]
    object_id: UUID
    wrapped_key: bytes
    size_bytes: int


def due(session: Session, *, has_reader: bool) -> Due | None:
    """Return a picture without a look, or one whose text was not read for want of a reader."""
    waits: ColumnElement[bool] = PictureLook.id.is_(None)
    if has_reader:
        waits = or_(waits, PictureLook.text_state == TextState.NO_READER)
    return _due_screenshot(session, waits) or _due_document(session, waits)


def _due_screenshot(session: Session, waits: ColumnElement[bool]) -> Due | None:
    row = session.execute(
        select(Screenshot, SealedRow)
        .join(SealedRow, SealedRow.object_id == Screenshot.object_id)
        .outerjoin(PictureLook, PictureLook.screenshot_id == Screenshot.id)
        .where(waits, Screenshot.erased_at.is_(None), SealedRow.wrapped_key.is_not(None))
        .order_by(PictureLook.id.is_not(None), desc(Screenshot.id))
        .limit(1)
    ).first()
    if row is None or row[1].wrapped_key is None:
        return None
    found, sealed = row
    return Due(
        screenshot_id=found.id,
        document_id=None,
        media_type=found.media_type,
        size=(found.width, found.height),
        object_id=sealed.object_id,
        wrapped_key=row[1].wrapped_key,
        size_bytes=sealed.size_bytes,
    )


def _due_document(session: Session, waits: ColumnElement[bool]) -> Due | None:
    row = session.execute(
        select(Document, SealedRow)
        .join(SealedRow, SealedRow.object_id == Document.object_id)
        .outerjoin(PictureLook, PictureLook.document_id == Document.id)
        .where(waits, Document.erased_at.is_(None), SealedRow.wrapped_key.is_not(None))
        .where(Document.kind.in_(_KINDS), Document.width > 0, Document.height > 0)
        .order_by(PictureLook.id.is_not(None), desc(Document.id))
        .limit(1)
    ).first()
    if row is None or row[1].wrapped_key is None:
        return None
    found, sealed = row
    return Due(
        screenshot_id=None,
        document_id=found.id,
        media_type=found.media_type,
        size=(found.width or 1, found.height or 1),
        object_id=sealed.object_id,
        wrapped_key=row[1].wrapped_key,
        size_bytes=sealed.size_bytes,
    )


def look(
    session: Session, *, screenshot_id: UUID | None = None, document_id: UUID | None = None
) -> PictureLook | None:
    """Return what was found of a picture."""
    of = (
        PictureLook.screenshot_id == screenshot_id
        if screenshot_id is not None
        else PictureLook.document_id == document_id
    )
    return session.scalar(select(PictureLook).where(of))


def seen(session: Session, ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of some screenshots and documents of which there is a small copy."""
    wanted = list(ids)
    if not wanted:
        return frozenset()
    rows = session.execute(
        select(PictureLook.screenshot_id, PictureLook.document_id).where(
            PictureLook.small.is_not(None),
            or_(PictureLook.screenshot_id.in_(wanted), PictureLook.document_id.in_(wanted)),
        )
    )
    return frozenset(one for row in rows for one in row if one is not None)


def screenshots(
    session: Session, actor: Actor, words: str | None, *, after: Cursor | None, limit: int
) -> Sequence[tuple[Screenshot, Event, PictureLook | None]]:
    """Return the newest screenshots that `actor` sees; with words, those that have them.

    Words are looked for in the note and in the text of the picture as a machine has read it.
    """
    own = select(Client.id).where(clients.visible_to(actor)).correlate(None)
    asked = (
        select(Screenshot, Event, PictureLook)
        .join(Event, Event.id == Screenshot.event_id)
        .outerjoin(PictureLook, PictureLook.screenshot_id == Screenshot.id)
        .where(
            Screenshot.erased_at.is_(None), or_(Event.client_id.is_(None), Event.client_id.in_(own))
        )
    )
    for word in _WORD.findall(words or "")[:_MOST_WORDS]:
        begins = func.to_tsquery(_SIMPLE, f"'{word.lower()}':*")
        says = or_(
            literal_column(WORDS.format("screenshots.note")).op("@@")(begins),
            and_(
                _is_open(actor),
                literal_column(WORDS.format("picture_looks.words")).op("@@")(begins),
            ),
        )
        asked = asked.where(says)
    if after is not None:
        asked = asked.where(
            tuple_(Screenshot.captured_at, Screenshot.id) < tuple_(after.at, after.id)
        )
    rows = session.execute(
        asked.order_by(desc(Screenshot.captured_at), desc(Screenshot.id)).limit(limit)
    )
    return [(shot, event, found) for shot, event, found in rows]


def _is_open(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of screenshots that are not only kept, or that `actor` opens still."""
    if Permission.HOLD_WRITE in actor.permissions:
        return literal_column("true")
    return and_(Screenshot.restricted_at.is_(None), Screenshot.kept_only_by_hold.is_(False))


def counts(session: Session) -> Mapping[tuple[str, str], int]:
    """Return how many looks there are of each state of picture and text."""
    rows = session.execute(
        select(PictureLook.state, PictureLook.text_state, func.count()).group_by(
            PictureLook.state, PictureLook.text_state
        )
    )
    return {(state, text_state): count for state, text_state, count in rows}
