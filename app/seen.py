"""What another office's clients have is as if it were not there, whichever route is asked.

The rooms narrow what they list and look up; here each address that names a thing is looked at too,
before its route, so that no route can be forgotten. Only a manager who does not belong to every
office costs a question. Source: OWASP ASVS 5.0, V8.2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.service import ClientNotFound
from app.core.db import Database
from app.core.errors import NotFound, Refusal
from app.disputes import queries as disputes
from app.disputes.service import DisputeClientUnknown, DisputeNotFound
from app.documents import queries as documents
from app.documents.door import DocumentNotFound
from app.identity.actor import Actor
from app.identity.guard import authenticator
from app.recordings import queries as recordings
from app.recordings.service import RecordingNotFound
from app.releases import queries as releases
from app.releases.refusals import ReleaseNotFound

_FIGURES: Final = "/v1/client-figures/"
Look = Callable[[Session, Actor, UUID], bool]

BY_PARAMETER: Final[dict[str, tuple[Look, type[NotFound]]]] = {
    "recording_id": (recordings.is_seen, RecordingNotFound),
    "dispute_id": (disputes.is_seen, DisputeNotFound),
    "exhibit_id": (disputes.is_exhibit_seen, DisputeNotFound),
    "document_id": (documents.is_seen, DocumentNotFound),
    "release_id": (releases.is_seen, ReleaseNotFound),
    "client_id": (clients.is_seen, ClientNotFound),
}
"""How a thing that an address names is looked at, and how its absence is told."""


async def must_be_seen(call: Request) -> None:
    """Refuse what the caller does not see as if there were none."""
    named = {name: call.path_params[name] for name in BY_PARAMETER if name in call.path_params}
    if call.scope["path"].startswith(_FIGURES):
        named[_FIGURES] = call.path_params["external_id"]
    if not named:
        return
    known = authenticator(call)
    try:
        actor = known.remembered(call)
        if actor is None:
            actor = await run_in_threadpool(known.actor_of, call)
    except Refusal:
        return  # The route's own guard says so.
    if actor.offices is not None:
        await run_in_threadpool(_look, call.app.state.database, actor, named)


def _look(database: Database, actor: Actor, named: dict[str, str]) -> None:
    with database.transaction() as session:
        for name, value in named.items():
            if name == _FIGURES:
                client = clients.client_by_external_id(session, value)
                if client is not None and not clients.is_seen(session, actor, client.id):
                    raise DisputeClientUnknown
                continue
            is_seen, refusal = BY_PARAMETER[name]
            try:
                object_id = UUID(str(value))
            except ValueError:
                continue  # The route says that it is no id.
            if not is_seen(session, actor, object_id):
                raise refusal
