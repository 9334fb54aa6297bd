"""The edge of the pages: headers, forms, language, refusals as pages, and rendering.

A page is posted to and then redirects; nothing is carried over but the address. A form is believed
when it comes from our own origin and carries the token that only its log-in can make.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, Final, cast
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from app.clients.service import ClientNotFound, EventNotFound
from app.core import problems
from app.core.errors import Forbidden, Malformed, NotFound, Refusal, TooLarge, Unauthenticated
from app.core.paging import CursorInvalid
from app.core.problems import status_of
from app.demo import queries as demo
from app.disputes.service import DisputeNotFound
from app.identity import account
from app.identity.actor import (
    PROOF_LASTS,
    Actor,
    PermissionMissing,
    ProofNeeded,
    SecondFactorMissing,
)
from app.identity.authenticator import SESSION_COOKIE, KeyMissing
from app.identity.permissions import Permission
from app.recordings.service import RecordingNotFound
from app.releases.refusals import ReleaseNotFound
from app.web import frame as frames
from app.web import refusal_words
from app.web.frame import Counts, Frame
from app.web.front import Front
from app.web.sections import Section
from app.web.words import N_, Words, language_of

HOME: Final = "/"
MOST_FORM_BYTES: Final = 64 * 1024
_MOST_FIELDS: Final = 300
_MOST_ONWARD: Final = 2000
_MOST_SHOWN: Final = 60
_OWN_SITE: Final = frozenset({"same-origin", "none"})
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'{nonce}; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

Language = Annotated[str | None, Query(alias="lang", max_length=20)]


class FormStale(Forbidden):
    """The form does not belong to this log-in; load the page again."""


class PageMissing(NotFound):
    """There is no such page."""


@dataclass(frozen=True, slots=True)
class Web:
    """What the pages are given by `main`."""

    words: dict[str, Words]
    environments: frames.Environments
    front: Front
    sections: tuple[Section, ...]
    is_page: Callable[[str], bool]
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalPage:
    """A page that says why something is not possible, and what to do."""

    title: str
    lead: str
    what: str
    next_step: str
    without: str
    request_id: str
    back: str
    section: str
    section_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage:
    """The log-in form; `wrong` says why the last try failed."""

    title: str
    onward: str
    language: str
    wrong: str | None
    has_provider: bool


_LEADS: Final = {
    400: (N_("That does not fit together"), N_("Correct what you entered and send it again.")),
    403: (N_("You may not do this"), N_("Ask whoever may, or ask an administrator for the role.")),
    404: (
        N_("This is not here"),
        N_("It may be gone, or you may not see it. Look for it in the list."),
    ),
    409: (
        N_("Somebody was faster, or it is settled already"),
        N_("Load the page again to see how things stand now."),
    ),
    410: (N_("What was here has been destroyed"), N_("The ledger tells when and why.")),
    413: (N_("That is too much at once"), N_("Send less at a time.")),
    415: (N_("This kind of file is not kept here"), N_("Choose another file.")),
    422: (N_("Something in the address or form is not right"), N_("Go back and check the fields.")),
    429: (N_("Too many attempts"), N_("Wait a while and try again.")),
    503: (
        N_("A part of the archive is away for the moment"),
        N_("Nothing was changed. Try again in a few seconds."),
    ),
    500: (
        N_("Something broke in the archive"),
        N_(
            "Look whether what you wanted was done. Then give the number below to your "
            "administrator."
        ),
    ),
}

_NOTHING: Final[dict[str, type[NotFound]]] = {
    "client_id": ClientNotFound,
    "dispute_id": DisputeNotFound,
    "event_id": EventNotFound,
    "recording_id": RecordingNotFound,
    "release_id": ReleaseNotFound,
}
"""What there is none of where the id in a path is no id, by the name of the parameter."""


def web_of(call: Request) -> Web:
    """Return what `main` gave the pages."""
    return cast("Web", call.app.state.web)


class PageRoute(APIRoute):
    """Adds the headers of safety. What it refuses is answered as a page by `main`, rolled back."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            return guarded(await answer(request))

        return handler


