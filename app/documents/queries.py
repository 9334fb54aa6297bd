"""Finding documents."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.documents.models import Document
from app.recordings.models import SealedRow

MOST_LISTED = 500


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
    """Return the document that has these bytes, the first of them if it was sent twice."""
    return session.scalars(
        select(Document)
        .where(Document.sha256 == sha256)
        .order_by(Document.uploaded_at, Document.id)
        .limit(1)
    ).first()


def listed(
    session: Session, *, client_id: UUID | None, recording_id: UUID | None
) -> Sequence[tuple[Document, SealedRow]]:
    """Return the newest documents, of a client or a recording where one is named."""
    query = select(Document, SealedRow).join(SealedRow, SealedRow.object_id == Document.object_id)
    if client_id is not None:
        query = query.where(Document.client_id == client_id)
    if recording_id is not None:
        query = query.where(Document.recording_id == recording_id)
    query = query.order_by(Document.uploaded_at.desc(), Document.id.desc()).limit(MOST_LISTED)
    return [(document, sealed) for document, sealed in session.execute(query)]
