"""A stranger with the printed lines: the manager, the director, the reviewer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.demo.test_demo import ROOT, Played, played

__all__ = ["played"]

from complaint_tool import main as tool  # scripts/ is on the path by the above.

NOT_SAID = ("Со слов инженера", "Перед соединением", "В целях повышения качества обслуживания")
"""How those begin of the demo's proposals that cannot be heard so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A demo that is served: its address, its log-ins and the director's link."""

    address: str
    accounts: dict[str, Any]
    link: str

    def asked(self, who: str, path: str) -> Any:  # noqa: ANN401 - JSON of any shape.
        key = self.accounts["keys"][who]
        answer = httpx.get(
            f"{self.address}/v1{path}", headers={"Authorization": f"Bearer {key}"}, timeout=60
        )
        return answer.raise_for_status().json()


@pytest.fixture(scope="module")
def shown(played: Played) -> Iterator[Shown]:
    """Serve a demo that was played."""
    words = ["--keep", "--port", "0", "--data", str(played.folder)]
    process = subprocess.Popen(  # noqa: S603 - our own program, no shell.
        [sys.executable, "-P", "-m", "demo_company.main", *words],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    told: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line.strip())
            if line.startswith("demo: ok"):
                break
        yield Shown(
            address=next(line.split()[1] for line in told if line.startswith("address: ")),
            accounts=json.loads((played.folder / "log-ins.json").read_text(encoding="utf-8")),
            link=next(line.split()[-1] for line in told if line.startswith("director's link")),
        )
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        yield chromium
        chromium.close()


def test_three_clicks_lead_from_the_complaint_to_its_second(shown: Shown, browser: Browser) -> None:
    assert tool.both(browser, shown.address, shown.accounts)


def test_the_director_has_his_page_on_a_telephone(shown: Shown, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="ru-RU")
    page = context.new_page()
    answer = page.goto(shown.link)
    assert answer is not None
    assert answer.status == 200
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.locator("button:has(.play)").click()
    page.wait_for_selector("audio")
    context.close()


def test_the_reviewer_clears_his_queue_by_keyboard_alone(shown: Shown, browser: Browser) -> None:
    waiting = shown.asked("reviewer", "/review/proposed?limit=50")["items"]
    assert len(waiting) >= 12
    context = browser.new_context(locale="ru-RU", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    _log_in(page, shown)
    _tab_to(page, '[href="/review/proposed"]')
    page.keyboard.press("Enter")
    expect(page.locator("#desk")).to_be_visible()
    for place, item in enumerate(waiting):
        _wait_for(page, item)
        if _is_not_said(item):
            _reject(page)
        elif place == 0:
            # He says no by mistake and takes it back: another person decides on it then.
            _reject(page)
            expect(page.locator("#place")).to_contain_text("2 из")
            page.keyboard.press("u")
            expect(page.locator("#status")).to_contain_text("решит другой сотрудник")
        else:
            page.keyboard.press("v")
    expect(page.locator("#empty")).to_be_visible()
    context.close()
    left = shown.asked("reviewer", "/review/proposed")["items"]
    assert [one["evidence"]["quote"] for one in left] == [waiting[0]["evidence"]["quote"]]
    assert not left[0]["four_eyes"]["may_decide"]
    for item in waiting[1:]:
        if item["recording_id"]:
            found = shown.asked("reviewer", f"/recordings/{item['recording_id']}/assertions")
            status = {one["id"]: one["status"] for one in found["items"]}
            assert status[item["id"]] == ("rejected" if _is_not_said(item) else "verified"), item


def _is_not_said(item: dict[str, Any]) -> bool:
    return (item["evidence"]["quote"] or "").startswith(NOT_SAID)


def _log_in(page: Page, shown: Shown) -> None:
    page.goto(f"{shown.address}/review")
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type("reviewer")
    page.keyboard.press("Tab")
    page.keyboard.type(shown.accounts["passwords"]["reviewer"])
    page.keyboard.press("Enter")
    expect(page.locator("nav.sections")).to_be_visible()


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(f"{selector}:focus").count():
            return
    pytest.fail(f"{selector} takes no focus")


def _reject(page: Page) -> None:
    """Give the first reason of the list."""
    page.keyboard.press("r")
    expect(page.locator("#reasons input").first).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")


def _wait_for(page: Page, item: dict[str, Any]) -> None:
    """Wait until the item takes a verdict, and hears that it sounds where the evidence says."""
    page.wait_for_function(
        "item => { const at = document.querySelector('#desk').dataset;"
        " return at.item === item && at.ready === 'yes'; }",
        arg=item["id"],
    )
    if item["sound"] is None:
        return
    page.wait_for_function(
        "([from, to]) => [...document.querySelectorAll('#player audio')].some("
        "one => !one.paused && one.currentTime >= from && one.currentTime <= to)",
        arg=[item["sound"]["start_ms"] / 1000, item["sound"]["span"]["to_ms"] / 1000],
    )
