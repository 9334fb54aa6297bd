"""The JSON routes of bundles: asking for one again, taking it, and the key that signs them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, cast
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from app.core import downloads
from app.core.deps import ClockDep, SessionDep
from app.core.errors import Unavailable
from app.core.ids import ReleaseId
from app.core.problems import problems
from app.core.ranges import RangeUnsatisfiable
from app.core.sound import BreakableResponse
from app.custody.checkpoints import LogTools
from app.custody.signing import Purpose
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.releases import bundles, service
from app.releases.bundle_door import BundleAway, BundleDoor, CutOff
from app.releases.bundles import BundleGone, BundleNotReady
from app.releases.models import BundleState
from app.releases.refusals import ReleaseNotFound
from app.releases.schemas import BundleRead, bundle_read

router = APIRouter(tags=["bundles"])

CanRead = Annotated[Actor, Depends(Requires(Permission.RELEASE_READ))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
MEDIA_TYPE = "application/zip"

_log = structlog.get_logger()


class BundleKeyRead(BaseModel):
    """The key that signs bundles: `fingerprint` is the SHA-256 of its DER SubjectPublicKeyInfo."""

    fingerprint: str
    pem: str
    ended: list[str]


def _door(request: Request) -> BundleDoor:
    return cast("BundleDoor", request.app.state.bundles)


def _log_tools(request: Request) -> LogTools:
    return cast("LogTools", request.app.state.log)


DoorDep = Annotated[BundleDoor, Depends(_door)]
LogDep = Annotated[LogTools, Depends(_log_tools)]


@router.get("/v1/bundle-key")
def bundle_key(log: LogDep) -> BundleKeyRead:
    """Tell by which key bundles are signed; compare the fingerprint with one from elsewhere."""
    newest, *older = log.ring.keys.public(Purpose.BUNDLE)
    return BundleKeyRead(
        fingerprint=newest.fingerprint,
        pem=newest.pem,
        ended=[key.fingerprint for key in older],
    )


@router.post(
    "/v1/releases/{release_id}/bundle",
    status_code=202,
    responses=problems(*GUARDED, ReleaseNotFound, BundleGone),
)
def ask_for_bundle(
    release_id: UUID, actor: CanRead, session: SessionDep, clock: ClockDep
) -> BundleRead:
    """Let a bundle be made whose making failed, or of a release that has none; else tell of it."""
    release = service.seen(session, actor, ReleaseId(release_id), lock=True)
    return bundle_read(bundles.ask(session, release, at=clock.now()))


@router.get(
    "/v1/releases/{release_id}/bundle",
    response_class=Response,
    responses=problems(*GUARDED, ReleaseNotFound, BundleNotReady, BundleGone, BundleAway)
    | {206: {"description": "The part asked for"}, 416: {"description": "No such part"}},
)
def take_bundle(release_id: UUID, actor: CanRead, request: Request, door: DoorDep) -> Response:
    """Give the bundle of an open release; parts can be asked for, and a broken download resumed.

    What was granted is decided on at each request, and the state is looked at on the way.
    """
    asked = ReleaseId(release_id)
    known = door.look(actor, asked)
    if known is None or known.state != BundleState.READY or known.sha256 is None:
        door.take(actor, asked, None)
        raise BundleNotReady(state="none" if known is None else known.state)
    size_bytes = known.size_bytes or 0
    try:
        part = downloads.part_of(
            request.headers,
            size_bytes=size_bytes,
            sha256=known.sha256,
            file_name=f"evidence-{release_id}.zip",
        )
    except RangeUnsatisfiable:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size_bytes}"})
    bundle = door.take(actor, asked, part.wanted)
    pieces = door.pieces(bundle, part.wanted)
    try:
        first = next(pieces, b"")
    except CutOff as exc:
        raise BundleGone(state="closed") from exc
    return BreakableResponse(
        _until_cut(chain([first], pieces)),
        status_code=part.status,
        headers=dict(part.headers),
        media_type=MEDIA_TYPE,
    )


def _until_cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces, and an empty one where the release ended in the middle."""
    try:
        yield from (piece for piece in pieces if piece)
    except (CutOff, Unavailable) as exc:
        _log.info("bundle.cut_off", reason=type(exc).__name__)
        yield b""
