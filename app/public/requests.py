"""What the database says of a document request, and how it takes in what the client sent for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg

from app.core.db import Database, DatabaseAway
from app.core.errors import Gone, TooMany
from app.public.links import NoAnswer
from app.releases.tokens import ShareToken
from storage.sealed import SealedObject

_PAGE: Final = "SELECT ask_page(%(token)s::bytea)"
_TAKE: Final = "SELECT ask_take(%(token)s::bytea, %(told)s::jsonb)"


class RequestEnded(Gone):
    """The link of a request has ended, or never was."""


class TooMuchSent(TooMany):
    """More was sent by one link than it takes within a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBefore:
    """Something that came by this link, how far it has come, and the receipt of what is kept."""

    id: UUID
    file_name: str | None
    is_text: bool
    size_bytes: int | None
    sha256: str
    state: str
    reason: str | None
    receipt: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """Everything that the holder of an open link is shown, and how much may still be sent today.

    `again` is why what came does not do, where it is asked for again.
    """

    asked: str
    again: str | None
    due_at: datetime | None
    expires_at: datetime
    asked_by: str
    client_name: str
    files_left: int
    bytes_left: int
    sent: tuple[SentBefore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A file that was taken in and lies in the release store."""

    kept: SealedObject
    file_name: str | None


class Requests:
    """Asks the database; remembers nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, token: ShareToken) -> OpenRequest:
        """Return what the page shows.

        Raises:
            RequestEnded: the link takes nothing.
            NoAnswer, DatabaseAway: nobody can say.
        """
        try:
            row = self._database.statement(_PAGE, {"token": token.digest()})
        except psycopg.Error as exc:
            raise NoAnswer from exc
        if row is None or row[0] is None:
            raise RequestEnded
        return _open_request(row[0])

    def take(self, token: ShareToken, files: Sequence[SealedFile], words: str) -> frozenset[UUID]:
        """Write down what was sent, all or nothing; return which objects are kept by a row now.

        The others were sent before, byte for byte.

        Raises:
            RequestEnded: the link takes nothing.
            TooMuchSent: more than within a day.
            NoAnswer, DatabaseAway: nobody can say.
        """
        told = {
            "words": words,
            "files": [
                {
                    "object_id": str(one.kept.object_id),
                    "wrapped_key": one.kept.wrapped_key.hex(),
                    "size_bytes": one.kept.size_bytes,
                    "sha256": one.kept.sha256.hex(),
                    "file_name": one.file_name,
                }
                for one in files
            ],
        }
        try:
            row = self._database.statement(
                _TAKE, {"token": token.digest(), "told": json.dumps(told)}
            )
        except psycopg.errors.ProgramLimitExceeded as exc:
            raise TooMuchSent from exc
        except (psycopg.Error, DatabaseAway) as exc:
            raise NoAnswer from exc
        if row is None or row[0] is None:
            raise RequestEnded
        return frozenset(UUID(one) for one in row[0])


def _open_request(found: dict[str, Any]) -> OpenRequest:
    return OpenRequest(
        asked=found["asked"],
        again=found.get("again"),
        due_at=datetime.fromisoformat(found["due_at"]) if found["due_at"] else None,
        expires_at=datetime.fromisoformat(found["expires_at"]),
        asked_by=found["asked_by"],
        client_name=found["client_name"],
        files_left=found["files_left"],
        bytes_left=found["bytes_left"],
        sent=tuple(
            SentBefore(
                id=UUID(one["id"]),
                file_name=one["file_name"],
                is_text=one["is_text"],
                size_bytes=one["size_bytes"],
                sha256=one["sha256"],
                state=one["state"],
                reason=one["reason"],
                receipt=one["receipt"],
                at=datetime.fromisoformat(one["at"]),
            )
            for one in found["sent"]
        ),
    )
