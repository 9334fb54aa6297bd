"""One verdict on many: a frozen list, the part of it that must be opened, then one entry each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.consent import review as consent
from app.consent import rules, states
from app.consent import service as decisions
from app.consent.casefile import Asserted, CaseFile, Question, Recipient
from app.consent.models import Assertion, Verdict
from app.consent.purposes import BLOCKS, Kind, Outcome, Purpose, RecipientClass, Status
from app.core.db import JsonObject
from app.core.errors import Conflict, Forbidden, Invalid, NotFound, Refusal
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import service as identity
from app.identity.actor import Actor
from app.recordings.models import Recording
from app.recordings.queries import visible_to
from app.review import queries, service
from app.review.models import BatchVerdict, ReviewBatch, ReviewBatchItem
from app.review.rules import MOST_IN_A_BATCH, Frozen, list_digest, picked

_SEED_BYTES = 32
_FOLLOWS = {BatchVerdict.VERIFY: Status.VERIFIED, BatchVerdict.REJECT: Status.REJECTED}
_ASKED = (
    (Purpose.INTERNAL_QUALITY, RecipientClass.OWN_STAFF_MANAGER),
    (Purpose.DISPUTE_CLIENT, RecipientClass.CLIENT_SAME_ENTITY),
)
"""The two uses of nearly every recording: whether they become possible is what a batch changes."""


class BatchNotFound(NotFound):
    """There is no such batch."""


class BatchUnfit(Invalid):
    """The list cannot be frozen.

    A batch holds one to 500 pieces of evidence that wait, of one kind, each of a recording that can
    be heard; refusals and withdrawals are never settled in bulk. `unfit` names those that are not.
    """


class BatchNotOpened(Conflict):
    """You have not opened what the archive picked.

    `missing` names the recordings. Ask for their sound, then give the verdict.
    """


class BatchSettled(Conflict):
    """The batch was decided, or undone, already."""


class BatchNotDecided(Conflict):
    """The batch was not decided; there is nothing to undo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a batch is made of: named pieces, or all waiting ones that fit."""

    assertion_ids: tuple[UUID, ...] = ()
    kind: Kind | None = None
    line: str | None = None
    agent: str | None = None
    notice_id: UUID | None = None
    notice_version: int | None = None
    proposed_before: datetime | None = None

    def as_query(self) -> JsonObject:
        """Return what was asked, as it is kept and digested."""
        return {
            "assertion_ids": sorted(map(str, self.assertion_ids)),
            "kind": self.kind,
            "line": self.line,
            "agent": self.agent,
            "notice_id": str(self.notice_id) if self.notice_id else None,
            "notice_version": self.notice_version,
            "proposed_before": self.proposed_before.isoformat() if self.proposed_before else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """A batch, its items, and how far its reader has come with what must be opened."""

    batch: ReviewBatch
    items: tuple[ReviewBatchItem, ...]
    opened: frozenset[UUID]

    @property
    def missing(self) -> tuple[UUID, ...]:
        """Return the recordings that the reader must still open."""
        return tuple(
            item.recording_id
            for item in self.items
            if item.must_be_opened and item.recording_id not in self.opened
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """What a verdict would change about one recording."""

    recording_id: UUID
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A piece of evidence that the verdict did not reach, and the type of the refusal."""

    assertion_id: UUID
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What a verdict on a batch came to."""

    settled: int
    waiting_for_second: int
    skipped: tuple[Skipped, ...]


def freeze(session: Session, actor: Actor, wanted: Wanted, *, at: datetime) -> ReviewBatch:
    """Freeze a list of waiting evidence and draw what of it must be opened.

    Raises:
        BatchUnfit: `unfit` names the pieces that cannot be in it.
    """
    rows = _found(session, actor, wanted)
    _must_fit(wanted, rows)
    seed, query = os.urandom(_SEED_BYTES), wanted.as_query()
    frozen = [Frozen(assertion_id=r.id, evidence_sha256=r.evidence_sha256) for r in rows]
    batch = ReviewBatch(
        id=new_id(),
        kind=rows[0].kind,
        query=query,
        digest=list_digest(rows[0].kind, ledger.detail_bytes(query).decode(), frozen),
        pick_seed=seed,
        made_by=consent.person(actor),
        made_at=at,
    )
    session.add(batch)
    session.flush()
    must = picked([row.id for row in rows], seed)
    session.add_all(
        ReviewBatchItem(
            batch_id=batch.id,
            assertion_id=row.id,
            recording_id=row.recording_id,
            must_be_opened=row.id in must,
        )
        for row in rows
    )
    session.flush()
    ledger.append(
        session,
        actor,
        Act.BATCH_FROZEN,
        ("batch", batch.id),
        at=at,
        facts={
            "kind": batch.kind,
            "items": len(rows),
            "to_open": len(must),
            "digest": batch.digest.hex(),
            "pick_seed": seed.hex(),
        },
        detail={"query": query},
    )
    return batch


def _found(session: Session, actor: Actor, wanted: Wanted) -> Sequence[Assertion]:
    query = select(Assertion).outerjoin(Recording, Recording.id == Assertion.recording_id)
    if wanted.assertion_ids:
        query = query.where(Assertion.id.in_(wanted.assertion_ids))
    else:
        query = query.where(
            Assertion.status == Status.PROPOSED,
            Assertion.kind == wanted.kind,
            Assertion.recording_id.is_not(None),
            visible_to(actor),
        )
    if wanted.line is not None:
        query = query.where(Recording.line == wanted.line)
    if wanted.agent is not None:
        query = query.where(Recording.agent == wanted.agent)
    if wanted.notice_id is not None:
        query = query.where(Assertion.evidence["notice"]["id"].astext == str(wanted.notice_id))
    if wanted.notice_version is not None:
        said = Assertion.evidence["notice"]["version"].astext
        query = query.where(said == str(wanted.notice_version))
    if wanted.proposed_before is not None:
        query = query.where(Assertion.proposed_at < wanted.proposed_before)
    query = query.order_by(Assertion.proposed_at, Assertion.id)
    return session.scalars(query.limit(MOST_IN_A_BATCH + 1)).all()


def _must_fit(wanted: Wanted, rows: Sequence[Assertion]) -> None:
    unfit = {str(i) for i in wanted.assertion_ids} - {str(row.id) for row in rows}
    unfit |= {
        str(row.id)
        for row in rows
        if row.status != Status.PROPOSED
        or row.recording_id is None
        or row.kind in BLOCKS
        or row.kind != rows[0].kind
    }
    if unfit:
        raise BatchUnfit(unfit=sorted(unfit))
    if not 1 <= len(rows) <= MOST_IN_A_BATCH:
        raise BatchUnfit(
            f"The list has {len(rows)} items.",
            unfit=[],
            items=len(rows),
            most_items=MOST_IN_A_BATCH,
        )


def state(session: Session, actor: Actor, batch_id: UUID, *, lock: bool = False) -> BatchState:
    """Return a batch as `actor` stands to it.

    Raises:
        BatchNotFound: there is none.
    """
    query = select(ReviewBatch).where(ReviewBatch.id == batch_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    batch = session.scalar(query)
    if batch is None:
        raise BatchNotFound
    listed = session.scalars(
        select(ReviewBatchItem)
        .where(ReviewBatchItem.batch_id == batch.id)
        .order_by(ReviewBatchItem.assertion_id)
    ).all()
    recordings = {item.recording_id for item in listed if item.must_be_opened}
    opened: set[UUID] = set()
    if actor.id is not None:
        opened = queries.opened_by(session, actor.id, recordings, since=batch.made_at)
    return BatchState(batch=batch, items=tuple(listed), opened=frozenset(opened))


def flips(
    session: Session, found: BatchState, verdict: BatchVerdict, *, at: datetime
) -> list[Flip]:
    """Return what the verdict would change: the flag, and what may be done with each recording.

    It supposes that the verdict is enough, as it is where one person's suffices.
    """
    listed = {item.assertion_id for item in found.items}
    changed = []
    for recording_id in sorted({item.recording_id for item in found.items}):
        case = decisions.case_file(session, recording_id, at=at)
        supposed = replace(
            case,
            assertions=tuple(
                _supposed(a, verdict) if a.id in listed else a for a in case.assertions
            ),
        )
        changed += _differences(recording_id, case, supposed, at=at)
    return changed


def _supposed(a: Asserted, verdict: BatchVerdict) -> Asserted:
    return replace(a, status=_FOLLOWS[verdict]) if a.status == Status.PROPOSED else a


def _differences(
    recording_id: UUID, case: CaseFile, supposed: CaseFile, *, at: datetime
) -> list[Flip]:
    pairs = [("flag", states.flag_of(case, at=at), states.flag_of(supposed, at=at))]
    for purpose, recipient in _ASKED:
        question = _question(case, purpose, recipient)
        before: Outcome = rules.decide(case, question, at=at).outcome
        after: Outcome = rules.decide(supposed, question, at=at).outcome
        pairs.append((f"{purpose}:{recipient}", str(before), str(after)))
    return [
        Flip(recording_id=recording_id, what=what, before=before, after=after)
        for what, before, after in pairs
        if before != after
    ]


def _question(case: CaseFile, purpose: Purpose, recipient: RecipientClass) -> Question:
    """Return the question of whoever might ask: a verified recipient of the client's own firm."""
    is_client = recipient == RecipientClass.CLIENT_SAME_ENTITY
    return Question(
        purpose=purpose,
        recipient=Recipient(
            recipient_class=recipient,
            client_id=case.client_id if is_client else None,
            verified=is_client,
        ),
        requested_by=_NOBODY,
    )


