"""How pages are looked at: sizes, schemes and languages, and by which rules of axe."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
NARROWEST = 320
IS_LONG = os.environ.get("AUDIATUR_LONG") == "1"


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


def heard_wrong(page: Page) -> list[str]:
    """Return the list in which the errors of a page will be: of its console and of its scripts."""
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    return faults


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
