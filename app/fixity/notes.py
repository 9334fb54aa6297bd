"""Writing beside each original what its rows say, so that the store alone can restore them.

A note holds rows as they are, but for what was derived: consent, inspection and figures are found
out anew from the recording. It holds personal data and the wrapped key, is sealed under the master
key, and is destroyed with its object.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.clients.models import Client, Contact, ContactPhone, Event
from app.core.clock import Clock
from app.core.db import Base, Database
from app.fixity import queries
from app.fixity.models import ObjectNote
from app.identity.models import Device
from app.recordings.models import Leg, LinkChange, Party, Recording, Screenshot, SealedRow
from storage.errors import StoreUnavailable
from storage.sealed import SealedStore

VERSION = 1
_MOST_IN_A_RUN = 2000
_DERIVED: dict[type[Base], frozenset[str]] = {
    SealedRow: frozenset({"check_due_at"}),
    Recording: frozenset(
        {
            "flag",
            "proof",
            "consent_epoch",
            "inspection_state",
            "inspection_reason",
            "duration_ms",
            "kept_only_by_hold",
            "integrity_failed_at",
        }
    ),
    Leg: frozenset(
        {
            "inspection_state",
            "inspection_reason",
            "duration_ms",
            "damaged",
            "decoder",
            "playable_object_id",
            "peaks_object_id",
        }
    ),
    Screenshot: frozenset({"kept_only_by_hold"}),
    LinkChange: frozenset({"user_id"}),
}
TABLES: tuple[type[Base], ...] = (
    Device,
    Client,
    Contact,
    ContactPhone,
    Event,
    SealedRow,
    Recording,
    Leg,
    Screenshot,
    Party,
    LinkChange,
)
"""The tables that a note has rows of, each after those it refers to."""
_log = structlog.get_logger()


class NoteTools(Protocol):
    """What notes need."""

    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def archive(self) -> SealedStore: ...


def write(tools: NoteTools, object_id: UUID) -> None:
    """Write the note of an original, if what its rows say has changed since the last one."""
    with tools.database.transaction() as session:
        rows = rows_of(session, object_id)
        known = session.get(ObjectNote, object_id)
    if not rows:
        return
    text = to_text(rows)
    sha256 = hashlib.sha256(text).digest()
    if known is None or known.sha256 != sha256:
        try:
            tools.archive.notes.write(object_id, text)
        except StoreUnavailable as exc:
            _log.warning("note.put_off", error=str(exc))
            return
    with tools.database.transaction() as session:
        row = session.get(SealedRow, object_id, with_for_update=True)
        is_erased = row is None or row.wrapped_key is None
        if not is_erased:
            _keep(session, object_id, sha256, at=tools.clock.now())
    if is_erased:
        # An erasure that came between has not seen this note.
        tools.archive.notes.delete(object_id)


def write_missing(tools: NoteTools) -> None:
    """Write the notes of originals that have none, or whose link or parties were changed."""
    with tools.database.transaction() as session:
        wanted = queries.without_note(session, limit=_MOST_IN_A_RUN)
    for object_id in wanted:
        write(tools, object_id)


def _keep(session: Session, object_id: UUID, sha256: bytes, *, at: datetime) -> None:
    values = {"sha256": sha256, "at": at}
    session.execute(
        insert(ObjectNote)
        .values(object_id=object_id, **values)
        .on_conflict_do_update(index_elements=["object_id"], set_=values)
    )


def rows_of(session: Session, object_id: UUID) -> list[Base]:
    """Return all rows that say what the original is; none where it is erased or no original."""
    sealed = session.get(SealedRow, object_id)
    if sealed is None or sealed.wrapped_key is None:
        return []
    leg = session.scalar(select(Leg).where(Leg.object_id == object_id))
    if leg is not None:
        recording = session.get_one(Recording, leg.recording_id)
        links = _all(session, select(LinkChange).where(LinkChange.recording_id == recording.id))
        parties = _all(session, select(Party).where(Party.recording_id == recording.id))
        return [*_around(session, recording, parties), sealed, leg, *links]
    shot = session.scalar(select(Screenshot).where(Screenshot.object_id == object_id))
    if shot is None or shot.erased_at is not None:
        return []
    links = _all(session, select(LinkChange).where(LinkChange.screenshot_id == shot.id))
    return [*_around(session, shot, []), sealed, *links]


def _around(
    session: Session, subject: Recording | Screenshot, parties: list[Any]
) -> Iterable[Base]:
    event = session.get_one(Event, subject.event_id)
    firms = {event.client_id, *(one.client_id for one in parties)} - {None}
    people = {one.contact_id for one in parties} - {None}
    return [
        session.get_one(Device, subject.device_id),
        *_all(session, select(Client).where(Client.id.in_(firms))),
        *_all(session, select(Contact).where(Contact.id.in_(people))),
        *_all(session, select(ContactPhone).where(ContactPhone.contact_id.in_(people))),
        event,
        subject,
        *parties,
        *_linked_before(session, subject),
    ]


def _linked_before(session: Session, subject: Recording | Screenshot) -> list[Any]:
    """Return the events that it was tied to before, with their clients."""
    is_it = (
        LinkChange.recording_id == subject.id
        if isinstance(subject, Recording)
        else LinkChange.screenshot_id == subject.id
    )
    before = select(LinkChange.event_id).where(is_it, LinkChange.event_id != subject.event_id)
    events = _all(session, select(Event).where(Event.id.in_(before)))
    firms = {one.client_id for one in events} - {None}
    return [*_all(session, select(Client).where(Client.id.in_(firms))), *events]


def _all(session: Session, statement: Any) -> list[Any]:  # noqa: ANN401 - a selection of rows of any table.
    return list(session.scalars(statement).all())


def to_text(rows: Iterable[Base]) -> bytes:
    """Return rows as canonical text: the same rows give the same bytes."""
    told: dict[str, list[dict[str, Any]]] = {}
    for table in TABLES:
        found = [_told(row) for row in rows if type(row) is table]
        unique = {json.dumps(one, sort_keys=True): one for one in found}
        told[table.__tablename__] = [unique[key] for key in sorted(unique)]
    body = {"v": VERSION, "tables": told}
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _told(row: Base) -> dict[str, Any]:
    left_out = _DERIVED.get(type(row), frozenset())
    return {
        column.key: _value(getattr(row, column.key))
        for column in row.__table__.columns
        if column.key not in left_out
    }


def _value(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds.
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def from_text(text: bytes) -> list[tuple[type[Base], dict[str, Any]]]:
    """Return the rows of a note with their tables, in an order in which they can be inserted.

    Raises:
        ValueError: this code does not know such a note.
    """
    body = json.loads(text)
    if body.get("v") != VERSION:
        raise ValueError(f"A note of version {body.get('v')} is not known here.")
    return [
        (table, _read(table, row))
        for table in TABLES
        for row in body["tables"].get(table.__tablename__, [])
    ]


def _read(table: type[Base], row: dict[str, Any]) -> dict[str, Any]:
    columns = table.__table__.columns
    return {
        name: _typed(columns[name].type.python_type, value)
        for name, value in row.items()
        if name in columns
    }


def _typed(wanted: type, value: Any) -> Any:  # noqa: ANN401 - whatever a column holds.
    if value is None:
        return None
    if wanted is datetime:
        return datetime.fromisoformat(value)
    if wanted is UUID:
        return UUID(value)
    if wanted is bytes:
        return base64.b64decode(value)
    return value
