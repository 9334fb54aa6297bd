"""What speaks for keeping something and what against: holds, rules, moments, requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select, text
from sqlalchemy.orm import Session

from app.clients.models import Contract, Event
from app.consent.models import Assertion, ProcessingContract
from app.consent.purposes import Status
from app.disputes.models import (
    ClientUpload,
    Dispute,
    DocumentRequest,
    Exhibit,
    RequestedDocument,
)
from app.documents.models import Document, LocalAct
from app.identity.models import User
from app.recordings.models import InspectionState, Recording, Screenshot
from app.releases.models import LinkAnswer, Release, ReleaseItem, ReleaseState
from app.retention import subjects
from app.retention.models import (
    Erasure,
    ErasureApproval,
    ErasureObject,
    LeftBytes,
    LegalHold,
    LegalHoldItem,
    Restriction,
    RetentionNotice,
    RetentionReview,
    RetentionRule,
)
from app.retention.rules import Action, Kind, Period, Rule, Trigger
from app.retention.subjects import MODELS, Kept, Subject

_CAUGHT = text("SELECT kind, id FROM objects_caught_by(:asked, :after, :limit)")


def kept(session: Session, subject: Subject) -> Kept | None:
    """Return what is kept under an id, erased or not.

    A file that became a document is that document. What has not been taken over yet, and who only
    said that he heard it, left nothing to be kept.
    """
    query = _all(subject.kind).where(MODELS[subject.kind].id == subject.id)
    return session.scalars(query).one_or_none()


def _all(kind: Kind) -> Select[Kept]:
    query = select(MODELS[kind])
    if kind is Kind.UPLOAD:
        query = query.where(
            ClientUpload.document_id.is_(None), ClientUpload.settled_at.is_not(None)
        )
    if kind is Kind.ANSWER:
        query = query.where(LinkAnswer.words.is_not(None))
    return cast("Select[Kept]", query)


def client_of(session: Session, found: Kept) -> UUID | None:
    """Return the client of its event, its dispute or its release."""
    if isinstance(found, Document):
        return found.client_id or _client_of_event(session, _call_of(session, found))
    if isinstance(found, ClientUpload):
        return session.scalar(
            select(Dispute.client_id)
            .join(DocumentRequest, DocumentRequest.dispute_id == Dispute.id)
            .where(DocumentRequest.id == found.request_id)
        )
    if isinstance(found, LinkAnswer):
        return session.scalar(select(Release.client_id).where(Release.id == found.release_id))
    return _client_of_event(session, found)


def made_at(found: Kept) -> datetime:
    """Return when it was made, or came."""
    if isinstance(found, Recording):
        return found.started_at
    if isinstance(found, Screenshot):
        return found.captured_at
    return found.uploaded_at if isinstance(found, Document) else found.at


def _client_of_event(session: Session, found: Recording | Screenshot | None) -> UUID | None:
    if found is None:
        return None
    return session.scalar(select(Event.client_id).where(Event.id == found.event_id))


def _call_of(session: Session, paper: Document) -> Recording | None:
    return session.get(Recording, paper.recording_id) if paper.recording_id else None


def is_evidence(session: Session, found: Kept, *, at: datetime) -> bool:
    """Say whether something that is still kept or in force rests on a document.

    That is evidence which counts, on what was not erased; a contract that runs, with a client or
    with who works for us; an act of the house.
    """
    if not isinstance(found, Document):
        return False
    named = str(found.id)
    runs = [
        or_(ended.is_(None), ended > at) for ended in (Contract.valid_to, Contract.terminated_at)
    ]
    works = [
        or_(ended.is_(None), ended > at)
        for ended in (ProcessingContract.valid_to, ProcessingContract.terminated_at)
    ]
    rests = (
        select(Assertion.id)
        .outerjoin(Recording, Recording.id == Assertion.recording_id)
        .where(
            or_(
                Assertion.evidence["document_id"].astext == named,
                Assertion.evidence["signature"]["document_id"].astext == named,
            ),
            Assertion.status.in_((Status.PROPOSED, Status.VERIFIED)),
            Recording.erased_at.is_(None),
        )
    )
    questions: tuple[Select[UUID], ...] = (
        rests,
        select(Contract.id).where(Contract.document_sha256 == found.sha256, *runs),
        select(ProcessingContract.id).where(ProcessingContract.document_id == found.id, *works),
        select(LocalAct.id).where(LocalAct.document_id == found.id),
    )
    return any(session.scalar(one.limit(1)) is not None for one in questions)


def going_with(session: Session, erased_id: UUID) -> list[Subject]:
    """Return what is about something erased and goes with it, unless it must stay."""
    rows = session.execute(text("SELECT kind, id FROM going_with(:asked)"), {"asked": erased_id})
    return [Subject(Kind(row.kind), UUID(str(row.id))) for row in rows]


def holds_of(session: Session, subject_id: UUID) -> Sequence[LegalHold]:
    """Return the holds that keep something now, those by a rule included."""
    ids = session.scalars(text("SELECT holds_of(:asked)"), {"asked": subject_id}).all()
    return session.scalars(
        select(LegalHold).where(LegalHold.id.in_(ids)).order_by(LegalHold.placed_at)
    ).all()


def hold(session: Session, hold_id: UUID) -> LegalHold | None:
    """Return a hold, locked until the transaction ends."""
    return session.scalar(select(LegalHold).where(LegalHold.id == hold_id).with_for_update())


def holds(session: Session, *, with_released: bool, limit: int) -> Sequence[LegalHold]:
    """Return holds, those to be looked at first in front."""
    query = select(LegalHold).order_by(LegalHold.review_at, LegalHold.id).limit(limit)
    if not with_released:
        query = query.where(LegalHold.released_at.is_(None))
    return session.scalars(query).all()


def items_of(session: Session, hold_id: UUID) -> list[Subject]:
    """Return what a hold names or has caught."""
    rows = session.scalars(
        select(LegalHoldItem)
        .where(LegalHoldItem.hold_id == hold_id)
        .order_by(LegalHoldItem.object_id)
    )
    return [subjects.of(row) for row in rows]


def caught_by(session: Session, hold_id: UUID, *, after: UUID | None, limit: int) -> list[Subject]:
    """Return what a hold keeps or kept, page by page in the order of the ids."""
    rows = session.execute(_CAUGHT, {"asked": hold_id, "after": after, "limit": limit})
    return [Subject(Kind(row.kind), UUID(str(row.id))) for row in rows]


def rules_in_force(session: Session) -> Sequence[RetentionRule]:
    """Return the versions in force; a version without periods ends its rule."""
    return session.scalars(
        select(RetentionRule)
        .where(RetentionRule.approved_at.is_not(None), RetentionRule.retired_at.is_(None))
        .order_by(RetentionRule.name)
    ).all()


def as_rule(row: RetentionRule) -> Rule:
    """Return what a row says, as the pure rules have it."""
    return Rule(
        id=row.id,
        name=row.name,
        trigger=Trigger(row.trigger),
        minimum=Period(**row.minimum) if row.minimum else None,
        maximum=Period(**row.maximum) if row.maximum else None,
        basis=row.basis,
        min_is_law=row.min_is_law,
        action=Action(row.action),
        kinds=tuple(row.kinds),
        flags=tuple(row.flags),
        client_id=row.client_id,
    )


def moments(session: Session, found: Kept) -> dict[Trigger, datetime | None]:
    """Return when each period begins; None: it has not, or nobody knows of it.

    A screenshot has the clock of its event: the end of its last call, and the disputes about it. A
    paper has that of its call; what is of no call began when it came in.
    """
    return {
        Trigger.CALL_END: _call_end(session, found),
        Trigger.CONTRACT_END: _contract_end(session, client_of(session, found)),
        Trigger.DISPUTE_CLOSED: _dispute_closed(session, found),
        Trigger.LAST_SHARE: _last_share(session, found),
        Trigger.REVIEWED: _reviewed(session, found),
    }


def _call_end(session: Session, found: Kept) -> datetime:
    if isinstance(found, Recording):
        return _ended(found)
    if isinstance(found, ClientUpload | LinkAnswer):
        return found.at
    if isinstance(found, Document):
        call = _call_of(session, found)
        return max(found.uploaded_at, _ended(call)) if call else found.uploaded_at
    calls = session.scalars(select(Recording).where(Recording.event_id == found.event_id))
    return max((found.captured_at, *map(_ended, calls)))


def _ended(call: Recording) -> datetime:
    return call.ended_at or call.started_at + timedelta(milliseconds=call.duration_ms or 0)


def _contract_end(session: Session, client_id: UUID | None) -> datetime | None:
    """Return the end of a client's last contract; None while one runs, and where there is none."""
    ends = session.execute(
        select(Contract.valid_to, Contract.terminated_at).where(Contract.client_id == client_id)
    ).all()
    known = [min(e for e in row if e is not None) for row in ends if any(row)]
    return max(known) if known and len(known) == len(ends) else None


