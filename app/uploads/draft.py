"""Resumable Uploads for HTTP, a draft of the IETF: its fields and its answers. Nothing moves here.

Source: draft-ietf-httpbis-resumable-upload, the editors' copy of 2026-07-01.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from email.message import Message
from typing import Any, Final

from fastapi import Response

from app.core.errors import Invalid, Refusal
from app.core.problems import PROBLEM_JSON, body_of
from app.uploads import protocol
from app.uploads.models import Upload, UploadState
from app.uploads.protocol import FieldInvalid
from app.uploads.service import Limits, OffsetWrong

BODY_TYPE: Final = "application/partial-upload"
_TYPES: Final = "https://iana.org/assignments/http-problem-types#"
_NOT_SAID: Final = frozenset({"", "application/octet-stream", BODY_TYPE})
_TRUTH: Final = re.compile(r"\s*\?([01])\s*(?:;.*)?")
_NUMBER: Final = re.compile(r"\s*([0-9]{1,15})\s*(?:;.*)?")


class LengthInconsistent(Invalid):
    """The upload was said to have another length; nothing more of it was taken."""


def is_spoken(method: str, headers: Mapping[str, str]) -> bool:
    """Say whether a request speaks the draft: it names no version of tus, as tus asks for."""
    if "tus-resumable" in headers:
        return False
    is_asking = method in {"HEAD", "DELETE"}
    return is_asking or "upload-complete" in headers or headers.get("content-type") == BODY_TYPE


def is_last(headers: Mapping[str, str]) -> bool:
    """Return what Upload-Complete says: whether the body ends the file.

    Raises:
        FieldInvalid: it says nothing that can be read.
    """
    found = _TRUTH.fullmatch(headers.get("upload-complete", ""))
    if found is None:
        raise FieldInvalid("Upload-Complete: ?0 or ?1.")
    return found[1] == "1"


def offset(headers: Mapping[str, str]) -> int:
    """Return where the body begins in the file.

    Raises:
        FieldInvalid: it is not said.
    """
    found = _number(headers, "upload-offset")
    if found is None:
        raise FieldInvalid("Upload-Offset: a number of bytes is missing.")
    return found


def length(headers: Mapping[str, str], *, begins_at: int, known: int | None) -> int:
    """Return the length of the file: as it is `known`, or by Upload-Length, or by the last body's.

    Raises:
        LengthInconsistent: two of them differ.
        FieldInvalid: nothing says it.
    """
    said = {known, _number(headers, "upload-length")}
    if is_last(headers) and (body := _number(headers, "content-length")) is not None:
        said.add(begins_at + body)
    said.discard(None)
    if len(said) > 1:
        raise LengthInconsistent
    for one in said:
        if one is not None:
            return one
    raise FieldInvalid("Upload-Length: only a file of known length is taken in pieces.")


def _number(headers: Mapping[str, str], name: str) -> int | None:
    found = _NUMBER.fullmatch(headers.get(name, ""))
    return int(found[1]) if found else None


def told(headers: Mapping[str, str]) -> str | None:
    """Return Upload-Metadata, with what HTTP's own fields say of the file where it says nothing.

    Raises:
        FieldInvalid: it cannot be read.
    """
    field = headers.get("upload-metadata")
    found = protocol.metadata(field)
    own = {"digest": headers.get("repr-digest", ""), "filename": _file_name(headers)}
    if (media_type := headers.get("content-type", "")) not in _NOT_SAID:
        own["filetype"] = media_type
    more = [
        f"{key} {base64.b64encode(value.encode()).decode()}"
        for key, value in own.items()
        if value and key not in found
    ]
    return ",".join([*([field] if field else []), *more]) or None


def _file_name(headers: Mapping[str, str]) -> str:
    message = Message()
    message["Content-Disposition"] = headers.get("content-disposition", "")
    return message.get_filename() or ""


def limits_of(limits: Limits, *, seconds: int) -> dict[str, str]:
    """Return Upload-Limit: with `min-size` it says that a length must be known at the beginning."""
    most = max(limits.max_bytes.values())
    return {"Upload-Limit": f"min-size=1, max-size={most}, max-age={seconds}"}


def where(upload: Upload, limits: Limits, *, at: datetime) -> dict[str, str]:
    """Return the fields that say how an upload stands."""
    seconds = max(0, int((upload.expires_at - at).total_seconds()))
    return {
        "Upload-Complete": "?0" if upload.state == UploadState.RECEIVING else "?1",
        "Upload-Offset": str(upload.received_bytes),
        "Upload-Length": str(upload.length_bytes),
        "Cache-Control": "no-store",
        **limits_of(limits, seconds=seconds),
    }


def final(upload: Upload, headers: Mapping[str, str]) -> Response:
    """Answer what became of an upload that is over: its recording with the receipt, or why not."""
    answer: dict[str, Any] = upload.answer or {}
    if upload.state == UploadState.REFUSED:
        return _json(answer, int(answer.get("status", 409)), headers, PROBLEM_JSON)
    return _json(answer, 201, headers, "application/json")


def refused(
    refusal: Refusal, headers: Mapping[str, str], *, instance: str, given: int | None = None
) -> Response:
    """Answer a refusal, by the draft's own type of problem where it has one."""
    body = body_of(refusal, instance=instance)
    if isinstance(refusal, OffsetWrong):
        expected = int(headers["Upload-Offset"])
        body |= {"type": f"{_TYPES}mismatching-upload-offset", "expected-offset": expected}
        body["provided-offset"] = given
    elif isinstance(refusal, LengthInconsistent):
        body["type"] = f"{_TYPES}inconsistent-upload-length"
    return _json(body, int(body["status"]), headers, PROBLEM_JSON)


def _json(
    body: Mapping[str, Any], status: int, headers: Mapping[str, str], media_type: str
) -> Response:
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, status, media_type=media_type, headers=dict(headers))
