"""Every page in a real browser: nobody is shut out, nothing breaks the policy, it fits a telephone.

In the ordinary run each page is looked at twice, by one role. With `scripts/test --long` it is each
page for each role that sees it, in both languages, sizes and schemes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request

from app.identity.permissions import Role
from tests.web.conftest import Site
from tests.web.looking import IS_LONG, LOOKS, NARROWEST, SIZES, Look, heard_wrong, violations
from tests.web.table import merged

PAGES = merged("PAGES")


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
        counts["pages × roles × languages"] += len({look.lang for look in LOOKS})
        for look in LOOKS:
            page = open_page(role, look)
            faults = heard_wrong(page)
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


def test_who_does_not_listen_asks_for_no_sound(
    site: Site, open_page: Callable[[Role, Look], Page]
) -> None:
    path = site.path("/review/{queue}")
    for role, is_heard in ((Role.REVIEWER, True), (Role.AUDITOR, False)):
        page = open_page(role, LOOKS[0])
        asked: list[str] = []

        def note(request: Request, asked: list[str] = asked) -> None:
            asked.append(request.url)

        page.on("request", note)
        page.goto(f"{path}?lang=en")
        page.wait_for_load_state("networkidle")
        sounds = [url for url in asked if "/audio" in url or "/waveform" in url]
        assert bool(sounds) is is_heard, role
        told = page.get_by_text("Your role reads what is known, and neither")
        assert told.is_visible() is not is_heard, role
        page.close()


def test_axe_and_the_policy_find_what_is_wrong(
    open_page: Callable[[Role, Look], Page], axe: str
) -> None:
    page = open_page(Role.MANAGER, LOOKS[0])
    faults = heard_wrong(page)
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
