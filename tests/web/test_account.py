"""A person's own pages, people, devices and the first run, as a browser sends them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyotp
import pytest

from app.core.clock import SetClock
from app.identity import account
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from tests.conftest import Urls
from tests.review.conftest import house
from tests.review.house import PASSWORD, House, opened

__all__ = ["house"]

OURS = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Browser:
    """A browser that keeps cookies and sends forms with their token."""

    house: House
    cookies: dict[str, str] = field(default_factory=dict)
    secret: str = ""

    def _send(self, method: str, path: str, **more: object) -> httpx.Response:
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = OURS | {"Accept-Language": "en"} | ({"Cookie": kept} if kept else {})
        answer = httpx.request(method, self.house.url + path, headers=headers, timeout=60, **more)  # type: ignore[arg-type]  # httpx's own arguments.
        for one in answer.headers.get_list("set-cookie"):
            name, _, value = one.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return answer

    def get(self, path: str) -> httpx.Response:
        return self._send("GET", path)

    def post(self, path: str, page: str = "/account", **fields: str) -> httpx.Response:
        """Send a form that stands on `page`."""
        found = re.search(r'name="token" value="(\w+)"', self.get(page).text)
        return self._send("POST", path, data=fields | ({"token": found[1]} if found else {}))

    def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self._send("POST", "/login", data={"name": name, "password": password})

    def code(self, step: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(int(self.house.clock.now().timestamp()) + 30 * step)

    def enrol(self) -> list[str]:
        """Set up the second factor; return the recovery codes that were shown."""
        assert self.post("/account/second-factor/begin").status_code == 303
        shown = self.get("/account/second-factor").text
        assert "<svg" in shown
        self.secret = re.findall(r"<code>([A-Z2-7 ]+)</code>", shown)[0].replace(" ", "")
        done = self.post("/account/second-factor/confirm", code=self.code(-1))
        assert done.status_code == 200
        return re.findall(r"<code>([a-z2-9-]{29})</code>", done.text)


@pytest.fixture
def empty(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[House]:
    """Give an archive in which nobody is known."""
    clock = SetClock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    urls = {"web_url": own_database.web, "owner_url": own_database.owner}
    with opened(tmp_path, **urls, sandbox=sandbox, clock=clock, has_staff=False) as made:
        yield made


@pytest.fixture
def strict(house: House) -> House:
    """Give a house whose administrators need a code."""
    asked = frozenset({Role.ADMIN})
    house.app.state.asked_of = asked
    house.app.state.authenticator._asked_of = asked
    return house


def test_an_administrator_sets_his_code_up_and_comes_in_by_it(strict: House) -> None:
    first = Browser(strict)
    assert first.log_in("admin").headers["location"] == "/"
    for path in ("/", "/people", "/devices"):
        assert first.get(path).headers["location"] == "/account", path
    assert "Your role needs a code" in first.get("/account").text
    codes = first.enrol()
    assert len(codes) == 10
    assert first.get("/people").status_code == 200
    again = Browser(strict)
    sent_on = again.log_in("admin")
    assert sent_on.headers["location"].startswith("/login/code?")
    assert "__Host-audiatur" not in again.cookies
    wrong = again._send("POST", "/login/code", data={"code": "000000"})
    assert (wrong.status_code, 'role="alert"' in wrong.text or "problem" in wrong.text) == (
        401,
        True,
    )
    right = again._send("POST", "/login/code", data={"code": codes[0], "onward": "/people"})
    assert right.headers["location"] == "/people"
    assert again.get("/people").status_code == 200


def test_a_code_without_a_ticket_opens_nothing(house: House) -> None:
    answer = Browser(house)._send("POST", "/login/code", data={"code": "123456"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_password_is_changed_where_the_old_one_is_given(house: House) -> None:
    person = Browser(house)
    person.log_in("manager")
    wrong = person.post("/account/password", old="x", new="another horse battery")
    assert (wrong.status_code, "This is not your password." in wrong.text) == (422, True)
    short = person.post("/account/password", old=PASSWORD, new="short")
    assert (short.status_code, "at least 15 characters" in short.text) == (422, True)
    done = person.post("/account/password", old=PASSWORD, new="another horse battery")
    assert done.status_code == 303
    assert person.get("/account").status_code == 200
    assert Browser(house).log_in("manager").status_code == 401


def test_what_binds_others_leads_over_a_fresh_proof_and_back(house: House) -> None:
    boss = Browser(house)
    boss.log_in("admin")
    house.clock.advance(timedelta(minutes=11))
    asked = boss.post("/people/manager/recovery-link", "/people/manager")
    assert (asked.status_code, asked.headers["location"]) == (303, "/account/proof?onward=%2F")
    refused = boss.post("/account/proof", "/account/proof", password="wrong", onward="/people")
    assert refused.status_code == 422
    done = boss.post("/account/proof", "/account/proof", password=PASSWORD, onward="/people")
    assert done.headers["location"] == "/people"
    made = boss.post("/people/manager/recovery-link", "/people/manager")
    url = re.findall(r"<code>(\S+/recovery/audt_[\w-]+)</code>", made.text)[0]
    token = url.rpartition("/")[2]
    stranger = Browser(house)
    assert stranger.get("/recovery/audt_wrong").status_code == 404
    shown = stranger.get(f"/recovery/{token}")
    assert (shown.status_code, shown.headers["referrer-policy"]) == (200, "no-referrer")
    bad = stranger._send("POST", f"/recovery/{token}", data={"password": "short"})
    assert bad.status_code == 422
    new = "another horse battery"
    good = stranger._send("POST", f"/recovery/{token}", data={"password": new})
    assert (good.status_code, good.headers["location"]) == (303, "/login")
    assert stranger.get(f"/recovery/{token}").status_code == 404
    assert stranger.log_in("manager", new).status_code == 303


def test_log_ins_are_listed_and_ended(house: House) -> None:
    here, there = Browser(house), Browser(house)
    here.log_in("manager")
    there.log_in("manager")
    shown = here.get("/account").text
    (other,) = re.findall(r'name="session" value="([\w-]+)"', shown)
    assert here.post("/account/sessions/end", session=other).status_code == 303
    house.clock.advance(timedelta(seconds=4))
    assert there.get("/account").status_code == 401
    assert here.post("/account/sessions/end", session=other).status_code == 404
    assert here.post("/account/sessions/end-others").status_code == 303
    assert here.get("/account").status_code == 200


def test_people_devices_and_offices_are_administered(house: House) -> None:
    boss = Browser(house)
    boss.log_in("admin")
    added = boss.post("/people", "/people", name="anna", role="manager", full_name="Анна")
    assert added.headers["location"] == "/people/anna"
    again = boss.post("/people", "/people", name="anna", role="manager")
    assert (again.status_code, "The name is taken" in again.text) == (422, True)
    assert boss.post("/offices", "/offices", name="south", zone="Asia/Almaty").status_code == 303
    wrong = boss.post("/offices", "/offices", name="west", zone="Mars")
    assert wrong.status_code == 422
    changed = boss.post(
        "/people/anna", "/people/anna", role="reviewer", full_name="Анна", office="south"
    )
    assert changed.status_code == 303
    assert "south" in boss.get("/people").text
    key = boss.post("/devices", "/devices", name="hall")
    assert re.search(r"<code>audd_[\w-]+</code>", key.text)
    assert "nothing came yet" in boss.get("/devices").text
    assert boss.post("/devices/hall/disable", "/devices").status_code == 303
    assert boss.post("/people/anna/disable", "/people/anna").status_code == 303
    assert "shut out" in boss.get("/people/anna").text
    assert boss.post("/people/anna/enable", "/people/anna").status_code == 303
    assert boss.get("/people/nobody").status_code == 404


def wrong_fields(page: str) -> list[str]:
    """Return the names of the fields that are marked as wrong."""
    fields = re.findall(r"<input[^>]*>", page)
    return [
        name
        for one in fields
        if 'aria-invalid="true"' in one
        for name in re.findall(r'\bname="(\w+)"', one)
    ]


def test_the_first_administrator_is_made_once_by_the_link(empty: House) -> None:
    with empty.database.transaction() as session:
        token = account.mint_first_admin_link(session, Actor.system("tests"), at=empty.clock.now())
    stranger = Browser(empty)
    assert stranger.get("/first-run/audt_wrong").status_code == 404
    path = f"/first-run/{token}"
    assert stranger.get(path).status_code == 200
    form = {"name": "boris", "password": "short"}
    short = stranger._send("POST", path, data=form)
    assert (short.status_code, wrong_fields(short.text)) == (422, ["password"])
    unnamed = stranger._send("POST", path, data=form | {"name": "?", "password": PASSWORD})
    assert (unnamed.status_code, wrong_fields(unnamed.text)) == (422, ["name"])
    assert stranger._send("POST", path, data=form | {"password": PASSWORD}).status_code == 303
    assert stranger._send("POST", path, data=form | {"password": PASSWORD}).status_code == 404
    assert stranger.log_in("boris").status_code == 303
