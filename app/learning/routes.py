"""The routes of learning."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.consent.casefile import Question as Asked
from app.consent.rules import ConsentRefused
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.paging import DEFAULT_LIMIT, Cursor, CursorInvalid
from app.core.problems import problems
from app.core.text import Searched
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.inspection import joining
from app.learning import agents, appraising, calibrating, forms, library
from app.learning.appraising import Filled
from app.learning.forms import FormWords
from app.learning.library import Praised
from app.learning.refusals import (
    AgentNotFound,
    AlreadyExemplary,
    AlreadyReplied,
    AnswersDiffer,
    AppraisalNotFound,
    AppraisalOfAnother,
    AppraisalReplaced,
    CalibrationAlone,
    CalibrationClosed,
    CalibrationFilled,
    CalibrationNotFound,
    CallUnheard,
    ExemplaryCallNotFound,
    FormInvalid,
    FormNotFound,
    OwnCall,
    ReplyOfAnother,
    StartBeyondEnd,
)
from app.learning.rules import Question
from app.learning.schemas import (
    AgentRead,
    AppraisalList,
    AppraisalRead,
    AppraisalWrite,
    CalibrationList,
    CalibrationRead,
    CalibrationWrite,
    ExemplaryAdded,
    ExemplaryList,
    ExemplaryRead,
    ExemplaryWrite,
    FormList,
    FormRead,
    FormWrite,
    PeopleList,
    PersonRead,
    ReplyWrite,
)
from app.playback import asking
from app.playback.door import (
    ConsentChanged,
    HeardLeg,
    LegNotFound,
    NotPlayableYet,
    SoundAway,
    SoundErased,
)
from app.playback.routes import Archive, listened
from app.recordings.service import RecordingNotFound

router = APIRouter(prefix="/v1", tags=["learning"])

CanRead = Annotated[Actor, Depends(Requires(Permission.LEARNING_READ))]
CanListen = Annotated[Actor, Depends(Requires(Permission.RECORDING_LISTEN))]
CanWrite = Annotated[Actor, Depends(Requires(Permission.LEARNING_WRITE))]
CanLead = Annotated[Actor, Depends(Requires(Permission.LEARNING_LEAD))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
_MOST_ASKED = 50


@router.get("/agents", responses=problems(*GUARDED))
def list_agents(actor: CanRead, session: SessionDep) -> PeopleList:
    """List the agents whose calls the asker may learn of, with their figures."""
    return PeopleList(items=[PersonRead.of(one) for one in agents.listed(session, actor)])


@router.get("/agents/{user_id}/learning", responses=problems(*GUARDED, AgentNotFound))
def get_agent(user_id: UUID, actor: CanRead, session: SessionDep) -> AgentRead:
    """Tell what was said of an agent's calls: praise, key moments, mistakes, appraisals."""
    return AgentRead.of(agents.page(session, actor, user_id))


@router.get("/exemplary-calls", responses=problems(*GUARDED, CursorInvalid))
def list_library(
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    topic: Searched | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_ASKED)] = min(DEFAULT_LIMIT, 20),
) -> ExemplaryList:
    """List calls worth hearing, the newest first; the rules are asked for each."""
    after = Cursor.decode(cursor) if cursor else None
    found, onward = library.page(
        session, actor, topic=topic, after=after, limit=limit, at=clock.now()
    )
    return ExemplaryList(
        items=[ExemplaryRead.of(one) for one in found], next=onward.encode() if onward else None
    )


