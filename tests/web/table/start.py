"""Setting up."""

from __future__ import annotations

from app.identity.permissions import Role
from tests.review.house import House

_ADMIN = frozenset({Role.ADMIN})
PAGES = {"/start": _ADMIN}
FORMS = dict.fromkeys(
    ("/start/company", "/start/device", "/start/skip/{setup_step}", "/start/take-up/{setup_step}"),
    _ADMIN,
)


def fill(_: House) -> dict[str, str]:
    """Name a step."""
    return {"setup_step": "notice"}
