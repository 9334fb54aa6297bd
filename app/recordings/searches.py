"""Searches that people keep: each by a name of its own, shared by a tick, counted where pinned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.identity.actor import Actor
from app.identity.models import User
from app.recordings.models import SavedSearch, SearchPin

MOST_KEPT: Final = 50
MOST_NAME: Final = 80
MOST_QUERY: Final = 2000


class SearchNotFound(NotFound):
    """There is no such saved search."""


class SearchOfAnother(Forbidden):
    """Only who saved a search changes it."""


class SearchNameless(Invalid):
    """A saved search needs a name of at most 80 characters."""


class SearchesFull(Conflict):
    """Fifty searches are saved already; take one away first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A saved search as somebody sees it: whose it is, and whether he pinned it."""

    search: SavedSearch
    owner: str
    is_pinned: bool


def listed(session: Session, actor: Actor) -> Sequence[Saved]:
    """Return his own searches and those that were shared, by name."""
    rows = session.execute(
        select(SavedSearch, User.full_name, SearchPin.user_id)
        .join(User, User.id == SavedSearch.owner_id)
        .outerjoin(
            SearchPin,
            (SearchPin.search_id == SavedSearch.id) & (SearchPin.user_id == actor.id),
        )
        .where(or_(SavedSearch.owner_id == actor.id, SavedSearch.is_shared))
        .order_by(func.lower(SavedSearch.name), SavedSearch.id)
    )
    return [
        Saved(search=search, owner=owner, is_pinned=pinned is not None)
        for search, owner, pinned in rows
    ]


def save(  # noqa: PLR0913 - what is saved, under which name, for whom.
    session: Session,
    actor: Actor,
    name: str,
    query: str,
    *,
    is_shared: bool,
    is_pinned: bool,
    at: datetime,
) -> SavedSearch:
    """Save a search; one of the same name is replaced.

    Raises:
        SearchNameless: it has no name, or too long a one.
        SearchesFull: he has saved as many as anybody may.
    """
    if not name.strip() or len(name) > MOST_NAME or len(query) > MOST_QUERY:
        raise SearchNameless
    own = select(SavedSearch).where(SavedSearch.owner_id == actor.id)
    found = session.scalar(own.where(SavedSearch.name == name).with_for_update())
    if found is None:
        kept = session.scalar(select(func.count()).select_from(own.subquery())) or 0
        if kept >= MOST_KEPT:
            raise SearchesFull
        found = SavedSearch(id=new_id(), owner_id=actor.id, name=name, made_at=at)
        session.add(found)
    found.query = query
    found.is_shared = is_shared
    session.flush()
    pin(session, actor, found.id, is_pinned=is_pinned)
    return found


def share(session: Session, actor: Actor, search_id: UUID, *, is_shared: bool) -> None:
    """Let everybody use a search, or nobody else any more; their pins of it go then.

    Raises:
        SearchNotFound: there is none that he may see.
        SearchOfAnother: he did not save it.
    """
    found = _own(session, actor, search_id)
    found.is_shared = is_shared
    if not is_shared:
        session.execute(
            delete(SearchPin).where(SearchPin.search_id == search_id, SearchPin.user_id != actor.id)
        )
    session.flush()


def pin(session: Session, actor: Actor, search_id: UUID, *, is_pinned: bool) -> None:
    """Put the number of a search into his inbox, or take it out.

    Raises:
        SearchNotFound: there is none that he may see.
    """
    _seen(session, actor, search_id)
    there = session.get(SearchPin, (search_id, actor.id))
    if is_pinned and there is None:
        session.add(SearchPin(search_id=search_id, user_id=actor.id))
    elif there is not None and not is_pinned:
        session.delete(there)
    session.flush()


def remove(session: Session, actor: Actor, search_id: UUID) -> None:
    """Take a search away, and all pins of it.

    Raises:
        SearchNotFound: there is none that he may see.
        SearchOfAnother: he did not save it.
    """
    found = _own(session, actor, search_id)
    session.execute(delete(SearchPin).where(SearchPin.search_id == search_id))
    session.delete(found)
    session.flush()


def _seen(session: Session, actor: Actor, search_id: UUID) -> SavedSearch:
    found = session.get(SavedSearch, search_id)
    if found is None or (found.owner_id != actor.id and not found.is_shared):
        raise SearchNotFound
    return found


def _own(session: Session, actor: Actor, search_id: UUID) -> SavedSearch:
    found = _seen(session, actor, search_id)
    if found.owner_id != actor.id:
        raise SearchOfAnother
    return found
