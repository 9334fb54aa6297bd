"""A reviewer clears a queue in a real browser, by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.factories import wav
from tests.review.browser import fill, log_in, shown, wait_for_item
from tests.review.house import House

PLAYING = """() => {
  const audio = document.querySelector("#player audio");
  return !audio.paused && audio.currentTime >= 1.5;
}"""


def test_five_items_are_cleared_by_keyboard(house: House, page: Page, faults: list[str]) -> None:
    made = fill(house, 5)
    log_in(page)
    # The form comes with status 401, which the browser's console tells as an error of its own.
    assert all("401" in fault for fault in faults)
    faults.clear()
    page.goto("/review/proposed")
    expect(page.locator("#place")).to_have_text("1 из 5")
    expect(page.locator("#why")).to_contain_text("Подтверждение ждёт проверки")
    expect(page.locator("#marked")).to_have_text("Отмечено 0:02–0:05")
    page.keyboard.press("n")
    assert shown(page) == made[1]
    page.wait_for_function(PLAYING)
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('#player audio').paused")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('#player audio').currentTime < 1.5")
    page.keyboard.press("p")
    assert shown(page) == made[0]
    wait_for_item(page, made[0])
    for place in range(3):
        assert shown(page) == made[place]
        page.keyboard.press("v")
        wait_for_item(page, made[place + 1])
    page.keyboard.press("r")
    expect(page.locator("#ask")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#ask-wrong")).to_be_visible()
    page.locator("#reasons input").nth(1).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    wait_for_item(page, made[4])
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
    made = fill(house, 2)
    log_in(page)
    faults.clear()
    page.goto("/review/proposed?lang=en")
    wait_for_item(page, made[0])
    page.keyboard.press("v")
    wait_for_item(page, made[1])
    page.keyboard.press("u")
    expect(page.locator("#status")).to_contain_text("An approver must agree")
    acts = house.acts(house.assertion(made[0]).recording_id)
    assert acts[-1] == "assertion.voted"
    assert faults == []


def test_who_proposed_it_reads_who_else_is_needed(
    house: House, page: Page, faults: list[str]
) -> None:
    own = str(house.propose(house.recording(body=wav(8.0)).id, who="reviewer"))
    log_in(page)
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
    fill(house, 1)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 320, "height": 640})
    log_in(page)
    for path in ("/login", "/review", "/review/proposed", "/review/blocks"):
        page.goto(path)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 320, path
