"""Looking at the queues, taking items, and taking verdicts back by new events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.consent import queries as evidence
from app.consent import review as consent
from app.consent.models import Assertion, Verdict
from app.consent.purposes import BLOCKS, Kind, Purpose, Status
from app.consent.review import Proposal
from app.core.errors import Conflict, NotFound
from app.core.paging import Cursor
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.review import items, queries
from app.review.items import Item
from app.review.models import ReviewClaim, ReviewNote
from app.review.rules import CLAIM_LIFETIME, Queue

_NOTED = {
    Queue.POLICY: "release",
    Queue.DIFFERS: "notice_difference",
    Queue.ASKED: "recording",
}
"""Queues whose items can be noted away, and what their items are."""


class ItemNotWaiting(NotFound):
    """There is no such item in this queue; somebody may have settled it meanwhile."""


class ClaimTaken(Conflict):
    """Somebody else has taken this item.

    `until` says when it becomes free by itself.
    """


class QueueNotNoted(Conflict):
    """Items of this queue need a verdict; they cannot be noted away."""


class NothingToUndo(Conflict):
    """There is no verdict on this evidence that could be taken back.

    A confirmed refusal or withdrawal is followed by a new consent, never taken back; a first of two
    verdicts takes no effect until the second.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How a queue stands: how many wait, since when the oldest, and how long they may."""

    queue: Queue
    count: int
    oldest_since: datetime | None
    allowance: timedelta
    overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """A part of a queue, the oldest items first."""

    items: tuple[Item, ...]
    next_cursor: str | None


def overview(session: Session, actor: Actor, *, at: datetime) -> list[QueueState]:
    """Return how each queue stands. `overdue` goes by the queue's allowance alone."""
    states = []
    for queue in Queue:
        found = queries.waiting(actor, queue, at=at)
        count, oldest, overdue = queries.size(session, found, before=at - queue.allowance)
        states.append(
            QueueState(
                queue=queue,
                count=count,
                oldest_since=oldest,
                allowance=queue.allowance,
                overdue=overdue,
            )
        )
    return states


def page(
    session: Session,
    actor: Actor,
    queue: Queue,
    *,
    after: Cursor | None,
    limit: int,
    at: datetime,
) -> ItemPage:
    """Return items of a queue, the oldest first."""
    found = queries.waiting(actor, queue, at=at)
    rows = queries.page(session, found, after=after, limit=limit + 1)
    made = items.of(session, actor, queue, rows[:limit], at=at)
    more = len(rows) > limit
    cursor = Cursor(at=made[-1].place_at, id=made[-1].id).encode() if more else None
    return ItemPage(items=tuple(made), next_cursor=cursor)


def item(session: Session, actor: Actor, queue: Queue, item_id: UUID, *, at: datetime) -> Item:
    """Return one item of a queue as it stands now.

    Raises:
        ItemNotWaiting: it is not in this queue.
    """
    row = queries.one(session, queries.waiting(actor, queue, at=at), item_id)
    if row is None:
        raise ItemNotWaiting
    return items.of(session, actor, queue, [row], at=at)[0]


def count(session: Session, actor: Actor, queue: Queue, *, at: datetime) -> int:
    """Return how many items a queue has."""
    return queries.size(session, queries.waiting(actor, queue, at=at), before=at)[0]


def _must_wait(session: Session, actor: Actor, queue: Queue, item_id: UUID, at: datetime) -> None:
    if not queries.is_waiting(session, queries.waiting(actor, queue, at=at), item_id):
        raise ItemNotWaiting


