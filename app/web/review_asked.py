"""What was asked of those who review about one recording, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.identity.actor import Actor
from app.identity.permissions import Permission
from app.recordings.models import Recording
from app.review import asking
from app.web import lookups


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A review that somebody asked for; `noted_at` is empty while it waits."""

    at: datetime
    who: str
    words: str
    noted_at: datetime | None
    noted_by: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviews:
    """What was asked, the newest first, and whether it waits for an answer."""

    asked: tuple[Asked, ...]
    waits: bool


def of(session: Session, actor: Actor, recording: Recording) -> Reviews | None:
    """Return what is shown to `actor`: None to who may not ask, and of what is erased."""
    if Permission.ASSERTION_PROPOSE not in actor.permissions or recording.erased_at is not None:
        return None
    found = asking.of_recording(session, recording.id)
    people = lookups.names(
        session,
        [one for ask, note in found for one in (ask.asked_by, note.noted_by if note else None)],
    )
    return Reviews(
        asked=tuple(
            Asked(
                at=ask.asked_at,
                who=people.get(ask.asked_by, ""),
                words=ask.words or "",
                noted_at=note.at if note else None,
                noted_by=people.get(note.noted_by, "") if note else "",
                note=note.note if note else "",
            )
            for ask, note in found
        ),
        waits=any(note is None for _, note in found),
    )
