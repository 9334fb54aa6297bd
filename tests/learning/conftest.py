"""An archive with an agent, a colleague and calls that may be heard for training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from app.consent import review as evidence
from app.consent.models import Verdict
from app.consent.purposes import Kind, Purpose
from app.consent.review import Proposal
from app.core.clock import SetClock
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from tests.conftest import Urls
from tests.factories import wav
from tests.review.house import ACKNOWLEDGED, AGREED, House, opened

FORM = {
    "name": "Разговор с клиентом",
    "questions": [
        {"key": "greeted", "text": "Представился", "weight": 1},
        {"key": "solved", "text": "Решил вопрос", "weight": 3},
        {"key": "warned", "text": "Предупредил о записи", "weight": 1, "is_critical": True},
    ],
    "pass_percent": 80,
}
GOOD = {"greeted": "yes", "solved": "yes", "warned": "yes"}


@pytest.fixture
def house(own_database: Urls, tmp_path: Path, sandbox: Sandbox, clock: SetClock) -> Iterator[House]:
    with opened(
        tmp_path,
        web_url=own_database.web,
        owner_url=own_database.owner,
        sandbox=sandbox,
        clock=clock,
    ) as found:
        for name, ref in (("agent", "101"), ("colleague", "102")):
            found.person(name, Role.AGENT)
            with found.database.transaction() as session:
                session.execute(
                    text("UPDATE users SET agent_ref = :ref WHERE name = :name"),
                    {"ref": ref, "name": name},
                )
        yield found


def told(
    house: House, *, purposes: tuple[Purpose, ...] = (Purpose.INTERNAL_TRAINING,), **more: object
) -> UUID:
    """Return a call whose client agreed, aloud, to these purposes."""
    recording = house.recording(body=wav(8.0), duration_ms=8000, **more)
    proposals = (
        Proposal(kind=Kind.EMPLOYEE_ACK, evidence=ACKNOWLEDGED, party="own", wide=True),
        Proposal(
            kind=Kind.VERBAL_CONSENT,
            evidence=AGREED,
            party="cli",
            from_ms=0,
            purposes=(Purpose.INTERNAL_QUALITY, *purposes),
            recipients=("own_staff_manager",),
        ),
    )
    at, reviewer = house.clock.now(), house.people["reviewer"]
    with house.database.transaction() as session:
        for one in proposals:
            row = evidence.propose(session, house.people["manager"], recording.id, one, at=at)
            house._listened(session, recording.id)
            evidence.decide(session, reviewer, row.id, Verdict.VERIFY, reason=None, at=at)
    return recording.id
