"""What this room speaks of, each kind of which rows name in a column of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from app.disputes.models import ClientUpload
from app.documents.models import Document
from app.recordings.models import Recording, Screenshot
from app.releases.models import LinkAnswer
from app.retention.rules import Kind

Kept = Recording | Screenshot | Document | ClientUpload | LinkAnswer
MODELS: Final[dict[Kind, type[Kept]]] = {
    Kind.RECORDING: Recording,
    Kind.SCREENSHOT: Screenshot,
    Kind.DOCUMENT: Document,
    Kind.UPLOAD: ClientUpload,
    Kind.ANSWER: LinkAnswer,
}
_KINDS: Final = {model: kind for kind, model in MODELS.items()}


class Row(Protocol):
    """A row that is of one of them."""

    recording_id: UUID | None
    screenshot_id: UUID | None
    document_id: UUID | None
    upload_id: UUID | None
    answer_id: UUID | None


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that is kept, by its kind and id."""

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
    for kind in Kind:
        subject_id: UUID | None = getattr(row, f"{kind}_id")
        if subject_id is not None:
            return Subject(kind, subject_id)
    raise TypeError("A row is of one of the kinds.")


def of_kept(found: Kept) -> Subject:
    """Return what something is to this room."""
    return Subject(_KINDS[type(found)], found.id)
