"""Routes of the background jobs: what waits, runs or was given up, and one more try."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime, BaseModel

from app.core.deps import SessionDep
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.worker import queue
from app.worker.queue import JobLikeWaits, JobNotFound, JobNotGivenUp, JobSeen, JobState

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

CanRead = Annotated[Actor, Depends(Requires(Permission.JOB_READ))]
CanRetry = Annotated[Actor, Depends(Requires(Permission.JOB_RETRY))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
_MOST_ID = (1 << 63) - 1
JobId = Annotated[int, Path(ge=1, le=_MOST_ID)]


class JobRead(BaseModel):
    """A job; `args` are ids, `changed_at` is when its state changed last."""

    id: int
    task: str
    state: JobState
    attempts: int
    args: dict[str, Any]
    scheduled_at: AwareDatetime | None
    changed_at: AwareDatetime | None

    @classmethod
    def of(cls, seen: JobSeen) -> JobRead:
        return cls(**{name: getattr(seen, name) for name in cls.model_fields})


class JobList(BaseModel):
    """How many jobs there are in each state, and those of the state asked for."""

    counts: dict[JobState, int]
    items: list[JobRead]
    next_before: int | None


@router.get("", responses=problems(*GUARDED))
def list_jobs(
    _: CanRead,
    session: SessionDep,
    state: JobState = JobState.FAILED,
    before: Annotated[int | None, Query(ge=1, le=_MOST_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> JobList:
    """Count the jobs and list those of a state, the newest first; `failed` were given up."""
    found = queue.listed(session, state, before=before, limit=limit + 1)
    shown = found[:limit]
    return JobList(
        counts=queue.counts(session),
        items=[JobRead.of(seen) for seen in shown],
        next_before=shown[-1].id if len(found) > limit else None,
    )


@router.post(
    "/{job_id}/retry",
    status_code=204,
    responses=problems(*GUARDED, JobNotFound, JobNotGivenUp, JobLikeWaits),
)
def retry_job(job_id: JobId, actor: CanRetry, session: SessionDep) -> Response:
    """Try a job once more that was given up after all its attempts."""
    queue.retry(session, actor, job_id)
    return Response(status_code=204)
