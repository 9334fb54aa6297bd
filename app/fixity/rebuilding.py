"""Restoring the facts of the database from the store and the master key alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.db import Base
from app.core.errors import Conflict
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.fixity import notes
from app.fixity.notes import NoteTools
from app.identity.actor import Actor
from app.recordings.ingest import INSPECT
from app.recordings.models import Leg, Recording, Screenshot, SealedRow
from storage.errors import ObjectDamaged, ObjectMissing

_log = structlog.get_logger()


class ArchiveNotEmpty(Conflict):
    """The database holds recordings; the index is rebuilt into an empty one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """How many recordings and screenshots are back, and which objects' notes could not be read."""

    recordings: int
    screenshots: int
    unreadable: tuple[UUID, ...]
    erased: int


def rebuild(tools: NoteTools, actor: Actor, *, erased: Collection[UUID] = ()) -> Rebuilt:
    """Insert what the notes in the store say, and ask for each recording to be inspected anew.

    Of `erased` objects and recordings nothing comes back. Each note is a transaction of its own.

    Raises:
        ArchiveNotEmpty: the database has recordings or screenshots.
        StoreUnavailable: the store is away; make the database empty and begin again.
    """
    with tools.database.transaction() as session:
        has_any = select(exists().select_from(Recording) | exists().select_from(Screenshot))
        if session.scalar(has_any):
            raise ArchiveNotEmpty
    unreadable: list[UUID] = []
    left_out = 0
    for object_id in tools.archive.notes.objects():
        try:
            rows = notes.from_text(tools.archive.notes.read(object_id))
            named = {row["id"] for table, row in rows if table in {Recording, Screenshot}}
            if object_id in erased or named & set(erased):
                left_out += 1
                continue
            with tools.database.transaction() as session:
                _insert(session, tools, actor, rows)
        except (ObjectDamaged, ObjectMissing, ValueError, KeyError, IntegrityError) as exc:
            _log.error("note.unreadable", object_id=str(object_id), error=type(exc).__name__)
            unreadable.append(object_id)
    with tools.database.transaction() as session:
        return Rebuilt(
            recordings=session.scalar(select(func.count()).select_from(Recording)) or 0,
            screenshots=session.scalar(select(func.count()).select_from(Screenshot)) or 0,
            unreadable=tuple(unreadable),
            erased=left_out,
        )


def _insert(
    session: Session, tools: NoteTools, actor: Actor, rows: list[tuple[type[Base], dict[str, Any]]]
) -> None:
    """Insert rows that are not there; two legs of a call bring the same recording."""
    sealed: dict[str, Any] = {}
    leg: str | None = None
    for table, row in rows:
        session.execute(insert(table).values(**row).on_conflict_do_nothing())
        if table is SealedRow:
            sealed = row
        if table is Leg:
            leg = row["leg"]
    for table, row in rows:
        if table not in {Recording, Screenshot}:
            continue
        kind = "recording" if table is Recording else "screenshot"
        if table is Recording:
            enqueue(session, Job(task=INSPECT, args={"recording_id": str(row["id"])}))
        ledger.append(
            session,
            actor,
            Act.RECORDING_REBUILT,
            (kind, row["id"]),
            at=tools.clock.now(),
            # By the leg a repeat of the upload finds the entry that its receipt names.
            facts={"leg": leg, "size_bytes": sealed["size_bytes"]},
            content=sealed["sha256"],
        )
