"""Documents that came by another door than an upload of our people: from somebody outside."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import Invalid, UnsupportedMedia
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act, Doer
from app.documents.models import Document, DocumentKind, DocumentRole
from app.documents.recognise import DocumentFacts, DocumentRecogniser
from app.recordings.models import SealedRow
from storage.sealed import SealedDraft, SealedObject

HOSTILE = frozenset({"javascript", "launches_programs", "rich_media", "sends_or_loads"})
"""What a paper does of itself. Of our people it is kept and told; of a stranger it is refused."""


class ActiveContent(UnsupportedMedia):
    """The document would run programs or send something by itself.

    `found` names what was found.
    """


class OtherThanSent(Invalid):
    """The bytes are not those that were sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a document turned out to be."""

    facts: DocumentFacts
    examined: tuple[str, ...]
    oddities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is known of a document from outside; `upload_id` is the only one of its name."""

    upload_id: str
    title: str
    file_name: str | None
    client_id: UUID
    contact_id: UUID | None


def look(
    pieces: Iterable[bytes],
    draft: SealedDraft,
    *,
    examine: Callable[[int], tuple[tuple[str, ...], tuple[str, ...]]],
    max_pixels: int,
    spool: Path,
) -> Seen:
    """Copy `pieces` into `draft`, and say what they are.

    Raises:
        UnsupportedMedia, Invalid: no document that is kept.
        ActiveContent: one that does something by itself.
    """
    recogniser = DocumentRecogniser(max_pixels)
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=spool) as plain:
        for piece in pieces:
            recogniser.feed(piece)
            plain.write(piece)
            draft.write(piece)
        facts = recogniser.finish()
        looked_for: tuple[str, ...] = ()
        found: tuple[str, ...] = ()
        if facts.kind == DocumentKind.PDF:
            plain.flush()
            looked_for, found = examine(plain.fileno())
    hostile = sorted(HOSTILE & set(found))
    if hostile:
        raise ActiveContent(found=hostile)
    return Seen(
        facts=facts,
        examined=(*facts.examined, *looked_for),
        oddities=(*facts.oddities, *found),
    )


def write_down(
    session: Session, doer: Doer, sent: Sent, seen: Seen, kept: SealedObject, *, at: datetime
) -> tuple[Document, UUID]:
    """Write a document whose bytes are kept down; return it and the id of its entry."""
    session.add(
        SealedRow(
            object_id=kept.object_id,
            wrapped_key=kept.wrapped_key,
            size_bytes=kept.size_bytes,
            sha256=kept.sha256,
            crc32=kept.crc32,
            stored_at=at,
        )
    )
    session.flush()
    row = Document(
        id=new_id(),
        upload_id=sent.upload_id,
        role=DocumentRole.OTHER,
        title=sent.title,
        kind=seen.facts.kind,
        media_type=seen.facts.media_type,
        object_id=kept.object_id,
        sha256=kept.sha256,
        width=seen.facts.width,
        height=seen.facts.height,
        file_name=sent.file_name,
        examined=list(seen.examined),
        oddities=list(seen.oddities),
        client_id=sent.client_id,
        contact_id=sent.contact_id,
        uploaded_by=None,
        uploaded_at=at,
    )
    session.add(row)
    session.flush()
    entry_id = ledger.append(
        session,
        doer,
        Act.DOCUMENT_KEPT,
        ("document", row.id),
        at=at,
        facts={
            "role": row.role,
            "kind": row.kind,
            "size_bytes": kept.size_bytes,
            "oddities": " ".join(seen.oddities),
        },
        detail={"title": row.title, "file_name": row.file_name},
        content=kept.sha256,
    )
    return row, entry_id
