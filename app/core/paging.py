"""Lists paged by key: a cursor names the last row seen, so that no page is counted through."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.core.errors import Invalid
from app.core.moments import in_utc

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class CursorInvalid(Invalid):
    """The cursor is not one that was given out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The place after the row of this moment and id."""

    at: datetime
    id: UUID

    def encode(self) -> str:
        return base64.urlsafe_b64encode(f"{self.at.isoformat()} {self.id}".encode()).decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Return the cursor that `encode` wrote.

        Raises:
            CursorInvalid: the text is something else.
        """
        try:
            at, _, row = base64.urlsafe_b64decode(text.encode()).decode().partition(" ")
            return cls(at=in_utc(datetime.fromisoformat(at)), id=UUID(row))
        except (ValueError, binascii.Error) as exc:
            raise CursorInvalid from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class NameCursor:
    """The place after the row of this name and id, for lists in the order of names."""

    name: str
    id: UUID

    def encode(self) -> str:
        return base64.urlsafe_b64encode(f"{self.id} {self.name}".encode()).decode()

    @classmethod
    def decode(cls, text: str) -> NameCursor:
        """Return the cursor that `encode` wrote.

        Raises:
            CursorInvalid: the text is something else.
        """
        try:
            row, _, name = base64.urlsafe_b64decode(text.encode()).decode().partition(" ")
            if "\x00" in name:
                raise CursorInvalid
            return cls(name=name, id=UUID(row))
        except (ValueError, binascii.Error) as exc:
            raise CursorInvalid from exc
