"""Zadarma and Novofon: events of calls, and how the file of a recording is asked for. Pure.

Only who talked and when it began are signed, never how long or how it ended: of two messages of
the same step the first counts, and that no recording was made is never taken from them. Source:
Zadarma, API, "Webhooks" and "Authorization".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, available_timezones

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
    seconds_ms,
    short,
    utc,
)

SECRETS: Final = frozenset({"key", "secret"})
OPTIONAL: Final[frozenset[str]] = frozenset()
HOSTS: Final = ("api.zadarma.com", ".zadarma.com", "api.novofon.com", ".novofon.com")
HEADERS: Final = ("content-type", "signature")
API: Final = "https://api.zadarma.com"
ZONE: Final = "Europe/Moscow"
_RECORD: Final = "/v1/pbx/record/request/"

_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "NOTIFY_START": ("caller_id", "called_did", "call_start"),
    "NOTIFY_INTERNAL": ("caller_id", "called_did", "call_start"),
    "NOTIFY_END": ("caller_id", "called_did", "call_start"),
    "NOTIFY_ANSWER": ("caller_id", "destination", "call_start"),
    "NOTIFY_OUT_START": ("internal", "destination", "call_start"),
    "NOTIFY_OUT_END": ("internal", "destination", "call_start"),
    "NOTIFY_RECORD": ("pbx_call_id", "call_id_with_rec"),
}
_STEPS: Final = {"START": 1, "INTERNAL": 2, "ANSWER": 3, "END": 4}
_DISPOSITIONS: Final = {"answered": "answered", "busy": "busy", "failed": "failed"}


def signature(values: Mapping[str, str], secret: str) -> str | None:
    """Return what an event is signed with, or None for one that nobody signs."""
    names = _SIGNED.get(values.get("event", ""))
    if names is None:
        return None
    return _signed("".join(values.get(name, "") for name in names), secret)


def _signed(text: str, secret: str) -> str:
    """Return Base64 of the hexadecimal digits, as the service writes it."""
    digits = hmac.new(secret.encode(), text.encode(), hashlib.sha1).hexdigest()
    return base64.b64encode(digits.encode()).decode()


def verify(came: Came, secrets: Secrets, *, now: datetime) -> None:  # noqa: ARG001 - the moment that is signed has no zone.
    """Refuse what the holder of the secret has not signed.

    Raises:
        SignatureWrong: the signature is missing, or of something else.
    """
    wanted = signature(came.fields(), secrets["secret"])
    signed = came.headers.get("signature", "")
    if wanted is None or not hmac.compare_digest(wanted.encode(), signed.encode()):
        raise SignatureWrong


def read(came: Came, mapping: Mapping[str, Any]) -> Told:
    """Return what an event tells.

    Raises:
        NoticeUnreadable: it lacks what such an event has.
    """
    values = came.fields()
    call, event = needed(values, "pbx_call_id"), needed(values, "event")
    if event == "NOTIFY_RECORD":
        media = needed(values, "call_id_with_rec")
        return Told(media=[_media(call, media)])
    is_outbound = event.startswith("NOTIFY_OUT_")
    step = event.rpartition("_")[2]
    if step not in _STEPS:
        raise NoticeUnreadable(f"There is no event {event[:100]}.", field="event")
    started_at = _local(values.get("call_start"), mapping.get("zone", ZONE))
    if started_at is None:
        raise NoticeUnreadable("call_start is no moment.", field="call_start")
    facts = _facts(call, step, values, started_at=started_at, is_outbound=is_outbound)
    return Told(calls=[facts])


def _facts(
    call: str, step: str, values: Mapping[str, str], *, started_at: datetime, is_outbound: bool
) -> CallFacts:
    disposition = talk_ms = ended_at = None
    if step == "END":
        disposition = _DISPOSITIONS.get(values.get("disposition", ""), "no_answer")
        talk_ms = seconds_ms(values.get("duration"))
        ended_at = started_at + timedelta(milliseconds=talk_ms or 0)
    own, other = short(values.get("internal")), short(values.get("destination"))
    did = short(values.get("called_did"))
    return CallFacts(
        call=call,
        seq=_STEPS[step],
        # The moment of an answer is that of the call of a person, not of the whole.
        started_at=started_at if step != "ANSWER" else None,
        ended_at=ended_at,
        talk_ms=talk_ms if disposition == "answered" else None,
        direction="outbound" if is_outbound else "inbound",
        from_party=own if is_outbound else short(values.get("caller_id")),
        to_party=other if is_outbound else did,
        line=short(values.get("caller_id")) if is_outbound else did,
        agent=own,
        disposition=disposition,
    )


def _media(call: str, media: str) -> MediaTold:
    return MediaTold(
        media=media,
        call=call,
        state=MediaState.WAITING,
        name=f"{media}.mp3",
        media_type="audio/mpeg",
        ask={"call_id": media},
    )


def _local(text: str | None, zone: str) -> datetime | None:
    try:
        naive = datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the zone comes next.
    except ValueError:
        return None
    return utc(naive.replace(tzinfo=ZoneInfo(zone)))


def ask(told: Mapping[str, str], secrets: Secrets, mapping: Mapping[str, Any]) -> Asking:
    """Return how the link of a recording is asked for; it is ready some seconds after its event."""
    query = urlencode(sorted({"call_id": told["call_id"], "format": "json"}.items()))
    digest = hashlib.md5(query.encode(), usedforsecurity=False).hexdigest()
    signed = _signed(f"{_RECORD}{query}{digest}", secrets["secret"])
    return Asking(
        method="GET",
        url=f"{mapping.get('api_url', API)}{_RECORD}?{query}",
        headers={"Authorization": f"{secrets['key']}:{signed}"},
        link_in="link",
    )


def check(mapping: Mapping[str, Any] | None) -> list[str]:
    """Return what is wrong with the options of an account: `zone` and `api_url`."""
    known = mapping or {}
    wrong = [
        f"{name}: there is no such option" for name in sorted(set(known) - {"zone", "api_url"})
    ]
    zone = known.get("zone", ZONE)
    if zone not in available_timezones():
        wrong.append(f"zone: {zone} is no time zone, as {ZONE} is one")
    return wrong
