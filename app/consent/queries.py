"""Finding what a decision depends on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_, select, text, tuple_
from sqlalchemy.orm import Session

from app.clients.models import Client, Contact, Contract, ContractClause, Event
from app.consent.models import (
    Assertion,
    AssertionVote,
    AutoVerifyStop,
    ContactVerification,
    NoticeText,
    NoticeTextSetAside,
    PackSetAside,
    PolicyPackRow,
    ProcessingContract,
    Screening,
)
from app.core.paging import Cursor
from app.identity.actor import Actor
from app.identity.models import User
from app.recordings.models import Leg, Party, Recording, SealedRow
from app.recordings.queries import visible_to

_STAMPS = text(
    "SELECT a.id, consent_stamp(a.id, CAST(:c AS uuid)) AS stamp"
    " FROM unnest(CAST(:asked AS uuid[])) AS a (id)"
)


def stamp(session: Session, recording_id: UUID, contact_id: UUID | None) -> str:
    """Return the stamp of the present state; empty, which no state has, if there is none."""
    found = session.scalar(
        text("SELECT consent_stamp(:r, :c)"), {"r": recording_id, "c": contact_id}
    )
    return str(found or "")


def screenshot_stamp(session: Session, screenshot_id: UUID, contact_id: UUID | None) -> str:
    """Return the stamp of the present state of a screenshot; empty if there is none."""
    found = session.scalar(
        text("SELECT screenshot_stamp(:s, :c)"), {"s": screenshot_id, "c": contact_id}
    )
    return str(found or "")


def stamps(
    session: Session, recording_ids: Collection[UUID], contact_id: UUID | None
) -> dict[UUID, str]:
    """Return the stamps of the present states of recordings that are there."""
    rows = session.execute(_STAMPS, {"asked": list(recording_ids), "c": contact_id})
    return {row.id: str(row.stamp) for row in rows if row.stamp}


def sounds(
    session: Session, recording_ids: Collection[UUID]
) -> dict[UUID, list[tuple[str, bytes, datetime]]]:
    """Return the legs of recordings: kind, SHA-256 of the bytes, and when they came."""
    rows = session.execute(
        select(Leg.recording_id, Leg.leg, SealedRow.sha256, Leg.received_at)
        .join(SealedRow, SealedRow.object_id == Leg.object_id)
        .where(Leg.recording_id.in_(recording_ids))
        .order_by(Leg.leg)
    )
    found: defaultdict[UUID, list[tuple[str, bytes, datetime]]] = defaultdict(list)
    for recording_id, leg, sha256, received_at in rows:
        found[recording_id].append((leg, sha256, received_at))
    return found


def recording(session: Session, recording_id: UUID) -> tuple[Recording, UUID | None] | None:
    """Return a recording as it is now and the client of its event."""
    return recordings(session, [recording_id]).get(recording_id)


def recordings(
    session: Session, recording_ids: Collection[UUID]
) -> dict[UUID, tuple[Recording, UUID | None]]:
    """Return recordings as they are now and the clients of their events."""
    rows = session.execute(
        select(Recording, Event.client_id)
        .join(Event, Event.id == Recording.event_id)
        .where(Recording.id.in_(recording_ids))
        .execution_options(populate_existing=True)
    )
    return {found.id: (found, client_id) for found, client_id in rows}


def parties(
    session: Session, recording_ids: Collection[UUID]
) -> dict[UUID, list[tuple[Party, str | None, UUID | None]]]:
    """Return who is heard, with the place on the client's card and the own person's account."""
    rows = session.execute(
        select(Party, Client.jurisdiction, User.id)
        .outerjoin(Client, Client.id == Party.client_id)
        .outerjoin(User, User.agent_ref == Party.agent)
        .where(Party.recording_id.in_(recording_ids))
        .order_by(Party.label)
        .execution_options(populate_existing=True)
    )
    found: defaultdict[UUID, list[tuple[Party, str | None, UUID | None]]] = defaultdict(list)
    for party, place, user in rows:
        found[party.recording_id].append((party, place, user))
    return found


@dataclass(frozen=True, slots=True)
class Address:
    """The place that a contract names, and while which it ran."""

    client_id: UUID
    place: str
    valid_from: datetime
    valid_to: datetime | None
    terminated_at: datetime | None

    def ran(self, at: datetime) -> bool:
        ends = (self.valid_to, self.terminated_at)
        return self.valid_from <= at and all(end is None or end > at for end in ends)


def addresses(session: Session, clients: Collection[UUID]) -> list[Address]:
    """Return the places in the contracts of these clients."""
    if not clients:
        return []
    rows = session.execute(
        select(
            Contract.client_id,
            Contract.jurisdiction,
            Contract.valid_from,
            Contract.valid_to,
            Contract.terminated_at,
        ).where(Contract.client_id.in_(clients), Contract.jurisdiction.is_not(None))
    )
    return [
        Address(client_id, place, since, until, ended)
        for client_id, place, since, until, ended in rows
        if place is not None
    ]


def about(
    session: Session, recording_ids: Collection[UUID], heard: Iterable[Party]
) -> Sequence[Assertion]:
    """Return every assertion on the recordings or on anybody of those heard."""
    heard = list(heard)
    return session.scalars(
        select(Assertion)
        .where(
            or_(
                Assertion.recording_id.in_(recording_ids),
                Assertion.client_id.in_({p.client_id for p in heard if p.client_id}),
                Assertion.contact_id.in_({p.contact_id for p in heard if p.contact_id}),
                Assertion.agent.in_({p.agent for p in heard if p.agent}),
            )
        )
        .order_by(Assertion.proposed_at, Assertion.id)
        .execution_options(populate_existing=True)
    ).all()


def clauses(
    session: Session, clients: set[UUID]
) -> dict[tuple[str, str], tuple[Contract, ContractClause]]:
    """Return the clauses of these clients' contracts by contract id and reference."""
    if not clients:
        return {}
    rows = session.execute(
        select(Contract, ContractClause)
        .join(ContractClause, ContractClause.contract_id == Contract.id)
        .where(Contract.client_id.in_(clients))
        .execution_options(populate_existing=True)
    )
    return {(str(c.id), clause.clause_ref): (c, clause) for c, clause in rows}


