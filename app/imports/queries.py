"""How far runs are, and what became of their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.imports.models import FileState, ImportFile, ImportRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a run has found, and what became of it; the parts add up to `found`."""

    taken: int = 0
    skipped: int = 0
    refused: int = 0
    waiting: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def found(self) -> int:
        return self.taken + self.skipped + self.refused + self.waiting

    def as_facts(self) -> dict[str, Any]:
        """Return the counts for programs."""
        return {
            "found": self.found,
            "taken": self.taken,
            "skipped": self.skipped,
            "refused": self.refused,
            "not_yet": self.waiting,
            "reasons": self.reasons,
        }


def counts(session: Session, run_id: UUID) -> Counts:
    """Count the files of a run."""
    rows = session.execute(
        select(ImportFile.state, ImportFile.reason, func.count())
        .where(ImportFile.run_id == run_id)
        .group_by(ImportFile.state, ImportFile.reason)
    ).all()
    states = dict.fromkeys(FileState, 0)
    reasons: dict[str, int] = {}
    for state, reason, number in rows:
        states[FileState(state)] += number
        if reason is not None:
            reasons[reason] = reasons.get(reason, 0) + number
    return Counts(
        taken=states[FileState.TAKEN],
        skipped=states[FileState.SKIPPED],
        refused=states[FileState.REFUSED],
        waiting=states[FileState.WAITING],
        reasons=dict(sorted(reasons.items())),
    )


def runs(session: Session, *, limit: int) -> Sequence[ImportRun]:
    """Return the newest runs."""
    newest = select(ImportRun).where(~ImportRun.is_dry)
    ordered = newest.order_by(ImportRun.started_at.desc(), ImportRun.id.desc())
    return session.scalars(ordered.limit(limit)).all()


def run(session: Session, run_id: UUID) -> ImportRun | None:
    """Return a run that keeps what it takes."""
    found = session.get(ImportRun, run_id)
    return None if found is None or found.is_dry else found


def waiting(session: Session, run_id: UUID, *, after: bytes, limit: int) -> Sequence[ImportFile]:
    """Return files that are to be looked at, in an order that a run keeps."""
    return session.scalars(
        select(ImportFile)
        .where(
            ImportFile.run_id == run_id,
            ImportFile.state == FileState.WAITING,
            ImportFile.path_sha256 > after,
        )
        .order_by(ImportFile.path_sha256)
        .limit(limit)
    ).all()


def files(
    session: Session, run_id: UUID, *, after: bytes, limit: int, states: Sequence[FileState] = ()
) -> Sequence[ImportFile]:
    """Return files of a run, whatever became of them, or those of `states`."""
    query = select(ImportFile).where(ImportFile.run_id == run_id, ImportFile.path_sha256 > after)
    if states:
        query = query.where(ImportFile.state.in_(states))
    return session.scalars(query.order_by(ImportFile.path_sha256).limit(limit)).all()


def every_file(session: Session, run_id: UUID) -> Iterator[ImportFile]:
    """Return all files of a run, some hundreds at a time."""
    after = b""
    while batch := files(session, run_id, after=after, limit=500):
        yield from batch
        after = batch[-1].path_sha256
        session.expunge_all()
