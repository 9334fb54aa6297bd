"""The pages of the links as a telephone shows them, by the rules of axe, without a script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

from app.releases import passphrases
from tests.public.conftest import Opened
from tests.public.requesting import Asked, png
from tests.review.conftest import CHROMIUM, IS_CI
from tests.web.looking import AXE, SIZES, violations

WIDTH, HEIGHT = SIZES["phone"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists() or not AXE.exists():
        if IS_CI:
            pytest.fail("Chromium or axe-core is missing: run scripts/setup.")
        pytest.skip("Chromium or axe-core is missing.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(params=[("ru-RU", "light"), ("en-GB", "dark")], ids=["ru-light", "en-dark"])
def phone(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Give a page of a telephone. Its scripts run, so that axe can look; ours has none."""
    locale, scheme = request.param
    context = chromium.new_context(
        locale=locale, viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme
    )
    yield context.new_page()
    context.close()


def look(page: Page, shots: Path, name: str) -> list[str]:
    """Return what is wrong with a page: by axe, or wider than the telephone."""
    page.screenshot(path=shots / f"{name}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth")
    found = violations(page, AXE.read_text(encoding="utf-8"))
    return [*found, *([f"{wide} px wide"] if wide > WIDTH else [])]


def test_a_client_sends_from_a_telephone(asked: Asked, phone: Page, tmp_path: Path) -> None:
    faults: list[str] = []
    phone.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    phone.goto(f"{asked.browser.base_url}{asked.path}")
    wrong = look(phone, tmp_path, "request")
    phone.locator("#files").set_input_files(
        [
            FilePayload(name="экран.png", mimeType="image/png", buffer=png()),
            FilePayload(
                name="x.png", mimeType="image/png", buffer=b"\x89PNG\r\n\x1a\n" + b"x" * 50
            ),
        ]
    )
    phone.locator("#steps").fill("1. Открыл отчёт\n2. Появилась ошибка")
    assert faults == []
    phone.locator("button").click()
    phone.wait_for_url("**/sent**")
    wrong += look(phone, tmp_path, "sent")
    assert len(asked.uploads()) == 3
    asked.take_over()
    phone.goto(f"{asked.browser.base_url}{asked.path}")
    assert phone.locator(".came li").count() == 3
    assert phone.locator(".came .refused").count() == 1
    wrong += look(phone, tmp_path, "came")
    phone.locator("button").click()
    assert phone.get_by_role("alert").is_visible()
    wrong += look(phone, tmp_path, "fault")
    assert wrong == []


def test_a_director_answers_from_a_telephone(
    browser: httpx.Client, opened: Opened, phone: Page, tmp_path: Path
) -> None:
    world = opened()
    phone.goto(f"{browser.base_url}/s/{world.token.secret}")
    wrong = look(phone, tmp_path, "link")
    box = phone.locator("button").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < HEIGHT  # One tap, without scrolling.
    phone.locator("button").click()
    phone.wait_for_url("**/listen**")
    phone.wait_for_function("() => document.querySelector('audio').currentTime > 0")  # By that tap.
    wrong += look(phone, tmp_path, "listen")
    phone.locator("#words").fill("Это не наш коммутатор.")
    phone.locator("#name").fill("П. Директор")
    phone.locator("button.second").click()
    phone.locator("button.second").wait_for(state="detached")
    assert phone.locator("#words").input_value() == "Это не наш коммутатор."
    phone.locator("input[value=disputes]").check()
    wrong += look(phone, tmp_path, "answering")
    phone.locator("#name").press("Enter")
    phone.locator("#words").wait_for(state="detached")
    assert phone.get_by_text("Это не наш коммутатор.").is_visible()
    wrong += look(phone, tmp_path, "answered")
    assert wrong == []


def test_a_passphrase_is_given_on_a_telephone(
    browser: httpx.Client, opened: Opened, phone: Page, tmp_path: Path
) -> None:
    passphrase = passphrases.new()
    world = opened(link={"passphrase_hash": passphrases.kept(passphrase)})
    phone.goto(f"{browser.base_url}/s/{world.token.secret}")
    wrong = look(phone, tmp_path, "asks")
    phone.locator("#passphrase").fill("wrong")
    phone.keyboard.press("Enter")
    phone.get_by_role("alert").wait_for()
    wrong += look(phone, tmp_path, "wrong")
    phone.locator("#passphrase").fill(passphrase)
    phone.locator("button").click()
    phone.wait_for_url("**/listen**")
    assert wrong == []
