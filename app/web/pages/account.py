"""One's own account: code, password, second factor, log-ins, and the ways back to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app.core.db import Database
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.errors import Invalid, Refusal
from app.identity import account, login, oidc, second_factor, sessions
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.authenticator import SESSION_COOKIE
from app.identity.guard import SessionActor, SourceDep, authenticator
from app.identity.login import CodeAsked, CodeRefused, LoginRefused, LoginThrottled
from app.identity.models import User
from app.identity.oidc import Begun, Known, ProviderRefused, SubjectUnknown, provider_of
from app.identity.passwords import SHORTEST, SHORTEST_WITH_CODE
from app.identity.permissions import Role
from app.identity.routes import forget, own_row, renewed, set_cookie
from app.identity.second_factor import CodeWrong
from app.web import edge, refusal_words
from app.web.edge import Form, OpenForm
from app.web.words import N_, Words

router = edge.page_router()
TICKET_COOKIE: Final = "__Host-audiatur-code"
STATE_COOKIE: Final = "__Host-audiatur-state"
_TICKET_SECONDS: Final = 300
_STATE_SECONDS: Final = 600
_MOST_CODE: Final = 64
_HERE: Final = "/account"

_HOW: Final = {
    "password": N_("password"),
    "provider": N_("log-in provider"),
    "totp": N_("code from a telephone"),
    "recovery_code": N_("recovery code"),
    "second": N_("second factor of the provider"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePage:
    """A form that asks for one code, or for the password where there is no second factor."""

    title: str
    onward: str
    wrong: str
    asks_password: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A log-in from a browser."""

    id: UUID
    began: datetime
    seen: datetime
    how: str
    address: str
    browser: str
    is_this: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage:
    """Everything that is one's own."""

    title: str
    name: str
    full_name: str
    has_password: bool
    has_code: bool
    is_asked: bool
    is_enrolling: bool
    codes_left: int
    shortest: int
    rows: tuple[SessionRow, ...]
    wrong: str
    wrong_old: str
    email: str
    wrong_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretPage:
    """What a telephone takes over, and the field for its first code."""

    title: str
    secret: str
    picture: str
    wrong: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesPage:
    """Recovery codes, shown once."""

    title: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPage:
    """A form for a new password, by a recovery link."""

    title: str
    action: str
    name: str
    shortest: int
    wrong: str


def ask_for_code(ticket: str, onward: str) -> Response:
    """Send a browser whose password was right on to the field for the code."""
    response = edge.see("/login/code", {"onward": onward})
    response.set_cookie(
        TICKET_COOKIE,
        ticket,
        max_age=_TICKET_SECONDS,
        secure=True,
        httponly=True,
        samesite="strict",
    )
    return response


def why(words: Words, refusal: Refusal) -> str:
    """Say in the reader's words why a password or name is not taken."""
    return refusal_words.said(refusal, words)


@router.get("/login/code")
def show_code(call: Request, onward: str | None = None) -> Response:
    """Ask for the code of somebody whose password was right."""
    return _code(call, edge.onward_of(call, onward), wrong="")


@router.post("/login/code")
def give_code(
    call: Request, form: OpenForm, database: DatabaseDep, clock: ClockDep, source: SourceDep
) -> Response:
    """Log in by the code from the telephone, or by a recovery code."""
    words = edge.words_of(call)
    onward = edge.onward_of(call, form.get("onward"))
    ticket, code = call.cookies.get(TICKET_COOKIE, ""), form.get("code")[:_MOST_CODE]
    try:
        token = login.give_code(database, ticket, code, source=source, at=clock.now())
    except CodeRefused:
        wrong = words.gettext(
            "The code is not right, or was used already. Wait for the next one; after five "
            "minutes begin again with the password."
        )
        return _code(call, onward, wrong=wrong, status=401)
    except LoginThrottled:
        wrong = words.gettext("Too many attempts. Wait a quarter of an hour.")
        return _code(call, onward, wrong=wrong, status=429)
    response = set_cookie(edge.see(onward), token)
    response.delete_cookie(TICKET_COOKIE, secure=True, httponly=True, samesite="strict")
    return response


def _code(call: Request, onward: str, *, wrong: str, status: int = 200) -> Response:
    words = edge.words_of(call)
    page = CodePage(title=words.gettext("Your code"), onward=onward, wrong=wrong)
    return edge.render(call, None, None, "account/code.html", page, status=status, words=words)


# --- a provider of log-ins -----------------------------------------------------------------------


@router.get("/login/provider")
def begin_at_provider(
    call: Request, database: DatabaseDep, clock: ClockDep, onward: str | None = None
) -> Response:
    """Send the browser to the log-in provider.

    By a link, since the policy of the pages lets no form lead to another site.
    """
    wanted = edge.onward_of(call, onward)
    begun = oidc.begin(database, provider_of(call.app.state.settings), wanted, at=clock.now())
    return send_to(begun)


