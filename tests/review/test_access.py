"""Nobody is shut out: every state of every page is looked over by axe, and fits a telephone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from app.consent.purposes import Kind
from app.recordings.models import Capture
from tests.factories import wav
from tests.review.browser import fill, log_in, picture
from tests.review.conftest import IS_CI
from tests.review.house import House

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
READY = (
    "() => { const d = document.querySelector('#desk');"
    " return !d || d.hidden || d.dataset.ready === 'yes'; }"
)


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        if IS_CI:
            pytest.fail("axe-core is missing: run scripts/setup --with-browser where npm is.")
        pytest.skip("axe-core is missing: run scripts/setup --with-browser where npm is.")
    return AXE.read_text(encoding="utf-8")


def populate(house: House) -> None:
    """Make something wait in every queue."""
    fill(house, 2)
    first = house.recording(body=wav(8.0), capture=Capture.MOBILE)
    picture(house, str(first.id))
    house.propose(house.recording(body=wav(8.0)).id, Kind.REFUSAL, evidence={"quote": "Не надо"})
    house.propose(house.recording(body=wav(8.0)).id, who="reviewer")
    house.wanted(screened=True, known=True)
    house.wanted()
    house.propose_pack(disclosure_grounds=[])
    house.clock.advance(timedelta(days=15))
    house.notice()


STATES: dict[str, tuple[str, str]] = {
    "queues": ("/review", ""),
    "proposed": ("/review/proposed", ""),
    "reject": ("/review/proposed", "r"),
    "help": ("/review/proposed", "?"),
    "unknown": ("/review/unknown", ""),
    "notice": ("/review/unknown", "Digit1 Control+Enter"),
    "verbal": ("/review/unknown", "Digit2 Control+Enter"),
    "consent": ("/review/unknown", "Digit3 Control+Enter"),
    "refusal": ("/review/unknown", "Digit4"),
    "nothing": ("/review/unknown", "Digit5"),
    "mobile": ("/review/mobile", ""),
    "blocks": ("/review/blocks", ""),
    "releases": ("/review/releases", ""),
    "lacking": ("/review/releases", "n"),
    "screen": ("/review/releases", "n s Control+Enter"),
    "know": ("/review/releases", "n i Control+Enter"),
    "policy": ("/review/policy", ""),
    "sample": ("/review/sample", ""),
}
"""Each state by the page and the keys that lead to it."""


def bring(page: Page, state: str, lang: str) -> None:
    """Bring a page into a state."""
    path, keys = STATES[state]
    page.goto(f"{path}?lang={lang}")
    page.wait_for_function(READY)
    for key in keys.split():
        page.keyboard.press(key)
        page.wait_for_function(READY)
    page.wait_for_load_state("networkidle")


def _violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)  # The policy of the page lets no script element in.
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("lang", ["ru", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_no_state_of_a_page_shuts_anybody_out(
    house: House, page: Page, axe: str, size: str, scheme: str, lang: str
) -> None:
    populate(house)
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"/login?lang={lang}")
    found = {"login": _violations(page, axe)}
    log_in(page)
    for state in STATES:
        bring(page, state, lang)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, state
        found[state] = _violations(page, axe)
    assert {state: said for state, said in found.items() if said} == {}


def test_axe_finds_what_is_wrong(page: Page, axe: str) -> None:
    page.goto("/login")
    page.evaluate("() => document.querySelector('label').remove()")
    assert any(said.startswith("label") for said in _violations(page, axe))
