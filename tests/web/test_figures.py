"""Figures in the browser: each number leads to as many as it says, and the charts are drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from playwright.sync_api import Page

from app.identity.permissions import Role
from tests.web.conftest import Site
from tests.web.looking import Look
from tests.web.table.figures import DEAR

DAYS = "from=2026-10-01&to=2026-11-20"


def _row(site: Site, query: str = DAYS) -> dict[str, tuple[str, str]]:
    """Return of each cell of the dear client's row its address and what it says."""
    page = site.get(f"/figures/clients?lang=en&{query}", Role.MANAGER).text
    row = next(one for one in page.split("<tr") if DEAR in unescape(one))
    links = re.findall(r'data-label="([^"]+)"[^>]*><div><a href="([^"]+)">([^<]*)<', row)
    return {label: (unescape(path), unescape(said)) for label, path, said in links}


def test_a_client_stands_with_what_he_takes_and_brings(site: Site) -> None:
    said = {label: value for label, (_, value) in _row(site).items()}
    assert said["Calls"] == "3"
    assert said["Minutes per call"] == "20"
    assert said["Calls per ticket"] == "0.6"
    assert said["Complaints"] == "1"
    assert said["Disputes"] == "1"
    assert said["Hours of disputes"] == "2.5"
    assert "22,500" in said["Cost of disputes"]
    assert "1,666" in said["Contracts bring"]
    page = unescape(site.get(f"/figures/clients?lang=en&{DAYS}", Role.MANAGER).text)
    assert page.index(DEAR) < page.index("costs more than it brings")


@pytest.mark.parametrize(
    ("label", "one"),
    [
        ("Calls", r'href="/recordings/[0-9a-f-]{36}'),
        ("Calls per ticket", r'<a href="/events/[0-9a-f-]{36}'),
        ("Complaints", r'<a href="/events/[0-9a-f-]{36}'),
        ("Disputes", r'<a href="/disputes/[0-9a-f-]{36}'),
    ],
)
def test_a_number_leads_to_what_it_is_made_of(site: Site, label: str, one: str) -> None:
    path, said = _row(site)[label]
    found = re.findall(one, site.get(f"{path}&lang=en", Role.MANAGER).text)
    behind = {"Calls per ticket": 5}.get(label) or int(said)
    assert len(set(found)) == behind


def test_complaints_of_a_quarter_lead_to_those_complaints(site: Site) -> None:
    page = site.get("/figures?lang=en&quarters=2", Role.AUDITOR).text
    path, said = re.findall(r'<a href="(/events\?kind=complaint[^"]+)">(\d+)<', page)[0]
    listed = site.get(f"{unescape(path)}&lang=en", Role.AUDITOR).text
    assert len(set(re.findall(r'<a href="/events/([0-9a-f-]{36})', listed))) == int(said) > 0
    assert site.get("/figures?quarters=0", Role.AUDITOR).status_code == 422
    assert site.get("/figures?quarters=41", Role.AUDITOR).status_code == 422


def test_days_without_anything_say_so(site: Site) -> None:
    page = site.get("/figures/clients?lang=en&from=1999-01-01&to=1999-02-01", Role.MANAGER)
    assert "Nothing took place in these days" in page.text
    order = site.get(f"/figures/clients?lang=en&{DAYS}&order=nonsense", Role.MANAGER)
    assert order.status_code == 422


def test_the_charts_are_pictures_that_a_browser_draws(
    site: Site, open_page: Callable[[Role, Look], Page]
) -> None:
    for path in ("/figures", f"/figures/clients?{DAYS}"):
        page = open_page(Role.MANAGER, Look("ru", "desktop", "light"))
        page.goto(path)
        page.wait_for_load_state("networkidle")
        width = page.evaluate("() => document.querySelector('.chart img').naturalWidth")
        assert width == 960
    chart = site.get("/figures/clients.svg?lang=ru", Role.MANAGER)
    assert chart.headers["content-type"] == "image/svg+xml"
    assert chart.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Дорогой клиент" in chart.text
