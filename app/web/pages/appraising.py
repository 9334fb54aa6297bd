"""Forms by which calls are appraised, filling one, and calibration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.errors import Malformed, Refusal
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.learning import appraising, calibrating, forms
from app.learning.appraising import Filled
from app.learning.calibrating import Comparison, Summary
from app.learning.forms import FormWords
from app.learning.models import Appraisal, CallForm
from app.learning.refusals import (
    AnswersDiffer,
    AppraisalReplaced,
    CalibrationAlone,
    CalibrationClosed,
    CalibrationFilled,
    CallUnheard,
    FormInvalid,
    OwnCall,
)
from app.learning.rules import MOST_QUESTIONS, MOST_WEIGHT, Answer, NoKappa, Question
from app.recordings import service as recordings
from app.web import edge, refusal_words
from app.web.edge import Fields, Form
from app.web.pages.learning import ANSWERS, Ways, ways_of
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.LEARNING_READ))]
CanWrite = Annotated[Actor, Depends(Requires(Permission.LEARNING_WRITE))]
CanLead = Annotated[Actor, Depends(Requires(Permission.LEARNING_LEAD))]

_SPARE_ROWS: Final = 5
_MOST_TEXT: Final = 500
_MOST_NOTE: Final = 4000
_PASS_PERCENT: Final = 80
_HUNDRED: Final = 100
_WHY_NO_KAPPA: Final = {
    NoKappa.FEW_CALLS: N_("too few calls"),
    NoKappa.UNEVEN: N_("not the same number of people for each call"),
    NoKappa.ONE_ANSWER: N_("everybody always gave the same answer"),
}


class WeightInvalid(FormInvalid):
    """A weight is a whole number from 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormsPage:
    """The forms, and one to be added."""

    title: str
    ways: Ways
    rows: tuple[CallForm, ...]
    may_publish: bool
    drafted: Drafted


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A form that is being written: its rows, and what is wrong with it."""

    name: str = ""
    pass_percent: str = str(_PASS_PERCENT)
    is_offered: bool = True
    rows: tuple[tuple[str, str, str, bool], ...] = ()
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPage:
    """A form in its newest version, and the next one to be written."""

    title: str
    form: CallForm
    questions: tuple[Question, ...]
    may_publish: bool
    drafted: Drafted


class FillAsked(BaseModel):
    """By which form a call is to be appraised, for which calibration, in the place of what."""

    form: UUID | None = None
    calibration: UUID | None = None
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillPage:
    """A form to be filled for a call."""

    title: str
    recording_id: UUID
    started_at: datetime
    agent: str
    form: CallForm | None
    questions: tuple[Question, ...]
    answers: tuple[tuple[str, str], ...]
    entered: dict[str, str]
    calibration_id: UUID | None
    replaces: UUID | None
    offered: tuple[tuple[str, str], ...]
    wrong: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationsPage:
    """Calibrations, the newest first."""

    title: str
    ways: Ways
    rows: tuple[Summary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question: what each person answered, and how far they agree."""

    text: str
    answers: tuple[str, ...]
    agreed: str
    kappa: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPage:
    """A calibration; the comparison once it is closed."""

    title: str
    found: Summary
    comparison: Comparison | None
    people: tuple[str, ...]
    rows: tuple[Row, ...]
    agreed: str
    may_close: bool
    wrong: str


# --- forms ---------------------------------------------------------------------------------------


@router.get("/learning/forms")
def list_forms(call: Request, actor: CanRead, session: SessionDep) -> Response:
    """Show the forms by which calls are appraised."""
    return _forms(call, actor, session, _blank())


def _forms(call: Request, actor: Actor, session: Session, drafted: Drafted) -> Response:
    words = edge.words_of(call, actor, session)
    page = FormsPage(
        title=words.gettext("Forms for appraising calls"),
        ways=ways_of(actor),
        rows=tuple(forms.listed(session)),
        may_publish=Permission.LEARNING_LEAD in actor.permissions,
        drafted=drafted,
    )
    status = 422 if drafted.wrong else 200
    return edge.render(
        call, actor, session, "learning/forms.html", page, words=words, status=status
    )


