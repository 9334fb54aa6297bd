"""Review: its queues."""

from __future__ import annotations

from app.identity.permissions import Role
from tests.review.browser import fill as proposals
from tests.review.house import House

READERS = frozenset({Role.REVIEWER, Role.APPROVER, Role.LEGAL, Role.AUDITOR})
PAGES = {"/review": READERS, "/review/{queue}": READERS}


def fill(house: House) -> dict[str, str]:
    """Make two notices wait for review."""
    proposals(house, 2)
    return {"queue": "proposed"}
