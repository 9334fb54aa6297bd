"""Screenshots of a release on the desk of review: seen as they leave, and looked through there."""

from __future__ import annotations

import io
from datetime import timedelta
from uuid import UUID

from PIL import Image
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.consent import review as evidence
from app.consent.models import Screening, Verdict
from app.consent.purposes import Kind, Purpose
from app.consent.review import Proposal
from app.core.ids import DisputeId
from app.disputes import service as disputes
from app.disputes.redactions import Area
from app.disputes.service import Shot
from app.recordings.models import Recording
from tests.review.browser import log_in
from tests.review.house import House
from tests.web.handing import agreed, disputed

AREA = {"x": 10, "y": 10, "w": 20, "h": 10, "reason": "personal_data"}


def _asked(house: House) -> tuple[UUID, str]:
    """Ask for a recording and a screenshot to be handed over; return shot and exhibit."""
    found = agreed(house)
    dispute = disputed(house, found)
    written = io.BytesIO()
    Image.new("RGB", (60, 40), (250, 250, 250)).save(written, "PNG")
    at, manager = house.clock.now(), house.people["manager"]
    with house.making() as make:
        session = make.session
        recording = session.get_one(Recording, found.recording_id)
        client = disputes.get(session, DisputeId(UUID(dispute))).client_id
        contract = make.contract(
            session.get_one(type(make.client()), client), scope=["disclose_to_management"]
        )
        shot = make.screenshot(written.getvalue(), media_type="image/png", size=(60, 40))
        shot.event_id = recording.event_id
        session.flush()
        clause = Proposal(
            kind=Kind.CONTRACT_CLAUSE,
            evidence={"contract_id": str(contract.id), "clause_ref": "7.2"},
            party="cli",
            wide=True,
            purposes=(Purpose.DISPUTE_CLIENT,),
            recipients=("client_same_entity",),
        )
        row = evidence.propose(session, manager, recording.id, clause, at=at)
        for name in ("reviewer", "approver"):
            evidence.decide(
                session, house.people[name], row.id, Verdict.VERIFY, reason="Прочитано.", at=at
            )
        shown = Shot(screenshot_id=shot.id, note=None, areas=(Area.read(AREA),))
        exhibit = disputes.add_exhibit(
            session, manager, DisputeId(UUID(dispute)), shown, at=at + timedelta(seconds=1)
        )
        ids = (shot.id, str(exhibit.id))
    body = {"contact_id": str(found.contact_id)}
    answer = house.call("manager", "POST", f"/v1/disputes/{dispute}/releases", json=body)
    assert answer.status_code == 201, answer.text
    return ids


def test_a_screenshot_is_seen_and_looked_through_at_the_desk(house: House, page: Page) -> None:
    shot, exhibit = _asked(house)
    (item,) = house.call("reviewer", "GET", "/v1/review/releases").json()["items"]
    preview = f"/v1/exhibits/{exhibit}/preview"
    assert item["pictures"] == [{"preview": preview, "is_screened": False}]
    assert item["links"]["screen"] == f"/v1/exhibits/{exhibit}/screenings"
    log_in(page)
    page.goto("/review/releases")
    picture = page.locator("#pictures img")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('#pictures img').naturalWidth === 60")
    expect(page.locator("#pictures")).to_contain_text("ещё не просмотрен")
    page.keyboard.press("s")
    page.locator("#result input").first.check()
    page.locator("#form button[type=submit]").click()
    expect(page.locator("#pictures")).not_to_contain_text("ещё не просмотрен")
    with house.database.transaction() as session:
        row = session.scalars(select(Screening).where(Screening.screenshot_id == shot)).one()
        assert row.screened_by == house.people["reviewer"].id
        assert row.areas == [AREA]
    (item,) = house.call("reviewer", "GET", "/v1/review/releases").json()["items"]
    assert item["pictures"] == [{"preview": preview, "is_screened": True}]
    assert item["links"]["screen"] is None


def test_who_reads_and_does_not_look_asks_for_no_picture(house: House, page: Page) -> None:
    _asked(house)
    log_in(page, "auditor")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/review/releases?lang=en")
    expect(page.locator("#desk")).to_be_visible()
    expect(page.locator("#no-sound")).to_contain_text("neither listens nor looks")
    page.wait_for_load_state("networkidle")
    assert page.locator("#pictures img").count() == 0
    assert not [url for url in asked if url.endswith("/preview")]
