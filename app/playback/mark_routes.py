"""The routes of marks."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, model_validator

from app.core.deps import ClockDep, SessionDep
from app.core.moments import Milliseconds
from app.core.problems import problems
from app.core.text import LongText
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.playback import marks
from app.playback.marks import MarkBeyondEnd, MarkNotFound, MarkOfAnother, MarkWordless
from app.playback.models import Mark, MarkKind
from app.recordings.service import RecordingNotFound

router = APIRouter(prefix="/v1/recordings/{recording_id}/marks", tags=["listening"])

CanRead = Annotated[Actor, Depends(Requires(Permission.RECORDING_READ))]
CanListen = Annotated[Actor, Depends(Requires(Permission.RECORDING_LISTEN))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)


class MarkWrite(BaseModel):
    """A place and what is said of it; without `to_ms` it is a moment."""

    kind: MarkKind
    from_ms: Milliseconds
    to_ms: Milliseconds | None = None
    note: LongText | None = None

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.to_ms is not None and self.to_ms <= self.from_ms:
            raise ValueError("to_ms must lie after from_ms")
        return self


class MarkRead(BaseModel):
    id: UUID
    kind: MarkKind
    from_ms: int
    to_ms: int | None
    note: str | None
    made_by: UUID
    made_at: AwareDatetime

    @classmethod
    def of(cls, row: Mark) -> MarkRead:
        return cls.model_validate(row, from_attributes=True)


class MarkList(BaseModel):
    items: list[MarkRead]


@router.get("", responses=problems(*GUARDED, RecordingNotFound))
def list_marks(recording_id: UUID, actor: CanRead, session: SessionDep) -> MarkList:
    """List the marks of a recording, in the order of their places."""
    found = marks.listed(session, actor, recording_id)
    return MarkList(items=[MarkRead.of(mark) for mark, _ in found])


@router.post(
    "",
    status_code=201,
    responses=problems(*GUARDED, RecordingNotFound, MarkBeyondEnd, MarkWordless),
)
def add_mark(
    recording_id: UUID, body: MarkWrite, actor: CanListen, session: SessionDep, clock: ClockDep
) -> MarkRead:
    """Mark a place in a recording: praise, a mistake, a key moment or a comment."""
    made = marks.add(
        session,
        actor,
        recording_id,
        kind=body.kind,
        from_ms=body.from_ms,
        to_ms=body.to_ms,
        note=body.note,
        at=clock.now(),
    )
    return MarkRead.of(made)


@router.post(
    "/{mark_id}/remove",
    status_code=204,
    responses=problems(*GUARDED, RecordingNotFound, MarkNotFound, MarkOfAnother),
)
def remove_mark(
    recording_id: UUID, mark_id: UUID, actor: CanListen, session: SessionDep, clock: ClockDep
) -> None:
    """Take away a mark of one's own."""
    marks.remove(session, actor, recording_id, mark_id, at=clock.now())
