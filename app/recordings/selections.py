"""Recordings that somebody chose from a list: frozen, so that what is confirmed is what is done."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.identity.actor import Actor
from app.recordings.models import Recording, Selection
from app.recordings.queries import visible_to

MOST_CHOSEN: Final = 500


class NothingChosen(Invalid):
    """Nothing was chosen; tick the rows first."""


class TooManyChosen(Conflict):
    """At most 500 recordings are worked on at once; narrow the list first."""


class SelectionNotFound(NotFound):
    """There is no such choice of recordings."""


class SelectionOfAnother(Forbidden):
    """Only who chose them goes on with chosen recordings."""


def choose(session: Session, actor: Actor, ids: Iterable[UUID], *, at: datetime) -> Selection:
    """Freeze a choice; what he may not see is left out of it.

    Raises:
        NothingChosen: nothing is left.
        TooManyChosen: it is more than can be worked on at once.
    """
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MOST_CHOSEN:
        raise TooManyChosen
    seen = set(
        session.scalars(select(Recording.id).where(Recording.id.in_(wanted), visible_to(actor)))
    )
    chosen = [one for one in wanted if one in seen]
    if not chosen:
        raise NothingChosen
    row = Selection(id=new_id(), made_by=actor.id, made_at=at, recording_ids=chosen, done=[])
    session.add(row)
    session.flush()
    return row


def get(session: Session, actor: Actor, selection_id: UUID) -> Selection:
    """Return a choice of his own.

    Raises:
        SelectionNotFound: there is none.
        SelectionOfAnother: another person chose.
    """
    found = session.get(Selection, selection_id)
    if found is None:
        raise SelectionNotFound
    if found.made_by != actor.id:
        raise SelectionOfAnother
    return found


def note(
    session: Session, row: Selection, act: str, *, done: int, refused: dict[str, int], at: datetime
) -> None:
    """Remember what was done with a choice, for its page to tell."""
    told = {"act": act, "at": at.isoformat(), "done": done, "refused": refused}
    row.done = [*row.done, told]
    session.flush()
