"""What stands around every page: navigation, language, refusals; and a front end not built."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from app.core.ids import new_id
from app.identity.models import Office
from app.identity.permissions import PERMISSIONS, Role
from app.web import front
from app.web.edge import form_token
from app.web.pages import SECTIONS
from tests.web.conftest import Site


@pytest.mark.parametrize("role", list(Role))
def test_the_navigation_has_the_sections_of_a_role(site: Site, role: Role) -> None:
    page = site.get("/?lang=en", role).text
    shown = page.partition('class="sections"')[2].partition("</nav>")[0]
    for section in SECTIONS:
        is_there = f'href="{section.path}"' in shown
        assert is_there == (section.permission in PERMISSIONS[role]), section.path
    assert 'href="/" aria-current="page"' in shown


def test_what_waits_is_counted_beside_its_section(site: Site) -> None:
    site.house.clock.advance(timedelta(seconds=16))  # What was counted before is forgotten.
    page = site.get("/review?lang=en", Role.REVIEWER).text
    shown, _, queues = page.partition('class="sections"')[2].partition("</nav>")
    told = sum(int(number) for number in re.findall(r'<span class="count">(\d+)<', queues))
    assert told >= 2
    assert f'<span class="unseen">waiting: </span>{told}<' in shown


def test_a_language_that_was_chosen_stays_with_the_person(site: Site) -> None:
    token = form_token(site.cookies[Role.LEGAL])
    for lang in ("en", "ru"):
        form = {"token": token, "lang": lang, "onward": "/review?lang=ru"}
        answer = site.post("/language", Role.LEGAL, form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/review")
        other = "ru" if lang == "en" else "en"
        page = site.get("/review", Role.LEGAL, **{"Accept-Language": other})
        assert f'<html lang="{lang}">' in page.text
    nonsense = {"token": token, "lang": "xx", "onward": "https://elsewhere.example"}
    assert site.post("/language", Role.LEGAL, nonsense).headers["location"] == "/"
    assert '<html lang="ru">' in site.get("/", Role.LEGAL).text


def test_a_refusal_is_a_page_with_a_number_and_a_next_step(site: Site) -> None:
    for lang, step, title in (
        ("en", "An administrator can give you another role.", "You may not do this"),
        ("ru", "Другую роль может дать администратор.", "Вам это нельзя"),
    ):
        page = site.get(f"/review?lang={lang}", Role.AGENT)
        assert page.status_code == 403
        assert step in page.text
        assert title in page.text
        assert page.headers["x-request-id"] in page.text
        assert '<a class="button" href="/review">' not in page.text  # It would refuse again.
    assert site.get("/static/nothing.css", None).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ("/events?from=2026-02-30", 422, "Исправьте в адресе: from=2026-02-30."),
        ("/figures?quarters=99999999999", 422, "Исправьте в адресе: quarters=99999999999."),
        ("/clients?cursor=zzz", 400, "Такой страницы списка нет"),
    ],
)
def test_a_condition_that_does_not_fit_is_named_and_can_be_left_out(
    site: Site, asked: str, status: int, says: str
) -> None:
    answer = site.get(f"{asked}&lang=ru", Role.MANAGER)
    assert answer.status_code == status
    assert says in answer.text
    path = asked.partition("?")[0]
    assert f'<a href="{path}">Открыть без этих условий</a>' in answer.text


@pytest.mark.parametrize("lang", ["ru", "en"])
@pytest.mark.parametrize(
    ("section", "ru", "en"),
    [
        ("/recordings", "Такой записи нет", "There is no such recording"),
        ("/clients", "Такого контрагента нет", "There is no such client"),
        ("/events", "Такого события нет", "There is no such event"),
        ("/disputes", "Такого спора нет", "There is no such dispute"),
        ("/releases", "Такой передачи нет", "There is no such release"),
    ],
)
def test_an_id_that_is_none_is_answered_like_an_id_of_nothing(
    site: Site, section: str, ru: str, en: str, lang: str
) -> None:
    for one in ("abc", "12", "00000000-0000-7000-8000-000000000000"):
        page = site.get(f"{section}/{one}?lang={lang}", Role.MANAGER)
        assert page.status_code == 404, one
        assert (ru if lang == "ru" else en) in page.text, one
        assert f'<a class="button" href="{section}">' in page.text, one
    assert site.get(f"{section}/abc", None).status_code == 401
    assert httpx.get(f"{site.house.url}/v1{section}/abc", timeout=60).status_code == 401


def test_a_path_that_no_page_has_is_told_as_none(site: Site) -> None:
    page = site.get("/review/nonsense?lang=en", Role.REVIEWER)
    assert page.status_code == 404
    assert "There is no such page" in page.text
    assert '<a class="button" href="/review">' in page.text


def test_an_address_of_nothing_is_a_page_for_a_browser_and_a_problem_for_a_program(
    site: Site,
) -> None:
    page = site.get("/nowhere?lang=ru", Role.MANAGER, Accept="text/html")
    assert page.status_code == 404
    assert "Такой страницы нет" in page.text
    for path, accepts in (("/nowhere", "*/*"), ("/v1/nowhere", "text/html")):
        answer = site.get(path, Role.MANAGER, Accept=accepts)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize(
    ("path", "section"),
    [("/offices", "/people"), ("/devices", "/people"), ("/webhooks", "/system")],
)
def test_a_further_page_of_a_subject_marks_it(site: Site, path: str, section: str) -> None:
    assert f'href="{section}" aria-current="true"' in site.get(path, Role.ADMIN).text


def test_a_link_to_a_file_that_is_refused_leads_to_a_page(site: Site) -> None:
    path = f"/v1/disputes/{new_id()}/report?lang=ru"
    browser = {"Accept": "text/html,*/*", "Sec-Fetch-Mode": "navigate", "Accept-Language": "ru"}
    page = site.get(path, Role.MANAGER, **browser)
    assert page.status_code == 404
    assert "<html" in page.text
    assert "спор" in page.text
    assert site.get(path, Role.AGENT, **browser).status_code == 403
    nobody = site.get(path, Role.MANAGER, **browser, Cookie="__Host-audiatur=gone")
    assert nobody.status_code == 401
    assert 'name="password"' in nobody.text
    for other in ({"Accept": "text/html"}, browser | {"Sec-Fetch-Mode": "no-cors"}):
        program = site.get(path, Role.MANAGER, **other)
        assert program.headers["content-type"] == "application/problem+json"


def test_a_refusal_of_a_page_is_told_to_the_ledger(site: Site) -> None:
    site.house.clock.advance(timedelta(minutes=1))  # Within a minute, 60 are told and no more.
    before = site.house.acts(site.house.people["manager"].id)
    site.get("/review", Role.MANAGER)
    after = site.house.acts(site.house.people["manager"].id)
    assert after[len(before) :] == ["access.denied"]


def test_a_front_end_that_was_not_built_is_told_and_its_files_are_missed(tmp_path: Path) -> None:
    missing, there = front.load(tmp_path), front.load()
    assert not missing.is_built
    assert there.is_built
    assert set(missing.files) == {"icon.svg"}
    assert {"app.css", "app.js", "review.js"} <= set(there.names)
    assert all(name in there.files for name in there.names.values())


def test_moments_are_told_in_the_zone_of_a_persons_offices(site: Site) -> None:
    def set_zones(zone: str | None) -> None:
        with site.house.database.transaction() as session:
            session.execute(update(Office).values(zone=zone))

    event = site.path("/events/{event_id}")
    usual = re.findall(r"<time [^>]*>([^<]+)<", site.get(f"{event}?lang=en", Role.MANAGER).text)
    try:
        set_zones("Asia/Vladivostok")
        there = re.findall(r"<time [^>]*>([^<]+)<", site.get(f"{event}?lang=en", Role.MANAGER).text)
        assert there != usual
        assert len(there) == len(usual) > 0
    finally:
        set_zones(None)
    again = re.findall(r"<time [^>]*>([^<]+)<", site.get(f"{event}?lang=en", Role.MANAGER).text)
    assert again == usual
