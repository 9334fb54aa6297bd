"""A log-in from a browser: whose cookie it is, and from where it may change anything."""

from __future__ import annotations

import httpx
import pytest

from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.authenticator import SESSION_COOKIE
from app.identity.permissions import Role
from tests.live import Live

PASSWORD = "correct horse battery"
EVENT = {
    "kind": "call",
    "occurred_at": "2026-11-20T10:00:00Z",
    "subject": "Звонок",
    "client": "unknown",
}


def _log_in(live: Live, **headers: str) -> httpx.Response:
    with live.tools.database.transaction() as session:
        identity.add_user(
            session,
            Actor.system("tests"),
            "maria",
            role=Role.MANAGER,
            password=PASSWORD,
            at=live.tools.clock.now(),
        )
    answer = live.call(
        "POST",
        "/v1/session",
        who=None,
        headers=headers,
        json={"name": "maria", "password": PASSWORD},
    )
    assert answer.status_code == 204
    return answer


def _cookie(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def _put(live: Live, cookie: str, **headers: str) -> int:
    answer = live.call(
        "PUT", "/v1/events/E-1", who=None, headers={"Cookie": cookie} | headers, json=EVENT
    )
    return answer.status_code


def test_the_cookie_is_bound_to_host_and_transport(live: Live) -> None:
    kept = _log_in(live).headers["set-cookie"]
    name, *attributes = (part.strip() for part in kept.split(";"))
    assert name.startswith("__Host-audiatur=auds_")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(attributes)
    assert not any(part.lower().startswith("domain") for part in attributes)


@pytest.mark.parametrize("site", [None, "cross-site", "same-site", ""])
def test_a_change_by_cookie_from_elsewhere_is_refused(live: Live, site: str | None) -> None:
    cookie = _cookie(_log_in(live))
    assert _put(live, cookie, **({} if site is None else {"Sec-Fetch-Site": site})) == 403


def test_a_change_by_cookie_from_our_own_pages_is_taken(live: Live) -> None:
    cookie = _cookie(_log_in(live))
    assert _put(live, cookie, **{"Sec-Fetch-Site": "same-origin"}) == 404  # No such client yet.


def test_a_token_that_somebody_planted_is_not_taken_over(live: Live) -> None:
    planted = f"{SESSION_COOKIE}=auds_{'A' * 43}"
    given = _cookie(_log_in(live, Cookie=planted))
    assert given != planted
    answers = [
        live.call("GET", "/v1/session", who=None, headers={"Cookie": cookie}).status_code
        for cookie in (planted, given)
    ]
    assert answers == [401, 200]


def test_nothing_but_json_logs_in(live: Live) -> None:
    _log_in(live)
    answer = live.call(
        "POST",
        "/v1/session",
        who=None,
        headers={"Content-Type": "text/plain"},
        content=f'{{"name": "maria", "password": "{PASSWORD}"}}',
    )
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


def test_after_logging_out_the_cookie_opens_nothing(live: Live) -> None:
    headers = {"Cookie": _cookie(_log_in(live))}
    assert live.call("GET", "/v1/session", who=None, headers=headers).status_code == 200
    ended = live.call(
        "DELETE", "/v1/session", who=None, headers=headers | {"Sec-Fetch-Site": "same-origin"}
    )
    assert ended.status_code == 204
    assert live.call("GET", "/v1/session", who=None, headers=headers).status_code == 401
