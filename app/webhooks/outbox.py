"""Writing down what is to be told: from the sequence of the ledger, or with the change itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import Row, func, insert, select, text, update
from sqlalchemy.orm import Session

from app.core.db import Database, JsonObject
from app.core.ids import new_id
from app.custody.ledger import Act, Outcome
from app.custody.models import CustodyEntry, LedgerLeaf
from app.webhooks.models import (
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    Happening,
    Kind,
    Progress,
)

BATCH: Final = 1000

if TYPE_CHECKING:
    _Entry = Row[int, datetime, str, str, UUID, str, UUID | None, str, JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """How an entry of the ledger is told: of which kind, and which of its facts under which name.

    A fact that stands in no list is not told, whatever the ledger may hold one day.
    """

    kind: Kind
    facts: Mapping[str, str] = field(default_factory=dict)


_SIZE: Final = {"size_bytes": "size_bytes"}
_LEG: Final = {"leg": "leg", **_SIZE}
_ERASED: Final = {"erasure_id": "erasure_id", "objects": "objects"}
ENTRIES: Final[Mapping[tuple[Act, str], _Told]] = {
    (Act.RECORDING_INGESTED, "recording"): _Told(kind=Kind.RECORDING_KEPT, facts=_LEG),
    (Act.RECORDING_LEG_ADDED, "recording"): _Told(kind=Kind.RECORDING_LEG_KEPT, facts=_LEG),
    (Act.LINK_CHANGED, "recording"): _Told(
        kind=Kind.RECORDING_LINKED,
        facts={"linked_by": "linked_by", "from": "from_event_id", "to": "event_id"},
    ),
    (Act.ERASURE_EXECUTED, "recording"): _Told(kind=Kind.RECORDING_ERASED, facts=_ERASED),
    (Act.SCREENSHOT_INGESTED, "screenshot"): _Told(kind=Kind.SCREENSHOT_KEPT, facts=_SIZE),
    (Act.ERASURE_EXECUTED, "screenshot"): _Told(kind=Kind.SCREENSHOT_ERASED, facts=_ERASED),
    (Act.RELEASE_GRANTED, "release"): _Told(
        kind=Kind.RELEASE_GRANTED, facts={"link_id": "link_id", "expires_at": "expires_at"}
    ),
    (Act.RELEASE_ACCESSED, "release"): _Told(kind=Kind.RELEASE_VIEWED, facts={"form": "form"}),
    (Act.RELEASE_REVOKED, "release"): _Told(kind=Kind.RELEASE_REVOKED),
}
"""By act and kind of object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """Something that happened, before it is known who wants to be told."""

    kind: Kind
    at: datetime
    data: JsonObject
    seq: int | None = None


def tell(
    session: Session, kind: Kind, told: Sequence[Mapping[str, object]], *, at: datetime
) -> None:
    """Write down in this transaction, for whoever wants it, what no entry of the ledger tells."""
    wanting = [one for one in _endpoints(session) if kind in one.kinds] if told else []
    if wanting:
        fresh = [Fresh(kind=kind, at=at, data=_plain(data)) for data in told]
        _write(session, fresh, wanting, due=at)


def follow(database: Database, *, at: datetime) -> int:
    """Read on in the ledger's sequence to its end; return how many entries were read.

    Where another process is reading, it is left to it.
    """
    read = 0
    while count := _follow(database, at=at):
        read += count
        if count < BATCH:
            break
    return read


def _follow(database: Database, *, at: datetime) -> int:
    with database.transaction() as session:
        place = session.scalar(select(Progress.seq).with_for_update(skip_locked=True))
        if place is None:
            return 0
        rows = entries_from(session, place)
        if not rows:
            return 0
        # After the entries, so that whoever was known when one was written is among them.
        endpoints = _endpoints(session)
        if endpoints:
            fresh = [told for row in rows if (told := _of_entry(row)) is not None]
            _write(session, fresh, endpoints, due=at)
        session.execute(update(Progress).values(seq=rows[-1].seq + 1))
        return len(rows)


