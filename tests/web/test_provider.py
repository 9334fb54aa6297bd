"""Logging in by a real provider of OpenID Connect. Source: OWASP ASVS 5.0, V10."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit

import httpx
import psycopg
import pytest
from sqlalchemy import select

from app.core.clock import SetClock
from app.identity.models import WebSession
from app.identity.oidc import is_safe
from app.inspection.sandbox import Sandbox
from tests.conftest import Urls
from tests.ports import held_port
from tests.review.conftest import house
from tests.review.house import House, opened

__all__ = ["house"]

HERE = Path(__file__).parent
CALLBACK = "https://archive.test/login/provider/back"
BELIEVED: dict[str, Any] = {
    "url": "https://archive.test",
    "oidc_client_id": "archive",
    "oidc_client_secret": "kept-by-two",
}
OURS = {"Accept-Language": "en", "Sec-Fetch-Site": "none"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """Give the address of a provider that runs in Node."""
    node = shutil.which("node")
    assert node is not None, "Node is missing: run scripts/setup."
    with (
        held_port() as port,
        subprocess.Popen(  # noqa: S603 - the tests' own program.
            [node, str(HERE / "provider.mjs"), str(port), CALLBACK],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ,
        ) as process,
    ):
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        process.terminate()


Opened = Callable[..., House]


@pytest.fixture
def archive(own_database: Urls, tmp_path: Path, sandbox: Sandbox, issuer: str) -> Iterator[Opened]:
    """Give a function that opens an archive that believes the provider."""
    made: list[object] = []

    @contextmanager
    def running(**more: object) -> Iterator[House]:
        with opened(
            tmp_path,
            web_url=own_database.web,
            owner_url=own_database.owner,
            sandbox=sandbox,
            clock=SetClock(datetime.now(UTC)),
            **BELIEVED | {"oidc_issuer": issuer} | more,
        ) as one:
            yield one

    def open_it(**more: object) -> House:
        context = running(**more)
        made.append(context)
        return context.__enter__()

    yield open_it
    for context in made:
        context.__exit__(None, None, None)  # type: ignore[attr-defined]  # as a with block does


def begin(house: House) -> tuple[str, str]:
    """Return where the archive sends a browser, and the cookie it gives."""
    sent = httpx.get(f"{house.url}/login/provider?onward=/account", headers=OURS, timeout=60)
    assert sent.status_code == 303
    return sent.headers["location"], sent.headers["set-cookie"].partition(";")[0]


def consent(url: str, login: str) -> str:
    """Fill the provider's forms in as `login`; return the address that it sends back to."""
    with httpx.Client(follow_redirects=False, timeout=60) as browser:
        answer = browser.get(url)
        for _ in range(12):
            if answer.is_redirect:
                url = urljoin(str(answer.url), answer.headers["location"])
                if url.startswith(CALLBACK):
                    return url
                answer = browser.get(url)
                continue
            found = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            assert found, answer.text
            prompt = "login" if 'name="login"' in answer.text else "consent"
            form = {"prompt": prompt} | (
                {"login": login, "password": "x"} if prompt == "login" else {}
            )
            answer = browser.post(urljoin(str(answer.url), found[1]), data=form)
    raise AssertionError


def come_back(house: House, url: str, cookie: str) -> httpx.Response:
    parts = urlsplit(url)
    headers = OURS | ({"Cookie": cookie} if cookie else {})
    return httpx.get(f"{house.url}{parts.path}?{parts.query}", headers=headers, timeout=60)


def log_in(house: House, login: str) -> httpx.Response:
    where, cookie = begin(house)
    return come_back(house, consent(where, login), cookie)


def bind(house: House, name: str, subject: str) -> int:
    body = {"subject": subject}
    return house.call("admin", "PUT", f"/v1/users/{name}/subject", json=body).status_code


def test_v10_2_1_the_code_flow_is_asked_for_with_pkce_state_and_nonce(archive: Opened) -> None:
    where, cookie = begin(archive())
    asked = {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) > 40
    assert len(asked["nonce"]) > 40
    assert cookie == f"__Host-audiatur-state={asked['state']}"


def test_who_is_bound_comes_in_and_nobody_else(archive: Opened) -> None:
    house = archive()
    refused = log_in(house, "m.petrova")
    assert (refused.status_code, "no account for you here" in refused.text) == (401, True)
    assert "auds_" not in str(refused.headers)
    assert bind(house, "manager", "m.petrova") == 204
    assert bind(house, "reviewer", "m.petrova") == 409
    assert bind(house, "nobody", "x") == 404
    there = log_in(house, "m.petrova")
    assert (there.status_code, there.headers["location"]) == (303, "/account")
    cookie = next(one for one in there.headers.get_list("set-cookie") if "auds_" in one)
    who = httpx.get(f"{house.url}/v1/session", headers={"Cookie": cookie.partition(";")[0]}).json()
    assert who["name"] == "manager"
    house.call("admin", "POST", "/v1/users/manager/disable")
    assert log_in(house, "m.petrova").status_code == 401


