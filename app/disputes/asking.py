"""Asking the client for documents: what exactly, by when, what came, and what we say of it.

The link for uploading is told once and kept as a digest. The page behind it is served by the
process of the links, which asks functions of the database; what came is taken over by `taking`.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.clients.models import Contact
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import queries, service
from app.disputes.models import DocumentRequest, RequestedDocument
from app.disputes.refusals import (
    DisputeContactUnknown,
    RequestCannot,
    RequestDocumentUnknown,
    RequestNotFound,
)
from app.disputes.rules import REQUEST_MOVES, WAITING, RequestState
from app.disputes.service import person
from app.documents.models import Document
from app.fixity import holds as store_holds
from app.identity.actor import Actor
from app.identity.secrets import digest, new_secret
from app.mail import service as mail
from app.mail.models import Kind
from app.mail.service import Letter


def ask(  # noqa: PLR0913 - a request has these parts; all but three are named.
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    *,
    asked: str,
    contact_id: UUID | None,
    due_at: datetime | None,
    at: datetime,
) -> DocumentRequest:
    """Write down what the client is asked for.

    Raises:
        DisputeNotFound, DisputeClosed: there is no such open dispute.
        DisputeContactUnknown: the client has no such contact.
    """
    dispute = service.locked(session, dispute_id)
    if contact_id is not None:
        contact = session.get(Contact, contact_id)
        if contact is None or contact.client_id != dispute.client_id:
            raise DisputeContactUnknown
    asker = person(actor)
    row = DocumentRequest(
        id=new_id(),
        dispute_id=dispute.id,
        asked=asked,
        contact_id=contact_id,
        due_at=due_at,
        state=RequestState.ASKED,
        asked_by=asker,
        asked_at=at,
        changed_by=asker,
        changed_at=at,
    )
    session.add(row)
    return _written(session, actor, row, at=at, detail={"asked": asked})


def receive(
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    request_id: UUID,
    document_ids: tuple[UUID, ...],
    *,
    at: datetime,
) -> DocumentRequest:
    """Write down that documents came, which are kept already.

    Raises:
        RequestNotFound: there is no such request.
        RequestCannot: it does not wait for anything.
        RequestDocumentUnknown: the client has no such document.
    """
    row = _request(session, dispute_id, request_id)
    _go(row, RequestState.RECEIVED)
    dispute = queries.locked(session, dispute_id)
    for document_id in dict.fromkeys(document_ids):
        document = session.get(Document, document_id)
        if (
            document is None
            or document.erased_at is not None
            or dispute is None
            or document.client_id != dispute.client_id
        ):
            raise RequestDocumentUnknown(document_id=str(document_id))
        if session.get(RequestedDocument, (row.id, document_id)) is None:
            session.add(
                RequestedDocument(
                    request_id=row.id, document_id=document_id, noted_by=person(actor), at=at
                )
            )
            store_holds.follow(session, document_id)
    return _changed(session, actor, row, at=at, documents=len(document_ids))


def judge(  # noqa: PLR0913 - all but four are named.
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    request_id: UUID,
    to: RequestState,
    *,
    words: str,
    due_at: datetime | None = None,
    at: datetime,
) -> DocumentRequest:
    """Say of what came that it is valid, that it is asked for again, or that we give up; and why.

    Raises:
        RequestNotFound: there is no such request.
        RequestCannot: it does not stand so.
    """
    row = _request(session, dispute_id, request_id)
    _go(row, to)
    row.words = words
    row.due_at = due_at or row.due_at
    return _changed(session, actor, row, at=at, detail={"words": words})


def open_link(
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    request_id: UUID,
    *,
    expires_at: datetime,
    at: datetime,
) -> tuple[DocumentRequest, str]:
    """Return a token for uploading, told this once; an earlier one ends with it.

    Raises:
        RequestNotFound: there is no such request.
        RequestCannot: it waits for nothing, or the link would have ended already.
    """
    row = _request(session, dispute_id, request_id)
    if row.state not in WAITING or expires_at <= at:
        raise RequestCannot(state=row.state, allowed=_next(row))
    token = new_secret("")
    row.token_digest, row.token_expires_at = digest(token), expires_at
    return _changed(session, actor, row, at=at, link_until=expires_at.isoformat()), token


def mail_link(session: Session, row: DocumentRequest, url: str, *, at: datetime) -> bool:
    """Ask for a letter with a link for uploading, to whom was asked; False without an address."""
    if row.contact_id is None or row.token_expires_at is None:
        return False
    letter = Letter(
        kind=Kind.REQUEST_LINK,
        about=("request", row.id),
        occasion=str(new_id()),
        secret=url,
        facts={"until": row.token_expires_at.isoformat()},
    )
    mail.withdraw(session, letter.about)  # An earlier link has ended with this one.
    return mail.to_contact(session, row.contact_id, letter, at=at)


def _request(session: Session, dispute_id: UUID, request_id: UUID) -> DocumentRequest:
    dispute = service.locked(session, dispute_id)
    row = session.get(DocumentRequest, request_id)
    if row is None or row.dispute_id != dispute.id:
        raise RequestNotFound
    return row


def _next(row: DocumentRequest) -> list[RequestState]:
    return sorted(REQUEST_MOVES[RequestState(row.state)])


def _go(row: DocumentRequest, to: RequestState) -> None:
    if to not in REQUEST_MOVES[RequestState(row.state)]:
        raise RequestCannot(state=row.state, allowed=_next(row))
    row.state = to


def _changed(
    session: Session,
    actor: Actor,
    row: DocumentRequest,
    *,
    at: datetime,
    detail: dict[str, object] | None = None,
    **facts: str | int,
) -> DocumentRequest:
    row.changed_by, row.changed_at = person(actor), at
    return _written(session, actor, row, at=at, detail=detail, **facts)


def _written(
    session: Session,
    actor: Actor,
    row: DocumentRequest,
    *,
    at: datetime,
    detail: dict[str, object] | None = None,
    **facts: str | int,
) -> DocumentRequest:
    session.flush()
    ledger.append(
        session,
        actor,
        Act.DISPUTE_REQUEST,
        ("dispute", row.dispute_id),
        at=at,
        facts={"request_id": str(row.id), "state": row.state, **facts},
        detail=detail,
    )
    return row