_NOBODY = UUID(int=0)


def decide(
    session: Session,
    actor: Actor,
    batch_id: UUID,
    *,
    verdict: BatchVerdict,
    reason: str | None,
    at: datetime,
) -> BatchOutcome:
    """Give one verdict on every piece of a batch: an entry for each, and one for the batch.

    A piece that was settled meanwhile, or that this person may not decide on, is passed over and
    told of.

    Raises:
        BatchNotFound, BatchSettled: as they say.
        BatchNotOpened: `missing` names what this person has not opened since the list was frozen.
        ReasonMissing: a rejection needs a reason.
    """
    found = state(session, actor, batch_id, lock=True)
    identity.must_be_here(session, actor)
    if found.batch.decided_at is not None:
        raise BatchSettled
    if found.missing:
        raise BatchNotOpened(
            f"{len(found.missing)} to open.",
            missing=sorted(set(map(str, found.missing))),
            to_open=len(found.missing),
        )
    if verdict == BatchVerdict.REJECT and not (reason or "").strip():
        raise consent.ReasonMissing
    settled, skipped = 0, []
    for item in found.items:
        try:
            with session.begin_nested():
                row = consent.decide(
                    session,
                    actor,
                    item.assertion_id,
                    Verdict(verdict),
                    reason=reason,
                    at=at,
                    in_batch=True,
                )
        except Refusal as exc:
            skipped.append(Skipped(assertion_id=item.assertion_id, why=exc.slug))
            continue
        settled += row.status == _FOLLOWS[verdict]
    batch = found.batch
    batch.verdict, batch.reason = verdict, reason
    batch.decided_by, batch.decided_at = consent.person(actor), at
    session.flush()
    waiting = len(found.items) - settled - len(skipped)
    ledger.append(
        session,
        actor,
        Act.BATCH_DECIDED,
        ("batch", batch.id),
        at=at,
        facts={
            "verdict": str(verdict),
            "digest": batch.digest.hex(),
            "settled": settled,
            "waiting": waiting,
            "skipped": len(skipped),
        },
        detail={"reason": reason} if reason else None,
    )
    return BatchOutcome(settled=settled, waiting_for_second=waiting, skipped=tuple(skipped))


