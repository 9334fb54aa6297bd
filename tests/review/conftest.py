"""A running archive with the rooms of review."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from app.core.clock import SetClock
from app.inspection.sandbox import Sandbox
from tests.conftest import Urls
from tests.review.house import House, opened

CHROMIUM = Path("/usr/bin/chromium")
IS_CI = os.environ.get("CI") == "true"


@pytest.fixture
def house(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[House]:
    clock = SetClock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    with opened(
        tmp_path,
        web_url=own_database.web,
        owner_url=own_database.owner,
        sandbox=sandbox,
        clock=clock,
    ) as made:
        yield made


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
