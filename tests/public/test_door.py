"""Sound stops where the link ends, in the middle of a recording too."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.core.db import Database
from app.core.ranges import ByteRange, RangeUnsatisfiable, parse
from app.public.door import PIECE_BYTES, CutOff, Door
from app.public.links import LinkEnded, Links, View
from storage.sealed import SealedStore
from tests.public.conftest import Opened

FAR_TOO_MUCH_TO_BUFFER = 48 * 1024 * 1024


def test_a_withdrawal_stops_what_is_playing(
    opened: Opened, public_database: Database, own_db: Database, release_store: SealedStore
) -> None:
    world = opened(body=bytes(3 * PIECE_BYTES))
    links = Links(public_database)
    view = links.view(world.token)
    page = links.page(world.token, view)
    assert page.is_opened
    door = Door(links=links, store=release_store)
    pieces = door.pieces(
        world.token,
        links.item(world.token, page.items[0].id, view),
        view,
        wanted=ByteRange(start=0, end=3 * PIECE_BYTES),
    )
    assert len(next(pieces)) == PIECE_BYTES
    _restrict(own_db, world.recording.id)
    with pytest.raises(CutOff):
        next(pieces)
    with pytest.raises(LinkEnded):
        links.item(world.token, page.items[0].id, view)


def test_a_listener_is_cut_off_on_the_wire(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened(body=bytes(FAR_TOO_MUCH_TO_BUFFER))
    answer = browser.post(f"/s/{world.token.secret}/open", follow_redirects=True)
    source = answer.text.partition('src="')[2].partition('"')[0]
    with browser.stream("GET", source) as sound:
        pieces = sound.iter_bytes(65536)
        received = [len(next(pieces))]
        _restrict(own_db, world.recording.id)
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(map(len, pieces))
    assert sum(received) < FAR_TOO_MUCH_TO_BUFFER


def test_a_link_that_has_ended_tells_nothing_of_the_size(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    answer = browser.post(f"/s/{world.token.secret}/open", follow_redirects=True)
    source = answer.text.partition('src="')[2].partition('"')[0]
    beyond = {"Range": "bytes=999999999-"}
    assert browser.get(source, headers=beyond).status_code == 416
    _restrict(own_db, world.recording.id)
    for ended in (browser.get(source, headers=beyond), browser.head(source, headers=beyond)):
        assert ended.status_code == 410
        assert "Content-Range" not in ended.headers


def test_a_made_up_view_opens_nothing(opened: Opened, public_database: Database) -> None:
    world = opened()
    links = Links(public_database)
    item_id = links.page(world.token, None).items[0].id
    assert links.item(world.token, item_id, links.view(world.token)).media_type == "audio/wav"
    with pytest.raises(LinkEnded):
        links.item(world.token, item_id, View.new())


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=x-1", None),
        ("bytes=0-", (0, 10)),
        ("bytes=3-3", (3, 4)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=9-99", (9, 10)),
    ],
)
def test_parts_are_read_as_the_standard_says(
    header: str | None, part: tuple[int, int] | None
) -> None:
    found = parse(header, 10)
    assert (None if found is None else (found.start, found.end)) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_part_that_is_not_there_is_told(header: str) -> None:
    with pytest.raises(RangeUnsatisfiable):
        parse(header, 10)


def _restrict(database: Database, recording_id: UUID) -> None:
    with database.transaction() as session:
        session.execute(
            text("UPDATE recordings SET restricted_at = now() WHERE id = :id"),
            {"id": recording_id},
        )
