"""What may go wrong with the Postgres and the processes that the archive starts by itself."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.errors import Conflict


class EmbeddedPostgresFailed(Exception):
    """The embedded Postgres cannot be used; the message says why and what to do.

    `tail` holds the last lines of the server's log, the newest last.
    """

    def __init__(self, message: str, *, tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.tail = tuple(tail)


class CannotListen(Conflict):
    """The address cannot be listened on."""
