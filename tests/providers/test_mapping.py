"""Standard Webhooks and messages that a person wrote: the published vector, and mappings.

The vector of the signature is the published one of Standard Webhooks; messages, and the mapping of
UIS with the variables of its notifications, are our own.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from app.core.ids import new_id
from app.providers import mapping, standard
from app.providers.told import Came, MediaState, NoticeStale, NoticeUnreadable, SignatureWrong
from tests.factories import wav
from tests.providers.house import FORM, Laid, ProviderHouse, counted, form

# Published: the example of Standard Webhooks and of Svix, whose form it is.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID, VECTOR_AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def came(body: object, **headers: str) -> Came:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Came(
        method="POST",
        url="",
        path="",
        query="",
        headers={"content-type": "application/json"} | headers,
        body=raw,
        received_at=datetime(2026, 11, 20, tzinfo=UTC),
        notice_id=new_id(),
    )


def test_the_published_vector_is_what_the_library_signs() -> None:
    at = datetime.fromtimestamp(VECTOR_AT, UTC)
    assert Webhook(SECRET).sign(VECTOR_ID, at, VECTOR_BODY.decode()) == VECTOR


def test_the_published_vector_is_well_signed_and_too_old() -> None:
    told = came(
        VECTOR_BODY,
        **{
            "webhook-id": VECTOR_ID,
            "webhook-timestamp": str(VECTOR_AT),
            "webhook-signature": VECTOR,
        },
    )
    with pytest.raises(NoticeStale):
        standard.verify(told, {"secret": SECRET}, now=datetime.now(UTC))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "a"},
        {"webhook-id": "a", "webhook-timestamp": "soon", "webhook-signature": "v1,x"},
        {"webhook-id": "a", "webhook-timestamp": "now", "webhook-signature": "v1"},
        {"webhook-id": "a", "webhook-timestamp": "now", "webhook-signature": "v1,bm8="},
        {"webhook-id": "a", "webhook-timestamp": "now", "webhook-signature": "v2,bm8= v1,é"},
    ],
)
def test_what_is_not_signed_is_refused(headers: dict[str, str]) -> None:
    if headers.get("webhook-timestamp") == "now":
        headers = headers | {"webhook-timestamp": str(int(time.time()))}
    with pytest.raises(SignatureWrong):
        standard.verify(came(b"{}", **headers), {"secret": SECRET}, now=datetime.now(UTC))


MAPPING: dict[str, Any] = {
    "messages": [
        {
            "when": {"$.type": ["call.ended", "call.missed"]},
            "call": "$.data.call.id",
            "order": "$.data.seq",
            "facts": {
                "started_at": "$.data.call.began",
                "ended_at": {"path": "$.data.call.over", "as": "unix_ms"},
                "talk_ms": {"path": "$.data.call.talk", "as": "seconds"},
                "direction": {
                    "path": "$.data.call.way",
                    "values": {"in": "inbound", "out": "outbound"},
                },
                "from_party": "$.data.ends[0]['number']",
                "to_party": "$.data.ends[1]['number']",
                "disposition": {
                    "path": "$.type",
                    "values": {"call.ended": "answered", "call.missed": "no_answer"},
                },
            },
        },
        {
            "when": {"$.type": "recording.ready"},
            "call": "$.data.call.id",
            "media": {
                "id": "$.data.id",
                "url": "$.data.url",
                "reason": {"path": "$.data.state", "values": {"short": "too_short"}},
                "once": True,
            },
        },
    ]
}
ENDED = {
    "type": "call.ended",
    "data": {
        "seq": 7,
        "call": {
            "id": "c-1",
            "began": "2026-11-20T10:00:00+03:00",
            "over": 1763622065000,
            "talk": 60,
            "way": "in",
        },
        "ends": [{"number": "+74950008414"}, {"number": "+74951112233"}],
    },
}


def test_a_mapping_is_read() -> None:
    (facts,) = mapping.read(came(ENDED), MAPPING).calls
    assert (facts.call, facts.seq, facts.talk_ms) == ("c-1", 7, 60_000)
    assert facts.started_at == datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
    assert facts.ended_at == datetime(2025, 11, 20, 7, 1, 5, tzinfo=UTC)
    assert (facts.direction, facts.disposition) == ("inbound", "answered")
    assert (facts.from_party, facts.to_party) == ("+74950008414", "+74951112233")
    assert mapping.read(came({"type": "other"}), MAPPING) == mapping.read(came([1]), MAPPING)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": None}, "call"),
        ({"began": "yesterday"}, "started_at"),
        ({"began": "2026-11-20T10:00:00"}, "started_at"),
        ({"talk": "long"}, "talk_ms"),
        ({"over": "x"}, "ended_at"),
    ],
)
def test_a_value_that_is_written_otherwise_makes_the_message_unreadable(
    change: dict[str, Any], field: str
) -> None:
    told = json.loads(json.dumps(ENDED))
    told["data"]["call"] |= change
    with pytest.raises(NoticeUnreadable) as refused:
        mapping.read(came(told), MAPPING)
    assert refused.value.facts["field"] == field


def message(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a mapping.
    return {"messages": [{"call": "$.id"} | more]}


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (None, "needs a mapping"),
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"zone": "Mars"} | message(), "zone"),
        (message(call="id"), "messages/0/call"),
        (message(call="$..id"), "messages/0/call"),
        (message(call={"path": "$.a", "constant": "b"}), "messages/0/call"),
        (message(when={"type": "x"}), "messages/0/when"),
        (message(facts={"colour": "$.a"}), "colour is none of"),
        (message(facts={"talk_ms": {"path": "$.a", "as": "unix"}}), "talk_ms: as is one of"),
        (message(facts={"direction": {"path": "$.a", "values": {"x": "up"}}}), "up is none of"),
        (message(media={"id": "$.a"}), "name url"),
        (message(media={"id": "$.a", "reason": {"constant": "erased"}}), "erased is none of"),
        (message(other=1), "messages/0/other"),
    ],
)
def test_a_wrong_mapping_is_told_with_its_place(
    house: ProviderHouse, wrong: dict[str, Any] | None, place: str
) -> None:
    body = {
        "name": "s",
        "kind": "standard",
        "public_url": "https://a.example.com",
        "secrets": {"secret": SECRET},
        "mapping": wrong,
    }
    answer = house.live.call("POST", "/v1/providers", who="admin", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/mapping-wrong")
    assert any(place in one for one in answer.json()["errors"]), answer.json()["errors"]


def post(
    house: ProviderHouse, told: object, *, ago: int = 0, secret: str = SECRET
) -> httpx.Response:
    body = json.dumps(told)
    at = int(time.time()) - ago
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at, UTC), body)
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": signature,
    }
    return house.send("standard", body.encode(), headers=headers)


def ready(house: ProviderHouse, state: str = "ready") -> dict[str, Any]:
    url = f"{house.media.url}/once?sig=x"
    return {
        "type": "recording.ready",
        "data": {"id": "r-1", "url": url, "state": state, "call": {"id": "c-1"}},
    }


@pytest.fixture
def standard_house(house: ProviderHouse) -> ProviderHouse:
    secrets = {"secret": SECRET, "media_token": "for-media"}
    house.add("standard", secrets, mapping=MAPPING)
    return house


def test_a_signed_recording_comes_in_by_its_mapping(standard_house: ProviderHouse) -> None:
    house = standard_house
    house.media.lay("/once?sig=x", Laid(wav(0.3)), Laid(status=410))
    for told in (ready(house), ENDED):
        assert post(house, told).status_code == 200
    house.work()
    assert post(house, ready(house)).status_code == 200
    house.work()
    house.pull()
    assert [one.state for one in house.pulls()] == [MediaState.KEPT]
    (asked,) = house.media.asked
    assert asked.headers["authorization"] == "Bearer for-media"
    assert house.recordings()[0].from_party == "+74950008414"


def test_a_link_that_works_once_and_gave_nothing_is_lost(standard_house: ProviderHouse) -> None:
    house = standard_house
    house.media.lay("/once?sig=x", Laid(wav(0.3), cut_at=10), Laid(wav(0.3)))
    for told in (ENDED, ready(house)):
        assert post(house, told).status_code == 200
    house.work()
    house.pull()
    assert [(one.state, one.reason) for one in house.pulls()] == [(MediaState.LOST, "link_used")]
    assert house.calls()["c-1"].not_recorded == "lost"
    assert len(house.media.asked) == 1


def test_a_recording_that_was_too_short_is_a_fact(standard_house: ProviderHouse) -> None:
    house = standard_house
    for told in (ready(house, "short"), ENDED):
        assert post(house, told).status_code == 200
    house.work()
    assert house.calls()["c-1"].not_recorded == "too_short"


def test_an_old_or_forged_message_is_refused(standard_house: ProviderHouse) -> None:
    house = standard_house
    before = counted("standard", "notice-stale")
    for ago in (301, -400):
        answer = post(house, ENDED, ago=ago)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/notice-stale")
    assert counted("standard", "notice-stale") - before == 2
    answer = post(house, ENDED, secret="whsec_b3RoZXI=")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-wrong")
    assert house.notices() == []


UIS: dict[str, Any] = {
    "zone": "Europe/Moscow",
    "messages": [
        {
            "when": {"$.notification_mnemonic": ["call_end", "lost_call"]},
            "call": "$.call_session_id",
            "facts": {
                "started_at": {"path": "$.start_time", "as": "local"},
                "talk_ms": {"path": "$.talk_time_duration", "as": "seconds"},
                "direction": {
                    "path": "$.direction",
                    "values": {"in": "inbound", "out": "outbound"},
                },
                "from_party": "$.contact_phone_number",
                "to_party": "$.virtual_phone_number",
                "disposition": {
                    "path": "$.notification_mnemonic",
                    "values": {"call_end": "answered", "lost_call": "no_answer"},
                },
            },
        },
        {
            "when": {"$.notification_mnemonic": "record"},
            "call": "$.call_session_id",
            "media": {"id": "$.communication_id", "url": "$.file_link"},
        },
    ],
}
UIS_END = {
    "notification_mnemonic": "call_end",
    "call_session_id": "777",
    "communication_id": "888",
    "contact_phone_number": "74950008414",
    "virtual_phone_number": "74951112233",
    "direction": "in",
    "start_time": "2026-11-20 10:00:00",
    "talk_time_duration": "60",
    "token": "uis-token",
}


@pytest.mark.parametrize("is_json", [False, True])
def test_messages_of_uis_come_in_by_a_mapping(house: ProviderHouse, *, is_json: bool) -> None:
    house.add("template", {"token": "uis-token"}, mapping=UIS)
    record = {
        "notification_mnemonic": "record",
        "call_session_id": "777",
        "communication_id": "888",
        "file_link": house.media.lay("/file.mp3", Laid(wav(0.3))),
        "token": "uis-token",
    }
    kind = {"Content-Type": "application/json"} if is_json else FORM
    for told in (record, UIS_END):
        body = json.dumps(told).encode() if is_json else form(told)
        assert house.send("template", body, headers=kind).status_code == 200
    house.work()
    (found,) = house.recordings()
    assert (found.source_call_id, found.outside_number) == ("777", "+74950008414")
    assert found.started_at == datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
    assert house.calls()["777"].talk_ms == 60_000


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer uis-token"}, {"X-Audiatur-Token": "uis-token"}]
)
def test_a_token_may_stand_in_a_header(house: ProviderHouse, headers: dict[str, str]) -> None:
    house.add("template", {"token": "uis-token"}, mapping=UIS)
    body = form(UIS_END | {"token": "other"})
    assert house.send("template", body, headers=FORM | headers).status_code == 200


def test_a_message_without_its_token_is_refused(house: ProviderHouse) -> None:
    house.add("template", {"token": "uis-token"}, mapping=UIS)
    bad = [
        (form(UIS_END | {"token": "other"}), FORM),
        (form({"a": "b"}), FORM),
        (b"[1]", {"Content-Type": "application/json"}),
        (b"{", {"Content-Type": "application/json"}),
        (b"\xff\xfe", FORM),
        (form(UIS_END), FORM | {"Authorization": "Bearer x"}),
    ]
    for body, headers in bad:
        answer = house.send("template", body, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-wrong")
    in_address = house.send("template", form({"a": "b"}), path="?token=uis-token", headers=FORM)
    assert in_address.status_code == 403
    assert house.notices() == []
