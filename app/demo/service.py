"""Asking for demo data, and asking that it goes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.clients.models import Contact, ContactPhone, Event
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.demo import queries
from app.demo.models import DemoSet
from app.demo.refusals import (
    DemoGoing,
    DemoHindered,
    DemoLoadedAlready,
    DemoNotLoaded,
    NobodyForDemo,
    RealRecordingsThere,
)
from app.demo.story import Language
from app.identity import service as identity
from app.identity.actor import Actor
from app.recordings.models import Recording
from app.retention import erasures, subjects

LOAD = "demo.load"
UNLOAD = "demo.unload"
_LOCK = "demo"
_SYSTEM = Actor.system("demo")


def language_of(spoken: str) -> Language:
    """Return the language of the story for somebody who speaks so."""
    return "en" if spoken == "en" else "ru"


def ask_load(
    session: Session, actor: Actor, *, language: Language, at: datetime, by_job: bool
) -> DemoSet:
    """Begin a set of demo data; a job loads it, or whoever asked does so himself.

    Raises:
        DemoLoadedAlready: there is one.
        RealRecordingsThere: the archive has what is no demo.
        NobodyForDemo: nobody is known yet.
    """
    if queries.here(session, lock=True) is not None:
        raise DemoLoadedAlready
    if queries.has_real_recordings(session):
        raise RealRecordingsThere
    owner = queries.owner(session, actor.id if actor.kind == "user" else None)
    if owner is None:
        raise NobodyForDemo
    set_id = new_id()
    device = identity.add_demo_device(session, actor, f"demo-{set_id.hex[-8:]}", at=at)
    row = DemoSet(
        id=set_id,
        language=language,
        device_id=device.id,
        owner_id=owner.id,
        asked_by=actor.id if actor.kind == "user" else None,
        asked_at=at,
    )
    session.add(row)
    session.flush()
    if by_job:
        enqueue(session, Job(task=LOAD, args={"set_id": str(row.id)}, lock=_LOCK))
    return row


def loaded(session: Session, row: DemoSet, *, at: datetime) -> None:
    """Write down that all of a set is here."""
    if row.loaded_at is not None:
        return
    row.loaded_at = at
    session.flush()
    counts = queries.counts(session, row.device_id)
    facts: dict[str, str | int | bool | None] = {**counts, "language": row.language}
    ledger.append(session, _SYSTEM, Act.DEMO_LOADED, ("demo", row.id), at=at, facts=facts)


def ask_unload(session: Session, actor: Actor, *, at: datetime, by_job: bool) -> DemoSet:
    """Begin that the demo data goes: the erasure of each recording, then all else.

    Raises:
        DemoNotLoaded: there is none.
        DemoGoing: it is going already.
        DemoHindered: something of it is held, or mixed with what is real.
    """
    row = queries.here(session, lock=True)
    if row is None:
        raise DemoNotLoaded
    if row.unload_at is not None:
        raise DemoGoing
    found = queries.hindrances(session)
    if found:
        told = {str(one): number for one, number in found.items()}
        said = ", ".join(f"{name}: {number}" for name, number in told.items())
        raise DemoHindered(f"Demo data stays: {said}.", because=told)
    row.unload_by = actor.id if actor.kind == "user" else None
    row.unload_at = at
    session.flush()
    ledger.append(session, actor, Act.DEMO_UNLOAD_ASKED, ("demo", row.id), at=at)
    begin_erasures(session, actor, row, at=at)
    if by_job:
        enqueue(session, Job(task=UNLOAD, args={"set_id": str(row.id)}, lock=_LOCK))
    return row


def begin_erasures(session: Session, actor: Actor, row: DemoSet, *, at: datetime) -> list[UUID]:
    """Return the erasures of all that is left of a set's recordings, begun where they are not."""
    return [
        erasures.demo_of(session, actor, subjects.recording(one), at=at).id
        for one in queries.recordings(session, row.device_id)
    ]


def stay(session: Session, row: DemoSet) -> None:
    """Let a set stay whose unloading somebody has hindered meanwhile."""
    row.unload_by = row.unload_at = None
    session.flush()


def finish(session: Session, row: DemoSet, *, at: datetime) -> None:
    """Empty and remove a set's clients, now that its recordings are erased."""
    gone = queries.clients(session)
    ids = [one.id for one in gone]
    for client in gone:
        client.name, client.tax_id = "—", None
        client.updated_at = client.removed_at = at
    session.flush()
    calls = select(Recording.event_id).where(Recording.device_id == row.device_id)
    # What was nobody's goes out of sight with the others.
    session.execute(
        update(Event).where(Event.client_id.is_(None), Event.id.in_(calls)).values(client_id=ids[0])
    )
    _empty(session, ids, at=at)
    row.unloaded_at = at
    session.flush()
    facts: dict[str, str | int | bool | None] = {"clients": len(ids)}
    ledger.append(session, _SYSTEM, Act.DEMO_UNLOADED, ("demo", row.id), at=at, facts=facts)


def _empty(session: Session, ids: Collection[UUID], *, at: datetime) -> None:
    people = session.scalars(select(Contact.id).where(Contact.client_id.in_(ids))).all()
    session.execute(delete(ContactPhone).where(ContactPhone.contact_id.in_(people)))
    session.execute(
        update(Contact)
        .where(Contact.id.in_(people))
        .values(name="—", position=None, email=None, left_at=at)
    )
    session.execute(update(Event).where(Event.client_id.in_(ids)).values(subject="-", closed_at=at))
