"""A stranger with the printed line hears the moment that a complaint is about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.demo.test_demo import ROOT, Played, played

__all__ = ["played"]

from complaint_tool import main as tool  # scripts/ is on the path by the above.


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Serve a demo that was played; give its address, its log-ins and the director's link."""
    words = ["--keep", "--port", "0", "--data", str(folder)]
    process = subprocess.Popen(  # noqa: S603 - our own program, no shell.
        [sys.executable, "-P", "-m", "demo_company.main", *words],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    told: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line.strip())
            if line.startswith("demo: ok"):
                break
        address = next(line.split()[1] for line in told if line.startswith("address: "))
        link = next(line.split()[-1] for line in told if line.startswith("director's link"))
        yield address, json.loads((folder / "log-ins.json").read_text(encoding="utf-8")), link
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def test_three_clicks_lead_from_the_complaint_to_its_second_and_the_director_has_his_page(
    played: Played,
) -> None:
    with served(played.folder) as (address, accounts, link), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        assert tool.both(browser, address, accounts)
        context = browser.new_context(viewport={"width": 390, "height": 844}, locale="ru-RU")
        page = context.new_page()
        answer = page.goto(link)
        assert answer is not None
        assert answer.status == 200
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        page.locator("button:has(.play)").click()
        page.wait_for_selector("audio")
        browser.close()