def page_router() -> APIRouter:
    """Return a router whose routes are pages."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def guarded(response: Response) -> Response:
    """Add the headers of safety that a response does not bring itself."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", _POLICY.format(nonce=""))
    return response


# --- language and frame --------------------------------------------------------------------------


def words_of(call: Request, actor: Actor | None = None, session: Session | None = None) -> Words:
    """Return the words asked for in the address, else chosen once, else those of the browser.

    Moments are told in the zone of the offices where the actor works.
    """
    web = web_of(call)
    asked = call.query_params.get("lang")
    zone = None
    if actor is not None and session is not None and actor.id is not None:
        zone = account.zone_of(session, actor)
        if asked not in web.words:
            asked = account.language_of(session, actor)
    words = web.words[language_of(asked, call.headers.get("accept-language"))]
    return words if zone is None else replace(words, zone=ZoneInfo(zone))


def _frame(
    call: Request, words: Words, *, actor: Actor | None, session: Session | None, nonce: str
) -> Frame:
    web = web_of(call)
    token = call.cookies.get(SESSION_COOKIE) if actor is not None else None
    entries: tuple[frames.Entry, ...] = ()
    said = ""
    if actor is not None and session is not None and not _is_enrolling(actor):
        at = call.app.state.clock.now()
        entries = frames.navigation(
            web.sections,
            call.url.path,
            actor,
            count=lambda section: web.counts.of(session, actor, section, at=at),
            say=words.gettext,
        )
        said = _demo(session, actor)
    query = urlencode([(k, v) for k, v in call.query_params.multi_items() if k != "lang"])
    return Frame(
        language=words.language,
        path=call.url.path,
        query=query,
        person=actor.name if actor else "",
        token=form_token(token) if token else "",
        navigation=entries,
        zone=str(words.zone),
        is_built=web.front.is_built,
        style=web.front.url("app.css"),
        script=web.front.url("app.js"),
        nonce=nonce,
        proof_left=_proof_left(actor, call.app.state.clock.now()),
        demo=said,
    )


def _demo(session: Session, actor: Actor) -> str:
    if not demo.is_here(session):
        return ""
    return "mine" if Permission.USER_ADMIN in actor.permissions else "here"


def _proof_left(actor: Actor | None, at: datetime) -> int:
    if actor is None or actor.browser is None or actor.browser.proved_at is None:
        return 0
    left = actor.browser.proved_at + PROOF_LASTS - at
    return max(0, int(left.total_seconds()))


def render(  # noqa: PLR0913 - who calls, who is shown what, and how it is answered.
    call: Request,
    actor: Actor | None,
    session: Session | None,
    template: str,
    page: object,
    *,
    status: int = 200,
    words: Words | None = None,
    has_nonce: bool = False,
) -> HTMLResponse:
    """Answer with a page. `has_nonce` lets in the style elements that carry the frame's nonce.

    Raises:
        SecondFactorMissing: nothing but the account is open before a second factor is set up.
    """
    if _is_enrolling(actor) and not call.url.path.startswith("/account"):
        raise SecondFactorMissing
    said = words or words_of(call, actor, session)
    nonce = secrets.token_urlsafe(16) if has_nonce else ""
    around = _frame(call, said, actor=actor, session=session, nonce=nonce)
    body = frames.render(web_of(call).environments.of(said), template, around, page)
    headers = {"Content-Language": said.language, "Vary": "Accept-Language, Cookie"}
    if nonce:
        headers["Content-Security-Policy"] = _POLICY.format(nonce=f" 'nonce-{nonce}'")
    return HTMLResponse(body, status, headers=headers)


def _is_enrolling(actor: Actor | None) -> bool:
    return actor is not None and actor.browser is not None and actor.browser.is_enrolling


def see(path: str, query: Mapping[str, str] | None = None) -> RedirectResponse:
    """Answer a form that was done: look at a page of ours."""
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)


