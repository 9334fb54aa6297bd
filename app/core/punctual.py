"""A connection that waits for no answer for ever, whatever the line and the server do."""

from __future__ import annotations

from typing import TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

_Found = TypeVar("_Found")
_INTERVAL_SECONDS = 0.1


class PunctualConnection(psycopg.Connection[TupleRow]):
    """Gives an answer up after `patience_seconds` and is closed then; None waits on.

    The server's own limits end a statement that it works on. A server that hangs, or a line that
    takes everything and brings nothing, is found out here alone: the system's limits are for bytes
    that nobody acknowledges.
    """

    patience_seconds: float | None = None

    def wait(
        self,
        gen: PQGen[_Found],
        interval: float = _INTERVAL_SECONDS,
        timeout: float | None = None,
    ) -> _Found:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience_seconds)
        except psycopg.OperationalError as exc:
            if exc.sqlstate is None:
                self.close()  # What was asked is on its way still; its answer must meet nobody.
            raise
