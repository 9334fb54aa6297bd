"""Holds, rules, announcements and restrictions, through the doors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import event

from app.retention import jobs
from app.retention.preview import foresee, page
from tests.retention.conftest import Keeping

HELD_ONLY = "SELECT kept_only_by_hold FROM recordings WHERE id = :id"


def test_a_hold_explains_itself(keeping: Keeping) -> None:
    sent = keeping.sent()
    hold = keeping.hold(sent)
    told = keeping.get(f"/recordings/{sent}/retention").json()
    day = datetime.now(UTC).date().isoformat()
    assert (told["outcome"], told["because"]) == ("keep", "hold")
    assert told["held"] == [f"held by А40-1/2026 since {day}"]
    assert [one["id"] for one in told["holds"]] == [hold["id"]]


def test_a_hold_hinders_an_erasure_and_is_the_reason(keeping: Keeping) -> None:
    sent = keeping.sent()
    keeping.hold(sent)
    asked = keeping.ask(sent)
    assert asked["state"] == "denied"
    assert asked["denial"].startswith("held by А40-1/2026 since")


def test_a_hold_is_settled_by_another(keeping: Keeping) -> None:
    hold = keeping.hold(keeping.sent())
    path = f"/holds/{hold['id']}"
    assert keeping.post("legal", f"{path}/approve").status_code == 403
    assert keeping.post("approver", f"{path}/approve").json()["approved_at"]
    assert keeping.post("approver", f"{path}/approve").status_code == 409
    assert keeping.post("legal", f"{path}/release", reason="x").status_code == 403
    assert keeping.post("approver", f"{path}/release", reason="Мир.").json()["released_at"]
    assert keeping.post("approver", f"{path}/release", reason="x").status_code == 409
    assert keeping.get("/holds").json() == []
    assert len(keeping.get("/holds?released=true").json()) == 1


def test_several_holds_overlap(keeping: Keeping) -> None:
    sent = keeping.sent()
    first = keeping.hold(sent)
    keeping.hold(sent, matter="второе дело", is_order=True)
    keeping.post("approver", f"/holds/{first['id']}/release", reason="x")
    told = keeping.get(f"/recordings/{sent}/retention").json()
    assert told["because"] == "order"
    assert len(told["held"]) == 1


def test_a_rule_holds_what_comes_in_later(keeping: Keeping) -> None:
    keeping.hold(agent="106")
    later = keeping.sent("c-later", agent="106")
    other = keeping.sent("c-other", agent="107")
    assert keeping.get(f"/recordings/{later}/retention").json()["because"] == "hold"
    assert keeping.get(f"/recordings/{other}/retention").json()["because"] == "policy"
    assert keeping.ask(later)["state"] == "denied"


def test_a_rule_of_a_client_keeps_what_is_tied_to_another_event(keeping: Keeping) -> None:
    live = keeping.live
    live.put_client("C-1")
    live.put_client("C-2")
    live.put_event("E-1", "C-1", "2026-11-20T10:00:00+03:00")
    live.put_event("E-2", "C-2", "2026-11-20T10:00:00+03:00")
    ((client,),) = keeping.rows("SELECT id FROM clients WHERE external_id = 'C-1'")
    keeping.hold(client_id=str(client))
    sent = keeping.sent("c1", event={"external_id": "E-1"})
    keeping.as_owner(
        "UPDATE recordings SET event_id = (SELECT id FROM events WHERE external_id = 'E-2')"
    )
    assert keeping.get(f"/recordings/{sent}/retention").json()["because"] == "hold"


@pytest.mark.parametrize("days", [190, -1])
def test_a_hold_is_looked_at_within_six_months(keeping: Keeping, days: int) -> None:
    at = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    body = {"matter": "m", "reason": "r", "agent": "106", "review_at": at}
    assert keeping.post("legal", "/holds", **body).status_code == 400


def test_a_hold_of_nothing_is_refused(keeping: Keeping) -> None:
    assert keeping.post("legal", "/holds", matter="m", reason="r").status_code == 400
    body = {"matter": "m", "reason": "r", "recording_ids": [str(uuid4())]}
    assert keeping.post("legal", "/holds", **body).status_code == 404


def test_a_hold_grants_nobody_access(keeping: Keeping) -> None:
    sent = keeping.sent()
    before = keeping.get(
        f"/recordings/{sent}/decision?purpose=internal_quality&recipient=own_staff_manager",
        "reviewer",
    )
    keeping.hold(sent)
    after = keeping.get(
        f"/recordings/{sent}/decision?purpose=internal_quality&recipient=own_staff_manager",
        "reviewer",
    )
    assert before.json()["outcome"] == after.json()["outcome"]


def test_a_rule_needs_two_people_and_shows_what_it_changes(keeping: Keeping) -> None:
    keeping.rule(maximum={"days": 10})
    body = {"name": "r", "trigger": "call_end", "basis": "b", "maximum": {"days": 20}}
    second = keeping.post("legal", "/retention/rules", **body).json()
    assert (second["version"], second["state"]) == (2, "proposed")
    changed = keeping.get(f"/retention/rules/{second['id']}/diff").json()
    assert [one["part"] for one in changed] == ["maximum"]
    path = f"/retention/rules/{second['id']}/approve"
    assert keeping.post("legal", path).status_code == 403
    assert keeping.post("approver", path).json()["state"] == "active"
    states = {r["version"]: r["state"] for r in keeping.get("/retention/rules").json()}
    assert (states[1], states[2]) == ("retired", "active")
    assert states[0] == "offered"


def test_a_rule_that_contradicts_itself_is_refused(keeping: Keeping) -> None:
    body = {"name": "r", "trigger": "call_end", "basis": "b"}
    periods = {"minimum": {"years": 1}, "maximum": {"days": 364}}
    assert keeping.post("legal", "/retention/rules", **body, **periods).status_code == 400


def test_a_rule_of_no_client_is_refused(keeping: Keeping) -> None:
    body = {"name": "f", "trigger": "call_end", "basis": "b", "maximum": {"days": 1}}
    refused = keeping.post("legal", "/retention/rules", **body, client_id=str(uuid4()))
    assert refused.status_code == 404
    assert refused.json()["type"] == "/problems/client-not-found"


def test_rules_of_a_name_that_are_proposed_at_once_are_its_versions(keeping: Keeping) -> None:
    body = {"name": "f", "trigger": "call_end", "basis": "b", "maximum": {"days": 1}}
    begin = Barrier(8)
    keeping.get("/retention/rules")  # Makes the person, once.

    def propose() -> httpx.Response:
        begin.wait()
        return keeping.post("legal", "/retention/rules", **body)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(propose) for _ in range(8)]
    assert [one.result().status_code for one in asked] == [201] * 8
    assert sorted(one.result().json()["version"] for one in asked) == list(range(1, 9))


def test_nothing_goes_before_it_was_announced_for_fourteen_days(keeping: Keeping) -> None:
    sent = keeping.sent()
    keeping.as_owner("UPDATE recordings SET started_at = now() - interval '60 days'")
    keeping.as_owner("UPDATE recordings SET ended_at = started_at")
    keeping.rule(maximum={"days": 30})
    tools = keeping.live.tools
    jobs.handle_daily(tools)
    (due,) = keeping.get("/retention/due").json()
    assert due["recording_id"] == sent
    ahead = datetime.fromisoformat(due["due_at"]) - datetime.fromisoformat(due["announced_at"])
    assert ahead > timedelta(days=13, hours=23)
    assert sent in keeping.get("/retention/due.csv").text
    jobs.handle_daily(tools)
    keeping.live.work()
    assert keeping.get(f"/recordings/{sent}/retention").json()["erased_at"] is None
    keeping.as_owner("UPDATE retention_notices SET due_at = due_at - interval '15 days'")
    jobs.handle_daily(tools)
    keeping.live.work()
    assert keeping.get(f"/recordings/{sent}/retention").json()["erased_at"] is None
    keeping.as_owner("UPDATE retention_notices SET announced_at = now() - interval '15 days'")
    jobs.handle_daily(tools)
    keeping.live.work()
    assert keeping.get(f"/recordings/{sent}/retention").json()["erased_at"]
    (erasure,) = keeping.get("/erasures").json()
    assert (erasure["ground"], erasure["state"]) == ("retention", "executed")
    act = keeping.get(f"/erasures/{erasure['id']}/act").json()
    assert [one["post"] for one in act["destroyers"]] == [
        "юрист",
        "ответственный за выдачу записей",
    ]
    assert keeping.get("/retention/due").json() == []


def test_what_would_be_erased_is_shown_beforehand_and_nothing_changes(keeping: Keeping) -> None:
    erased, held, asked_for = (keeping.sent(call) for call in ("c1", "c2", "c3"))
    keeping.rule(name="short", maximum={"days": 30})
    keeping.hold(held)
    keeping.ask(asked_for)
    tools = keeping.live.tools

    def seen(days: int) -> dict[str, tuple[str, str, tuple[str, ...], int]]:
        by = tools.clock.now() + timedelta(days=days)
        with tools.database.transaction() as session:
            found = list(foresee(session, zone=tools.settings.zone, by=by))
        return {
            str(one.subject.id): (one.outcome, one.because, one.rules, len(one.holds))
            for one in found
        }

    assert seen(0) == {asked_for: ("erase", "request", ("short",), 0)}
    assert seen(60) == {
        erased: ("erase", "maximum", ("short",), 0),
        held: ("keep", "hold", ("short",), 1),
        asked_for: ("erase", "request", ("short",), 0),
    }
    assert keeping.get("/retention/due").json() == []
    assert keeping.rows("SELECT count(*) FROM recordings WHERE kept_only_by_hold") == [(0,)]


def test_a_look_ahead_asks_as_much_for_many_as_for_one(keeping: Keeping) -> None:
    tools = keeping.live.tools
    keeping.rule(name="short", maximum={"days": 1})
    asked: list[str] = []

    def note(*told: object) -> None:
        asked.append(str(told[2]))

    def statements() -> int:
        asked.clear()
        by = tools.clock.now() + timedelta(days=60)
        with tools.database.transaction() as session:
            page(session, zone=tools.settings.zone, by=by, after=None, limit=200)
        return len(asked)

    event.listen(tools.database.engine, "before_cursor_execute", note)
    try:
        keeping.hold(keeping.sent("c1"))
        for_one = statements()
        for call in ("c2", "c3", "c4"):
            keeping.hold(keeping.sent(call))
        assert 0 < statements() == for_one
    finally:
        event.remove(tools.database.engine, "before_cursor_execute", note)


def test_a_hold_takes_the_announcement_back_and_says_what_it_keeps(keeping: Keeping) -> None:
    sent = keeping.sent()
    keeping.as_owner("UPDATE recordings SET started_at = now() - interval '60 days'")
    keeping.rule(maximum={"days": 30})
    tools = keeping.live.tools
    jobs.handle_daily(tools)
    assert len(keeping.get("/retention/due").json()) == 1
    hold = keeping.hold(sent)
    jobs.handle_daily(tools)
    assert keeping.get("/retention/due").json() == []
    assert keeping.rows(HELD_ONLY, id=UUID(sent)) == [(True,)]
    decision = keeping.get(
        f"/recordings/{sent}/decision?purpose=internal_quality&recipient=own_staff_manager",
        "reviewer",
    )
    assert "R_HELD_ONLY" in [one["code"] for one in decision.json()["reasons"]]
    keeping.post("approver", f"/holds/{hold['id']}/release", reason="x")
    jobs.handle_daily(tools)
    assert keeping.rows(HELD_ONLY, id=UUID(sent)) == [(False,)]
    assert len(keeping.get("/retention/due").json()) == 1


def test_what_must_stay_longer_than_it_may_is_listed(keeping: Keeping) -> None:
    sent = keeping.sent()
    keeping.rule(name="a", maximum={"days": 1})
    keeping.rule(name="b", minimum={"days": 30}, maximum=None)
    (one,) = keeping.get("/retention/conflicts").json()["items"]
    assert (one["recording_id"], one["outcome"]) == (sent, "conflict")
    jobs.handle_daily(keeping.live.tools)
    assert keeping.get("/retention/due").json() == []


def test_without_a_review_what_is_unknown_stays(keeping: Keeping) -> None:
    sent = keeping.sent()
    offered = next(r for r in keeping.get("/retention/rules").json() if r["name"] == "no-ground")
    told = {k: offered[k] for k in ("name", "trigger", "minimum", "maximum", "basis", "flags")}
    keeping.rule(**told)
    assert keeping.get(f"/recordings/{sent}/retention").json()["latest"] is None
    after = keeping.post("reviewer", f"/recordings/{sent}/retention/review", note="Нет основания.")
    latest = datetime.fromisoformat(after.json()["latest"])
    assert timedelta(days=30) < latest - datetime.now(UTC) <= timedelta(days=31)


def test_a_restriction_is_lifted_by_another(keeping: Keeping) -> None:
    sent = keeping.sent()
    path = f"/recordings/{sent}/restriction"
    assert keeping.post("reviewer", path, reason="Возражает.").status_code == 201
    assert keeping.post("reviewer", path, reason="x").status_code == 409
    decision = keeping.get(
        f"/recordings/{sent}/decision?purpose=internal_quality&recipient=own_staff_manager",
        "reviewer",
    )
    assert "R_RESTRICTED" in [one["code"] for one in decision.json()["reasons"]]
    assert keeping.post("reviewer", f"{path}/lift", reason="x").status_code == 403
    assert keeping.post("legal", f"{path}/lift", reason="Решено.").status_code == 200
    assert keeping.post("legal", f"{path}/lift", reason="x").status_code == 409
    decision = keeping.get(
        f"/recordings/{sent}/decision?purpose=internal_quality&recipient=own_staff_manager",
        "reviewer",
    )
    assert "R_RESTRICTED" not in [one["code"] for one in decision.json()["reasons"]]
