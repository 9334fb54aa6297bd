"""A fresh proof of who somebody is: on a page of its own, or in a dialog on the page he is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.identity import login, oidc
from app.identity.actor import Actor
from app.identity.authenticator import SESSION_COOKIE
from app.identity.guard import SessionActor, SourceDep
from app.identity.login import CodeRefused, LoginRefused, LoginThrottled
from app.identity.models import User
from app.identity.oidc import provider_of
from app.identity.routes import own_row, renewed
from app.identity.sessions import SessionNotFound
from app.web import edge
from app.web.edge import Form
from app.web.pages.account import send_to
from app.web.words import N_

router = edge.page_router()

_MOST_PASSWORD: Final = 1024
_MOST_CODE: Final = 64
_PAGE: Final = "account/proof.html"
_DIALOG: Final = "account/proof_dialog.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPage:
    """What is asked once more: a code where there is one, else the password, or the provider."""

    title: str
    onward: str
    wrong: str
    asks_code: bool
    asks_password: bool
    at_provider: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """That it was proved; the forms of the page carry another token now."""

    title: str


@router.get("/account/proof")
def show_proof(
    call: Request,
    actor: SessionActor,
    session: SessionDep,
    onward: str | None = None,
    part: str | None = None,
) -> Response:
    """Ask for password or code once more; `part=dialog` gives the form without a page around it."""
    template = _DIALOG if part == "dialog" else _PAGE
    return _proof(call, actor, session, edge.onward_of(call, onward), template=template)


@router.post("/account/proof")
def prove(
    call: Request,
    form: Form,
    actor: SessionActor,
    database: DatabaseDep,
    source: SourceDep,
    clock: ClockDep,
) -> Response:
    """Take password or code once more, and go back; to a dialog, the forms' new token."""
    onward = edge.onward_of(call, form.get("onward"))
    is_dialog = form.get("part") == "dialog"
    try:
        token = login.prove(
            database,
            actor,
            password=form.raw("password")[:_MOST_PASSWORD],
            code=form.get("code")[:_MOST_CODE],
            source=source,
            at=clock.now(),
        )
    except (LoginRefused, CodeRefused, LoginThrottled) as exc:
        is_wrong = not isinstance(exc, LoginThrottled)
        wrong = (
            N_("That is not right. Try again.")
            if is_wrong
            else N_("Too many attempts. Wait a quarter of an hour.")
        )
        with database.transaction() as session:
            return _proof(
                call,
                actor,
                session,
                onward,
                template=_DIALOG if is_dialog else _PAGE,
                wrong=wrong,
                status=422 if is_wrong else 429,
            )
    if not is_dialog:
        return renewed(call, edge.see(onward), token)
    with database.transaction() as session:
        answer = renewed(call, Response(), token)
        call.cookies[SESSION_COOKIE] = token  # The forms carry the token of this one from now on.
        page = Proved(title="")
        body = edge.render(call, actor, session, "account/proved.html", page)
    for name, value in answer.raw_headers:
        if name == b"set-cookie":
            body.raw_headers.append((name, value))
    return body


@router.get("/account/proof/provider")
def prove_at_provider(
    call: Request,
    actor: SessionActor,
    database: DatabaseDep,
    clock: ClockDep,
    onward: str | None = None,
) -> Response:
    """Send the browser to the log-in provider, to be asked there once more."""
    if actor.browser is None:
        raise SessionNotFound
    begun = oidc.begin(
        database,
        provider_of(call.app.state.settings),
        edge.onward_of(call, onward),
        proves=actor.browser.session_id,
        at=clock.now(),
    )
    return send_to(begun)


def _proof(  # noqa: PLR0913 - whom, for what, in which form, and what was wrong.
    call: Request,
    actor: Actor,
    session: Session,
    onward: str,
    *,
    template: str,
    wrong: str = "",
    status: int = 200,
) -> Response:
    words = edge.words_of(call, actor, session)
    user = own_row(session, actor)
    page = ProofPage(
        title=words.gettext("Once more, to be sure"),
        onward=onward,
        wrong=words.gettext(wrong) if wrong else "",
        asks_code=user.totp_since is not None,
        asks_password=user.totp_since is None and user.password_hash is not None,
        at_provider=user.totp_since is None and _is_at_provider(call, session, user),
    )
    return edge.render(call, actor, session, template, page, status=status, words=words)


def _is_at_provider(call: Request, session: Session, user: User) -> bool:
    settings = call.app.state.settings
    return settings.oidc_issuer is not None and oidc.is_known_to(
        session, provider_of(settings), user
    )