def send_to(begun: Begun) -> Response:
    """Send a browser to the log-in provider, with what it must bring back."""
    response = RedirectResponse(begun.url, 303)
    response.set_cookie(
        STATE_COOKIE,
        begun.state,
        max_age=_STATE_SECONDS,
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get("/login/provider/back")
def come_back(call: Request, database: DatabaseDep, clock: ClockDep, source: SourceDep) -> Response:
    """Let in whom the provider has named, or ask for his code."""
    at = clock.now()
    words = edge.words_of(call)
    try:
        known = oidc.finish(
            database,
            provider_of(call.app.state.settings),
            dict(call.query_params),
            call.cookies.get(STATE_COOKIE, ""),
            at=at,
        )
        if known.proves is not None:
            return _proved(call, database, known, at=at)
        token = login.admit_from_provider(
            database, known.user_id, has_second=known.has_second, source=source, at=at
        )
    except CodeAsked as exc:
        return ask_for_code(exc.ticket, known.onward)
    except (ProviderRefused, SubjectUnknown, LoginRefused) as exc:
        wrong = refusal_words.said(exc, words)
        return edge.login(call, words, onward=edge.HOME, wrong=wrong, status=401)
    response = set_cookie(edge.see(edge.onward_of(call, known.onward)), token)
    response.delete_cookie(STATE_COOKIE, secure=True, httponly=True, samesite="lax")
    return response


def _proved(call: Request, database: Database, known: Known, *, at: datetime) -> Response:
    """Let the log-in that asked count as proved, if the provider named the person whose it is.

    Raises:
        ProviderRefused: it is another person, or another log-in.
    """
    actor = authenticator(call).actor_of(call)
    own = actor.browser.session_id if actor.browser else None
    if own != known.proves or actor.id != known.user_id:
        raise ProviderRefused
    with database.transaction() as session:
        if session.get_one(User, actor.id).totp_since is not None and not known.has_second:
            raise ProviderRefused
        token = sessions.renew(session, actor, how="provider", at=at)
    response = renewed(call, edge.see(edge.onward_of(call, known.onward)), token)
    response.delete_cookie(STATE_COOKIE, secure=True, httponly=True, samesite="lax")
    return response


# --- the account ----------------------------------------------------------------------------------


@router.get(_HERE)
def show_account(
    call: Request, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """Show password, second factor and log-ins of whoever looks."""
    return _account(call, actor, session, clock.now())


def _account(  # noqa: PLR0913 - who looks, and what was wrong of each form.
    call: Request,
    actor: Actor,
    session: Session,
    at: datetime,
    *,
    wrong: str = "",
    wrong_old: str = "",
    wrong_address: str = "",
) -> Response:
    words = edge.words_of(call, actor, session)
    user = session.get_one(User, actor.id)
    this = actor.browser.session_id if actor.browser else None
    page = AccountPage(
        title=words.gettext("My account"),
        name=user.name,
        full_name=user.full_name,
        has_password=user.password_hash is not None,
        has_code=user.totp_since is not None,
        is_asked=Role(user.role) in call.app.state.asked_of,
        is_enrolling=actor.browser is not None and actor.browser.is_enrolling,
        codes_left=second_factor.recovery_codes_left(session, user),
        shortest=SHORTEST_WITH_CODE if user.totp_since else SHORTEST,
        rows=tuple(
            SessionRow(
                id=row.id,
                began=row.created_at,
                seen=row.seen_at,
                how=", ".join(words.gettext(_HOW.get(one, one)) for one in row.how.split("+")),
                address=row.address or "",
                browser=row.browser or "",
                is_this=row.id == this,
            )
            for row in sessions.own(session, user.id, at=at)
        ),
        wrong=wrong,
        wrong_old=wrong_old,
        email=user.email or "",
        wrong_address=wrong_address,
    )
    status = 422 if wrong or wrong_old or wrong_address else 200
    return edge.render(
        call, actor, session, "account/account.html", page, status=status, words=words
    )


@router.post("/account/address")
def change_address(
    call: Request, form: Form, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """Let one's letters go to another address."""
    at = clock.now()
    try:
        identity.set_address(session, actor, form.get("email")[:500] or None, at=at)
    except identity.AddressInvalid as exc:
        wrong = why(edge.words_of(call, actor, session), exc)
        return _account(call, actor, session, at, wrong_address=wrong)
    return edge.see(_HERE)


@router.post("/account/password")
def change_password(
    call: Request,
    form: Form,
    actor: SessionActor,
    database: DatabaseDep,
    source: SourceDep,
    clock: ClockDep,
) -> Response:
    """Change one's password; every other log-in ends."""
    at = clock.now()
    wrong = wrong_old = ""
    old, new = form.raw("old")[:1024], form.raw("new")[:2048]
    try:
        token = account.change_password(database, actor, old=old, new=new, source=source, at=at)
        return renewed(call, edge.see(_HERE), token)
    except (LoginRefused, LoginThrottled) as exc:
        wrong_old = why(edge.words_of(call), exc)
        if isinstance(exc, LoginRefused):
            wrong_old = edge.words_of(call).gettext("This is not your password.")
    except Invalid as exc:
        wrong = why(edge.words_of(call), exc)
    with database.transaction() as session:
        return _account(call, actor, session, at, wrong=wrong, wrong_old=wrong_old)


@router.post("/account/sessions/end")
def end_session(form: Form, actor: SessionActor, session: SessionDep, clock: ClockDep) -> Response:
    """End one of one's own log-ins."""
    sessions.end(session, actor, form.id("session"), at=clock.now())
    return edge.see(_HERE)


@router.post("/account/sessions/end-others")
def end_others(_form: Form, actor: SessionActor, session: SessionDep, clock: ClockDep) -> Response:
    """End one's own log-ins, all but this one."""
    if actor.id is not None and actor.browser is not None:
        but = actor.browser.session_id
        sessions.end_all(session, actor, actor.id, at=clock.now(), but=but)
    return edge.see(_HERE)


# --- the second factor ----------------------------------------------------------------------------


@router.post("/account/second-factor/begin")
def begin_second_factor(
    _form: Form, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """Begin to set up the second factor."""
    actor.proved(at=clock.now())
    second_factor.begin(session, own_row(session, actor))
    return edge.see("/account/second-factor")


@router.get("/account/second-factor")
def show_second_factor(
    call: Request, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """Show what the telephone takes over, until its first code was given."""
    return _second_factor(call, actor, session, clock.now(), wrong="")


def _second_factor(
    call: Request, actor: Actor, session: Session, at: datetime, *, wrong: str
) -> Response:
    words = edge.words_of(call, actor, session)
    user = own_row(session, actor)
    actor.proved(at=at)
    secret = second_factor.pending(session, user) or ""
    page = SecretPage(
        title=words.gettext("Second factor"),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        picture=second_factor.picture(second_factor.uri(user, secret)) if secret else "",
        wrong=wrong,
    )
    return edge.render(
        call,
        actor,
        session,
        "account/second_factor.html",
        page,
        status=422 if wrong else 200,
        words=words,
    )


@router.post("/account/second-factor/confirm")
def confirm_second_factor(
    call: Request, form: Form, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """Let the second factor count from now on, and show the recovery codes, once."""
    at = clock.now()
    user = own_row(session, actor)
    try:
        codes = second_factor.confirm(session, actor, user, form.get("code")[:_MOST_CODE], at=at)
    except CodeWrong as exc:
        said = why(edge.words_of(call, actor, session), exc)
        return _second_factor(call, actor, session, at, wrong=said)
    token = sessions.renew(session, actor, how="totp", at=at)
    forget(call)
    call.cookies[SESSION_COOKIE] = token  # The page's forms carry the token of this one.
    return set_cookie(_codes(call, actor, session, codes), token)


@router.post("/account/second-factor/remove")
def remove_second_factor(
    call: Request, _form: Form, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """Do without the second factor, where the role does not ask for it."""
    at = clock.now()
    actor.proved(at=at)
    asked_of = call.app.state.asked_of
    second_factor.remove(session, actor, own_row(session, actor), asked_of=asked_of, at=at)
    return edge.see(_HERE)


@router.post("/account/recovery-codes")
def renew_codes(
    call: Request, _form: Form, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """Show new recovery codes, once; the older ones are void."""
    at = clock.now()
    actor.proved(at=at)
    codes = second_factor.renew_recovery_codes(session, actor, own_row(session, actor), at=at)
    return _codes(call, actor, session, codes)


def _codes(call: Request, actor: Actor, session: Session, codes: Sequence[str]) -> Response:
    words = edge.words_of(call, actor, session)
    page = CodesPage(title=words.gettext("Recovery codes"), codes=tuple(codes))
    return edge.render(call, actor, session, "account/codes.html", page, words=words)


# --- coming back ----------------------------------------------------------------------------------


@router.get("/recovery/{token}")
def show_recovery(call: Request, token: str, session: SessionDep, clock: ClockDep) -> Response:
    """Ask for a new password, by a recovery link."""
    user = account.whose_recovery(session, token, at=clock.now())
    return _recovery(call, token, user.name, wrong="")


@router.post("/recovery/{token}")
def recover(
    call: Request, token: str, form: OpenForm, database: DatabaseDep, clock: ClockDep
) -> Response:
    """Set the new password, and go to the log-in."""
    at = clock.now()
    with database.transaction() as session:
        name = account.whose_recovery(session, token, at=at).name
    try:
        account.recover(database, token, form.raw("password")[:2048], at=at)
    except Invalid as exc:
        return _recovery(call, token, name, wrong=why(edge.words_of(call), exc))
    return edge.see("/login")


def _recovery(call: Request, token: str, name: str, *, wrong: str) -> Response:
    words = edge.words_of(call)
    page = PasswordPage(
        title=words.gettext("A new password"),
        action=f"/recovery/{token}",
        name=name,
        shortest=SHORTEST,
        wrong=wrong,
    )
    response = edge.render(
        call,
        None,
        None,
        "account/password.html",
        page,
        status=422 if wrong else 200,
        words=words,
    )
    response.headers["Referrer-Policy"] = "no-referrer"  # The address is the key.
    return response
