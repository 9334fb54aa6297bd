"""Administering people and devices over the API. Source: OWASP ASVS 5.0, V6 and V7."""

from __future__ import annotations

import httpx
from sqlalchemy import text

from app.identity.permissions import Role
from tests.factories import wav
from tests.identity.people import Browser, browser
from tests.live import Live, metadata


def test_v7_5_3_an_administrator_at_a_browser_makes_no_other_without_a_fresh_proof(
    live: Live,
) -> None:
    boss = _boss(live)
    _age(live)
    body = {"name": "second", "role": "admin"}
    for path, told in (
        ("/v1/users", body),
        ("/v1/users/boris/recovery-link", None),
        ("/v1/users/boris/api-keys", None),
    ):
        refused = boss.send("POST", path, told)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/proof-needed")
    assert boss.send("POST", "/v1/users", body | {"role": "agent"}).status_code == 201
    raised = boss.send("PUT", "/v1/users/second", {"role": "admin", "full_name": "x"})
    assert raised.json()["type"] == "/problems/proof-needed"
    assert boss.send("POST", "/v1/session/proof", {"code": boss.code()}).status_code == 204
    raised = boss.send("PUT", "/v1/users/second", {"role": "admin", "full_name": "x"})
    assert raised.status_code == 200
    assert live.call("POST", "/v1/users", who="admin", json=body | {"name": "third"}).is_success


def _boss(live: Live) -> Browser:
    boss = browser(live, "boris", Role.ADMIN)
    boss.enrol()
    return boss


def _age(live: Live) -> None:
    with live.tools.database.transaction() as session:
        session.execute(
            text("UPDATE web_sessions SET proved_at = proved_at - interval '11 minutes'")
        )
    live.forget()


def test_v6_4_a_recovery_link_sets_a_password_once_and_forgets_the_telephone(live: Live) -> None:
    anna = browser(live, "anna")
    anna.enrol()
    made = live.call("POST", "/v1/users/anna/recovery-link", who="admin")
    first = made.json()["url"]
    second = live.call("POST", "/v1/users/anna/recovery-link", who="admin").json()["url"]
    assert first != second
    new = "another horse battery"

    def use(url: str, password: str) -> httpx.Response:
        body = {"token": url.rpartition("/")[2], "password": password}
        return live.call("POST", "/v1/recoveries", who=None, json=body)

    assert use(first, new).status_code == 404
    assert use(second, "short").status_code == 400
    assert use(second, "anna anna anna anna").status_code == 400
    assert anna.send("GET", "/v1/session").status_code == 200
    assert use(second, new).status_code == 204
    assert use(second, new).status_code == 404
    live.forget()
    assert anna.send("GET", "/v1/session").status_code == 401
    assert Browser(live).log_in("anna", new).status_code == 204  # Without a code.
    assert live.call("POST", "/v1/users/nobody/recovery-link", who="admin").status_code == 404


def test_v7_4_2_a_disabled_person_and_a_changed_role_lose_every_log_in(live: Live) -> None:
    anna = browser(live, "anna")
    told = {"role": "reviewer", "full_name": "Анна"}
    assert live.call("PUT", "/v1/users/anna", who="admin", json=told).status_code == 200
    live.forget()
    assert anna.send("GET", "/v1/session").status_code == 401
    anna.log_in("anna")
    assert live.call("POST", "/v1/users/anna/disable", who="admin").status_code == 204
    live.forget()
    assert anna.send("GET", "/v1/session").status_code == 401
    assert Browser(live).log_in("anna").status_code == 401
    assert live.call("POST", "/v1/users/anna/enable", who="admin").status_code == 204
    assert anna.send("GET", "/v1/session").status_code == 401
    assert Browser(live).log_in("anna").status_code == 204


def test_somebody_is_left_who_can_administer(live: Live) -> None:
    live.key("admin")
    gone = live.call("POST", "/v1/users/admin/disable", who="admin")
    assert (gone.status_code, gone.json()["type"]) == (409, "/problems/last-administrator")
    own = {"role": "agent", "full_name": "x"}
    changed = live.call("PUT", "/v1/users/admin", who="admin", json=own)
    assert (changed.status_code, changed.json()["type"]) == (403, "/problems/own-role")


def test_keys_are_made_and_revoked(live: Live) -> None:
    browser(live, "anna")
    key = live.call("POST", "/v1/users/anna/api-keys", who="admin").json()["key"]
    live.keys["anna"] = key
    assert live.call("GET", "/v1/session", who="anna").status_code == 200
    listed = live.call("GET", "/v1/users", who="admin").json()["items"]
    assert {one["name"]: one["api_keys"] for one in listed} == {"admin": 1, "anna": 1}
    assert live.call("DELETE", "/v1/users/anna/api-keys", who="admin").status_code == 204
    live.forget()
    assert live.call("GET", "/v1/session", who="anna").status_code == 401


def test_devices_are_added_rotated_and_disabled(live: Live) -> None:
    live.keys["hall"] = live.call("POST", "/v1/devices", who="admin", json={"name": "hall"}).json()[
        "key"
    ]
    assert live.send(metadata("c1"), wav(0.2), who="hall").status_code == 201
    again = live.call("POST", "/v1/devices", who="admin", json={"name": "hall"})
    assert again.status_code == 409
    live.keys["new"] = live.call("POST", "/v1/devices/hall/rotate", who="admin").json()["key"]
    assert live.send(metadata("c1"), wav(0.2), who="new").status_code == 200
    assert [d["name"] for d in live.call("GET", "/v1/devices", who="admin").json()["items"]] == [
        "hall"
    ]
    assert live.call("POST", "/v1/devices/hall/disable", who="admin").status_code == 204
    live.forget()
    assert live.send(metadata("c2"), wav(0.2), who="new").status_code == 401
    for path in ("rotate", "disable"):
        assert live.call("POST", f"/v1/devices/nobody/{path}", who="admin").status_code == 404
