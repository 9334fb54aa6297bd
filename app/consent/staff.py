"""Our own employees: the house's rule on recording, and who has acknowledged it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.consent import evidence, papers, review
from app.consent.models import Assertion
from app.consent.purposes import STRENGTH, Kind, Status
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.documents import queries as documents
from app.documents.models import Acknowledgement, Document, DocumentRole, LocalAct
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import User


class LocalActNotFound(NotFound):
    """There is no such version of a local act."""


class LocalActKnown(Conflict):
    """The version of the act is kept already; a change is a further version."""


class LocalActUnfit(Invalid):
    """The document of a local act is one that was uploaded as such."""


class LocalActNotInForce(Conflict):
    """The act is not in force yet."""


class NotHeardHere(Conflict):
    """You are known to no telephone, so that no recording could be of you.

    An administrator gives a person his agent reference.
    """


class AcknowledgedAlready(Conflict):
    """You have acknowledged this version already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActTold:
    """A version of a local act as it is given."""

    number: str
    version: str
    title: str
    document_id: UUID
    valid_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an employee who is heard stands to the act in force. `status` is that of the evidence."""

    user_id: UUID
    agent: str
    act_number: str | None
    act_version: str | None
    status: str
    since: datetime | None


def add_act(session: Session, actor: Actor, told: ActTold, *, at: datetime) -> LocalAct:
    """Keep a version of the house's rule on recording.

    Raises:
        LocalActUnfit: its document is not kept, or not as a local act.
        LocalActKnown: the version is there already.
    """
    identity.must_be_here(session, actor)
    document = session.get(Document, told.document_id)
    if document is None or document.erased_at or document.role != DocumentRole.LOCAL_ACT:
        raise LocalActUnfit
    row = LocalAct(
        id=new_id(),
        number=told.number,
        version=told.version,
        title=told.title,
        document_id=told.document_id,
        valid_from=told.valid_from,
        created_by=review.person(actor),
        created_at=at,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as exc:
        raise LocalActKnown from exc
    ledger.append(
        session,
        actor,
        Act.LOCAL_ACT_ADDED,
        ("local_act", row.id),
        at=at,
        facts={"document_id": str(document.id)},
        detail={"number": row.number, "version": row.version, "title": row.title},
        content=document.sha256,
    )
    return row


def acts(session: Session) -> list[LocalAct]:
    """Return every version of every act, the latest in force first."""
    query = select(LocalAct).order_by(LocalAct.valid_from.desc(), LocalAct.id.desc())
    return list(session.scalars(query))


def in_force(session: Session, *, at: datetime) -> LocalAct | None:
    """Return the act that employees acknowledge now."""
    return next((act for act in acts(session) if act.valid_from <= at), None)


def acknowledge(
    session: Session, actor: Actor, number: str, version: str, *, at: datetime
) -> Assertion:
    """Write down that the actor acknowledges an act; another person verifies it.

    The entry of the log is the evidence: who was logged in, which version, when.

    Raises:
        LocalActNotFound, LocalActNotInForce, NotHeardHere, AcknowledgedAlready: as they say.
    """
    identity.must_be_here(session, actor)
    user = session.get_one(User, review.person(actor))
    act = session.scalar(
        select(LocalAct).where(LocalAct.number == number, LocalAct.version == version)
    )
    if act is None:
        raise LocalActNotFound
    if act.valid_from > at:
        raise LocalActNotInForce
    if user.agent_ref is None:
        raise NotHeardHere
    row = Acknowledgement(id=new_id(), act_id=act.id, user_id=user.id, agent=user.agent_ref, at=at)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as exc:
        raise AcknowledgedAlready from exc
    ledger.append(
        session,
        actor,
        Act.ACT_ACKNOWLEDGED,
        ("local_act", act.id),
        at=at,
        facts={"acknowledgement_id": str(row.id)},
    )
    return _assert(session, actor, user, act, row, at=at)


def _assert(
    session: Session,
    actor: Actor,
    user: User,
    act: LocalAct,
    entry: Acknowledgement,
    *,
    at: datetime,
) -> Assertion:
    document = session.get_one(Document, act.document_id)
    told: dict[str, Any] = {
        "act_number": act.number,
        "act_version": act.version,
        "employee": entry.agent,
        "signed_on": at.date().isoformat(),
        "log": {"acknowledgement_id": str(entry.id), "at": at.isoformat()},
        "document_id": str(document.id),
        "document_sha256": document.sha256.hex(),
    }
    evidence.require(Kind.EMPLOYEE_ACK, told, from_ms=0)
    papers.must_be_kept(session, Kind.EMPLOYEE_ACK, told, agent=entry.agent)
    row = Assertion(
        id=new_id(),
        kind=Kind.EMPLOYEE_ACK,
        strength=STRENGTH[Kind.EMPLOYEE_ACK],
        agent=entry.agent,
        from_ms=0,
        valid_from=at,
        purposes=[],
        recipients=[],
        evidence=told,
        evidence_sha256=evidence.digest(told),
        proposed_by=user.id,
        proposed_at=at,
        status=Status.PROPOSED,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.ASSERTION_PROPOSED,
        ("assertion", row.id),
        at=at,
        facts={"assertion_id": str(row.id), "kind": row.kind, "status": row.status},
        detail={"evidence_sha256": row.evidence_sha256.hex()},
    )
    enqueue(session, Job(task=review.REFRESH_FLAGS, args={"assertion_id": str(row.id)}))
    return row


def standings(session: Session, *, at: datetime) -> list[Standing]:
    """Return of everybody who can be heard how he stands to the act in force.

    `verified`, `proposed` and `none` are of this version; `earlier` is a verified acknowledgement
    of another one.
    """
    act = in_force(session, at=at)
    people = session.execute(
        select(User.id, User.agent_ref)
        .where(User.agent_ref.is_not(None), User.disabled_at.is_(None))
        .order_by(User.agent_ref)
    ).all()
    said = session.scalars(
        select(Assertion)
        .where(Assertion.kind == Kind.EMPLOYEE_ACK, Assertion.agent.is_not(None))
        .order_by(Assertion.proposed_at, Assertion.id)
    ).all()
    by_agent: dict[str, list[Assertion]] = {}
    for one in said:
        by_agent.setdefault(str(one.agent), []).append(one)
    return [
        _standing(user_id, agent, act, by_agent.get(agent, []))
        for user_id, agent in people
        if agent is not None
    ]


def _standing(user_id: UUID, agent: str, act: LocalAct | None, said: list[Assertion]) -> Standing:
    named = (act.number, act.version) if act else None
    of_act = [
        one
        for one in said
        if (one.evidence.get("act_number"), one.evidence.get("act_version")) == named
    ]
    verified = next((one for one in reversed(of_act) if one.status == Status.VERIFIED), None)
    proposed = next((one for one in reversed(of_act) if one.status == Status.PROPOSED), None)
    earlier = next((one for one in reversed(said) if one.status == Status.VERIFIED), None)
    status, found = "none", None
    for word, one in (("verified", verified), ("proposed", proposed), ("earlier", earlier)):
        if one is not None:
            status, found = word, one
            break
    return Standing(
        user_id=user_id,
        agent=agent,
        act_number=act.number if act else None,
        act_version=act.version if act else None,
        status=status,
        since=found.valid_from if found else None,
    )


def document_of(session: Session, act_id: UUID) -> UUID:
    """Return the document of an act, which every employee may read.

    Raises:
        LocalActNotFound: there is no such act.
    """
    act = session.get(LocalAct, act_id)
    if act is None or documents.document(session, act.document_id) is None:
        raise LocalActNotFound
    return act.document_id
