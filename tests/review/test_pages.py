"""The pages without a script: log-in, list, languages, safety."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from app.identity.authenticator import SESSION_COOKIE
from tests.review.house import PASSWORD, House

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def browser(house: House) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=house.url, headers=OURS, timeout=60) as client:
        yield client


def _log_in(browser: httpx.Client, name: str = "reviewer", password: str = PASSWORD) -> str:
    """Return the cookie's value; httpx does not send a secure cookie over plain http by itself."""
    answer = browser.post("/login", data={"name": name, "password": password})
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    token = cookie.split("=", 1)[1].split(";")[0]
    browser.headers["Cookie"] = f"{SESSION_COOKIE}={token}"
    return token


def test_who_is_not_known_is_shown_the_log_in_form(browser: httpx.Client) -> None:
    answer = browser.get("/review/proposed")
    assert answer.status_code == 401
    assert 'name="onward" value="/review/proposed"' in answer.text
    assert browser.get("/login").status_code == 200


def test_logging_in_leads_on_and_logging_out_ends_it(browser: httpx.Client) -> None:
    _log_in(browser)
    page = browser.get("/review?lang=en")
    assert page.status_code == 200
    assert "Evidence to review" in page.text
    token = re.findall(r'name="token" value="([0-9a-f]{64})"', page.text)[0]
    assert browser.post("/logout", data={"token": "0" * 64}).status_code == 403
    assert browser.post("/logout", data={"token": token}).status_code == 303
    assert browser.get("/review").status_code == 401


def test_a_wrong_password_is_told_in_words_and_counted(house: House, browser: httpx.Client) -> None:
    for _ in range(10):
        answer = browser.post("/login", data={"name": "reviewer", "password": "wrong wrong wrong"})
        assert answer.status_code == 401
    assert "Проверьте раскладку" in answer.text
    throttled = browser.post("/login", data={"name": "reviewer", "password": PASSWORD})
    assert throttled.status_code == 429
    assert "login.failed" in house.acts(house.people["reviewer"].id)


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_another_site_logs_nobody_in_or_out(
    house: House, browser: httpx.Client, site: str | None
) -> None:
    form = {"name": "reviewer", "password": PASSWORD}
    headers = {"Sec-Fetch-Site": site} if site else {}
    foreign = httpx.post(f"{house.url}/login", data=form, headers=headers)
    assert foreign.status_code == 403
    assert "set-cookie" not in foreign.headers
    cookie = f"{SESSION_COOKIE}={_log_in(browser)}"
    out = httpx.post(f"{house.url}/logout", headers=headers | {"Cookie": cookie})
    assert out.status_code == 403
    assert browser.get("/review").status_code == 200


def test_the_log_in_never_leads_elsewhere(browser: httpx.Client) -> None:
    for onward in ("https://elsewhere.example/", "//elsewhere.example", "/review/../x"):
        form = {"name": "reviewer", "password": PASSWORD, "onward": onward}
        assert browser.post("/login", data=form).headers["location"] == "/"
    item = "00000000-0000-7000-8000-000000000000"
    for onward, leads in (
        (f"/review/blocks?item={item}&lang=en", f"/review/blocks?item={item}"),
        ("/review/blocks?a=//elsewhere.example", "/review/blocks?a=%2F%2Felsewhere.example"),
    ):
        form = {"name": "reviewer", "password": PASSWORD, "onward": onward}
        assert browser.post("/login", data=form).headers["location"] == leads
    form = {"name": "reviewer", "password": PASSWORD, "onward": "/review/blocks"}
    assert browser.post("/login", data=form).headers["location"] == "/review/blocks"


def test_a_form_too_long_is_refused(browser: httpx.Client) -> None:
    assert browser.post("/login", data={"name": "x" * 70_000}).status_code == 413


def test_other_roles_are_told_why_not(house: House, browser: httpx.Client) -> None:
    assert house.people["manager"]
    _log_in(browser, "manager")
    answer = browser.get("/review?lang=ru")
    assert answer.status_code == 403
    assert "Ваша роль не включает" in answer.text


def test_pages_are_closed_to_foreign_scripts_and_frames(browser: httpx.Client) -> None:
    _log_in(browser)
    for path in ("/login", "/review", "/review/proposed"):
        answer = browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", answer.text)


@pytest.mark.parametrize(("accepts", "words"), [("en", "Review"), ("ru", "Проверка согласий")])
def test_the_language_follows_the_browser_and_the_address(
    browser: httpx.Client, accepts: str, words: str
) -> None:
    _log_in(browser)
    assert words in browser.get("/review", headers={"Accept-Language": accepts}).text
    other = browser.get(f"/review?lang={accepts}", headers={"Accept-Language": "xx"})
    assert f'<html lang="{accepts}">' in other.text


def test_an_empty_queue_teaches_and_a_full_one_is_listed(
    house: House, browser: httpx.Client
) -> None:
    _log_in(browser)
    empty = browser.get("/review/blocks?lang=ru").text
    assert "Здесь всё разобрано" in empty
    assert "может внести любой сотрудник" in empty
    with house.making() as make:
        client = make.client(name="<script>alert(1)</script>")
        recording = make.recording(client=client)
    house.propose(recording.id)
    full = browser.get("/review/proposed?lang=en").text
    assert "Notice said aloud" in full
    assert f'href="/v1/recordings/{recording.id}/audio"' in full
    assert "<script>alert" not in full


def test_only_the_files_of_the_pages_are_given(browser: httpx.Client) -> None:
    _log_in(browser)
    page = browser.get("/review/blocks").text
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert {name.rsplit(".", 1)[1] for name in files} == {"css", "js", "svg"}
    for name in files:
        answer = browser.get(name)
        assert answer.status_code == 200
        assert answer.headers["cache-control"].startswith("public, max-age=")
    for name in ("..%2Fedge.py", "edge.py", "%2e%2e", "meta.json"):
        assert browser.get(f"/static/{name}").status_code == 404
