"""Background jobs: what is asked for in a transaction is done after its commit, at least once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core import traces
from app.core.db import JOBS_WAITING

QUEUE = "audiatur"

# procrastinate's own SQL function, of its versioned interface; a test compares its signature.
_DEFER = text(
    """
    SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
        :queue, :task, :priority, :lock, :queueing_lock, CAST(:args AS jsonb), :at
    )::procrastinate_job_to_defer_v1])
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to be done later: the name of a task and ids, never objects.

    Two jobs of the same `lock` never run at once.
    """

    task: str
    args: Mapping[str, str]
    lock: str | None = None
    priority: int = 0
    at: datetime | None = field(default=None)

    def args_json(self) -> str:
        return json.dumps({**self.args, **traces.marks()}, separators=(",", ":"))


def enqueue(session: Session, job: Job) -> None:
    """Ask for `job` in the transaction of `session`: it runs only if that commits."""
    session.execute(
        _DEFER,
        {
            "queue": QUEUE,
            "task": job.task,
            "priority": job.priority,
            "lock": job.lock,
            "queueing_lock": None,
            "args": job.args_json(),
            "at": job.at,
        },
    )
    session.info[JOBS_WAITING] = True
