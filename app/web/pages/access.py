"""Logging in and out, the language of a person, and the files of the pages."""

from __future__ import annotations

from fastapi import Request, Response

from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.identity import account, login, sessions
from app.identity.authenticator import SESSION_COOKIE
from app.identity.guard import SessionActor, SourceDep, authenticator
from app.identity.login import CodeAsked, LoginRefused, LoginThrottled
from app.web import edge
from app.web.edge import Form, Language, OpenForm, PageMissing
from app.web.pages.account import ask_for_code
from app.web.words import LANGUAGES, language_of

router = edge.page_router()
_MOST_NAME, _MOST_PASSWORD = 64, 1024
_FOREVER = "public, max-age=31536000, immutable"


@router.get("/login")
def show_login(call: Request, lang: Language = None, onward: str | None = None) -> Response:
    """Show the log-in form."""
    del lang  # Read from the address by `words_of`.
    return edge.login(call, edge.words_of(call), onward=onward or edge.HOME, wrong=None)


@router.post("/login")
def log_in(
    call: Request, form: OpenForm, database: DatabaseDep, clock: ClockDep, source: SourceDep
) -> Response:
    """Log in from the form. Only our own page may send it, so that nobody is logged in unawares."""
    now, chosen = clock.now(), form.get("lang")
    accepted = call.headers.get("accept-language")
    words = edge.web_of(call).words[language_of(chosen, accepted)]
    onward = edge.onward_of(call, form.get("onward"))
    name, password = form.get("name")[:_MOST_NAME], form.raw("password")[:_MOST_PASSWORD]
    try:
        token = login.log_in(database, name, password, source=source, at=now)
    except CodeAsked as exc:
        return ask_for_code(exc.ticket, onward)
    except LoginRefused:
        wrong = words.gettext(
            "Name or password is wrong. Check the keyboard layout; an administrator changes a "
            "forgotten password."
        )
        return edge.login(call, words, onward=onward, wrong=wrong, status=401)
    except LoginThrottled:
        wrong = words.gettext("Too many attempts. Wait a quarter of an hour.")
        return edge.login(call, words, onward=onward, wrong=wrong, status=429)
    if chosen in LANGUAGES:
        with database.transaction() as session:
            account.choose_language_at_login(session, token, chosen)
    response = edge.see(onward)
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
    call: Request, _form: Form, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """End the session of the browser."""
    token = call.cookies.get(SESSION_COOKIE, "")
    if actor.browser is not None:
        sessions.end(session, actor, actor.browser.session_id, at=clock.now())
    authenticator(call).forget(token)
    response = edge.see("/login")
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax")
    return response


@router.post("/language")
def choose_language(
    call: Request, form: Form, actor: SessionActor, session: SessionDep
) -> Response:
    """Keep the language that a person chose, and go back to the page."""
    chosen = form.get("lang")
    if chosen in LANGUAGES:
        account.set_language(session, actor, chosen)
    return edge.see(edge.onward_of(call, form.get("onward")))


@router.get("/static/{name}")
def get_static(call: Request, name: str) -> Response:
    """Give a style, script or picture of the pages; built ones have their digest in the name."""
    found = edge.web_of(call).front.files.get(name)
    if found is None:
        raise PageMissing
    body, kind = found
    headers = {"Cache-Control": _FOREVER if name != "icon.svg" else "public, max-age=86400"}
    return Response(body, media_type=kind, headers=headers)
