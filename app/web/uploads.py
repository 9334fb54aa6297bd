"""Forms of the pages that bring a file along; everything else is sent without one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.core.errors import TooLarge
from app.identity.authenticator import SESSION_COOKIE, KeyMissing
from app.recordings.multipart import MultipartBroken
from app.web import edge
from app.web.edge import Fields, FormStale

MOST_BYTES: Final = 21 * 1024 * 1024
_MOST_FIELDS: Final = 60
_MOST_FIELD_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """The fields of a form, and its file; None where none was chosen."""

    fields: Fields
    file: UploadFile | None


async def _limited(call: Request) -> AsyncGenerator[bytes, None]:
    left = MOST_BYTES
    async for piece in call.stream():
        left -= len(piece)
        if left < 0:
            raise TooLarge
        yield piece


async def _sent(call: Request) -> AsyncIterator[Sent]:
    """Give a form with a file; a body that is too long is refused on its way.

    Raises:
        KeyMissing, FormStale: as of every form.
        TooLarge: more than any file that is taken here.
        MultipartBroken: it did not come whole, or has more than one file.
    """
    cookie = call.cookies.get(SESSION_COOKIE, "")
    if not cookie and "authorization" not in call.headers:
        raise KeyMissing
    edge.must_be_own(call)
    if not cookie or not call.headers.get("content-type", "").startswith("multipart/form-data"):
        raise FormStale
    parser = MultiPartParser(
        call.headers,
        _limited(call),
        max_files=1,
        max_fields=_MOST_FIELDS,
        max_part_size=_MOST_FIELD_BYTES,
    )
    try:
        told = await parser.parse()
    except (MultiPartException, KeyError) as exc:
        raise MultipartBroken from exc
    try:
        texts: dict[str, list[str]] = {}
        file = None
        for name, value in told.multi_items():
            if isinstance(value, UploadFile):
                file = value if value.filename else None
            else:
                texts.setdefault(name, []).append(value.replace("\x00", ""))
        fields = Fields(texts)
        if not edge.is_form_token(fields.get("token"), cookie):
            raise FormStale
        yield Sent(fields, file)
    finally:
        await told.close()


FileForm = Annotated[Sent, Depends(_sent)]
"""A form of our own origin with a file, that carries the token of the log-in."""
