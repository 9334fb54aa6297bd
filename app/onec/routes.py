"""Routes of 1C: what it sends, and how its sources stand."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from prometheus_client import Counter

from app.clients.table_import import Ways
from app.core.deps import ClockDep, SessionDep
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.onec import mapping, pulling, service, taking
from app.onec.models import Fault, Kind, OnecThing
from app.onec.reasons import Reason
from app.onec.schemas import (
    EntityRead,
    ItemsAnswer,
    ItemsSent,
    RefusedPage,
    RefusedRead,
    SourceList,
    SourceRead,
    answer_of,
    problem_of,
    words_of,
)
from app.onec.service import OnecSourceNotFound, Seen
from app.onec.taking import Outcome, Problem, Taking

router = APIRouter(prefix="/v1/1c", tags=["1c"])

CanSend = Annotated[Actor, Depends(Requires(Permission.EVENT_WRITE))]
CanAdmin = Annotated[Actor, Depends(Requires(Permission.DEVICE_ADMIN))]
_ITEMS = Counter(
    "audiatur_onec_items_total", "Items that 1C sent, and what became of them.", ["outcome"]
)
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)


@router.post("/{source}/items", responses=problems(*GUARDED, OnecSourceNotFound))
def post_items(
    source: str,
    body: ItemsSent,
    actor: CanSend,
    request: Request,
    session: SessionDep,
    clock: ClockDep,
) -> ItemsAnswer:
    """Take what 1C tells of clients, contacts, contracts and events, up to 500 at once.

    The answer says of each item whether it was taken, was here already, or was refused and why. It
    is given when all of it is durable; the same items again change nothing.
    """
    found = service.named(session, source)
    settings = request.app.state.settings
    ways = Ways(
        actor=actor,
        at=clock.now(),
        region=settings.region,
        zone=pulling.zone_of(mapping.loaded(found.mapping), settings),
    )
    done = taking.take(Taking(session=session, ways=ways, source=found), body.items)
    found.sent_at = ways.at
    outcomes = [one.outcome for one in done]
    for outcome in outcomes:
        _ITEMS.labels(outcome).inc()
    return ItemsAnswer(
        taken=outcomes.count(Outcome.TAKEN),
        unchanged=outcomes.count(Outcome.UNCHANGED),
        refused=outcomes.count(Outcome.REFUSED),
        items=[answer_of(one) for one in done],
    )


@router.get("", responses=problems(*GUARDED))
def list_sources(_: CanAdmin, session: SessionDep) -> SourceList:
    """List the sources of 1C: when each was read or sent, what failed, and what waits."""
    return SourceList(items=[_read(one) for one in service.seen(session)])


@router.get("/{source}/refused", responses=problems(*GUARDED, OnecSourceNotFound))
def list_refused(
    source: str,
    _: CanAdmin,
    session: SessionDep,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> RefusedPage:
    """List what was refused of a source and is still not here, with the reasons."""
    found = service.named(session, source)
    rows = service.refused(session, found.id, limit=limit, before=before)
    return RefusedPage(
        items=[_refused(one) for one in rows],
        next=rows[-1].id if len(rows) == limit else None,
    )


def _read(seen: Seen) -> SourceRead:
    source = seen.source
    ru, en = words_of(source.fault)
    return SourceRead(
        name=source.name,
        base_url=source.base_url,
        sent_at=source.sent_at,
        pulled_at=source.pulled_at,
        next_at=source.next_at,
        fault=Fault(source.fault) if source.fault else None,
        fault_ru=ru,
        fault_en=en,
        detail=source.detail,
        things=dict(seen.things),
        returns=dict(seen.returns),
        entities=[
            EntityRead(
                entity=one.entity,
                kind=Kind(one.kind),
                done_at=one.done_at,
                full_at=one.full_at,
                fault=Fault(one.fault) if one.fault else None,
                detail=one.detail,
            )
            for one in seen.cursors
        ],
    )


def _refused(thing: OnecThing) -> RefusedRead:
    return RefusedRead(
        id=thing.id,
        kind=Kind(thing.kind),
        ref=thing.ref,
        entity=thing.entity,
        version=thing.version,
        at=thing.at,
        told=thing.told or {},
        problems=[
            problem_of(Problem(reason=Reason(one["reason"]), field=one["field"], what=one["what"]))
            for one in thing.reasons
        ],
    )
