"""The routes of the pages: log-in, log-out, the list of queues and one queue."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from app.consent import queries as evidence
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.errors import Forbidden, NotFound, Refusal, TooLarge, Unauthenticated
from app.core.problems import status_of
from app.identity import login, sessions
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import SESSION_COOKIE
from app.identity.guard import Requires, SessionActor, authenticator, source_of
from app.identity.login import LoginRefused, LoginThrottled
from app.identity.permissions import Permission
from app.review import pages, service, wording
from app.review.pages import Frame
from app.review.rules import Queue
from app.review.schemas import ItemRead
from app.review.service import ItemNotWaiting

PUBLIC_PATHS: Final = frozenset({"/login", "/review/static/{name}"})
"""The routes here that need no permission."""

FIRST_ITEMS = 20
_PROPOSING = frozenset({Queue.UNKNOWN, Queue.MOBILE})
_MOST_FORM_BYTES = 16 * 1024
_HOME = "/review"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}

Language = Annotated[str | None, Query(max_length=20)]
CanRead = Annotated[Actor, Depends(Requires(Permission.REVIEW_READ))]


class FormStale(Forbidden):
    """The form does not belong to this log-in; load the page again."""


class PageMissing(NotFound):
    """There is no such page."""


class _Page(APIRoute):
    """Answers refusals as pages: who is not known is shown the log-in form, with status 401."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                response: Response = await answer(request)
            except Refusal as exc:
                response = _refused(request, exc)
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return handler


router = APIRouter(include_in_schema=False, route_class=_Page)


def _frame(call: Request, lang: str | None, *, actor: Actor | None = None) -> Frame:
    token = call.cookies.get(SESSION_COOKIE) if actor is not None else None
    return pages.frame(
        wording.language_of(lang, call.headers.get("accept-language")),
        call.url.path,
        person=actor.name if actor else None,
        session_token=token,
    )


def _html(around: Frame, body: str, status: int = 200) -> HTMLResponse:
    headers = {"Content-Language": around.language, "Vary": "Accept-Language, Cookie"}
    return HTMLResponse(body, status, headers=headers)


def _refused(call: Request, exc: Refusal) -> Response:
    around = _frame(call, call.query_params.get("lang"))
    if isinstance(exc, Unauthenticated):
        onward = _onward(f"{call.url.path}?{call.url.query}") if call.method == "GET" else _HOME
        return _html(around, pages.login(around, onward=onward, wrong=None), 401)
    lead = around.say["forbidden"] if isinstance(exc, PermissionMissing) else exc.title()
    if isinstance(exc, FormStale):
        lead = around.say["stale_form"]
    return _html(around, pages.saying(around, lead), status_of(type(exc)))


async def _form(call: Request) -> dict[str, str]:
    """Return a form's fields; a body longer than a form's is refused unread."""
    body = bytearray()
    async for piece in call.stream():
        body += piece
        if len(body) > _MOST_FORM_BYTES:
            raise TooLarge
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    return {name: values[0] for name, values in fields.items()}


Form = Annotated[dict[str, str], Depends(_form)]


def _onward(asked: str | None) -> str:
    """Return where to go after the log-in: a page of review, never another address."""
    path, _, query = (asked or _HOME).partition("?")
    known = {_HOME, f"{_HOME}/reasons", *(f"{_HOME}/{queue}" for queue in Queue)}
    if path not in known:
        return _HOME
    try:
        item = UUID(parse_qs(query, max_num_fields=5)["item"][0])
    except (KeyError, ValueError):
        return path
    return f"{path}?item={item}"


def _see(path: str, language: str) -> RedirectResponse:
    joint = "&" if "?" in path else "?"
    return RedirectResponse(f"{path}{joint}{urlencode({'lang': language})}", 303)


@router.get("/login")
def show_login(call: Request, lang: Language = None, onward: str | None = None) -> Response:
    around = _frame(call, lang)
    return _html(around, pages.login(around, onward=_onward(onward), wrong=None))


