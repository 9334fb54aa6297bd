"""Finding disputes, clients by the name other systems use, and recordings to show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    column,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    table,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased, selectinload

from app.clients import queries as clients
from app.clients.models import Client, Contract, ContractClause, Event
from app.core.ids import new_id
from app.core.paging import Cursor
from app.disputes.models import (
    ClientUpload,
    Dispute,
    DisputeConduct,
    DisputeHistory,
    DisputeHours,
    DisputeMove,
    DisputeReminder,
    DisputeStatement,
    DisputeStep,
    DocumentRequest,
    Exhibit,
    ExhibitRemoval,
    RequestedDocument,
    WorkRate,
)
from app.disputes.rules import (
    WAITING,
    Need,
    State,
    StatementKind,
    StepKind,
    StepState,
    Urgency,
    WorkRole,
)
from app.identity.actor import Actor
from app.identity.agents import normalised
from app.identity.models import User
from app.identity.permissions import Permission
from app.recordings.models import Leg, Recording, Screenshot

# The room of releases stands above this one; of its tables these columns are read by their names.
RELEASES = table(
    "releases",
    column("id"),
    column("dispute_id"),
    column("client_id"),
    column("client_name"),
    column("purpose"),
    column("state"),
    column("requested_by"),
    column("requested_at"),
    column("granted_at"),
    column("revoked_at"),
)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of the disputes that `actor` may know of.

    All, or none; a manager, those with his offices' clients.
    """
    if actor.kind == "system":
        return true()
    if Permission.DISPUTE_READ not in actor.permissions:
        return false()
    if actor.offices is None:
        return _is_here()
    return Dispute.client_id.in_(select(Client.id).where(clients.visible_to(actor)))


def _is_here() -> ColumnElement[bool]:
    """Return the condition that a dispute is of no demo client that was removed."""
    return Dispute.client_id.not_in(clients.removed())


def is_seen(session: Session, actor: Actor, dispute_id: UUID) -> bool:
    """Say whether `actor` may know of a dispute."""
    found = select(Dispute.id).where(Dispute.id == dispute_id, visible_to(actor))
    return session.scalar(found) is not None


def is_exhibit_seen(session: Session, actor: Actor, exhibit_id: UUID) -> bool:
    """Say whether `actor` may know of an exhibit."""
    found = (
        select(Exhibit.id)
        .join(Dispute, Dispute.id == Exhibit.dispute_id)
        .where(Exhibit.id == exhibit_id, visible_to(actor))
    )
    return session.scalar(found) is not None


def dispute(session: Session, dispute_id: UUID) -> Dispute | None:
    """Return the dispute with its exhibits."""
    return session.scalars(
        select(Dispute).where(Dispute.id == dispute_id).options(selectinload(Dispute.exhibits))
    ).one_or_none()


def locked(session: Session, dispute_id: UUID) -> Dispute | None:
    """Return the dispute, locked until the transaction ends."""
    return session.scalars(
        select(Dispute).where(Dispute.id == dispute_id).with_for_update()
    ).one_or_none()


def event_of_client(session: Session, client_id: UUID, external_id: str) -> Event | None:
    """Return the client's event that other systems call `external_id`."""
    return session.scalars(
        select(Event).where(Event.client_id == client_id, Event.external_id == external_id)
    ).one_or_none()


def is_in_question(session: Session, dispute_id: UUID, user_id: UUID) -> bool:
    """Say whether somebody's conduct is in question in a dispute: the database's own answer."""
    return session.scalars(select(func.is_in_question(dispute_id, user_id))).one() is True


def client_named(session: Session, external_id: str) -> Client | None:
    """Return the client that other systems call `external_id`."""
    return session.scalars(select(Client).where(Client.external_id == external_id)).one_or_none()


def client_name(session: Session, client_id: UUID) -> str:
    """Return the name other systems use for a client."""
    return session.scalars(select(Client.external_id).where(Client.id == client_id)).one()


