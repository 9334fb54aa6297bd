"""Showing what was found in pictures, to those who may see the pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.clients.models import Event
from app.consent import screenshots as consent
from app.consent.rules import Decision, Outcome
from app.consent.service import question
from app.core.errors import Forbidden, NotFound
from app.core.paging import Cursor
from app.custody import ledger
from app.custody.ledger import Act, DetailCipher
from app.documents import queries as documents
from app.documents.door import DocumentErased, DocumentNotFound, DocumentOnlyKept
from app.documents.models import Document
from app.identity.actor import Actor
from app.identity.permissions import Permission
from app.pictures import queries
from app.pictures.jobs import PERSONAL, SMALL, TOLD
from app.pictures.models import PictureLook
from app.playback.asking import question_of
from app.recordings import queries as recordings
from app.recordings.models import Screenshot


class ScreenshotNotFound(NotFound):
    """There is no such screenshot."""


class PictureNotSeen(NotFound):
    """The picture was not looked at yet, or could not be decoded."""


class ScreenshotOnlyKept(Forbidden):
    """The screenshot is restricted, or kept by a hold alone: an approver or legal looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was found in a picture, as far as it is shown.

    `personal` is None where there are such facts and this person is not shown them.
    """

    look: PictureLook | None
    words: str | None
    told: Mapping[str, str]
    personal: Mapping[str, str] | None


def screenshot(session: Session, actor: Actor, screenshot_id: UUID) -> Screenshot:
    """Return a screenshot that `actor` may look at.

    Raises:
        ScreenshotNotFound, ScreenshotOnlyKept: he may not.
    """
    found = session.get(Screenshot, screenshot_id)
    if (
        found is None
        or found.erased_at is not None
        or not recordings.is_screenshot_seen(session, actor, found)
    ):
        raise ScreenshotNotFound
    if is_withheld(found) and Permission.HOLD_WRITE not in actor.permissions:
        raise ScreenshotOnlyKept
    return found


def is_withheld(found: Screenshot) -> bool:
    """Say whether a screenshot is only kept."""
    return found.restricted_at is not None or found.kept_only_by_hold


def event_of(session: Session, found: Screenshot) -> Event:
    """Return the event of a screenshot."""
    return session.get_one(Event, found.event_id)


def may_see(session: Session, actor: Actor, found: Screenshot, *, at: datetime) -> bool:
    """Say whether the rules let `actor` see a small copy of a screenshot now.

    Asked as of looking at it, so that a client's no hides it too; nothing is written down, since
    nothing can be read in it.
    """
    if Permission.EXHIBIT_PREVIEW not in actor.permissions or found.erased_at is not None:
        return False
    if is_withheld(found) and Permission.HOLD_WRITE not in actor.permissions:
        return False
    return _decided(session, actor, found.id, at=at).outcome is Outcome.ALLOW


def shown(
    session: Session, actor: Actor, shots: Iterable[Screenshot], *, at: datetime
) -> frozenset[UUID]:
    """Return those of some screenshots whose small copies are shown to `actor`."""
    there = {one.id: one for one in shots}
    return frozenset(
        shot_id
        for shot_id in queries.seen(session, there)
        if may_see(session, actor, there[shot_id], at=at)
    )


def shown_by_id(
    session: Session, actor: Actor, ids: Iterable[UUID], *, at: datetime
) -> frozenset[UUID]:
    """Return those of some screenshots and documents whose small copies are shown to `actor`."""
    found = queries.seen(session, ids)
    shots = [one for one in (session.get(Screenshot, each) for each in found) if one is not None]
    papers = [one for one in (session.get(Document, each) for each in found) if one is not None]
    return shown(session, actor, shots, at=at) | {one.id for one in papers if may_open(actor, one)}


def listed(
    session: Session,
    actor: Actor,
    words: str | None,
    *,
    after: Cursor | None,
    limit: int,
    at: datetime,
) -> list[tuple[Screenshot, Event, PictureLook | None]]:
    """Return the newest screenshots that `actor` sees, as `queries.screenshots` has them.

    With words, none is found by a text that the rules do not let this person read.
    """
    rows = queries.screenshots(session, actor, words, after=after, limit=limit)
    if not words:
        return list(rows)
    return [row for row in rows if row[2] is None or may_see(session, actor, row[0], at=at)]


def _decided(session: Session, actor: Actor, screenshot_id: UUID, *, at: datetime) -> Decision:
    purpose, recipient, asker = question_of(actor, None)
    asked = question(session, purpose=purpose, recipient_class=recipient, requested_by=asker)
    return consent.decide(session, screenshot_id, asked, at=at)


def look_at(session: Session, actor: Actor, found: Screenshot, *, at: datetime) -> Known:
    """Return what was found in a screenshot; that it was read is decided and written down.

    Raises:
        ConsentRefused: the rules do not let it be looked at; the caller remembers the refusal.
    """
    purpose, recipient, asker = question_of(actor, None)
    asked = question(session, purpose=purpose, recipient_class=recipient, requested_by=asker)
    consent.permit_for(session, actor, found.id, asked, at=at)
    look = queries.look(session, screenshot_id=found.id)
    ledger.append(
        session,
        actor,
        Act.MEDIA_PLAYED,
        ("screenshot", found.id),
        at=at,
        facts={"purpose": str(purpose), "form": "look"},
        content=found.sha256,
    )
    return _known(session, actor, look)


def small_of(session: Session, actor: Actor, screenshot_id: UUID, *, at: datetime) -> bytes:
    """Return the small copy of a screenshot.

    Raises:
        ScreenshotNotFound, ScreenshotOnlyKept, PictureNotSeen: there is none for `actor`.
    """
    found = screenshot(session, actor, screenshot_id)
    if not may_see(session, actor, found, at=at):
        raise ScreenshotNotFound
    return _small(session, queries.look(session, screenshot_id=found.id))


def small_of_document(session: Session, actor: Actor, document_id: UUID) -> bytes:
    """Return the small copy of a document that is a picture.

    Raises:
        DocumentNotFound, DocumentErased, DocumentOnlyKept, PictureNotSeen: there is none.
    """
    found = document(session, actor, document_id)
    _must_open(actor, found)
    return _small(session, queries.look(session, document_id=found.id))


def document(session: Session, actor: Actor, document_id: UUID) -> Document:
    """Return a document that `actor` may know of.

    Raises:
        DocumentNotFound: there is none.
    """
    found = documents.document(session, document_id)
    if found is None or not documents.is_seen(session, actor, document_id):
        raise DocumentNotFound
    return found[0]


def may_open(actor: Actor, found: Document) -> bool:
    """Say whether `actor` may see what stands in a document."""
    if Permission.DOCUMENT_OPEN not in actor.permissions or found.erased_at is not None:
        return False
    return not found.is_withheld or Permission.HOLD_WRITE in actor.permissions


def _must_open(actor: Actor, found: Document) -> None:
    if found.erased_at is not None:
        raise DocumentErased
    if not may_open(actor, found):
        raise DocumentOnlyKept


def read_document(session: Session, actor: Actor, found: Document, *, at: datetime) -> Known:
    """Return what was found in a document that is a picture; that it was read is written down.

    Raises:
        DocumentErased, DocumentOnlyKept: it is not shown.
    """
    _must_open(actor, found)
    look = queries.look(session, document_id=found.id)
    if look is not None:
        ledger.append(
            session,
            actor,
            Act.DOCUMENT_OPENED,
            ("document", found.id),
            at=at,
            facts={"kind": found.kind, "form": "look"},
            content=found.sha256,
        )
    return _known(session, actor, look)


def _known(session: Session, actor: Actor, look: PictureLook | None) -> Known:
    if look is None:
        return Known(look=None, words=None, told={}, personal={})
    cipher = _cipher(session)
    is_shown = Permission.DOCUMENT_OPEN in actor.permissions or look.personal is None
    return Known(
        look=look,
        words=look.words,
        told=_facts(cipher, look, TOLD, look.told),
        personal=_facts(cipher, look, PERSONAL, look.personal) if is_shown else None,
    )


def _facts(
    cipher: DetailCipher, look: PictureLook, label: str, sealed: bytes | None
) -> dict[str, str]:
    if sealed is None:
        return {}
    found: dict[str, str] = json.loads(cipher.open(look.id, label, sealed))
    return found


def _small(session: Session, look: PictureLook | None) -> bytes:
    if look is None or look.small is None:
        raise PictureNotSeen
    return _cipher(session).open(look.id, SMALL, look.small)


def _cipher(session: Session) -> DetailCipher:
    cipher: DetailCipher = session.info["detail_cipher"]
    return cipher
