"""Appraisals: a form filled for a call that was heard, and what the agent says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from app.clients.queries import lock_name
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.identity.models import User
from app.identity.permissions import Permission, Role
from app.learning import forms
from app.learning.models import Appraisal, AppraisalReply, Calibration, CallForm
from app.learning.refusals import (
    AlreadyReplied,
    AnswersDiffer,
    AppraisalNotFound,
    AppraisalOfAnother,
    AppraisalReplaced,
    CalibrationClosed,
    CalibrationFilled,
    CalibrationNotFound,
    CallUnheard,
    OwnCall,
    ReplyOfAnother,
)
from app.learning.rules import Answer, score
from app.recordings import queries as recordings
from app.recordings import service as seen
from app.recordings.models import Party, Recording
from app.recordings.service import RecordingNotFound
from app.review import queries as review


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What somebody answers: by key of each question the answer, and a note where he wrote one."""

    form_id: UUID
    answers: Mapping[str, Answer]
    notes: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    calibration_id: UUID | None = None
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An appraisal with its form, who wrote it, what was replied, and which has replaced it."""

    appraisal: Appraisal
    form: CallForm
    by: str
    called_at: datetime
    reply: AppraisalReply | None
    replaced_by: UUID | None


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of the appraisals that `actor` may read.

    What is filled for a calibration is read by who filled it; by others of those who appraise once
    it is closed, and never by the agent.
    """
    if Permission.LEARNING_READ not in actor.permissions:
        return false()
    closed = select(Calibration.id).where(Calibration.closed_at.is_not(None))
    told = Appraisal.calibration_id.is_(None)
    if actor.role is Role.AGENT:
        about = Appraisal.agent == actor.agent_ref if actor.agent_ref else false()
        return and_(told, about)
    return and_(
        or_(told, Appraisal.made_by == actor.id, Appraisal.calibration_id.in_(closed)),
        recordings.visible_to(actor),
    )


