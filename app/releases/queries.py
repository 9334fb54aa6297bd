"""Finding releases, what they hold, and whether they are open at this moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, true, tuple_
from sqlalchemy.orm import Session, aliased, selectinload

from app.clients import queries as clients
from app.clients.models import Client, Contact, Contract
from app.core.paging import Cursor
from app.disputes.models import Exhibit, ExhibitRemoval
from app.identity.actor import Actor
from app.identity.models import User
from app.recordings.models import Leg, Recording, Screenshot, SealedRow
from app.releases.models import (
    Release,
    ReleaseApproval,
    ReleaseItem,
    ReleaseState,
    ReleaseWish,
    ShareLink,
    ShareView,
)

_WHOLE = (
    selectinload(Release.wishes).selectinload(ReleaseWish.approvals),
    selectinload(Release.items),
    selectinload(Release.links),
)


def release(session: Session, release_id: UUID, *, lock: bool = False) -> Release | None:
    """Return a release with all its parts; with `lock`, nobody else changes it meanwhile."""
    statement = (
        select(Release)
        .where(Release.id == release_id)
        .options(*_WHOLE)
        .execution_options(populate_existing=True)
    )
    if lock:
        statement = statement.with_for_update()
    return session.scalars(statement).one_or_none()


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of the releases that `actor` may know of: a manager, his offices'."""
    if actor.offices is None:
        return true()
    return Release.client_id.in_(select(Client.id).where(clients.visible_to(actor)))


def is_seen(session: Session, actor: Actor, release_id: UUID) -> bool:
    """Say whether `actor` may know of a release."""
    found = select(Release.id).where(Release.id == release_id, visible_to(actor))
    return session.scalar(found) is not None


def releases(
    session: Session,
    actor: Actor,
    *,
    states: Collection[ReleaseState] | None,
    q: str | None = None,
    after: Cursor | None,
    limit: int,
) -> Sequence[Release]:
    """Return releases, the newest first; `q` stands in the client's or the recipient's name."""
    statement = select(Release).where(visible_to(actor)).options(*_WHOLE)
    if states is not None:
        statement = statement.where(Release.state.in_(states))
    if q is not None:
        statement = statement.join(Contact, Contact.id == Release.contact_id).where(
            or_(
                Release.client_name.icontains(q, autoescape=True),
                Contact.name.icontains(q, autoescape=True),
            )
        )
    if after is not None:
        place = tuple_(Release.requested_at, Release.id)
        statement = statement.where(place < (after.at, after.id))
    return session.scalars(
        statement.order_by(Release.requested_at.desc(), Release.id.desc()).limit(limit)
    ).all()


def count_requested(session: Session, actor: Actor) -> int:
    """Return how many releases wait for an approval."""
    return session.scalars(
        select(func.count())
        .select_from(Release)
        .where(visible_to(actor), Release.state == ReleaseState.REQUESTED)
    ).one()


