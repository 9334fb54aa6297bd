"""Forms, appraisals, what the agent says of them, calibration, and an agent's page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.core.ids import new_id
from tests.factories import set_erased
from tests.learning.conftest import FORM, GOOD, told
from tests.review.house import House


@pytest.fixture
def form(house: House) -> str:
    answer = house.call("manager", "POST", "/v1/call-forms", json=FORM)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _hear(house: House, recording: UUID, *names: str) -> None:
    for name in names:
        key = {"Authorization": f"Bearer {house.keys[name]}", "Range": "bytes=0-9"}
        path = f"{house.url}/v1/recordings/{recording}/audio"
        assert httpx.get(path, headers=key, timeout=60).status_code == 206, name


def _appraise(
    house: House, recording: UUID, form: str, who: str = "reviewer", **more: object
) -> httpx.Response:
    body: dict[str, Any] = {"form_id": form, "answers": GOOD} | more
    return house.call(who, "POST", f"/v1/recordings/{recording}/appraisals", json=body)


def test_an_appraisal_reaches_the_agent_who_answers_it_once(house: House, form: str) -> None:
    recording = told(house)
    _hear(house, recording, "reviewer")
    notes = {"solved": "Обещал перезвонить."}
    made = _appraise(house, recording, form, answers=GOOD | {"solved": "partly"}, notes=notes)
    assert made.status_code == 201, made.text
    here = f"/v1/appraisals/{made.json()['id']}"
    found = house.call("agent", "GET", here).json()
    assert (found["percent"], found["is_passed"], found["failed"]) == (70, False, [])
    assert found["answers"]["solved"] == {"answer": "partly", "note": "Обещал перезвонить."}
    assert house.call("colleague", "GET", here).status_code == 404
    assert house.call("admin", "GET", here).status_code == 403
    assert house.call("colleague", "POST", f"{here}/reply", json={}).status_code == 404
    assert house.call("manager", "POST", f"{here}/reply", json={}).status_code == 403
    said = house.call("agent", "POST", f"{here}/reply", json={"words": "Согласен."})
    assert said.json()["reply"]["words"] == "Согласен."
    assert house.call("agent", "POST", f"{here}/reply", json={}).status_code == 409
    assert house.call("manager", "GET", here).json()["reply"]["words"] == "Согласен."
    acts = house.acts(recording)
    assert acts.count("call.appraised") == acts.count("appraisal.answered") == 1


def test_a_critical_no_fails_the_whole(house: House, form: str) -> None:
    recording = told(house)
    _hear(house, recording, "reviewer")
    made = _appraise(house, recording, form, answers=GOOD | {"warned": "no"}).json()
    assert (made["percent"], made["is_passed"], made["failed"]) == (80, False, ["warned"])


def test_only_what_was_heard_is_appraised_and_not_ones_own(house: House, form: str) -> None:
    recording = told(house)
    unheard = _appraise(house, recording, form, who="manager")
    assert (unheard.status_code, unheard.json()["type"]) == (409, "/problems/call-unheard")
    _hear(house, recording, "reviewer", "manager")
    with house.database.transaction() as session:
        session.execute(text("UPDATE users SET agent_ref = NULL WHERE name = 'agent'"))
        session.execute(text("UPDATE users SET agent_ref = '101' WHERE name = 'manager'"))
    house.app.state.authenticator._remembered.clear()
    own = _appraise(house, recording, form, who="manager")
    assert (own.status_code, own.json()["type"]) == (403, "/problems/own-call")
    assert _appraise(house, recording, form, who="agent").status_code == 403
    assert _appraise(house, new_id(), form).status_code == 404
    assert _appraise(house, recording, str(new_id())).status_code == 404
    short = _appraise(house, recording, form, answers={"greeted": "yes", "smiled": "no"})
    assert short.status_code == 400
    assert short.json()["missing"] == ["solved", "warned"]
    assert short.json()["unknown"] == ["smiled"]


def test_a_form_changes_by_versions_and_what_was_filled_keeps_its_own(
    house: House, form: str
) -> None:
    recording = told(house)
    _hear(house, recording, "reviewer")
    old = _appraise(house, recording, form).json()
    one = {"key": "polite", "text": "Вежлив", "weight": 1}
    further = FORM | {"id": form, "questions": [one], "is_offered": False}
    made = house.call("approver", "POST", "/v1/call-forms", json=further)
    assert (made.status_code, made.json()["version"]) == (201, 2)
    assert [
        row["version"] for row in house.call("agent", "GET", "/v1/call-forms").json()["items"]
    ] == [2]
    assert house.call("agent", "GET", f"/v1/appraisals/{old['id']}").json()["form_version"] == 1
    assert _appraise(house, recording, form, answers={"polite": "yes"}).status_code == 404
    assert house.call("reviewer", "POST", "/v1/call-forms", json=FORM).status_code == 403
    twice = FORM | {"questions": [one, one]}
    assert house.call("manager", "POST", "/v1/call-forms", json=twice).status_code == 400
    light = FORM | {"questions": [one | {"weight": 0}]}
    assert house.call("manager", "POST", "/v1/call-forms", json=light).status_code == 400
    lost = FORM | {"id": str(new_id())}
    assert house.call("manager", "POST", "/v1/call-forms", json=lost).status_code == 404
    with (
        house.database.transaction() as session,
        pytest.raises(Exception, match="permission denied"),
    ):
        session.execute(text("UPDATE call_forms SET name = 'x'"))


def test_an_appraisal_is_corrected_by_another_and_the_first_stays(house: House, form: str) -> None:
    recording = told(house)
    _hear(house, recording, "reviewer", "manager")
    first = _appraise(house, recording, form, answers=GOOD | {"solved": "no"}, note="Спешил.")
    old = first.json()
    assert house.call("agent", "POST", f"/v1/appraisals/{old['id']}/reply", json={}).is_success
    one = {"key": "polite", "text": "Вежлив", "weight": 1}
    later = FORM | {"id": form, "questions": [one], "is_offered": False}
    assert house.call("approver", "POST", "/v1/call-forms", json=later).status_code == 201
    other = _appraise(house, recording, form, who="manager", replaces=old["id"])
    assert (other.status_code, other.json()["type"]) == (403, "/problems/appraisal-of-another")
    elsewhere = told(house)
    _hear(house, elsewhere, "reviewer")
    assert _appraise(house, elsewhere, form, replaces=old["id"]).status_code == 404
    assert _appraise(house, recording, form, replaces=str(new_id())).status_code == 404
    made = _appraise(house, recording, form, replaces=old["id"])
    assert made.status_code == 201, made.text
    new = made.json()
    assert (new["replaces"], new["form_version"], new["percent"]) == (old["id"], 1, 100)
    again = _appraise(house, recording, form, replaces=old["id"])
    assert (again.status_code, again.json()["by"]) == (409, new["id"])

    kept = house.call("agent", "GET", f"/v1/appraisals/{old['id']}").json()
    assert (kept["answers"], kept["note"], kept["percent"]) == (
        old["answers"],
        "Спешил.",
        old["percent"],
    )
    assert (kept["replaced_by"], kept["replaced_at"]) == (new["id"], new["made_at"])
    assert kept["reply"] is not None
    assert new["reply"] is None
    listed = house.call("manager", "GET", f"/v1/recordings/{recording}/appraisals").json()["items"]
    assert {one["id"] for one in listed} == {old["id"], new["id"]}
    (agent,) = house.call("manager", "GET", "/v1/agents").json()["items"][:1]
    assert (agent["appraisals"], agent["percent"]) == (1, 100)
    page = house.call("manager", "GET", f"/v1/agents/{agent['id']}/learning").json()
    assert [one["id"] for one in page["appraisals"]] == [new["id"]]
    assert house.call("agent", "POST", f"/v1/appraisals/{new['id']}/reply", json={}).is_success
    third = _appraise(house, recording, form, replaces=new["id"]).json()
    late = house.call("agent", "POST", f"/v1/appraisals/{new['id']}/reply", json={})
    assert late.status_code == 409
    fourth = _appraise(house, recording, form, replaces=third["id"]).json()
    unread = house.call("agent", "POST", f"/v1/appraisals/{third['id']}/reply", json={})
    assert (unread.status_code, unread.json()["by"]) == (409, fourth["id"])
    acts = house.acts(recording)
    assert acts.count("call.appraised") == 4
    with (
        house.database.transaction() as session,
        pytest.raises(Exception, match="permission denied"),
    ):
        session.execute(text("UPDATE appraisals SET replaced_at = now()"))


def _begin(house: House, recording: UUID, form: str, who: str = "manager") -> httpx.Response:
    body = {"recording_id": str(recording), "form_id": form}
    return house.call(who, "POST", "/v1/calibrations", json=body)


def test_calibration_is_blind_until_it_is_closed(house: House, form: str) -> None:
    recording = told(house)
    assert _begin(house, recording, form, "reviewer").status_code == 403
    assert _begin(house, new_id(), form).status_code == 404
    assert _begin(house, recording, str(new_id())).status_code == 404
    made = _begin(house, recording, form).json()["id"]
    here = f"/v1/calibrations/{made}"
    _hear(house, recording, "reviewer", "approver", "manager")
    slip = _appraise(house, recording, form, calibration_id=made, answers=GOOD | {"solved": "no"})
    hasty = slip.json()["id"]
    assert _appraise(house, recording, form, replaces=hasty).status_code == 404
    better = _appraise(house, recording, form, calibration_id=made, replaces=hasty)
    first = better.json()["id"]
    assert _appraise(house, recording, form, calibration_id=made).status_code == 409
    assert _appraise(house, recording, form, calibration_id=str(new_id())).status_code == 404
    assert house.call("manager", "POST", f"{here}/close").status_code == 409
    for name in ("approver", "manager", "agent", "legal"):
        assert house.call(name, "GET", f"/v1/appraisals/{first}").status_code == 404, name
    assert house.call("reviewer", "GET", f"/v1/appraisals/{first}").status_code == 200
    other = GOOD | {"solved": "no"}
    assert (
        _appraise(
            house, recording, form, "approver", answers=other, calibration_id=made
        ).status_code
        == 201
    )
    open_one = house.call("manager", "GET", here).json()
    assert (open_one["filled"], open_one["has_own"], open_one["comparison"]) == (2, False, None)
    assert house.call("reviewer", "POST", f"{here}/close").status_code == 403
    closed = house.call("manager", "POST", f"{here}/close").json()["comparison"]
    assert {one["key"]: one["agreed"] for one in closed["questions"]} == {
        "greeted": 1.0,
        "solved": 0.0,
        "warned": 1.0,
    }
    assert closed["agreed"] == pytest.approx(2 / 3, abs=1e-3)
    assert closed["questions"][0]["kappa"] == {
        "method": "fleiss",
        "value": None,
        "why_not": "few_calls",
    }
    assert closed["percents"] == {"approver": 40, "reviewer": 100}
    assert house.call("manager", "POST", f"{here}/close").status_code == 409
    assert _appraise(house, recording, form, "manager", calibration_id=made).status_code == 409
    late = _appraise(house, recording, form, calibration_id=made, replaces=first)
    assert late.json()["type"] == "/problems/calibration-closed"
    assert house.call("manager", "GET", f"/v1/appraisals/{first}").status_code == 200
    assert house.call("agent", "GET", f"/v1/appraisals/{first}").status_code == 404
    assert house.call("agent", "GET", here).status_code == 403
    assert house.call("manager", "GET", f"/v1/calibrations/{new_id()}").status_code == 404


def test_kappa_is_told_over_several_calls(house: House, form: str) -> None:
    for answers in (GOOD, GOOD | {"solved": "no"}):
        recording = told(house)
        made = _begin(house, recording, form).json()["id"]
        _hear(house, recording, "reviewer", "approver")
        for name in ("reviewer", "approver"):
            _appraise(house, recording, form, name, answers=answers, calibration_id=made)
        closed = house.call("manager", "POST", f"/v1/calibrations/{made}/close").json()
    told_of = {one["key"]: one["kappa"] for one in closed["comparison"]["questions"]}
    assert closed["comparison"]["calls"] == 2
    assert (told_of["solved"]["value"], told_of["solved"]["why_not"]) == (1.0, None)
    assert told_of["greeted"]["why_not"] == "one_answer"


def _mark(house: House, recording: UUID, kind: str, note: str, who: str = "manager") -> None:
    body = {"kind": kind, "from_ms": 1000, "note": note}
    path = f"/v1/recordings/{recording}/marks"
    assert house.call(who, "POST", path, json=body).status_code == 201


def test_an_agents_page_has_praise_and_is_his_own(house: House, form: str) -> None:
    recording = told(house)
    _mark(house, recording, "praise", "Спокойно объяснил")
    _mark(house, recording, "mistake", "Не назвал срок")
    _mark(house, recording, "comment", "Проверить договор")
    _hear(house, recording, "reviewer")
    _appraise(house, recording, form)
    ids = {name: house.people[name].id for name in ("agent", "colleague", "manager")}
    found = house.call("agent", "GET", f"/v1/agents/{ids['agent']}/learning").json()
    assert [one["note"] for one in found["praise"]] == ["Спокойно объяснил"]
    assert [one["note"] for one in found["mistakes"]] == ["Не назвал срок"]
    assert "Проверить" not in str(found)
    assert [one["percent"] for one in found["appraisals"]] == [100]
    assert (found["person"]["praises"], found["person"]["percent"]) == (1, 100)
    assert house.call("agent", "GET", f"/v1/agents/{ids['colleague']}/learning").status_code == 404
    assert house.call("manager", "GET", f"/v1/agents/{ids['manager']}/learning").status_code == 404
    assert house.call("admin", "GET", f"/v1/agents/{ids['agent']}/learning").status_code == 403
    listed = house.call("manager", "GET", "/v1/agents").json()["items"]
    assert [one["agent_ref"] for one in listed] == ["101", "102"]
    assert len(house.call("agent", "GET", "/v1/agents").json()["items"]) == 1
    assert list(found)[:2] == ["person", "praise"]


def test_a_manager_reads_of_his_offices_agents_alone(house: House) -> None:
    office = new_id()
    with house.database.transaction() as session:
        session.execute(
            text("INSERT INTO offices (id, name, created_at) VALUES (:id, 'Пермь', now())"),
            {"id": office},
        )
        session.execute(
            text("INSERT INTO user_offices VALUES (:user, :office)"),
            {"user": house.people["colleague"].id, "office": office},
        )
    house.app.state.authenticator._remembered.clear()
    listed = house.call("manager", "GET", "/v1/agents").json()["items"]
    assert [one["agent_ref"] for one in listed] == ["101"]
    other = house.people["colleague"].id
    assert house.call("manager", "GET", f"/v1/agents/{other}/learning").status_code == 404
    assert house.call("reviewer", "GET", f"/v1/agents/{other}/learning").status_code == 200


def test_an_erasure_takes_the_notes_and_leaves_the_figures(house: House, form: str) -> None:
    recording = told(house)
    _hear(house, recording, "reviewer")
    made = _appraise(house, recording, form, notes={"solved": "Тайное"}, note="Тайное").json()
    reply = f"/v1/appraisals/{made['id']}/reply"
    house.call("agent", "POST", reply, json={"words": "Тайное"})
    set_erased(house.owner_url, recording)
    left = house.call("manager", "GET", f"/v1/appraisals/{made['id']}").json()
    assert "Тайное" not in str(left)
    assert (left["percent"], left["answers"]["solved"]["answer"]) == (100, "yes")