def recording(session: Session, recording_id: UUID) -> Recording | None:
    """Return a recording that still has its bytes."""
    return session.scalars(
        select(Recording).where(Recording.id == recording_id, Recording.erased_at.is_(None))
    ).one_or_none()


def screenshot(session: Session, screenshot_id: UUID) -> Screenshot | None:
    """Return a screenshot that still has its bytes."""
    return session.scalars(
        select(Screenshot).where(Screenshot.id == screenshot_id, Screenshot.erased_at.is_(None))
    ).one_or_none()


def channels(session: Session, recording_id: UUID) -> int:
    """Return how many channels a cut of a recording has: its legs, or those of its one leg."""
    found = session.scalars(select(Leg.channels).where(Leg.recording_id == recording_id)).all()
    if len(found) > 1:
        return len(found)
    return 1 if list(found) == [1] else 2


def replaced_by(session: Session, exhibit_id: UUID) -> UUID | None:
    """Return the exhibit that has taken the place of another."""
    return session.scalars(select(Exhibit.id).where(Exhibit.replaces == exhibit_id)).one_or_none()


def removed(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Return which of some exhibits were taken out of their dispute."""
    return set(
        session.scalars(select(ExhibitRemoval.exhibit_id).where(ExhibitRemoval.exhibit_id.in_(ids)))
    )


def lock_exhibit(session: Session, exhibit_id: UUID) -> None:
    """Let nobody else replace an exhibit in this moment; its dispute's row is the lock."""
    session.execute(
        select(Dispute.id)
        .join(Exhibit, Exhibit.dispute_id == Dispute.id)
        .where(Exhibit.id == exhibit_id)
        .with_for_update(of=Dispute)
    )


def steps(session: Session, dispute_id: UUID) -> Sequence[DisputeStep]:
    """Return the checklist of a dispute in its order."""
    return session.scalars(
        select(DisputeStep)
        .where(DisputeStep.dispute_id == dispute_id)
        .order_by(DisputeStep.position, DisputeStep.id)
    ).all()


def has(session: Session, dispute_id: UUID) -> set[Need]:
    """Return what is there of all that a state can ask for."""
    kinds = set(
        session.scalars(
            select(DisputeStatement.kind).where(DisputeStatement.dispute_id == dispute_id)
        )
    )
    found = {
        need
        for need, kind in (
            (Need.VERDICT, StatementKind.VERDICT),
            (Need.ANSWER, StatementKind.ANSWER),
            (Need.OUTCOME, StatementKind.OUTCOME),
        )
        if kind in kinds
    }
    waits = session.scalars(
        select(DisputeStep.id).where(
            DisputeStep.dispute_id == dispute_id,
            DisputeStep.kind == StepKind.FIRST_VALIDITY,
            DisputeStep.state == StepState.TODO,
        )
    ).first()
    return found if waits else found | {Need.FIRST_VALIDITY}


def statements(session: Session, dispute_id: UUID) -> Sequence[DisputeStatement]:
    """Return the statements that none has replaced, in the order they were written down."""
    return session.scalars(
        select(DisputeStatement)
        .where(DisputeStatement.dispute_id == dispute_id, ~is_replaced())
        .order_by(DisputeStatement.at, DisputeStatement.id)
    ).all()


def statement_replacing(session: Session, statement_id: UUID) -> UUID | None:
    """Return the statement that has taken the place of another."""
    return session.scalars(
        select(DisputeStatement.id).where(DisputeStatement.replaces == statement_id)
    ).one_or_none()


def is_replaced() -> ColumnElement[bool]:
    """Return the condition that another statement has taken the place of one."""
    newer = aliased(DisputeStatement)
    return select(newer.id).where(newer.replaces == DisputeStatement.id).exists()


def first_complaint(session: Session, dispute_id: UUID) -> datetime | None:
    """Return when somebody complained first."""
    return session.scalar(
        select(func.min(DisputeStatement.said_at)).where(
            DisputeStatement.dispute_id == dispute_id,
            DisputeStatement.kind == StatementKind.COMPLAINT,
        )
    )


def open_counts(session: Session, actor: Actor, client_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return by client how many disputes are not closed."""
    rows = session.execute(
        select(Dispute.client_id, func.count())
        .where(
            Dispute.client_id.in_(list(client_ids)),
            Dispute.state != State.CLOSED,
            visible_to(actor),
        )
        .group_by(Dispute.client_id)
    )
    return {row[0]: row[1] for row in rows}


def of_client(session: Session, actor: Actor, client_id: UUID, *, limit: int) -> Sequence[Dispute]:
    """Return the newest disputes with a client, with their exhibits."""
    return session.scalars(
        select(Dispute)
        .where(Dispute.client_id == client_id, visible_to(actor))
        .options(selectinload(Dispute.exhibits))
        .order_by(Dispute.opened_at.desc(), Dispute.id.desc())
        .limit(limit)
    ).all()


def exhibited_at(
    session: Session, exhibits: Sequence[Exhibit]
) -> dict[UUID, tuple[datetime, bool]]:
    """Return by exhibit when what it shows was recorded, and whether that was erased since."""
    heard = session.execute(
        select(Exhibit.id, Recording.started_at, Recording.erased_at)
        .join(Recording, Recording.id == Exhibit.recording_id)
        .where(Exhibit.id.in_([one.id for one in exhibits]))
    ).all()
    seen = session.execute(
        select(Exhibit.id, Screenshot.captured_at, Screenshot.erased_at)
        .join(Screenshot, Screenshot.id == Exhibit.screenshot_id)
        .where(Exhibit.id.in_([one.id for one in exhibits]))
    ).all()
    return {row[0]: (row[1], row[2] is not None) for row in (*heard, *seen)}


def contract_numbers(session: Session, ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Return the numbers of contracts by their ids."""
    wanted = {one for one in ids if one is not None}
    rows = session.execute(select(Contract.id, Contract.number).where(Contract.id.in_(wanted)))
    return {row.id: row.number for row in rows}


def clause(
    session: Session, client_id: UUID, *, number: str, clause_ref: str
) -> ContractClause | None:
    """Return a clause of a client's contract."""
    return session.scalars(
        select(ContractClause)
        .join(Contract, Contract.id == ContractClause.contract_id)
        .where(
            Contract.client_id == client_id,
            Contract.number == number,
            ContractClause.clause_ref == clause_ref,
        )
    ).one_or_none()


def moves(session: Session, dispute_id: UUID) -> Sequence[DisputeMove]:
    """Return how a dispute was moved, the oldest first."""
    return session.scalars(
        select(DisputeMove)
        .where(DisputeMove.dispute_id == dispute_id)
        .order_by(DisputeMove.at, DisputeMove.id)
    ).all()


def conducts(session: Session, dispute_id: UUID) -> Sequence[DisputeConduct]:
    """Return whose conduct is or was in question."""
    return session.scalars(
        select(DisputeConduct)
        .where(DisputeConduct.dispute_id == dispute_id)
        .order_by(DisputeConduct.at, DisputeConduct.id)
    ).all()


def requests(session: Session, dispute_id: UUID) -> Sequence[DocumentRequest]:
    """Return what the client was asked for, the oldest first."""
    return session.scalars(
        select(DocumentRequest)
        .where(DocumentRequest.dispute_id == dispute_id)
        .order_by(DocumentRequest.asked_at, DocumentRequest.id)
    ).all()


def documents_of(session: Session, request_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Return the documents that came, by request."""
    found: dict[UUID, list[UUID]] = {}
    for row in session.scalars(
        select(RequestedDocument)
        .where(RequestedDocument.request_id.in_(list(request_ids)))
        .order_by(RequestedDocument.at, RequestedDocument.document_id)
    ):
        found.setdefault(row.request_id, []).append(row.document_id)
    return found


def statement_of_answer(session: Session, answer_id: UUID) -> UUID | None:
    """Return the statement that an answer by a link became."""
    return session.scalars(
        select(DisputeStatement.id).where(DisputeStatement.answer_id == answer_id)
    ).one_or_none()


def uploads_of(session: Session, request_ids: Iterable[UUID]) -> dict[UUID, list[ClientUpload]]:
    """Return what clients sent by the links of requests, in the order that it came in."""
    found: dict[UUID, list[ClientUpload]] = {}
    for row in session.scalars(
        select(ClientUpload)
        .where(ClientUpload.request_id.in_(list(request_ids)))
        .order_by(ClientUpload.at, ClientUpload.id)
    ):
        found.setdefault(row.request_id, []).append(row)
    return found


_WITHHELD = text(
    """
    SELECT u.id FROM dispute_uploads u JOIN dispute_requests q ON q.id = u.request_id
    WHERE q.dispute_id = :dispute AND (u.restricted_at IS NOT NULL OR u.kept_only_by_hold)
    UNION ALL
    SELECT said.id FROM link_answers a JOIN releases r ON r.id = a.release_id
    CROSS JOIN LATERAL statements_of(a.id) said
    WHERE r.dispute_id = :dispute AND (a.restricted_at IS NOT NULL OR a.kept_only_by_hold)
    """
)


def withheld(session: Session, actor: Actor, dispute_id: UUID) -> frozenset[UUID]:
    """Return the statements and uploads of a dispute whose words are only kept.

    Who binds the house reads them: for claims, demands, access and review.
    """
    if Permission.HOLD_WRITE in actor.permissions:
        return frozenset()
    return frozenset(session.scalars(_WITHHELD, {"dispute": dispute_id}))


def upload_locked(session: Session, upload_id: UUID) -> ClientUpload | None:
    """Return an upload of a client, locked until the transaction is over."""
    return session.scalars(
        select(ClientUpload)
        .where(ClientUpload.id == upload_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def hours(session: Session, dispute_ids: Iterable[UUID]) -> Sequence[DisputeHours]:
    """Return the hours of disputes that none have replaced, by day."""
    newer = aliased(DisputeHours)
    return session.scalars(
        select(DisputeHours)
        .where(
            DisputeHours.dispute_id.in_(list(dispute_ids)),
            DisputeHours.minutes > 0,
            ~select(newer.id).where(newer.replaces == DisputeHours.id).exists(),
        )
        .order_by(DisputeHours.worked_on, DisputeHours.id)
    ).all()


def hours_replacing(session: Session, hours_id: UUID) -> UUID | None:
    """Return the hours that have taken the place of others."""
    return session.scalars(
        select(DisputeHours.id).where(DisputeHours.replaces == hours_id)
    ).one_or_none()


def rate(session: Session, role: WorkRole, on: date) -> WorkRate | None:
    """Return the rate of a role on a day: of those in force, what was said last."""
    return session.scalars(
        select(WorkRate)
        .where(WorkRate.role == role, WorkRate.valid_from <= on)
        .order_by(WorkRate.valid_from.desc(), WorkRate.at.desc(), WorkRate.id.desc())
        .limit(1)
    ).one_or_none()


def rates(session: Session) -> Sequence[WorkRate]:
    """Return all rates, by role and day."""
    return session.scalars(
        select(WorkRate).order_by(WorkRate.role, WorkRate.valid_from, WorkRate.at)
    ).all()


def releases_of(session: Session, dispute_id: UUID) -> Sequence[UUID]:
    """Return the releases that were made from a dispute, the oldest first."""
    return session.scalars(
        select(RELEASES.c.id)
        .where(RELEASES.c.dispute_id == dispute_id)
        .order_by(RELEASES.c.requested_at, RELEASES.c.id)
    ).all()


def names(session: Session, ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Return the full names of people who work here."""
    wanted = {one for one in ids if one is not None}
    rows = session.execute(select(User.id, User.full_name).where(User.id.in_(wanted)))
    return {row[0]: row[1] for row in rows}


def agents(session: Session, refs: Iterable[str | None]) -> dict[str, str]:
    """Return the names of those whom softphones and other systems call so, by their spelling."""
    wanted = {known for ref in refs if (known := normalised(ref)) is not None}
    rows = session.execute(select(User.agent_ref, User.full_name).where(User.agent_ref.in_(wanted)))
    return {ref: name for ref, name in rows if ref is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list of disputes is narrowed to; None is no condition.

    `overdue` is a moment: what has a deadline that was over by then. `since` and `until` are of
    the opening.
    """

    state: State | None = None
    client: str | None = None
    owner_id: UUID | None = None
    overdue: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None


def page(
    session: Session, actor: Actor, wanted: Wanted, *, after: Cursor | None, limit: int
) -> Sequence[tuple[Dispute, str, str, str]]:
    """Return disputes, the newest first, each with its client's id elsewhere, name and owner."""
    query = (
        select(Dispute, Client.external_id, Client.name, User.full_name)
        .join(Client, Client.id == Dispute.client_id)
        .join(User, User.id == Dispute.owner_id)
        .where(visible_to(actor), *_narrowed(wanted))
    )
    if after is not None:
        query = query.where(tuple_(Dispute.opened_at, Dispute.id) < (after.at, after.id))
    rows = session.execute(query.order_by(Dispute.opened_at.desc(), Dispute.id.desc()).limit(limit))
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def counts(session: Session, actor: Actor, wanted: Wanted) -> dict[State, int]:
    """Return how many disputes stand in each state, of those that are wanted."""
    rows = session.execute(
        select(Dispute.state, func.count())
        .join(Client, Client.id == Dispute.client_id)
        .where(visible_to(actor), *_narrowed(wanted))
        .group_by(Dispute.state)
    )
    seen: dict[str, int] = {row[0]: row[1] for row in rows}
    return {state: seen.get(state, 0) for state in State}


def _narrowed(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        found.append(Dispute.state == wanted.state)
    if wanted.client is not None:
        found.append(Client.external_id == wanted.client)
    if wanted.owner_id is not None:
        found.append(Dispute.owner_id == wanted.owner_id)
    if wanted.since is not None:
        found.append(Dispute.opened_at >= wanted.since)
    if wanted.until is not None:
        found.append(Dispute.opened_at < wanted.until)
    if wanted.overdue is not None:
        found.append(_overdue(wanted.overdue))
    if wanted.q is not None:
        found.append(_says(wanted.q))
    return found


def _overdue(at: datetime) -> ColumnElement[bool]:
    step = exists().where(
        DisputeStep.dispute_id == Dispute.id,
        DisputeStep.state == StepState.TODO,
        DisputeStep.due_at <= at,
    )
    request = exists().where(
        DocumentRequest.dispute_id == Dispute.id,
        DocumentRequest.state.in_(WAITING),
        DocumentRequest.due_at <= at,
    )
    return (Dispute.state != State.CLOSED) & or_(Dispute.due_at <= at, step, request)


def _says(q: str) -> ColumnElement[bool]:
    spoken = exists().where(
        DisputeStatement.dispute_id == Dispute.id,
        DisputeStatement.words.icontains(q, autoescape=True),
    )
    return or_(
        Dispute.subject.icontains(q, autoescape=True),
        Client.name.icontains(q, autoescape=True),
        spoken,
    )


def history(
    session: Session, dispute_id: UUID, *, after: int, limit: int
) -> Sequence[DisputeHistory]:
    """Return what was changed of a dispute, the oldest first."""
    return session.scalars(
        select(DisputeHistory)
        .where(DisputeHistory.dispute_id == dispute_id, DisputeHistory.id > after)
        .order_by(DisputeHistory.id)
        .limit(limit)
    ).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Something that was promised: a dispute, a step or a request, and who keeps the promise."""

    dispute_id: UUID
    subject_kind: str
    subject_id: UUID
    due_at: datetime
    person_id: UUID


def deadlines(session: Session, *, until: datetime) -> Sequence[Deadline]:
    """Return what was promised for before `until` in disputes that are not closed.

    A request is its dispute's owner's to pursue, and so is a step without an owner.
    """
    of_disputes = select(
        Dispute.id, literal("dispute"), Dispute.id, Dispute.due_at, Dispute.owner_id
    )
    of_steps = (
        select(
            Dispute.id,
            literal("step"),
            DisputeStep.id,
            DisputeStep.due_at,
            func.coalesce(DisputeStep.owner_id, Dispute.owner_id),
        )
        .join(Dispute, Dispute.id == DisputeStep.dispute_id)
        .where(DisputeStep.state == StepState.TODO)
    )
    of_requests = (
        select(
            Dispute.id,
            literal("request"),
            DocumentRequest.id,
            DocumentRequest.due_at,
            Dispute.owner_id,
        )
        .join(Dispute, Dispute.id == DocumentRequest.dispute_id)
        .where(DocumentRequest.state.in_(WAITING))
    )
    found: list[Deadline] = []
    for query, due_at in (
        (of_disputes, Dispute.due_at),
        (of_steps, DisputeStep.due_at),
        (of_requests, DocumentRequest.due_at),
    ):
        rows: Sequence[Any] = session.execute(
            query.where(due_at <= until, Dispute.state != State.CLOSED, _is_here())
        ).all()
        found += [
            Deadline(
                dispute_id=row[0],
                subject_kind=row[1],
                subject_id=row[2],
                due_at=row[3],
                person_id=row[4],
            )
            for row in rows
        ]
    return found


def add_reminder(session: Session, one: Deadline, urgency: Urgency, *, at: datetime) -> bool:
    """Note a deadline unless it was; return whether it is new."""
    added = session.execute(
        insert(DisputeReminder)
        .values(
            id=new_id(),
            dispute_id=one.dispute_id,
            subject_kind=one.subject_kind,
            subject_id=one.subject_id,
            urgency=urgency,
            due_at=one.due_at,
            person_id=one.person_id,
            noted_at=at,
        )
        .on_conflict_do_nothing()
        .returning(DisputeReminder.id)
    )
    return added.scalar_one_or_none() is not None


def untold_reminders(
    session: Session, *, noted_after: datetime, limit: int
) -> Sequence[DisputeReminder]:
    """Return new reminders of people with an address who were not told, and lock them."""
    return session.scalars(
        select(DisputeReminder)
        .join(User, User.id == DisputeReminder.person_id)
        .where(
            DisputeReminder.told_at.is_(None),
            DisputeReminder.noted_at > noted_after,
            User.email.is_not(None),
            User.disabled_at.is_(None),
        )
        .order_by(DisputeReminder.noted_at, DisputeReminder.id)
        .limit(limit)
        .with_for_update(of=DisputeReminder, skip_locked=True)
    ).all()


def reminders(
    session: Session, actor: Actor, *, person_id: UUID | None, limit: int
) -> Sequence[DisputeReminder]:
    """Return the newest reminders of open disputes that `actor` sees, of one person or of all."""
    query = (
        select(DisputeReminder)
        .join(Dispute, Dispute.id == DisputeReminder.dispute_id)
        .where(Dispute.state != State.CLOSED, visible_to(actor))
    )
    if person_id is not None:
        query = query.where(DisputeReminder.person_id == person_id)
    return session.scalars(
        query.order_by(DisputeReminder.noted_at.desc(), DisputeReminder.id.desc()).limit(limit)
    ).all()
