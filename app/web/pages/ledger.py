"""The ledger of one object in plain words: who did what when, and how each entry is proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.core.deps import SessionDep
from app.core.errors import NotFound
from app.custody import checkpoints, history
from app.custody.history import Proof, Told
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.web import acts, edge, lookups, sight
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.LEDGER_READ))]
Kind = Annotated[str, Path(max_length=40, pattern=r"^[a-z_]+$")]
_SHOWN: Final = 50
_MOST: Final = (1 << 63) - 1

KINDS: Final = {
    "answer": N_("Answer by a link"),
    "assertion": N_("Evidence"),
    "backup": N_("Backup"),
    "batch": N_("Batch of review"),
    "call_batch": N_("Call records"),
    "call_counter": N_("Counter of calls"),
    "call_event": N_("Event of a call"),
    "call_gap": N_("Missing recording"),
    "checkpoint": N_("Checkpoint"),
    "client": N_("Client"),
    "contact": N_("Contact"),
    "contract": N_("Contract"),
    "demo": N_("Demo data"),
    "device": N_("Device"),
    "dispute": N_("Dispute"),
    "document": N_("Document"),
    "erasure": N_("Erasure"),
    "event": N_("Event"),
    "hold": N_("Legal hold"),
    "local_act": N_("Act of the house"),
    "notice_text": N_("Notice text"),
    "object": N_("File in the store"),
    "office": N_("Office"),
    "policy_pack": N_("Rules of a place"),
    "processing_contract": N_("Contract with a processor"),
    "reconciliation": N_("Day of calls"),
    "recording": N_("Recording"),
    "recording_exception": N_("Exception from recording"),
    "release": N_("Release"),
    "retention_rule": N_("Rule of keeping"),
    "screenshot": N_("Screenshot"),
    "search_run": N_("Search for a notice"),
    "upload": N_("Text sent by a link"),
    "user": N_("Person"),
    "work_rate": N_("Rate of work"),
}
"""What the ledger tells of, by its word for it; another kind is shown as it is."""

_LINKS: Final = {"recording": "/recordings/{}", "dispute": "/disputes/{}", "client": "/clients/{}"}
_DOERS: Final = {
    "system": N_("the archive itself"),
    "link": N_("the recipient of a link"),
    "device": N_("a device"),
    "user": N_("a person who is no longer known"),
}


class NothingTold(NotFound):
    """The ledger has nothing of such an object, or you may not see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """An entry: what was done, by whom, with what outcome, and where it stands in the log."""

    at: datetime
    what: str
    act: str
    who: str
    outcome: str
    facts: tuple[tuple[str, str], ...]
    seq: int | None
    leaf_hash: str
    proof: Proof
    entry_id: UUID
    checkpoint_size: int | None
    checkpoint_at: datetime | None
    stamps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPage:
    """What the ledger tells of one object, the newest entry first."""

    title: str
    path: str
    object_id: UUID
    rows: tuple[EntryRow, ...]
    is_broken: bool
    before: int | None
    is_first: bool
    back: str


@router.get("/ledger/{kind}/{object_id}")
def show_history(
    call: Request,
    kind: Kind,
    object_id: UUID,
    actor: CanRead,
    session: SessionDep,
    before: Annotated[int | None, Query(ge=1, le=_MOST)] = None,
) -> Response:
    """Show what the ledger has of an object, each entry proved anew."""
    words = edge.words_of(call, actor, session)
    if not sight.is_seen(session, actor, kind, object_id):
        raise NothingTold
    found = history.of_object(session, kind, object_id, before=before, limit=_SHOWN + 1)
    if not found and before is None:
        raise NothingTold
    shown = found[:_SHOWN]
    people = lookups.names(session, (one.entry.actor_id for one in shown))
    page = LedgerPage(
        title=words.gettext(KINDS.get(kind, kind)),
        path=f"/ledger/{kind}/{object_id}",
        object_id=object_id,
        rows=tuple(_row(session, one, people, words) for one in shown),
        is_broken=any(one.proof is Proof.BROKEN for one in shown),
        before=shown[-1].entry.position if len(found) > _SHOWN else None,
        is_first=before is None,
        back=_back(call, kind, object_id),
    )
    return edge.render(call, actor, session, "ledger/history.html", page, words=words)


def _back(call: Request, kind: str, object_id: UUID) -> str:
    """Return the page of the object, empty where it has none."""
    path = _LINKS[kind].format(object_id) if kind in _LINKS else ""
    return path if path and edge.web_of(call).is_page(path) else ""


def _row(session: Session, told: Told, people: Mapping[UUID, str], words: Words) -> EntryRow:
    entry, leaf, signed = told.entry, told.leaf, told.covered_by
    known = people.get(entry.actor_id) if entry.actor_id else None
    return EntryRow(
        at=entry.at,
        what=words.gettext(acts.said(entry.act)),
        act=entry.act,
        who=known or words.gettext(_DOERS.get(entry.actor_kind, entry.actor_kind)),
        outcome=entry.outcome,
        facts=tuple((name, str(value)) for name, value in sorted(entry.facts.items())),
        seq=leaf.seq if leaf else None,
        leaf_hash=bytes(leaf.leaf_hash).hex() if leaf else "",
        proof=told.proof,
        entry_id=entry.id,
        checkpoint_size=signed.size if signed else None,
        checkpoint_at=signed.signed_at if signed else None,
        stamps=len(checkpoints.stamps_of(session, signed.id)) if signed else 0,
    )
