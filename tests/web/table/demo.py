"""Demo data."""

from __future__ import annotations

from app.identity.permissions import Role
from tests.review.house import House

_ADMIN = frozenset({Role.ADMIN})
PAGES = {"/demo": _ADMIN}
FORMS = dict.fromkeys(("/demo/load", "/demo/unload"), _ADMIN)


def fill(_: House) -> dict[str, str]:
    """Nothing: real recordings are there, so that none is loaded."""
    return {}
