"""From the one-time link to the first call in a browser, by two people in an empty archive."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from app.identity import account
from app.identity.actor import Actor
from app.worker import loop
from tests.conftest import Urls
from tests.review.house import PASSWORD, House
from tests.web.looking import SIZES, heard_wrong, violations
from tests.web.test_account import empty
from tests.web.test_start import first_call

__all__ = ["empty"]


def _submit(page: Page, form: str, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"{form} [name={name}]", value)
    _followed(page, f"{form} button[type=submit]")


def _followed(page: Page, what: str) -> None:
    """Press what leads to another page, and wait until that is there."""
    with page.expect_navigation(wait_until="networkidle"):
        page.click(what)


def _log_in(page: Page, name: str, password: str) -> None:
    _submit(page, "form[action='/login']", name=name, password=password)


def _looked_at(page: Page, axe: str) -> None:
    """Find nobody shut out, and nothing wider than the screen."""
    assert violations(page, axe) == []
    width = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, page.url


def _opened(chromium: Browser, house: House, lang: str, size: str) -> BrowserContext:
    width, height = SIZES[size]
    context = chromium.new_context(
        base_url=house.url,
        locale="ru-RU" if lang == "ru" else "en-GB",
        viewport={"width": width, "height": height},
    )
    context.set_default_timeout(300_000)  # A busy machine says nothing about the pages.
    return context


@pytest.mark.parametrize(("lang", "size"), [("ru", "desktop"), ("en", "phone")])
def test_from_the_link_to_the_first_call(
    empty: House, own_database: Urls, chromium: Browser, axe: str, lang: str, size: str
) -> None:
    with empty.database.transaction() as session:
        token = account.mint_first_admin_link(session, Actor.system("tests"), at=empty.clock.now())
    own, other = (_opened(chromium, empty, lang, size) for _ in range(2))
    boss, olga = own.new_page(), other.new_page()
    faults = [heard_wrong(boss), heard_wrong(olga)]

    boss.goto(f"/first-run/{token}")
    _looked_at(boss, axe)
    _submit(boss, "main form", name="boris", full_name="Boris", password=PASSWORD)
    _log_in(boss, "boris", PASSWORD)
    assert boss.url == f"{empty.url}/start"
    _submit(boss, "form[action='/start/company']", name="Romashka")
    _looked_at(boss, axe)
    _followed(boss, "main a[href='/people']")
    boss.select_option("form[action='/people'] [name=role]", "approver")
    _submit(boss, "form[action='/people']", name="olga")
    boss.locator("details", has=boss.locator("form[action$='/recovery-link']")).click()
    _submit(boss, "form[action$='/recovery-link']")
    (link,) = re.findall(r"/recovery/[\w-]+", boss.inner_text("main"))

    olga.goto(link)
    _looked_at(olga, axe)
    _submit(olga, "main form", password="four other words will do")
    _log_in(olga, "olga", "four other words will do")

    boss.goto("/start")
    _followed(boss, "main a[href='/notices']")
    boss.locator("details", has=boss.locator("form[action*='take-over']")).first.click()
    _submit(boss, "details[open] form[action*='take-over']")
    olga.goto("/")
    _followed(olga, "main a[href='/notices']")
    _followed(olga, "main table a")
    _submit(olga, "form[action$='/approve']", lawyer="I. Petrova")
    _looked_at(olga, axe)

    boss.goto("/start")
    _submit(boss, "form[action='/start/device']", name="hall")
    _looked_at(boss, axe)
    (key, *_) = re.findall(r"audd_[\w-]+", boss.inner_text("main"))
    _followed(boss, "main a.button[href='/start']")
    recording = first_call(empty, key)
    boss.wait_for_selector("#first-call progress")  # It appears by itself.
    said = "идёт разбор" if lang == "ru" else "being looked into"
    assert said in boss.inner_text("#step-call")
    _looked_at(boss, axe)
    with ThreadPoolExecutor(1) as pool:  # The browser's loop runs in this thread.
        pool.submit(loop.drain, empty.tools, own_database.web).result()
    boss.wait_for_selector("section[aria-labelledby=step-call]:not([aria-current])")
    _looked_at(boss, axe)
    _followed(boss, "#first-call a")
    assert boss.url == f"{empty.url}/recordings/{recording}"
    assert faults == [[], []]
    own.close()
    other.close()
