"""From a complaint to a link, by a manager and an approver, at a desk and on a telephone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.review.conftest import house
from tests.review.house import PASSWORD, House
from tests.web.conftest import chromium
from tests.web.handing import agreed, disputed

__all__ = ["chromium", "house"]

expect.set_options(timeout=30_000)


def opened(house: House, chromium: Browser, name: str, width: int) -> Page:
    """Return a page of somebody who has logged in."""
    context = chromium.new_context(
        base_url=house.url, locale="en-GB", viewport={"width": width, "height": 844}
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto("/login?lang=en")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("nav.sections")).to_be_visible()
    return page


@pytest.mark.parametrize("width", [1280, 390])
def test_a_complaint_becomes_a_link_that_another_person_approved(
    house: House, chromium: Browser, width: int
) -> None:
    found = agreed(house)
    manager = opened(house, chromium, "manager", width)
    manager.goto("/disputes")
    manager.get_by_role("link", name="Open a dispute").click()
    manager.fill("#open-client", found.client)
    manager.fill("#open-subject", "Обещали перезвонить")
    manager.fill("#open-words", "Три дня никто не звонит.")
    manager.fill("#open-said_by", "Пётр Серов")
    manager.get_by_role("button", name="Open the dispute").click()
    expect(manager.get_by_text("Три дня никто не звонит.").first).to_be_visible()

    manager.get_by_text("Add an exhibit").click()
    manager.fill("#exhibit-from", "0:01")
    manager.fill("#exhibit-to", "0:07")
    manager.get_by_role("button", name="Add", exact=True).first.click()
    expect(manager.get_by_text("0:01–0:07")).to_be_visible()

    # Inbox, dispute, the moment on the tape: three clicks.
    manager.goto("/")
    manager.locator("main").get_by_role("link", name="Disputes").click()
    manager.get_by_role("link", name="Обещали перезвонить").click()
    moment = manager.locator(".exhibit a").first
    assert re.fullmatch(
        rf"/recordings/{found.recording_id}\?dispute=[0-9a-f-]+&at=1000",
        moment.get_attribute("href") or "",
    )

    manager.get_by_role("link", name="Hand over to the client").click()
    manager.locator('input[name="contact_id"]').check()
    manager.get_by_role("button", name="See what the rules say").click()
    expect(manager.get_by_text("needs approval")).to_be_visible()
    manager.get_by_role("button", name="Ask for approval").click()
    expect(manager.get_by_text("Another person approves or refuses")).to_be_visible()

    approver = opened(house, chromium, "approver", width)
    approver.locator("main").get_by_role("link", name="Releases", exact=True).click()
    approver.locator("tbody a").first.click()
    expect(approver.locator("audio")).to_be_visible()
    approver.locator("audio").evaluate("one => { one.preload = 'metadata'; one.load(); }")
    approver.wait_for_function("() => document.querySelector('audio').readyState >= 1")
    lasts = approver.locator("audio").evaluate("one => one.duration")
    assert round(lasts) == 6
    approver.get_by_role("button", name="I heard and saw it: approve").click()
    link = approver.get_by_label("Link for the recipient")
    expect(link).to_be_visible()
    expect(approver.get_by_role("button", name="Copy")).to_be_visible()
    assert re.fullmatch(r"http\S+/s/[\w-]{43}", link.input_value())
    approver.goto("/releases?kind=live")
    expect(approver.get_by_text("link is open")).to_be_visible()
    for page in (manager, approver):
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        page.context.close()


def test_a_sound_that_is_refused_is_not_a_player_that_stays_silent(
    house: House, chromium: Browser
) -> None:
    manager = opened(house, chromium, "manager", 1280)
    manager.goto(f"/disputes/{disputed(house, agreed(house))}")
    manager.locator("details:has(audio) > summary").first.click()
    refused = manager.get_by_text("This sound was not given out.")
    expect(refused).to_be_hidden()
    manager.context.clear_cookies()
    manager.evaluate("() => { document.querySelector('details audio').play().catch(() => {}) }")
    expect(refused).to_be_visible()
    manager.get_by_role("link", name="Read why").click()
    expect(manager.locator("#password")).to_be_visible()