@router.post("/learning/forms")
def publish_form(
    call: Request, form: Form, actor: CanLead, session: SessionDep, clock: ClockDep
) -> Response:
    """Publish a new form."""
    try:
        row = forms.publish(session, actor, _words(form, None), at=clock.now())
    except FormInvalid as exc:
        words = edge.words_of(call, actor, session)
        return _forms(call, actor, session, _entered(form, refusal_words.said(exc, words)))
    return edge.see(f"/learning/forms/{row.id}")


@router.get("/learning/forms/{form_id}")
def show_form(call: Request, form_id: UUID, actor: CanRead, session: SessionDep) -> Response:
    """Show a form in its newest version."""
    return _form(call, actor, session, form_id, None)


def _form(
    call: Request, actor: Actor, session: Session, form_id: UUID, drafted: Drafted | None
) -> Response:
    words = edge.words_of(call, actor, session)
    row = forms.newest(session, form_id)
    questions = forms.questions_of(row)
    page = FormPage(
        title=row.name,
        form=row,
        questions=questions,
        may_publish=Permission.LEARNING_LEAD in actor.permissions,
        drafted=drafted or _drafted(row, questions),
    )
    status = 422 if page.drafted.wrong else 200
    return edge.render(call, actor, session, "learning/form.html", page, words=words, status=status)


@router.post("/learning/forms/{form_id}")
def publish_version(
    call: Request, form_id: UUID, form: Form, actor: CanLead, session: SessionDep, clock: ClockDep
) -> Response:
    """Publish a further version of a form."""
    try:
        forms.publish(session, actor, _words(form, form_id), at=clock.now())
    except FormInvalid as exc:
        words = edge.words_of(call, actor, session)
        return _form(call, actor, session, form_id, _entered(form, refusal_words.said(exc, words)))
    return edge.see(f"/learning/forms/{form_id}")


def _blank() -> Drafted:
    return Drafted(rows=(("", "", "1", False),) * _SPARE_ROWS)


def _drafted(row: CallForm, questions: tuple[Question, ...]) -> Drafted:
    rows = [(one.key, one.text, str(one.weight), one.is_critical) for one in questions]
    rows += [("", "", "1", False)] * min(_SPARE_ROWS, MOST_QUESTIONS - len(rows))
    return Drafted(
        name=row.name,
        pass_percent=str(row.pass_percent),
        is_offered=row.is_offered,
        rows=tuple(rows),
    )


def _entered(form: Fields, wrong: str) -> Drafted:
    rows = [(key, text, weight, critical == "yes") for key, text, weight, critical in _rows(form)]
    return Drafted(
        name=form.get("name"),
        pass_percent=form.get("pass_percent"),
        is_offered=form.get("is_offered") == "yes",
        rows=tuple(rows),
        wrong=wrong,
    )


def _rows(form: Fields) -> list[tuple[str, str, str, str]]:
    columns = [form.all(name) for name in ("key", "text", "weight", "is_critical")]
    return list(zip(*columns, strict=False))[:MOST_QUESTIONS]


def _words(form: Fields, form_id: UUID | None) -> FormWords:
    """Return what a form of the page says.

    Raises:
        FormInvalid: a name lacks, or a number is none.
    """
    told = [row for row in _rows(form) if row[1].strip()]
    used = {row[0] for row in told}
    free = (key for n in range(1, 2 * MOST_QUESTIONS) if (key := f"q{n}") not in used)
    questions = tuple(
        Question(
            key=key[:40] or next(free),
            text=text.strip()[:_MOST_TEXT],
            weight=_whole(weight, MOST_WEIGHT),
            is_critical=critical == "yes",
        )
        for key, text, weight, critical in told
    )
    name = form.get("name")[:_MOST_TEXT]
    if not name:
        raise FormInvalid
    return FormWords(
        id=form_id,
        name=name,
        questions=questions,
        pass_percent=_whole(form.get("pass_percent"), _HUNDRED),
        is_offered=form.get("is_offered") == "yes",
    )


