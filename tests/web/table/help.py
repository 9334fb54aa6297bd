"""Help: every reason, for everybody."""

from __future__ import annotations

from tests.review.house import House
from tests.web.table import EVERYBODY

PAGES = {"/help/reasons": EVERYBODY, "/help/reasons/{code}": EVERYBODY}


def fill(house: House) -> dict[str, str]:
    """Name the reason that hangs on most fields."""
    del house
    return {"code": "C_TOO_WEAK"}
