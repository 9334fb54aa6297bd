"""Asking those who review to look at one recording, from its page."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Response

from app.core.deps import ClockDep, SessionDep
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.review import asking
from app.web import edge
from app.web.edge import Form

router = edge.page_router()

CanAsk = Annotated[Actor, Depends(Requires(Permission.ASSERTION_PROPOSE))]

_MOST_WORDS: Final = 1000


@router.post("/recordings/{recording_id}/review")
def ask_review(
    recording_id: UUID, form: Form, actor: CanAsk, session: SessionDep, clock: ClockDep
) -> Response:
    """Put the recording into the reviewers' queue, with what they are to look at."""
    words = form.get("words")[:_MOST_WORDS] or None
    asking.ask(session, actor, recording_id, words=words, at=clock.now())
    return edge.see(f"/recordings/{recording_id}#review")