def _dispute_closed(session: Session, found: Kept) -> datetime | None:
    closed = session.scalars(select(Dispute.closed_at).where(_is_disputed(found))).all()
    known = [at for at in closed if at is not None]
    return max(known) if known and len(known) == len(closed) else None


def _is_disputed(found: Kept) -> ColumnElement[bool]:
    """Return the condition of the disputes that show it, asked for it, or are about its event."""
    if isinstance(found, LinkAnswer):
        return Dispute.id.in_(select(Release.dispute_id).where(Release.id == found.release_id))
    if isinstance(found, ClientUpload):
        asked = select(DocumentRequest.dispute_id).where(DocumentRequest.id == found.request_id)
        return Dispute.id.in_(asked)
    if isinstance(found, Document):
        asked = (
            select(DocumentRequest.dispute_id)
            .join(RequestedDocument, RequestedDocument.request_id == DocumentRequest.id)
            .where(RequestedDocument.document_id == found.id)
        )
        if found.recording_id is None:
            return Dispute.id.in_(asked)
        heard = select(Exhibit.dispute_id).where(Exhibit.recording_id == found.recording_id)
        return or_(Dispute.id.in_(asked), Dispute.id.in_(heard))
    shown = select(Exhibit.dispute_id).where(subjects.of_kept(found).is_named_by(Exhibit))
    is_shown: ColumnElement[bool] = Dispute.id.in_(shown)
    if isinstance(found, Screenshot):
        return or_(is_shown, Dispute.event_id == found.event_id)
    return is_shown


