"""Disputes: the board, one with everything in it, and the forms by which it is worked on."""

from __future__ import annotations

from datetime import timedelta

from app.core.ids import DisputeId, RecordingId
from app.disputes import asking, hours, service, statements, steps
from app.disputes.hours import Worked
from app.disputes.rules import Channel, StatementKind, WorkRole
from app.disputes.service import Clip, Plan
from app.disputes.statements import Told
from app.identity.permissions import Permission, Role
from tests.factories import wav
from tests.review.house import House
from tests.web.table import those_with

READERS = frozenset({Role.MANAGER, Role.REVIEWER, Role.APPROVER, Role.LEGAL, Role.AUDITOR})
MANAGERS = frozenset({Role.MANAGER})
_ONE = "/disputes/{dispute_id}"
PAGES = {
    "/disputes": READERS,
    "/disputes/new": MANAGERS,
    _ONE: READERS,
    f"{_ONE}/history": READERS,
    f"{_ONE}/exhibits/{{exhibit_id}}": MANAGERS,
}
_SENT = (
    "/disputes",
    f"{_ONE}/plan",
    f"{_ONE}/conducts",
    f"{_ONE}/conducts/{{conduct_id}}/clear",
    f"{_ONE}/steps",
    f"{_ONE}/steps/{{step_id}}/plan",
    f"{_ONE}/steps/{{step_id}}/done",
    f"{_ONE}/steps/{{step_id}}/skip",
    f"{_ONE}/steps/{{step_id}}/again",
    f"{_ONE}/steps/{{step_id}}/place",
    f"{_ONE}/statements",
    f"{_ONE}/hours",
    f"{_ONE}/requests",
    f"{_ONE}/requests/{{request_id}}/received",
    f"{_ONE}/requests/{{request_id}}/check",
    f"{_ONE}/requests/{{request_id}}/link",
    f"{_ONE}/exhibits",
    f"{_ONE}/exhibits/{{exhibit_id}}",
    f"{_ONE}/exhibits/{{exhibit_id}}/remove",
)
FORMS = dict.fromkeys(_SENT, MANAGERS) | {f"{_ONE}/move": those_with(Permission.DISPUTE_MOVE)}


def fill(house: House) -> dict[str, str]:
    """Make a dispute with something in every part of it."""
    at, manager = house.clock.now(), house.people["manager"]
    with house.making() as make:
        client = make.client()
        contact = make.contact(client)
        make.contract(client)
        recording = make.recording(client=client, body=wav(8.0), duration_ms=8000)
        external_id = client.external_id
    with house.database.transaction() as session:
        made = service.open_dispute(
            session,
            manager,
            client=external_id,
            subject="Не печатает чеки после обновления",
            plan=Plan(due_at=at - timedelta(hours=2)),
            at=at - timedelta(days=2),
        )
        told = [
            Told(
                kind=StatementKind.COMPLAINT,
                words="С утра касса стоит, нам обещали перезвонить.",
                said_by="Пётр Серов",
                said_at=at - timedelta(days=2),
                channel=Channel.PHONE,
            ),
            Told(kind=StatementKind.FINDING, words="Обновление поставлено по акту."),
        ]
        for one in told:
            statements.state(session, manager, made.id, one, at=at)
        exhibit = service.add_exhibit(
            session,
            manager,
            DisputeId(made.id),
            Clip(recording_id=RecordingId(recording.id), from_ms=1000, to_ms=7000, note="Обещание"),
            at=at,
        )
        step = steps.add(
            session, manager, made.id, title="Позвонить", wanted=steps.StepPlan(due_at=at), at=at
        )
        steps.finish(session, manager, made.id, step.id, result="Позвонили.", at=at)
        request = asking.ask(
            session,
            manager,
            made.id,
            asked="Фото чека",
            contact_id=contact.id,
            due_at=at + timedelta(hours=3),
            at=at,
        )
        worked = Worked(role=WorkRole.ENGINEER, minutes=90, worked_on=at.date())
        hours.note(session, manager, made.id, worked, at=at)
        return {
            "dispute_id": str(made.id),
            "exhibit_id": str(exhibit.id),
            "step_id": str(step.id),
            "request_id": str(request.id),
            "conduct_id": str(made.id),
        }
