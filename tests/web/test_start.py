"""Setting up an empty archive: led from step to step, skipping, coming back, the first call."""

from __future__ import annotations

import json
import re

import httpx

from app.identity import account, service
from app.identity.actor import Actor
from app.identity.models import MAIN_OFFICE, Office
from app.identity.permissions import Role
from app.worker import loop
from tests.conftest import Urls
from tests.factories import wav
from tests.live import metadata
from tests.review.house import PASSWORD, House
from tests.web.test_account import Browser, empty, wrong_fields
from tests.web.test_demo import polled

__all__ = ["empty"]


def _first(house: House) -> Browser:
    """Return the browser of the first administrator, made by the link."""
    with house.database.transaction() as session:
        token = account.mint_first_admin_link(session, Actor.system("tests"), at=house.clock.now())
    browser = Browser(house)
    form = {"name": "boris", "password": PASSWORD}
    made = browser._send("POST", f"/first-run/{token}", data=form)
    assert made.headers["location"] == "/login?onward=%2Fstart"
    browser.log_in("boris")
    return browser


def _now(browser: Browser) -> list[str]:
    """Return the step that is open."""
    return re.findall(r'aria-labelledby="step-(\w+)" aria-current', browser.get("/start").text)


def _heading(page: str) -> str:
    """Return what stands over the step of the first call, without its marks."""
    (found,) = re.findall(r'<h2 id="step-call">(.*?)</h2>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def first_call(house: House, key: str) -> str:
    """Send a call as the telephone whose key it is; return the recording's id."""
    sent = httpx.post(
        f"{house.url}/v1/recordings",
        headers={"Authorization": f"Bearer {key}"},
        files=[
            ("metadata", (None, json.dumps(metadata("first")), "application/json")),
            ("file", ("call.wav", wav(2.0), "application/octet-stream")),
        ],
        timeout=60,
    )
    assert sent.status_code == 201, sent.text
    return str(sent.json()["id"])


def test_the_first_administrator_is_led_to_the_first_call(empty: House, own_database: Urls) -> None:
    boss = _first(empty)
    assert "finish setting up the archive" in boss.get("/").text
    assert _now(boss) == ["company"]
    for wrong, field in (({"name": ""}, "name"), ({"name": "Romashka", "zone": "Mars"}, "zone")):
        answer = boss.post("/start/company", "/start", **wrong)
        assert (answer.status_code, wrong_fields(answer.text)) == (422, [field])
    assert 'value="Romashka"' in answer.text  # What was entered is not lost.
    assert 'value="Mars"' in answer.text
    further = {"name": "Kazan", "zone": "Europe/Moscow"}
    assert boss.post("/offices", "/offices", **further).status_code == 303
    assert _now(boss) == ["company"]  # A further office is not the company's name.
    told = {"name": "Romashka", "jurisdiction": "DE", "zone": "Europe/Berlin"}
    assert boss.post("/start/company", "/start", **told).status_code == 303
    with empty.database.transaction() as session:
        main = session.get_one(Office, MAIN_OFFICE)
        assert (main.name, main.jurisdiction, main.zone) == tuple(told.values())

    assert _now(boss) == ["people"]
    with empty.database.transaction() as session:
        system = Actor.system("tests")
        service.add_user(session, system, "olga", role=Role.APPROVER, at=empty.clock.now())
    assert _now(boss) == ["notice"]
    assert boss.post("/notices/templates/ivr-en/take-over", "/notices").status_code == 303
    assert "waits for the approval of another person" in boss.get("/start").text
    assert boss.post("/start/skip/notice", "/start").status_code == 303

    assert _now(boss) == ["device"]
    taken = boss.post("/start/device", "/start", name="no such name!")
    assert (taken.status_code, wrong_fields(taken.text)) == (422, ["name"])
    assert 'value="no such name!"' in taken.text
    shown = boss.post("/start/device", "/start", name="hall").text
    (key,) = re.findall(r"<code>(audd_[\w-]+)</code>", shown)
    assert "curl" in shown
    assert "2026-11-21T13:00:00+01:00" in shown  # The call that it sends is one of today.
    assert 'href="/start"' in shown

    assert _now(boss) == ["call"]
    waiting = boss.get("/start").text
    assert "No call has come yet" in waiting
    assert _heading(waiting) == "5. The first call ○ to do"
    assert 'hx-select-oob="#step-call"' in waiting  # The heading changes with what is below it.
    recording = first_call(empty, key)
    arriving = boss.get("/start").text
    assert "is being looked into" in arriving
    assert "<progress" in arriving
    assert [_heading(boss.get(f"/start?lang={one}").text) for one in ("en", "ru")] == [
        "5. The first call ◌ being looked into",
        "5. Первый звонок ◌ идёт разбор",
    ]
    assert f"/recordings/{recording}" in arriving
    assert "hx-refresh" not in polled(boss, "/start").headers
    loop.drain(empty.tools, own_database.web)
    assert polled(boss, "/start").headers["hx-refresh"] == "true"
    done = boss.get("/start").text
    assert "was looked into" in done
    assert "everything is set up" in done
    assert "finish setting up the archive" not in boss.get("/").text


def test_a_step_is_skipped_and_taken_up_again_where_one_was(empty: House) -> None:
    boss = _first(empty)
    for step in ("company", "people", "notice", "device", "call"):
        assert _now(boss) == [step]
        assert boss.post(f"/start/skip/{step}", "/start").status_code == 303
    assert _now(boss) == []
    assert "finish setting up the archive" not in boss.get("/").text
    assert boss.post("/start/take-up/people", "/start").status_code == 303
    assert _now(boss) == ["people"]
    assert _now(_again(empty)) == ["people"]  # It is remembered, whatever browser asks.
    assert boss.post("/start/skip/nothing", "/start").status_code == 404


def _again(house: House) -> Browser:
    browser = Browser(house)
    browser.log_in("boris")
    return browser
