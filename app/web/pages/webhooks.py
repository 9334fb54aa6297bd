"""Webhooks: who is told what happens here, and what became of each telling."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.errors import Conflict, Invalid
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.web import edge, refusal_words
from app.web.edge import Form
from app.web.pages.people import SecretPage
from app.web.words import N_, Words
from app.webhooks import queries, sending, service
from app.webhooks.models import (
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    Fault,
    Kind,
)
from app.webhooks.queries import Counts
from app.webhooks.service import Asked

router = edge.page_router()

CanAdmin = Annotated[Actor, Depends(Requires(Permission.WEBHOOK_ADMIN))]
_SHOWN: Final = 50
_SHOWN_ANSWER: Final = 200

KINDS: Final = {
    Kind.RECORDING_KEPT: N_("a recording was kept"),
    Kind.RECORDING_LEG_KEPT: N_("a further leg of a recording was kept"),
    Kind.RECORDING_LINKED: N_("a recording was tied to another event"),
    Kind.RECORDING_FLAGGED: N_("the flag of a recording changed"),
    Kind.RECORDING_ERASED: N_("a recording was erased"),
    Kind.SCREENSHOT_KEPT: N_("a screenshot was kept"),
    Kind.SCREENSHOT_ERASED: N_("a screenshot was erased"),
    Kind.RELEASE_GRANTED: N_("a release was granted"),
    Kind.RELEASE_VIEWED: N_("a release was viewed by its recipient"),
    Kind.RELEASE_REVOKED: N_("a release was taken back"),
    Kind.GAP_FOUND: N_("a call without a recording was found"),
}
FAULTS: Final = {
    Fault.STATUS: N_("it answered, but not that it had taken it"),
    Fault.REDIRECT: N_("it sent elsewhere, which is not followed"),
    Fault.GONE: N_("it answered that it is gone for good"),
    Fault.SLOW: N_("it did not answer in time"),
    Fault.UNREACHABLE: N_("nobody answers there, or its certificate is not trusted"),
    Fault.UNRESOLVED: N_("the name of the host is not known"),
    Fault.ADDRESS: N_("the rules of outgoing requests forbid the address"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """An endpoint in the list."""

    id: UUID
    name: str
    url: str
    state: str
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsPage:
    """Every endpoint, and the form for one more."""

    title: str
    rows: tuple[EndpointRow, ...]
    kinds: tuple[tuple[str, str, bool], ...]
    name: str
    url: str
    wrong_name: str
    wrong_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TryRow:
    """One attempt."""

    at: datetime
    told: str
    answer: str
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One delivery with its attempts."""

    id: UUID
    message_id: str
    kind: str
    what: str
    at: datetime
    state: str
    next_at: datetime | None
    tries: tuple[TryRow, ...]
    can_replay: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPage:
    """One endpoint and its log."""

    title: str
    id: UUID
    url: str
    state: str
    is_removed: bool
    is_off: bool
    kinds: tuple[str, ...]
    has_all_kinds: bool
    two_secrets_until: datetime | None
    counts: Counts
    shown: str
    states: tuple[str, ...]
    rows: tuple[DeliveryRow, ...]
    before: UUID | None


@router.get("/webhooks")
def show_webhooks(call: Request, actor: CanAdmin, session: SessionDep) -> Response:
    """Show every endpoint."""
    return _endpoints(call, actor, session)


