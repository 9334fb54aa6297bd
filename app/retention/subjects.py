"""What this room speaks of: recordings and screenshots, which rows name in one of two columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from app.recordings.models import Recording, Screenshot
from app.retention.rules import Kind

Kept = Recording | Screenshot


class Row(Protocol):
    """A row that is of one of the two."""

    recording_id: UUID | None
    screenshot_id: UUID | None


@dataclass(frozen=True, slots=True)
class Subject:
    """A recording or a screenshot, by its id."""

    kind: Kind
    id: UUID

    @property
    def about(self) -> tuple[str, UUID]:
        """Return it as the ledger names it."""
        return str(self.kind), self.id

    @property
    def named(self) -> dict[str, UUID]:
        """Return the column that names it, with its id."""
        return {f"{self.kind}_id": self.id}

    @property
    def told(self) -> dict[str, str]:
        """Return the same as a fact of the ledger, or an argument of a job."""
        return {f"{self.kind}_id": str(self.id)}

    def is_named_by(self, table: object) -> ColumnElement[bool]:
        """Return the condition that a row of `table` is of it."""
        column: InstrumentedAttribute[UUID | None] = getattr(table, f"{self.kind}_id")
        return column == self.id


def recording(subject_id: UUID) -> Subject:
    """Return a recording."""
    return Subject(Kind.RECORDING, subject_id)


def screenshot(subject_id: UUID) -> Subject:
    """Return a screenshot."""
    return Subject(Kind.SCREENSHOT, subject_id)


def of(row: Row) -> Subject:
    """Return what a row is of."""
    if row.recording_id is not None:
        return recording(row.recording_id)
    if row.screenshot_id is None:
        raise TypeError("A row is of a recording or of a screenshot.")
    return screenshot(row.screenshot_id)


def of_kept(found: Kept) -> Subject:
    """Return what a recording or screenshot is to this room."""
    return recording(found.id) if isinstance(found, Recording) else screenshot(found.id)
