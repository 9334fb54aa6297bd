"""Fetching media: what is refused, what is tried again, what is lost, and what a crash leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.core import outbound
from app.core.db import APP_ROLE, Database
from app.core.outbound import Policy
from app.feeds.models import RefusedUpload
from app.inspection.sandbox import Sandbox
from app.providers import jobs, pulling, taking
from app.providers.models import ProviderCall, ProviderMedia, ProviderNotice
from app.providers.pulling import Fetching, MediaForbidden, MediaNotReady, fetch
from app.providers.told import Asking, MediaState
from app.worker import loop
from storage.errors import StoreUnavailable
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedDraft, SealedStore
from tests.conftest import Urls
from tests.factories import wav
from tests.live import live_archive
from tests.providers.house import Laid, MediaStandIn, ProviderHouse, media_stand_in
from tests.providers.test_twilio import CALL, COMPLETED, TOKEN, post, recorded


@pytest.fixture
def media() -> Iterator[MediaStandIn]:
    with media_stand_in() as found:
        yield found


def allowed(*hosts: str, **more: Any) -> Fetching:  # noqa: ANN401
    policy = Policy(
        allows_http=True,
        networks=more.pop("networks", outbound.networks_of("127.0.0.0/8")),
        hosts=frozenset(hosts or {"127.0.0.1"}),
    )
    return Fetching(policy=policy, **({"max_bytes": 1000} | more))


def got(asking: Asking, fetching: Fetching) -> bytes:
    found = bytearray()
    fetch(asking, fetching, found.extend)
    return bytes(found)


def get(url: str, **headers: str) -> Asking:
    return Asking(method="GET", url=url, headers=headers)


def test_a_body_comes_as_it_is(media: MediaStandIn) -> None:
    assert got(get(media.lay("/a", Laid(b"sound"))), allowed()) == b"sound"


@pytest.mark.parametrize(
    ("url", "because"),
    [
        ("http://media.example.com/a", "host"),
        ("http://127.0.0.1.example.com/a", "host"),
        ("http://user:word@127.0.0.1/a", "credentials"),
        ("ftp://127.0.0.1/a", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("http://127.0.0.1\n/a", "malformed"),
    ],
)
def test_an_address_that_is_not_listed_is_not_asked(url: str, because: str) -> None:
    with pytest.raises(MediaForbidden) as refused:
        got(get(url), allowed())
    assert refused.value.facts["because"] == because


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "0.0.0.0",  # noqa: S104 - nothing is bound to it.
    ],
)
def test_a_listed_name_of_an_inner_address_is_not_asked(address: str) -> None:
    asked = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["93.184.215.14", address]

    fetching = allowed("media.example.com", networks=(), lookup=lookup)
    with pytest.raises(MediaForbidden) as refused:
        got(get("https://media.example.com/a"), fetching)
    assert refused.value.facts["because"] == "private"
    assert asked == [("media.example.com", 443)]


def test_a_name_is_looked_up_once_and_means_nothing_else_later(media: MediaStandIn) -> None:
    """The second answer would be another host: rebinding finds nobody who asks."""
    answers = [["127.0.0.1"], ["127.0.0.99"]]
    port = media.server.server_address[1]
    media.lay("/a", Laid(b"sound"))
    fetching = allowed("media.example.com", lookup=lambda _host, _port: answers.pop(0))
    assert got(get(f"http://media.example.com:{port}/a"), fetching) == b"sound"
    assert len(answers) == 1
    assert media.asked[0].headers["host"] == f"media.example.com:{port}"


def test_a_redirect_is_followed_to_a_listed_host_without_the_log_in(media: MediaStandIn) -> None:
    media.lay("/b", Laid(b"sound"))
    url = media.lay("/a", Laid(status=302, headers={"Location": "/b"}))
    asking = Asking(method="POST", url=url, headers={"Authorization": "Basic x"}, body=b"json={}")
    assert got(asking, allowed()) == b"sound"
    first, second = media.asked
    assert (first.method, first.body, first.headers["authorization"]) == (
        "POST",
        b"json={}",
        "Basic x",
    )
    assert (second.method, second.body) == ("GET", b"")
    assert "authorization" not in second.headers


@pytest.mark.parametrize(
    "place", ["http://169.254.169.254/latest", "https://evil.example.com/", "file:///etc/passwd"]
)
def test_a_redirect_elsewhere_is_refused(media: MediaStandIn, place: str) -> None:
    url = media.lay("/a", Laid(status=302, headers={"Location": place}))
    with pytest.raises(MediaForbidden):
        got(get(url), allowed())


def test_a_name_that_became_an_inner_one_is_refused_behind_a_redirect(media: MediaStandIn) -> None:
    port = media.server.server_address[1]
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    media.lay("/a", Laid(status=302, headers={"Location": f"http://media.example.com:{port}/b"}))
    fetching = allowed("media.example.com", lookup=lambda _host, _port: answers.pop(0))
    with pytest.raises(MediaForbidden) as refused:
        got(get(f"http://media.example.com:{port}/a"), fetching)
    assert refused.value.facts["because"] == "private"


def test_redirects_come_to_an_end(media: MediaStandIn) -> None:
    url = media.lay("/a", Laid(status=302, headers={"Location": "/a"}))
    with pytest.raises(MediaForbidden):
        got(get(url), allowed())
    assert len(media.asked) == 4


def test_a_long_body_is_not_taken(media: MediaStandIn) -> None:
    url = media.lay("/a", Laid(b"x" * 1001))
    with pytest.raises(outbound.AnswerTooLarge):
        got(get(url), allowed())


def test_a_host_that_falls_silent_is_not_waited_for(media: MediaStandIn) -> None:
    ended = threading.Event()
    url = media.lay("/a", Laid(b"x", before=lambda: ended.wait(30)))
    try:
        with pytest.raises(MediaNotReady):
            got(get(url), allowed(seconds=0.3))
    finally:
        ended.set()


def test_a_body_that_breaks_off_is_not_whole(media: MediaStandIn) -> None:
    with pytest.raises(MediaNotReady):
        got(get(media.lay("/a", Laid(b"sound", cut_at=2))), allowed())


@pytest.fixture
def twilio_house(house: ProviderHouse) -> ProviderHouse:
    house.add("twilio", {"token": TOKEN})
    return house


def tell(house: ProviderHouse, url: str) -> None:
    for values in (COMPLETED, recorded(url)):
        assert post(house, values).status_code == 200


def state(house: ProviderHouse) -> tuple[str, str | None]:
    (one,) = house.pulls()
    return one.state, one.reason


def test_media_that_is_ready_later_comes_later(twilio_house: ProviderHouse) -> None:
    house = twilio_house
    url = house.media.lay("/rec.wav", Laid(status=404), Laid(wav(0.3), cut_at=9), Laid(wav(0.3)))
    tell(house, url)
    house.work()
    assert state(house)[0] == MediaState.WAITING
    house.pull()
    assert state(house)[0] == MediaState.WAITING
    house.pull()
    assert state(house) == (MediaState.KEPT, None)
    house.pull()
    assert len(house.media.asked) == 3
    assert len(house.recordings()) == 1


def test_what_never_comes_is_lost_and_said_so(twilio_house: ProviderHouse) -> None:
    house = twilio_house
    tell(house, house.media.lay("/rec.wav", Laid(status=404)))
    house.work()
    for _ in range(len(pulling.PAUSES)):
        assert house.calls()[CALL].not_recorded is None
        house.pull()
    assert state(house) == (MediaState.LOST, "The provider's host answers 404.")
    assert house.calls()[CALL].not_recorded == "lost"
    assert len(house.media.asked) == len(pulling.PAUSES) + 1


@pytest.mark.parametrize(
    ("url", "laid", "reason"),
    [
        ("https://evil.example.com/rec.wav", None, "media-forbidden"),
        ("/rec.wav", Laid(b"<html>no sound</html>"), "not-audio"),
        ("/rec.wav", Laid(b"x" * 1024 * 1024 * 2), "not-audio"),
    ],
)
def test_what_is_not_taken_is_refused_and_said_so(
    twilio_house: ProviderHouse, url: str, laid: Laid | None, reason: str
) -> None:
    house = twilio_house
    tell(house, house.media.lay(url, laid) if laid else url)
    house.work()
    assert state(house) == (MediaState.REFUSED, reason)
    with house.live.tools.database.transaction() as session:
        (refused,) = session.scalars(select(RefusedUpload))
    assert (refused.call_id, refused.refusal) == (CALL, reason)
    assert house.recordings() == []


def test_a_call_of_which_only_the_recording_is_told_comes_in_after_a_while(
    twilio_house: ProviderHouse,
) -> None:
    house = twilio_house
    url = house.media.lay("/rec.wav", Laid(wav(0.3)))
    assert post(house, recorded(url)).status_code == 200
    house.work()
    assert house.media.asked == []
    with house.live.tools.database.transaction() as session:
        long_ago = house.live.tools.clock.now() - pulling.JOIN_WAITS
        session.execute(update(ProviderMedia).values(told_at=long_ago))
    house.pull()
    (found,) = house.recordings()
    assert (found.direction, found.from_party) == ("inbound", None)


def test_two_recordings_of_a_call_are_both_kept(twilio_house: ProviderHouse) -> None:
    house = twilio_house
    tell(house, house.media.lay("/one.wav", Laid(wav(0.3))))
    second = "RE" + "3" * 32
    other = house.media.lay("/two.wav", Laid(wav(0.4)))
    assert post(house, recorded(other, RecordingSid=second)).status_code == 200
    house.work()
    assert {one.source_call_id for one in house.recordings()} == {CALL, f"{CALL}/{second}"}
    calls = house.calls()
    assert calls[f"{CALL}/{second}"].linked_id == CALL


def test_a_message_that_was_acknowledged_outlives_its_process(
    own_database: Urls, tmp_path: Path, sandbox: Sandbox
) -> None:
    """The archive that said 200 is gone before anything was fetched; another one fetches."""
    settings = {"outbound_http": True, "outbound_networks": "127.0.0.0/8"}
    with media_stand_in() as media:
        with live_archive(tmp_path, own_database.web, sandbox, None, **settings) as live:
            house = ProviderHouse(live, media)
            house.add("twilio", {"token": TOKEN})
            tell(house, media.lay("/rec.wav", Laid(wav(0.3))))
        assert media.asked == []
        info = {"detail_cipher": live.tools.cipher}
        database = Database(own_database.web, role=APP_ROLE, info=info)
        house.live.tools = replace(live.tools, database=database)
        try:
            loop.drain(house.live.tools, own_database.web)
            assert state(house)[0] == MediaState.KEPT
            assert len(house.recordings()) == 1
        finally:
            database.close()


class Killed(BaseException):
    """The process died here."""


def test_a_worker_killed_after_the_bytes_were_kept_does_not_ask_again(
    twilio_house: ProviderHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = twilio_house
    url = house.media.lay("/rec.wav", Laid(wav(0.3)), Laid(wav(0.9)))
    tell(house, url)

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(pulling, "_over", die)
        take_all(house)
        with pytest.raises(Killed):
            house.pull()
    assert state(house)[0] == MediaState.ASKED
    house.pull()
    assert state(house)[0] == MediaState.KEPT
    assert len(house.media.asked) == len(house.recordings()) == 1


def test_a_worker_that_is_at_it_is_left_alone(twilio_house: ProviderHouse) -> None:
    """Another message of the call, or a second job, does not ask a second time meanwhile."""
    house = twilio_house

    def meanwhile() -> None:
        (one,) = house.pulls()
        pulling.handle_pull(house.live.tools, str(one.id))

    tell(house, house.media.lay("/rec.wav", Laid(wav(0.3), before=meanwhile)))
    take_all(house)
    house.pull()
    assert state(house)[0] == MediaState.KEPT
    assert len(house.media.asked) == len(house.recordings()) == 1


class StoreFull(SealedStore):
    """A store that has no place."""

    def begin(self, object_id: UUID) -> SealedDraft:
        raise StoreUnavailable(f"no place for {object_id}")


@pytest.mark.parametrize("is_once", [False, True])
def test_a_store_that_has_no_place_costs_no_try_and_no_link(
    twilio_house: ProviderHouse, tmp_path: Path, *, is_once: bool
) -> None:
    house = twilio_house
    tell(house, house.media.lay("/rec.wav", Laid(wav(0.3))))
    take_all(house)
    with house.live.tools.database.transaction() as session:
        session.execute(update(ProviderMedia).values(is_once=is_once))
    (one,) = house.pulls()
    keys = MasterKeys.create(tmp_path / "full.key")
    full = replace(house.live.tools, archive=StoreFull(FolderStore(tmp_path / "full"), keys))
    pulling.handle_pull(full, str(one.id))
    assert state(house) == (MediaState.WAITING, None)
    assert house.media.asked == []
    house.pull()
    assert state(house)[0] == MediaState.KEPT
    assert house.pulls()[0].attempts == 1


def take_all(house: ProviderHouse) -> None:
    """Read the messages without fetching anything."""
    for one in house.notices():
        taking.handle_take(house.live.tools, str(one.id))


def test_a_link_that_works_once_is_never_used_twice(
    twilio_house: ProviderHouse,
) -> None:
    """The process dies while the body is on its way: what the link gave is gone, and it is said."""
    house = twilio_house

    url = house.media.lay("/rec.wav", Laid(wav(0.3), cut_at=20), Laid(wav(0.3)))
    tell(house, url)
    take_all(house)
    with house.live.tools.database.transaction() as session:
        session.execute(update(ProviderMedia).values(is_once=True))
    house.pull()
    house.pull()
    assert state(house) == (MediaState.LOST, "link_used")
    assert house.calls()[CALL].not_recorded == "lost"
    assert len(house.media.asked) == 1


def test_a_worker_killed_on_the_way_of_a_link_that_works_once_says_that_it_is_lost(
    twilio_house: ProviderHouse,
) -> None:
    house = twilio_house
    tell(house, house.media.lay("/rec.wav", Laid(wav(0.3))))
    take_all(house)
    with house.live.tools.database.transaction() as session:
        session.execute(update(ProviderMedia).values(is_once=True, state=MediaState.ASKED))
    house.pull()
    assert state(house) == (MediaState.LOST, "link_used")
    assert house.media.asked == []


def test_what_was_read_long_ago_is_forgotten_but_known_again(twilio_house: ProviderHouse) -> None:
    house = twilio_house
    tell(house, house.media.lay("/rec.wav", Laid(wav(0.3))))
    house.work()
    assert jobs.handle_forget(house.live.tools) == 0
    with house.live.tools.database.transaction() as session:
        long_ago = house.live.tools.clock.now() - jobs.KEPT_FOR - timedelta(seconds=1)
        session.execute(update(ProviderNotice).values(settled_at=long_ago))
        session.execute(update(ProviderCall).values(changed_at=long_ago))
    assert jobs.handle_forget(house.live.tools) == 2
    assert {one.sealed for one in house.notices()} == {None}
    with house.live.tools.database.transaction() as session:
        assert [row.facts for row in session.scalars(select(ProviderCall))] == [{}]
    tell(house, house.media.url + "/rec.wav")
    house.work()
    assert len(house.notices()) == 2
    assert len(house.recordings()) == 1
