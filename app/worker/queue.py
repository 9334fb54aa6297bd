"""Looking at the queue of jobs, and trying once more what was given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core import traces
from app.core.db import JOBS_WAITING
from app.core.errors import Conflict, NotFound
from app.identity.actor import Actor

_log = structlog.get_logger()


class JobState(StrEnum):
    """How far a job has come, in the words of the queue; failed ones were given up."""

    TODO = "todo"
    DOING = "doing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABORTED = "aborted"


class JobNotFound(NotFound):
    """There is no such job; finished ones are forgotten after three days."""


class JobNotGivenUp(Conflict):
    """Only a job that was given up is tried once more; `state` says how far this one is."""


class JobLikeWaits(Conflict):
    """Another job of this kind waits already and does the same; there is nothing to try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSeen:
    """A job: its task, its ids, how often it was tried and when it last changed."""

    id: int
    task: str
    state: JobState
    attempts: int
    args: Mapping[str, Any]
    scheduled_at: datetime | None
    changed_at: datetime | None


_LISTED = text(
    """
    SELECT j.id, j.task_name, j.status::text, j.attempts, j.args, j.scheduled_at,
        (SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id)
    FROM procrastinate_jobs j
    WHERE j.status::text = :state AND (CAST(:before AS bigint) IS NULL OR j.id < :before)
    ORDER BY j.id DESC LIMIT :limit
    """
)
_RETRY = text("SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)")


def counts(session: Session) -> dict[JobState, int]:
    """Return how many jobs there are in each state."""
    found = session.execute(
        text("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status")
    )
    seen: dict[str, int] = {row[0]: row[1] for row in found}
    return {state: seen.get(state, 0) for state in JobState}


def failed_count(session: Session) -> int:
    """Return how many jobs were given up."""
    given_up = text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'")
    return session.scalar(given_up) or 0


def listed(session: Session, state: JobState, *, before: int | None, limit: int) -> list[JobSeen]:
    """Return jobs of a state, the newest first, of those that are older than `before`."""
    rows = session.execute(_LISTED, {"state": state, "before": before, "limit": limit})
    return [
        JobSeen(
            id=row[0],
            task=row[1],
            state=JobState(row[2]),
            attempts=row[3],
            args={k: v for k, v in row[4].items() if k != traces.TRACEPARENT},
            scheduled_at=row[5],
            changed_at=row[6],
        )
        for row in rows
    ]


def retry(session: Session, actor: Actor, job_id: int) -> None:
    """Let a job that was given up be tried once more.

    Raises:
        JobNotFound: there is none.
        JobNotGivenUp: it waits, runs or is done.
        JobLikeWaits: the next of its kind waits; only one of them may.
    """
    state = session.scalar(
        text("SELECT status::text FROM procrastinate_jobs WHERE id = :id FOR UPDATE"),
        {"id": job_id},
    )
    if state is None:
        raise JobNotFound
    if state != JobState.FAILED:
        raise JobNotGivenUp(state=state)
    try:
        session.execute(_RETRY, {"id": job_id})
    except IntegrityError as exc:
        raise JobLikeWaits from exc
    session.info[JOBS_WAITING] = True
    _log.info("job.retried", job_id=job_id, by=str(actor.id))