@router.post(
    "/exemplary-calls",
    status_code=201,
    responses=problems(
        *GUARDED, RecordingNotFound, ConsentRefused, AlreadyExemplary, StartBeyondEnd
    ),
)
def add_to_library(
    body: ExemplaryWrite,
    actor: CanWrite,
    session: SessionDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> ExemplaryAdded:
    """Put a call into the library, if the rules let it be heard for training."""
    praised = Praised(
        title=body.title, why=body.why, topics=tuple(body.topics), start_ms=body.start_ms
    )
    try:
        row = library.add(session, actor, body.recording_id, praised, at=clock.now())
    except ConsentRefused as exc:
        asking.remember(database, actor, ("recording", body.recording_id), exc, clock)
        raise
    return ExemplaryAdded(id=row.id)


@router.get("/exemplary-calls/{exemplary_id}", responses=problems(*GUARDED, ExemplaryCallNotFound))
def get_exemplary(
    exemplary_id: UUID, actor: CanRead, session: SessionDep, clock: ClockDep
) -> ExemplaryRead:
    """Return a call of the library."""
    return ExemplaryRead.of(library.find(session, actor, exemplary_id, at=clock.now()))


@router.post(
    "/exemplary-calls/{exemplary_id}/remove",
    status_code=204,
    responses=problems(*GUARDED, ExemplaryCallNotFound),
)
def remove_exemplary(
    exemplary_id: UUID, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> None:
    """Take a call out of the library."""
    library.remove(session, actor, exemplary_id, at=clock.now())


@router.get(
    "/exemplary-calls/{exemplary_id}/audio",
    response_class=Response,
    responses=problems(
        *GUARDED,
        ExemplaryCallNotFound,
        ConsentRefused,
        ConsentChanged,
        LegNotFound,
        NotPlayableYet,
        SoundErased,
        SoundAway,
    )
    | {206: {"description": "The part asked for"}, 416: {"description": "No such part"}},
)
def hear_exemplary(
    exemplary_id: UUID,
    actor: CanListen,
    request: Request,
    database: DatabaseDep,
    archive: Archive,
    clock: ClockDep,
) -> Response:
    """Listen to a call of the library for training; the rules are asked at each request."""
    heard: list[UUID] = []

    def about(session: Session) -> tuple[UUID, Asked, HeardLeg | None]:
        recording_id = library.recording_of(session, actor, exemplary_id)
        heard.append(recording_id)
        leg = HeardLeg.BOTH if joining.newest(session, recording_id) else None
        return recording_id, library.question_of(session, actor), leg

    try:
        return listened(request, actor, archive, about)
    except ConsentRefused as exc:
        asking.remember(database, actor, ("recording", heard[0]), exc, clock)
        raise


@router.get("/call-forms", responses=problems(*GUARDED))
def list_forms(actor: CanRead, session: SessionDep) -> FormList:  # noqa: ARG001 - whoever reads.
    """List the newest version of each form by which calls are appraised."""
    return FormList(items=[FormRead.of(row) for row in forms.listed(session)])


@router.post(
    "/call-forms", status_code=201, responses=problems(*GUARDED, FormInvalid, FormNotFound)
)
def publish_form(body: FormWrite, actor: CanLead, session: SessionDep, clock: ClockDep) -> FormRead:
    """Publish a form, or a further version of one; what was filled keeps its own version."""
    words = FormWords(
        id=body.id,
        name=body.name,
        questions=tuple(Question(**one.model_dump()) for one in body.questions),
        pass_percent=body.pass_percent,
        is_offered=body.is_offered,
    )
    return FormRead.of(forms.publish(session, actor, words, at=clock.now()))


@router.get("/recordings/{recording_id}/appraisals", responses=problems(*GUARDED))
def list_appraisals(recording_id: UUID, actor: CanRead, session: SessionDep) -> AppraisalList:
    """List the appraisals of a call that the asker may read."""
    found = appraising.of_recording(session, actor, recording_id)
    return AppraisalList(items=[AppraisalRead.of(one) for one in found])


@router.post(
    "/recordings/{recording_id}/appraisals",
    status_code=201,
    responses=problems(
        *GUARDED,
        RecordingNotFound,
        FormNotFound,
        AnswersDiffer,
        OwnCall,
        CallUnheard,
        CalibrationNotFound,
        CalibrationClosed,
        CalibrationFilled,
        AppraisalNotFound,
        AppraisalOfAnother,
        AppraisalReplaced,
    ),
)
def appraise(
    recording_id: UUID, body: AppraisalWrite, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> AppraisalRead:
    """Appraise a call that was heard; with a `calibration_id` blind, as one of several.

    With `replaces` it takes the place of an own appraisal, which stays to be read.
    """
    filled = Filled(
        form_id=body.form_id,
        answers=body.answers,
        notes=body.notes,
        note=body.note,
        calibration_id=body.calibration_id,
        replaces=body.replaces,
    )
    row = appraising.fill(session, actor, recording_id, filled, at=clock.now())
    return AppraisalRead.of(appraising.find(session, actor, row.id))


@router.get("/appraisals/{appraisal_id}", responses=problems(*GUARDED, AppraisalNotFound))
def get_appraisal(appraisal_id: UUID, actor: CanRead, session: SessionDep) -> AppraisalRead:
    """Return an appraisal."""
    return AppraisalRead.of(appraising.find(session, actor, appraisal_id))


@router.post(
    "/appraisals/{appraisal_id}/reply",
    responses=problems(
        *GUARDED, AppraisalNotFound, ReplyOfAnother, AppraisalReplaced, AlreadyReplied
    ),
)
def reply_to_appraisal(
    appraisal_id: UUID, body: ReplyWrite, actor: CanRead, session: SessionDep, clock: ClockDep
) -> AppraisalRead:
    """Let the agent say that he has read it, and what he thinks of it."""
    appraising.reply(session, actor, appraisal_id, words=body.words, at=clock.now())
    return AppraisalRead.of(appraising.find(session, actor, appraisal_id))


@router.get("/calibrations", responses=problems(*GUARDED))
def list_calibrations(actor: CanWrite, session: SessionDep) -> CalibrationList:
    """List calibrations, the newest first."""
    found = calibrating.listed(session, actor)
    return CalibrationList(items=[CalibrationRead.of(one) for one in found])


@router.post(
    "/calibrations", status_code=201, responses=problems(*GUARDED, RecordingNotFound, FormNotFound)
)
def begin_calibration(
    body: CalibrationWrite, actor: CanLead, session: SessionDep, clock: ClockDep
) -> CalibrationRead:
    """Ask several people to appraise a call without seeing each other's answers."""
    row = calibrating.begin(session, actor, body.recording_id, body.form_id, at=clock.now())
    return CalibrationRead.of(calibrating.find(session, actor, row.id))


@router.get("/calibrations/{calibration_id}", responses=problems(*GUARDED, CalibrationNotFound))
def get_calibration(calibration_id: UUID, actor: CanWrite, session: SessionDep) -> CalibrationRead:
    """Return a calibration, once it is closed with the comparison."""
    found = calibrating.find(session, actor, calibration_id)
    return CalibrationRead.of(found, calibrating.compared(session, actor, found))


@router.post(
    "/calibrations/{calibration_id}/close",
    responses=problems(*GUARDED, CalibrationNotFound, CalibrationClosed, CalibrationAlone),
)
def close_calibration(
    calibration_id: UUID, actor: CanLead, session: SessionDep, clock: ClockDep
) -> CalibrationRead:
    """Close a calibration and compare."""
    calibrating.close(session, actor, calibration_id, at=clock.now())
    found = calibrating.find(session, actor, calibration_id)
    return CalibrationRead.of(found, calibrating.compared(session, actor, found))
