"""The JSON routes of the work on a dispute: moves, plans, steps, statements, requests, hours."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.ids import DisputeId
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from app.core.problems import problems
from app.disputes import asking, hours, queries, reading, service, settling, statements, steps
from app.disputes.models import DocumentRequest
from app.disputes.refusals import (
    ClauseUnknown,
    ConductCleared,
    ConductInQuestion,
    ConductUnknown,
    DisputeContactUnknown,
    DisputePersonUnknown,
    HoursReplaced,
    HoursUnknown,
    MoveLacks,
    MoveNotAllowed,
    RequestCannot,
    RequestDocumentUnknown,
    RequestNotFound,
    StepNotFound,
    StepSettled,
    StepsIncomplete,
)
from app.disputes.routes import GUARDED, NAMING, PLANNING, CanRead, CanWrite, read
from app.disputes.schemas import DisputeRead
from app.disputes.service import DisputeClosed, DisputeNotFound, ExhibitNotFound, PersonNeeded
from app.disputes.statements import Told
from app.disputes.work_schemas import (
    Answer,
    Basis,
    Because,
    Complaint,
    ConductRead,
    ConductTold,
    Finding,
    HistoryPage,
    HistoryRead,
    HoursRead,
    HoursTold,
    JudgedTold,
    Lesson,
    LinkMade,
    LinkTold,
    MoveTold,
    OrderTold,
    OutcomeTold,
    PlanTold,
    RateRead,
    RateTold,
    ReceivedTold,
    ReminderRead,
    RequestRead,
    RequestTold,
    ResultTold,
    StatementRead,
    StepPlanTold,
    StepRead,
    StepTold,
    Verdict,
    conduct_read,
    hours_read,
    request_read,
)
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.identity.service import NoLongerHere

router = APIRouter(prefix="/v1", tags=["disputes"])

CanMove = Annotated[Actor, Depends(Requires(Permission.DISPUTE_MOVE))]
WRITING = (*GUARDED, PersonNeeded, DisputeNotFound, DisputeClosed)
STATING = problems(*WRITING, *NAMING)
DECIDING = problems(*WRITING, *NAMING, DisputePersonUnknown, ConductInQuestion)
STEPPING = problems(*WRITING, StepNotFound, StepSettled)
_Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


@router.post(
    "/disputes/{dispute_id}/moves",
    responses=problems(
        *GUARDED,
        PersonNeeded,
        NoLongerHere,
        DisputeNotFound,
        MoveNotAllowed,
        MoveLacks,
        ConductInQuestion,
    ),
)
def move_dispute(
    dispute_id: UUID, body: MoveTold, actor: CanMove, session: SessionDep, clock: ClockDep
) -> DisputeRead:
    """Move a dispute to another state; who may, and what must be there, is a fixed table."""
    settling.move(session, actor, dispute_id, body.to, reason=body.reason, at=clock.now())
    return _read(session, actor, dispute_id)


@router.post("/disputes/{dispute_id}/plan", responses=problems(*WRITING, *PLANNING))
def plan_dispute(
    dispute_id: UUID, body: PlanTold, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> DisputeRead:
    """Give a dispute another owner, promised time, period or event."""
    settling.plan(session, actor, dispute_id, body.plan(), at=clock.now())
    return _read(session, actor, dispute_id)


@router.post(
    "/disputes/{dispute_id}/conducts",
    status_code=201,
    responses=problems(*WRITING, DisputePersonUnknown),
)
def question_conduct(
    dispute_id: UUID, body: ConductTold, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> ConductRead:
    """Say whose conduct is in question; he decides and approves nothing of it."""
    row = settling.question_conduct(
        session, actor, dispute_id, user_id=body.user_id, agent=body.agent, at=clock.now()
    )
    return conduct_read(row)


@router.post(
    "/disputes/{dispute_id}/conducts/{conduct_id}/clear",
    responses=problems(*WRITING, ConductUnknown, ConductCleared, ConductInQuestion),
)
def clear_conduct(
    dispute_id: UUID,
    conduct_id: UUID,
    body: Because,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> ConductRead:
    """Say that it is not in question any more; by somebody else."""
    row = settling.clear_conduct(
        session, actor, dispute_id, conduct_id, reason=body.reason, at=clock.now()
    )
    return conduct_read(row)


@router.post(
    "/disputes/{dispute_id}/steps",
    status_code=201,
    responses=problems(*WRITING, DisputePersonUnknown),
)
def add_step(
    dispute_id: UUID, body: StepTold, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> StepRead:
    """Add a step of one's own to the checklist."""
    return StepRead.of(
        steps.add(session, actor, dispute_id, title=body.title, wanted=body.plan(), at=clock.now())
    )


