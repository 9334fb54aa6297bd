"""A reviewer clears a queue in a real browser, by keyboard alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from sqlalchemy import text

from app.inspection.jobs import inspect
from tests.factories import wav
from tests.review.house import PASSWORD, House

CHROMIUM = Path("/usr/bin/chromium")
PLAYING = """() => {
  const audio = document.querySelector("#player audio");
  return !audio.paused && audio.currentTime >= 1.5;
}"""
IS_CI = os.environ.get("CI") == "true"


# Beside the crash trial a request may wait for the disk longer than the library's five seconds.
expect.set_options(timeout=30_000)


@pytest.fixture
def page(house: House) -> Iterator[Page]:
    if not CHROMIUM.exists():
        if IS_CI:
            pytest.fail("Chromium is missing.")
        pytest.skip("Chromium is missing.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        context = browser.new_context(
            base_url=house.url, locale="ru-RU", viewport={"width": 1000, "height": 900}
        )
        yield context.new_page()
        browser.close()


@pytest.fixture
def faults(page: Page) -> list[str]:
    """Give the list of what the browser complains of: errors, and breaches of the policy."""
    found: list[str] = []
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def _fill(house: House, count: int) -> list[str]:
    made = []
    for _ in range(count):
        recording = house.recording(body=wav(8.0))
        _picture(house, str(recording.id))
        made.append(str(house.propose(recording.id)))
    return made


def _picture(house: House, recording_id: str) -> None:
    """Let the inspection make the picture of the sound."""
    with house.database.transaction() as session:
        session.execute(
            text("UPDATE legs SET inspection_state = 'pending' WHERE recording_id = :id"),
            {"id": recording_id},
        )
    inspect(house.tools, recording_id)


def _log_in(page: Page) -> None:
    page.goto("/review")
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type("reviewer")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/review?lang=ru")


def _item(page: Page) -> str:
    return str(page.locator("#desk").get_attribute("data-item"))


def test_five_items_are_cleared_by_keyboard(house: House, page: Page, faults: list[str]) -> None:
    made = _fill(house, 5)
    _log_in(page)
    # The form comes with status 401, which the browser's console tells as an error of its own.
    assert all("401" in fault for fault in faults)
    faults.clear()
    page.goto("/review/proposed")
    expect(page.locator("#place")).to_have_text("1 из 5")
    expect(page.locator("#why")).to_contain_text("Подтверждение ждёт проверки")
    expect(page.locator("#marked")).to_have_text("Отмечено 0:02–0:05")
    page.keyboard.press("n")
    assert _item(page) == made[1]
    page.wait_for_function(PLAYING)
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('#player audio').paused")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('#player audio').currentTime < 1.5")
    page.keyboard.press("p")
    assert _item(page) == made[0]
    for place in range(3):
        assert _item(page) == made[place]
        page.keyboard.press("v")
        page.wait_for_function(
            f"() => document.querySelector('#desk').dataset.item === '{made[place + 1]}'"
        )
    page.keyboard.press("r")
    expect(page.locator("#ask")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#ask-wrong")).to_be_visible()
    page.locator("#reasons input").nth(1).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => document.querySelector('#desk').dataset.item === '{made[4]}'")
    page.keyboard.press("?")
    expect(page.locator("#map")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#map")).to_be_hidden()
    page.keyboard.press("v")
    expect(page.locator("#empty")).to_be_visible()
    assert [house.assertion(one).status for one in made] == [
        "verified",
        "verified",
        "verified",
        "rejected",
        "verified",
    ]
    assert house.assertion(made[3]).reason == "Уведомление обрывается"
    assert faults == []


def test_a_verdict_is_undone_by_a_key(house: House, page: Page, faults: list[str]) -> None:
    made = _fill(house, 2)
    _log_in(page)
    faults.clear()
    page.goto("/review/proposed?lang=en")
    page.keyboard.press("v")
    page.wait_for_function(f"() => document.querySelector('#desk').dataset.item === '{made[1]}'")
    page.keyboard.press("u")
    expect(page.locator("#status")).to_contain_text("An approver must agree")
    acts = house.acts(house.assertion(made[0]).recording_id)
    assert acts[-1] == "assertion.voted"
    assert faults == []


def test_who_proposed_it_reads_who_else_is_needed(
    house: House, page: Page, faults: list[str]
) -> None:
    own = str(house.propose(house.recording(body=wav(8.0)).id, who="reviewer"))
    _log_in(page)
    faults.clear()
    page.goto("/review/proposed")
    expect(page.locator("#eyes")).to_contain_text("Вы сами это предложили")
    expect(page.locator("#eyes")).to_contain_text("любой проверяющий")
    expect(page.locator("#do-verify")).to_be_disabled()
    page.keyboard.press("v")
    expect(page.locator("#status")).to_contain_text("Вы сами это предложили")
    assert house.assertion(own).status == "proposed"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_narrow_screen(house: House, page: Page, scheme: str) -> None:
    _fill(house, 1)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 320, "height": 640})
    _log_in(page)
    for path in ("/login", "/review", "/review/proposed", "/review/blocks"):
        page.goto(path)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 320, path
