"""Telephony services: which tell of calls, how they do, and what became of what they told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.errors import Conflict, Invalid, Malformed
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.providers import queries, service, taking
from app.providers.kinds import SERVICES
from app.providers.models import Kind, NoticeState
from app.providers.schemas import ProviderChange, ProviderWrite
from app.providers.service import Seen
from app.providers.told import MediaState
from app.recordings.models import Direction
from app.web import client_words as said
from app.web import edge, refusal_words
from app.web.edge import Fields, Form
from app.web.pages.people import SecretPage
from app.web.words import N_, Words

router = edge.page_router()

CanAdmin = Annotated[Actor, Depends(Requires(Permission.DEVICE_ADMIN))]
_SHOWN: Final = 50
_MOST_SECRET: Final = 4000

NAMES: Final = {
    Kind.MANGO: N_("Mango Office"),
    Kind.TEMPLATE: N_("UIS, and messages that you write yourself"),
    Kind.ZADARMA: N_("Zadarma, Novofon"),
    Kind.BITRIX: N_("an exchange that was written for Bitrix24"),
    Kind.TWILIO: N_("Twilio, SignalWire"),
    Kind.TELNYX: N_("Telnyx TeXML"),
    Kind.STANDARD: N_("Standard Webhooks"),
}
WHERE: Final = {
    Kind.MANGO: N_(
        "In the Mango Office account open Integrations, API connector. Put this address in as"
        " the address of the external system; Mango adds the ends of its events itself. The "
        "key and the salt stand on the same page."
    ),
    Kind.TEMPLATE: N_(
        "In the UIS account open Administration, Notifications. Make an HTTP notification for"
        " the end of a call and one for the record, with this address, the method POST and a "
        "JSON body of its variables; put the token into the member token."
    ),
    Kind.ZADARMA: N_(
        "In the Zadarma or Novofon account open Settings, Integrations and API, "
        "Notifications. Put this address in, and switch on START, ANSWER, END, OUT_START, "
        "OUT_END and RECORD. Key and secret stand on the page of the API."
    ),
    Kind.BITRIX: N_(
        "In the settings of the exchange put this address in where it asks for the webhook of"
        " Bitrix24. The token is the only proof: keep it out of the logs of whatever stands "
        "in between."
    ),
    Kind.TWILIO: N_(
        "In the Twilio console put this address in at two places of the number: as the status"
        " callback of the call, and as the recording status callback. The token is the auth "
        "token of the account."
    ),
    Kind.TELNYX: N_(
        "In the Telnyx portal put this address in at two places of the TeXML application: as "
        "the status callback and as the recording status callback. The public key stands "
        "under Keys and Credentials."
    ),
    Kind.STANDARD: N_(
        "Give this address to whatever signs its messages by Standard Webhooks. Its secret "
        "begins with whsec_."
    ),
}
REASONS: Final = {
    "too_short": N_("the service says: too short"),
    "failed": N_("the service says: failed"),
    "link_used": N_("its link works once and was used"),
    "media-forbidden": N_("it is at a host that this connection does not allow"),
    "not-audio": N_("what came is no audio"),
    "too-large": N_("it is larger than the archive takes"),
    "empty-file": N_("what came is empty"),
    "recording-erased": N_("it was here and was erased"),
    "other-bytes": N_("another file of this call is here"),
    "": N_("no reason was kept"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why recordings did not come, and how many."""

    words: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A connection in the list."""

    id: UUID
    name: str
    kind: str
    state: str
    last_at: datetime | None
    waiting: int
    unreadable: int
    kept: int
    refused: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersPage:
    """Every connection, and the form for one more."""

    title: str
    rows: tuple[Row, ...]
    kinds: tuple[tuple[str, str], ...]
    directions: tuple[tuple[str, str], ...]
    needed: tuple[tuple[str, str], ...]
    told: dict[str, str]
    wrong: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """A message of the service."""

    at: datetime
    state: str
    reason: str
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRow:
    """A recording that the service told of."""

    id: UUID
    at: datetime
    call: str
    state: str
    reason: str
    attempts: int
    recording_id: UUID | None
    may_ask: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPage:
    """One connection and its log."""

    title: str
    id: UUID
    kind: str
    state: str
    is_removed: bool
    address: str
    help: str
    row: Row
    hosts: str
    public_url: str
    direction: str
    directions: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]
    is_made_here: bool
    two_secrets_until: datetime | None
    notices: tuple[NoticeRow, ...]
    media: tuple[MediaRow, ...]
    shown: str
    wrong: dict[str, str]


@router.get("/providers")
def show_providers(call: Request, actor: CanAdmin, session: SessionDep) -> Response:
    """Show every connection."""
    return _providers(call, actor, session)


@router.post("/providers")
def add_provider(
    call: Request, form: Form, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Make a connection; show the secret that was made for it once."""
    words = edge.words_of(call, actor, session)
    asked = {name: form.get(name) for name in ("name", "kind", "public_url", "hosts", "direction")}
    asked["mapping"] = form.raw("mapping").strip()
    wrong: dict[str, str] = {}
    said_now = _said(form, asked, words, wrong)
    if said_now is None:
        return _providers(call, actor, session, told=asked, wrong=wrong)
    try:
        with session.begin_nested():
            account = service.add(session, actor, said_now, at=clock.now())
    except (Invalid, Conflict, Malformed) as exc:
        session.expire_all()
        field = {"SecretsWrong": "secrets", "MappingWrong": "mapping"}.get(
            type(exc).__name__, "name"
        )
        wrong[field] = refusal_words.said(exc, words)
        return _providers(call, actor, session, told=asked, wrong=wrong)
    kind = Kind(account.kind)
    if kind in service.MADE_HERE and not form.raw("secret_token").strip():
        token = said_now.secrets["token"].get_secret_value()
        return _secret(call, actor, session, words, account.id, account.name, kind, token)
    return edge.see(f"/providers/{account.id}")