def _whole(value: str, most: int) -> int:
    """Return a whole number from 0 to `most`.

    Raises:
        WeightInvalid: it is none.
    """
    if not value.strip().isascii() or not value.strip().isdigit() or int(value[:9]) > most:
        raise WeightInvalid
    return int(value)


# --- filling one ---------------------------------------------------------------------------------


@router.get("/recordings/{recording_id}/appraise")
def show_filling(
    call: Request,
    recording_id: UUID,
    actor: CanWrite,
    session: SessionDep,
    asked: Annotated[FillAsked, Query()],
) -> Response:
    """Show the form for a call, empty or as it was filled before; without one the choice of one."""
    by, entered = (asked.form, asked.calibration, asked.replaces), None
    if asked.replaces is not None:
        before = appraising.find(session, actor, asked.replaces).appraisal
        by = (before.form_id, before.calibration_id, before.id)
        entered = _filled_before(before)
    return _filling(call, actor, session, recording_id, by, entered=entered)


def _filled_before(row: Appraisal) -> dict[str, str]:
    """Return what was filled, by the fields of the form."""
    answers = {f"answer-{key}": str(told["answer"]) for key, told in row.answers.items()}
    notes = {f"note-{key}": str(told.get("note", "")) for key, told in row.answers.items()}
    return answers | notes | {"note": row.note or ""}


def _filling(  # noqa: PLR0913 - as `show_filling`, and what was wrong with it.
    call: Request,
    actor: Actor,
    session: Session,
    recording_id: UUID,
    by: tuple[UUID | None, UUID | None, UUID | None],
    *,
    entered: dict[str, str] | None = None,
    wrong: str = "",
) -> Response:
    words = edge.words_of(call, actor, session)
    recording = recordings.find(session, actor, recording_id)
    form_id, calibration_id, replaces = by
    form: CallForm | None = None
    offered: list[CallForm] = []
    if calibration_id is not None:
        form = calibrating.find(session, actor, calibration_id).form
    elif replaces is not None:
        form = appraising.find(session, actor, replaces).form
    elif form_id is not None:
        form = forms.offered(session, form_id)
    else:
        offered = list(forms.listed(session, only_offered=True))
    page = FillPage(
        title=words.gettext("Correct the appraisal")
        if replaces
        else words.gettext("Appraise the call"),
        recording_id=recording_id,
        started_at=recording.started_at,
        agent=recording.agent or "",
        form=form,
        questions=forms.questions_of(form) if form else (),
        answers=tuple((str(one), words.gettext(said)) for one, said in ANSWERS.items()),
        entered=entered or {},
        calibration_id=calibration_id,
        replaces=replaces,
        offered=tuple((str(one.id), one.name) for one in offered),
        wrong=wrong,
    )
    status = 422 if wrong else 200
    return edge.render(call, actor, session, "learning/fill.html", page, words=words, status=status)


