"""The routes of document requests: the page, the sending, the thanks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from app.core.errors import Invalid, Refusal, TooLarge, TooMany, UnsupportedMedia
from app.public import wording
from app.public.intake import Intake, SenderSlow
from app.public.pages import Pages
from app.public.requests import RequestEnded, Requests
from app.releases.tokens import ShareToken

_READ: Final = ["GET", "HEAD"]
_STATUS: Final[dict[type[Refusal], int]] = {
    TooLarge: 413,
    UnsupportedMedia: 415,
    TooMany: 429,
    SenderSlow: 408,
    Invalid: 400,
}
Language = Annotated[str | None, Query(max_length=20)]

_log = structlog.get_logger()


class NothingSent(Invalid):
    """The form came without a file and without words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingSite:
    """What the routes share."""

    requests: Requests
    intake: Intake
    pages: Pages

    def page(self, call: Request, token: str, lang: str | None, *, is_sent: bool) -> Response:
        """Return the page of a request, or the one that thanks."""
        return self._shown(call, _token(token), lang, is_sent=is_sent)

    def receipt(self, token: str, upload_id: str) -> Response:
        """Return the receipt of something that was sent by this link."""
        found = self.requests.page(_token(token))
        for one in found.sent:
            if str(one.id) == upload_id and one.receipt is not None:
                name = f"receipt-{one.sha256[:12]}.txt"
                return PlainTextResponse(
                    one.receipt, headers={"Content-Disposition": f'attachment; filename="{name}"'}
                )
        raise RequestEnded

    async def send(self, call: Request, token: str, lang: str | None) -> Response:
        """Take a form in, and thank; or show what was wrong, above the form."""
        parsed = _token(token)
        if call.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return _see(f"/r/{parsed.secret}", _language(call, lang))
        try:
            count = await self.intake.take(
                parsed,
                aiter(call.stream()),
                content_type=call.headers.get("content-type"),
                content_length=call.headers.get("content-length"),
            )
            if not count:
                raise NothingSent
        except (TooLarge, UnsupportedMedia, TooMany, Invalid, SenderSlow) as exc:
            _log.info("request.refused", reason=exc.slug)
            return await asyncio.to_thread(self._refused, call, parsed, lang, exc)
        _log.info("request.taken", count=count)
        return _see(f"/r/{parsed.secret}/sent", _language(call, lang))

    def _refused(
        self, call: Request, token: ShareToken, lang: str | None, exc: Refusal
    ) -> Response:
        status = next(number for kind, number in _STATUS.items() if isinstance(exc, kind))
        return self._shown(call, token, lang, fault=exc.slug, status=status)

    def _shown(
        self,
        call: Request,
        token: ShareToken,
        lang: str | None,
        *,
        is_sent: bool = False,
        fault: str | None = None,
        status: int = 200,
    ) -> Response:
        language = _language(call, lang)
        found = self.requests.page(token)
        return HTMLResponse(
            self.pages.request(found, token, language=language, fault=fault, is_sent=is_sent),
            status,
            headers={"Content-Language": language, "Vary": "Accept-Language"},
        )


def add_requests(app: FastAPI, site: AskingSite) -> None:
    """Add the routes and the page for all links that take nothing."""

    @app.api_route("/r/{token}", methods=_READ)
    def page(call: Request, token: str, lang: Language = None) -> Response:
        return site.page(call, token, lang, is_sent=False)

    @app.post("/r/{token}")
    async def send(call: Request, token: str, lang: Language = None) -> Response:
        return await site.send(call, token, lang)

    @app.api_route("/r/{token}/sent", methods=_READ)
    def thanks(call: Request, token: str, lang: Language = None) -> Response:
        return site.page(call, token, lang, is_sent=True)

    @app.api_route("/r/{token}/receipt/{upload_id}", methods=_READ)
    def receipt(token: str, upload_id: str) -> Response:
        return site.receipt(token, upload_id)

    @app.exception_handler(RequestEnded)
    def ended(call: Request, _: Exception) -> Response:
        language = _language(call, call.query_params.get("lang"))
        return HTMLResponse(site.pages.request_ended(language), 410)


def _language(call: Request, asked: str | None) -> str:
    return wording.language_of(asked, call.headers.get("accept-language"))


def _token(text: str) -> ShareToken:
    token = ShareToken.parse(text)
    if token is None:
        raise RequestEnded
    return token


def _see(path: str, language: str) -> RedirectResponse:
    return RedirectResponse(f"{path}?lang={language}", 303)
