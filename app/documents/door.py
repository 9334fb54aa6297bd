"""The way out of a document: an entry in the ledger, then the bytes, as a file and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import Forbidden, Gone, NotFound, Unavailable
from app.custody import ledger
from app.custody.ledger import Act
from app.documents import queries
from app.documents.models import Document
from app.identity.actor import Actor
from app.identity.permissions import Permission
from storage.errors import StoreError
from storage.sealed import SealedReader, SealedRef

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""A browser saves it; where one shows it nevertheless, nothing in it runs or loads."""
_SUFFIXES = {"pdf": "pdf", "png": "png", "jpeg": "jpg", "webp": "webp"}


class DocumentNotFound(NotFound):
    """There is no such document."""


class DocumentErased(Gone):
    """The document was erased."""


class DocumentOnlyKept(Forbidden):
    """The document is restricted, or kept by a hold alone: an approver or legal opens it."""


class DocumentAway(Unavailable):
    """The store does not give the document now; try again."""


def open_document(
    session: Session, actor: Actor, document_id: UUID, *, at: datetime
) -> tuple[Document, SealedRef]:
    """Write down that somebody opens a document, and return where its bytes are.

    The caller commits before the first byte is read.

    Raises:
        DocumentNotFound: there is none that `actor` may see.
        DocumentErased: its key was destroyed.
        DocumentOnlyKept: it is only kept, and `actor` binds nobody.
    """
    found = queries.document(session, document_id)
    if found is None or not queries.is_seen(session, actor, document_id):
        raise DocumentNotFound
    document, sealed = found
    if sealed.wrapped_key is None:
        raise DocumentErased
    if document.is_withheld and Permission.HOLD_WRITE not in actor.permissions:
        raise DocumentOnlyKept
    ledger.append(
        session,
        actor,
        Act.DOCUMENT_OPENED,
        ("document", document.id),
        at=at,
        facts={"kind": document.kind},
        content=document.sha256,
    )
    return document, SealedRef(
        object_id=document.object_id,
        wrapped_key=sealed.wrapped_key,
        size_bytes=sealed.size_bytes,
    )


def headers_of(document: Document, ref: SealedRef) -> dict[str, str]:
    """Return the headers of the download; the name is ours, not the sender's."""
    name = f"{document.id}.{_SUFFIXES[document.kind]}"
    return HEADERS | {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(ref.size_bytes),
    }


def pieces(store: SealedReader, ref: SealedRef) -> Iterator[bytes]:
    """Yield the bytes.

    Raises:
        DocumentAway: the store does not give them.
    """
    try:
        yield from store.stream(ref)
    except StoreError as exc:
        raise DocumentAway from exc
