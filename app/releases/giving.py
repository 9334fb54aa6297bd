"""Giving sound that was just made, piece by piece, for as long as the state stands."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import chain

import structlog
from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.consent.rules import Permit
from app.core.clock import Clock
from app.core.db import Database
from app.core.ranges import ByteRange, RangeUnsatisfiable
from app.core.ranges import parse as parse_range
from app.core.sound import BreakableResponse
from app.playback import door
from app.playback.door import PIECE_BYTES, CutOff
from app.releases.making import Made
from app.releases.refusals import ConsentChanged

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What may be heard, and how the hearing is written down."""

    permit: Permit
    tell: Callable[[Session, Made, ByteRange], None]


def sound(
    request: Request,
    database: Database,
    making: AbstractContextManager[Made],
    allowed: Allowed,
    *,
    name: str,
) -> Response:
    """Answer with what is made, or the range of it; told to the ledger before the first byte.

    Raises:
        ConsentChanged: the state is no longer the one that it was allowed under.
    """
    clock: Clock = request.app.state.clock
    with ExitStack() as unless_given:
        made = unless_given.enter_context(making)
        try:
            wanted = parse_range(request.headers.get("range"), made.size_bytes)
        except RangeUnsatisfiable:
            missing = {"Content-Range": f"bytes */{made.size_bytes}"}
            return Response(status_code=416, headers=missing)
        part = wanted or ByteRange(start=0, end=made.size_bytes)
        if not door.holds(database, allowed.permit, at=clock.now()):
            raise ConsentChanged
        with database.transaction() as session:
            allowed.tell(session, made, part)
        pieces = _pieces(unless_given.pop_all(), database, allowed, made, part=part, clock=clock)
    try:
        first = next(pieces, b"")
    except CutOff as exc:
        raise ConsentChanged from exc
    headers = headers_of(made, name=name) | {
        "Accept-Ranges": "bytes",
        "Content-Length": str(part.length),
    }
    if wanted is not None:
        headers["Content-Range"] = wanted.content_range(made.size_bytes)
    return BreakableResponse(
        _until_cut(chain([first], pieces)),
        status_code=200 if wanted is None else 206,
        headers=headers,
        media_type=made.media_type,
    )


def headers_of(made: Made, *, name: str) -> dict[str, str]:
    """Return what is said of something that was made, beside its bytes."""
    return {
        "Content-Disposition": f'inline; filename="{name}"',
        # Source: RFC 9530.
        "Repr-Digest": f"sha-256=:{base64.b64encode(made.sha256).decode()}:",
    }


def _pieces(
    files: ExitStack,
    database: Database,
    allowed: Allowed,
    made: Made,
    *,
    part: ByteRange,
    clock: Clock,
) -> Iterator[bytes]:
    """Yield the bytes of `part`; before each piece goes the state is compared with the permit's."""
    with files:
        position = part.start
        while position < part.end:
            made.file.seek(position)
            piece = made.file.read(min(PIECE_BYTES, part.end - position))
            if not door.holds(database, allowed.permit, at=clock.now()):
                raise CutOff
            yield piece
            position += len(piece)


def _until_cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces, and an empty one where the hearing was cut off."""
    try:
        yield from (piece for piece in pieces if piece)
    except CutOff:
        _log.info("giving.cut_off")
        yield b""
