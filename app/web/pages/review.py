"""Review: the list of queues, and one queue to be cleared by keyboard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.consent import queries as evidence
from app.core.deps import ClockDep, SessionDep
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.review import service, wording
from app.review.rules import Queue
from app.review.schemas import ItemRead
from app.review.service import ItemNotWaiting
from app.web import edge
from app.web import review_words as said
from app.web.sections import Place, Section
from app.web.words import N_, Words

FIRST_ITEMS = 20
_PROPOSING = frozenset({Queue.UNKNOWN, Queue.MOBILE})
_NAMED = ("internal_quality", "internal_training", "dispute_client", "transcription")
"""The purposes that are announced to people; the others need no announcement."""
_VERBS = {
    Queue.SAMPLE: ("right", "wrong"),
    Queue.RELEASES: ("approve", "deny"),
    Queue.POLICY: ("noted", "reject"),
    Queue.DIFFERS: ("stands", "undo_it"),
    Queue.ASKED: ("noted", "reject"),
}

CanRead = Annotated[Actor, Depends(Requires(Permission.REVIEW_READ))]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One queue in the list."""

    queue: Queue
    code: str
    title: str
    help: str
    count: int
    oldest: str | None
    allowed: str
    overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """All queues."""

    title: str
    rows: tuple[QueueRow, ...]
    reports: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPage:
    """One queue: the first items as a list, and what the script needs to show them one by one."""

    title: str
    may_listen: bool
    queue: Queue
    help: str
    empty: str
    verdict: str
    refusal: str
    items: tuple[ItemRead, ...]
    reasons: dict[str, str]
    forms: dict[str, str]
    purposes: dict[str, str]
    receivers: dict[str, str]
    settings: str


def waiting(session: Session, actor: Actor, at: datetime) -> int:
    """Count what waits in all queues that this person may see."""
    return sum(one.count for one in service.overview(session, actor, at=at))


SECTION = Section(
    place=Place.REVIEW,
    path="/review",
    label=N_("Review"),
    permission=Permission.REVIEW_READ,
    waiting=waiting,
)
router = edge.page_router()


@router.get("/review")
def show_queues(call: Request, actor: CanRead, session: SessionDep, clock: ClockDep) -> Response:
    """Show all queues."""
    at, words = clock.now(), edge.words_of(call, actor, session)
    rows = tuple(
        QueueRow(
            queue=one.queue,
            code=one.queue.code,
            title=wording.TITLES[one.queue].of(words.language),
            help=words.gettext(said.HELP[one.queue]),
            count=one.count,
            oldest=words.since(at - one.oldest_since) if one.oldest_since else None,
            allowed=words.since(one.allowance),
            overdue=one.overdue,
        )
        for one in service.overview(session, actor, at=at)
    )
    page = ListPage(
        title=words.gettext("Review"), rows=rows, reports=_translated(said.REPORTS, words)
    )
    return edge.render(call, actor, session, "review/queues.html", page, words=words)


@router.get("/review/{queue}")
def show_desk(
    call: Request,
    queue: Queue,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    item: UUID | None = None,
) -> Response:
    """Show a queue, one item at a time, beginning with the one that is named."""
    at, words = clock.now(), edge.words_of(call, actor, session)
    found = service.page(session, actor, queue, after=None, limit=FIRST_ITEMS, at=at)
    items = [ItemRead.of(one, at=at, lang=words.language) for one in found.items]
    if item is not None and item not in {one.id for one in items}:
        items += _asked_for(session, actor, queue, item, at=at, lang=words.language)
    settings = {
        "count": service.count(session, actor, queue, at=at),
        "may_listen": Permission.RECORDING_LISTEN in actor.permissions,
        "may_look": Permission.EXHIBIT_PREVIEW in actor.permissions,
        "cursor": found.next_cursor,
        "start": str(item) if item else None,
        "person": str(actor.id) if actor.id else None,
        "texts": _texts(session) if queue in _PROPOSING else [],
    }
    page = _desk(words, queue, items, settings)
    return edge.render(call, actor, session, "review/desk.html", page, words=words)


def _translated(table: dict[str, str], words: Words) -> dict[str, str]:
    return {name: words.gettext(message) for name, message in table.items()}


def _desk(words: Words, queue: Queue, items: list[ItemRead], settings: dict[str, Any]) -> DeskPage:
    say, purposes = _translated(said.SAY, words), wording.words(wording.PURPOSES, words.language)
    verdict, refusal = _VERBS.get(queue, ("verify", "reject"))
    forms = _translated(said.FORMS, words)
    settings |= {
        "queue": queue,
        "language": words.language,
        "zone": str(words.zone),
        "outcomes": _translated(said.OUTCOMES, words),
        "purposes": purposes,
        "forms": forms,
        "say": say,
        "sides": _translated(said.SIDES, words),
        "problems": _translated(said.PROBLEMS, words),
        "items": [item.model_dump(mode="json") for item in items],
    }
    return DeskPage(
        title=wording.TITLES[queue].of(words.language),
        may_listen=settings["may_listen"],
        queue=queue,
        help=words.gettext(said.HELP[queue]),
        empty=words.gettext(said.EMPTY[queue]),
        verdict=say[verdict],
        refusal=say[refusal],
        items=tuple(items),
        reasons=_translated(said.REJECTIONS, words),
        forms=forms,
        purposes={name: purposes[name] for name in _NAMED},
        receivers=_translated(said.RECEIVERS, words),
        settings=json.dumps(settings, ensure_ascii=False),
    )


def _asked_for(
    session: Session, actor: Actor, queue: Queue, item_id: UUID, *, at: datetime, lang: str
) -> list[ItemRead]:
    """Return the named item, nothing if it has left the queue."""
    try:
        found = service.item(session, actor, queue, item_id, at=at)
    except ItemNotWaiting:
        return []
    return [ItemRead.of(found, at=at, lang=lang)]


def _texts(session: Session) -> list[dict[str, Any]]:
    """Return the approved notice texts, by which somebody says what he heard."""
    return [
        {
            "id": str(row.id),
            "version": row.version,
            "language": row.language,
            "text": row.text,
            "lines": row.lines,
            "from": row.valid_from.isoformat(),
            "to": row.valid_to.isoformat() if row.valid_to else None,
        }
        for row in evidence.notice_texts(session)
        if row.approved_at is not None
    ]
