"""Routes of providers: the door for what they send, and what administrators say of them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from app.core.deps import ClockDep, SessionDep
from app.core.downloads import told_as
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.identity.service import NameInvalid, NameTaken
from app.providers import door, queries, service, taking
from app.providers.door import Knock
from app.providers.models import Kind
from app.providers.schemas import (
    MediaPage,
    MediaRead,
    ProviderChange,
    ProviderList,
    ProviderRead,
    ProviderWrite,
    SecretsWrite,
)
from app.providers.service import (
    MappingWrong,
    ProviderNotFound,
    ProviderRemoved,
    SecretsWrong,
    Seen,
)
from app.providers.taking import LinkUsed, MediaForgotten, MediaNotFound, MediaNotOver
from app.providers.told import MediaState, NoticeStale, SignatureWrong

router = APIRouter(prefix="/v1/providers", tags=["providers"])
hooks = APIRouter(prefix="/hooks", tags=["providers"])

CanAdmin = Annotated[Actor, Depends(Requires(Permission.DEVICE_ADMIN))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
PROVED = problems(ProviderNotFound, SignatureWrong, NoticeStale)


@hooks.post("/{account}", responses=PROVED | told_as("application/json", "text/plain"))
@hooks.post("/{account}/{rest:path}", responses=PROVED, include_in_schema=False)
async def post_notice(account: str, request: Request, rest: str = "") -> Response:
    """Keep a message of a provider as it came, and answer when it is durable.

    It is proved by the provider's signature. The same message again is answered likewise and
    changes nothing; a failure is answered with 503, and the provider sends it again.
    """
    knock = Knock(
        account_id=account,
        method=request.method,
        target=_target(request),
        path=rest,
        query=request.scope["query_string"].decode("latin-1"),
        headers={name: value for name, value in request.headers.items()},  # noqa: C416 - names are in small letters here, and stay so in a plain mapping.
        body=await request.body(),
    )
    answer = await run_in_threadpool(door.take, request.app.state.tools, knock)
    return JSONResponse(answer) if answer is not None else Response(media_type="text/plain")


@hooks.get(
    "/{account}",
    response_class=Response,
    responses=problems(ProviderNotFound) | told_as("text/plain"),
)
def echo_check(
    account: str, session: SessionDep, zd_echo: Annotated[str, Query(pattern=r"^[\w.-]{1,200}$")]
) -> Response:
    """Give `zd_echo` back: so Zadarma and Novofon find out whether an address is meant for them."""
    door.must_be_echoed(session, account)
    return Response(zd_echo, media_type="text/plain")


def _target(request: Request) -> str:
    """Return path and query exactly as they were called."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    return (path + (b"?" + query if query else b"")).decode("latin-1")


@router.get("", responses=problems(*GUARDED))
def list_providers(_: CanAdmin, session: SessionDep) -> ProviderList:
    """List the connections, with what became of their messages and recordings."""
    return ProviderList(items=[read(one) for one in service.seen(session)])


@router.post(
    "",
    status_code=201,
    responses=problems(*GUARDED, SecretsWrong, MappingWrong, NameTaken, NameInvalid),
)
def add_provider(
    body: ProviderWrite, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> ProviderRead:
    """Make a connection to a telephony service; its secrets are sealed and never shown again."""
    account = service.add(session, actor, body, at=clock.now())
    return read(Seen(account=account, notices={}, media={}))


@router.put(
    "/{provider_id}",
    responses=problems(*GUARDED, ProviderNotFound, ProviderRemoved),
)
def change_provider(
    provider_id: UUID, body: ProviderChange, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> ProviderRead:
    """Let a connection be reached elsewhere, and its media come from other hosts."""
    account = service.change(session, actor, provider_id, body, at=clock.now())
    return read(Seen(account=account, notices={}, media={}))


@router.post(
    "/{provider_id}/media/{media_id}/again",
    status_code=202,
    responses=problems(*GUARDED, MediaNotFound, MediaNotOver, MediaForgotten, LinkUsed),
)
def ask_again(
    provider_id: UUID, media_id: UUID, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Ask once more for a recording that was given up or refused."""
    taking.again(session, actor, provider_id, media_id, at=clock.now())
    return Response(status_code=202)


@router.put(
    "/{provider_id}/secrets",
    status_code=204,
    responses=problems(*GUARDED, ProviderNotFound, ProviderRemoved, SecretsWrong),
)
def rotate_secrets(
    provider_id: UUID, body: SecretsWrite, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Give a connection other secrets; the old ones count for another day."""
    service.rotate(session, actor, provider_id, service.plain(body.secrets), at=clock.now())
    return Response(status_code=204)


@router.delete(
    "/{provider_id}",
    status_code=204,
    responses=problems(*GUARDED, ProviderNotFound, ProviderRemoved),
)
def remove_provider(
    provider_id: UUID, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Take nothing more from a connection; what it told stays."""
    service.remove(session, actor, provider_id, at=clock.now())
    return Response(status_code=204)


@router.get("/{provider_id}/media", responses=problems(*GUARDED, ProviderNotFound))
def list_media(
    provider_id: UUID,
    _: CanAdmin,
    session: SessionDep,
    state: MediaState | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> MediaPage:
    """List the newest recordings that a service told of, and how far each has come."""
    service.found(session, provider_id)
    rows = queries.media(session, provider_id, state=state, limit=limit)
    return MediaPage(
        items=[
            MediaRead(
                id=row.id,
                media=row.media,
                call=call,
                state=MediaState(row.state),
                reason=row.reason,
                attempts=row.attempts,
                told_at=row.told_at,
                settled_at=row.settled_at,
                recording=row.recording_id,
            )
            for row, call in rows
        ]
    )


def read(seen: Seen) -> ProviderRead:
    """Return an account as it is shown."""
    account = seen.account
    return ProviderRead(
        id=account.id,
        name=account.name,
        kind=Kind(account.kind),
        address=f"{account.public_url}/hooks/{account.id}",
        media_hosts=account.media_hosts,
        direction=account.direction,
        mapping=account.mapping,
        created_at=account.created_at,
        previous_until=account.previous_until,
        removed_at=account.removed_at,
        notices=dict(seen.notices),
        media=dict(seen.media),
    )
