"""On the pages of a client and of a dispute a small copy is shown to whom the picture is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.authenticator import SESSION_COOKIE
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from tests.conftest import Urls
from tests.live import live_archive
from tests.pictures.drawn import drawn
from tests.pictures.test_looking import LINES, look, sent
from tests.retention.conftest import Keeping
from tests.review.house import PASSWORD

OURS = {"Sec-Fetch-Site": "same-origin"}
READERS = (Role.MANAGER, Role.REVIEWER, Role.LEGAL)


@dataclass(kw_only=True)
class Shown:
    """A screenshot that is an exhibit, its two pages, and a browser of each role."""

    keeping: Keeping
    shot: str
    pages: tuple[str, str]
    cookies: dict[Role, str]

    def page(self, path: str, role: Role) -> httpx.Response:
        cookie = {"Cookie": f"{SESSION_COOKIE}={self.cookies[role]}"}
        return httpx.get(self.keeping.live.url + path, headers=OURS | cookie, timeout=60)

    def is_shown(self, role: Role) -> tuple[bool, ...]:
        """Say of both pages whether the copy stands there, and whether it is served."""
        small = f"/v1/screenshots/{self.shot}/small"
        answers = [self.page(path, role) for path in self.pages]
        assert [one.status_code for one in answers] == [200, 200], answers[0].text[:500]
        served = self.page(small, role)
        if served.is_success:
            assert served.content[:3] == b"\xff\xd8\xff"
        else:
            assert b"\xff\xd8\xff" not in served.content
        return (*(f'src="{small}"' in one.text for one in answers), served.is_success)


@pytest.fixture
def keeping(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[Keeping]:
    """Give an archive whose people log in by a password alone."""
    with live_archive(tmp_path, own_database.web, sandbox, totp_roles="none") as live:
        yield Keeping(live=live, owner_url=own_database.owner)


@pytest.fixture
def shown(keeping: Keeping) -> Shown:
    live = keeping.live
    shot = sent(keeping, drawn(*LINES))
    look(keeping)
    opened = keeping.post("manager", "/disputes", client="C-1", subject="Не печатает")
    assert opened.status_code == 201, opened.text
    dispute = opened.json()["id"]
    added = keeping.post("manager", f"/disputes/{dispute}/exhibits", screenshot_id=shot)
    assert added.status_code == 201, added.text
    ((client,),) = keeping.rows("SELECT id FROM clients")
    cookies = {}
    for role in (*READERS, Role.AUDITOR):
        name = f"{role}-at-a-browser"
        with live.tools.database.transaction() as session:
            identity.add_user(
                session,
                Actor.system("tests"),
                name,
                role=role,
                at=live.tools.clock.now(),
                password=PASSWORD,
            )
        form = {"name": name, "password": PASSWORD}
        answer = httpx.post(f"{live.url}/login", data=form, headers=OURS, timeout=60)
        cookies[role] = answer.headers["set-cookie"].split("=", 1)[1].split(";")[0]
    return Shown(
        keeping=keeping,
        shot=shot,
        pages=(f"/clients/{client}?lang=en", f"/disputes/{dispute}?lang=en"),
        cookies=cookies,
    )


def test_a_small_copy_is_shown_and_served_to_whom_the_picture_is_shown(shown: Shown) -> None:
    keeping = shown.keeping
    for role in READERS:
        assert shown.is_shown(role) == (True, True, True), role
    # Who may look at the client and at no picture sees that there is one, and nothing of it.
    page = shown.page(shown.pages[0], Role.AUDITOR)
    assert page.status_code == 200
    assert f"{shown.shot}/small" not in page.text
    assert shown.page(f"/v1/screenshots/{shown.shot}/small", Role.AUDITOR).status_code == 403
    # What is only kept is for who may place holds.
    body = {"reason": "Спорные данные."}
    path = f"/screenshots/{shown.shot}/restriction"
    assert keeping.post("reviewer", path, **body).status_code == 201
    assert shown.is_shown(Role.LEGAL) == (True, True, True)
    for role in (Role.MANAGER, Role.REVIEWER):
        assert shown.is_shown(role) == (False, False, False), role


def test_a_manager_of_another_office_sees_neither_page_nor_copy(shown: Shown) -> None:
    live = shown.keeping.live
    made = live.call("POST", "/v1/offices", who="admin", json={"name": "north"})
    assert made.status_code == 201, made.text
    placed = live.call(
        "PUT",
        "/v1/users/manager-at-a-browser/offices",
        who="admin",
        json={"offices": ["north"]},
    )
    assert placed.status_code == 204, placed.text
    live.forget()
    for path in (*shown.pages, f"/v1/screenshots/{shown.shot}/small"):
        assert shown.page(path, Role.MANAGER).status_code == 404, path
