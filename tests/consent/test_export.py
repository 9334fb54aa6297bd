"""The route of the vCon export: who gets it, what it holds, and that the ledger knows."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.identity.permissions import Role
from tests.conftest import Acts
from tests.consent.conftest import As
from tests.consent.test_vcon import SHAPE, check
from tests.factories import Make


def test_compliance_gets_the_vcon_and_others_do_not(
    session: Session, make: Make, as_: As, acts: Acts
) -> None:
    client = make.client()
    recording = make.recording(client=client, number="+74950008414")
    path = f"/v1/recordings/{recording.id}/vcon"
    manager = as_(make.manager)
    refusal = {"kind": "refusal", "party": "cli", "evidence": {"quote": "Я против", "offset_ms": 5}}
    said = manager.post(f"/v1/recordings/{recording.id}/assertions", json=refusal)
    assert said.status_code == 201
    for role in (Role.REVIEWER, Role.APPROVER, Role.LEGAL):
        answer = as_(make.user(role)).get(path)
        assert answer.status_code == 200
        check(answer.json(), SHAPE)
        grants = answer.json()["attachments"][0]["body"]["purpose_grants"]
        assert {grant["granted"] for grant in grants} == {False}
        for private in ("84950008414", client.name, "Я против", "101"):
            assert f'"{private}"' not in answer.text
    for role in (Role.AGENT, Role.MANAGER, Role.ADMIN, Role.AUDITOR):
        assert as_(make.user(role)).get(path).status_code == 403
    assert acts(recording.id).count("consent.exported") == 3
    facts = session.execute(
        text("SELECT facts FROM custody_entries WHERE act = 'consent.exported'")
    ).scalars()
    assert {fact["statements"] for fact in facts} == {1}


def test_of_no_recording_there_is_no_vcon(make: Make, as_: As) -> None:
    nowhere = "00000000-0000-7000-8000-000000000000"
    assert as_(make.reviewer).get(f"/v1/recordings/{nowhere}/vcon").status_code == 404
