"""Holds, rules, restrictions and erasures speak of screenshots as they do of recordings."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from app.retention import jobs, purge
from app.retention.rules import Kind
from app.retention.tombstones import PictureMark, read
from tests.conftest import Urls
from tests.retention.conftest import Keeping

PICTURE = Path(__file__).parents[2] / "scripts" / "demo_company" / "screenshots"
BODY = (PICTURE / "screenshot_1c.png").read_bytes()
CAPTURED = "2026-11-20T10:05:00+03:00"
OBJECT = "SELECT object_id FROM screenshots WHERE id = :id"


def sent(keeping: Keeping, captured: str = CAPTURED, **told: object) -> str:
    """Receive a screenshot and return its id."""
    wanted = {"captured_at": captured, "agent": "106", "note": "Окно 1С."} | told
    answer = keeping.live.send(wanted, BODY, name="screen.png", path="/v1/screenshots")
    assert answer.status_code == 201, answer.text
    keeping.live.work()
    return str(answer.json()["id"])


def of_client(keeping: Keeping, **told: Any) -> str:  # noqa: ANN401 - as the request has it.
    keeping.live.put_client("C-1", "+74950008414")
    keeping.live.put_event("E-1", "C-1", "2026-11-20T09:00:00+03:00")
    return sent(keeping, event={"external_id": "E-1"}, **told)


def ask(keeping: Keeping, shot: str, who: str = "reviewer") -> dict[str, Any]:
    body = {"ground": "request", "reason": "Просит удалить.", "subject": "Иван Петров"}
    answer = keeping.post(who, f"/screenshots/{shot}/erasures", **body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def erased(keeping: Keeping, shot: str) -> dict[str, Any]:
    asked = ask(keeping, shot)
    agreed = keeping.post("legal", f"/erasures/{asked['id']}/approve")
    assert agreed.status_code == 200, agreed.text
    keeping.live.work()
    found: dict[str, Any] = keeping.get(f"/erasures/{asked['id']}").json()
    return found


def standing(keeping: Keeping, shot: str) -> dict[str, Any]:
    answer = keeping.get(f"/screenshots/{shot}/retention")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_agreed_erasure_destroys_key_bytes_salts_and_persons(keeping: Keeping) -> None:
    tools = keeping.live.tools
    shot, other = sent(keeping), sent(keeping, "2026-11-20T11:00:00+03:00")
    ((object_id,),) = keeping.rows(OBJECT, id=UUID(shot))
    told = erased(keeping, shot)
    assert (told["state"], told["recording_id"], told["screenshot_id"]) == ("executed", None, shot)
    assert [one["object_id"] for one in told["objects"]] == [str(object_id)]
    assert told["objects"][0]["deleted_at"]
    assert not tools.archive.has(object_id)
    keys = "SELECT count(*) FROM sealed_objects WHERE wrapped_key IS NOT NULL"
    assert keeping.rows(keys) == [(1,)], "the other one stays"
    personal = "SELECT agent, note, file_name FROM screenshots WHERE id = :id"
    assert keeping.rows(personal, id=UUID(shot)) == [(None, None, None)]
    assert keeping.rows(personal, id=UUID(other)) == [("106", "Окно 1С.", "screen.png")]
    private = (
        "SELECT count(*) FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id"
        " WHERE e.object_id = :id"
    )
    assert keeping.rows(private, id=UUID(shot)) == [(0,)]
    acts = keeping.rows(
        "SELECT act FROM custody_entries WHERE object_id = :id ORDER BY position", id=UUID(shot)
    )
    assert (acts[0], acts[-1]) == (("screenshot.ingested",), ("erasure.executed",))
    again = {"captured_at": CAPTURED, "agent": "106"}
    refused = keeping.live.send(again, BODY, name="screen.png", path="/v1/screenshots")
    assert refused.status_code == 410, refused.text
    (stone,) = read(tools.settings.tombstones_path)
    assert (stone.subject.kind, str(stone.subject.id)) == (Kind.SCREENSHOT, shot)
    assert isinstance(stone.known_by, PictureMark)
    purge.check(tools, UUID(told["id"]))
    assert keeping.get(f"/erasures/{told['id']}").json()["state"] == "verified"
    gone = keeping.post("reviewer", f"/screenshots/{shot}/erasures", ground="duty", reason="r")
    assert gone.status_code == 410


def test_the_check_is_independent_and_raises_the_alarm(keeping: Keeping) -> None:
    shot = sent(keeping)
    told = erased(keeping, shot)
    keeping.as_owner("UPDATE screenshots SET note = 'Окно 1С.' WHERE id = %s", shot)
    purge.check(keeping.live.tools, UUID(told["id"]))
    found = keeping.get(f"/erasures/{told['id']}").json()
    assert (found["state"], found["alarm"]) == ("alarm", "person")


def test_the_act_and_the_log_tell_of_a_screenshot(keeping: Keeping) -> None:
    told = erased(keeping, of_client(keeping))
    act = keeping.get(f"/erasures/{told['id']}/act").json()
    assert (act["recording_id"], act["screenshot_id"]) == (None, told["screenshot_id"])
    assert act["categories"][0].startswith("снимок экрана")
    page = keeping.get(f"/erasures/{told['id']}/act.html").text
    assert f"снимок экрана {told['screenshot_id']}" in page
    log = keeping.get(f"/erasures/{told['id']}/log.csv").text
    assert f"screenshot.ingested,screenshot {told['screenshot_id']}" in log
    assert log.count("object.deleted") == 1


def test_a_hold_that_names_it_hinders_and_explains(keeping: Keeping) -> None:
    shot, other = sent(keeping), sent(keeping, "2026-11-20T11:00:00+03:00")
    hold = keeping.hold(screenshot_ids=[shot])
    assert (hold["recording_ids"], hold["screenshot_ids"]) == ([], [shot])
    told = standing(keeping, shot)
    assert (told["outcome"], told["because"], told["screenshot_id"]) == ("keep", "hold", shot)
    assert told["held"][0].startswith("held by А40-1/2026 since ")
    assert standing(keeping, other)["holds"] == []
    denied = ask(keeping, shot)
    assert denied["state"] == "denied"
    assert denied["denial"].startswith("held by А40-1/2026 since ")
    keeping.post("approver", f"/holds/{hold['id']}/release", reason="Мир.")
    assert erased(keeping, shot)["state"] == "executed"


def test_a_hold_of_nothing_there_is_refused(keeping: Keeping) -> None:
    body = {"matter": "m", "reason": "r", "screenshot_ids": [str(uuid4())]}
    refused = keeping.post("legal", "/holds", **body)
    assert (refused.status_code, refused.json()["type"].rsplit("/")[-1]) == (
        404,
        "hold-recording-unknown",
    )
    nowhere = keeping.post("legal", "/holds", matter="m", reason="r", dispute_id=str(uuid4()))
    assert (nowhere.status_code, nowhere.json()["type"].rsplit("/")[-1]) == (400, "hold-empty")


@pytest.mark.parametrize("of", ["client", "agent", "dispute", "exhibit"])
def test_a_rule_holds_screenshots_those_that_come_too(keeping: Keeping, of: str) -> None:
    early, call = of_client(keeping), keeping.sent(event={"external_id": "E-1"})
    far = sent(keeping, "2026-11-20T12:00:00+03:00", agent="107")
    ((client,),) = keeping.rows("SELECT client_id FROM events WHERE external_id = 'E-1'")
    rule: dict[str, Any] = {"client_id": str(client)} if of == "client" else {"agent": "106"}
    held_too = [call]
    if of in {"dispute", "exhibit"}:
        about = {"event": "E-1"} if of == "dispute" else {}
        body = {"client": "C-1", "subject": "Спор", **about}
        opened = keeping.post("manager", "/disputes", **body)
        assert opened.status_code == 201, opened.text
        dispute = opened.json()["id"]
        rule = {"dispute_id": dispute}
        if of == "exhibit":
            path = f"/disputes/{dispute}/exhibits"
            added = keeping.post("manager", path, screenshot_id=early)
            assert added.status_code == 201, added.text
            held_too = []
    hold = keeping.hold(**rule)
    keeping.live.work()
    assert [one["id"] for one in standing(keeping, early)["holds"]] == [hold["id"]]
    assert standing(keeping, far)["holds"] == []
    for one in held_too:
        assert keeping.get(f"/recordings/{one}/retention").json()["held"]
    listed = keeping.get("/holds").json()
    assert early in next(one for one in listed if one["id"] == hold["id"])["screenshot_ids"]
    if of != "exhibit":
        late = sent(keeping, "2026-11-20T10:30:00+03:00", event={"external_id": "E-1"})
        assert standing(keeping, late)["held"]


def test_what_a_rule_has_caught_stays_caught(keeping: Keeping) -> None:
    shot = of_client(keeping)
    ((client,),) = keeping.rows("SELECT client_id FROM events WHERE external_id = 'E-1'")
    keeping.hold(client_id=str(client))
    other = sent(keeping, "2026-11-20T12:00:00+03:00")
    ((event,),) = keeping.rows("SELECT event_id FROM screenshots WHERE id = :id", id=UUID(other))
    keeping.rows(
        "UPDATE screenshots SET event_id = :event WHERE id = :id RETURNING id",
        event=event,
        id=UUID(shot),
    )
    assert standing(keeping, shot)["held"]
    assert not standing(keeping, other)["held"]


def test_a_rule_of_recordings_says_nothing_of_screenshots(keeping: Keeping) -> None:
    shot = sent(keeping)
    keeping.rule()
    jobs.handle_daily(keeping.live.tools)
    told = standing(keeping, shot)
    assert (told["rules"], told["announced"]) == ([], None)


def test_it_goes_by_the_clock_of_its_event_announced_fourteen_days_ahead(
    keeping: Keeping,
) -> None:
    tools = keeping.live.tools
    shot = of_client(keeping)
    keeping.rule(kinds=["screenshot"])
    assert standing(keeping, shot)["began"]["call_end"] == "2026-11-20T07:05:00Z"
    keeping.sent(
        event={"external_id": "E-1"},
        started_at="2026-11-20T18:00:00+03:00",
        ended_at="2026-11-20T18:30:00+03:00",
    )
    told = standing(keeping, shot)
    assert (told["rules"], told["began"]["call_end"]) == (["r"], "2026-11-20T15:30:00Z")
    jobs.handle_daily(tools)
    (notice,) = keeping.get("/retention/due").json()
    assert (notice["recording_id"], notice["screenshot_id"]) == (None, shot)
    announced = datetime.fromisoformat(notice["announced_at"])
    due = datetime.fromisoformat(notice["due_at"])
    assert due - announced >= timedelta(days=14) - timedelta(minutes=5)
    (line,) = csv.DictReader(io.StringIO(keeping.get("/retention/due.csv").text))
    assert (line["recording_id"], line["screenshot_id"], line["document_id"]) == ("", shot, "")
    keeping.live.work()
    assert keeping.get("/erasures").json() == []
    keeping.let_pass()
    jobs.handle_daily(tools)
    keeping.live.work()
    (done,) = keeping.get("/erasures").json()
    assert (done["state"], done["ground"], done["screenshot_id"]) == (
        "executed",
        "retention",
        shot,
    )


def test_what_only_a_hold_keeps_says_so(keeping: Keeping) -> None:
    shot = of_client(keeping)
    keeping.rule(kinds=["screenshot"])
    hold = keeping.hold(screenshot_ids=[shot])
    jobs.handle_daily(keeping.live.tools)
    told = standing(keeping, shot)
    assert (told["held_past_retention"], told["announced"]) == (True, None)
    blocked = "SELECT screenshot_blocked(:id, 'dispute_client'), kept_only_by_hold"
    blocked += " FROM screenshots WHERE id = :id"
    assert keeping.rows(blocked, id=UUID(shot)) == [(True, True)]
    keeping.post("approver", f"/holds/{hold['id']}/release", reason="Мир.")
    jobs.handle_daily(keeping.live.tools)
    assert standing(keeping, shot)["announced"]["screenshot_id"] == shot
    assert keeping.rows(blocked, id=UUID(shot)) == [(False, False)]


def test_a_rule_of_flags_is_not_of_screenshots(keeping: Keeping) -> None:
    body = {"name": "f", "trigger": "call_end", "basis": "b", "maximum": {"days": 1}}
    both = {"kinds": ["recording", "screenshot"], "flags": ["unknown"]}
    refused = keeping.post("legal", "/retention/rules", **(body | both))
    assert refused.status_code == 400
    assert refused.json()["type"].endswith("screenshots-have-no-flag")
    offered = [one for one in keeping.get("/retention/rules").json() if one["state"] == "offered"]
    assert ["screenshot"] in [one["kinds"] for one in offered]


def test_a_review_begins_its_time(keeping: Keeping) -> None:
    shot = sent(keeping)
    keeping.rule(kinds=["screenshot"], trigger="reviewed")
    assert standing(keeping, shot)["latest"] is None
    path = f"/screenshots/{shot}/retention/review"
    told = keeping.post("reviewer", path, note="Ничего нужного.")
    assert told.status_code == 200, told.text
    assert told.json()["latest"]


def test_a_restriction_blocks_and_is_lifted_by_another(keeping: Keeping) -> None:
    shot = of_client(keeping)
    blocked = "SELECT screenshot_blocked(:id, 'dispute_client')"
    assert keeping.rows(blocked, id=UUID(shot)) == [(False,)]
    path = f"/screenshots/{shot}/restriction"
    assert keeping.post("legal", path, reason="Спорно.").status_code == 201
    again = keeping.post("legal", path, reason="Спорно.")
    assert (again.status_code, again.json()["type"].rsplit("/")[-1]) == (409, "restriction-stands")
    assert standing(keeping, shot)["restricted_at"]
    assert keeping.rows(blocked, id=UUID(shot)) == [(True,)]
    assert keeping.rows("SELECT screenshot_blocked(:id, 'legal_demand')", id=UUID(shot)) == [
        (False,)
    ]
    same = keeping.post("legal", f"{path}/lift", reason="Решено.")
    assert (same.status_code, same.json()["type"].rsplit("/")[-1]) == (403, "same-person-settles")
    assert keeping.post("approver", f"{path}/lift", reason="Решено.").status_code == 200
    assert keeping.rows(blocked, id=UUID(shot)) == [(False,)]
    none = keeping.post("approver", f"{path}/lift", reason="Решено.")
    assert (none.status_code, none.json()["type"].rsplit("/")[-1]) == (409, "not-restricted")


ROUTES = [
    ("GET", "retention", {}),
    ("POST", "retention/review", {"note": "n"}),
    ("POST", "restriction", {"reason": "r"}),
    ("POST", "restriction/lift", {"reason": "r"}),
    ("POST", "erasures", {"ground": "duty", "reason": "r"}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_the_routes_refuse(keeping: Keeping, method: str, path: str, body: dict[str, str]) -> None:
    nowhere = f"/v1/screenshots/{uuid4()}/{path}"
    more = {"json": body} if body else {}
    assert keeping.live.call(method, nowhere, who=None, **more).status_code == 401
    assert keeping.live.call(method, nowhere, who="phone", **more).status_code == 403
    missing = keeping.live.call(method, nowhere, who="legal", **more)
    expected = (
        (409, "not-restricted")
        if path.endswith("lift")
        else (
            404,
            "retention-screenshot-unknown",
        )
    )
    assert (missing.status_code, missing.json()["type"].rsplit("/")[-1]) == expected


def test_an_erasure_is_asked_for_once(keeping: Keeping) -> None:
    shot = sent(keeping)
    asked = ask(keeping, shot)
    again = keeping.post("legal", f"/screenshots/{shot}/erasures", ground="duty", reason="r")
    assert (again.status_code, again.json()["erasure_id"]) == (409, asked["id"])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE screenshots SET erased_at = now()",
        "UPDATE screenshots SET restricted_at = now()",
        "UPDATE screenshots SET note = NULL",
        "UPDATE legal_hold_items SET screenshot_id = NULL",
        "SELECT destroy_screenshot(gen_random_uuid(), now())",
        "SELECT destroy_object(gen_random_uuid(), now())",
        "DELETE FROM replaced_copies",
        "INSERT INTO replaced_copies SELECT gen_random_uuid(), gen_random_uuid(), now()",
        "DELETE FROM left_bytes",
        (
            "INSERT INTO left_bytes (object_id, store, erasure_id, noted_at)"
            " SELECT gen_random_uuid(), 'archive', gen_random_uuid(), now()"
        ),
    ],
)
def test_the_application_has_no_right_to(keeping: Keeping, statement: str) -> None:
    with (
        psycopg.connect(
            keeping.live.database_url, options="-c role=audiatur_app -c audiatur.erasing=on"
        ) as app,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        app.execute(statement.encode())


def test_the_database_erases_nothing_unapproved_or_held(
    keeping: Keeping, own_database: Urls
) -> None:
    shot = sent(keeping)
    asked = ask(keeping, shot)
    executing = "SELECT execute_erasure(%s)"
    options = "-c role=audiatur_app"
    with (
        psycopg.connect(own_database.web, options=options) as app,
        pytest.raises(psycopg.errors.CheckViolation, match="approved before"),
    ):
        app.execute(executing, [asked["id"]])
    keeping.post("legal", f"/erasures/{asked['id']}/approve")
    keeping.hold(screenshot_ids=[shot], who="approver")
    with (
        psycopg.connect(own_database.web, options=options) as app,
        pytest.raises(psycopg.errors.CheckViolation, match="held"),
    ):
        app.execute(executing, [asked["id"]])
    keeping.live.work()
    assert keeping.get(f"/erasures/{asked['id']}").json()["state"] == "denied"
    assert keeping.live.tools.archive.has(keeping.rows(OBJECT, id=UUID(shot))[0][0])


def test_a_row_is_of_one_thing(keeping: Keeping, own_database: Urls) -> None:
    shot, call = sent(keeping), keeping.sent()
    keeping.hold(call)
    with (
        psycopg.connect(own_database.web, options="-c role=audiatur_app") as app,
        pytest.raises(psycopg.errors.CheckViolation, match="one_object"),
    ):
        app.execute(
            "INSERT INTO restrictions (id, recording_id, screenshot_id, reason, set_by, set_at)"
            " SELECT gen_random_uuid(), %s, %s, 'r', id, now() FROM users LIMIT 1",
            [call, shot],
        )


def test_a_notice_of_another_thing_erases_nothing(keeping: Keeping, own_database: Urls) -> None:
    """An announcement is of the very thing that is erased, whatever a taken-over process says."""
    shot = of_client(keeping)
    other = sent(keeping, "2026-11-20T12:00:00+03:00")
    keeping.rule(kinds=["screenshot"])
    jobs.handle_daily(keeping.live.tools)
    keeping.let_pass()
    made = uuid4()
    with psycopg.connect(own_database.web, options="-c role=audiatur_app") as app:
        app.execute(
            "INSERT INTO erasures (id, screenshot_id, ground, approvals_needed, notice_id,"
            " requested_at) SELECT %s, %s, 'retention', 0, id, %s FROM retention_notices"
            " WHERE screenshot_id = %s",
            [made, other, datetime.now(UTC), shot],
        )
        with pytest.raises(psycopg.errors.CheckViolation, match="approved before"):
            app.execute("SELECT execute_erasure(%s)", [made])
