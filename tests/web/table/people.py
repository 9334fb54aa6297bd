"""People, devices and offices."""

from __future__ import annotations

from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.permissions import Role
from tests.review.house import House

ADMINS = frozenset({Role.ADMIN})
_SENT = (
    "/people",
    "/people/{person}",
    "/people/{person}/disable",
    "/people/{person}/enable",
    "/people/{person}/log-out",
    "/people/{person}/recovery-link",
    "/people/{person}/recovery-mail",
    "/people/{person}/api-key",
    "/people/{person}/api-keys/revoke",
    "/devices",
    "/devices/{device}/rotate",
    "/devices/{device}/disable",
    "/offices",
)
PAGES = dict.fromkeys(("/people", "/people/{person}", "/devices", "/offices"), ADMINS)
FORMS = dict.fromkeys(_SENT, ADMINS)


def fill(house: House) -> dict[str, str]:
    """Make a device known."""
    with house.database.transaction() as session:
        identity.add_device(session, Actor.system("tests"), "hall", at=house.clock.now())
    return {"person": "agent", "device": "hall"}
