"""What crosses the wire about searching again."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from app.core.moments import Moment, Version
from app.inspection.models import RunReason, RunState, SearchFailure, SearchRun


class SearchRunCreate(BaseModel):
    """What to search for, where from, and whether in all of each call; nothing said means all.

    A `version` is one of `text_id`; without it the newest is meant.
    """

    model_config = ConfigDict(extra="forbid")

    text_id: UUID | None = None
    version: Version | None = None
    since: Moment | None = None
    whole: bool = False

    @model_validator(mode="after")
    def _of_a_text(self) -> Self:
        if self.version is not None and self.text_id is None:
            raise ValueError("a version is of a text: name it by text_id")
        return self


class SearchFailureRead(BaseModel):
    recording_id: UUID
    reason: str
    at: AwareDatetime


class SearchRunRead(BaseModel):
    """How a run stands, in recordings.

    `total` and `remaining` are null until they have been counted, `remaining_seconds` until some
    were searched. `passed_over`: those of the total that were searched otherwise meanwhile.
    """

    id: UUID
    reason: RunReason
    state: RunState
    method_version: str
    text_id: UUID | None
    version: int | None
    since: AwareDatetime | None
    whole: bool
    begun_by: UUID | None
    begun_at: AwareDatetime
    ended_at: AwareDatetime | None
    running_seconds: int
    total: int | None
    done: int
    failed: int
    found_complete: int
    found_partial: int
    differing: int
    remaining: int | None
    passed_over: int | None
    remaining_seconds: int | None

    @classmethod
    def of(cls, run: SearchRun, *, at: datetime) -> SearchRunRead:
        handled = run.done + run.failed
        total = None if run.total is None else max(run.total, handled)
        is_running = run.state == RunState.RUNNING
        left = None if total is None else total - handled
        seconds = None
        if left is not None and handled:
            seconds = round(left * run.busy_ms / handled / 1000)
        return cls(
            id=run.id,
            reason=RunReason(run.reason),
            state=RunState(run.state),
            method_version=run.method_version,
            text_id=run.text_id,
            version=run.text_version,
            since=run.since,
            whole=run.is_whole,
            begun_by=run.begun_by,
            begun_at=run.begun_at,
            ended_at=run.ended_at,
            running_seconds=int(((run.ended_at or at) - run.begun_at).total_seconds()),
            total=total,
            done=run.done,
            failed=run.failed,
            found_complete=run.found_complete,
            found_partial=run.found_partial,
            differing=run.differing,
            remaining=left if run.state != RunState.DONE else 0,
            passed_over=left if run.state == RunState.DONE else None,
            remaining_seconds=seconds if is_running else None,
        )


class SearchRunList(BaseModel):
    items: list[SearchRunRead]


class SearchRunDetail(BaseModel):
    """A run, and the first hundred recordings that it could not search."""

    run: SearchRunRead
    failures: list[SearchFailureRead]

    @classmethod
    def of(cls, run: SearchRun, failed: list[SearchFailure], *, at: datetime) -> SearchRunDetail:
        return cls(
            run=SearchRunRead.of(run, at=at),
            failures=[
                SearchFailureRead.model_validate(one, from_attributes=True) for one in failed
            ],
        )