def undo(
    session: Session, actor: Actor, batch_id: UUID, *, reason: str, at: datetime
) -> BatchOutcome:
    """Take back what a batch has settled, by new events on each piece and one on the batch.

    What was verified needs a second person and an approver, as every invalidation does: the batch
    counts as undone with the first; `waiting_for_second` says how many wait for the second.

    Raises:
        BatchNotFound, BatchNotDecided, BatchSettled: as they say.
    """
    found = state(session, actor, batch_id, lock=True)
    batch = found.batch
    identity.must_be_here(session, actor)
    if batch.decided_at is None:
        raise BatchNotDecided
    if batch.undone_at is not None and batch.verdict == BatchVerdict.REJECT:
        raise BatchSettled
    settled, waiting, skipped = 0, 0, []
    for item in found.items:
        try:
            with session.begin_nested():
                row = service.undo(session, actor, item.assertion_id, reason=reason, at=at)
        except (Conflict, Forbidden, NotFound, Invalid) as exc:
            skipped.append(Skipped(assertion_id=item.assertion_id, why=exc.slug))
            continue
        waiting += row.status == Status.VERIFIED
        settled += row.status != Status.VERIFIED
    if batch.undone_at is None:
        batch.undone_by, batch.undone_at = consent.person(actor), at
    session.flush()
    ledger.append(
        session,
        actor,
        Act.BATCH_UNDONE,
        ("batch", batch.id),
        at=at,
        facts={"settled": settled, "waiting": waiting, "skipped": len(skipped)},
        detail={"reason": reason},
    )
    return BatchOutcome(settled=settled, waiting_for_second=waiting, skipped=tuple(skipped))