def _last_share(session: Session, found: Kept) -> datetime | None:
    ended = select(func.max(func.coalesce(Release.revoked_at, Release.expires_at))).where(
        Release.state != ReleaseState.DENIED
    )
    if isinstance(found, LinkAnswer):
        return session.scalar(ended.where(Release.id == found.release_id))
    if not isinstance(found, Recording | Screenshot):
        return None
    is_of_it = subjects.of_kept(found).is_named_by(ReleaseItem)
    shared = ended.join(ReleaseItem, ReleaseItem.release_id == Release.id).where(is_of_it)
    return session.scalar(shared)


def _reviewed(session: Session, found: Kept) -> datetime | None:
    if isinstance(found, Recording) and found.inspection_state != InspectionState.DONE:
        return None
    is_of_it = subjects.of_kept(found).is_named_by(RetentionReview)
    return session.scalar(select(func.max(RetentionReview.at)).where(is_of_it))


def open_erasure(session: Session, subject: Subject) -> Erasure | None:
    """Return the erasure of something that was not denied."""
    return session.scalar(
        select(Erasure).where(subject.is_named_by(Erasure), Erasure.denied_at.is_(None))
    )


def erasure(session: Session, erasure_id: UUID) -> Erasure | None:
    """Return an erasure, locked until the transaction ends."""
    return session.scalar(select(Erasure).where(Erasure.id == erasure_id).with_for_update())