def entries_from(session: Session, place: int) -> Sequence[_Entry]:
    """Return the entries of the ledger's sequence from a number on, at most `BATCH` of them."""
    return session.execute(
        select(
            LedgerLeaf.seq,
            CustodyEntry.at,
            CustodyEntry.act,
            CustodyEntry.object_kind,
            CustodyEntry.object_id,
            CustodyEntry.actor_kind,
            CustodyEntry.actor_id,
            CustodyEntry.outcome,
            CustodyEntry.facts,
        )
        .join(CustodyEntry, CustodyEntry.id == LedgerLeaf.entry_id)
        .where(LedgerLeaf.seq >= place)
        .order_by(LedgerLeaf.seq)
        .limit(BATCH)
    ).all()


def next_seq(session: Session) -> int:
    """Return the number that the ledger's next entry gets."""
    return session.scalar(select(func.coalesce(func.max(LedgerLeaf.seq) + 1, 0))) or 0


def _endpoints(session: Session) -> Sequence[Row[UUID, list[str], int]]:
    return session.execute(
        select(Endpoint.id, Endpoint.kinds, Endpoint.from_seq).where(
            Endpoint.state == EndpointState.ON
        )
    ).all()


def _of_entry(row: _Entry) -> Fresh | None:
    try:
        act = Act(row.act)
    except ValueError:
        return None  # Written by a newer version beside this one.
    told = ENTRIES.get((act, row.object_kind))
    if told is None or row.outcome != Outcome.SUCCESS:
        return None
    data = {f"{row.object_kind}_id": row.object_id, "ledger_seq": row.seq}
    data |= {name: row.facts[fact] for fact, name in told.facts.items() if fact in row.facts}
    if row.actor_kind == "link" and row.actor_id is not None:
        data["link_id"] = row.actor_id
    return Fresh(kind=told.kind, at=row.at, data=_plain(data), seq=row.seq)


def _plain(data: Mapping[str, object]) -> JsonObject:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in data.items()}


def _write(
    session: Session,
    fresh: Sequence[Fresh],
    endpoints: Sequence[Row[UUID, list[str], int]],
    *,
    due: datetime,
) -> None:
    """Write what somebody wants, and a delivery for each who does."""
    happenings, deliveries = [], []
    for one in fresh:
        wanting = [
            endpoint
            for endpoint in endpoints
            if one.kind in endpoint.kinds and (one.seq is None or one.seq >= endpoint.from_seq)
        ]
        if not wanting:
            continue
        happening = new_id()
        happenings.append(
            {"id": happening, "kind": one.kind, "at": one.at, "data": one.data, "seq": one.seq}
        )
        deliveries += [
            {
                "id": new_id(),
                "happening_id": happening,
                "endpoint_id": endpoint.id,
                "state": DeliveryState.WAITING,
                "next_at": due,
            }
            for endpoint in wanting
        ]
    if happenings:
        session.execute(insert(Happening), happenings)
        session.execute(insert(Delivery), deliveries)


def forget(session: Session, *, delivered_before: datetime, dead_before: datetime) -> int:
    """Forget deliveries that are over for long, and happenings that nothing tells of any more."""
    session.execute(
        text(
            """
            DELETE FROM webhook_deliveries
            WHERE state IN ('delivered', 'dropped') AND ended_at < :delivered_before
               OR state = 'dead' AND ended_at < :dead_before
            """
        ),
        {"delivered_before": delivered_before, "dead_before": dead_before},
    )
    gone = session.execute(
        text(
            """
            DELETE FROM webhook_happenings h WHERE NOT EXISTS (
                SELECT FROM webhook_deliveries d WHERE d.happening_id = h.id
            ) RETURNING h.id
            """
        )
    )
    return len(gone.all())
