"""Learning: people, an agent's page, the library, forms, appraisals and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select

from app.consent import review as evidence
from app.consent.models import Verdict
from app.consent.purposes import Kind, Purpose
from app.consent.review import Proposal
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.models import User
from app.identity.permissions import Permission
from tests.factories import DAY, wav
from tests.review.house import ACKNOWLEDGED, AGREED, House
from tests.web.table import those_with

READERS = those_with(Permission.LEARNING_READ)
WRITERS = those_with(Permission.LEARNING_WRITE)
LEADERS = those_with(Permission.LEARNING_LEAD)
PAGES = {
    "/learning": READERS,
    "/learning/agents/{agent_id}": READERS,
    "/learning/library": READERS,
    "/learning/library/{exemplary_id}": READERS,
    "/learning/forms": READERS,
    "/learning/forms/{form_id}": READERS,
    "/learning/appraisals/{appraisal_id}": READERS,
    "/learning/calibrations": WRITERS,
    "/learning/calibrations/{calibration_id}": WRITERS,
    "/recordings/{recording_id}/appraise": WRITERS,
}
FORMS = {
    "/learning/library": WRITERS,
    "/learning/library/{exemplary_id}/remove": WRITERS,
    "/learning/forms": LEADERS,
    "/learning/forms/{form_id}": LEADERS,
    "/learning/appraisals/{appraisal_id}/reply": READERS,
    "/learning/calibrations": LEADERS,
    "/learning/calibrations/{calibration_id}/close": LEADERS,
    "/recordings/{recording_id}/appraise": WRITERS,
}
QUESTIONS = [
    {"key": "greeted", "text": "Представился и назвал компанию", "weight": 1},
    {"key": "solved", "text": "Решил вопрос или назвал срок", "weight": 3},
    {"key": "warned", "text": "Предупредил о записи", "weight": 1, "is_critical": True},
]
ANSWERS = {"greeted": "yes", "solved": "partly", "warned": "yes"}


def fill(house: House) -> dict[str, str]:
    """Make a call of the agent that may be heard for training, appraised and calibrated."""
    at = house.clock.now()
    with house.making() as make:
        recording = make.recording(
            body=wav(8.0),
            duration_ms=8000,
            number="+74950008800",
            agent="101",
            started_at=at - 3 * DAY,
        )
    proposals = (
        Proposal(kind=Kind.EMPLOYEE_ACK, evidence=ACKNOWLEDGED, party="own", wide=False),
        Proposal(
            kind=Kind.VERBAL_CONSENT,
            evidence=AGREED,
            party="cli",
            from_ms=0,
            purposes=(Purpose.INTERNAL_QUALITY, Purpose.INTERNAL_TRAINING),
            recipients=("own_staff_manager",),
        ),
    )
    with house.database.transaction() as session:
        for one in proposals:
            row = evidence.propose(session, house.people["manager"], recording.id, one, at=at)
            house._listened(session, recording.id)
            evidence.decide(
                session, house.people["reviewer"], row.id, Verdict.VERIFY, reason=None, at=at
            )
        for who in ("manager", "approver"):
            ledger.append(
                session,
                house.people[who],
                Act.MEDIA_PLAYED,
                ("recording", recording.id),
                at=at - timedelta(minutes=1),
            )
        agent_id = session.scalars(select(User.id).where(User.name == "agent")).one()

    def done(who: str, path: str, body: Mapping[str, object]) -> str:
        answer = house.call(who, "POST", path, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    here = f"/v1/recordings/{recording.id}"
    done("manager", f"{here}/marks", {"kind": "praise", "from_ms": 2000, "note": "Не спорил"})
    done("manager", f"{here}/marks", {"kind": "mistake", "from_ms": 4000, "note": "Не назвал срок"})
    form = done(
        "manager", "/v1/call-forms", {"name": "Разговор с клиентом", "questions": QUESTIONS}
    )
    filled = {"form_id": form, "answers": ANSWERS, "note": "В целом хорошо."}
    appraisal = done("reviewer", f"{here}/appraisals", filled)
    asked = {"recording_id": str(recording.id), "form_id": form}
    calibration = done("manager", "/v1/calibrations", asked)
    for who, solved in (("reviewer", "partly"), ("approver", "yes")):
        blind = filled | {"calibration_id": calibration, "answers": ANSWERS | {"solved": solved}}
        done(who, f"{here}/appraisals", blind)
    closed = house.call("manager", "POST", f"/v1/calibrations/{calibration}/close")
    assert closed.status_code == 200, closed.text
    done("manager", "/v1/calibrations", asked)
    exemplary = done(
        "manager",
        "/v1/exemplary-calls",
        {
            "recording_id": str(recording.id),
            "title": "Спокойный разбор претензии",
            "why": "Выслушал, повторил своими словами и назвал срок.",
            "topics": ["претензия", "срок"],
            "start_ms": 2000,
        },
    )
    return {
        "agent_id": str(agent_id),
        "form_id": form,
        "appraisal_id": appraisal,
        "calibration_id": calibration,
        "exemplary_id": exemplary,
    }