def clause(
    session: Session, contract_id: UUID, clause_ref: str
) -> tuple[Contract, ContractClause] | None:
    """Return one clause and its contract."""
    row = session.execute(
        select(Contract, ContractClause)
        .join(ContractClause, ContractClause.contract_id == Contract.id)
        .where(Contract.id == contract_id, ContractClause.clause_ref == clause_ref)
    ).first()
    return (row[0], row[1]) if row else None


def processors(session: Session) -> Sequence[ProcessingContract]:
    """Return the approved contracts with those who work on recordings for us."""
    return session.scalars(
        select(ProcessingContract)
        .where(ProcessingContract.approved_at.is_not(None))
        .order_by(ProcessingContract.id)
        .execution_options(populate_existing=True)
    ).all()


def screenings(
    session: Session, recording_ids: Collection[UUID]
) -> dict[UUID | None, list[Screening]]:
    found: defaultdict[UUID | None, list[Screening]] = defaultdict(list)
    for row in session.scalars(
        select(Screening).where(Screening.recording_id.in_(recording_ids)).order_by(Screening.at)
    ):
        found[row.recording_id].append(row)
    return found


def screenshot_screenings(session: Session, screenshot_id: UUID) -> Sequence[Screening]:
    return session.scalars(
        select(Screening).where(Screening.screenshot_id == screenshot_id).order_by(Screening.at)
    ).all()


def active_packs(session: Session) -> Sequence[PolicyPackRow]:
    """Return the activated packs, of each jurisdiction the oldest version first.

    A pack is in force from the commit of its activation on. No clock is asked: one that is behind
    would find the old pack under the new stamp.
    """
    return session.scalars(
        select(PolicyPackRow)
        .where(PolicyPackRow.activated_at.is_not(None))
        .order_by(PolicyPackRow.version)
        .execution_options(populate_existing=True)
    ).all()


def packs(session: Session, jurisdiction: str | None = None) -> Sequence[PolicyPackRow]:
    """Return every stored version of every pack, or of one, oldest version first."""
    query = select(PolicyPackRow).order_by(PolicyPackRow.jurisdiction, PolicyPackRow.version)
    if jurisdiction is not None:
        query = query.where(PolicyPackRow.jurisdiction == jurisdiction)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def pack(
    session: Session, jurisdiction: str, version: int, *, lock: bool = False
) -> PolicyPackRow | None:
    query = select(PolicyPackRow).where(
        PolicyPackRow.jurisdiction == jurisdiction, PolicyPackRow.version == version
    )
    if lock:
        query = query.with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def packs_set_aside(session: Session) -> dict[UUID, PackSetAside]:
    """Return what was withdrawn or rejected of the proposed packs, by the pack."""
    rows = session.scalars(select(PackSetAside))
    return {row.pack_id: row for row in rows}


