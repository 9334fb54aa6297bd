"""Moving disputes from state to state, planning them, and whose conduct is in question."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import queries, rules, service
from app.disputes.models import Dispute, DisputeConduct, DisputeMove
from app.disputes.refusals import (
    ConductCleared,
    ConductInQuestion,
    ConductUnknown,
    MoveLacks,
    MoveNotAllowed,
)
from app.disputes.rules import MoverRole, Need, State
from app.disputes.service import DisputeNotFound, Plan, person
from app.identity import service as identity
from app.identity.actor import Actor


def allowed(session: Session, actor: Actor, dispute: Dispute) -> tuple[State, ...]:
    """Return where `actor` may move a dispute from where it stands."""
    return tuple(move.to for move in _moves(session, actor, dispute))


def _moves(session: Session, actor: Actor, dispute: Dispute) -> tuple[rules.Move, ...]:
    if actor.kind != "user" or actor.id is None:
        return ()
    return rules.moves_for(
        State(dispute.state),
        actor.role,
        is_in_question=queries.is_in_question(session, dispute.id, actor.id),
    )


def move(
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    to: State,
    *,
    reason: str | None,
    at: datetime,
) -> Dispute:
    """Move a dispute to a state.

    Raises:
        DisputeNotFound: there is none.
        ConductInQuestion: it is the actor's conduct that is in question.
        MoveNotAllowed: the table does not let somebody of this role.
        MoveLacks: something must be there first.
    """
    mover = person(actor)
    identity.must_be_here(session, actor)
    dispute = queries.locked(session, dispute_id)
    if dispute is None:
        raise DisputeNotFound
    _must_not_be_in_question(session, dispute.id, mover)
    moves = _moves(session, actor, dispute)
    wanted = next((one for one in moves if one.to is to), None)
    if wanted is None or actor.role is None:
        raise MoveNotAllowed(state=dispute.state, allowed=[one.to for one in moves])
    has = queries.has(session, dispute.id) | ({Need.REASON} if reason else set())
    lacks = rules.missing(wanted, has=has)
    if lacks:
        raise MoveLacks(missing=sorted(lacks))
    row = DisputeMove(
        id=new_id(),
        dispute_id=dispute.id,
        from_state=dispute.state,
        to_state=to,
        role=MoverRole(actor.role),
        reason=reason,
        moved_by=mover,
        at=at,
    )
    session.add(row)
    session.flush()
    session.refresh(dispute)  # The database has moved it.
    ledger.append(
        session,
        actor,
        Act.DISPUTE_MOVED,
        ("dispute", dispute.id),
        at=at,
        facts={"from": row.from_state, "to": to},
        detail={"reason": reason} if reason else None,
    )
    return dispute


def plan(
    session: Session, actor: Actor, dispute_id: UUID, wanted: Plan, *, at: datetime
) -> Dispute:
    """Give a dispute another owner, promised time, period or event.

    Raises:
        DisputeNotFound, DisputeClosed: there is none to plan.
        DisputePersonUnknown, DisputeEventUnknown, PeriodInvalid: the plan cannot be.
    """
    dispute = service.locked(session, dispute_id)
    service.apply(session, dispute, wanted)
    dispute.changed_by, dispute.changed_at = person(actor), at
    session.flush()
    ledger.append(
        session,
        actor,
        Act.DISPUTE_CHANGED,
        ("dispute", dispute.id),
        at=at,
        facts={
            "owner_id": str(dispute.owner_id),
            "due_at": dispute.due_at.isoformat() if dispute.due_at else None,
        },
    )
    return dispute


def question_conduct(
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    *,
    user_id: UUID | None,
    agent: str | None,
    at: datetime,
) -> DisputeConduct:
    """Write down whose conduct is in question: he moves, decides and approves nothing of it.

    Raises:
        DisputeNotFound, DisputeClosed: there is no such open dispute.
        DisputePersonUnknown: no such person works here.
    """
    dispute = service.locked(session, dispute_id)
    if user_id is not None:
        agent = service.must_work_here(session, user_id).agent_ref or agent
    row = DisputeConduct(
        id=new_id(),
        dispute_id=dispute.id,
        user_id=user_id,
        agent=agent,
        noted_by=person(actor),
        at=at,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    _tell_conduct(session, actor, row, at=at, detail={"agent": row.agent})
    return row


def clear_conduct(
    session: Session,
    actor: Actor,
    dispute_id: UUID,
    conduct_id: UUID,
    *,
    reason: str,
    at: datetime,
) -> DisputeConduct:
    """Say that somebody's conduct is not in question; never by himself.

    Raises:
        ConductUnknown: there is none such in this dispute.
        ConductCleared: that was said already.
        ConductInQuestion: it is the actor's own.
    """
    dispute = service.locked(session, dispute_id)
    row = session.get(DisputeConduct, conduct_id)
    if row is None or row.dispute_id != dispute.id:
        raise ConductUnknown
    if row.cleared_at is not None:
        raise ConductCleared
    clearer = person(actor)
    _must_not_be_in_question(session, dispute.id, clearer)
    row.cleared_by, row.cleared_at, row.reason = clearer, at, reason
    session.flush()
    _tell_conduct(session, actor, row, at=at, detail={"reason": reason})
    return row


def must_decide(session: Session, dispute_id: UUID, *people: UUID | None) -> None:
    """Refuse a decision by those whose conduct is in question.

    Raises:
        ConductInQuestion: one of `people` is.
    """
    for one in people:
        if one is not None:
            _must_not_be_in_question(session, dispute_id, one)


def _must_not_be_in_question(session: Session, dispute_id: UUID, user_id: UUID) -> None:
    if queries.is_in_question(session, dispute_id, user_id):
        raise ConductInQuestion


def _tell_conduct(
    session: Session,
    actor: Actor,
    row: DisputeConduct,
    *,
    at: datetime,
    detail: dict[str, object],
) -> None:
    ledger.append(
        session,
        actor,
        Act.DISPUTE_CONDUCT,
        ("dispute", row.dispute_id),
        at=at,
        facts={
            "conduct_id": str(row.id),
            "user_id": str(row.user_id) if row.user_id else None,
            "is_cleared": row.cleared_at is not None,
        },
        detail=detail,
    )