@router.post("/login")
def log_in(
    call: Request, form: Form, database: DatabaseDep, clock: ClockDep, lang: Language = None
) -> Response:
    """Log in from the form. Only our own page may send it, so that nobody is logged in unawares."""
    around, now = _frame(call, form.get("lang") or lang), clock.now()
    onward = _onward(form.get("onward"))
    if call.headers.get("sec-fetch-site") not in {"same-origin", "none"}:
        raise FormStale
    name, password = form.get("name", "")[:64], form.get("password", "")[:1024]
    try:
        token = login.log_in(database, name, password, source=source_of(call), at=now)
    except LoginRefused:
        wrong = around.say["refused"]
        return _html(around, pages.login(around, onward=onward, wrong=wrong), 401)
    except LoginThrottled:
        wrong = around.say["throttled"]
        return _html(around, pages.login(around, onward=onward, wrong=wrong), 429)
    response = _see(onward, around.language)
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(sessions.SESSION_LIFETIME.total_seconds()),
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return response


@router.post("/logout")
def log_out(
    call: Request,
    form: Form,
    actor: SessionActor,
    session: SessionDep,
    clock: ClockDep,
    lang: Language = None,
) -> Response:
    """End the session of the browser."""
    token = call.cookies.get(SESSION_COOKIE, "")
    if not token or not pages.is_form_token(form.get("token", ""), token):
        raise FormStale
    if actor.browser is not None:
        sessions.end(session, actor, actor.browser.session_id, at=clock.now())
    authenticator(call).forget(token)
    response = _see("/login", _frame(call, form.get("lang") or lang).language)
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax")
    return response


@router.get(_HOME)
def show_queues(
    call: Request, actor: CanRead, session: SessionDep, clock: ClockDep, lang: Language = None
) -> Response:
    """Show all queues."""
    at = clock.now()
    around = _frame(call, lang, actor=actor)
    return _html(around, pages.queues(around, service.overview(session, actor, at=at), at=at))


@router.get("/review/static/{name}")
def get_static(name: str) -> Response:
    """Give a style, script or picture of the pages."""
    body = pages.static(name)
    if body is None:
        raise PageMissing
    headers = {"Cache-Control": "no-cache"}
    return Response(body, media_type=pages.STATIC[name], headers=headers)


@router.get("/review/reasons")
def show_reasons(call: Request, actor: CanRead, lang: Language = None) -> Response:
    """Explain every reason."""
    around = _frame(call, lang, actor=actor)
    return _html(around, pages.reasons(around))


@router.get("/review/{queue}")
def show_desk(  # noqa: PLR0913 - which queue and item, for whom, and what the room needs.
    call: Request,
    queue: Queue,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    lang: Language = None,
    item: UUID | None = None,
) -> Response:
    """Show a queue, one item at a time, beginning with the one that is named."""
    at = clock.now()
    around = _frame(call, lang, actor=actor)
    found = service.page(session, actor, queue, after=None, limit=FIRST_ITEMS, at=at)
    items = [ItemRead.of(one, at=at, lang=around.language) for one in found.items]
    if item is not None and item not in {one.id for one in items}:
        items += _asked_for(session, actor, queue, item, at=at, lang=around.language)
    body = pages.desk(
        around,
        queue,
        items,
        count=service.count(session, actor, queue, at=at),
        next_cursor=found.next_cursor,
        start=item,
        person=actor.id,
        texts=_texts(session) if queue in _PROPOSING else [],
    )
    return _html(around, body)


def _asked_for(
    session: Session, actor: Actor, queue: Queue, item_id: UUID, *, at: datetime, lang: str
) -> list[ItemRead]:
    """Return the named item, nothing if it has left the queue."""
    try:
        found = service.item(session, actor, queue, item_id, at=at)
    except ItemNotWaiting:
        return []
    return [ItemRead.of(found, at=at, lang=lang)]


def _texts(session: Session) -> list[dict[str, Any]]:
    """Return the approved notice texts, by which somebody says what he heard."""
    return [
        {
            "id": str(row.id),
            "version": row.version,
            "language": row.language,
            "text": row.text,
            "lines": row.lines,
            "from": row.valid_from.isoformat(),
            "to": row.valid_to.isoformat() if row.valid_to else None,
        }
        for row in evidence.notice_texts(session)
        if row.approved_at is not None
    ]
