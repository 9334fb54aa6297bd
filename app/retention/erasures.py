"""Asking for an erasure, agreeing to it, denying it; and the one call that destroys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, select, text
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Forbidden, Gone, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act, Outcome
from app.custody.models import CustodyEntry, CustodyPrivate
from app.disputes.models import ClientUpload, DisputeStatement
from app.disputes.service import person
from app.documents.models import Document
from app.fixity import service as fixity
from app.identity import service as identity
from app.identity.actor import Actor
from app.recordings.models import Party, Recording, Screenshot, SealedRow
from app.releases.models import LinkAnswer, ReleaseBundle, ReleaseItem, ShareLink
from app.retention import holds, keeping, queries, subjects
from app.retention.models import (
    Erasure,
    ErasureApproval,
    ErasureState,
    Ground,
    RetentionNotice,
)
from app.retention.rules import ACTS_KEPT_YEARS, Because, Kind, Period, end_of
from app.retention.rules import Outcome as Says
from app.retention.subjects import Kept, Subject

PURGE = "retention.purge"
CHECK = "retention.check"
CHECK_AFTER = timedelta(minutes=1)
_SYSTEM = Actor.system("retention")
# What was told or written of what is erased, by the name under which it is missed.
_WORDS = {
    "event": text(
        """
        SELECT EXISTS (
            SELECT FROM events e WHERE e.origin <> 'sent' AND e.subject <> '-' AND e.id IN (
            SELECT r.event_id FROM recordings r WHERE r.id = :asked
            UNION SELECT l.event_id FROM link_changes l WHERE l.recording_id = :asked))
        """
    ),
    "call": text(
        """
        SELECT EXISTS (
            SELECT FROM known_calls c JOIN recordings r ON r.id = :asked
            WHERE (c.recording_id = r.id OR c.call_id = r.source_call_id
                   OR c.linked_id = r.source_call_id)
              AND is_call_of_erased(c.recording_id, c.call_id, c.linked_id, c.part_of)
              AND (num_nonnulls(c.from_party, c.to_party, c.outside_number, c.line, c.agent) > 0
                   OR EXISTS (SELECT FROM known_call_versions v
                              WHERE v.known_call_id = c.id AND v.told <> '{}')))
        """
    ),
    "told": text(
        """
        SELECT EXISTS (
            SELECT FROM call_events e JOIN recordings r ON r.id = :asked
            WHERE e.id IN (SELECT t.id FROM told_of(:asked) t)
              AND is_call_of_erased(r.id, e.call_id, NULL, NULL)
              AND e.received_at <= r.erased_at AND (e.number IS NOT NULL OR e.told <> '{}'))
        """
    ),
    "told in the ledger": text(
        """
        SELECT EXISTS (
            SELECT FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id
            WHERE e.at <= :at
              AND ((e.object_kind = 'call_event'
                    AND e.object_id IN (SELECT t.id FROM told_of(:asked) t))
                   OR (e.object_kind = 'call_gap' AND e.object_id IN (
                        SELECT g.id FROM call_gaps g
                        LEFT JOIN known_calls c ON c.id = g.known_call_id
                        WHERE :asked IN (g.recording_id, c.recording_id)))))
        """
    ),
    "reason": text(
        """
        SELECT EXISTS (SELECT FROM link_changes l WHERE :asked IN (l.recording_id, l.screenshot_id)
                       AND l.at <= :at AND l.reason IS NOT NULL)
            OR EXISTS (SELECT FROM assertion_votes v JOIN assertions a ON a.id = v.assertion_id
                       WHERE a.recording_id = :asked AND v.at <= :at AND v.reason IS NOT NULL)
            OR EXISTS (SELECT FROM retention_reviews w
                       WHERE :asked IN (w.recording_id, w.screenshot_id, w.document_id,
                                        w.upload_id, w.answer_id)
                       AND w.at <= :at AND w.note <> '')
            OR EXISTS (SELECT FROM restrictions k
                       WHERE :asked IN (k.recording_id, k.screenshot_id, k.document_id,
                                        k.upload_id, k.answer_id)
                       AND k.set_at <= :at AND k.reason <> '-')
        """
    ),
    "told to a dispute": text(
        """
        SELECT EXISTS (
            SELECT FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id
            WHERE e.object_kind = 'dispute' AND e.at <= :at
              AND ((e.facts ->> 'upload_id' = CAST(:asked AS text)
                    AND EXISTS (SELECT FROM dispute_uploads u WHERE u.id = :asked))
                   OR e.facts ->> 'statement_id' IN (
                        SELECT CAST(s.id AS text) FROM statements_of(:asked) s)))
        """
    ),
    "basis": text(
        """
        SELECT EXISTS (
            SELECT FROM consent_decisions d JOIN decision_bases b ON b.sha256 = d.inputs_digest
            WHERE :asked IN (d.recording_id, d.screenshot_id) AND d.at <= :at
              AND b.sha256 IN (SELECT o.sha256 FROM bases_of(:asked) o))
        """
    ),
}


class ErasureNotFound(NotFound):
    """There is no such erasure."""


class ErasureHindered(Conflict):
    """Something stronger keeps it.

    `because` and `until` say what and how long, `held` names the holds.
    """


class ErasureStands(Conflict):
    """An erasure of it was asked for already; `erasure_id` is it."""


class ErasureOver(Conflict):
    """The erasure was denied or executed."""


class ErasureRequesterApproves(Forbidden):
    """Who asked for the erasure does not agree to it."""


class AlreadyErased(Gone):
    """It was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who wants what erased, why, and how we know that he is who he says."""

    ground: Ground
    reason: str
    subject: str | None = None
    identity_basis: str | None = None


def state_of(row: Erasure, *, agreed: int) -> ErasureState:
    """Return how far an erasure has come."""
    if row.denied_at is not None:
        return ErasureState.DENIED
    if row.alarm is not None and row.verified_at is None:
        return ErasureState.ALARM
    if row.verified_at is not None:
        return ErasureState.VERIFIED
    if row.executed_at is not None:
        return ErasureState.EXECUTED
    return ErasureState.APPROVED if agreed >= row.approvals_needed else ErasureState.REQUESTED


def request(
    session: Session,
    actor: Actor,
    subject: Subject,
    asked: Asked,
    *,
    zone: ZoneInfo,
    at: datetime,
) -> Erasure:
    """Ask for an erasure. One that a hold or a law hinders is denied at once, with the reason.

    Raises:
        AlreadyErased: it is erased.
        ErasureStands: it was asked for.
    """
    explained = keeping.explain(session, subject, zone=zone, at=at)
    if explained.kept.erased_at is not None:
        raise AlreadyErased
    standing = queries.open_erasure(session, subject)
    if standing is not None:
        raise ErasureStands(erasure_id=str(standing.id))
    row = Erasure(
        id=new_id(),
        ground=asked.ground,
        subject=asked.subject,
        reason=asked.reason,
        identity_basis=asked.identity_basis,
        approvals_needed=1,
        requested_by=person(actor),
        requested_at=at,
        **subject.named,
    )
    row.approvals_needed = _needed(explained, at=at)
    session.add(row)
    session.flush()
    detail = {"reason": asked.reason, "subject": asked.subject, "basis": asked.identity_basis}
    _told(session, actor, Act.ERASURE_REQUESTED, row, at=at, detail=detail)
    said = keeping.explain(session, subject, zone=zone, at=at)
    keeping.mark(session, said, at=at)
    if said.verdict.outcome is not Says.ERASE:
        _deny(session, _SYSTEM, row, _why(said), at=at)
    return row


def approve(
    session: Session, actor: Actor, erasure_id: UUID, *, zone: ZoneInfo, at: datetime
) -> Erasure:
    """Agree to an erasure; with the last approval that is needed it is carried out.

    Raises:
        ErasureNotFound: there is none.
        ErasureOver: it was denied or executed.
        ErasureRequesterApproves: the actor asked for it.
        ErasureHindered: something keeps it by now.
        ProofNeeded: he acts from a browser, and gave neither password nor code lately.
    """
    identity.must_be_here(session, actor)
    through = actor.proved(at=at)
    row = _open(session, erasure_id)
    approver = person(actor)
    if approver == row.requested_by:
        raise ErasureRequesterApproves
    _must_be_free(session, row, zone=zone, at=at)
    known = queries.approvals(session, erasure_id)
    if approver not in {one.approver_id for one in known}:
        session.add(
            ErasureApproval(
                erasure_id=row.id, approver_id=approver, approver_role=str(actor.role), at=at
            )
        )
        session.flush()
        _told(session, actor, Act.ERASURE_APPROVED, row, at=at, through=through)
    if len(queries.approvals(session, erasure_id)) >= row.approvals_needed:
        enqueue(session, Job(task=PURGE, args={"erasure_id": str(row.id)}, lock=str(row.id)))
    return row


def deny(session: Session, actor: Actor, erasure_id: UUID, *, reason: str, at: datetime) -> Erasure:
    """Turn an erasure down, with the reason that the person is told.

    Raises:
        ErasureNotFound: there is none.
        ErasureOver: it was denied or executed.
    """
    identity.must_be_here(session, actor)
    row = _open(session, erasure_id)
    _deny(session, actor, row, reason, at=at)
    return row


def begin_due(session: Session, notice: RetentionNotice, *, at: datetime) -> Erasure:
    """Begin the erasure that was announced; nobody need agree to it any more."""
    row = Erasure(
        id=new_id(),
        ground=Ground.RETENTION,
        reason=None,
        approvals_needed=0,
        notice_id=notice.id,
        requested_at=at,
        **subjects.of(notice).named,
    )
    session.add(row)
    session.flush()
    _told(session, _SYSTEM, Act.ERASURE_REQUESTED, row, at=at)
    enqueue(session, Job(task=PURGE, args={"erasure_id": str(row.id)}, lock=str(row.id)))
    return row


def demo_of(session: Session, actor: Actor, subject: Subject, *, at: datetime) -> Erasure:
    """Return the erasure of a recording that is demo data, begun if it was not.

    Nobody need agree to it: the database looks for itself whether it is demo data. One that
    somebody asked for otherwise is denied first.
    """
    standing = queries.open_erasure(session, subject)
    if standing is not None and standing.ground == Ground.DEMO:
        return standing
    if standing is not None:
        _deny(session, _SYSTEM, standing, "it goes with the demo data", at=at)
    row = Erasure(
        id=new_id(),
        ground=Ground.DEMO,
        reason=None,
        approvals_needed=0,
        requested_by=actor.id if actor.kind == "user" else None,
        requested_at=at,
        **subject.named,
    )
    session.add(row)
    session.flush()
    _told(session, actor, Act.ERASURE_REQUESTED, row, at=at)
    return row


def ready(session: Session, erasure_id: UUID, *, zone: ZoneInfo, at: datetime) -> Erasure | None:
    """Return the erasure if it may be carried out, or was; None: it may not any more.

    Raises:
        ErasureNotFound: there is none.
    """
    row = queries.erasure(session, erasure_id)
    if row is None:
        raise ErasureNotFound
    if row.executed_at is not None:
        return row
    if row.denied_at is not None:
        return None
    try:
        _must_be_free(session, row, zone=zone, at=at)
    except ErasureHindered as exc:
        _deny(session, _SYSTEM, row, str(exc), at=at)
        return None
    return row


def execute(session: Session, row: Erasure, *, zone: ZoneInfo, at: datetime) -> None:
    """Destroy keys, salts, persons and links of what is erased, in this transaction.

    The database looks once more for itself whether that was approved and is hindered by nothing.
    """
    is_first = session.scalar(text("SELECT execute_erasure(:asked)"), {"asked": row.id})
    if not is_first:
        return
    objects = len(queries.objects_of(session, row.id))
    _told(session, _SYSTEM, Act.ERASURE_EXECUTED, row, at=at, objects=objects)
    subject = subjects.of(row)
    facts: dict[str, str | int | bool | None] = {"erasure_id": str(row.id), "objects": objects}
    ledger.append(session, _SYSTEM, Act.ERASURE_EXECUTED, subject.about, at=at, facts=facts)
    if subject.kind in {Kind.RECORDING, Kind.SCREENSHOT}:
        enqueue(session, Job(task="releases.reconsider", args=dict(subject.told)))
    _let_go_with(session, row, subject, zone=zone, at=at)


def _let_go_with(
    session: Session, row: Erasure, subject: Subject, *, zone: ZoneInfo, at: datetime
) -> None:
    """Begin the erasure of what is about what was erased, of all that nothing keeps by itself.

    What other things rest on stays until people decide; so does what somebody asked for already.
    """
    for other in queries.going_with(session, subject.id):
        if queries.open_erasure(session, other) is not None:
            continue
        said = keeping.explain(session, other, zone=zone, at=at)
        if said.bounds.is_open or said.asked_for(at=at).outcome is not Says.ERASE:
            continue
        going = Erasure(
            id=new_id(),
            ground=Ground.DUTY if row.ground == Ground.RETENTION else row.ground,
            subject=row.subject,
            reason=row.reason,
            identity_basis=row.identity_basis,
            approvals_needed=0,
            with_id=row.id,
            requested_by=row.requested_by,
            requested_at=at,
            **other.named,
        )
        session.add(going)
        session.flush()
        _told(session, _SYSTEM, Act.ERASURE_REQUESTED, going, at=at, with_id=str(row.id))
        enqueue(session, Job(task=PURGE, args={"erasure_id": str(going.id)}, lock=str(going.id)))


def left_in_database(session: Session, subject: Subject) -> list[str]:
    """Return the names of what an erasure should have destroyed and is still there.

    It asks the tables anew, and believes nothing that the erasure wrote about itself.
    """
    found = holds.known(session, subject, or_erased=True)
    wanted = text("SELECT object_id FROM erasable_objects(:asked)")
    objects = session.scalars(wanted, {"asked": subject.id}).all()
    private = (
        select(CustodyPrivate)
        .join(CustodyEntry, CustodyEntry.id == CustodyPrivate.entry_id)
        .where(
            CustodyEntry.object_kind == subject.kind,
            CustodyEntry.object_id == subject.id,
            CustodyEntry.at <= found.erased_at,
        )
    )
    keys = select(SealedRow).where(
        SealedRow.object_id.in_(objects), SealedRow.wrapped_key.is_not(None)
    )
    seen = {
        "tombstone": found.erased_at is None,
        "number": isinstance(found, Recording)
        and bool(found.outside_number or found.from_party or found.to_party),
        "key": session.scalar(select(exists(keys))),
        **_shared(session, subject),
        "person": _has_person(session, found),
        "salt": session.scalar(select(exists(private))),
    }
    told = {"asked": subject.id, "at": found.erased_at}
    seen |= {name: session.scalar(query, told) for name, query in _WORDS.items()}
    return [name for name, is_there in seen.items() if is_there]


def _shared(session: Session, subject: Subject) -> dict[str, bool]:
    """Say what was handed over and is still there; nothing but sound and pictures is."""
    if subject.kind not in {Kind.RECORDING, Kind.SCREENSHOT}:
        return {}
    is_shared = subject.is_named_by(ReleaseItem)
    copies = select(ReleaseItem).where(is_shared, ReleaseItem.wrapped_key.is_not(None))
    links = (
        select(ShareLink)
        .join(ReleaseItem, ReleaseItem.release_id == ShareLink.release_id)
        .where(is_shared, ShareLink.revoked_at.is_(None))
    )
    bundles = (
        select(ReleaseBundle)
        .join(ReleaseItem, ReleaseItem.release_id == ReleaseBundle.release_id)
        .where(is_shared, ReleaseBundle.wrapped_key.is_not(None))
    )
    asked = {"bundle": bundles, "copy": copies, "link": links}
    return {name: bool(session.scalar(select(exists(query)))) for name, query in asked.items()}


def _has_person(session: Session, found: Kept) -> bool:
    if isinstance(found, Screenshot):
        return bool(found.agent or found.note or found.file_name)
    if isinstance(found, Document):
        return bool(found.agent or found.file_name or found.title != "-")
    if isinstance(found, ClientUpload):
        return bool(found.words or found.file_name)
    if isinstance(found, LinkAnswer):
        said = select(DisputeStatement).where(
            DisputeStatement.answer_id == found.id, DisputeStatement.words != "-"
        )
        return bool(found.words or found.name or session.scalar(select(exists(said))))
    parties = select(Party).where(
        Party.recording_id == found.id,
        func.num_nonnulls(Party.number, Party.agent, Party.contact_id) > 0,
    )
    return bool(session.scalar(select(exists(parties))))


def finish(
    session: Session, row: Erasure, found: list[str], *, is_locked: bool, at: datetime
) -> None:
    """Write down what the check has found: nothing, or what raises the alarm.

    While a lock of the store keeps bytes that no key opens, nothing is verified yet.
    """
    if found:
        row.alarm = ", ".join(found)
        session.flush()
        outcome = Outcome.FAILED
        _told(session, _SYSTEM, Act.ERASURE_FAILED, row, at=at, outcome=outcome, left=row.alarm)
        fixity.alarm(session, at=at)
        return
    row.alarm = None
    row.verified_at = None if is_locked else at
    session.flush()
    if is_locked:
        return
    _told(session, _SYSTEM, Act.ERASURE_VERIFIED, row, at=at)


def forget(session: Session, *, zone: ZoneInfo, at: datetime) -> int:
    """Forget who asked and why of what was erased three years ago; return of how many."""
    rows = session.scalars(
        select(Erasure).where(Erasure.executed_at.is_not(None), Erasure.forgotten_at.is_(None))
    ).all()
    over = [
        row
        for row in rows
        if row.executed_at and end_of(row.executed_at, Period(years=ACTS_KEPT_YEARS), zone) <= at
    ]
    for row in over:
        row.subject = row.reason = row.identity_basis = None
        row.forgotten_at = at
        session.flush()
        session.execute(text("SELECT forget_erasure(:asked)"), {"asked": row.id})
    return len(over)


def _needed(explained: keeping.Explained, *, at: datetime) -> int:
    policy = explained.bounds.policy_until
    return 2 if explained.bounds.is_open or (policy is not None and at < policy) else 1


def _must_be_free(session: Session, row: Erasure, *, zone: ZoneInfo, at: datetime) -> None:
    said = keeping.explain(session, subjects.of(row), zone=zone, at=at)
    if row.ground == Ground.DEMO and not said.holds:
        return  # Rules are made for what is real; what somebody holds stays.
    if said.verdict.outcome is not Says.ERASE:
        raise ErasureHindered(
            _why(said),
            because=said.verdict.because,
            until=said.verdict.until.isoformat() if said.verdict.until else None,
            held=holds.words(said.holds),
            matters=[row.matter for row in said.holds],
        )


def _why(said: keeping.Explained) -> str:
    if said.holds:
        return "; ".join(holds.words(said.holds))
    if said.verdict.because is Because.LAW:
        until = said.verdict.until
        return f"a law keeps it until {until.date().isoformat()}" if until else "a law keeps it"
    return f"{said.verdict.outcome} because of {said.verdict.because}"


def _open(session: Session, erasure_id: UUID) -> Erasure:
    row = queries.erasure(session, erasure_id)
    if row is None:
        raise ErasureNotFound
    if row.denied_at is not None or row.executed_at is not None:
        raise ErasureOver
    return row


def _deny(session: Session, actor: Actor, row: Erasure, why: str, *, at: datetime) -> None:
    row.denied_by = actor.id
    row.denied_at, row.denial = at, why
    session.flush()
    outcome = Outcome.DENIED
    _told(session, actor, Act.ERASURE_DENIED, row, at=at, outcome=outcome, detail={"why": why})


def _told(  # noqa: PLR0913 - an entry has these parts; all but four are named.
    session: Session,
    actor: Actor,
    act: Act,
    row: Erasure,
    *,
    at: datetime,
    outcome: Outcome = Outcome.SUCCESS,
    detail: Mapping[str, object] | None = None,
    **more: str | int | bool | None,
) -> None:
    facts = {**subjects.of(row).told, "ground": row.ground, **more}
    about = ("erasure", row.id)
    ledger.append(session, actor, act, about, at=at, outcome=outcome, facts=facts, detail=detail)
