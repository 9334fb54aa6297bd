"""Routes of webhooks: endpoints, their secrets, the log of deliveries, and replays."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app.core.deps import ClockDep, SessionDep
from app.core.outbound import AddressRefused
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing, ProofNeeded
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.webhooks import queries, sending, service
from app.webhooks.models import DeliveryState, Kind
from app.webhooks.schemas import (
    DeliveryList,
    DeliveryRead,
    EndpointList,
    EndpointMade,
    EndpointRead,
    EndpointWrite,
    Replayed,
    SecretMade,
)
from app.webhooks.service import (
    OVERLAP,
    Asked,
    DeliveryNotFound,
    DeliveryUnderWay,
    EndpointNameInvalid,
    EndpointNameTaken,
    EndpointNotFound,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

CanAdmin = Annotated[Actor, Depends(Requires(Permission.WEBHOOK_ADMIN))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
CHANGED = (*GUARDED, ProofNeeded, EndpointNotFound)


@router.get("", responses=problems(*GUARDED))
def list_webhooks(_: CanAdmin, session: SessionDep) -> EndpointList:
    """List the endpoints that are told, with how many deliveries stand how."""
    return EndpointList(
        items=[
            EndpointRead.of(row, queries.counts_of(session, row.id))
            for row in queries.endpoints(session)
        ]
    )


@router.post(
    "",
    status_code=201,
    responses=problems(
        *GUARDED, ProofNeeded, AddressRefused, EndpointNameInvalid, EndpointNameTaken
    ),
)
def add_webhook(
    told: EndpointWrite, request: Request, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> EndpointMade:
    """Add an endpoint; the answer has its secret, which is shown this once."""
    row, secret = service.add(
        session,
        actor,
        Asked(name=told.name, url=told.url, kinds=told.kinds or list(Kind)),
        policy=sending.policy_of(request.app.state.settings),
        at=clock.now(),
    )
    read = EndpointRead.of(row, queries.counts_of(session, row.id))
    return EndpointMade(secret=secret, **read.model_dump())


@router.post("/{webhook_id}/rotate", responses=problems(*CHANGED))
def rotate_webhook(
    webhook_id: UUID, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> SecretMade:
    """Give an endpoint another secret; for a day both sign."""
    at = clock.now()
    secret = service.rotate(session, actor, webhook_id, at=at)
    return SecretMade(secret=secret, previous_until=at + OVERLAP)


@router.post("/{webhook_id}/resume", status_code=204, responses=problems(*CHANGED))
def resume_webhook(
    webhook_id: UUID, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Tell an endpoint again that had answered 410."""
    service.resume(session, actor, webhook_id, at=clock.now())
    return Response(status_code=204)


@router.delete("/{webhook_id}", status_code=204, responses=problems(*CHANGED))
def remove_webhook(
    webhook_id: UUID, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Tell an endpoint nothing more; its secret is destroyed."""
    service.remove(session, actor, webhook_id, at=clock.now())
    return Response(status_code=204)


@router.get("/{webhook_id}/deliveries", responses=problems(*GUARDED, EndpointNotFound))
def list_deliveries(
    webhook_id: UUID,
    _: CanAdmin,
    session: SessionDep,
    state: DeliveryState | None = None,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> DeliveryList:
    """List what was told to an endpoint, the newest first, with each attempt."""
    row = service.get(session, webhook_id)
    states = {state} if state else set(DeliveryState)
    found = queries.deliveries(session, row.id, states, before=before, limit=limit + 1)
    shown = found[:limit]
    return DeliveryList(
        items=[DeliveryRead.of(one) for one in shown],
        next_before=shown[-1].id if len(found) > limit else None,
    )


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay",
    status_code=204,
    responses=problems(*GUARDED, EndpointNotFound, DeliveryNotFound, DeliveryUnderWay),
)
def replay_delivery(
    webhook_id: UUID, delivery_id: UUID, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Response:
    """Deliver once more, under the same id."""
    service.replay(session, actor, webhook_id, delivery_id, at=clock.now())
    return Response(status_code=204)


@router.post("/{webhook_id}/replay", responses=problems(*GUARDED, EndpointNotFound))
def replay_dead_deliveries(
    webhook_id: UUID, actor: CanAdmin, session: SessionDep, clock: ClockDep
) -> Replayed:
    """Deliver once more all that was given up at an endpoint."""
    return Replayed(deliveries=service.replay_dead(session, actor, webhook_id, at=clock.now()))