def _said(
    form: Fields, asked: dict[str, str], words: Words, wrong: dict[str, str]
) -> ProviderWrite | None:
    """Return what the form says, or None where it cannot be said; `wrong` has why."""
    if asked["kind"] not in {str(kind) for kind in Kind}:
        wrong["kind"] = words.gettext("Choose which service it is.")
        return None
    kind = Kind(asked["kind"])
    secrets = _secrets_of(form, kind) or service.made_secrets(kind)
    body: dict[str, Any] = {
        "name": asked["name"],
        "kind": kind,
        "public_url": asked["public_url"],
        "secrets": secrets,
        "media_hosts": tuple(asked["hosts"].replace(",", " ").split()),
        "direction": asked["direction"] or Direction.INBOUND,
    }
    if asked["mapping"]:
        try:
            body["mapping"] = json.loads(asked["mapping"])
        except ValueError:
            wrong["mapping"] = words.gettext("The mapping is no JSON.")
            return None
    try:
        return ProviderWrite.model_validate(body)
    except ValidationError as exc:
        for one in exc.errors(include_input=False, include_url=False):
            field = {"media_hosts": "hosts"}.get(str(one["loc"][0]), str(one["loc"][0]))
            wrong[field] = words.gettext(_WRONG.get(field, _OTHERWISE))
        return None


_FIELD_OF: Final[dict[type[Exception], str]] = {
    service.SecretsWrong: "secrets",
    service.MappingWrong: "mapping",
}
_OTHERWISE: Final = N_("This cannot be used.")
_WRONG: Final = {
    "public_url": N_(
        "It begins with https:// and has neither a question mark nor a name before it."
    ),
    "hosts": N_(
        "Names of hosts, apart by spaces; one that begins with a dot stands for all below it."
    ),
    "name": N_("A name of 1 to 200 letters."),
}


def _secrets_of(form: Fields, kind: Kind) -> dict[str, str]:
    names = SERVICES[kind].secrets | SERVICES[kind].optional
    found = {name: form.raw(f"secret_{name}").strip()[:_MOST_SECRET] for name in sorted(names)}
    return {name: value for name, value in found.items() if value}


