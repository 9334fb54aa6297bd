"""Mango Office: messages built from the documented fields; the signatures are our own.

Mango publishes the rule (sha256 of key, JSON and salt) and no vector that we know of.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from app.core.ids import new_id
from app.providers import mango
from app.providers.told import CallFacts, Came, MediaState, facts_of, merged
from tests.factories import wav
from tests.providers.house import FORM, Laid, ProviderHouse, form

KEY, SALT = "vpbx-key", "vpbx-salt"
ENTRY = "MTIzNDU2Nzg5MDox"
BEGAN = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
MEDIA = "MToxMDA3MTk1Nzo0NzA5NzA4NTQ6MA=="


def signed(told: dict[str, Any], *, key: str = KEY, salt: str = SALT) -> bytes:
    text = json.dumps(told, ensure_ascii=False)
    sign = hashlib.sha256((KEY + text + salt).encode()).hexdigest()
    return form({"vpbx_api_key": key, "sign": sign, "json": text})


def event(state: str, second: int, seq: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "entry_id": ENTRY,
        "call_id": "leg-1",
        "timestamp": int((BEGAN + timedelta(seconds=second)).timestamp()),
        "seq": seq,
        "call_state": state,
        "location": "abonent",
        "from": {"number": "74950008414"},
        "to": {
            "extension": "106",
            "number": "sip:user106@example.mangosip.ru",
            "line_number": "74951112233",
        },
    } | more


APPEARED = event("Appeared", 0, 1)
IVR = event("Connected", 1, 2, location="ivr", call_id="leg-0")
CONNECTED = event("Connected", 5, 2)
ENDED = event("Disconnected", 65, 3, disconnect_reason=1110)


def recording(state: str = "Completed", code: int = 1000, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "recording_id": MEDIA,
        "recording_state": state,
        "seq": 2,
        "entry_id": ENTRY,
        "call_id": "leg-2",
        "extension": "106",
        "timestamp": int(BEGAN.timestamp()) + 66,
        "completion_code": code,
        "recipient": "Cloud",
    } | more


def came(path: str, told: dict[str, Any], received_at: datetime = BEGAN) -> Came:
    return Came(
        method="POST",
        url="",
        path=path,
        query="",
        headers=FORM,
        body=signed(told),
        received_at=received_at,
        notice_id=new_id(),
    )


def known(messages: Any) -> CallFacts:  # noqa: ANN401 - any number of them.
    found: dict[str, Any] = {}
    for told in messages:
        for facts in mango.read(came("events/call", told)).calls:
            found = merged(found, facts)
    return facts_of(ENTRY, found)


def test_the_order_of_arrival_changes_nothing() -> None:
    wanted = known([APPEARED, IVR, CONNECTED, ENDED])
    assert (wanted.started_at, wanted.ended_at) == (BEGAN, BEGAN + timedelta(seconds=65))
    assert wanted.answered_at == BEGAN + timedelta(seconds=5)
    assert (wanted.direction, wanted.from_party, wanted.line) == (
        "inbound",
        "74950008414",
        "74951112233",
    )
    for order in itertools.permutations([APPEARED, IVR, CONNECTED, ENDED, CONNECTED]):
        assert known(order) == wanted


@pytest.mark.parametrize(
    ("ends", "direction"),
    [
        ({"from": {"extension": "106"}, "to": {"number": "74950008414"}}, "outbound"),
        ({"from": {"extension": "106"}, "to": {"extension": "107"}}, "internal"),
        ({"from": {"number": "74950008414"}, "to": {"number": "74951112233"}}, "inbound"),
    ],
)
def test_direction_is_told_by_who_has_an_extension(ends: dict[str, Any], direction: str) -> None:
    assert known([APPEARED | ends]).direction == direction


@pytest.mark.parametrize("ahead", [0, 3 * 3600])
def test_a_moment_in_the_time_of_moscow_is_known(ahead: int) -> None:
    told = APPEARED | {"timestamp": int(BEGAN.timestamp()) + ahead}
    facts = mango.read(came("events/call", told, BEGAN + timedelta(seconds=20))).calls
    assert facts[0].started_at == BEGAN


@pytest.fixture
def mango_house(house: ProviderHouse) -> ProviderHouse:
    house.add(
        "mango", {"api_key": KEY, "salt": SALT}, mapping={"api_url": f"{house.media.url}/vpbx"}
    )
    return house


def post(house: ProviderHouse, path: str, told: dict[str, Any], **more: str) -> httpx.Response:
    return house.send("mango", signed(told, **more), path=f"/events/{path}", headers=FORM)


def tell(house: ProviderHouse) -> None:
    for told in (ENDED, CONNECTED, APPEARED):
        assert post(house, "call", told).status_code == 200


def test_a_recording_is_asked_for_and_its_link_is_used_once(mango_house: ProviderHouse) -> None:
    house, sound = mango_house, wav(0.3)
    asked = "/vpbx/queries/recording/post"
    house.media.lay(asked, Laid(status=302, headers={"Location": "/once/1"}))
    house.media.lay("/once/1", Laid(sound), Laid(status=404))
    assert post(house, "recording", recording("Started")).status_code == 200
    assert post(house, "recording", recording()).status_code == 200
    tell(house)
    house.work()
    for _ in range(2):
        assert post(house, "recording", recording()).status_code == 200
    house.work()
    house.pull()
    assert [one.path for one in house.media.asked] == [asked, "/once/1"]
    question = {k: v[0] for k, v in parse_qs(house.media.asked[0].body.decode()).items()}
    assert json.loads(question["json"]) == {"recording_id": MEDIA, "action": "download"}
    wanted = hashlib.sha256((KEY + question["json"] + SALT).encode()).hexdigest()
    assert (question["vpbx_api_key"], question["sign"]) == (KEY, wanted)
    (found,) = house.recordings()
    assert (found.source_call_id, found.from_party, found.agent) == (ENTRY, "74950008414", "106")
    assert (found.started_at, found.direction) == (BEGAN, "inbound")
    call = house.calls()[ENTRY]
    assert (call.talk_ms, call.duration_ms, call.disposition) == (60_000, 65_000, "answered")


def test_a_link_that_broke_off_is_not_used_again_but_asked_for_anew(
    mango_house: ProviderHouse,
) -> None:
    house = mango_house
    house.media.lay(
        "/vpbx/queries/recording/post",
        Laid(status=302, headers={"Location": "/once/1"}),
        Laid(status=302, headers={"Location": "/once/2"}),
    )
    house.media.lay("/once/1", Laid(wav(0.3), cut_at=30))
    house.media.lay("/once/2", Laid(wav(0.3)))
    tell(house)
    assert post(house, "recording", recording()).status_code == 200
    house.work()
    house.pull()
    paths = [one.path for one in house.media.asked if one.path.startswith("/once")]
    assert paths == ["/once/1", "/once/2"]
    assert [one.state for one in house.pulls()] == [MediaState.KEPT]


@pytest.mark.parametrize(("code", "reason"), [(4002, "too_short"), (2211, "failed")])
def test_what_was_not_stored_is_a_fact(mango_house: ProviderHouse, code: int, reason: str) -> None:
    house = mango_house
    assert post(house, "recording", recording(code=code)).status_code == 200
    tell(house)
    house.work()
    assert [one.state for one in house.pulls()] == [MediaState.ABSENT]
    assert house.calls()[ENTRY].not_recorded == reason
    assert house.media.asked == []


def test_a_call_that_nobody_answered_is_told_as_such(mango_house: ProviderHouse) -> None:
    house = mango_house
    for told in (ENDED, IVR, APPEARED):
        assert post(house, "call", told).status_code == 200
    house.work()
    assert house.calls()[ENTRY].disposition == "no_answer"


def test_a_redirect_to_another_host_is_not_followed(mango_house: ProviderHouse) -> None:
    house = mango_house
    away = {"Location": "https://evil.example.com/1"}
    house.media.lay("/vpbx/queries/recording/post", Laid(status=302, headers=away))
    tell(house)
    assert post(house, "recording", recording()).status_code == 200
    house.work()
    assert [(one.state, one.reason) for one in house.pulls()] == [
        (MediaState.REFUSED, "media-forbidden")
    ]


@pytest.mark.parametrize(
    "body",
    [
        signed(ENDED, salt="other"),
        signed(ENDED, key="other"),
        signed(ENDED).replace(b"Disconnected", b"Connected"),
        b"",
        b"json=%7B%7D",
    ],
)
def test_a_forged_event_is_refused(mango_house: ProviderHouse, body: bytes) -> None:
    answer = mango_house.send("mango", body, path="/events/call", headers=FORM)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-wrong")
    assert mango_house.notices() == []


@pytest.mark.parametrize("path", ["recording", "nothing", "../call"])
def test_an_event_of_another_address_is_kept_and_not_believed(
    mango_house: ProviderHouse, path: str
) -> None:
    assert post(mango_house, path, ENDED).status_code == 200
    mango_house.work()
    assert [one.state for one in mango_house.notices()] == ["unreadable"]
    assert mango_house.calls() == {}
