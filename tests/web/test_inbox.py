"""The inbox: for each role its next steps first, what is late before what is due."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.disputes.models import Dispute, DisputeStep
from app.identity.permissions import Role
from tests.web.conftest import Site


def _steps(site: Site, role: Role) -> list[tuple[str, str]]:
    """Return the address and the words of each step, in their order."""
    page = site.get("/?lang=en", role).text
    part = page.partition('class="plain steps"')[2].partition("</ol>")[0]
    return [
        (href, re.sub(r"<[^>]+>|\s+", " ", rest))
        for href, rest in re.findall(r'<a href="([^"]+)">(.*?)</li>', part, re.DOTALL)
    ]


def test_what_is_late_stands_before_what_is_due_and_that_before_the_rest(site: Site) -> None:
    at = site.house.clock.now()
    manager, admin = (UUID(str(site.house.people[role].id)) for role in ("manager", "admin"))
    with site.house.making() as make:
        external = make.client(name="ООО «Зебра»").external_id
        # Only the first of a kind are shown: other tests' disputes must not take their places.
        mine = update(Dispute).where(Dispute.owner_id == manager)
        make.session.execute(mine.values(owner_id=admin))
    ids = {}
    for name, due in (("late", -1), ("soon", 1), ("open", None)):
        body = {"client": external, "subject": f"Зебра {name}"}
        answer = site.house.call("manager", "POST", "/v1/disputes", json=body)
        ids[name] = answer.json()["id"]
        with site.house.database.transaction() as session:
            row = session.get_one(Dispute, ids[name])
            row.owner_id = manager
            row.due_at = None if due is None else at + timedelta(hours=due)
    found = [href for href, _ in _steps(site, Role.MANAGER) if href.endswith(tuple(ids.values()))]
    assert found == [f"/disputes/{ids[one]}" for one in ("late", "soon", "open")]
    words = dict(_steps(site, Role.MANAGER))
    assert "was due" in words[f"/disputes/{ids['late']}"]
    assert "was due" not in words[f"/disputes/{ids['soon']}"]
    assert "ООО «Зебра»: Зебра open" in words[f"/disputes/{ids['open']}"]
    with site.house.database.transaction() as session:
        step = session.scalars(
            select(DisputeStep)
            .where(DisputeStep.dispute_id == ids["soon"])
            .order_by(DisputeStep.position)
        ).first()
        assert step is not None
        step.owner_id, step.due_at = manager, at - timedelta(days=1)
        anchor = f"/disputes/{ids['soon']}#step-{step.id}"
    assert _steps(site, Role.MANAGER)[0][0] == anchor
    with site.house.database.transaction() as session:
        for one in ids.values():
            session.get_one(Dispute, one).owner_id = admin


@pytest.mark.parametrize(
    ("role", "path", "is_there"),
    [
        (Role.MANAGER, "/events/triage", True),
        (Role.REVIEWER, "/review/unknown", True),
        (Role.APPROVER, "/review/unknown", True),
        (Role.AUDITOR, "/review/unknown", False),
        (Role.AUDITOR, "/events/triage", False),
        (Role.MANAGER, "/review/unknown", False),
        (Role.ADMIN, "/review/unknown", False),
    ],
)
def test_a_queue_stands_among_the_steps_of_who_works_in_it(
    site: Site, role: Role, path: str, *, is_there: bool
) -> None:
    assert (path in dict(_steps(site, role))) is is_there


def test_praise_reaches_the_agent_who_earned_it(site: Site) -> None:
    mine = f"/recordings/{site.parameters['recording_id']}?at=1000"
    assert "Спокойно объяснил" in dict(_steps(site, Role.AGENT))[mine]
    with site.house.making() as make:
        other = str(make.recording(agent="777").id)
    mark = {"kind": "praise", "from_ms": 5, "note": "Чужая похвала"}
    path = f"/v1/recordings/{other}/marks"
    assert site.house.call("manager", "POST", path, json=mark).status_code == 201
    assert "Чужая похвала" not in site.get("/", Role.AGENT).text