@router.get("/providers/{provider_id}")
def show_provider(
    call: Request,
    provider_id: UUID,
    actor: CanAdmin,
    session: SessionDep,
    state: MediaState | None = None,
) -> Response:
    """Show a connection: its address, what came, and what became of it."""
    return _provider(call, actor, session, provider_id, shown=state)


@router.post("/providers/{provider_id}")
def change_provider(
    call: Request,
    provider_id: UUID,
    form: Form,
    actor: CanAdmin,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Let a connection be reached elsewhere, and its media come from other hosts."""
    words = edge.words_of(call, actor, session)
    try:
        change = ProviderChange.model_validate(
            {
                "public_url": form.get("public_url"),
                "media_hosts": tuple(form.get("hosts").replace(",", " ").split()),
                "direction": form.get("direction"),
            }
        )
    except ValidationError as exc:
        wrong = {}
        for one in exc.errors(include_input=False, include_url=False):
            field = {"media_hosts": "hosts"}.get(str(one["loc"][0]), str(one["loc"][0]))
            wrong[field] = words.gettext(_WRONG.get(field, _OTHERWISE))
        return _provider(call, actor, session, provider_id, wrong=wrong)
    service.change(session, actor, provider_id, change, at=clock.now())
    return edge.see(f"/providers/{provider_id}")


@router.post("/providers/{provider_id}/rotate")
def rotate_provider(
    call: Request,
    provider_id: UUID,
    form: Form,
    actor: CanAdmin,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Give a connection other secrets; the old ones count for another day."""
    words = edge.words_of(call, actor, session)
    account = service.found(session, provider_id)
    kind = Kind(account.kind)
    given = _secrets_of(form, kind)
    secrets = given or service.made_secrets(kind)
    try:
        with session.begin_nested():
            service.rotate(session, actor, provider_id, secrets, at=clock.now())
    except Malformed as exc:
        session.expire_all()
        wrong = {"secrets": refusal_words.said(exc, words)}
        return _provider(call, actor, session, provider_id, wrong=wrong)
    if kind in service.MADE_HERE and not given:
        return _secret(
            call, actor, session, words, account.id, account.name, kind, secrets["token"]
        )
    return edge.see(f"/providers/{provider_id}")


@router.post("/providers/{provider_id}/remove")
def remove_provider(
    provider_id: UUID, _form: Form, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Take nothing more from a connection."""
    service.remove(session, actor, provider_id, at=clock.now())
    return edge.see(f"/providers/{provider_id}")


@router.post("/providers/{provider_id}/media/{media_id}/again")
def ask_again(
    provider_id: UUID,
    media_id: UUID,
    _form: Form,
    actor: CanAdmin,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Ask once more for a recording that was given up or refused."""
    taking.again(session, actor, provider_id, media_id, at=clock.now())
    return edge.see(f"/providers/{provider_id}")


# --- how they are shown ---------------------------------------------------------------------------


def _providers(
    call: Request,
    actor: Actor,
    session: Session,
    *,
    told: dict[str, str] | None = None,
    wrong: dict[str, str] | None = None,
) -> Response:
    words = edge.words_of(call, actor, session)
    names = sorted({name for one in SERVICES.values() for name in one.secrets | one.optional})
    page = ProvidersPage(
        title=words.gettext("Telephony services"),
        rows=tuple(_row(session, one, words) for one in service.seen(session)),
        kinds=(
            ("", words.gettext("choose")),
            *((str(kind), words.gettext(name)) for kind, name in NAMES.items()),
        ),
        directions=_directions(words),
        needed=tuple((name, ", ".join(_kinds_with(name, words))) for name in names),
        told=told or {},
        wrong=wrong or {},
    )
    status = 422 if wrong else 200
    return edge.render(
        call, actor, session, "providers/providers.html", page, status=status, words=words
    )


def _kinds_with(name: str, words: Words) -> list[str]:
    return [
        words.gettext(NAMES[kind])
        for kind, one in SERVICES.items()
        if name in one.secrets | one.optional
    ]


def _directions(words: Words) -> tuple[tuple[str, str], ...]:
    return tuple((str(one), words.gettext(said.DIRECTIONS[one])) for one in Direction)


def _reason(code: str, words: Words) -> str:
    known = REASONS.get(code)
    return words.gettext(known) if known else code


def _row(session: Session, one: Seen, words: Words) -> Row:
    stand = queries.stand(session, one.account.id)
    state = "on" if stand.last_notice_at else "silent"
    return Row(
        id=one.account.id,
        name=one.account.name,
        kind=words.gettext(NAMES[Kind(one.account.kind)]),
        state="removed" if one.account.removed_at else state,
        last_at=stand.last_notice_at,
        waiting=one.media[MediaState.WAITING] + one.media[MediaState.ASKED],
        unreadable=one.notices[NoticeState.UNREADABLE],
        kept=one.media[MediaState.KEPT],
        refused=tuple(
            Reason(words=_reason(reason, words), count=count)
            for reason, count in stand.refused.items()
        ),
    )


def _provider(
    call: Request,
    actor: Actor,
    session: Session,
    provider_id: UUID,
    *,
    shown: MediaState | None = None,
    wrong: dict[str, str] | None = None,
) -> Response:
    words = edge.words_of(call, actor, session)
    account = service.found(session, provider_id)
    seen = next(one for one in service.seen(session) if one.account.id == account.id)
    row = _row(session, seen, words)
    kind = Kind(account.kind)
    known = SERVICES[kind]
    page = ProviderPage(
        title=account.name,
        id=account.id,
        kind=row.kind,
        state=row.state,
        is_removed=account.removed_at is not None,
        address=address_of(account.public_url, account.id, kind, words.gettext("TOKEN")),
        help=words.gettext(WHERE[kind]),
        row=row,
        hosts=" ".join(account.media_hosts),
        public_url=account.public_url,
        direction=account.direction,
        directions=_directions(words),
        secrets=tuple(sorted(known.secrets | known.optional)),
        is_made_here=kind in service.MADE_HERE,
        two_secrets_until=account.previous_until,
        notices=tuple(
            NoticeRow(
                at=one.received_at,
                state=one.state,
                reason=one.reason or "",
                repeats=one.repeats,
            )
            for one in queries.notices(session, account.id, state=None, limit=_SHOWN)
        ),
        media=tuple(
            MediaRow(
                id=one.id,
                at=one.told_at,
                call=name,
                state=one.state,
                reason=_reason(one.reason, words) if one.reason else "",
                attempts=one.attempts,
                recording_id=one.recording_id,
                may_ask=one.state in {MediaState.LOST, MediaState.REFUSED}
                and not (one.is_once and one.asked_at is not None),
            )
            for one, name in queries.media(session, account.id, state=shown, limit=_SHOWN)
        ),
        shown=shown or "",
        wrong=wrong or {},
    )
    status = 422 if wrong else 200
    return edge.render(
        call, actor, session, "providers/provider.html", page, status=status, words=words
    )


def address_of(public_url: str, provider_id: UUID, kind: Kind, token: str) -> str:
    """Return the address that is pasted at the service."""
    address = f"{public_url}/hooks/{provider_id}"
    return f"{address}/rest/1/{token}/" if kind is Kind.BITRIX else address


def _secret(  # noqa: PLR0913, PLR0917 - a page shown once has these parts.
    call: Request,
    actor: Actor,
    session: Session,
    words: Words,
    provider_id: UUID,
    name: str,
    kind: Kind,
    token: str,
) -> Response:
    account = service.found(session, provider_id)
    page = SecretPage(
        title=words.gettext("A secret for the service"),
        what=words.gettext(
            "It is shown this once. By it a message proves that the service sent it."
        ),
        secret=token,
        example=address_of(account.public_url, provider_id, kind, token),
        back=f"/providers/{provider_id}",
        back_label=name,
    )
    return edge.render(call, actor, session, "people/secret.html", page, words=words)
