"""The inbox: what waits for whoever is looking, and where to begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.identity.actor import Actor
from app.identity.guard import SessionActor
from app.identity.permissions import Permission
from app.recordings import finding, searches
from app.web import edge, next_steps, sought
from app.web.next_steps import Step
from app.web.pages import start
from app.web.sections import Place, Section
from app.web.words import N_, Words

SECTION = Section(
    place=Place.INBOX, path="/", label=N_("Inbox"), permission=Permission.SESSION_SELF
)
router = edge.page_router()

MOST_COUNTED: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A section in which something waits."""

    label: str
    path: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPage:
    """What waits for this person, section by section, and the sections where nothing does."""

    title: str
    steps: tuple[Step, ...]
    waiting: tuple[Tile, ...]
    pinned: tuple[Tile, ...]
    most: int
    others: tuple[Tile, ...]
    setting_up: bool


@router.get("/")
def show_inbox(
    call: Request, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """Show what waits for this person."""
    web, at = edge.web_of(call), clock.now()
    words = edge.words_of(call, actor, session)
    tiles = [
        Tile(
            label=words.gettext(section.label),
            path=section.path,
            number=web.counts.of(session, actor, section, at=at),
        )
        for section in web.sections
        if section.permission in actor.permissions and section.path != edge.HOME
    ]
    page = InboxPage(
        title=words.gettext("Inbox"),
        steps=next_steps.of(session, actor, words, at=at),
        waiting=tuple(tile for tile in tiles if tile.number),
        pinned=_pinned(session, actor, words),
        most=MOST_COUNTED,
        others=tuple(tile for tile in tiles if not tile.number),
        setting_up=Permission.USER_ADMIN in actor.permissions and start.is_unfinished(session),
    )
    return edge.render(call, actor, session, "inbox/inbox.html", page, words=words)


def _pinned(session: Session, actor: Actor, words: Words) -> tuple[Tile, ...]:
    """Return the saved searches that he wants counted, each with how many it finds."""
    if Permission.RECORDING_READ not in actor.permissions:
        return ()
    return tuple(
        Tile(
            label=one.search.name,
            path=f"/recordings?{one.search.query}",
            number=finding.count(
                session,
                actor,
                sought.read(sought.of_query(one.search.query), words),
                most=MOST_COUNTED + 1,
            ),
        )
        for one in searches.listed(session, actor)
        if one.is_pinned
    )