def fill(
    session: Session, actor: Actor, recording_id: UUID, filled: Filled, *, at: datetime
) -> Appraisal:
    """Appraise a call, or put another appraisal in the place of one's own.

    Raises:
        RecordingNotFound: there is none that `actor` may see, or it was erased.
        FormNotFound: there is no such form, or it is not offered.
        AnswersDiffer: the answers are not to its questions.
        OwnCall: he is heard in it.
        CallUnheard: he has not listened to it.
        CalibrationNotFound, CalibrationClosed, CalibrationFilled: it is not open to him.
        AppraisalNotFound, AppraisalOfAnother, AppraisalReplaced: it cannot take the place of it.
    """
    found = seen.find(session, actor, recording_id)
    if found.erased_at is not None or actor.id is None:
        raise RecordingNotFound
    before = _replaced(session, actor, recording_id, filled)
    form = _form_of(session, recording_id, filled, before)
    questions = forms.questions_of(form)
    known = {one.key for one in questions}
    if known != filled.answers.keys() or filled.notes.keys() - known:
        raise AnswersDiffer(
            missing=sorted(known - filled.answers.keys()),
            unknown=sorted((filled.answers.keys() | filled.notes.keys()) - known),
        )
    must_not_be_heard(session, actor, found)
    if not review.opened_by(session, actor.id, [recording_id], since=found.started_at):
        raise CallUnheard
    counted = score(questions, filled.answers, pass_percent=form.pass_percent)
    row = Appraisal(
        id=new_id(),
        recording_id=recording_id,
        agent=found.agent,
        form_id=form.id,
        form_version=form.version,
        calibration_id=filled.calibration_id,
        answers=_answers(filled),
        note=filled.note,
        percent=counted.percent,
        failed=list(counted.failed),
        is_passed=counted.is_passed,
        made_by=actor.id,
        made_at=at,
        replaces=filled.replaces,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as exc:
        raise CalibrationFilled from exc
    ledger.append(
        session,
        actor,
        Act.CALL_APPRAISED,
        ("recording", recording_id),
        at=at,
        facts={
            "appraisal_id": str(row.id),
            "form_id": str(form.id),
            "form_version": form.version,
            "calibration_id": str(filled.calibration_id) if filled.calibration_id else None,
            "replaces": str(filled.replaces) if filled.replaces else None,
        },
        detail={"percent": row.percent, "answers": row.answers, "note": row.note},
    )
    return row


def _answers(filled: Filled) -> dict[str, Any]:
    return {
        key: {"answer": str(answer)}
        | ({"note": filled.notes[key]} if filled.notes.get(key) else {})
        for key, answer in filled.answers.items()
    }


def _replaced(
    session: Session, actor: Actor, recording_id: UUID, filled: Filled
) -> Appraisal | None:
    """Return the appraisal in whose place another is put, by one at a time."""
    if filled.replaces is None:
        return None
    lock_name(session, "appraisal", str(filled.replaces))
    told = find(session, actor, filled.replaces)
    row = told.appraisal
    if (row.recording_id, row.form_id, row.calibration_id) != (
        recording_id,
        filled.form_id,
        filled.calibration_id,
    ):
        raise AppraisalNotFound
    if row.made_by != actor.id:
        raise AppraisalOfAnother
    if row.replaced_at is not None:
        raise AppraisalReplaced(by=str(told.replaced_by) if told.replaced_by else None)
    return row


def _form_of(
    session: Session, recording_id: UUID, filled: Filled, before: Appraisal | None
) -> CallForm:
    """Return the version that is filled.

    That of what is replaced, or of the calibration, else the one that is offered.
    """
    if filled.calibration_id is None and before is not None:
        return forms.version_of(session, before.form_id, before.form_version)
    if filled.calibration_id is None:
        return forms.offered(session, filled.form_id)
    found = session.scalar(
        select(Calibration).where(Calibration.id == filled.calibration_id).with_for_update()
    )
    if found is None or found.recording_id != recording_id or found.form_id != filled.form_id:
        raise CalibrationNotFound
    if found.closed_at is not None:
        raise CalibrationClosed
    return forms.version_of(session, found.form_id, found.form_version)


def must_not_be_heard(session: Session, actor: Actor, recording: Recording) -> None:
    """Refuse who is heard in the call.

    Raises:
        OwnCall: he is.
    """
    own = actor.agent_ref is not None and recording.agent == actor.agent_ref
    named = Party.agent == actor.agent_ref if actor.agent_ref else false()
    is_there = select(Party.id).where(Party.recording_id == recording.id, named)
    if own or session.scalar(select(is_there.exists())):
        raise OwnCall


def find(session: Session, actor: Actor, appraisal_id: UUID) -> Told:
    """Return an appraisal.

    Raises:
        AppraisalNotFound: there is none that `actor` may read.
    """
    found = _told(session, actor, Appraisal.id == appraisal_id, limit=1)
    if not found:
        raise AppraisalNotFound
    return found[0]


def of_recording(session: Session, actor: Actor, recording_id: UUID) -> Sequence[Told]:
    """Return the appraisals of a call that `actor` may read, the newest first."""
    return _told(session, actor, Appraisal.recording_id == recording_id, limit=50)


def of_agent(session: Session, actor: Actor, agent: str, *, limit: int) -> Sequence[Told]:
    """Return what was said of an agent's calls, the newest first.

    No calibrations, and nothing that was replaced.
    """
    about = and_(
        Appraisal.agent == agent,
        Appraisal.calibration_id.is_(None),
        Appraisal.replaced_at.is_(None),
    )
    return _told(session, actor, about, limit=limit)


def _told(
    session: Session, actor: Actor, condition: ColumnElement[bool], *, limit: int
) -> list[Told]:
    later = aliased(Appraisal)
    rows = session.execute(
        select(Appraisal, CallForm, User.full_name, Recording.started_at, AppraisalReply, later.id)
        .join(
            CallForm,
            and_(CallForm.id == Appraisal.form_id, CallForm.version == Appraisal.form_version),
        )
        .join(User, User.id == Appraisal.made_by)
        .join(Recording, Recording.id == Appraisal.recording_id)
        .outerjoin(AppraisalReply, AppraisalReply.appraisal_id == Appraisal.id)
        .outerjoin(later, later.replaces == Appraisal.id)
        .where(visible_to(actor), condition)
        .order_by(Appraisal.made_at.desc(), Appraisal.id.desc())
        .limit(limit)
    )
    return [
        Told(
            appraisal=row, form=form, by=by, called_at=called_at, reply=reply, replaced_by=replaced
        )
        for row, form, by, called_at, reply, replaced in rows
    ]


def reply(
    session: Session, actor: Actor, appraisal_id: UUID, *, words: str | None, at: datetime
) -> AppraisalReply:
    """Let the agent say that he has read his appraisal, and what he thinks of it.

    Raises:
        AppraisalNotFound: there is none that `actor` may read.
        ReplyOfAnother: it is about somebody else.
        AlreadyReplied: he has said so already.
        AppraisalReplaced: another has taken its place.
    """
    found = find(session, actor, appraisal_id)
    if actor.agent_ref is None or found.appraisal.agent != actor.agent_ref or actor.id is None:
        raise ReplyOfAnother
    if found.reply is not None:
        raise AlreadyReplied
    if found.replaced_by is not None:
        raise AppraisalReplaced(by=str(found.replaced_by))
    row = AppraisalReply(appraisal_id=appraisal_id, by=actor.id, at=at, words=words)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as exc:
        raise AlreadyReplied from exc
    ledger.append(
        session,
        actor,
        Act.APPRAISAL_ANSWERED,
        ("recording", found.appraisal.recording_id),
        at=at,
        facts={"appraisal_id": str(appraisal_id)},
        detail={"words": words} if words else None,
    )
    return row
