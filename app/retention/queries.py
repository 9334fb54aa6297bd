"""What speaks for keeping something and what against: holds, rules, moments, requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from app.disputes.models import (
    ClientUpload,
)
from app.documents.models import Document
from app.identity.models import User
from app.recordings.models import Recording, Screenshot
from app.releases.models import LinkAnswer
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


def made_at(found: Kept) -> datetime:
    """Return when it was made, or came."""
    if isinstance(found, Recording):
        return found.started_at
    if isinstance(found, Screenshot):
        return found.captured_at
    return found.uploaded_at if isinstance(found, Document) else found.at


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
