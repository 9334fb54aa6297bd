"""What the pages of help say of every reason."""

from __future__ import annotations

import pytest

from app.consent.packs import shipped
from app.consent.reasons import FIELDS, REASONS
from app.identity.permissions import Role
from app.review import wording
from app.web.pack_words import FIELDS as LABELS
from tests.web.conftest import Site


@pytest.mark.parametrize(("lang", "helps"), [("ru", "Что поможет"), ("en", "What helps")])
def test_every_reason_is_listed_in_both_languages(site: Site, lang: str, helps: str) -> None:
    page = site.get(f"/help/reasons?lang={lang}", Role.AGENT)
    assert page.status_code == 200
    assert helps in page.text
    for code in {*REASONS, *wording.WHY}:
        assert f'id="{code}"' in page.text
        assert f'href="/help/reasons/{code}"' in page.text


@pytest.mark.parametrize("code", sorted({*REASONS, *wording.WHY}))
def test_every_reason_has_a_page(site: Site, code: str) -> None:
    page = site.get(f"/help/reasons/{code}?lang=en", Role.AGENT)
    assert page.status_code == 200
    for field in FIELDS.get(code, ()):
        assert field in page.text
    assert ("rules of a place cannot change it" in page.text) == (
        code in REASONS and code not in FIELDS
    )


def test_a_reason_tells_what_each_place_asks_for_and_how_sure_that_is(site: Site) -> None:
    page = site.get("/help/reasons/C_TOO_WEAK?lang=en", Role.AGENT).text
    assert shipped()["BY"]["title"]["en"] in page
    assert "an express consent" in page
    assert "uncertain, for your lawyer" in page
    assert "a choice of the product" in page


def test_an_unknown_reason_is_not_here(site: Site) -> None:
    assert site.get("/help/reasons/X_NOTHING", Role.AGENT).status_code == 404


def test_every_field_of_the_rules_has_its_words() -> None:
    said = {name for body in shipped().values() for name in body["fields"]}
    assert said <= LABELS.keys()
    assert {name for names in FIELDS.values() for name in names} <= said
    assert FIELDS.keys() <= REASONS.keys()
