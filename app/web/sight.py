"""Who sees what the ledger tells of an object: whoever sees the object, whatever its kind.

Who belongs to every office sees all that his role reads. Of who does not, each kind is asked for
here; a kind that is not named is not his to see, so that none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Contact, Contract, Event
from app.consent.models import Assertion
from app.disputes import queries as disputes
from app.disputes.models import ClientUpload, DocumentRequest
from app.documents import queries as documents
from app.feeds import queries as feeds
from app.identity.actor import Actor
from app.recordings import queries as recordings
from app.recordings.models import Screenshot
from app.releases import queries as releases
from app.releases.models import LinkAnswer

Look = Callable[[Session, Actor, UUID], bool]


def _of_client(session: Session, actor: Actor, row: Contact | Contract | Event | None) -> bool:
    return row is not None and clients.is_seen(session, actor, row.client_id)


def _contact(session: Session, actor: Actor, object_id: UUID) -> bool:
    return _of_client(session, actor, session.get(Contact, object_id))


def _contract(session: Session, actor: Actor, object_id: UUID) -> bool:
    return _of_client(session, actor, session.get(Contract, object_id))


def _event(session: Session, actor: Actor, object_id: UUID) -> bool:
    return _of_client(session, actor, session.get(Event, object_id))


def _screenshot(session: Session, actor: Actor, object_id: UUID) -> bool:
    found = session.get(Screenshot, object_id)
    return found is not None and recordings.is_screenshot_seen(session, actor, found)


def _assertion(session: Session, actor: Actor, object_id: UUID) -> bool:
    found = session.get(Assertion, object_id)
    if found is None:
        return False
    if found.recording_id is not None:
        return recordings.is_seen(session, actor, found.recording_id)
    if found.contact_id is not None:
        return _contact(session, actor, found.contact_id)
    return clients.is_seen(session, actor, found.client_id)


def _upload(session: Session, actor: Actor, object_id: UUID) -> bool:
    found = session.get(ClientUpload, object_id)
    asked = session.get(DocumentRequest, found.request_id) if found else None
    return asked is not None and disputes.is_seen(session, actor, asked.dispute_id)


def _answer(session: Session, actor: Actor, object_id: UUID) -> bool:
    found = session.get(LinkAnswer, object_id)
    return found is not None and releases.is_seen(session, actor, found.release_id)


LOOKS: Final[dict[str, Look]] = {
    "answer": _answer,
    "assertion": _assertion,
    "call_gap": feeds.is_seen,
    "client": clients.is_seen,
    "contact": _contact,
    "contract": _contract,
    "dispute": disputes.is_seen,
    "document": documents.is_seen,
    "event": _event,
    "recording": recordings.is_seen,
    "release": releases.is_seen,
    "screenshot": _screenshot,
    "upload": _upload,
}
"""How an object of a kind is looked at."""

OF_THE_HOUSE: Final = frozenset(
    {
        "backup",
        "checkpoint",
        "demo",
        "device",
        "local_act",
        "notice_text",
        "office",
        "policy_pack",
        "processing_contract",
        "reconciliation",
        "recording_exception",
        "retention_rule",
        "user",
        "work_rate",
    }
)
"""Kinds that tell of no client."""

OF_ANY_OFFICE: Final = frozenset(
    {
        "batch",
        "call_batch",
        "call_counter",
        "call_event",
        "erasure",
        "hold",
        "object",
        "search_run",
    }
)
"""Kinds that may be of clients of several offices at once: who sees some offices sees none."""


def is_seen(session: Session, actor: Actor, kind: str, object_id: UUID) -> bool:
    """Say whether `actor` may read the ledger of an object."""
    if kind == "recording" or (actor.offices is not None and kind in LOOKS):
        return LOOKS[kind](session, actor, object_id)
    return actor.offices is None or kind in OF_THE_HOUSE
