"""Refusals at the edge: problem details as of RFC 9457."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from app.core import errors
from app.core.errors import Refusal

PROBLEM_JSON = "application/problem+json"


class Broken(Refusal):
    """Something broke in the archive.

    It is not known whether what was asked for was done. Look, or send it again; then give
    `request_id` to whoever looks after the archive, who finds it in the log.
    """


STATUS: dict[type[Refusal], int] = {
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.Malformed: 422,
    errors.TooMany: 429,
    errors.Garbled: 460,  # The number that tus 1.0 gave it; no RFC has one.
    errors.Unavailable: 503,
    errors.Invalid: 400,
    Broken: 500,
}
RETRY_AFTER_SECONDS = {429: 5, 503: 5}


def status_of(refusal: type[Refusal]) -> int:
    """Return the HTTP status of a refusal, by the kind it descends from."""
    for kind, status in STATUS.items():
        if issubclass(refusal, kind):
            return status
    raise LookupError(f"{refusal.__name__} is of no kind that has a status.")


def body_of(refusal: Refusal, *, instance: str) -> dict[str, Any]:
    """Return the members of the problem that tells of `refusal`."""
    kind = type(refusal)
    members: dict[str, Any] = {
        "type": f"/problems/{kind.slug}",
        "title": kind.title(),
        "status": status_of(kind),
        "instance": instance,
    }
    if refusal.detail:
        members["detail"] = refusal.detail
    return members | {k: v for k, v in refusal.facts.items() if k not in members}


def response_to(refusal: Refusal, *, instance: str) -> JSONResponse:
    """Return the answer that tells of `refusal`."""
    body = body_of(refusal, instance=instance)
    headers = {}
    usual = RETRY_AFTER_SECONDS.get(body["status"])
    if seconds := refusal.facts.get("retry_after_seconds", usual):
        headers["Retry-After"] = str(seconds)
    if isinstance(refusal, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, body["status"], headers=headers, media_type=PROBLEM_JSON)


def problems(*refusals: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """Return the entry of a route's `responses` for the refusals that it may give."""
    titles: dict[int | str, list[str]] = {}
    for refusal in refusals:
        titles.setdefault(status_of(refusal), []).append(refusal.title())
    return {
        status: {
            "description": " · ".join(named),
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, named in titles.items()
    }


def _plain(
    status: int, detail: str, *, instance: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    phrase = HTTPStatus(status).phrase
    slug = phrase.lower().replace(" ", "-")
    return JSONResponse(
        {
            "type": f"/problems/{slug}",
            "title": phrase,
            "status": status,
            "detail": detail,
            "instance": instance,
        },
        status,
        headers=headers,
        media_type=PROBLEM_JSON,
    )


def known_refusals() -> dict[str, type[Refusal]]:
    """Return every refusal that the imported rooms define, by its slug."""
    found: dict[str, type[Refusal]] = {}
    waiting = list(Refusal.__subclasses__())
    while waiting:
        kind = waiting.pop()
        found[kind.slug] = kind
        waiting.extend(kind.__subclasses__())
    return found


def install(
    app: FastAPI,
    *,
    on_refusal: Callable[[Request, Refusal], None] = lambda _request, _refusal: None,
    otherwise: Callable[[Request, Refusal], Response | None] = lambda _request, _refusal: None,
) -> None:
    """Answer every refusal of `app` as a problem, and explain each at `/problems/{slug}`.

    `on_refusal` is called with each refusal before it is answered, in a thread; `otherwise` may
    answer in another form. Both come after the transaction of the request was rolled back.
    """

    @app.exception_handler(Refusal)
    def refused(request: Request, exc: Refusal) -> Response:
        on_refusal(request, exc)
        return otherwise(request, exc) or response_to(exc, instance=request.url.path)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, exc: RequestValidationError) -> Response:
        found = [
            {"where": "/".join(str(part) for part in e["loc"]), "what": e["msg"]}
            for e in exc.errors()
        ]
        refusal = errors.Malformed("The request does not have the shape asked for.", errors=found)
        return otherwise(request, refusal) or response_to(refusal, instance=request.url.path)

    @app.exception_handler(HTTPException)
    def plain(request: Request, exc: HTTPException) -> Response:
        is_unknown = exc.status_code == status_of(errors.NotFound)
        page = otherwise(request, errors.NotFound()) if is_unknown else None
        return page or _plain(
            exc.status_code, str(exc.detail), instance=request.url.path, headers=exc.headers
        )

    @app.get("/problems/{slug}", include_in_schema=False)
    def explain(slug: str) -> HTMLResponse:
        kind = known_refusals().get(slug)
        if kind is None:
            raise errors.NotFound("No problem has this name.")
        text = "".join(
            f"<p>{html.escape(part)}</p>" for part in (kind.__doc__ or "").strip().split("\n\n")
        )
        return HTMLResponse(
            "<!doctype html><html lang=en><meta charset=utf-8>"
            f"<title>{html.escape(kind.title())}</title>"
            f"<h1>{status_of(kind)} {html.escape(slug)}</h1>{text}"
        )