def contact(session: Session, contact_id: UUID) -> tuple[Contact, Client] | None:
    """Return a contact and the firm it is of."""
    found = session.execute(
        select(Contact, Client)
        .join(Client, Client.id == Contact.client_id)
        .where(Contact.id == contact_id)
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def our_entity(session: Session, client_id: UUID) -> str | None:
    """Return the firm of ours that the client's newest contract is with."""
    return session.scalars(
        select(Contract.our_entity)
        .where(Contract.client_id == client_id)
        .order_by(Contract.valid_from.desc(), Contract.id.desc())
        .limit(1)
    ).one_or_none()


def person_name(session: Session, user_id: UUID) -> str:
    """Return the full name of a person who works here."""
    return session.scalars(select(User.full_name).where(User.id == user_id)).one()


def exhibits(session: Session, dispute_id: UUID) -> Sequence[Exhibit]:
    """Return the exhibits of a dispute that stand, in the order they were added."""
    newer = aliased(Exhibit)
    return session.scalars(
        select(Exhibit)
        .where(
            Exhibit.dispute_id == dispute_id,
            ~select(newer.id).where(newer.replaces == Exhibit.id).exists(),
            ~select(ExhibitRemoval.exhibit_id)
            .where(ExhibitRemoval.exhibit_id == Exhibit.id)
            .exists(),
        )
        .order_by(Exhibit.at, Exhibit.id)
    ).all()


def recording(session: Session, recording_id: UUID) -> Recording | None:
    """Return a recording with its legs."""
    return session.scalars(
        select(Recording).where(Recording.id == recording_id).options(selectinload(Recording.legs))
    ).one_or_none()


def screenshot(session: Session, screenshot_id: UUID) -> tuple[Screenshot, SealedRow] | None:
    """Return a screenshot that was not erased, with its sealed object."""
    found = session.execute(
        select(Screenshot, SealedRow)
        .join(SealedRow, SealedRow.object_id == Screenshot.object_id)
        .where(Screenshot.id == screenshot_id, Screenshot.erased_at.is_(None))
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def sealed(session: Session, legs: Sequence[Leg]) -> dict[UUID, SealedRow]:
    """Return the sealed objects that `legs` name, by their id."""
    named = [i for leg in legs for i in (leg.object_id, leg.playable_object_id) if i is not None]
    rows = session.scalars(select(SealedRow).where(SealedRow.object_id.in_(named)))
    return {row.object_id: row for row in rows}


def approvals(session: Session, wish_id: UUID) -> Sequence[ReleaseApproval]:
    """Return the approvals of a wish, the oldest first."""
    return session.scalars(
        select(ReleaseApproval)
        .where(ReleaseApproval.wish_id == wish_id)
        .order_by(ReleaseApproval.at, ReleaseApproval.id)
    ).all()


def views(session: Session, release_id: UUID) -> int:
    """Return how often the links of a release were opened to listen."""
    return session.scalars(
        select(func.count())
        .select_from(ShareView)
        .join(ShareLink, ShareLink.id == ShareView.link_id)
        .where(ShareLink.release_id == release_id)
    ).one()


def views_of(session: Session, release_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how often the links of each release were opened; of none opened, nothing."""
    rows = session.execute(
        select(ShareLink.release_id, func.count(ShareView.id))
        .join(ShareView, ShareView.link_id == ShareLink.id)
        .where(ShareLink.release_id.in_(release_ids))
        .group_by(ShareLink.release_id)
    )
    return {row[0]: row[1] for row in rows}


def is_open(session: Session, release_id: UUID) -> bool:
    """Return whether a release is open at this moment: the answer the public links are given."""
    return session.scalars(select(func.release_is_open(release_id))).one() is True


def live_of(session: Session, subject_id: UUID) -> Sequence[UUID]:
    """Return the granted releases that hold a copy of a recording or screenshot."""
    return session.scalars(
        select(Release.id)
        .join(ReleaseItem, ReleaseItem.release_id == Release.id)
        .where(
            or_(ReleaseItem.recording_id == subject_id, ReleaseItem.screenshot_id == subject_id),
            Release.state == ReleaseState.GRANTED,
        )
        .distinct()
    ).all()


def closed(session: Session, at: datetime) -> Sequence[UUID]:
    """Return the granted releases that are not open: expired, or decided before a change."""
    return session.scalars(
        select(Release.id).where(
            Release.state == ReleaseState.GRANTED,
            or_(Release.expires_at <= at, func.release_is_open(Release.id).is_not(True)),
        )
    ).all()


def has_passphrase(session: Session, release_id: UUID) -> bool:
    """Say whether the link to a release asks for a passphrase."""
    asks = select(ShareLink.id).where(
        ShareLink.release_id == release_id, ShareLink.passphrase_hash.is_not(None)
    )
    return session.scalar(asks.limit(1)) is not None
