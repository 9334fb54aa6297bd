"""Finding documents."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    cast,
    column,
    exists,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Client, Contact
from app.documents.models import Document, LocalAct
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.recordings import queries as recordings
from app.recordings.models import Recording, SealedRow

MOST_LISTED = 500
# Of the room of consent, which is to the left, nothing but what its evidence names.
ASSERTIONS = table(
    "assertions",
    column("id"),
    column("recording_id"),
    column("client_id"),
    column("contact_id"),
    column("evidence", JSONB),
)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of the documents that `actor` may know of.

    A manager, those of his offices' clients and recordings. Of no client's and no recording's,
    those that he uploaded, acts of the house, and those that are evidence about what he sees.
    """
    if actor.role is not Role.MANAGER:
        return true()
    own = select(Client.id).where(clients.visible_to(actor)).correlate(None)
    heard = select(Recording.id).where(recordings.visible_to(actor)).correlate(None)
    is_of_nobody = and_(Document.client_id.is_(None), Document.recording_id.is_(None))
    of_his = and_(
        or_(Document.client_id.is_(None), Document.client_id.in_(own)),
        or_(Document.recording_id.is_(None), Document.recording_id.in_(heard)),
    )
    named = cast(Document.id, Text)
    contacts = select(Contact.id).where(Contact.client_id.in_(own))
    proves = exists(
        select(ASSERTIONS.c.id).where(
            or_(
                ASSERTIONS.c.evidence["document_id"].astext == named,
                ASSERTIONS.c.evidence["signature"]["document_id"].astext == named,
            ),
            or_(
                ASSERTIONS.c.recording_id.in_(heard),
                ASSERTIONS.c.client_id.in_(own),
                ASSERTIONS.c.contact_id.in_(contacts),
            ),
        )
    )
    is_act = Document.id.in_(select(LocalAct.document_id))
    return or_(
        and_(~is_of_nobody, of_his),
        and_(is_of_nobody, or_(Document.uploaded_by == actor.id, is_act, proves)),
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
