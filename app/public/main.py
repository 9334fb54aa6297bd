"""The application of the public links: plain pages, no script; and of document requests."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from fastapi import FastAPI, Query, Request
from fastapi.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import downloads, ranges, traces
from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Unavailable
from app.core.ranges import ByteRange, RangeUnsatisfiable
from app.core.sound import BreakableResponse
from app.public import answering, passphrase, wording
from app.public.answering import AnswerForm, Fields
from app.public.asking import AskingSite, add_requests
from app.public.door import CutOff, Door
from app.public.intake import IDLE_SECONDS, Intake
from app.public.links import (
    LinkEnded,
    Links,
    OpenItem,
    PassphraseWrong,
    TooManyTries,
    View,
)
from app.public.pages import Pages
from app.public.requests import Requests
from app.releases.tokens import ShareToken
from storage.errors import StoreError
from storage.sealed import SealedReader, SealedStore

VIEW_SECONDS: Final = 12 * 3600
OFFICE_ZONE: Final = ZoneInfo("Europe/Moscow")
_READ = ["GET", "HEAD"]
_ZIP: Final = "application/zip"
_EXTENSIONS: Final = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
    "audio/flac": "flac",
    "image/png": "png",
}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}

_log = structlog.get_logger()

Language = Annotated[str | None, Query(max_length=20)]
Begin = Annotated[str | None, Query(max_length=20)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTools:
    """All that the process of the public links is given.

    `is_secure` says that recipients reach it by https, whatever the proxy in front speaks to it.
    A form that stops coming for `idle_seconds` is given up.
    """

    database: Database
    release: SealedStore
    clock: Clock
    office_zone: ZoneInfo = field(default=OFFICE_ZONE)
    is_secure: bool = False
    idle_seconds: float = IDLE_SECONDS


class _Guarded:
    """Adds the headers of safety to every answer, whoever made it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_guarded)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """What the routes share."""

    links: Links
    store: SealedReader
    pages: Pages
    clock: Clock
    zone: ZoneInfo
    is_secure: bool

    def page(  # noqa: PLR0913 - who asks for what, and what was just done.
        self,
        call: Request,
        token: str,
        lang: str | None,
        *,
        is_heard: bool,
        is_begun: bool = False,
        fault: str | None = None,
        said: Fields | None = None,
    ) -> Response:
        """Return the page of a link, or the one for all that are not open.

        With `is_begun` its button was pressed a moment ago, and the first sound plays by that.
        """
        language = _language(call, lang)
        parsed = _token(token)
        view = self._view_of(call, parsed)
        found = self.links.page(parsed, view)
        if is_heard and not found.is_opened:
            return _see(f"/s/{parsed.secret}", language)
        if not found.is_opened and self.links.asks(parsed):
            return self.asking(parsed, language, fault=None, status=200)
        return HTMLResponse(
            self.pages.link(
                found,
                parsed,
                language=language,
                at=self.clock.now(),
                bundle=self.links.bundle_facts(parsed),
                is_heard=is_heard,
                is_begun=is_begun,
                form=AnswerForm(
                    token=view.form_token() if view else "",
                    answers=self.links.answers(parsed),
                    fault=fault,
                    said=said,
                ),
            ),
            400 if fault else 200,
            headers={"Content-Language": language, "Vary": "Accept-Language, Cookie"},
        )

    def asking(
        self, token: ShareToken, language: str, *, fault: str | None, status: int
    ) -> Response:
        """Return the page that asks for the passphrase of a link, and tells nothing else."""
        headers = {"Content-Language": language, "Vary": "Accept-Language, Cookie"}
        page = self.pages.passphrase(token, language, fault=fault)
        return HTMLResponse(page, status, headers=headers)

    async def open(self, call: Request, token: str, lang: str | None) -> Response:
        """Count a view, and send the browser on to where it can listen."""
        parsed = _token(token)
        if call.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return _see(f"/s/{parsed.secret}", _language(call, lang))
        given = await passphrase.given(call)
        return await asyncio.to_thread(self._open, call, parsed, lang, given)

    def _open(self, call: Request, parsed: ShareToken, lang: str | None, given: str) -> Response:
        if self.links.asks(parsed):
            language = _language(call, lang)
            try:
                self.links.try_passphrase(parsed, given)
            except PassphraseWrong:
                _log.info("link.passphrase_wrong")
                return self.asking(parsed, language, fault="wrong", status=403)
            except TooManyTries:
                _log.warning("link.passphrase_throttled")
                return self.asking(parsed, language, fault="often", status=429)
        view = self.links.view(parsed)
        _log.info("link.viewed")
        answer = _see(f"/s/{parsed.secret}/listen", _language(call, lang), "&begin=yes")
        answer.set_cookie(
            _cookie(parsed, is_secure=self.is_secure),
            view.secret,
            max_age=VIEW_SECONDS,
            path="/" if self.is_secure else f"/s/{parsed.secret}",
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def answer(self, call: Request, token: str, lang: str | None) -> Response:
        """Write down what the recipient says, once, and show it; or show what is missing."""
        parsed = _token(token)
        view = self._view_of(call, parsed)
        if view is None or call.headers.get("sec-fetch-site", "same-origin") not in {
            "same-origin",
            "none",
        }:
            return _see(f"/s/{parsed.secret}", _language(call, lang))
        fields = await answering.read(call)
        if not hmac.compare_digest(fields.form, view.form_token()):
            return _see(f"/s/{parsed.secret}/listen", _language(call, lang))
        fault = answering.fault_of(fields)
        if fault is not None:
            return await asyncio.to_thread(
                partial(self.page, call, token, lang, is_heard=True, fault=fault, said=fields)
            )
        is_new = await asyncio.to_thread(self.links.answer, parsed, view, fields.told())
        _log.info("link.answered", kind=fields.told()["kind"], is_new=is_new)
        if fields.is_heard and fields.is_begun:  # What was begun stays in the form.
            return await asyncio.to_thread(
                partial(self.page, call, token, lang, is_heard=True, fault=None, said=fields)
            )
        return _see(f"/s/{parsed.secret}/listen", _language(call, lang), "#answer")

    def copy(self, call: Request, token: str, item_id: str, *, kind: str) -> Response:
        """Return a sound or a picture, or the part of it that the player asks for."""
        parsed = _token(token)
        view = self._view_of(call, parsed)
        if view is None:
            raise LinkEnded
        try:
            item_uuid = UUID(item_id)
        except ValueError as exc:
            raise LinkEnded from exc
        item = self.links.item(parsed, item_uuid, view)
        if not item.media_type.startswith(f"{kind}/"):
            raise LinkEnded
        size_bytes = item.ref.size_bytes
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Disposition": f'inline; filename="{self._file_name(item)}"',
        }
        try:
            part = ranges.parse(call.headers.get("range"), size_bytes)
        except RangeUnsatisfiable:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size_bytes}"})
        wanted = part or ByteRange(start=0, end=size_bytes)
        headers["Content-Length"] = str(wanted.length)
        if part is not None:
            headers["Content-Range"] = part.content_range(size_bytes)
        status = 200 if part is None else 206
        if call.method == "HEAD":
            return Response(status_code=status, headers=headers, media_type=item.media_type)
        pieces = Door(links=self.links, store=self.store).pieces(parsed, item, view, wanted=wanted)
        first = next(pieces, b"")
        return BreakableResponse(
            _until_cut(chain([first], pieces)),
            status_code=status,
            headers=headers,
            media_type=item.media_type,
        )

    def bundle(self, call: Request, token: str) -> Response:
        """Return the bundle, or the part of it from which a broken download goes on."""
        parsed = _token(token)
        view = self._view_of(call, parsed)
        if view is None:
            raise LinkEnded
        bundle = self.links.bundle(parsed, view)
        size_bytes = bundle.ref.size_bytes
        try:
            part = downloads.part_of(
                call.headers,
                size_bytes=size_bytes,
                sha256=bundle.sha256,
                file_name=f"evidence-{bundle.release_id}.zip",
            )
        except RangeUnsatisfiable:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size_bytes}"})
        headers = dict(part.headers)
        if call.method == "HEAD":
            return Response(status_code=part.status, headers=headers, media_type=_ZIP)
        door = Door(links=self.links, store=self.store)
        pieces = door.bundle_pieces(parsed, bundle, view, wanted=part.wanted)
        first = next(pieces, b"")
        return BreakableResponse(
            _until_cut(chain([first], pieces)),
            status_code=part.status,
            headers=headers,
            media_type=_ZIP,
        )

    def _view_of(self, call: Request, token: ShareToken) -> View | None:
        secret = call.cookies.get(_cookie(token, is_secure=self.is_secure))
        return View(secret=secret) if secret else None

    def _file_name(self, item: OpenItem) -> str:
        extension = _EXTENSIONS.get(item.media_type, "bin")
        what = "screenshot" if item.media_type.startswith("image/") else "call"
        return f"{what}-{item.started_at.astimezone(self.zone):%Y-%m-%d-%H%M}.{extension}"


