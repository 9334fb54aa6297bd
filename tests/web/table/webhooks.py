"""Webhooks: an endpoint with a delivery of each state."""

from __future__ import annotations

from app.core.ids import new_id
from app.core.outbound import Policy
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.webhooks import service
from app.webhooks.models import Attempt, Delivery, DeliveryState, Fault, Happening, Kind
from app.webhooks.service import Asked
from tests.review.house import House

ADMINS = frozenset({Role.ADMIN})
PAGES = dict.fromkeys(("/webhooks", "/webhooks/{webhook_id}"), ADMINS)
FORMS = dict.fromkeys(
    (
        "/webhooks",
        "/webhooks/{webhook_id}/rotate",
        "/webhooks/{webhook_id}/resume",
        "/webhooks/{webhook_id}/remove",
        "/webhooks/{webhook_id}/replay",
        "/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    ),
    ADMINS,
)


def fill(house: House) -> dict[str, str]:
    """Add an endpoint that took one message, refused one to the end, and has one to come."""
    at = house.clock.now()
    with house.database.transaction() as session:
        asked = Asked(name="1c", url="https://1c.example.com/hs/in", kinds=list(Kind))
        row, _ = service.add(session, Actor.system("tests"), asked, policy=Policy(), at=at)
        rows = {}
        for state in (DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.WAITING):
            about = Happening(
                id=new_id(),
                kind=Kind.RECORDING_KEPT,
                at=at,
                data={"recording_id": str(new_id()), "leg": "mixed"},
            )
            session.add(about)
            session.flush()
            is_over = state != DeliveryState.WAITING
            rows[state] = Delivery(
                id=new_id(),
                happening_id=about.id,
                endpoint_id=row.id,
                state=state,
                attempts=1,
                next_at=None if is_over else at,
                ended_at=at if is_over else None,
            )
            session.add(rows[state])
            session.flush()
            is_good = state == DeliveryState.DELIVERED
            session.add(
                Attempt(
                    id=new_id(),
                    delivery_id=rows[state].id,
                    at=at,
                    status=204 if is_good else 503,
                    ms=41,
                    fault=None if is_good else Fault.STATUS,
                    answer=b"" if is_good else b"<b>try later</b>",
                )
            )
    return {"webhook_id": str(row.id), "delivery_id": str(rows[DeliveryState.DEAD].id)}
