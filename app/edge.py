"""What stands before the routes: who calls, and how much may be sent, before a body is read.

FastAPI has a limit of its own (`max_body_size`), per route. It is not used: a body that is read
for a route is read before the route's guard, so the caller must be asked here in any case, and
whole bodies are short enough to be taken in here, where a refusal is still a problem.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import problems
from app.core.errors import Refusal, TooLarge, Unavailable
from app.identity.authenticator import Authenticator
from app.providers import door

UPLOADS: Final = frozenset(
    {"/v1/recordings", "/v1/screenshots", "/v1/notice-texts", "/v1/documents", "/v1/uploads"}
)
RESUMED: Final = "/v1/uploads/"
"""Their routes read the body themselves, piece by piece, once they know the caller."""

MOST_BODY_BYTES: Final = 1024 * 1024
MOST_LOGIN_BYTES: Final = 64 * 1024
MOST_HELD_BYTES: Final = 64 * 1024 * 1024
BODY_SECONDS: Final = 60
_API = "/v1/"
_LOGIN = "/v1/session"
_OPEN = ("/v1/ledger/", "/v1/bundle-key", "/v1/recoveries")
_SLOWEST_BYTES_PER_SECOND = 1024
_SLOW_AFTER_SECONDS = 60
# What a broken upload left in the store is swept after six hours; see `recordings.jobs`.
_LONGEST_SECONDS = 6 * 3600


class RequestTooLarge(TooLarge):
    """The body of the request is larger than allowed."""


class SenderTooSlow(Unavailable):
    """The body came too slowly; nothing was kept, send it again."""


class SenderGone(Unavailable):
    """The line broke before the body was whole; nothing was kept, send it again."""


class Gate:
    """Refuses unknown callers and long bodies before the body is read.

    Uploads pass: their routes ask for the caller first and bound the size. Here they only have
    to keep moving. `otherwise` may answer a refusal in another form than that of a problem.
    """

    def __init__(
        self, app: ASGIApp, *, otherwise: Callable[[Request, Refusal], Response | None]
    ) -> None:
        self._app = app
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if _is_upload(scope["method"], scope["path"]):
                receive = paced = Paced(receive)
                scope.setdefault("state", {})["paced"] = paced
            else:
                receive = await _let_in(Request(scope, receive))
        except Refusal as exc:
            answer = self._otherwise(Request(scope), exc)
            answer = answer or problems.response_to(exc, instance=scope["path"])
            await answer(scope, receive, send)
        except ClientDisconnect:
            await _write_off(scope, receive, send)
        else:
            try:
                await self._app(scope, receive, send)
            except ClientDisconnect:
                await _write_off(scope, receive, send)


async def _write_off(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer who is gone: nobody reads it, but requests are counted and logged by their answers.

    Lines break every day, and that is no fault of the archive.
    """
    await problems.response_to(SenderGone(), instance=scope["path"])(scope, receive, send)


def _is_upload(method: str, path: str) -> bool:
    if path.startswith(RESUMED):
        return method in {"PATCH", "POST"}
    return method == "POST" and path in UPLOADS


async def _let_in(call: Request) -> Receive:
    """Return how the route receives the body, which has been taken in whole.

    Raises:
        Unauthenticated, Forbidden: as the authenticator does.
        RequestTooLarge: by its Content-Length, or while it comes.
        SenderTooSlow: the body was not whole in time.
    """
    has_body = "transfer-encoding" in call.headers or call.headers.get("content-length", "0") != "0"
    is_login = call.method == "POST" and call.scope["path"] == _LOGIN
    is_open = is_login or call.scope["path"].startswith(_OPEN)
    if call.scope["path"].startswith(_API) and not is_open:
        await _known(call, is_looked_up=has_body)
    if not has_body:
        return call.receive
    if call.scope["path"].startswith(door.HOOKS):
        return await _taken_in(call, await _most_of_notice(call))
    return await _taken_in(call, MOST_LOGIN_BYTES if is_open else MOST_BODY_BYTES)


async def _most_of_notice(call: Request) -> int:
    """Return how long a provider's message may be: one of a known caller may hold a recording."""
    declared = call.headers.get("content-length", "")
    if declared.isdigit() and int(declared) <= MOST_BODY_BYTES:
        return MOST_BODY_BYTES
    tools, path = call.app.state.tools, call.scope["path"]
    is_long = await run_in_threadpool(door.may_be_long, tools, path)
    return MOST_HELD_BYTES if is_long else MOST_BODY_BYTES


async def _known(call: Request, *, is_looked_up: bool) -> None:
    """Refuse who has no key; whether it is valid is left to the route where no body comes."""
    authenticator = cast("Authenticator", call.app.state.authenticator)
    if authenticator.remembered(call) is None and is_looked_up:
        await run_in_threadpool(authenticator.actor_of, call)


async def _taken_in(call: Request, max_bytes: int) -> Receive:
    declared = call.headers.get("content-length", "")
    refusal = RequestTooLarge(f"At most {max_bytes} bytes.", max_bytes=max_bytes)
    if declared.isdigit() and int(declared) > max_bytes:
        raise refusal
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in call.stream():
                body += piece
                if len(body) > max_bytes:
                    raise refusal
    except TimeoutError as exc:
        raise SenderTooSlow from exc
    whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def receive() -> Message:
        return whole.pop() if whole else await call.receive()

    return receive


class Paced:
    """Receives a body that must come at 1 KiB a second on average, and within six hours.

    Only waiting for the sender counts for the pace, not what the archive does between the pieces.
    """

    def __init__(self, receive: Receive, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._receive = receive
        self._monotonic = monotonic
        self._began = monotonic()
        self._waited_seconds = 0.0
        self._bytes = 0

    async def __call__(self) -> Message:
        """Return the next message.

        Raises:
            SenderTooSlow: the body is not worth waiting for.
        """
        before = self._monotonic()
        message = await self._receive()
        now = self._monotonic()
        self._waited_seconds += now - before
        self._bytes += len(message.get("body", b""))
        if message.get("more_body") and self._is_slow(now):
            raise SenderTooSlow
        return message

    def count(self, more_bytes: int) -> None:
        """Count bytes of the body that came by another way."""
        self._bytes += more_bytes

    def _is_slow(self, now: float) -> bool:
        enough = self._waited_seconds * _SLOWEST_BYTES_PER_SECOND
        is_behind = self._waited_seconds > _SLOW_AFTER_SECONDS and self._bytes < enough
        return is_behind or now - self._began > _LONGEST_SECONDS