def lock_packs(session: Session) -> None:
    """Let nobody else number or activate packs until this transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('policy_packs'))"))


def live_disclosures(session: Session, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """Return what has left and is still open: items of granted releases, with their approvals."""
    return session.execute(
        text("SELECT * FROM live_disclosures(CAST(:after AS uuid), :at_most)"),
        {"after": after, "at_most": limit},
    ).all()


def recent(
    session: Session, actor: Actor, *, after: Cursor | None, limit: int, last: int
) -> list[Cursor]:
    """Return moment and id of recordings, the newest first, none older than the last so many."""
    place = tuple_(Recording.started_at, Recording.id)
    newest = (
        select(Recording.started_at, Recording.id)
        .where(visible_to(actor))
        .order_by(Recording.started_at.desc(), Recording.id.desc())
    )
    oldest = session.execute(newest.offset(last).limit(1)).first()
    if oldest is not None:
        newest = newest.where(place > tuple_(oldest.started_at, oldest.id))
    if after is not None:
        newest = newest.where(place < (after.at, after.id))
    rows = session.execute(newest.limit(limit)).all()
    return [Cursor(at=row.started_at, id=row.id) for row in rows]


def contact(session: Session, contact_id: UUID) -> tuple[Contact, bool] | None:
    """Return a contact, and whether a person has verified him as he now is."""
    verified = (
        select(ContactVerification.id)
        .where(
            ContactVerification.contact_id == Contact.id,
            ContactVerification.client_id == Contact.client_id,
            ContactVerification.contact_sha256 == func.contact_looks(Contact.id),
        )
        .exists()
    )
    row = session.execute(
        select(Contact, verified)
        .where(Contact.id == contact_id)
        .execution_options(populate_existing=True)
    ).first()
    return (row[0], row[1]) if row else None


def verifications(session: Session, client_id: UUID) -> dict[UUID, ContactVerification]:
    """Return by contact of a client the newest verification of him as he now is."""
    rows = session.scalars(
        select(ContactVerification)
        .join(Contact, Contact.id == ContactVerification.contact_id)
        .where(
            Contact.client_id == client_id,
            ContactVerification.client_id == client_id,
            ContactVerification.contact_sha256 == func.contact_looks(Contact.id),
        )
        .order_by(ContactVerification.at, ContactVerification.id)
    )
    return {row.contact_id: row for row in rows}


def assertion(session: Session, assertion_id: UUID, *, lock: bool = False) -> Assertion | None:
    query = select(Assertion).where(Assertion.id == assertion_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


def votes(session: Session, assertion_id: UUID, verdict: str) -> Sequence[AssertionVote]:
    return session.scalars(
        select(AssertionVote)
        .where(AssertionVote.assertion_id == assertion_id, AssertionVote.verdict == verdict)
        .order_by(AssertionVote.at, AssertionVote.id)
    ).all()


def notice_text(
    session: Session, text_id: UUID, version: int, *, lock: bool = False
) -> NoticeText | None:
    """Return a version of a text; locked, nobody else settles what becomes of it meanwhile."""
    return session.get(NoticeText, (text_id, version), with_for_update=lock or None)


def latest_version(session: Session, text_id: UUID) -> int:
    """Return the highest version of a text, 0 if there is none."""
    found = session.scalar(select(func.max(NoticeText.version)).where(NoticeText.id == text_id))
    return found or 0


def notice_texts(session: Session) -> Sequence[NoticeText]:
    return session.scalars(
        select(NoticeText).order_by(NoticeText.created_at, NoticeText.version)
    ).all()


def texts_set_aside(session: Session) -> dict[tuple[UUID, int], NoticeTextSetAside]:
    """Return what was withdrawn or rejected of the drafts of notice texts, by text and version."""
    rows = session.scalars(select(NoticeTextSetAside))
    return {(row.text_id, row.version): row for row in rows}


def auto_verify_off_at(session: Session, text_id: UUID, version: int) -> datetime | None:
    """Return since when a version of a text clears no call by itself, None while it does."""
    return session.scalar(
        select(AutoVerifyStop.at).where(
            AutoVerifyStop.text_id == text_id, AutoVerifyStop.version == version
        )
    )


def recordings_of(session: Session, found: Assertion) -> Sequence[UUID]:
    """Return the recordings in which somebody is heard of whom the assertion speaks."""
    if found.recording_id is not None:
        return [found.recording_id]
    about_him = or_(
        Party.client_id == found.client_id,
        Party.contact_id == found.contact_id,
        Party.agent == found.agent,
    )
    return session.scalars(select(Party.recording_id).where(about_him).distinct()).all()
