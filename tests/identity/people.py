"""People with passwords and telephones, and what they send."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import pyotp

from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import User
from app.identity.permissions import Role
from tests.live import Live

PASSWORD = "correct horse battery"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


def add(live: Live, name: str, role: Role) -> User:
    """Make a person known who has the password of the tests."""
    with live.tools.database.transaction() as session:
        return identity.add_user(
            session,
            Actor.system("tests"),
            name,
            role=role,
            password=PASSWORD,
            at=live.tools.clock.now(),
        )


@dataclass
class Browser:
    """What a browser keeps, and sends from our own pages."""

    live: Live
    cookie: str = ""
    secret: str = ""
    recovery_codes: list[str] = field(default_factory=list)

    def send(self, method: str, path: str, json: object = None, **headers: str) -> httpx.Response:
        sent = SAME_SITE | ({"Cookie": self.cookie} if self.cookie else {}) | headers
        answer = self.live.call(method, path, who=None, headers=sent, json=json)
        for kept in answer.headers.get_list("set-cookie"):
            self.cookie = kept.partition(";")[0]
        return answer

    def log_in(self, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        return self.send("POST", "/v1/session", {"name": name, "password": password} | more)

    def enrol(self) -> httpx.Response:
        """Set up the second factor."""
        self.secret = self.send("POST", "/v1/session/totp").json()["secret"]
        answer = self.send("POST", "/v1/session/totp/confirm", {"code": self.code(-1)})
        assert answer.status_code == 200, answer.text
        self.recovery_codes = answer.json()["recovery_codes"]
        return answer

    def code(self, step: int = 0) -> str:
        """Return the code of the telephone, `step` half minutes from now."""
        now = int(self.live.tools.clock.now().timestamp())
        return pyotp.TOTP(self.secret).at(now + 30 * step)


def browser(live: Live, name: str, role: Role = Role.MANAGER) -> Browser:
    """Return the browser of a new person who is logged in."""
    add(live, name, role)
    made = Browser(live)
    assert made.log_in(name).status_code == 204
    return made
