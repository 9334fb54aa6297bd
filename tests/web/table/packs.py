"""The rules of places."""

from __future__ import annotations

from app.identity.permissions import Permission
from tests.review.house import House
from tests.web.table import those_with

_READ = those_with(Permission.POLICY_READ)
_BASE = "/packs/{jurisdiction}/{version}"
PAGES = {"/packs": _READ, _BASE: _READ, f"{_BASE}/trial": _READ}
FORMS = {
    f"{_BASE}/propose": those_with(Permission.POLICY_PROPOSE),
    f"{_BASE}/withdraw": those_with(Permission.POLICY_PROPOSE),
    f"{_BASE}/agree": those_with(Permission.POLICY_ACTIVATE),
    f"{_BASE}/reject": those_with(Permission.POLICY_ACTIVATE),
}


def fill(house: House) -> dict[str, str]:
    """Let the administrator propose that nothing leaves the company."""
    made = house.propose_pack(disclosure_grounds=[])
    return {"jurisdiction": str(made["jurisdiction"]), "version": str(made["version"])}
