"""Keeping: rules, holds, restrictions and erasures."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from app.identity.permissions import Permission
from app.retention import erasures, holds, keeping, subjects
from app.retention.erasures import Asked
from app.retention.holds import Wanted
from app.retention.models import Ground
from app.retention.rules import DEFAULTS
from tests.review.house import House
from tests.web.table import those_with

_READ = those_with(Permission.RETENTION_READ)
_ONE = "/keeping/{kept_kind}/{kept_id}"
PAGES = dict.fromkeys(("/keeping", "/keeping/preview", _ONE), _READ)
FORMS = {
    "/keeping/rules": those_with(Permission.RETENTION_WRITE),
    "/keeping/rules/{rule_id}/agree": those_with(Permission.RETENTION_WRITE),
    "/keeping/holds": those_with(Permission.HOLD_WRITE),
    "/keeping/holds/{hold_id}/approve": those_with(Permission.HOLD_WRITE),
    "/keeping/holds/{hold_id}/review": those_with(Permission.HOLD_WRITE),
    "/keeping/holds/{hold_id}/release": those_with(Permission.HOLD_WRITE),
    "/keeping/erasures/{erasure_id}/approve": those_with(Permission.ERASURE_APPROVE),
    "/keeping/erasures/{erasure_id}/deny": those_with(Permission.ERASURE_APPROVE),
    f"{_ONE}/restrict": those_with(Permission.RESTRICTION_WRITE),
    f"{_ONE}/lift": those_with(Permission.RESTRICTION_WRITE),
    f"{_ONE}/erase": those_with(Permission.ERASURE_REQUEST),
}
_MOSCOW = ZoneInfo("Europe/Moscow")


def fill(house: House) -> dict[str, str]:
    """Let legal propose a rule, hold one recording, and ask for the erasure of another."""
    held, asked = house.recording(), house.recording()
    legal, at = house.people["legal"], house.clock.now()
    with house.database.transaction() as session:
        rule = keeping.propose(session, legal, DEFAULTS[0], at=at)
        wanted = Wanted(matter="Спор о сети", reason="Иск.", named=(subjects.recording(held.id),))
        hold = holds.place(session, legal, wanted, zone=_MOSCOW, at=at)
        why = Asked(ground=Ground.DUTY, reason="Нет основания.")
        subject = subjects.recording(asked.id)
        erasure = erasures.request(session, legal, subject, why, zone=_MOSCOW, at=at)
        session.flush()
    return {
        "kept_kind": "recording",
        "kept_id": str(held.id),
        "rule_id": str(rule.id),
        "hold_id": str(hold.id),
        "erasure_id": str(erasure.id),
    }
