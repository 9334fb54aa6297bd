"""Twilio: the published vector of its signature, and callbacks made of the documented fields."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.core.ids import new_id
from app.providers import twilio
from app.providers.models import NoticeState
from app.providers.told import CallFacts, Came, MediaState, SignatureWrong, facts_of, merged
from tests.factories import wav
from tests.providers.house import (
    FORM,
    PUBLIC,
    Laid,
    ProviderHouse,
    counted,
    form,
    twilio_signature,
)

TOKEN = "12345"
CALL = "CA" + "1" * 32
RECORDING = "RE" + "2" * 32
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)

# Published by Twilio in "Security"; see also the libraries' own tests.
VECTOR_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
VECTOR_FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+12349013030",
    "Digits": "1234",
    "From": "+12349013030",
    "To": "+18005551212",
}
VECTOR_SIGNATURE = "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


def came(url: str, body: bytes, signature: str, kind: str = FORM["Content-Type"]) -> Came:
    headers = {"x-twilio-signature": signature, "content-type": kind}
    query = url.partition("?")[2]
    return Came(
        method="POST",
        url=url,
        path="",
        query=query,
        headers=headers,
        body=body,
        received_at=NOW,
        notice_id=new_id(),
    )


def test_the_published_vector_is_accepted() -> None:
    assert twilio.signature(VECTOR_URL, list(VECTOR_FORM.items()), TOKEN) == VECTOR_SIGNATURE
    told = came(VECTOR_URL, form(VECTOR_FORM), VECTOR_SIGNATURE)
    twilio.verify(told, {"token": TOKEN}, now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        came(VECTOR_URL, form(VECTOR_FORM), ""),
        came(VECTOR_URL, form(VECTOR_FORM), "1" + VECTOR_SIGNATURE[1:]),
        came(VECTOR_URL, form(VECTOR_FORM | {"Digits": "12345"}), VECTOR_SIGNATURE),
        came(VECTOR_URL + "&baz=3", form(VECTOR_FORM), VECTOR_SIGNATURE),
        came(VECTOR_URL.replace("https", "http"), form(VECTOR_FORM), VECTOR_SIGNATURE),
    ],
)
def test_the_vector_altered_is_refused(wrong: Came) -> None:
    with pytest.raises(SignatureWrong):
        twilio.verify(wrong, {"token": TOKEN}, now=NOW)


def test_another_token_is_refused() -> None:
    with pytest.raises(SignatureWrong):
        twilio.verify(
            came(VECTOR_URL, form(VECTOR_FORM), VECTOR_SIGNATURE), {"token": "other"}, now=NOW
        )


@pytest.mark.parametrize("base", ["https://calls.example.com", "https://calls.example.com:443"])
@pytest.mark.parametrize("signed", ["https://calls.example.com", "https://calls.example.com:443"])
def test_an_address_counts_with_and_without_its_port(base: str, signed: str) -> None:
    """Made by ourselves: the service drops the port for some callbacks and keeps it for others."""
    signature = twilio_signature(f"{signed}/hooks/a?x=1", VECTOR_FORM, TOKEN)
    twilio.verify(
        came(f"{base}/hooks/a?x=1", form(VECTOR_FORM), signature), {"token": TOKEN}, now=NOW
    )


def test_another_port_is_another_address() -> None:
    signature = twilio_signature("https://calls.example.com:8443/hooks/a", VECTOR_FORM, TOKEN)
    with pytest.raises(SignatureWrong):
        twilio.verify(
            came("https://calls.example.com/hooks/a", form(VECTOR_FORM), signature),
            {"token": TOKEN},
            now=NOW,
        )


def test_a_body_of_json_is_bound_by_its_digest() -> None:
    """Made by ourselves, by the documented steps."""
    body = json.dumps({"CallSid": CALL, "CallStatus": "ringing"}).encode()
    url = f"https://calls.example.com/hooks/a?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = twilio_signature(url, {}, TOKEN)
    twilio.verify(came(url, body, signature, "application/json"), {"token": TOKEN}, now=NOW)
    for bad in (body + b" ", b""):
        with pytest.raises(SignatureWrong):
            twilio.verify(came(url, bad, signature, "application/json"), {"token": TOKEN}, now=NOW)
    without = url.partition("?")[0]
    signature = twilio_signature(without, {}, TOKEN)
    with pytest.raises(SignatureWrong):
        twilio.verify(came(without, body, signature, "application/json"), {"token": TOKEN}, now=NOW)


def status(name: str, seq: int, at: str, **more: str) -> dict[str, str]:
    return {
        "AccountSid": "AC" + "0" * 32,
        "CallSid": CALL,
        "From": "+74950008414",
        "To": "+74951112233",
        "Direction": "inbound",
        "CallStatus": name,
        "SequenceNumber": str(seq),
        "Timestamp": at,
    } | more


RINGING = status("ringing", 1, "Fri, 20 Nov 2026 07:00:00 +0000")
COMPLETED = status("completed", 3, "Fri, 20 Nov 2026 07:01:05 +0000", CallDuration="60")


def recorded(url: str, state: str = "completed", **more: str) -> dict[str, str]:
    return {
        "AccountSid": "AC" + "0" * 32,
        "CallSid": CALL,
        "RecordingSid": RECORDING,
        "RecordingUrl": url,
        "RecordingStatus": state,
        "RecordingDuration": "60",
        "RecordingChannels": "1",
        "RecordingStartTime": "Fri, 20 Nov 2026 07:00:05 +0000",
        "RecordingSource": "DialVerb",
        "RecordingTrack": "both",
    } | more


def post(house: ProviderHouse, values: dict[str, str], **more: Any) -> httpx.Response:  # noqa: ANN401
    url = PUBLIC + house.addresses["twilio"]
    signature = more.pop("signature", None) or twilio_signature(url, values, TOKEN)
    return house.send("twilio", form(values), headers=FORM | {"X-Twilio-Signature": signature})


@pytest.fixture
def twilio_house(house: ProviderHouse) -> ProviderHouse:
    house.add("twilio", {"token": TOKEN, "account_sid": "AC" + "0" * 32})
    return house


def test_facts_follow_the_order_of_the_provider_not_of_arrival() -> None:
    late = merged(
        merged({}, twilio.read(came("", form(COMPLETED), "")).calls[0]),
        twilio.read(came("", form(RINGING), "")).calls[0],
    )
    early = merged(
        merged({}, twilio.read(came("", form(RINGING), "")).calls[0]),
        twilio.read(came("", form(COMPLETED), "")).calls[0],
    )
    assert facts_of(CALL, late) == facts_of(CALL, early)
    assert facts_of(CALL, late).disposition == "answered"
    replaced = merged(late, CallFacts(call=CALL, seq=2, disposition="busy"))
    assert facts_of(CALL, replaced).disposition == "answered"


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_recording_comes_in_with_the_numbers_of_its_call(
    twilio_house: ProviderHouse, *, is_reversed: bool
) -> None:
    house, sound = twilio_house, wav(0.3)
    url = house.media.lay("/rec", Laid(b""))
    house.media.lay("/rec.wav", Laid(sound))
    messages = [RINGING, COMPLETED, recorded(url)]
    for values in reversed(messages) if is_reversed else messages:
        assert post(house, values).status_code == 200
    assert house.recordings() == []
    house.work()
    (found,) = house.recordings()
    assert (found.source_call_id, found.from_party, found.to_party) == (
        CALL,
        "+74950008414",
        "+74951112233",
    )
    assert (found.direction, found.capture, found.outside_number) == (
        "inbound",
        "pbx",
        "+74950008414",
    )
    assert [one.state for one in house.pulls()] == [MediaState.KEPT]
    assert {one.state for one in house.notices()} == {NoticeState.TAKEN}
    (asked,) = house.media.asked
    assert asked.headers["authorization"].startswith("Basic ")
    read = house.live.call("GET", f"/v1/recordings/{found.id}", who="reviewer").json()
    assert read["legs"][0]["sha256"] == hashlib.sha256(sound).hexdigest()
    call = house.calls()[CALL]
    assert (call.disposition, call.talk_ms, call.not_recorded) == ("answered", 60_000, None)


def test_messages_sent_again_change_nothing(twilio_house: ProviderHouse) -> None:
    house = twilio_house
    url = house.media.lay("/rec", Laid(b""))
    house.media.lay("/rec.wav", Laid(wav(0.3)))
    before = counted("twilio", "repeated")
    for _ in range(3):
        for values in (COMPLETED, recorded(url)):
            assert post(house, values).status_code == 200
    house.work()
    for values in (COMPLETED, recorded(url)):
        assert post(house, values).status_code == 200
    house.work()
    assert len(house.recordings()) == len(house.media.asked) == 1
    assert [one.repeats for one in house.notices()] == [3, 3]
    assert counted("twilio", "repeated") - before == 6


def test_a_forged_message_is_refused_counted_and_leaves_nothing(
    twilio_house: ProviderHouse,
) -> None:
    house = twilio_house
    before = counted("twilio", "signature-wrong")
    answer = post(house, COMPLETED, signature="bm8=")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-wrong")
    signed = twilio_signature("https://other.example.com/x", COMPLETED, TOKEN)
    forwarded = {
        "X-Twilio-Signature": signed,
        "X-Forwarded-Host": "other.example.com",
        "X-Original-URL": "/x",
    }
    answer = house.send("twilio", form(COMPLETED), headers=FORM | forwarded)
    assert answer.status_code == 403
    assert house.notices() == []
    assert counted("twilio", "signature-wrong") - before == 2
    assert 'outcome="signature-wrong"' in house.live.call("GET", "/metrics", who=None).text


@pytest.mark.parametrize("account", ["nobody", "00000000-0000-7000-8000-000000000000"])
def test_an_unknown_account_is_not_found(twilio_house: ProviderHouse, account: str) -> None:
    twilio_house.addresses["twilio"] = f"/hooks/{account}"
    answer = post(twilio_house, COMPLETED)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/provider-not-found")


@pytest.mark.parametrize(
    ("state", "error", "reason"),
    [("absent", "16101", "too_short"), ("absent", "16102", "too_short"), ("failed", "", "failed")],
)
def test_what_was_not_recorded_is_a_fact_of_the_reconciliation(
    twilio_house: ProviderHouse, state: str, error: str, reason: str
) -> None:
    house = twilio_house
    for values in (recorded("", state, ErrorCode=error), COMPLETED):
        assert post(house, values).status_code == 200
    house.work()
    assert [one.state for one in house.pulls()] == [MediaState.ABSENT]
    assert house.calls()[CALL].not_recorded == reason
    assert house.media.asked == []
    figures = house.live.call("GET", "/metrics", who=None).text
    assert 'audiatur_provider_media{provider="twilio",state="absent"} 1.0' in figures
    assert 'audiatur_provider_notices{provider="twilio",state="taken"} 2.0' in figures


def test_what_cannot_be_read_is_kept_and_told(twilio_house: ProviderHouse) -> None:
    house = twilio_house
    assert post(house, {"Hello": "there"}).status_code == 200
    house.work()
    (notice,) = house.notices()
    assert notice.state == NoticeState.UNREADABLE
    assert notice.sealed is not None
    assert notice.reason is not None


def test_old_secrets_count_for_a_day(twilio_house: ProviderHouse) -> None:
    house = twilio_house
    (listed,) = house.live.call("GET", "/v1/providers", who="admin").json()["items"]
    answer = house.live.call(
        "PUT",
        f"/v1/providers/{listed['id']}/secrets",
        who="admin",
        json={"secrets": {"token": "n"}},
    )
    assert answer.status_code == 204, answer.text
    assert post(house, COMPLETED).status_code == 200
    url = PUBLIC + house.addresses["twilio"]
    assert post(house, RINGING, signature=twilio_signature(url, RINGING, "n")).status_code == 200
    third = post(house, RINGING, signature=twilio_signature(url, RINGING, "z"))
    assert third.status_code == 403