def test_v10_5_2_a_user_name_binds_once_where_the_setting_says_so(archive: Opened) -> None:
    house = archive(oidc_match="preferred_username")
    assert log_in(house, "manager").status_code == 303
    assert log_in(house, "manager+other").status_code == 401  # Another subject, the same name.
    assert log_in(house, "nobody-here").status_code == 401


def test_v10_5_2_an_address_binds_only_if_it_was_verified(archive: Opened) -> None:
    house = archive(oidc_match="email")
    assert log_in(house, "reviewer+doubtful").status_code == 401
    assert log_in(house, "reviewer").status_code == 303


def test_v10_2_1_an_answer_is_taken_once_and_by_the_browser_that_asked(archive: Opened) -> None:
    house = archive(oidc_match="preferred_username")
    where, cookie = begin(house)
    back = consent(where, "manager")
    _, other = begin(house)
    assert come_back(house, back, "").status_code == 401
    assert come_back(house, back, other).status_code == 401
    assert come_back(house, back, cookie).status_code == 303
    assert come_back(house, back, cookie).status_code == 401


@pytest.mark.parametrize(
    "lie", [{"iss": "https://elsewhere.example"}, {"code": "made-up"}, {"code": ""}]
)
def test_v10_5_1_an_answer_of_another_issuer_or_a_code_that_is_none_is_refused(
    archive: Opened, lie: dict[str, str]
) -> None:
    house = archive(oidc_match="preferred_username")
    where, cookie = begin(house)
    parts = urlsplit(consent(where, "manager"))
    told = dict(parse_qsl(parts.query)) | lie
    assert come_back(house, f"{CALLBACK}?{urlencode(told)}", cookie).status_code == 401


def test_v10_5_1_a_code_of_another_log_in_is_refused(archive: Opened) -> None:
    """The code of somebody else's flow, brought into one's own, has another verifier and nonce."""
    house = archive(oidc_match="preferred_username")
    theirs = dict(parse_qsl(urlsplit(consent(begin(house)[0], "admin")).query))
    where, cookie = begin(house)
    mine = dict(parse_qsl(urlsplit(consent(where, "manager")).query))
    mixed = mine | {"code": theirs["code"]}
    assert come_back(house, f"{CALLBACK}?{urlencode(mixed)}", cookie).status_code == 401


def test_who_has_no_password_here_is_asked_once_more_at_the_provider(archive: Opened) -> None:
    house = archive(oidc_match="preferred_username")
    mine = _cookie(log_in(house, "approver"))
    with psycopg.connect(house.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE users SET password_hash = NULL")
    house.clock.advance(timedelta(seconds=30))  # The provider's clock is the machine's.
    proved_at = _proved_at(house)
    page = _get(house, "/account/proof?onward=/releases", mine).text
    assert "/account/proof/provider?onward=/releases" in page
    assert 'type="password"' not in page
    where, state = _begin_proof(house, mine)
    asked = parse_qs(urlsplit(where).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    other = come_back(house, consent(where, "reviewer"), f"{state}; {mine}")
    assert other.status_code == 401
    where, state = _begin_proof(house, mine)
    nobody = come_back(house, consent(where, "approver"), state)
    assert nobody.status_code == 401
    assert _proved_at(house) == proved_at
    where, state = _begin_proof(house, mine)
    back = come_back(house, consent(where, "approver"), f"{state}; {mine}")
    assert (back.status_code, back.headers["location"]) == (303, "/releases")
    assert _proved_at(house) > proved_at
    assert _get(house, "/account", mine).status_code == 401  # The token is another one now.
    assert _get(house, "/account", _cookie(back)).status_code == 200


def _cookie(answer: httpx.Response) -> str:
    found = next(one for one in answer.headers.get_list("set-cookie") if "auds_" in one)
    return found.partition(";")[0]


def _get(house: House, path: str, cookie: str) -> httpx.Response:
    return httpx.get(house.url + path, headers=OURS | {"Cookie": cookie}, timeout=60)


def _begin_proof(house: House, cookie: str) -> tuple[str, str]:
    sent = _get(house, "/account/proof/provider?onward=/releases", cookie)
    assert sent.status_code == 303
    return sent.headers["location"], sent.headers["set-cookie"].partition(";")[0]


def _proved_at(house: House) -> datetime:
    with house.database.transaction() as session:
        found = session.scalars(select(WebSession.proved_at)).one()
    assert found is not None
    return found


def test_without_a_provider_there_is_none(house: House) -> None:
    assert httpx.get(f"{house.url}/login/provider", headers=OURS, timeout=60).status_code == 404
    assert "/login/provider" not in httpx.get(f"{house.url}/login", headers=OURS, timeout=60).text
    assert bind(house, "manager", "x") == 404


def test_a_provider_that_is_away_is_said_to_be(archive: Opened) -> None:
    house = archive(oidc_issuer="http://127.0.0.1:9")
    answer = httpx.get(f"{house.url}/login/provider", headers=OURS, timeout=60)
    assert answer.status_code == 503


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://login.example/authorize", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://login.example/x", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_only_https_leads_to_a_provider(url: str, *, safe: bool) -> None:
    assert is_safe(url) is safe