@router.post("/webhooks")
def add_webhook(
    call: Request, form: Form, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Add an endpoint and show its secret once."""
    words = edge.words_of(call, actor, session)
    known = {str(kind) for kind in Kind}
    asked = Asked(
        name=form.get("name"),
        url=form.get("url"),
        kinds=[Kind(kind) for kind in form.all("kind") if kind in known],
    )
    policy = sending.policy_of(call.app.state.settings)
    try:
        with session.begin_nested():
            row, secret = service.add(session, actor, asked, policy=policy, at=clock.now())
    except (Invalid, Conflict) as exc:
        session.expire_all()
        return _endpoints(call, actor, session, asked=asked, wrong=exc)
    return _secret(call, actor, session, words, row, secret)


@router.get("/webhooks/{webhook_id}")
def show_webhook(
    call: Request,
    webhook_id: UUID,
    actor: CanAdmin,
    session: SessionDep,
    state: DeliveryState | None = None,
    before: UUID | None = None,
) -> Response:
    """Show an endpoint and what became of what was told to it."""
    words = edge.words_of(call, actor, session)
    row = service.get(session, webhook_id)
    states = {state} if state else set(DeliveryState)
    found = queries.deliveries(session, row.id, states, before=before, limit=_SHOWN + 1)
    page = EndpointPage(
        title=row.name,
        id=row.id,
        url=row.url,
        state=row.state,
        is_removed=row.state == EndpointState.REMOVED,
        is_off=row.state == EndpointState.OFF,
        kinds=tuple(words.gettext(KINDS[Kind(kind)]) for kind in row.kinds),
        has_all_kinds=set(row.kinds) == set(Kind),
        two_secrets_until=row.previous_until,
        counts=queries.counts_of(session, row.id),
        shown=state or "",
        states=tuple(DeliveryState),
        rows=tuple(_delivery(one, row, words) for one in found[:_SHOWN]),
        before=found[_SHOWN - 1].id if len(found) > _SHOWN else None,
    )
    return edge.render(call, actor, session, "webhooks/webhook.html", page, words=words)


@router.post("/webhooks/{webhook_id}/rotate")
def rotate_webhook(
    call: Request,
    webhook_id: UUID,
    _form: Form,
    actor: CanAdmin,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Give an endpoint another secret and show it once."""
    words = edge.words_of(call, actor, session)
    secret = service.rotate(session, actor, webhook_id, at=clock.now())
    return _secret(call, actor, session, words, service.get(session, webhook_id), secret)


@router.post("/webhooks/{webhook_id}/resume")
def resume_webhook(
    webhook_id: UUID, _form: Form, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Tell an endpoint again."""
    service.resume(session, actor, webhook_id, at=clock.now())
    return edge.see(f"/webhooks/{webhook_id}")


@router.post("/webhooks/{webhook_id}/remove")
def remove_webhook(
    webhook_id: UUID, _form: Form, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Tell an endpoint nothing more."""
    service.remove(session, actor, webhook_id, at=clock.now())
    return edge.see("/webhooks")


@router.post("/webhooks/{webhook_id}/replay")
def replay_dead(
    webhook_id: UUID, _form: Form, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Deliver once more all that was given up."""
    service.replay_dead(session, actor, webhook_id, at=clock.now())
    return edge.see(f"/webhooks/{webhook_id}")


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/replay")
def replay_delivery(
    webhook_id: UUID,
    delivery_id: UUID,
    _form: Form,
    actor: CanAdmin,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Deliver once more."""
    service.replay(session, actor, webhook_id, delivery_id, at=clock.now())
    return edge.see(f"/webhooks/{webhook_id}")


def _endpoints(
    call: Request,
    actor: Actor,
    session: Session,
    *,
    asked: Asked | None = None,
    wrong: Invalid | Conflict | None = None,
) -> Response:
    words = edge.words_of(call, actor, session)
    counts = queries.counts(session)
    why = refusal_words.said(wrong, words) if wrong else ""
    of_name = isinstance(wrong, service.EndpointNameInvalid | service.EndpointNameTaken)
    page = EndpointsPage(
        title=words.gettext("Webhooks"),
        rows=tuple(
            EndpointRow(
                id=row.id,
                name=row.name,
                url=row.url,
                state=row.state,
                counts=counts.get(row.id, queries.NONE),
            )
            for row in queries.endpoints(session)
        ),
        kinds=tuple(
            (kind, words.gettext(label), asked is None or kind in asked.kinds)
            for kind, label in KINDS.items()
        ),
        name=asked.name if asked else "",
        url=asked.url if asked else "",
        wrong_name=why if of_name else "",
        wrong_url="" if of_name else why,
    )
    status = 422 if wrong else 200
    return edge.render(
        call, actor, session, "webhooks/webhooks.html", page, status=status, words=words
    )


def _secret(
    call: Request, actor: Actor, session: Session, words: Words, row: Endpoint, secret: str
) -> Response:
    page = SecretPage(
        title=words.gettext("A secret for the receiver"),
        what=words.gettext(
            "It is shown this once. By it the receiver sees that a message comes from here."
        ),
        secret=secret,
        example="",
        back=f"/webhooks/{row.id}",
        back_label=row.name,
    )
    return edge.render(call, actor, session, "people/secret.html", page, words=words)


def _delivery(row: Delivery, endpoint: Endpoint, words: Words) -> DeliveryRow:
    data = row.happening.data
    about = next((f"{data[name]}" for name in _SUBJECTS if data.get(name)), "")
    is_over = row.state != DeliveryState.WAITING
    return DeliveryRow(
        id=row.id,
        message_id=f"evt_{row.happening_id.hex}",
        kind=words.gettext(KINDS[Kind(row.happening.kind)]),
        what=about,
        at=row.happening.at,
        state=row.state,
        next_at=row.next_at,
        tries=tuple(_try(one, words) for one in row.tries),
        can_replay=is_over and endpoint.state != EndpointState.REMOVED,
    )


_SUBJECTS: Final = ("recording_id", "screenshot_id", "release_id", "gap_id")


def _try(row: Attempt, words: Words) -> TryRow:
    told = str(row.status) if row.status else ""
    if row.fault:
        told = f"{told} {words.gettext(FAULTS[Fault(row.fault)])}".strip()
    return TryRow(
        at=row.at,
        told=told,
        answer=row.answer.decode(errors="replace")[:_SHOWN_ANSWER],
        ms=row.ms,
    )