def erasures(session: Session, *, limit: int) -> Sequence[Erasure]:
    """Return erasures, the newest first."""
    return session.scalars(
        select(Erasure).order_by(Erasure.requested_at.desc(), Erasure.id.desc()).limit(limit)
    ).all()


def unfinished(session: Session) -> Sequence[UUID]:
    """Return the erasures that were agreed to and are not verified yet."""
    agreed = (
        select(func.count())
        .select_from(ErasureApproval)
        .where(ErasureApproval.erasure_id == Erasure.id)
        .scalar_subquery()
    )
    return session.scalars(
        select(Erasure.id).where(
            Erasure.denied_at.is_(None),
            Erasure.verified_at.is_(None),
            agreed >= Erasure.approvals_needed,
        )
    ).all()


def approvals(session: Session, erasure_id: UUID) -> Sequence[ErasureApproval]:
    """Return who has agreed to an erasure, in order."""
    return session.scalars(
        select(ErasureApproval)
        .where(ErasureApproval.erasure_id == erasure_id)
        .order_by(ErasureApproval.at)
    ).all()


def objects_of(session: Session, erasure_id: UUID) -> Sequence[ErasureObject]:
    """Return the objects of an erasure."""
    return session.scalars(
        select(ErasureObject)
        .where(ErasureObject.erasure_id == erasure_id)
        .order_by(ErasureObject.object_id)
    ).all()


def left_bytes(session: Session) -> Sequence[LeftBytes]:
    """Return the bytes that a restore has left to a lock and that are not gone yet."""
    return session.scalars(
        select(LeftBytes)
        .where(LeftBytes.deleted_at.is_(None))
        .order_by(LeftBytes.store, LeftBytes.object_id)
    ).all()


def open_notice(session: Session, subject: Subject) -> RetentionNotice | None:
    """Return the announcement about something that stands."""
    return session.scalar(
        select(RetentionNotice).where(
            subject.is_named_by(RetentionNotice), RetentionNotice.cancelled_at.is_(None)
        )
    )


def due(session: Session, *, limit: int) -> Sequence[tuple[RetentionNotice, Kept]]:
    """Return what was announced and is not erased yet, what comes first in front."""
    query = select(RetentionNotice, *MODELS.values())
    for kind, model in MODELS.items():
        query = query.outerjoin(model, model.id == getattr(RetentionNotice, f"{kind}_id"))
    rows = session.execute(
        query.where(
            RetentionNotice.cancelled_at.is_(None),
            func.coalesce(*(model.erased_at for model in MODELS.values())).is_(None),
        )
        .order_by(RetentionNotice.due_at, RetentionNotice.id)
        .limit(limit)
    )
    return [(row[0], cast("Kept", next(one for one in row[1:] if one is not None))) for row in rows]


def open_restriction(session: Session, subject: Subject) -> Restriction | None:
    """Return the restriction of something that stands."""
    return session.scalar(
        select(Restriction).where(subject.is_named_by(Restriction), Restriction.lifted_at.is_(None))
    )


def unerased(session: Session, *, after: UUID | None, limit: int) -> Sequence[Kept]:
    """Return what is there of all kinds, page by page in the order of the ids."""
    found: list[Kept] = []
    for kind, model in MODELS.items():
        query = _all(kind).where(model.erased_at.is_(None)).order_by(model.id).limit(limit)
        found += session.scalars(query if after is None else query.where(model.id > after))
    return sorted(found, key=lambda one: one.id)[:limit]


def names(session: Session, ids: Sequence[UUID]) -> dict[UUID, User]:
    """Return the people of these ids."""
    return {user.id: user for user in session.scalars(select(User).where(User.id.in_(ids)))}