def settled(call: Request, response: Response) -> Response:
    """Let a browser that polls a part load the whole page: what it waited for is over."""
    if call.headers.get("hx-request") == "true":
        response.headers["HX-Refresh"] = "true"
    return response


# --- refusals ------------------------------------------------------------------------------------


def refused(call: Request, exc: Refusal) -> Response:
    """Return the page that tells of a refusal; of who is not known, the log-in form."""
    words = words_of(call)
    if isinstance(exc, SecondFactorMissing):
        return guarded(see("/account"))
    if isinstance(exc, ProofNeeded):
        return guarded(see("/account/proof", {"onward": _came_from(call)}))
    if isinstance(exc, Unauthenticated):
        onward = f"{call.url.path}?{call.url.query}" if call.method == "GET" else HOME
        return login(call, words, onward=onward, wrong=None, status=401)
    exc = _named(exc)
    status = status_of(type(exc))
    lead, step = _LEADS.get(status, _LEADS[400])
    if isinstance(exc, FormStale):
        step = N_("Go back, load the page again and send the form once more.")
    if isinstance(exc, PermissionMissing):
        step = N_("An administrator can give you another role.")
    wrong = _wrong_conditions(call, exc)
    if wrong:
        step = N_("Correct in the address: %(names)s. Or open the page without these conditions.")
    what = refusal_words.details(exc, words)
    section = None if isinstance(exc, Forbidden) else _section_of(call)
    page = RefusalPage(
        title=words.gettext(lead),
        lead=words.gettext(exc.title()),
        what=what[:1].upper() + what[1:],
        next_step=words.gettext(step) % {"names": wrong} if wrong else words.gettext(step),
        without=call.url.path if wrong else "",
        request_id=str(getattr(call.state, "request_id", "")),
        back=HOME,
        section=words.gettext(section.label) if section else "",
        section_path=section.path if section else "",
    )
    return guarded(render(call, None, None, "parts/refusal.html", page, status=status, words=words))


def _named(exc: Refusal) -> Refusal:
    """Return what it means that a part of the path is nothing that can stand there.

    Nothing has such an id, so it is answered like an id of nothing.
    """
    if not isinstance(exc, Malformed):
        return exc
    found = cast("list[dict[str, str]]", exc.facts.get("errors", []))
    places = [one["where"].partition("/") for one in found]
    names = [name for kind, _, name in places if kind == "path"]
    return _NOTHING.get(names[0], PageMissing)() if names else exc


def _section_of(call: Request) -> Section | None:
    """Return the section of the navigation under which an address lies, if it is not its own."""
    return next(
        (one for one in web_of(call).sections if call.url.path.startswith(f"{one.path}/")), None
    )


def _wrong_conditions(call: Request, exc: Refusal) -> str:
    """Return what in the address does not fit and can be left out, as `from=2026-02-30`."""
    if isinstance(exc, CursorInvalid):
        names = {"cursor"}
    else:
        found = cast("list[dict[str, str]]", exc.facts.get("errors", []))
        places = [one["where"].partition("/") for one in found if isinstance(exc, Malformed)]
        names = {name for kind, _, name in places if kind == "query"}
    told = [(name, call.query_params.get(name, "")) for name in sorted(names)]
    return ", ".join(f"{name}={value[:_MOST_SHOWN]}" for name, value in told)


def _came_from(call: Request) -> str:
    """Return the page on which somebody was when a form or page asked for a fresh proof."""
    if call.method == "GET":
        return f"{call.url.path}?{call.url.query}" if call.url.query else call.url.path
    came = urlsplit(call.headers.get("referer", ""))
    if came.netloc != call.headers.get("host"):
        return HOME
    return f"{came.path}?{came.query}" if came.query else came.path


def broken(call: Request) -> Response:
    """Return the page that tells that something broke, with the number by which it is found."""
    return refused(call, problems.Broken())