@router.post("/recordings/{recording_id}/appraise")
def fill_form(
    call: Request,
    recording_id: UUID,
    form: Form,
    actor: CanWrite,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Appraise a call."""
    calibration_id = form.id("calibration") if form.get("calibration") else None
    replaces = form.id("replaces") if form.get("replaces") else None
    form_id = form.id("form")
    words = edge.words_of(call, actor, session)
    answers = {
        name.removeprefix("answer-"): value
        for name, value in form.first().items()
        if name.startswith("answer-")
    }
    if not set(answers.values()) <= set(Answer):
        raise Malformed(field="answer")
    notes = {
        name.removeprefix("note-"): value.strip()[:_MOST_NOTE]
        for name, value in form.first().items()
        if name.startswith("note-") and value.strip()
    }
    filled = Filled(
        form_id=form_id,
        answers={key: Answer(value) for key, value in answers.items()},
        notes=notes,
        note=form.get("note")[:_MOST_NOTE] or None,
        calibration_id=calibration_id,
        replaces=replaces,
    )
    refused = (
        CallUnheard,
        OwnCall,
        CalibrationClosed,
        CalibrationFilled,
        AnswersDiffer,
        AppraisalReplaced,
    )
    try:
        row = appraising.fill(session, actor, recording_id, filled, at=clock.now())
    except refused as exc:
        return _filling(
            call,
            actor,
            session,
            recording_id,
            (form_id, calibration_id, replaces),
            entered=form.first(),
            wrong=_said(exc, words),
        )
    if calibration_id is not None:
        return edge.see(f"/learning/calibrations/{calibration_id}")
    return edge.see(f"/learning/appraisals/{row.id}")


def _said(exc: Refusal, words: Words) -> str:
    return refusal_words.said(exc, words)


# --- calibration ---------------------------------------------------------------------------------


@router.get("/learning/calibrations")
def list_calibrations(call: Request, actor: CanWrite, session: SessionDep) -> Response:
    """Show the calls that several people appraise, to compare."""
    words = edge.words_of(call, actor, session)
    page = CalibrationsPage(
        title=words.gettext("Calibration"),
        ways=ways_of(actor),
        rows=tuple(calibrating.listed(session, actor)),
    )
    return edge.render(call, actor, session, "learning/calibrations.html", page, words=words)


@router.post("/learning/calibrations")
def begin_calibration(form: Form, actor: CanLead, session: SessionDep, clock: ClockDep) -> Response:
    """Ask several people to appraise a call."""
    row = calibrating.begin(
        session, actor, form.id("recording_id"), form.id("form"), at=clock.now()
    )
    return edge.see(f"/learning/calibrations/{row.id}")


@router.get("/learning/calibrations/{calibration_id}")
def show_calibration(
    call: Request, calibration_id: UUID, actor: CanWrite, session: SessionDep
) -> Response:
    """Show a calibration, and the comparison once it is closed."""
    return _calibration(call, actor, session, calibration_id)


def _calibration(
    call: Request, actor: Actor, session: Session, calibration_id: UUID, *, wrong: str = ""
) -> Response:
    words = edge.words_of(call, actor, session)
    found = calibrating.find(session, actor, calibration_id)
    comparison = calibrating.compared(session, actor, found)
    may_lead = Permission.LEARNING_LEAD in actor.permissions
    page = CalibrationPage(
        title=words.gettext("Calibration: %(form)s") % {"form": found.form.name},
        found=found,
        comparison=comparison,
        people=tuple(name for name, _, _ in comparison.scores) if comparison else (),
        rows=tuple(
            Row(
                text=one.question.text,
                answers=tuple(words.gettext(ANSWERS[answer]) for _, answer in one.answers),
                agreed="—" if one.agreed is None else words.share(float(one.agreed)),
                kappa=words.number(round(float(one.kappa.value), 2))
                if one.kappa.value is not None
                else words.gettext(_WHY_NO_KAPPA[one.kappa.why or NoKappa.FEW_CALLS]),
            )
            for one in (comparison.questions if comparison else ())
        ),
        agreed=words.share(float(comparison.agreed))
        if comparison and comparison.agreed is not None
        else "—",
        may_close=may_lead and found.calibration.closed_at is None,
        wrong=wrong,
    )
    status = 422 if wrong else 200
    return edge.render(
        call, actor, session, "learning/calibration.html", page, words=words, status=status
    )


@router.post("/learning/calibrations/{calibration_id}/close")
def close_calibration(
    call: Request,
    calibration_id: UUID,
    form: Form,
    actor: CanLead,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Close a calibration, so that all see what was answered."""
    del form
    try:
        calibrating.close(session, actor, calibration_id, at=clock.now())
    except CalibrationAlone as exc:
        words = edge.words_of(call, actor, session)
        return _calibration(call, actor, session, calibration_id, wrong=_said(exc, words))
    return edge.see(f"/learning/calibrations/{calibration_id}")
