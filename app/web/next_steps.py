"""What waits for one person: single things where they have a name, else a queue by its oldest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.disputes import queries as disputes
from app.disputes import wording as dispute_wording
from app.disputes.models import Dispute, DisputeStep, DocumentRequest
from app.disputes.rules import RequestState, StepKind, StepState
from app.identity.actor import Actor
from app.identity.permissions import Permission, Role
from app.playback.models import Mark, MarkKind
from app.recordings import queries as recordings
from app.recordings.models import Recording
from app.review import service as review
from app.review import wording as review_wording
from app.web import places
from app.web.words import N_, Words

MOST_SHOWN: Final = 12
_MOST_OF_A_KIND: Final = 8
_PRAISED_FOR: Final = timedelta(days=14)
_SETTLE: Final = N_("Settle a dispute")
_CHECK: Final = N_("Check what the client sent")
_TIE: Final = N_("Tie calls that nobody knows")
_PRAISE: Final = N_("You were praised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that waits: what to do, about what, since when, and until when."""

    what: str
    about: str
    path: str
    since: datetime
    due: datetime | None
    is_late: bool
    number: int = 1


def of(session: Session, actor: Actor, words: Words, *, at: datetime) -> tuple[Step, ...]:
    """Return what waits for a person: what is late first, then what is due, then the oldest."""
    found = [
        *_disputes(session, actor, words, at=at),
        *_steps(session, actor, words, at=at),
        *_requests(session, actor, words, at=at),
        *_queues(session, actor, words, at=at),
        *_untied(session, actor, words),
        *_praise(session, actor, words, at=at),
    ]
    found.sort(key=lambda one: (not one.is_late, one.due is None, one.due or one.since, one.since))
    return tuple(found[:MOST_SHOWN])


def _disputes(session: Session, actor: Actor, words: Words, *, at: datetime) -> Iterator[Step]:
    rows = session.execute(
        select(Dispute, Client.name)
        .join(Client, Client.id == Dispute.client_id)
        .where(
            Dispute.owner_id == actor.id, Dispute.closed_at.is_(None), disputes.visible_to(actor)
        )
        .order_by(Dispute.due_at.asc().nulls_last(), Dispute.opened_at)
        .limit(_MOST_OF_A_KIND)
    )
    for one, client in rows:
        yield Step(
            what=words.gettext(_SETTLE),
            about=f"{client}: {one.subject}",
            path=f"/disputes/{one.id}",
            since=one.opened_at,
            due=one.due_at,
            is_late=one.due_at is not None and one.due_at < at,
        )


def _steps(session: Session, actor: Actor, words: Words, *, at: datetime) -> Iterator[Step]:
    rows = session.execute(
        select(DisputeStep, Dispute)
        .join(Dispute, Dispute.id == DisputeStep.dispute_id)
        .where(
            DisputeStep.owner_id == actor.id,
            DisputeStep.state == StepState.TODO,
            Dispute.closed_at.is_(None),
            disputes.visible_to(actor),
        )
        .order_by(DisputeStep.due_at.asc().nulls_last(), Dispute.opened_at, DisputeStep.position)
        .limit(_MOST_OF_A_KIND)
    )
    for step, dispute in rows:
        yield Step(
            what=step.title or dispute_wording.say(StepKind(step.kind), words.language),
            about=dispute.subject,
            path=f"/disputes/{dispute.id}#step-{step.id}",
            since=dispute.opened_at,
            due=step.due_at,
            is_late=step.due_at is not None and step.due_at < at,
        )


def _requests(session: Session, actor: Actor, words: Words, *, at: datetime) -> Iterator[Step]:
    rows = session.execute(
        select(DocumentRequest, Dispute)
        .join(Dispute, Dispute.id == DocumentRequest.dispute_id)
        .where(
            Dispute.owner_id == actor.id,
            DocumentRequest.state == RequestState.RECEIVED,
            Dispute.closed_at.is_(None),
            disputes.visible_to(actor),
        )
        .order_by(DocumentRequest.changed_at)
        .limit(_MOST_OF_A_KIND)
    )
    del at
    for request, dispute in rows:
        yield Step(
            what=words.gettext(_CHECK),
            about=f"{dispute.subject}: {request.asked}",
            path=f"/disputes/{dispute.id}#requests",
            since=request.changed_at,
            due=None,
            is_late=False,
        )


def _queues(session: Session, actor: Actor, words: Words, *, at: datetime) -> Iterator[Step]:
    """Give the queues of review that a person decides in, each by its oldest item."""
    if Permission.REVIEW_DECIDE not in actor.permissions:
        return
    for one in review.overview(session, actor, at=at):
        if one.oldest_since is None:
            continue
        due = one.oldest_since + one.allowance
        yield Step(
            what=review_wording.TITLES[one.queue].of(words.language),
            about="",
            path=f"/review/{one.queue}",
            since=one.oldest_since,
            due=due,
            is_late=due < at,
            number=one.count,
        )


def _untied(session: Session, actor: Actor, words: Words) -> Iterator[Step]:
    if Permission.RECORDING_RELINK not in actor.permissions:
        return
    number, oldest = recordings.untied_since(session, actor)
    if oldest is not None:
        yield Step(
            what=words.gettext(_TIE),
            about="",
            path="/events/triage",
            since=oldest,
            due=None,
            is_late=False,
            number=number,
        )


def _praise(session: Session, actor: Actor, words: Words, *, at: datetime) -> Iterator[Step]:
    """Give praise of the last fortnight to the agent who is heard."""
    if actor.role is not Role.AGENT:
        return
    rows = session.execute(
        select(Mark)
        .join(Recording, Recording.id == Mark.recording_id)
        .where(
            Mark.kind == MarkKind.PRAISE,
            Mark.removed_at.is_(None),
            Mark.made_at > at - _PRAISED_FOR,
            Recording.erased_at.is_(None),
            recordings.visible_to(actor),
        )
        .order_by(Mark.made_at.desc())
        .limit(_MOST_OF_A_KIND)
    ).scalars()
    for mark in rows:
        yield Step(
            what=words.gettext(_PRAISE),
            about=f"{places.write(mark.from_ms)}" + (f" · {mark.note}" if mark.note else ""),
            path=f"/recordings/{mark.recording_id}?at={mark.from_ms}",
            since=mark.made_at,
            due=None,
            is_late=False,
        )
