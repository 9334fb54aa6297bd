"""The ledger of one object."""

from __future__ import annotations

from uuid import UUID

from app.custody import ledger
from app.custody.ledger import Act
from app.identity.permissions import Permission
from tests.review.house import House
from tests.web.table import those_with

PAGES = {"/ledger/{kind}/{object_id}": those_with(Permission.LEDGER_READ)}
DISPUTE = UUID("00000000-0000-7000-8000-00000000d15e")


def fill(house: House) -> dict[str, str]:
    """Let the ledger tell something of a dispute."""
    with house.database.transaction() as session:
        ledger.append(
            session,
            house.people["manager"],
            Act.DISPUTE_OPENED,
            ("dispute", DISPUTE),
            at=house.clock.now(),
            facts={"number": 7},
        )
    return {"kind": "dispute", "object_id": str(DISPUTE)}