def claim(
    session: Session, actor: Actor, queue: Queue, item_id: UUID, *, at: datetime
) -> ReviewClaim:
    """Take an item for half an hour; taking it again prolongs it.

    Raises:
        ItemNotWaiting: it is not in this queue.
        ClaimTaken: somebody else has it.
    """
    _must_wait(session, actor, queue, item_id, at)
    mine = {
        "user_id": consent.person(actor),
        "claimed_at": at,
        "expires_at": at + CLAIM_LIFETIME,
    }
    statement = insert(ReviewClaim).values(queue=queue, subject_id=item_id, **mine)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["queue", "subject_id"],
            set_=mine,
            where=(ReviewClaim.expires_at <= at) | (ReviewClaim.user_id == mine["user_id"]),
        )
    )
    held = queries.claims(session, queue, [item_id], at=at)[item_id]
    if held.user_id != mine["user_id"]:
        owner = queries.names(session, [held.user_id])[held.user_id]
        raise ClaimTaken(until=held.expires_at.isoformat(), owner=owner)
    return held


def let_go(session: Session, actor: Actor, queue: Queue, item_id: UUID, *, at: datetime) -> None:
    """Give an item back; what is not the actor's stays as it is."""
    held = queries.claims(session, queue, [item_id], at=at).get(item_id)
    if held is not None and held.user_id == consent.person(actor):
        held.expires_at = at
        session.flush()


def take_note(
    session: Session,
    actor: Actor,
    queue: Queue,
    *,
    item_id: UUID,
    note: str,
    at: datetime,
) -> None:
    """Say that an item was looked at and what came of it; it leaves the queue.

    Raises:
        QueueNotNoted: the queue's items need a verdict, as a pack does that is only proposed.
        ItemNotWaiting: it is not in this queue.
    """
    if queue not in _NOTED:
        raise QueueNotNoted
    _must_wait(session, actor, queue, item_id, at)
    pack = queries.packs(session, [item_id]).get(item_id)
    if pack is not None and pack.activated_at is None:
        raise QueueNotNoted
    asked = queries.asks(session, [item_id]).get(item_id)
    about = asked.recording_id if asked else item_id
    session.add(
        ReviewNote(
            queue=queue, subject_id=item_id, noted_by=consent.person(actor), note=note, at=at
        )
    )
    session.flush()
    ledger.append(
        session,
        actor,
        Act.REVIEW_NOTED,
        ("policy_pack" if pack else _NOTED[queue], about),
        at=at,
        facts={"queue": str(queue)},
        detail={"note": note},
    )


def undo(
    session: Session, actor: Actor, assertion_id: UUID, *, reason: str, at: datetime
) -> Assertion:
    """Take a settled verdict back by a new event, and return the evidence that is then current.

    What was verified is put up for invalidation, which needs a second person and an approver. What
    was rejected is proposed anew, with the same evidence; another person decides on it.

    Raises:
        AssertionNotFound: there is none.
        NothingToUndo: nothing was settled, or it was a refusal or withdrawal.
    """
    row = evidence.assertion(session, assertion_id)
    if row is None:
        raise consent.AssertionNotFound
    if row.kind in BLOCKS or row.status not in {Status.VERIFIED, Status.REJECTED}:
        raise NothingToUndo(status=row.status)
    if row.status == Status.VERIFIED:
        return consent.decide(session, actor, row.id, Verdict.INVALIDATE, reason=reason, at=at)
    recordings = evidence.recordings_of(session, row)
    if not recordings:
        raise NothingToUndo(status=row.status)
    return consent.propose(
        session, actor, recordings[0], _again(session, row, recordings[0]), at=at
    )


def _again(session: Session, row: Assertion, recording_id: UUID) -> Proposal:
    """Return the proposal that says the same once more."""
    label = None
    if row.party_id is not None:
        label = queries.labels(session, [row.party_id])[row.party_id]
    elif row.recording_id is None and row.kind != Kind.CONTRACT_CLAUSE:
        label = queries.label_of(session, recording_id, row)
    return Proposal(
        kind=Kind(row.kind),
        evidence=dict(row.evidence),
        party=label,
        wide=row.recording_id is None and row.kind != Kind.CONTRACT_CLAUSE,
        from_ms=row.from_ms,
        to_ms=row.to_ms,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        purposes=tuple(map(Purpose, row.purposes)),
        recipients=tuple(row.recipients),
        supersedes=row.id,
    )
