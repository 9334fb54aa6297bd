"""Runs over old archives, and tables that are brought to a page."""

from __future__ import annotations

import re

import httpx
from sqlalchemy import select

from app.clients.models import Client
from app.identity.permissions import Role
from app.imports.models import ImportRun
from tests.review.conftest import house
from tests.review.house import House
from tests.web.conftest import Site
from tests.web.table import imports as table
from tests.web.test_account import Browser

__all__ = ["house"]

GOOD = "Код;Наименование;Заметка\nacme;Заря;x\n"
BAD = "Код;Наименование\nacme;Заря\n;Без кода\nbeta;\n"


def test_a_run_shows_what_became_of_its_files(site: Site) -> None:
    run = site.parameters["import_run_id"]
    listed = site.get("/imports?lang=ru", Role.ADMIN).text
    assert f'href="/imports/{run}"' in listed
    page = site.get(f"/imports/{run}?lang=ru", Role.ADMIN).text
    for said in (table.FOLDER, "old-exchange", "идёт или прервано", "заметки.txt", "copy/a.wav"):
        assert said in page, said
    assert "audio-header-invalid" in page
    assert 'value="4" max="5"' in page
    assert "in/a.wav" not in page


def test_the_sources_of_1c_stand_there_with_what_failed_and_what_was_refused(site: Site) -> None:
    listed = site.get("/imports?lang=ru", Role.ADMIN).text
    assert "1С не принимает имя или пароль." in listed
    assert "не удалось: 1" in listed
    assert 'href="/imports/1c/buh">2</a>' in listed
    page = site.get("/imports/1c/buh?lang=ru", Role.ADMIN).text
    for said in ("Это не номер телефона. phones доб. 12", "Глухов С. А.", "контакт", "событие"):
        assert said in page, said
    assert "This is no telephone number." in site.get("/imports/1c/buh?lang=en", Role.ADMIN).text
    assert site.get("/imports/1c/nobody", Role.ADMIN).status_code == 404
    last = f"/imports/1c/buh?before={'0' * 8}-0000-7000-8000-{'0' * 12}"
    assert "Отказов нет" in site.get(last + "&lang=ru", Role.ADMIN).text


def test_a_run_that_there_is_not_and_a_cursor_that_was_not_given_are_refused(site: Site) -> None:
    other = site.parameters["client_id"]
    assert site.get(f"/imports/{other}", Role.ADMIN).status_code == 404
    run = site.parameters["import_run_id"]
    assert site.get(f"/imports/{run}?after=xyz", Role.ADMIN).status_code == 422
    after = site.get(f"/imports/{run}?after={'ff' * 32}", Role.ADMIN)
    assert "заметки.txt" not in after.text


def _browser(house: House, name: str) -> Browser:
    browser = Browser(house)
    browser.log_in(name)
    return browser


def _bring(browser: Browser, text: str, **fields: str) -> httpx.Response:
    page = browser.get("/imports/tables").text
    found = re.search(r'name="token" value="(\w+)"', page)
    told = {"token": found[1] if found else "", "kind": "clients", "step": "try"} | fields
    return browser._send(
        "POST", "/imports/tables?lang=ru", data=told, files={"file": ("c.csv", text.encode())}
    )


def _names(house: House) -> list[str]:
    with house.database.transaction() as session:
        return list(session.scalars(select(Client.external_id).order_by(Client.external_id)))


def test_a_table_is_checked_first_and_then_the_same_file_is_taken_in(house: House) -> None:
    browser, before = _browser(house, "manager"), _names(house)
    checked = _bring(browser, GOOD)
    assert checked.status_code == 200
    assert "Файл в порядке" in checked.text
    assert "Пропускаемые столбцы: Заметка" in checked.text
    assert _names(house) == before
    digest = re.search(r'name="checked" value="(\w{64})"', checked.text)
    assert digest
    other = _bring(browser, GOOD.replace("Заря", "Закат"), step="take", checked=digest[1])
    assert other.status_code == 422
    assert "Это не тот файл" in other.text
    assert _names(house) == before
    taken = _bring(browser, GOOD, step="take", checked=digest[1])
    assert taken.status_code == 303
    assert _names(house) == sorted([*before, "acme"])
    shown = browser.get(taken.headers["location"] + "&lang=ru").text
    assert "Загружена 1 запись" in shown


def test_every_error_stands_with_its_line_and_nothing_is_kept(house: House) -> None:
    browser, before = _browser(house, "admin"), _names(house)
    for step in ("try", "take"):
        answer = _bring(browser, BAD, step=step)
        assert answer.status_code == 422
        assert "2 ошибки, ничего не сохранено" in answer.text
        assert re.findall(r'data-label="Строка файла"[^>]*><div>(\d+)<', answer.text) == ["3", "4"]
    assert _names(house) == before


def test_without_a_file_the_form_says_so(house: House) -> None:
    browser = _browser(house, "manager")
    page = browser.get("/imports/tables").text
    found = re.search(r'name="token" value="(\w+)"', page)
    told = {"token": found[1] if found else "", "kind": "clients", "step": "try"}
    answer = browser._send("POST", "/imports/tables?lang=en", data=told, files={"file": ("", b"")})
    assert answer.status_code == 422
    assert "Choose the file." in answer.text


def test_the_administrator_calls_a_run_off_once(house: House) -> None:
    run = table.fill(house)["import_run_id"]
    browser = _browser(house, "admin")
    answer = browser.post(f"/imports/{run}/cancel", f"/imports/{run}")
    assert answer.status_code == 303
    with house.database.transaction() as session:
        row = session.scalars(select(ImportRun)).one()
        assert (row.state, row.cancelled_by) == ("cancelled", house.people["admin"].id)
    again = browser.post(f"/imports/{run}/cancel", f"/imports/{run}")
    assert again.status_code == 409
