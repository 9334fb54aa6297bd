"""Beginning, listing and ending runs. Nothing here moves bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.errors import Conflict, NotFound
from app.core.ids import new_id
from app.identity.actor import Actor
from app.imports.folder import Found
from app.imports.models import FileReason, FileState, ImportFile, ImportRun, RunState


class ImportRunNotFound(NotFound):
    """There is no such import run."""


class ImportRunOver(Conflict):
    """The run is over already."""


class ImportBusy(Conflict):
    """Another process takes this folder in already; wait for it, or end it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A folder to take in, in whose name, and what the command was told."""

    device: Actor
    folder: Path
    asked: dict[str, Any]
    is_dry: bool

    @property
    def folder_name(self) -> str:
        """Return the folder as it can be kept; its bytes need be no text."""
        return readable(os.fsencode(self.folder))


def readable(path: bytes) -> str:
    """Return a path for people; what is no UTF-8 in it stands as escapes."""
    return path.decode("utf-8", "backslashreplace")


def begin(session: Session, wanted: Wanted, *, is_fresh: bool, at: datetime) -> ImportRun:
    """Go on with the run of this folder that was broken off, or begin one.

    What the command is told now is in force for what is still waiting.
    """
    found = session.scalars(
        select(ImportRun)
        .where(
            ImportRun.device_id == wanted.device.id,
            ImportRun.folder == wanted.folder_name,
            ImportRun.is_dry == wanted.is_dry,
            ImportRun.state == RunState.RUNNING,
        )
        .with_for_update()
    ).one_or_none()
    if found is not None and wanted.is_dry:
        session.delete(found)
        session.flush()
        found = None
    if found is not None and is_fresh:
        _end(found, RunState.CANCELLED, at=at)
        session.flush()
        found = None
    if found is None:
        found = ImportRun(
            id=new_id(),
            device_id=wanted.device.id,
            folder=wanted.folder_name,
            is_dry=wanted.is_dry,
            state=RunState.RUNNING,
            started_at=at,
        )
        session.add(found)
    found.asked = wanted.asked
    found.moved_at = at
    return found


def note_found(session: Session, run_id: UUID, batch: Sequence[Found], *, at: datetime) -> None:
    """Write down files that were found; those that a run knows already stay as they are."""
    rows = []
    for one in batch:
        path = os.fsencode(one.path)
        reason = None
        if one.is_link:
            reason = FileReason.LINK
        elif not one.is_regular:
            reason = FileReason.NOT_A_FILE
        rows.append(
            {
                "run_id": run_id,
                "path_sha256": hashlib.sha256(path).digest(),
                "path": path,
                "size_bytes": one.size_bytes,
                "state": FileState.REFUSED if reason else FileState.WAITING,
                "reason": reason,
                "at": at if reason else None,
            }
        )
    if rows:
        session.execute(insert(ImportFile).on_conflict_do_nothing(), rows)


def note_listed(session: Session, run_id: UUID) -> None:
    """Write down that all of the folder was listed."""
    session.execute(update(ImportRun).where(ImportRun.id == run_id).values(is_listed=True))


def finish(session: Session, run_id: UUID, *, at: datetime) -> None:
    """End a run that has nothing waiting."""
    run = session.get(ImportRun, run_id, with_for_update=True)
    if run is not None and run.state == RunState.RUNNING:
        _end(run, RunState.DONE, at=at)


def forget(session: Session, run_id: UUID) -> None:
    """Remove a dry run: it was asked for and is told."""
    session.execute(delete(ImportRun).where(ImportRun.id == run_id, ImportRun.is_dry))


def cancel(session: Session, actor: Actor, run_id: UUID, *, at: datetime) -> ImportRun:
    """End a run where it stands; what it took stays.

    Raises:
        ImportRunNotFound, ImportRunOver: there is nothing to end.
    """
    run = session.get(ImportRun, run_id, with_for_update=True)
    if run is None:
        raise ImportRunNotFound
    if run.state != RunState.RUNNING:
        raise ImportRunOver
    _end(run, RunState.CANCELLED, at=at)
    run.cancelled_by = actor.id if actor.kind == "user" else None
    return run


def _end(run: ImportRun, state: RunState, *, at: datetime) -> None:
    run.state = state
    run.ended_at = at
    run.moved_at = at
