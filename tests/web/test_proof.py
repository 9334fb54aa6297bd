"""Who somebody is, asked once more in place: on the approver's page and on the desk."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.identity.oidc import was_asked_since
from app.releases.models import Release
from tests.review.browser import log_in
from tests.review.conftest import house, page
from tests.review.house import PASSWORD, House
from tests.web.looking import violations

__all__ = ["house", "page"]

LATER = timedelta(minutes=11)


def _approver(house: House, page: Page) -> str:
    """Log the approver in, let his proof grow old, and return the path of a release."""
    release = house.wanted(screened=True, known=True)
    log_in(page, "approver")
    house.clock.advance(LATER)
    return release


def _state(house: House, release: str) -> str:
    with house.database.transaction() as session:
        return session.scalars(select(Release.state).where(Release.id == release)).one()


def test_an_approver_proves_himself_where_he_is_and_loses_nothing(
    house: House, page: Page, axe: str
) -> None:
    release = _approver(house, page)
    page.goto(f"/releases/{release}")
    page.locator("#approve-note").fill("Прослушано целиком")
    page.locator("form[action$='/approve'] button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(page.locator("#proof-password")).to_be_focused()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert _state(house, release) == "requested"
    page.locator("form[action$='/approve'] button").click()
    page.locator("#proof-password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#proof-password-wrong")).to_be_visible()
    assert _state(house, release) == "requested"
    page.locator("#proof-password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#h-link")).to_be_visible()
    assert _state(house, release) == "granted"
    assert "Прослушано целиком" in page.content()


def test_a_reviewer_at_the_desk_proves_himself_and_the_verdict_is_given(
    house: House, page: Page
) -> None:
    release = _approver(house, page)
    page.goto("/review/releases")
    expect(page.locator("#place")).to_have_text("1 из 1")
    page.wait_for_timeout(500)
    page.keyboard.press("v")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.locator("#proof-password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#empty")).to_be_visible()
    assert _state(house, release) == "granted"


@pytest.mark.parametrize(
    ("claims", "fresh"),
    [
        ({"auth_time": 1_000}, True),
        ({"auth_time": 941}, True),
        ({"auth_time": 939}, False),
        ({"auth_time": "1000"}, False),
        ({}, False),
    ],
)
def test_a_provider_that_did_not_ask_anew_proves_nothing(
    claims: dict[str, object], *, fresh: bool
) -> None:
    assert was_asked_since(claims, 1_000) is fresh
