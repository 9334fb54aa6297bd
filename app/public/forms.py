"""A short form of whoever holds a link, taken in whole within its bounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import Request

from app.core.errors import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of a form is taken in and how long it may come; how it is refused beyond that."""

    most_bytes: int
    most_fields: int
    seconds: float
    too_large: type[Refusal]
    too_slow: type[Refusal]


async def fields_of(call: Request, bounds: Bounds) -> dict[str, list[str]]:
    """Return the fields of a form that a browser sent; none where they are too many.

    Raises:
        Refusal: `too_large` or `too_slow`; it is cut off.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(bounds.seconds):
            async for piece in call.stream():
                body += piece
                if len(body) > bounds.most_bytes:
                    raise bounds.too_large
    except TimeoutError as exc:
        raise bounds.too_slow from exc
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=bounds.most_fields)
    except ValueError:
        return {}
