"""Zadarma and Novofon: messages built from the documented fields; the signatures are our own.

The service publishes the rule of the signature and, as far as we know, no vector of an event.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from app.providers import zadarma
from app.providers.told import MediaState
from tests.factories import wav
from tests.providers.house import FORM, Laid, ProviderHouse, form

KEY, SECRET = "zd-key", "zd-secret"
CALL, MEDIA = "in_a1b2c3", "1763622000.123456"
BEGAN = "2026-11-20 10:00:00"


def digits(text: str) -> str:
    """Return the signature by the documented steps, apart from the product."""
    found = hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).hexdigest()
    return base64.b64encode(found.encode()).decode()


ENDS = {"caller_id": "+74950008414", "called_did": "+74951112233", "call_start": BEGAN}
START = {"event": "NOTIFY_START", "pbx_call_id": CALL} | ENDS
END = {
    "event": "NOTIFY_END",
    "pbx_call_id": CALL,
    "internal": "106",
    "duration": "60",
    "disposition": "answered",
    "status_code": "16",
    "is_recorded": "1",
    "call_id_with_rec": MEDIA,
} | ENDS
RECORD = {"event": "NOTIFY_RECORD", "call_id_with_rec": MEDIA, "pbx_call_id": CALL}
OUT_END = {
    "event": "NOTIFY_OUT_END",
    "call_start": BEGAN,
    "pbx_call_id": "out_1",
    "caller_id": "+74951112233",
    "destination": "+74950008414",
    "internal": "106",
    "duration": "0",
    "disposition": "busy",
}
OVER = {
    "NOTIFY_START": ["caller_id", "called_did", "call_start"],
    "NOTIFY_END": ["caller_id", "called_did", "call_start"],
    "NOTIFY_ANSWER": ["caller_id", "destination", "call_start"],
    "NOTIFY_OUT_END": ["internal", "destination", "call_start"],
    "NOTIFY_RECORD": ["pbx_call_id", "call_id_with_rec"],
}


def post(
    house: ProviderHouse, values: dict[str, str], signature: str | None = None
) -> httpx.Response:
    signed = signature or digits("".join(values.get(n, "") for n in OVER[values["event"]]))
    return house.send("zadarma", form(values), headers=FORM | {"Signature": signed})


@pytest.fixture
def zadarma_house(house: ProviderHouse) -> ProviderHouse:
    house.add("zadarma", {"key": KEY, "secret": SECRET}, mapping={"api_url": house.media.url})
    return house


def lay(house: ProviderHouse, *answers: Laid) -> None:
    query = f"call_id={MEDIA}&format=json"
    house.media.lay(f"/v1/pbx/record/request/?{query}", *answers)


def link(house: ProviderHouse) -> Laid:
    return Laid(json.dumps({"status": "success", "link": f"{house.media.url}/file.mp3"}).encode())


def test_a_file_that_is_ready_later_comes_in_with_its_call(zadarma_house: ProviderHouse) -> None:
    house = zadarma_house
    lay(house, Laid(b'{"status":"error"}', status=404), Laid(b"{}"), link(house))
    house.media.lay("/file.mp3", Laid(wav(0.3)))
    for values in (RECORD, END, START):
        assert post(house, values).status_code == 200
    house.work()
    assert [one.state for one in house.pulls()] == [MediaState.WAITING]
    house.pull()
    assert [one.state for one in house.pulls()] == [MediaState.WAITING]
    house.pull()
    (found,) = house.recordings()
    assert (found.source_call_id, found.from_party, found.to_party, found.agent) == (
        CALL,
        "+74950008414",
        "+74951112233",
        "106",
    )
    assert found.started_at == datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
    assert house.calls()[CALL].talk_ms == 60_000
    first, *_, last = house.media.asked
    path, query = urlsplit(first.path).path, urlsplit(first.path).query
    md5 = hashlib.md5(query.encode()).hexdigest()  # noqa: S324 - as the service asks for it.
    assert first.headers["authorization"] == f"{KEY}:{digits(path + query + md5)}"
    assert "authorization" not in last.headers


def test_an_outbound_call_has_our_side_first(zadarma_house: ProviderHouse) -> None:
    house = zadarma_house
    assert post(house, OUT_END).status_code == 200
    house.work()
    call = house.calls()["out_1"]
    assert (call.direction, call.from_party, call.to_party, call.disposition) == (
        "outbound",
        "106",
        "+74950008414",
        "busy",
    )
    assert call.outside_number == "+74950008414"


def test_the_house_says_in_which_zone_its_account_writes(house: ProviderHouse) -> None:
    house.add("zadarma", {"key": KEY, "secret": SECRET}, mapping={"zone": "Asia/Yekaterinburg"})
    assert post(house, END).status_code == 200
    house.work()
    assert house.calls()[CALL].started_at == datetime(2026, 11, 20, 5, 0, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [{"zone": "Mars"}, {"other": "x"}])
def test_options_that_are_none_are_refused(house: ProviderHouse, wrong: dict[str, Any]) -> None:
    body = {
        "name": "z",
        "kind": "zadarma",
        "public_url": "https://a.example.com",
        "secrets": {"key": KEY, "secret": SECRET},
        "mapping": wrong,
    }
    answer = house.live.call("POST", "/v1/providers", who="admin", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/mapping-wrong")
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("values", "signature"),
    [
        (END, "bm8="),
        (END | {"caller_id": "+70000000000"}, digits("".join(ENDS.values()))),
        (RECORD, digits(CALL)),
        (END | {"event": "NOTIFY_IVR"}, digits("")),
        ({"event": "other"}, digits("")),
    ],
)
def test_a_forged_event_is_refused(
    zadarma_house: ProviderHouse, values: dict[str, str], signature: str
) -> None:
    answer = post(zadarma_house, values, signature)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-wrong")
    assert zadarma_house.notices() == []


def test_what_is_not_signed_cannot_be_changed_by_a_copy(zadarma_house: ProviderHouse) -> None:
    """Duration and outcome are not signed: a copy of an event with others of them says nothing."""
    house = zadarma_house
    assert post(house, END).status_code == 200
    house.work()
    assert post(house, END | {"disposition": "busy", "duration": "0"}).status_code == 200
    assert post(house, END | {"is_recorded": "0"}).status_code == 200
    house.work()
    call = house.calls()[CALL]
    assert (call.disposition, call.talk_ms, call.not_recorded) == ("answered", 60_000, None)


def test_the_check_of_the_address_is_answered(zadarma_house: ProviderHouse) -> None:
    house = zadarma_house
    address = house.addresses["zadarma"]
    answer = house.live.call("GET", f"{address}?zd_echo=abc-123", who=None)
    assert (answer.status_code, answer.text) == (200, "abc-123")
    assert answer.headers["content-type"].startswith("text/plain")
    assert house.live.call("GET", f"{address}?zd_echo=<b>", who=None).status_code == 422
    assert house.live.call("GET", address, who=None).status_code == 422
    house.add("mango", {"api_key": "a", "salt": "b"})
    other = house.live.call("GET", f"{house.addresses['mango']}?zd_echo=abc", who=None)
    assert other.status_code == 404


def test_a_query_is_signed_in_its_order() -> None:
    asking = zadarma.ask({"call_id": "7"}, {"key": KEY, "secret": SECRET}, {})
    assert dict(parse_qsl(urlsplit(asking.url).query)) == {"call_id": "7", "format": "json"}
    assert asking.url.startswith("https://api.zadarma.com/v1/pbx/record/request/?")
