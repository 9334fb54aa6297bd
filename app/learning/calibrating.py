"""Calibrations: several people appraise one call blind, then compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.identity.models import User
from app.learning import forms
from app.learning.models import Appraisal, Calibration, CallForm
from app.learning.refusals import CalibrationAlone, CalibrationClosed, CalibrationNotFound
from app.learning.rules import Answer, Kappa, Question, fleiss, pairs
from app.recordings import queries as recordings
from app.recordings import service as seen
from app.recordings.models import Recording
from app.recordings.service import RecordingNotFound

_FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A calibration: by which form, how many have filled it, and whether the asker has."""

    calibration: Calibration
    form: CallForm
    opened_by: str
    called_at: datetime
    filled: int
    has_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A question: each person's answer, the share of pairs that agree, and kappa over calls."""

    question: Question
    answers: tuple[tuple[str, Answer], ...]
    agreed: Fraction | None
    kappa: Kappa


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What several people made of one call; `calls` is over how many kappa was told."""

    scores: tuple[tuple[str, int | None, bool], ...]
    questions: tuple[Compared, ...]
    agreed: Fraction | None
    calls: int


def begin(
    session: Session, actor: Actor, recording_id: UUID, form_id: UUID, *, at: datetime
) -> Calibration:
    """Ask several people to appraise a call.

    Raises:
        RecordingNotFound: there is none that `actor` may see, or it was erased.
        FormNotFound: there is no such form, or it is not offered.
    """
    found = seen.find(session, actor, recording_id)
    if found.erased_at is not None or actor.id is None:
        raise RecordingNotFound
    form = forms.offered(session, form_id)
    row = Calibration(
        id=new_id(),
        recording_id=recording_id,
        form_id=form.id,
        form_version=form.version,
        opened_by=actor.id,
        opened_at=at,
    )
    session.add(row)
    session.flush()
    _told(session, actor, row, "calibration.opened", at=at)
    return row


def close(session: Session, actor: Actor, calibration_id: UUID, *, at: datetime) -> Calibration:
    """Close a calibration, so that those who filled it see each other's answers.

    Raises:
        CalibrationNotFound: there is none that `actor` may see.
        CalibrationClosed: it is.
        CalibrationAlone: fewer than two have filled it.
    """
    find(session, actor, calibration_id)
    row = session.scalars(
        select(Calibration)
        .where(Calibration.id == calibration_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if row.closed_at is not None:
        raise CalibrationClosed
    count = session.scalar(
        select(func.count()).where(
            Appraisal.calibration_id == calibration_id, Appraisal.replaced_at.is_(None)
        )
    )
    if (count or 0) < _FEWEST:
        raise CalibrationAlone
    row.closed_at, row.closed_by = at, actor.id
    _told(session, actor, row, "calibration.closed", at=at)
    return row


def _told(session: Session, actor: Actor, row: Calibration, change: str, *, at: datetime) -> None:
    ledger.append(
        session,
        actor,
        Act.CALIBRATION_CHANGED,
        ("recording", row.recording_id),
        at=at,
        facts={"change": change, "calibration_id": str(row.id)},
    )


def find(session: Session, actor: Actor, calibration_id: UUID) -> Summary:
    """Return a calibration.

    Raises:
        CalibrationNotFound: there is none that `actor` may see.
    """
    found = listed(session, actor, calibration_id=calibration_id)
    if not found:
        raise CalibrationNotFound
    return found[0]


def listed(
    session: Session, actor: Actor, *, calibration_id: UUID | None = None, limit: int = 50
) -> list[Summary]:
    """Return calibrations of calls that `actor` may see, the newest first."""
    filled = (
        select(func.count())
        .where(Appraisal.calibration_id == Calibration.id, Appraisal.replaced_at.is_(None))
        .correlate(Calibration)
        .scalar_subquery()
    )
    own = (
        select(func.count())
        .where(Appraisal.calibration_id == Calibration.id, Appraisal.made_by == actor.id)
        .correlate(Calibration)
        .scalar_subquery()
    )
    query = (
        select(Calibration, CallForm, User.full_name, Recording.started_at, filled, own)
        .join(
            CallForm,
            (CallForm.id == Calibration.form_id) & (CallForm.version == Calibration.form_version),
        )
        .join(User, User.id == Calibration.opened_by)
        .join(Recording, Recording.id == Calibration.recording_id)
        .where(recordings.visible_to(actor))
    )
    if calibration_id is not None:
        query = query.where(Calibration.id == calibration_id)
    rows = session.execute(
        query.order_by(Calibration.opened_at.desc(), Calibration.id.desc()).limit(limit)
    )
    return [
        Summary(
            calibration=row,
            form=form,
            opened_by=name,
            called_at=called_at,
            filled=count,
            has_own=bool(mine),
        )
        for row, form, name, called_at, count, mine in rows
    ]


def compared(session: Session, actor: Actor, summary: Summary) -> Comparison | None:
    """Compare what was answered; None while it is open, for nobody is to be led by another."""
    calibration = summary.calibration
    if calibration.closed_at is None:
        return None
    rows = session.execute(
        select(Appraisal, User.full_name)
        .join(User, User.id == Appraisal.made_by)
        .where(Appraisal.calibration_id == calibration.id, Appraisal.replaced_at.is_(None))
        .order_by(User.full_name, Appraisal.id)
    ).all()
    questions = forms.questions_of(summary.form)
    others = _answers(session, actor, summary.form)
    found = tuple(
        Compared(
            question=one,
            answers=tuple((name, _answer(row, one.key)) for row, name in rows),
            agreed=pairs([_answer(row, one.key) for row, _ in rows]),
            kappa=fleiss([call[one.key] for call in others]),
        )
        for one in questions
    )
    shares = [one.agreed for one in found if one.agreed is not None]
    return Comparison(
        scores=tuple((name, row.percent, row.is_passed) for row, name in rows),
        questions=found,
        agreed=sum(shares, Fraction(0)) / len(shares) if shares else None,
        calls=len(others),
    )


def _answers(session: Session, actor: Actor, form: CallForm) -> Sequence[dict[str, list[Answer]]]:
    """Return the answers of each closed calibration by this version of the form, call by call."""
    rows = session.scalars(
        select(Appraisal)
        .join(Calibration, Calibration.id == Appraisal.calibration_id)
        .join(Recording, Recording.id == Calibration.recording_id)
        .where(
            Calibration.form_id == form.id,
            Calibration.form_version == form.version,
            Calibration.closed_at.is_not(None),
            Appraisal.replaced_at.is_(None),
            recordings.visible_to(actor),
        )
        .order_by(Appraisal.made_at, Appraisal.id)
    )
    calls: defaultdict[UUID | None, defaultdict[str, list[Answer]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in rows:
        for key in row.answers:
            calls[row.calibration_id][key].append(_answer(row, key))
    return list(calls.values())


def _answer(row: Appraisal, key: str) -> Answer:
    return Answer(row.answers[key]["answer"])
