"""Finding documents."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Client
from app.documents.models import Document
from app.identity.actor import Actor
from app.recordings import queries as recordings
from app.recordings.models import Recording, SealedRow

MOST_LISTED = 500


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of the documents that `actor` may know of.

    A manager, those of his offices' clients and their recordings, and those of no client.
    """
    if actor.offices is None:
        return true()
    own = select(Client.id).where(clients.visible_to(actor))
    heard = select(Recording.id).where(recordings.visible_to(actor))
    return or_(Document.client_id.is_(None), Document.client_id.in_(own)) & or_(
        Document.recording_id.is_(None), Document.recording_id.in_(heard)
    )


def is_seen(session: Session, actor: Actor, document_id: UUID) -> bool:
    """Say whether `actor` may know of a document."""
    found = select(Document.id).where(Document.id == document_id, visible_to(actor))
    return session.scalar(found) is not None


def document(session: Session, document_id: UUID) -> tuple[Document, SealedRow] | None:
    """Return a document and where its bytes are."""
    row = session.execute(
        select(Document, SealedRow)
        .join(SealedRow, SealedRow.object_id == Document.object_id)
        .where(Document.id == document_id)
    ).first()
    return (row[0], row[1]) if row else None


def by_upload(
    session: Session, uploader_id: UUID, upload_id: str
) -> tuple[Document, SealedRow] | None:
    """Return what this person sent under this name before."""
    row = session.execute(
        select(Document, SealedRow)
        .join(SealedRow, SealedRow.object_id == Document.object_id)
        .where(Document.uploaded_by == uploader_id, Document.upload_id == upload_id)
    ).first()
    return (row[0], row[1]) if row else None


def by_sha256(session: Session, sha256: bytes) -> Document | None:
    """Return the document that has these bytes, the first of them if it was sent twice.

    One that was erased has none.
    """
    return session.scalars(
        select(Document)
        .where(Document.sha256 == sha256, Document.erased_at.is_(None))
        .order_by(Document.uploaded_at, Document.id)
        .limit(1)
    ).first()


def listed(
    session: Session, actor: Actor, *, client_id: UUID | None, recording_id: UUID | None
) -> Sequence[tuple[Document, SealedRow]]:
    """Return the newest documents that `actor` sees, of a client or a recording if named.

    What was erased is found by its id alone.
    """
    query = (
        select(Document, SealedRow)
        .join(SealedRow, SealedRow.object_id == Document.object_id)
        .where(visible_to(actor), Document.erased_at.is_(None))
    )
    if client_id is not None:
        query = query.where(Document.client_id == client_id)
    if recording_id is not None:
        query = query.where(Document.recording_id == recording_id)
    query = query.order_by(Document.uploaded_at.desc(), Document.id.desc()).limit(MOST_LISTED)
    return [(document, sealed) for document, sealed in session.execute(query)]
