"""The rules of places, proposed and put in force from the pages."""

from __future__ import annotations

import html
import json
import re

import httpx
import pytest

from app.consent.packs import shipped
from app.identity.permissions import Role
from tests.review.conftest import house
from tests.review.house import House
from tests.web.test_account import Browser

__all__ = ["house"]


@pytest.fixture
def proposed(house: House) -> str:
    """Return the path of a version that an administrator has proposed."""
    made = house.propose_pack(disclosure_grounds=[])
    return f"/packs/{made['jurisdiction']}/{made['version']}"


def _person(house: House, role: Role) -> Browser:
    browser = Browser(house)
    browser.log_in(str(role))
    return browser


def _send(browser: Browser, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, page="/packs", **fields)


def test_rules_are_listed_with_what_is_uncertain(house: House) -> None:
    page = _person(house, Role.AUDITOR).get("/packs").text
    for body in shipped().values():
        assert html.escape(body["title"]["en"]) in page
    assert "uncertain, for your lawyer" in page


def test_a_version_is_told_in_words_with_what_it_changes(house: House, proposed: str) -> None:
    page = _person(house, Role.LEGAL).get(proposed).text
    assert "Grounds on which a recording may leave the company" in page
    assert 'data-label="Before"><div>defence against claims, assessed' in page
    assert "one of them an approver" not in page
    assert "one of them an approver" in _person(house, Role.ADMIN).get(proposed).text


def test_two_people_put_rules_in_force_and_the_proposer_is_none_of_them(
    house: House, proposed: str
) -> None:
    legal, approver = _person(house, Role.LEGAL), _person(house, Role.APPROVER)
    assert _send(_person(house, Role.ADMIN), f"{proposed}/agree").status_code == 403
    assert _send(legal, f"{proposed}/agree").headers["location"] == proposed
    assert "You have agreed. Another person must too." in legal.get(proposed).text
    assert _send(legal, f"{proposed}/agree").status_code == 403
    assert _send(approver, f"{proposed}/agree").status_code == 303
    assert "in force" in approver.get(proposed).text
    assert _send(approver, f"{proposed}/agree").status_code == 409


def test_a_trial_tells_of_both_directions_and_changes_nothing(house: House, proposed: str) -> None:
    house.wanted(screened=True, known=True)
    legal = _person(house, Role.LEGAL)
    page = legal.get(f"{proposed}/trial")
    assert page.status_code == 200
    assert "Stricter" in page.text
    assert "/help/reasons/G_NONE" in page.text
    assert "waits" not in legal.get(proposed).text
    assert legal.get(f"{proposed}/trial?cursor=nothing").status_code == 400


def test_a_version_is_withdrawn_by_its_proposer_and_rejected_by_another(
    house: House, proposed: str
) -> None:
    legal, admin = _person(house, Role.LEGAL), _person(house, Role.ADMIN)
    assert _send(legal, f"{proposed}/withdraw", reason="Ошибка").status_code == 403
    assert _send(legal, f"{proposed}/reject").status_code == 400
    assert _send(legal, f"{proposed}/reject", reason="Слишком строго").status_code == 303
    assert "Слишком строго" in legal.get(proposed).text
    assert _send(admin, f"{proposed}/withdraw", reason="Ошибка").status_code == 409


def test_a_next_version_is_proposed_and_faults_are_shown_where_they_are(
    house: House, proposed: str
) -> None:
    legal = _person(house, Role.LEGAL)
    shown = re.search(
        r"<textarea[^>]*name=\"body\"[^>]*>(.*?)</textarea>", legal.get(proposed).text, re.DOTALL
    )
    assert shown
    told = json.loads(html.unescape(shown[1]))
    told["fields"]["min_stay_ms"]["value"] = 5000
    body = json.dumps(told, ensure_ascii=False)
    made = _send(legal, f"{proposed}/propose", body=body)
    assert made.status_code == 303
    assert "5 seconds" in legal.get(made.headers["location"]).text
    told["fields"]["min_stay_ms"]["value"] = "long"
    wrong = _send(legal, f"{proposed}/propose", body=json.dumps(told))
    assert wrong.status_code == 422
    assert "/fields/min_stay_ms/value" in wrong.text
    assert _send(legal, f"{proposed}/propose", body="{").status_code == 422


def test_what_is_not_there_is_told(house: House) -> None:
    assert _person(house, Role.LEGAL).get("/packs/RU/999").status_code == 404