@router.post("/disputes/{dispute_id}/steps/order", responses=problems(*WRITING, StepsIncomplete))
def order_steps(
    dispute_id: UUID, body: OrderTold, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> list[StepRead]:
    """Put the steps into another order, with a reason."""
    found = steps.reorder(
        session, actor, dispute_id, body.steps, reason=body.reason, at=clock.now()
    )
    return [StepRead.of(one) for one in found]


@router.post(
    "/disputes/{dispute_id}/steps/{step_id}/plan",
    responses=problems(*WRITING, StepNotFound, DisputePersonUnknown),
)
def plan_step(
    dispute_id: UUID,
    step_id: UUID,
    body: StepPlanTold,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> StepRead:
    """Give a step an owner and a promised time."""
    return StepRead.of(steps.plan(session, actor, dispute_id, step_id, body.plan(), at=clock.now()))


@router.post("/disputes/{dispute_id}/steps/{step_id}/done", responses=STEPPING)
def finish_step(
    dispute_id: UUID,
    step_id: UUID,
    body: ResultTold,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> StepRead:
    """Write down what came of a step."""
    return StepRead.of(
        steps.finish(session, actor, dispute_id, step_id, result=body.result, at=clock.now())
    )


@router.post("/disputes/{dispute_id}/steps/{step_id}/skip", responses=STEPPING)
def skip_step(
    dispute_id: UUID,
    step_id: UUID,
    body: Because,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> StepRead:
    """Leave a step out, with a reason."""
    return StepRead.of(
        steps.skip(session, actor, dispute_id, step_id, reason=body.reason, at=clock.now())
    )


@router.post("/disputes/{dispute_id}/steps/{step_id}/again", responses=STEPPING)
def take_step_up(
    dispute_id: UUID,
    step_id: UUID,
    body: Because,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> StepRead:
    """Do a step once more that was done or skipped."""
    return StepRead.of(
        steps.take_up(session, actor, dispute_id, step_id, reason=body.reason, at=clock.now())
    )


@router.post("/disputes/{dispute_id}/complaints", status_code=201, responses=STATING)
def add_complaint(
    dispute_id: UUID, body: Complaint, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> StatementRead:
    """Write down who complained, when, by which way and in which words."""
    return _state(session, actor, dispute_id, body.told(), clock)


@router.post(
    "/disputes/{dispute_id}/findings",
    status_code=201,
    responses=problems(*WRITING, *NAMING, ExhibitNotFound),
)
def add_finding(
    dispute_id: UUID, body: Finding, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> StatementRead:
    """Write down what was found."""
    return _state(session, actor, dispute_id, body.told(), clock)


@router.post("/disputes/{dispute_id}/verdicts", status_code=201, responses=DECIDING)
def add_verdict(
    dispute_id: UUID, body: Verdict, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> StatementRead:
    """Write down a named specialist's verdict; `no_problem` is one."""
    return _state(session, actor, dispute_id, body.told(), clock)


@router.post(
    "/disputes/{dispute_id}/bases",
    status_code=201,
    responses=problems(*WRITING, *NAMING, ClauseUnknown),
)
def add_basis(
    dispute_id: UUID, body: Basis, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> StatementRead:
    """Write down by which clause of the client's contract the hours are charged, or are not."""
    return _state(session, actor, dispute_id, body.told(), clock)


@router.post("/disputes/{dispute_id}/answers", status_code=201, responses=STATING)
def add_answer(
    dispute_id: UUID, body: Answer, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> StatementRead:
    """Write down what the client answered."""
    return _state(session, actor, dispute_id, body.told(), clock)


@router.post("/disputes/{dispute_id}/outcomes", status_code=201, responses=DECIDING)
def add_outcome(
    dispute_id: UUID, body: OutcomeTold, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> StatementRead:
    """Write down how the dispute ended."""
    return _state(session, actor, dispute_id, body.told(), clock)


@router.post("/disputes/{dispute_id}/lessons", status_code=201, responses=STATING)
def add_lesson(
    dispute_id: UUID, body: Lesson, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> StatementRead:
    """Write down what is learnt, or who is thanked."""
    return _state(session, actor, dispute_id, body.told(), clock)


@router.post(
    "/disputes/{dispute_id}/requests",
    status_code=201,
    responses=problems(*WRITING, DisputeContactUnknown),
)
def ask_for_documents(
    dispute_id: UUID, body: RequestTold, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> RequestRead:
    """Write down what exactly the client is asked for, and by when."""
    row = asking.ask(
        session,
        actor,
        dispute_id,
        asked=body.asked,
        contact_id=body.contact_id,
        due_at=body.due_at,
        at=clock.now(),
    )
    return _request(session, actor, row)


@router.post(
    "/disputes/{dispute_id}/requests/{request_id}/link",
    status_code=201,
    responses=problems(*WRITING, RequestNotFound, RequestCannot),
)
def open_request_link(  # noqa: PLR0913, PLR0917 - what the framework injects.
    dispute_id: UUID,
    request_id: UUID,
    request: Request,
    body: LinkTold,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> LinkMade:
    """Make the token of a link for uploading, told this once; an earlier one ends.

    Where whom was asked has an address, the link goes there by mail too.
    """
    at = clock.now()
    row, token = asking.open_link(
        session, actor, dispute_id, request_id, expires_at=at + timedelta(days=body.days), at=at
    )
    public = str(request.app.state.public_url).rstrip("/")
    asking.mail_link(session, row, f"{public}/r/{token}", at=at)
    return LinkMade(request=_request(session, actor, row), token=token)


@router.post(
    "/disputes/{dispute_id}/requests/{request_id}/received",
    responses=problems(*WRITING, RequestNotFound, RequestCannot, RequestDocumentUnknown),
)
def receive_documents(
    dispute_id: UUID,
    request_id: UUID,
    body: ReceivedTold,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> RequestRead:
    """Write down which documents came for a request."""
    row = asking.receive(
        session, actor, dispute_id, request_id, tuple(body.document_ids), at=clock.now()
    )
    return _request(session, actor, row)


@router.post(
    "/disputes/{dispute_id}/requests/{request_id}/check",
    responses=problems(*WRITING, RequestNotFound, RequestCannot),
)
def check_documents(
    dispute_id: UUID,
    request_id: UUID,
    body: JudgedTold,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> RequestRead:
    """Say of what came that it is valid, that it is asked for again, or that we give up."""
    row = asking.judge(
        session,
        actor,
        dispute_id,
        request_id,
        body.state,
        words=body.words,
        due_at=body.due_at,
        at=clock.now(),
    )
    return _request(session, actor, row)


@router.post(
    "/disputes/{dispute_id}/hours",
    status_code=201,
    responses=problems(*WRITING, DisputePersonUnknown, HoursUnknown, HoursReplaced),
)
def note_hours(
    dispute_id: UUID, body: HoursTold, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> HoursRead:
    """Write down time that the dispute cost, at the rate of that day."""
    return hours_read(hours.note(session, actor, dispute_id, body.worked(), at=clock.now()))


@router.get("/disputes/{dispute_id}/history", responses=problems(*GUARDED, DisputeNotFound))
def get_history(
    dispute_id: UUID,
    _actor: CanRead,
    session: SessionDep,
    after: Annotated[int, Query(ge=0, le=(1 << 63) - 1)] = 0,
    limit: _Limit = DEFAULT_LIMIT,
) -> HistoryPage:
    """Tell what each changed row was and became, the oldest first."""
    service.get(session, DisputeId(dispute_id))
    found = queries.history(session, dispute_id, after=after, limit=limit)
    return HistoryPage(
        items=[
            HistoryRead.model_validate({n: getattr(row, n) for n in HistoryRead.model_fields})
            for row in found
        ],
        next_after=found[-1].id if len(found) == limit else None,
    )


@router.get("/dispute-reminders", responses=problems(*GUARDED))
def list_reminders(
    actor: CanRead,
    session: SessionDep,
    mine: bool = True,  # noqa: FBT001, FBT002 - a word of the address.
    limit: _Limit = DEFAULT_LIMIT,
) -> list[ReminderRead]:
    """List deadlines that are near or over, of open disputes: one's own, or all."""
    found = queries.reminders(session, actor, person_id=actor.id if mine else None, limit=limit)
    return [
        ReminderRead.model_validate({n: getattr(row, n) for n in ReminderRead.model_fields})
        for row in found
    ]


@router.get("/work-rates", responses=problems(*GUARDED))
def list_rates(_actor: CanRead, session: SessionDep) -> list[RateRead]:
    """List what an hour of each role costs, and from when on."""
    return [
        RateRead.model_validate({n: getattr(row, n) for n in RateRead.model_fields})
        for row in queries.rates(session)
    ]


@router.post("/work-rates", status_code=201, responses=problems(*GUARDED, PersonNeeded))
def set_rate(body: RateTold, actor: CanWrite, session: SessionDep, clock: ClockDep) -> RateRead:
    """Say what an hour of a role costs from a day on; noted hours keep the rate they had."""
    row = hours.set_rate(
        session,
        actor,
        role=body.role,
        hour_minor=body.hour_minor,
        currency=body.currency,
        valid_from=body.valid_from,
        at=clock.now(),
    )
    return RateRead.model_validate({n: getattr(row, n) for n in RateRead.model_fields})


def _read(session: Session, actor: Actor, dispute_id: UUID) -> DisputeRead:
    return read(reading.whole(session, actor, DisputeId(dispute_id)))


def _state(
    session: Session, actor: Actor, dispute_id: UUID, told: Told, clock: ClockDep
) -> StatementRead:
    return StatementRead.of(statements.state(session, actor, dispute_id, told, at=clock.now()))


def _request(session: Session, actor: Actor, row: DocumentRequest) -> RequestRead:
    return request_read(
        row,
        queries.documents_of(session, [row.id]).get(row.id, ()),
        queries.uploads_of(session, [row.id]).get(row.id, ()),
        withheld=queries.withheld(session, actor, row.dispute_id),
    )
