"""Every page in a real browser: nobody is shut out, nothing breaks the policy, it fits a telephone.

In the ordinary run each page is looked at twice, by one role. With `scripts/test --long` it is each
page for each role that sees it, in both languages, sizes and schemes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page

from app.identity.authenticator import SESSION_COOKIE
from app.identity.permissions import Role
from tests.review.conftest import IS_CI
from tests.web.conftest import Site
from tests.web.table import merged

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
NARROWEST = 320
IS_LONG = os.environ.get("AUDIATUR_LONG") == "1"
PAGES = merged("PAGES")


class Look(NamedTuple):
    """One way to look at a page."""

    lang: str
    size: str
    scheme: str


LOOKS = (
    [Look(*one) for one in product(("ru", "en"), SIZES, ("light", "dark"))]
    if IS_LONG
    else [Look("ru", "desktop", "light"), Look("en", "phone", "dark")]
)


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        if IS_CI:
            pytest.fail("axe-core is missing: run scripts/setup.")
        pytest.skip("axe-core is missing: run scripts/setup.")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
def open_page(site: Site, chromium: Browser) -> Iterator[Callable[[Role, Look], Page]]:
    """Give a function that opens a browser as a role looks at pages."""
    contexts = []

    def opened(role: Role, look: Look) -> Page:
        width, height = SIZES[look.size]
        context = chromium.new_context(
            base_url=site.house.url,
            locale="ru-RU" if look.lang == "ru" else "en-GB",
            viewport={"width": width, "height": height},
            color_scheme="dark" if look.scheme == "dark" else "light",
        )
        contexts.append(context)
        context.add_cookies(
            [
                {
                    "name": SESSION_COOKIE,
                    "value": site.cookies[role],
                    "url": site.house.url.replace("http:", "https:"),  # It is sent to loopback too.
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


def violations(page: Page, axe: str) -> list[str]:
    """Return what axe finds on a page."""
    page.evaluate(axe)  # The policy of the page lets no script element in.
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("path", sorted(PAGES))
def test_no_page_shuts_anybody_out(
    site: Site,
    open_page: Callable[[Role, Look], Page],
    axe: str,
    path: str,
    record_property: Callable[[str, object], None],
) -> None:
    counts: Counter[str] = Counter({"pages": 1})
    wrong: list[str] = []
    for role in sorted(PAGES[path])[: None if IS_LONG else 1]:
        counts["pages × roles"] += 1
        for look in LOOKS:
            page = open_page(role, look)
            faults: list[str] = []
            page.on(
                "console",
                lambda said, to=faults: to.append(said.text) if said.type == "error" else None,
            )
            page.on("pageerror", lambda error, to=faults: to.append(str(error)))
            answer = page.goto(f"{site.path(path)}?lang={look.lang}")
            assert answer is not None
            assert answer.status == 200
            page.wait_for_load_state("networkidle")
            width = SIZES[look.size][0]
            if page.evaluate("() => document.documentElement.scrollWidth") > width:
                wrong.append(f"{role} {look}: wider than {width}")
            wrong += [f"{role} {look}: {fault}" for fault in [*faults, *violations(page, axe)]]
            page.set_viewport_size({"width": NARROWEST, "height": 640})
            if page.evaluate("() => document.documentElement.scrollWidth") > NARROWEST:
                wrong.append(f"{role} {look}: wider than {NARROWEST}")
            counts["visits"] += 1
            page.close()
    record_property("figures: pages in a browser", dict(counts))
    assert wrong == []


def test_axe_and_the_policy_find_what_is_wrong(
    open_page: Callable[[Role, Look], Page], axe: str
) -> None:
    page = open_page(Role.MANAGER, LOOKS[0])
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto("/")
    page.evaluate(
        "() => { const a = document.createElement('img'); a.src = '/static/icon.svg';"
        " document.querySelector('main').append(a);"
        " const s = document.createElement('script'); s.textContent = 'window.x = 1';"
        " document.head.append(s); }"
    )
    page.wait_for_timeout(0)
    assert any(said.startswith("image-alt") for said in violations(page, axe))
    assert any("Content Security Policy" in fault for fault in faults)
    assert page.evaluate("() => window.x === undefined")
