"""The guard at each route: who calls, and may he."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from app.identity.actor import Actor
from app.identity.authenticator import Authenticator
from app.identity.permissions import Permission
from app.identity.sessions import Source

PUBLIC = frozenset(
    {
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/problems/{slug}",
        "/v1/session",
        "/v1/recoveries",
        "/s/{token}",
        "/login",
        "/login/code",
        "/login/provider",
        "/login/provider/back",
        "/recovery/{token}",
        "/first-run/{token}",
        "/static/{name}",
        # What a provider sends is proved by its signature.
        "/hooks/{account}",
        "/hooks/{account}/{rest:path}",
        # Whoever holds a receipt, a checkpoint or a bundle checks it without an account. These hold
        # hashes and signatures; a leaf is given only for the unguessable id of its entry.
        "/v1/bundle-key",
        "/v1/ledger/checkpoint",
        "/v1/ledger/tile/{level}/{rest:path}",
        "/v1/ledger/proof/inclusion",
        "/v1/ledger/proof/consistency",
        "/v1/ledger/keys",
    }
)
"""The routes that need no permission; a test compares."""


def authenticator(request: Request) -> Authenticator:
    """Return the authenticator that `main` built."""
    return cast("Authenticator", request.app.state.authenticator)


class Requires:
    """The dependency that lets only callers with `permission` in, and says who they are."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> Actor:
        """Return who calls; only a key that is not remembered costs a thread."""
        known = authenticator(request)
        actor = known.remembered(request)
        if actor is None:
            actor = await run_in_threadpool(known.actor_of, request)
        actor.must(self.permission)
        return actor


def source_of(request: Request) -> Source:
    """Return from where a request comes: of a proxy that is trusted, whom it has named last."""
    peer = request.client.host if request.client else None
    proxies: str = request.app.state.settings.proxy_addresses or ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    if peer in proxies.split() and forwarded[-1].strip():
        peer = forwarded[-1].strip()
    return Source(address=peer, browser=request.headers.get("user-agent"))


SourceDep = Annotated[Source, Depends(source_of)]
SessionActor = Annotated[Actor, Depends(Requires(Permission.SESSION_SELF))]
