"""Demo data on the pages: offered where one begins, seen everywhere, unloaded, refused."""

from __future__ import annotations

import re

import httpx
from sqlalchemy import text

from app.retention import holds, subjects
from app.retention.holds import Wanted
from app.worker import loop
from tests.conftest import Urls
from tests.review.house import House
from tests.web.test_account import OURS, Browser, house

__all__ = ["house"]

_LINE = "Demo data is loaded."


def _work(house: House, urls: Urls) -> None:
    for _ in range(3):
        loop.drain(house.tools, urls.web)


def polled(browser: Browser, path: str) -> httpx.Response:
    """Ask as the part of a page does that waits for something."""
    kept = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = OURS | {"Cookie": kept, "HX-Request": "true"}
    return httpx.get(browser.house.url + path, headers=headers, timeout=60)


def test_it_is_loaded_where_one_begins_seen_everywhere_and_unloaded(
    house: House, own_database: Urls
) -> None:
    boss, manager = Browser(house), Browser(house)
    boss.log_in("admin")
    manager.log_in("manager")
    assert "Load the demo data" in boss.get("/start").text
    assert _LINE not in boss.get("/").text
    assert manager.post("/demo/load").status_code == 403
    assert boss.post("/demo/unload", "/demo").status_code == 409
    loaded = boss.post("/demo/load", "/start")
    assert (loaded.status_code, loaded.headers["location"]) == (303, "/demo")
    assert "is being loaded" in boss.get("/demo").text
    assert "demo data was loaded" not in boss.get("/demo").text
    assert "hx-refresh" not in polled(boss, "/demo").headers
    _work(house, own_database)
    assert polled(boss, "/demo").headers["hx-refresh"] == "true"  # The head of the page too.
    assert boss.post("/demo/load", "/demo").status_code == 409
    assert _LINE in boss.get("/").text
    assert 'href="/demo#unload"' in boss.get("/").text
    seen = manager.get("/recordings").text
    assert _LINE in seen
    assert "/demo#unload" not in seen
    assert seen.count("Demo: ") >= 4
    (first, *_) = re.findall(r'href="(/recordings/[0-9a-f-]{36})"', seen)
    assert "demo data</span>" in manager.get(first).text

    with house.database.transaction() as session:
        held = session.scalar(text("SELECT id FROM recordings LIMIT 1"))
        wanted = Wanted(
            matter="A1", reason="Court.", named=(subjects.recording(held),), dispute_id=None
        )
        zone = house.tools.settings.zone
        hold = holds.place(session, house.people["legal"], wanted, zone=zone, at=house.clock.now())
        session.flush()
        hold_id = hold.id
    assert "under a legal hold" in boss.get("/demo").text
    refused = boss.post("/demo/unload", "/demo")
    assert refused.status_code == 409
    assert 'role="alert"' in refused.text
    with house.database.transaction() as session:
        session.execute(
            text(
                "UPDATE legal_holds SET released_at = now(), released_by = :who,"
                " release_reason = 'over' WHERE id = :id"
            ),
            {"who": house.people["approver"].id, "id": hold_id},
        )
    assert boss.post("/demo/unload", "/demo").status_code == 303
    assert "is being unloaded" in boss.get("/demo").text
    _work(house, own_database)
    assert _LINE not in boss.get("/").text
    assert "Demo: " not in manager.get("/recordings").text
    assert "Demo: " not in manager.get("/clients").text
    assert "Demo: " not in manager.get("/disputes").text
    assert "Load the demo data" in boss.get("/demo").text

    with house.making() as make:
        make.recording()
    assert "Real recordings are here" in boss.get("/demo").text
    assert boss.post("/demo/load", "/").status_code == 409
