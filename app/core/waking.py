"""Waking the workers after a commit, outside the transaction and seldom more than needed."""

from __future__ import annotations

import json
import threading

import psycopg
import structlog

from app.core.db import Database, DatabaseAway

_log = structlog.get_logger()
_CHANNEL = "procrastinate_any_queue_v1"
_PAUSE_SECONDS = 0.05
_SQL = "SELECT pg_notify(%(channel)s, %(payload)s)"
_PAYLOAD = json.dumps({"type": "job_inserted", "job_id": 0})


class Waker:
    """Tells the workers that there is work, at most twenty times a second.

    A NOTIFY inside the transaction of a job would make all such commits wait for one another.
    The last one is told twice, for a worker that is just looking for jobs forgets what it is told
    meanwhile. A wake-up that is lost costs a worker's polling interval and nothing else.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Return at once; the workers are told soon."""
        self._wanted.set()

    def close(self) -> None:
        """Stop; what is still wanted is told first."""
        self._closed.set()
        self._wanted.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wanted.wait()
            self._wanted.clear()
            for _ in range(2):
                self._tell()
                if self._closed.wait(_PAUSE_SECONDS) or self._wanted.is_set():
                    break

    def _tell(self) -> None:
        try:
            self._database.statement(_SQL, {"channel": _CHANNEL, "payload": _PAYLOAD})
        except (DatabaseAway, psycopg.Error) as exc:
            _log.warning("waker.failed", error=type(exc).__name__)
