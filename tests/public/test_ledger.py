"""What the ledger tells of those who listen by a link, and of those who no longer can."""

from __future__ import annotations

import httpx
import psycopg
import pytest
from sqlalchemy import select

from app.core.db import Database
from app.custody.models import CustodyEntry
from app.releases.models import ShareView
from tests.conftest import Urls
from tests.public.conftest import Opened
from tests.releases.world import World

FIRST = {"Range": "bytes=0-1023"}


def _told(database: Database, act: str) -> list[CustodyEntry]:
    with database.transaction() as session:
        return list(session.scalars(select(CustodyEntry).where(CustodyEntry.act == act)))


def _listen(browser: httpx.Client, world: World) -> str:
    """Press the button and return the address of the sound."""
    browser.cookies.clear()
    answer = browser.post(f"/s/{world.token.secret}/open")
    page = browser.get(answer.headers["location"])
    return page.text.partition('src="')[2].partition('"')[0]


def test_listening_is_told_once_of_each_view(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    for _ in range(2):
        sound = _listen(browser, world)
        for part in ("bytes=0-1023", "bytes=1024-2047", "bytes=0-1023"):
            assert browser.get(sound, headers={"Range": part}).status_code == 206
    found = _told(own_db, "media.played")
    with own_db.transaction() as session:
        views = {str(view.id) for view in session.scalars(select(ShareView))}
    assert len(found) == len(views) == 2
    assert {entry.facts["view_id"] for entry in found} == views
    assert {(e.actor_kind, e.object_kind) for e in found} == {("link", "recording")}
    assert {e.object_id for e in found} == {world.recording.id}


def test_what_is_asked_of_an_ended_link_is_told_once_a_minute(
    browser: httpx.Client, opened: Opened, own_db: Database, own_database: Urls
) -> None:
    world = opened()
    sound = _listen(browser, world)
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("UPDATE share_links SET revoked_at = now()")
    assert [browser.get(sound, headers=FIRST).status_code for _ in range(3)] == [410] * 3
    (entry,) = _told(own_db, "access.denied")
    assert (entry.actor_kind, entry.object_id) == ("link", world.release_id)
    assert _told(own_db, "media.played") == []


@pytest.mark.parametrize("name", ["audiatur_public", "audiatur_app"])
def test_nobody_tells_the_ledger_of_denials_by_hand(own_database: Urls, name: str) -> None:
    url = own_database.link if name == "audiatur_public" else own_database.web
    with (
        psycopg.connect(url) as outsider,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        outsider.execute("SELECT link_denied(gen_random_uuid(), gen_random_uuid())")
