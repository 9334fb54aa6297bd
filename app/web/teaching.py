"""What of learning stands on the page of a recording: praise it, appraise it, calibrate by it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.identity.actor import Actor
from app.identity.permissions import Permission
from app.learning import appraising, forms, library
from app.learning.appraising import Told
from app.recordings.models import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """The appraisals of a call, where it stands in the library, and what may be done."""

    appraisals: tuple[Told, ...]
    exemplary_id: UUID | None
    forms: tuple[tuple[str, str], ...]
    may_write: bool
    may_lead: bool


def of(session: Session, actor: Actor, recording: Recording) -> Teaching | None:
    """Return what is shown to `actor`; None to whom learning is not shown, or of what is erased."""
    if Permission.LEARNING_READ not in actor.permissions or recording.erased_at is not None:
        return None
    may_write = Permission.LEARNING_WRITE in actor.permissions
    there = library.of_recording(session, recording.id)
    return Teaching(
        appraisals=tuple(appraising.of_recording(session, actor, recording.id)),
        exemplary_id=there.id if there else None,
        forms=tuple((str(one.id), one.name) for one in forms.listed(session, only_offered=True))
        if may_write
        else (),
        may_write=may_write,
        may_lead=Permission.LEARNING_LEAD in actor.permissions,
    )
