"""Telnyx TeXML: Twilio's callbacks, signed with Ed25519. The messages and keys are our own.

Telnyx publishes no vector; the signature is made here by the documented steps.
"""

from __future__ import annotations

import base64
import time

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.providers.told import MediaState
from tests.factories import wav
from tests.providers.house import FORM, Laid, ProviderHouse, counted, form
from tests.providers.test_twilio import COMPLETED, recorded

KEY = Ed25519PrivateKey.generate()
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()


def send(
    house: ProviderHouse, body: bytes, *, ago: float = 0, signed: bytes = b""
) -> httpx.Response:
    moment = str(int(time.time() - ago))
    signature = base64.b64encode(KEY.sign(moment.encode() + b"|" + (signed or body))).decode()
    headers = {"Telnyx-Signature-Ed25519": signature, "Telnyx-Timestamp": moment}
    return house.send("telnyx", body, headers=FORM | headers)


def test_a_signed_recording_comes_in(house: ProviderHouse) -> None:
    house.add("telnyx", {"public_key": PUBLIC_KEY})
    house.media.lay("/rec.mp3?sig=x", Laid(wav(0.3)))
    told = recorded(f"{house.media.url}/rec.mp3?sig=x") | {
        "ConnectionId": "1",
        "CallSidLegacy": "x",
    }
    for values in (told, COMPLETED):
        assert send(house, form(values)).status_code == 200
    house.work()
    assert [one.state for one in house.pulls()] == [MediaState.KEPT]
    assert house.recordings()[0].from_party == "+74950008414"


@pytest.mark.parametrize(("ago", "slug"), [(301, "notice-stale"), (-301, "notice-stale")])
def test_an_old_message_is_refused_however_well_it_is_signed(
    house: ProviderHouse, ago: float, slug: str
) -> None:
    house.add("telnyx", {"public_key": PUBLIC_KEY})
    before = counted("telnyx", slug)
    answer = send(house, form(COMPLETED), ago=ago)
    assert (answer.status_code, answer.json()["type"]) == (403, f"/problems/{slug}")
    assert counted("telnyx", slug) - before == 1
    assert house.notices() == []


def test_another_body_and_no_signature_are_refused(house: ProviderHouse) -> None:
    house.add("telnyx", {"public_key": PUBLIC_KEY})
    assert send(house, form(COMPLETED), signed=b"other").status_code == 403
    for headers in ({}, {"Telnyx-Signature-Ed25519": "!", "Telnyx-Timestamp": "x"}):
        answer = house.send("telnyx", form(COMPLETED), headers=FORM | headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/signature-wrong")
    assert house.notices() == []


@pytest.mark.parametrize("key", ["", "no base64", base64.b64encode(b"short").decode()])
def test_a_key_that_is_none_lets_nothing_in(house: ProviderHouse, key: str) -> None:
    house.add("telnyx", {"public_key": key or "x"})
    assert send(house, form(COMPLETED)).status_code == 403
