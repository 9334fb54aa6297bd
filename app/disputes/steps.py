"""The checklist of a dispute: owners, promised times, results, and why steps were left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import queries, rules, service
from app.disputes.models import Dispute, DisputeStep
from app.disputes.refusals import StepNotFound, StepSettled, StepsIncomplete
from app.disputes.rules import StepKind, StepState
from app.disputes.service import person
from app.identity.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """Who does a step and by when; None leaves it as it is."""

    owner_id: UUID | None = None
    due_at: datetime | None = None


def add(
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    *,
    title: str,
    wanted: StepPlan,
    at: datetime,
) -> DisputeStep:
    """Add a step of one's own at the end of the checklist.

    Raises:
        DisputeNotFound, DisputeClosed: there is no such open dispute.
        DisputePersonUnknown: no such person works here.
    """
    dispute = service.locked(session, dispute_id)
    places = [one.position for one in queries.steps(session, dispute.id)]
    row = DisputeStep(
        id=new_id(),
        dispute_id=dispute.id,
        kind=StepKind.OTHER,
        title=title,
        position=max(places, default=-1) + 1,
        state=StepState.TODO,
        changed_by=person(actor),
        changed_at=at,
    )
    _apply(session, row, wanted)
    session.add(row)
    return _written(session, actor, row, "added", at=at, detail={"title": title})


def plan(
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    step_id: UUID,
    wanted: StepPlan,
    *,
    at: datetime,
) -> DisputeStep:
    """Give a step an owner and a promised time.

    Raises:
        StepNotFound: there is none.
        DisputePersonUnknown: no such person works here.
    """
    row = _step(session, dispute_id, step_id)
    _apply(session, row, wanted)
    return _changed(session, actor, row, "planned", at=at)


def finish(
    session: Session, actor: Actor, dispute_id: UUID, step_id: UUID, *, result: str, at: datetime
) -> DisputeStep:
    """Write down what came of a step.

    Raises:
        StepSettled: it is done or skipped already.
    """
    row = _in_state(_step(session, dispute_id, step_id), StepState.TODO)
    row.state, row.result, row.reason = StepState.DONE, result, None
    return _changed(session, actor, row, "done", at=at, detail={"result": result})


def skip(
    session: Session, actor: Actor, dispute_id: UUID, step_id: UUID, *, reason: str, at: datetime
) -> DisputeStep:
    """Leave a step out, and say why.

    Raises:
        StepSettled: it is done or skipped already.
    """
    row = _in_state(_step(session, dispute_id, step_id), StepState.TODO)
    row.state, row.reason = StepState.SKIPPED, reason
    return _changed(session, actor, row, "skipped", at=at, detail={"reason": reason})


def take_up(
    session: Session, actor: Actor, dispute_id: UUID, step_id: UUID, *, reason: str, at: datetime
) -> DisputeStep:
    """Do a step once more that was done or skipped; what it was stays in the history.

    Raises:
        StepSettled: it is still to be done.
    """
    row = _in_state(_step(session, dispute_id, step_id), StepState.DONE, StepState.SKIPPED)
    row.state, row.result, row.reason = StepState.TODO, None, reason
    return _changed(session, actor, row, "taken_up", at=at, detail={"reason": reason})


def reorder(
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    order: Sequence[UUID],
    *,
    reason: str,
    at: datetime,
) -> Sequence[DisputeStep]:
    """Put the steps into another order, and say why.

    Raises:
        StepsIncomplete: it does not name each step once.
    """
    dispute = service.locked(session, dispute_id)
    known = {one.id: one for one in queries.steps(session, dispute.id)}
    if not rules.is_same_set(order, known):
        raise StepsIncomplete
    mover = person(actor)
    for place, step_id in enumerate(order):
        row = known[step_id]
        if row.position != place:
            row.position, row.changed_by, row.changed_at = place, mover, at
            row.reason = reason if row.state == StepState.TODO else row.reason
    session.flush()
    ledger.append(
        session,
        actor,
        Act.DISPUTE_STEP,
        ("dispute", dispute.id),
        at=at,
        facts={"how": "reordered", "steps": len(order)},
        detail={"reason": reason, "order": [str(one) for one in order]},
    )
    return queries.steps(session, dispute.id)


def _step(session: Session, dispute_id: UUID, step_id: UUID) -> DisputeStep:
    dispute: Dispute = service.locked(session, dispute_id)
    row = session.get(DisputeStep, step_id)
    if row is None or row.dispute_id != dispute.id:
        raise StepNotFound
    return row


def _in_state(row: DisputeStep, *states: StepState) -> DisputeStep:
    if row.state not in states:
        raise StepSettled(state=row.state)
    return row


def _apply(session: Session, row: DisputeStep, wanted: StepPlan) -> None:
    if wanted.owner_id is not None:
        service.must_work_here(session, wanted.owner_id)
        row.owner_id = wanted.owner_id
    row.due_at = wanted.due_at or row.due_at


def _changed(
    session: Session,
    actor: Actor,
    row: DisputeStep,
    how: str,
    *,
    at: datetime,
    detail: dict[str, object] | None = None,
) -> DisputeStep:
    row.changed_by, row.changed_at = person(actor), at
    return _written(session, actor, row, how, at=at, detail=detail)


def _written(
    session: Session,
    actor: Actor,
    row: DisputeStep,
    how: str,
    *,
    at: datetime,
    detail: dict[str, object] | None,
) -> DisputeStep:
    session.flush()
    ledger.append(
        session,
        actor,
        Act.DISPUTE_STEP,
        ("dispute", row.dispute_id),
        at=at,
        facts={"step_id": str(row.id), "step": row.kind, "how": how},
        detail=detail,
    )
    return row
