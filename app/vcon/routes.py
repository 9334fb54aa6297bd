"""Routes by which vCons come in: our own, and one for who speaks to a conserver."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from starlette.requests import ClientDisconnect

from app.core.db import DatabaseAway
from app.core.errors import UnsupportedMedia
from app.core.outbound import Policy, networks_of
from app.core.problems import problems
from app.feeds.calls import House as FeedHouse
from app.feeds.reconciling import office_of
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings.call_events import CallErased, OtherEvent
from app.recordings.ingest import OtherBytes, RecordingErased, StoreAway
from app.recordings.models import Direction
from app.recordings.receive import SenderSilent
from app.recordings.routes import Receiving, ReceivingTools
from app.settings import Settings
from app.vcon import signing, taking
from app.vcon.reading import (
    ContentHashWrong,
    ContentMissing,
    VconBroken,
    VconEncrypted,
    VconExtensionUnknown,
    VconTooLarge,
    VconVersionUnknown,
)
from app.vcon.schemas import VconsTaken, VconTaken
from app.vcon.signing import VconSignatureWrong
from app.vcon.taking import ContentAway, Taken, Ways

CONSERVER_HEADER = "x-conserver-api-token"

router = APIRouter(tags=["vcon"])


class RequiresSender(Requires):
    """The guard for senders: a device's key, also in the header that a conserver asks for."""

    async def __call__(self, request: Request) -> Actor:
        """Return who calls."""
        token = request.headers.get(CONSERVER_HEADER)
        if token and "authorization" not in request.headers:
            headers = [*request.scope["headers"], (b"authorization", f"Bearer {token}".encode())]
            request = Request({**request.scope, "headers": headers})
        return await super().__call__(request)


CanSend = Annotated[Actor, Depends(RequiresSender(Permission.RECORDING_SEND))]

_REFUSALS = problems(
    KeyMissing,
    KeyUnknown,
    PermissionMissing,
    VconBroken,
    VconVersionUnknown,
    VconExtensionUnknown,
    VconEncrypted,
    VconTooLarge,
    VconSignatureWrong,
    ContentHashWrong,
    ContentMissing,
    ContentAway,
    UnsupportedMedia,
    OtherBytes,
    RecordingErased,
    CallErased,
    OtherEvent,
    SenderSilent,
    DatabaseAway,
    StoreAway,
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            name: {"schema": {"type": "string", "format": "binary"}}
            for name in ("application/vcon", "application/vcon+gzip", "application/zip")
        },
    }
}


@router.post("/v1/vcons", status_code=201, responses=_REFUSALS, openapi_extra=_BODY)
async def post_vcons(
    request: Request, actor: CanSend, receiving: Receiving, direction: Direction | None = None
) -> VconsTaken:
    """Take a vCon, plain, signed or packed, or a bundle of them; 201 says that all is durable."""
    found = await _taken(request, actor, receiving, direction)
    return VconsTaken(items=[VconTaken.of(one) for one in found])


@router.post("/vcon", status_code=201, responses=_REFUSALS, openapi_extra=_BODY)
@router.post("/api/vcon", status_code=201, responses=_REFUSALS, openapi_extra=_BODY)
async def post_vcon(
    request: Request, actor: CanSend, receiving: Receiving, direction: Direction | None = None
) -> dict[str, Any]:
    """Take a vCon as a conserver does: 201 and the vCon that was taken."""
    found = await _taken(request, actor, receiving, direction)
    return found[0].body


async def _taken(
    request: Request, actor: Actor, receiving: ReceivingTools, direction: Direction | None
) -> list[Taken]:
    ways = _ways(request, receiving)
    raw = await _body(request, max_bytes=ways.max_bytes, idle_seconds=receiving.idle_seconds)
    return await receiving.workers.do(
        lambda: taking.take(ways, actor, raw, direction=direction),
    )


def _ways(request: Request, receiving: ReceivingTools) -> Ways:
    settings = cast("Settings", request.app.state.settings)
    return Ways(
        ingest=receiving.ingest,
        feeds=FeedHouse(office=office_of(settings), region=settings.region),
        policy=Policy(
            allows_http=settings.outbound_http,
            networks=networks_of(settings.outbound_networks),
            hosts=frozenset((settings.vcon_hosts or "").lower().split()),
        ),
        roots=signing.roots_of(settings.vcon_roots_file),
        max_pixels=receiving.max_pixels,
        max_content_bytes=min(receiving.max_upload_bytes, taking.MAX_BYTES),
    )


async def _body(request: Request, *, max_bytes: int, idle_seconds: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise VconTooLarge(max_bytes=max_bytes)
    loop = asyncio.get_running_loop()
    found = bytearray()
    try:
        async with asyncio.timeout(idle_seconds) as silence:
            async for piece in request.stream():
                silence.reschedule(loop.time() + idle_seconds)
                found += piece
                if len(found) > max_bytes:
                    raise VconTooLarge(max_bytes=max_bytes)
    except (TimeoutError, ClientDisconnect) as exc:
        raise SenderSilent from exc
    return bytes(found)
