"""Bitrix24's telephony methods, as exchanges that were written for it call them. Pure.

`register` begins a call and is answered with its id, `finish` tells how it ended, and
`attachRecord` brings the recording itself, or asks where to upload it. They are proved by a token
in the address, since that is how incoming webhooks of Bitrix24 are called. Source: Bitrix24, REST,
"telephony.externalcall.*".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, create_form_parser

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

SECRETS: Final = frozenset({"token"})
OPTIONAL: Final[frozenset[str]] = frozenset()
HEADERS: Final = ("content-type",)
ZONE: Final = "Europe/Moscow"
FIELD: Final = "file"
_REGISTER: Final = "telephony.externalcall.register"
_FINISH: Final = "telephony.externalcall.finish"
_ATTACH: Final = "telephony.externalcall.attachrecord"
_UPLOAD: Final = "upload"
_METHODS: Final = frozenset({_REGISTER, _FINISH, _ATTACH})
_PARTS: Final = 4
_DIRECTIONS: Final = {"1": "outbound", "2": "inbound", "3": "inbound", "4": "outbound"}
_DISPOSITIONS: Final = {
    "200": "answered",
    "486": "busy",
    "304": "no_answer",
    "480": "no_answer",
    "487": "no_answer",
    "603": "no_answer",
}


def verify(came: Came, secrets: Secrets, *, now: datetime) -> None:  # noqa: ARG001 - a token has no moment.
    """Refuse what was not called with the token, and methods that there are not.

    Raises:
        SignatureWrong: the address holds none, or another.
        NoticeUnreadable: there is no such method.
    """
    if not hmac.compare_digest(shown(came.path).encode(), secrets["token"].encode()):
        raise SignatureWrong
    method(came)


def shown(path: str) -> str:
    """Return the token of an address: `rest/USER/TOKEN/METHOD`."""
    parts = path.split("/")
    return parts[2] if len(parts) >= _PARTS and parts[0] == "rest" else ""


def method(came: Came) -> str:
    """Return which method is called, in small letters and without the suffix of its answer's form.

    Raises:
        NoticeUnreadable: there is none of this name.
    """
    name, *more = came.path.split("/")[3:]
    name = name.lower().removesuffix(".json")
    if (name == _UPLOAD and len(more) == 1) or (name in _METHODS and not more):
        return name
    raise NoticeUnreadable("There is no such method.")


def values_of(came: Came) -> Mapping[str, Any]:
    """Return the parameters of a method, of a form, of JSON or of the address."""
    values = came.json() if came.is_json else came.fields()
    if not isinstance(values, dict):
        raise NoticeUnreadable("The body is no object.")
    return values


def is_repeatable(came: Came) -> bool:
    """Say whether the same message again means the same.

    Without a beginning two calls of one number are registered by the same words.
    """
    return method(came) != _REGISTER or bool(values_of(came).get("CALL_START_DATE"))


def call_id(notice_id: UUID) -> str:
    """Return the id of the call that a message registered."""
    return f"externalCall.{notice_id.hex}"


def answer(came: Came, notice_id: UUID) -> dict[str, Any]:
    """Return what the method answers."""
    name = method(came)
    if name == _REGISTER:
        return {"result": {"CALL_ID": call_id(notice_id)}}
    if name == _UPLOAD:
        return {"result": {"FILE_ID": _number(notice_id)}}
    call = needed(values_of(came), "CALL_ID")
    if name == _FINISH:
        return {"result": {"CALL_ID": call}}
    if values_of(came).get("FILE_CONTENT"):
        return {"result": {"FILE_ID": _number(notice_id)}}
    base = came.url.partition("?")[0].rpartition("/")[0]
    return {"result": {"uploadUrl": f"{base}/{_UPLOAD}/{call}", "fieldName": FIELD}}


def _number(notice_id: UUID) -> int:
    return notice_id.int & 0x7FFFFFFF


def read(came: Came, mapping: Mapping[str, Any]) -> Told:
    """Return what a method tells.

    Raises:
        NoticeUnreadable: it lacks what it needs.
    """
    name = method(came)
    if name == _UPLOAD:
        return Told(media=[_upload(came)])
    values = values_of(came)
    if name == _REGISTER:
        return Told(calls=[_register(values, came, mapping)])
    call = needed(values, "CALL_ID")
    if name == _FINISH:
        return Told(calls=[_finish(call, values)], media=_linked(call, values))
    return Told(media=_attached(call, values, came))


def _register(values: Mapping[str, Any], came: Came, mapping: Mapping[str, Any]) -> CallFacts:
    direction = _DIRECTIONS.get(str(values.get("TYPE")))
    own = short(values.get("USER_PHONE_INNER"))
    phone = short(values.get("PHONE_NUMBER"))
    line = short(values.get("LINE_NUMBER"))
    is_outbound = direction == "outbound"
    return CallFacts(
        call=call_id(came.notice_id),
        seq=1,
        started_at=_moment(values.get("CALL_START_DATE"), mapping) or came.received_at,
        direction=direction,
        from_party=(own or line) if is_outbound else phone,
        to_party=phone if is_outbound else (line or own),
        line=line,
        agent=own,
    )


def _moment(told: object, mapping: Mapping[str, Any]) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(told or ""))
    except ValueError:
        return None
    return utc(at if at.tzinfo else at.replace(tzinfo=ZoneInfo(mapping.get("zone", ZONE))))


def _finish(call: str, values: Mapping[str, Any]) -> CallFacts:
    duration_ms = seconds_ms(values.get("DURATION")) or 0
    code = short(values.get("STATUS_CODE"))
    by_length = "answered" if duration_ms else "no_answer"
    disposition = _DISPOSITIONS.get(code, "failed") if code else by_length
    return CallFacts(
        call=call,
        seq=2,
        duration_ms=duration_ms,
        talk_ms=duration_ms if disposition == "answered" else None,
        disposition=disposition,
    )


def _linked(call: str, values: Mapping[str, Any]) -> list[MediaTold]:
    """Return the recording that is named by an address; an old way that some still go."""
    url = values.get("RECORD_URL")
    if not isinstance(url, str) or not url:
        return []
    return [_told(call, f"url-{hashlib.sha256(url.encode()).hexdigest()}", None, {"url": url})]


def _attached(call: str, values: Mapping[str, Any], came: Came) -> list[MediaTold]:
    content = values.get("FILE_CONTENT")
    if not content:
        return _linked(call, values)
    digest = hashlib.sha256(str(content).encode()).hexdigest()
    return [_told(call, digest, short(values.get("FILENAME")), {"notice": str(came.notice_id)})]


def _upload(came: Came) -> MediaTold:
    call = short(came.path.rpartition("/")[2])
    if call is None:
        raise NoticeUnreadable("The address names no call.")
    name, content = _file(came)
    digest = hashlib.sha256(base64.b64encode(content)).hexdigest()
    return _told(call, digest, name, {"notice": str(came.notice_id)})


def _told(call: str, media: str, name: str | None, ask_for: Mapping[str, str]) -> MediaTold:
    return MediaTold(media=media, call=call, state=MediaState.WAITING, name=name, ask=ask_for)


def content(came: Came) -> bytes:
    """Return the recording that a message holds.

    Raises:
        NoticeUnreadable: it holds none that can be read.
    """
    if method(came) == _UPLOAD:
        return _file(came)[1]
    # Who does not encode his form loses the plus signs.
    text = str(values_of(came).get("FILE_CONTENT", "")).replace(" ", "+")
    try:
        return base64.b64decode(text.translate({10: None, 13: None}), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise NoticeUnreadable("FILE_CONTENT is no Base64.", field="FILE_CONTENT") from exc


def _file(came: Came) -> tuple[str | None, bytes]:
    """Return name and bytes of the one file of a form with a file."""
    found: list[tuple[str | None, bytes]] = []

    def taken(file: File) -> None:
        file.file_object.seek(0)
        name = (file.file_name or b"").decode("utf-8", "replace")
        found.append((short(name), file.file_object.read()))
        file.close()

    headers = {"Content-Type": came.headers.get("content-type", "").encode()}
    try:
        # In memory alone: what is in the clear is not written to a disk.
        config = {"MAX_MEMORY_FILE_SIZE": len(came.body) + 1}
        parser = create_form_parser(headers, lambda _: None, taken, config=config)
        parser.write(came.body)
        parser.finalize()
    except (FormParserError, ValueError) as exc:
        raise NoticeUnreadable("The body is no form with a file.") from exc
    if len(found) != 1:
        raise NoticeUnreadable("The form has one file, and no other.")
    return found[0]


def ask(told: Mapping[str, str], secrets: Secrets, _: object = None) -> Asking:  # noqa: ARG001 - nothing is proved to where it lies.
    """Return how a recording is asked for: of the message that holds it, or by its address."""
    if notice := told.get("notice"):
        return Asking(method="", url="", notice=notice)
    return Asking(method="GET", url=told["url"])


def check(mapping: Mapping[str, Any] | None) -> list[str]:
    """Return what is wrong with the options of an account: `zone` alone."""
    known = mapping or {}
    wrong = [f"{name}: there is no such option" for name in sorted(set(known) - {"zone"})]
    zone = known.get("zone", ZONE)
    if zone not in available_timezones():
        wrong.append(f"zone: {zone} is no time zone, as {ZONE} is one")
    return wrong
