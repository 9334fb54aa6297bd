"""Finding what demo data is here, and what stands in the way of its going."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, select, text
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.demo.models import DemoSet
from app.disputes.models import Dispute
from app.identity.models import Device, User
from app.identity.permissions import PERMISSIONS, Permission, Role
from app.recordings.models import Recording


class Hindrance(StrEnum):
    """What hinders that demo data goes."""

    HELD = "held"  # Recordings under a hold.
    HOLDS = "holds"  # Holds by a rule of its clients or disputes.
    STRAYED = "strayed"  # Demo recordings tied to what happened with a real client.
    MIXED = "mixed"  # Real recordings and screenshots tied to what happened with its clients.
    EXHIBITS = "exhibits"  # Demo recordings shown in real disputes, or real ones in its disputes.
    PAPERS = "papers"  # Papers and words that people kept about its clients and calls.


_HINDRANCES: Final = {
    Hindrance.HELD: """
        SELECT count(*) FROM recordings r JOIN devices d ON d.id = r.device_id
        WHERE d.is_demo AND r.erased_at IS NULL AND EXISTS (SELECT FROM holds_of(r.id))
    """,
    Hindrance.HOLDS: """
        SELECT count(*) FROM legal_holds h WHERE h.released_at IS NULL AND (
            h.rule_client_id IN (SELECT c.id FROM clients c WHERE c.is_demo)
            OR h.rule_dispute_id IN (
                SELECT x.id FROM disputes x JOIN clients c ON c.id = x.client_id WHERE c.is_demo))
    """,
    Hindrance.STRAYED: """
        SELECT count(*) FROM recordings r JOIN devices d ON d.id = r.device_id
        JOIN events e ON e.id = r.event_id JOIN clients c ON c.id = e.client_id
        WHERE d.is_demo AND r.erased_at IS NULL AND NOT c.is_demo
    """,
    Hindrance.MIXED: """
        SELECT count(*) FROM (
            SELECT r.event_id, r.device_id FROM recordings r WHERE r.erased_at IS NULL
            UNION ALL
            SELECT s.event_id, s.device_id FROM screenshots s WHERE s.erased_at IS NULL) k
        JOIN devices d ON d.id = k.device_id JOIN events e ON e.id = k.event_id
        JOIN clients c ON c.id = e.client_id
        WHERE c.is_demo AND NOT d.is_demo AND c.removed_at IS NULL
    """,
    Hindrance.EXHIBITS: """
        SELECT count(*) FROM exhibits x JOIN disputes t ON t.id = x.dispute_id
        JOIN clients c ON c.id = t.client_id
        LEFT JOIN recordings r ON r.id = x.recording_id
        LEFT JOIN screenshots s ON s.id = x.screenshot_id
        JOIN devices d ON d.id = coalesce(r.device_id, s.device_id)
        WHERE c.is_demo <> d.is_demo AND c.removed_at IS NULL
            AND coalesce(r.erased_at, s.erased_at) IS NULL
    """,
    Hindrance.PAPERS: """
        SELECT (SELECT count(*) FROM documents k WHERE k.erased_at IS NULL AND (
                k.client_id IN (SELECT c.id FROM clients c WHERE c.is_demo)
                OR k.recording_id IN (
                    SELECT r.id FROM recordings r JOIN devices d ON d.id = r.device_id
                    WHERE d.is_demo)))
            + (SELECT count(*) FROM dispute_uploads u JOIN dispute_requests q ON q.id = u.request_id
               JOIN disputes t ON t.id = q.dispute_id JOIN clients c ON c.id = t.client_id
               WHERE c.is_demo AND u.erased_at IS NULL AND u.document_id IS NULL)
    """,
}


def here(session: Session, *, lock: bool = False) -> DemoSet | None:
    """Return the set that is here, or on its way in or out."""
    query = select(DemoSet).where(DemoSet.unloaded_at.is_(None))
    return session.scalar(query.with_for_update() if lock else query)


def is_here(session: Session) -> bool:
    """Say whether there is demo data; every page asks."""
    return session.scalar(select(exists().where(DemoSet.unloaded_at.is_(None)))) is True


def has_real_recordings(session: Session) -> bool:
    """Say whether a recording ever came that is no demo data."""
    real = select(Recording.id).join(Device, Device.id == Recording.device_id)
    return session.scalar(select(exists(real.where(~Device.is_demo)))) is True


def hindrances(session: Session) -> dict[Hindrance, int]:
    """Return what hinders that the demo data goes, each with its number; nothing: it may."""
    found = {one: int(session.scalar(text(sql)) or 0) for one, sql in _HINDRANCES.items()}
    return {one: number for one, number in found.items() if number}


def recordings(session: Session, device_id: UUID) -> Sequence[UUID]:
    """Return the recordings of a set that are not erased."""
    return session.scalars(
        select(Recording.id)
        .where(Recording.device_id == device_id, Recording.erased_at.is_(None))
        .order_by(Recording.id)
    ).all()


def clients(session: Session) -> Sequence[Client]:
    """Return the demo clients that are here."""
    return session.scalars(
        select(Client).where(Client.is_demo, Client.removed_at.is_(None)).order_by(Client.id)
    ).all()


def has_dispute(session: Session, external_id: str) -> bool:
    """Say whether a demo client has its dispute already."""
    wanted = select(Dispute.id).join(Client, Client.id == Dispute.client_id)
    return session.scalar(select(exists(wanted.where(Client.external_id == external_id)))) is True


def counts(session: Session, device_id: UUID) -> dict[str, int]:
    """Return how much of what is here."""
    ids = [one.id for one in clients(session)]
    disputes = select(func.count()).select_from(Dispute).where(Dispute.client_id.in_(ids))
    return {
        "clients": len(ids),
        "recordings": len(recordings(session, device_id)),
        "disputes": session.scalar(disputes) or 0,
    }


def owner(session: Session, preferred: UUID | None) -> User | None:
    """Return whose dispute it may be: who can work on it, else who asked, else who administers."""
    working = [role for role in Role if Permission.DISPUTE_WRITE in PERMISSIONS[role]]
    people = select(User).where(User.disabled_at.is_(None)).order_by(User.created_at, User.id)
    found = session.scalars(people).all()
    able = [one for one in found if one.role in working]
    asking = [one for one in found if one.id == preferred]
    administering = [one for one in found if one.role == Role.ADMIN]
    asking_and_able = [one for one in able if one.id == preferred]
    return next(iter([*asking_and_able, *able, *asking, *administering]), None)
