"""Bitrix24's methods as an exchange calls them: messages built from the documented parameters.

There is no signature: the token of the address is the proof, as at the service itself.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.edge import MOST_BODY_BYTES, MOST_HELD_BYTES
from app.providers.told import MediaState
from tests.factories import wav
from tests.providers.house import FORM, PUBLIC, Laid, ProviderHouse, form

TOKEN = "bx-token"
REGISTER = {
    "USER_PHONE_INNER": "106",
    "USER_ID": "1",
    "PHONE_NUMBER": "+74950008414",
    "TYPE": "2",
    "LINE_NUMBER": "+74951112233",
    "CALL_START_DATE": "2026-11-20T10:00:00+03:00",
    "CRM_CREATE": "0",
}
JSON = {"Content-Type": "application/json"}


def call(house: ProviderHouse, name: str, values: dict[str, Any], **more: Any) -> httpx.Response:  # noqa: ANN401
    """Call a method; as JSON unless told otherwise."""
    token, headers = more.pop("token", TOKEN), more.pop("headers", JSON)
    body = form(values) if headers is FORM else json.dumps(values).encode()
    path = f"/rest/1/{token}/{name}"
    return house.send("bitrix", body, path=path, headers=headers)


def began(house: ProviderHouse, **more: Any) -> str:  # noqa: ANN401
    answer = call(house, "telephony.externalcall.register.json", REGISTER | more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["result"]["CALL_ID"])


def finish(house: ProviderHouse, name: str, **more: str) -> httpx.Response:
    values = {"CALL_ID": name, "USER_ID": "1", "DURATION": "60", "STATUS_CODE": "200"} | more
    return call(house, "telephony.externalcall.finish", values, headers=FORM)


def attach(house: ProviderHouse, name: str, sound: bytes, **more: Any) -> httpx.Response:  # noqa: ANN401
    values = {
        "CALL_ID": name,
        "FILENAME": "call.wav",
        "FILE_CONTENT": base64.b64encode(sound).decode(),
    }
    return call(house, "telephony.externalCall.attachRecord", values, **more)


@pytest.fixture
def bitrix_house(house: ProviderHouse) -> ProviderHouse:
    house.add("bitrix", {"token": TOKEN})
    return house


@pytest.mark.parametrize("headers", [JSON, FORM])
def test_an_attached_recording_comes_in_with_its_call(
    bitrix_house: ProviderHouse, headers: dict[str, str]
) -> None:
    house, sound = bitrix_house, wav(0.3)
    name = began(house)
    assert finish(house, name).json() == {"result": {"CALL_ID": name}}
    for _ in range(2):
        assert attach(house, name, sound, headers=headers).json()["result"]["FILE_ID"]
    house.work()
    (found,) = house.recordings()
    assert (found.source_call_id, found.from_party, found.to_party, found.agent) == (
        name,
        "+74950008414",
        "+74951112233",
        "106",
    )
    assert found.started_at == datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
    read = house.live.call("GET", f"/v1/recordings/{found.id}", who="reviewer").json()
    assert read["legs"][0]["sha256"] == hashlib.sha256(sound).hexdigest()
    known = house.calls()[name]
    assert (known.disposition, known.talk_ms, known.line) == ("answered", 60_000, "+74951112233")


def test_a_message_that_held_a_recording_is_forgotten_when_it_is_kept(
    bitrix_house: ProviderHouse,
) -> None:
    """What is erased later must not lie in the message still."""
    house = bitrix_house
    name = began(house)
    attach(house, name, wav(0.3))
    house.work()
    sealed = [one.sealed is None for one in house.notices()]
    assert sealed == [False, True]
    assert attach(house, name, wav(0.3)).status_code == 200
    house.work()
    assert len(house.recordings()) == 1


def test_a_long_recording_is_taken_of_whom_is_known(bitrix_house: ProviderHouse) -> None:
    house, sound = bitrix_house, wav(90)
    assert len(sound) > MOST_BODY_BYTES
    name = began(house)
    assert attach(house, name, sound, token="other").status_code == 413
    assert attach(house, name, sound).status_code == 200
    house.work()
    assert [one.state for one in house.pulls()] == [MediaState.KEPT]
    path = f"{house.addresses['bitrix']}/rest/1/{TOKEN}/telephony.externalCall.attachRecord"
    connection = http.client.HTTPConnection(urlsplit(house.live.url).netloc, timeout=30)
    with closing(connection):
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", str(MOST_HELD_BYTES + 1))
        connection.endheaders()
        assert connection.getresponse().status == 413


def test_a_recording_is_uploaded_where_the_answer_says(bitrix_house: ProviderHouse) -> None:
    house, sound = bitrix_house, wav(0.3)
    name = began(house)
    values = {"CALL_ID": name, "FILENAME": "call.wav"}
    answer = call(house, "telephony.externalCall.attachRecord.json", values).json()["result"]
    assert answer["uploadUrl"].startswith(PUBLIC + house.addresses["bitrix"])
    path = urlsplit(answer["uploadUrl"]).path
    sent = house.live.call(
        "POST", path, who=None, files={answer["fieldName"]: ("call.wav", sound, "audio/wav")}
    )
    assert sent.status_code == 200, sent.text
    house.work()
    (found,) = house.recordings()
    read = house.live.call("GET", f"/v1/recordings/{found.id}", who="reviewer").json()
    assert read["legs"][0]["sha256"] == hashlib.sha256(sound).hexdigest()


def test_a_recording_may_be_named_by_its_address(bitrix_house: ProviderHouse) -> None:
    house = bitrix_house
    house.live.call("GET", "/v1/providers", who="admin")
    name = began(house)
    url = house.media.lay("/rec.wav", Laid(wav(0.3)))
    assert finish(house, name, RECORD_URL=url).status_code == 200
    house.work()
    assert [one.state for one in house.pulls()] == [MediaState.KEPT]


def test_the_same_registration_again_is_the_same_call(bitrix_house: ProviderHouse) -> None:
    house = bitrix_house
    assert began(house) == began(house)
    assert len(house.notices()) == 1


def test_two_calls_registered_by_the_same_words_are_two(bitrix_house: ProviderHouse) -> None:
    """Without a beginning nothing tells a second call from a repeat; none may be lost."""
    house = bitrix_house
    assert began(house, CALL_START_DATE="") != began(house, CALL_START_DATE="")


def test_a_missed_call_is_known(bitrix_house: ProviderHouse) -> None:
    house = bitrix_house
    name = began(house, TYPE="1")
    assert finish(house, name, STATUS_CODE="304", DURATION="0").status_code == 200
    house.work()
    known = house.calls()[name]
    assert (known.direction, known.disposition, known.to_party) == (
        "outbound",
        "no_answer",
        "+74950008414",
    )


@pytest.mark.parametrize("content", ["no base64!", base64.b64encode(b"<html>").decode()])
def test_what_is_no_recording_is_refused_and_said_so(
    bitrix_house: ProviderHouse, content: str
) -> None:
    house = bitrix_house
    name = began(house)
    values = {"CALL_ID": name, "FILENAME": "../../a.wav", "FILE_CONTENT": content}
    assert call(house, "telephony.externalCall.attachRecord", values).status_code == 200
    house.work()
    assert [one.state for one in house.pulls()] == [MediaState.REFUSED]
    assert house.recordings() == []


@pytest.mark.parametrize("token", ["other", "", "é"])
def test_another_token_is_refused(bitrix_house: ProviderHouse, token: str) -> None:
    answer = call(bitrix_house, "telephony.externalcall.register", REGISTER, token=token)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-wrong")
    assert bitrix_house.notices() == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("crm.lead.list", {}),
        ("upload", {}),
        ("telephony.externalcall.finish", {"DURATION": "1"}),
        ("telephony.externalcall.finish/more", {"CALL_ID": "1"}),
    ],
)
def test_what_is_no_such_method_is_told_at_once(
    bitrix_house: ProviderHouse, name: str, values: dict[str, Any]
) -> None:
    """Its caller waits for an answer that would be wrong."""
    answer = call(bitrix_house, name, values)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/notice-unreadable")
    assert bitrix_house.notices() == []
