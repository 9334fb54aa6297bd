"""Twilio's callbacks, which SignalWire and Telnyx TeXML send too. Pure.

A recording callback has neither numbers nor direction: those come with the status callback of the
call itself. Source: Twilio, "Security" and "Recording status callback".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from app.providers.told import (
    Asking,
    CallFacts,
    Came,
    MediaState,
    MediaTold,
    NoticeUnreadable,
    Pairs,
    Secrets,
    SignatureWrong,
    Told,
    mail_date,
    needed,
    seconds_ms,
    short,
    whole,
)

SECRETS: Final = frozenset({"token"})
OPTIONAL: Final = frozenset({"account_sid"})
HOSTS: Final = ("api.twilio.com",)
HEADERS: Final = ("content-type", "x-twilio-signature", "x-signalwire-signature")
_PORTS: Final = {"https": 443, "http": 80}
_SILENT: Final = frozenset({"16101", "16102"})
"""Too short to be kept, and silent."""

_DISPOSITIONS: Final = {
    "completed": "answered",
    "busy": "busy",
    "no-answer": "no_answer",
    "canceled": "no_answer",
    "failed": "failed",
}


def signature(url: str, form: Pairs, token: str) -> str:
    """Return what Twilio signs a call of `url` with: of a repeated field each value once."""
    told = url + "".join(f"{name}{value}" for name, value in sorted(set(form)))
    return base64.b64encode(hmac.digest(token.encode(), told.encode(), "sha1")).decode()


def urls(url: str) -> tuple[str, str]:
    """Return both forms in which the same address may have been signed: without and with a port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or _PORTS.get(parts.scheme, 443)
    return (
        urlunsplit(parts._replace(netloc=host)),
        urlunsplit(parts._replace(netloc=f"{host}:{port}")),
    )


def verify(came: Came, secrets: Secrets, *, now: datetime) -> None:  # noqa: ARG001 - nothing that is signed is a moment.
    """Refuse what the account's token has not signed.

    Raises:
        SignatureWrong: the signature is missing or of something else.
    """
    signed = came.headers.get("x-twilio-signature") or came.headers.get("x-signalwire-signature")
    form: Pairs = ()
    if came.is_json:
        # The address is signed, and holds the digest of the body.
        digest = dict(parse_qsl(came.query)).get("bodySHA256", "")
        if not hmac.compare_digest(digest.lower(), hashlib.sha256(came.body).hexdigest()):
            raise SignatureWrong
    elif came.body:
        form = came.form()
    wanted = [signature(url, form, secrets["token"]) for url in urls(came.url)]
    if not any(hmac.compare_digest(one.encode(), (signed or "").encode()) for one in wanted):
        raise SignatureWrong


def read(came: Came) -> Told:
    """Return what a callback tells.

    Raises:
        NoticeUnreadable: it is no callback of a call or recording.
    """
    values = came.json() if came.is_json else came.fields()
    if not isinstance(values, dict):
        raise NoticeUnreadable("The body is no object.")
    if "RecordingSid" in values:
        return Told(calls=_parties(values), media=_media(values))
    if "CallStatus" in values:
        return Told(calls=[_call(values, came.received_at)])
    raise NoticeUnreadable("It has neither RecordingSid nor CallStatus.")


def _parties(values: dict[str, str]) -> list[CallFacts]:
    """Return what a recording callback tells of its call, which for Twilio itself is nothing."""
    if not short(values.get("From")) and not short(values.get("To")):
        return []
    return [
        CallFacts(
            call=needed(values, "CallSid"),
            direction=_direction(values),
            from_party=short(values.get("From")),
            to_party=short(values.get("To")),
        )
    ]


def _direction(values: dict[str, str]) -> str | None:
    told = values.get("Direction") or ""
    return told.split("-", 1)[0] if told.split("-", 1)[0] in {"inbound", "outbound"} else None


def _call(values: dict[str, str], received_at: datetime) -> CallFacts:
    # Without progress events the callback has no moment; it comes at the end of the call.
    status, at = values["CallStatus"], mail_date(values.get("Timestamp")) or received_at
    disposition = _DISPOSITIONS.get(status)
    talk_ms = seconds_ms(values.get("CallDuration")) if disposition else None
    is_answered = disposition == "answered"
    began = at if status in {"queued", "initiated", "ringing"} else None
    answered_at = at if status == "in-progress" else None
    if is_answered and at is not None and talk_ms is not None:
        answered_at = at - timedelta(milliseconds=talk_ms)
    return CallFacts(
        call=needed(values, "CallSid"),
        seq=whole(values.get("SequenceNumber", "")),
        started_at=began,
        answered_at=answered_at,
        ended_at=at if disposition else None,
        talk_ms=talk_ms if is_answered else None,
        direction=_direction(values),
        from_party=short(values.get("From")),
        to_party=short(values.get("To")),
        line=short(values.get("To" if _direction(values) == "inbound" else "From")),
        disposition=disposition,
    )


def _media(values: dict[str, str]) -> list[MediaTold]:
    media, call = needed(values, "RecordingSid"), needed(values, "CallSid")
    status, error = needed(values, "RecordingStatus"), short(values.get("ErrorCode"))
    started_at = mail_date(values.get("RecordingStartTime"))
    duration_ms = seconds_ms(values.get("RecordingDuration"))
    if status in {"in-progress", "processing"}:
        return []
    if status == "completed":
        return [
            MediaTold(
                media=media,
                call=call,
                state=MediaState.WAITING,
                started_at=started_at,
                duration_ms=duration_ms,
                name=f"{media}{_suffix(values)}",
                ask={"url": needed(values, "RecordingUrl")},
            )
        ]
    if status not in {"absent", "failed"}:
        raise NoticeUnreadable(f"RecordingStatus is {status}.", field="RecordingStatus")
    is_short = status == "absent" and (error in _SILENT or error is None)
    return [
        MediaTold(
            media=media,
            call=call,
            state=MediaState.ABSENT,
            reason="too_short" if is_short else "failed",
            words=f"{status} {error}" if error else status,
            started_at=started_at,
            duration_ms=duration_ms,
        )
    ]


def _suffix(values: dict[str, str]) -> str:
    return ".mp3" if urlsplit(values.get("RecordingUrl", "")).path.endswith(".mp3") else ".wav"


def ask(told: Mapping[str, str], secrets: Secrets, _: object = None) -> Asking:
    """Return how a recording is fetched: as WAV, by the account's own log-in where one is given."""
    headers = {}
    if sid := secrets.get("account_sid"):
        login = base64.b64encode(f"{sid}:{secrets['token']}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    url = told["url"]
    parts = urlsplit(url)
    # What has a query is signed as it is; a plain address gives WAV where that is asked for.
    is_named = parts.query or parts.path.endswith((".wav", ".mp3"))
    return Asking(method="GET", url=url if is_named else f"{url}.wav", headers=headers)