def _until_cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces, and an empty one where the link ended in the middle."""
    try:
        yield from (piece for piece in pieces if piece)
    except (CutOff, Unavailable) as exc:
        _log.info("link.cut_off", reason=type(exc).__name__)
        yield b""


def create_public_app(tools: PublicTools) -> FastAPI:
    """Return the application; it is served without an access log, whose lines would hold tokens."""
    site = _Site(
        links=Links(tools.database),
        store=tools.release,
        pages=Pages(wording.load(tools.office_zone)),
        clock=tools.clock,
        zone=tools.office_zone,
        is_secure=tools.is_secure,
    )
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=traces.OFF,  # Whoever opens a link is watched by nobody's collector.
    )
    app.add_middleware(_Guarded)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    _add_pages(app, site)
    requests = Requests(tools.database)
    add_requests(
        app,
        AskingSite(
            requests=requests,
            intake=Intake(requests=requests, store=tools.release, idle_seconds=tools.idle_seconds),
            pages=site.pages,
        ),
    )
    _add_health(app, tools)
    _add_refusals(app, site)
    return app


def _add_pages(app: FastAPI, site: _Site) -> None:
    @app.api_route("/s/{token}", methods=_READ)
    def page(call: Request, token: str, lang: Language = None) -> Response:
        return site.page(call, token, lang, is_heard=False)

    @app.api_route("/s/{token}/listen", methods=_READ)
    def listen(call: Request, token: str, lang: Language = None, begin: Begin = None) -> Response:
        return site.page(call, token, lang, is_heard=True, is_begun=begin == "yes")

    @app.post("/s/{token}/open")
    async def open_link(call: Request, token: str, lang: Language = None) -> Response:
        return await site.open(call, token, lang)

    @app.post("/s/{token}/answer")
    async def answer(call: Request, token: str, lang: Language = None) -> Response:
        return await site.answer(call, token, lang)

    @app.api_route("/s/{token}/audio/{item_id}", methods=_READ)
    def audio(call: Request, token: str, item_id: str) -> Response:
        return site.copy(call, token, item_id, kind="audio")

    @app.api_route("/s/{token}/picture/{item_id}", methods=_READ)
    def picture(call: Request, token: str, item_id: str) -> Response:
        return site.copy(call, token, item_id, kind="image")

    @app.api_route("/s/{token}/bundle", methods=_READ)
    def bundle(call: Request, token: str) -> Response:
        return site.bundle(call, token)


def _add_health(app: FastAPI, tools: PublicTools) -> None:
    @app.api_route("/healthz", methods=_READ)
    def alive() -> Response:
        return PlainTextResponse("ok\n")

    @app.api_route("/readyz", methods=_READ)
    def ready() -> Response:
        parts = {"database": Links(tools.database).check, "release store": tools.release.check}
        down = []
        for name, check in parts.items():
            try:
                check()
            except (Unavailable, StoreError):
                down.append(name)
        if down:
            return PlainTextResponse(f"down: {', '.join(down)}\n", 503)
        return PlainTextResponse("ok\n")


def _add_refusals(app: FastAPI, site: _Site) -> None:
    @app.exception_handler(LinkEnded)
    def ended(call: Request, _: Exception) -> Response:
        return HTMLResponse(site.pages.ended(_language(call, call.query_params.get("lang"))), 410)

    @app.exception_handler(Unavailable)
    def away(call: Request, exc: Exception) -> Response:
        _log.warning("link.unavailable", reason=type(exc).__name__)
        language = _language(call, call.query_params.get("lang"))
        return HTMLResponse(site.pages.away(language), 503, headers={"Retry-After": "30"})

    @app.exception_handler(Exception)
    def broken(call: Request, exc: Exception) -> Response:
        _log.error("link.broken", reason=type(exc).__name__)
        return HTMLResponse(site.pages.away(_language(call, None)), 500, headers=_HEADERS)


def _language(call: Request, asked: str | None) -> str:
    return wording.language_of(asked, call.headers.get("accept-language"))


def _token(text: str) -> ShareToken:
    token = ShareToken.parse(text)
    if token is None:
        raise LinkEnded
    return token


def _cookie(token: ShareToken, *, is_secure: bool) -> str:
    """Return the name of the cookie of this link: one browser may hold several links open."""
    prefix = "__Host-" if is_secure else ""
    return f"{prefix}view-{token.digest().hex()[:16]}"


def _see(path: str, language: str, place: str = "") -> RedirectResponse:
    return RedirectResponse(f"{path}?lang={language}{place}", 303)
