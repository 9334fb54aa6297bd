"""Handing over and releases: who may ask, who approves, who reads."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from app.consent.rules import Purpose
from app.core.ids import ContactId, DisputeId
from app.identity.permissions import Permission, Role
from app.releases import service
from app.releases.service import Wanted
from tests.review.house import House
from tests.web.handing import agreed, disputed
from tests.web.table import those_with

READERS = frozenset({Role.MANAGER, Role.REVIEWER, Role.APPROVER, Role.LEGAL, Role.AUDITOR})
MANAGERS = frozenset({Role.MANAGER})
APPROVERS = frozenset({Role.APPROVER, Role.LEGAL})
PAGES = {
    "/disputes/{dispute_id}/hand-over": MANAGERS,
    "/releases": READERS,
    "/releases/{release_id}": READERS,
}
FORMS = {
    "/disputes/{dispute_id}/hand-over": MANAGERS,
    "/releases/{release_id}/approve": APPROVERS,
    "/releases/{release_id}/refuse": APPROVERS,
    "/releases/{release_id}/end": those_with(Permission.RELEASE_REVOKE),
    "/releases/{release_id}/bundle": READERS,
}


def fill(house: House) -> dict[str, str]:
    """Let a release wait for approval."""
    found = agreed(house)
    dispute_id = DisputeId(UUID(disputed(house, found)))
    with house.database.transaction() as session:
        wanted = Wanted(
            contact_id=ContactId(found.contact_id),
            purpose=Purpose.DISPUTE_CLIENT,
            parts=service.parts_of_dispute(session, dispute_id),
            lifetime=timedelta(days=14),
            dispute_id=dispute_id,
        )
        made = service.request_release(
            session, house.people["manager"], wanted, at=house.clock.now()
        )
        return {"release_id": str(made.id)}
