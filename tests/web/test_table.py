"""Every page against every role, and every form against whoever forges it."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi.routing import APIRoute

from app.identity.permissions import Role
from app.web.edge import PageRoute, form_token
from app.web.pages import ROUTERS
from app.web.words import LANGUAGES
from tests.web.conftest import OURS, Site
from tests.web.table import SUBJECTS, merged

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
PAGES, FORMS, FILES = merged("PAGES"), merged("FORMS"), merged("FILES")
OPEN = {path for subject in SUBJECTS for path in getattr(subject, "OPEN", ())}
OPEN_FORMS = sorted(r.path for r in ROUTES if r.path in OPEN and "POST" in (r.methods or ()))


def test_every_page_and_form_stands_in_a_table() -> None:
    shown = {route.path for route in ROUTES if "GET" in (route.methods or ())}
    sent = {route.path for route in ROUTES if "POST" in (route.methods or ())}
    assert shown == PAGES.keys() | FILES.keys() | OPEN
    assert sent - OPEN == FORMS.keys()
    assert all(isinstance(route, PageRoute) for route in ROUTES)


@pytest.mark.parametrize("path", sorted(PAGES))
def test_a_page_is_shown_to_its_roles_and_to_nobody_else(site: Site, path: str) -> None:
    where = site.path(path)
    unknown = site.get(where, None)
    assert unknown.status_code == 401
    assert 'name="password"' in unknown.text
    for role in Role:
        answer = site.get(where, role)
        assert answer.status_code == (200 if role in PAGES[path] else 403), role
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", answer.text)


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_file_is_given_to_its_roles_and_to_nobody_else(site: Site, path: str) -> None:
    assert site.get(site.path(path), None).status_code == 401
    for role in Role:
        status = site.get(site.path(path), role).status_code
        assert status == (200 if role in FILES[path] else 403), role


@pytest.mark.parametrize("path", sorted(PAGES))
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_page_speaks_the_language_asked_for(site: Site, path: str, lang: str) -> None:
    role = min(PAGES[path])
    page = site.get(f"{site.path(path)}?lang={lang}", role)
    assert f'<html lang="{lang}">' in page.text
    assert page.headers["content-language"] == lang


@pytest.mark.parametrize("path", sorted(FORMS))
def test_a_form_that_is_forged_does_nothing(site: Site, path: str) -> None:
    where = site.path(path)
    for role in Role:
        own = form_token(site.cookies[role])
        other = form_token(site.cookies[Role.AGENT if role != Role.AGENT else Role.ADMIN])
        assert site.post(where, role).status_code == 403
        assert site.post(where, role, {"token": other}).status_code == 403
        for lie in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
            assert site.post(where, role, {"token": own}, **lie).status_code == 403
    assert site.post(where, None, {"token": "0" * 64}).status_code == 401


@pytest.mark.parametrize("path", sorted(FORMS))
def test_a_form_is_refused_to_whoever_may_not_send_it(site: Site, path: str) -> None:
    for role in set(Role) - FORMS[path]:
        token = form_token(site.cookies[role])
        assert site.post(site.path(path), role, {"token": token}).status_code == 403, role


@pytest.mark.parametrize("path", OPEN_FORMS)
def test_a_form_for_whoever_is_not_known_is_taken_from_our_own_pages_alone(
    site: Site, path: str
) -> None:
    where = site.house.url + path.replace("{token}", "audt_unknown")
    for headers in (
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        OURS | {"Origin": "https://elsewhere.example"},
    ):
        assert httpx.post(where, headers=headers, timeout=60).status_code == 403, headers
    assert httpx.post(where, headers=OURS, timeout=60).status_code in {401, 404, 422}
