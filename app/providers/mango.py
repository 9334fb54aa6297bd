"""Mango Office: events of calls and recordings, and how a recording is asked for. Pure.

Events come in any order. A call is an entry, its legs have ids of their own that change when it is
transferred; a recording names both. Source: Mango Office, API of the virtual exchange 1.9.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from app.providers.told import (
    Asking,
    CallFacts,
    Came,
    MediaState,
    MediaTold,
    NoticeUnreadable,
    Secrets,
    SignatureWrong,
    Told,
    needed,
    parsed,
    short,
    unix,
    whole,
)

SECRETS: Final = frozenset({"api_key", "salt"})
OPTIONAL: Final[frozenset[str]] = frozenset()
HOSTS: Final = ("app.mango-office.ru", ".mango-office.ru")
HEADERS: Final = ("content-type",)
API: Final = "https://app.mango-office.ru/vpbx"
_STORED: Final = "1000"
_TOO_SHORT: Final = "4002"
_MOSCOW: Final = timedelta(hours=3)
_SURELY: Final = timedelta(hours=2)
_OF_SUMMARY: Final = 1 << 60
"""A summary is of the whole call, and counts before its events."""


def sign(api_key: str, text: str, salt: str) -> str:
    """Return the signature over the exact text of the JSON."""
    return hashlib.sha256(f"{api_key}{text}{salt}".encode()).hexdigest()


def verify(came: Came, secrets: Secrets, *, now: datetime) -> None:  # noqa: ARG001 - nothing that every message has is a moment.
    """Refuse what the exchange of these keys has not signed.

    Raises:
        SignatureWrong: the signature is missing or of something else.
    """
    values = came.fields()
    wanted = sign(secrets["api_key"], values.get("json", ""), secrets["salt"])
    is_signed = hmac.compare_digest(wanted.encode(), values.get("sign", "").lower().encode())
    if not is_signed or values.get("vpbx_api_key") != secrets["api_key"]:
        raise SignatureWrong


def read(came: Came) -> Told:
    """Return what an event tells.

    Raises:
        NoticeUnreadable: it is no event of a call or recording.
    """
    values = parsed(came.fields().get("json", ""))
    if not isinstance(values, dict):
        raise NoticeUnreadable("The JSON is no object.")
    match came.path.strip("/"):
        case "events/call":
            return Told(calls=_call(values, came))
        case "events/summary":
            return Told(calls=[_summary(values, came)])
        case "events/recording" | "events/record/added":
            return Told(media=_media(values))
        case other:
            raise NoticeUnreadable(f"There is no event {other[:100]}.")


def _moment(value: object, came: Came) -> datetime | None:
    """Return a moment; one that lies three hours ahead was written in the time of Moscow.

    The documents call it both seconds since 1970 and UTC+3, and no event is of the future.
    """
    at = unix(value) if value else None
    if at is not None and at - came.received_at > _SURELY:
        at -= _MOSCOW
    return at


def _end(values: Mapping[str, Any], name: str) -> tuple[str | None, str | None]:
    """Return extension and number of an end of the call."""
    told = values.get(name)
    told = told if isinstance(told, dict) else {}
    return short(told.get("extension")), short(told.get("number"))


def _call(values: Mapping[str, Any], came: Came) -> list[CallFacts]:
    call, state = needed(values, "entry_id"), needed(values, "call_state")
    at, seq = _moment(values.get("timestamp"), came), whole(values.get("seq", ""))
    if at is None or seq is None:
        raise NoticeUnreadable("timestamp or seq is missing.")
    # Of one entry with several legs the first beginning and the last end count.
    order = int(at.timestamp()) * 1000 + min(seq, 999)
    extension, number = _end(values, "from")
    to_extension, to_number = _end(values, "to")
    is_person = values.get("location") == "abonent"
    first = CallFacts(
        call=call,
        seq=-order,
        started_at=at if state == "Appeared" else None,
        answered_at=at if state == "Connected" and is_person else None,
        direction=_direction(extension, number, to_extension),
        from_party=number or extension,
        to_party=to_number or to_extension,
        line=short((values.get("to") or {}).get("line_number")),
    )
    last = CallFacts(
        call=call,
        seq=order,
        ended_at=at if state == "Disconnected" else None,
        # Whoever was connected to a person has answered, whatever the last leg says.
        disposition="no_answer" if state == "Disconnected" else None,
        agent=(extension or to_extension) if is_person else None,
    )
    return [first, last]


def _direction(extension: str | None, number: str | None, to_extension: str | None) -> str | None:
    if extension:
        return "internal" if to_extension else "outbound"
    return "inbound" if number else None


def _summary(values: Mapping[str, Any], came: Came) -> CallFacts:
    extension, number = _end(values, "from")
    to_extension, to_number = _end(values, "to")
    direction = {"1": "inbound", "2": "outbound"}.get(str(values.get("call_direction")))
    is_answered = str(values.get("entry_result")) == "1"
    answered_at = _moment(values.get("talk_time"), came)
    ended_at = _moment(values.get("end_time"), came)
    talk = ended_at - answered_at if is_answered and answered_at and ended_at else None
    return CallFacts(
        call=needed(values, "entry_id"),
        seq=_OF_SUMMARY,
        started_at=_moment(values.get("create_time"), came),
        answered_at=answered_at if is_answered else None,
        ended_at=ended_at,
        talk_ms=round(talk / timedelta(milliseconds=1)) if talk else None,
        direction=direction or _direction(extension, number, to_extension),
        from_party=number or extension,
        to_party=to_number or to_extension,
        line=short(values.get("line_number")),
        agent=extension or to_extension,
        disposition={"1": "answered", "0": "no_answer"}.get(str(values.get("entry_result"))),
    )


def _media(values: Mapping[str, Any]) -> list[MediaTold]:
    media, call = needed(values, "recording_id"), needed(values, "entry_id")
    if values.get("recording_state") in {"Started", "Continued"}:
        return []
    code = short(values.get("completion_code"))
    if code in {None, _STORED}:
        return [
            MediaTold(
                media=media,
                call=call,
                state=MediaState.WAITING,
                name=f"{media}.mp3",
                media_type="audio/mpeg",
                ask={"recording_id": media},
            )
        ]
    return [
        MediaTold(
            media=media,
            call=call,
            state=MediaState.ABSENT,
            reason="too_short" if code == _TOO_SHORT else "failed",
            words=f"completion_code {code}",
        )
    ]


def ask(told: Mapping[str, str], secrets: Secrets, mapping: Mapping[str, Any]) -> Asking:
    """Return how a recording is asked for: the answer is a redirect to a link of one access.

    Each question makes a link of its own, so a link that broke off is not used again.
    """
    text = json.dumps({"recording_id": told["recording_id"], "action": "download"})
    fields = {
        "vpbx_api_key": secrets["api_key"],
        "sign": sign(secrets["api_key"], text, secrets["salt"]),
        "json": text,
    }
    return Asking(
        method="POST",
        url=f"{mapping.get('api_url', API)}/queries/recording/post",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode(fields).encode(),
    )