def login(
    call: Request, words: Words, *, onward: str, wrong: str | None, status: int = 200
) -> Response:
    """Return the log-in form."""
    page = LoginPage(
        title=words.gettext("Log in"),
        onward=onward_of(call, onward),
        language=words.language if call.query_params.get("lang") else "",
        wrong=wrong,
        has_provider=call.app.state.settings.oidc_issuer is not None,
    )
    return guarded(render(call, None, None, "access/login.html", page, status=status, words=words))


def onward_of(call: Request, asked: str | None) -> str:
    """Return where to go after the log-in: a page of ours, never another address."""
    if not asked or len(asked) > _MOST_ONWARD or not asked.startswith("/"):
        return HOME
    try:
        parts = urlsplit(asked)
        pairs = parse_qsl(parts.query, max_num_fields=50)
    except ValueError:
        return HOME
    if parts.scheme or parts.netloc or not web_of(call).is_page(parts.path):
        return HOME
    query = urlencode([pair for pair in pairs if pair[0] != "lang"])
    return f"{parts.path}?{query}" if query else parts.path


# --- forms ---------------------------------------------------------------------------------------


class Fields:
    """The fields of a form, each a text; nothing is taken for granted of them."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def get(self, name: str, otherwise: str = "") -> str:
        """Return what was entered, without the spaces around it."""
        return self._fields.get(name, [otherwise])[0].strip()

    def raw(self, name: str) -> str:
        """Return what was entered as it is, for what is secret."""
        return self._fields.get(name, [""])[0]

    def all(self, name: str) -> list[str]:
        """Return everything that was chosen under one name."""
        return self._fields.get(name, [])

    def entered(self, name: str, place: int = 0) -> str:
        """Return what was entered, of several fields of a name that at a place; else nothing."""
        values = self.all(name)
        return values[place] if place < len(values) else ""

    def first(self) -> dict[str, str]:
        """Return what was entered by field, of several the first."""
        return {name: values[0] for name, values in self._fields.items() if values}

    def id(self, name: str) -> UUID:
        """Return an id.

        Raises:
            Malformed: it is none.
        """
        try:
            return UUID(self.get(name))
        except ValueError as exc:
            raise Malformed(field=name) from exc


def form_token(session_token: str) -> str:
    """Return the token that forms of a session carry: nobody without its cookie can make it."""
    return hmac.new(session_token.encode(), b"form", hashlib.sha256).hexdigest()


def is_form_token(given: str, session_token: str) -> bool:
    """Say whether `given` is the token of the session's forms."""
    return hmac.compare_digest(given.encode(), form_token(session_token).encode())


def must_be_own(call: Request) -> None:
    """Refuse a form that does not come from our own origin.

    Raises:
        FormStale: another site sent it, or it is not told which.
    """
    if call.headers.get("sec-fetch-site") not in _OWN_SITE:
        raise FormStale
    origin = call.headers.get("origin")
    # Behind a proxy that ends TLS the scheme differs; the host is what a site cannot choose.
    if origin not in {None, "null"} and urlsplit(origin).netloc != call.headers.get("host"):
        raise FormStale


async def _fields(call: Request) -> Fields:
    """Return a form's fields; a body longer than a form's is refused unread."""
    must_be_own(call)
    body = bytearray()
    async for piece in call.stream():
        body += piece
        if len(body) > MOST_FORM_BYTES:
            raise TooLarge
    try:
        told = parse_qs(
            body.decode("utf-8", "replace").replace("\x00", ""),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as exc:
        raise TooLarge from exc
    return Fields(told)


async def _form(call: Request) -> Fields:
    cookie = call.cookies.get(SESSION_COOKIE, "")
    if not cookie and "authorization" not in call.headers:
        raise KeyMissing  # Who is not known is asked who he is before his form is looked at.
    fields = await _fields(call)
    if not cookie or not is_form_token(fields.get("token"), cookie):
        raise FormStale
    return fields


OpenForm = Annotated[Fields, Depends(_fields)]
"""A form of our own origin that needs no log-in."""

Form = Annotated[Fields, Depends(_form)]
"""A form of our own origin that carries the token of the log-in."""
