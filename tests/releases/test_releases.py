"""From the request to the link and its end, through the doors only."""

from __future__ import annotations

import io
import wave
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from app.consent.models import Assertion
from app.consent.papers import affected_shares
from app.core.db import Database
from app.core.ids import new_id
from app.identity.permissions import Role
from app.public.main import PublicTools
from app.recordings.models import Leg
from app.releases import jobs
from app.releases.tokens import ShareToken
from storage.errors import ObjectMissing
from storage.sealed import SealedRef
from tests.conftest import Urls
from tests.factories import wav
from tests.public.conftest import served
from tests.releases.house import House


def test_a_release_is_asked_for_approved_and_opened(house: House) -> None:
    recording = house.recording(wav(3.0))
    asked = house.ask(recording.id)
    assert asked.status_code == 201, asked.text
    release = asked.json()
    assert (release["state"], release["is_open"], release["views"]) == ("requested", False, 0)
    done = house.approve(release["id"])
    assert done.status_code == 200, done.text
    link = done.json()["link"]
    assert link["url"] == f"https://links.example/s/{link['token']}"
    released = done.json()["release"]
    assert (released["state"], released["is_open"]) == ("granted", True)
    assert house.acts(release["id"]) == [
        "release.requested",
        "release.approved",
        "release.granted",
    ]
    assert len(_copy(house, release["id"])) == released["items"][0]["size_bytes"]


def test_the_recipient_hears_it_until_consent_is_withdrawn(
    house: House, own_database: Urls
) -> None:
    recording = house.recording(wav(3.0))
    release, token = _granted(house, recording.id)
    linked = Database(own_database.link, role="audiatur_public", pool_size=2)
    tools = PublicTools(database=linked, release=house.release, clock=house.clock)
    with served(tools) as url, httpx.Client(base_url=url) as phone:
        page = f"/s/{token.secret}"
        assert phone.get(page).status_code == 200
        assert _read(house, release["id"])["views"] == 0
        heard = phone.post(f"{page}/open", follow_redirects=True)
        source = heard.text.partition('src="')[2].partition('"')[0]
        whole = phone.get(source)
        part = phone.get(source, headers={"Range": "bytes=44-143"})
        assert (whole.status_code, part.status_code) == (200, 206)
        assert part.content == whole.content[44:144]
        assert _read(house, release["id"])["views"] == 1
        house.withdraw(recording.id)
        for path in (page, f"{page}/listen", source):
            assert phone.get(path).status_code == 410
        assert phone.post(f"{page}/open").status_code == 410
    linked.close()
    assert _read(house, release["id"])["views"] == 1
    assert house.acts(release["id"])[-2:] == ["release.accessed", "access.denied"]


def test_what_was_damaged_since_it_was_asked_for_does_not_leave(house: House) -> None:
    recording = house.recording(wav(3.0))
    release = house.ask(recording.id).json()
    with house.database.transaction() as session:
        found = session.scalars(select(Leg).where(Leg.recording_id == recording.id)).one()
    house.archive.delete(found.object_id)
    answer = house.approve(release["id"])
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/recording-damaged")
    assert answer.json()["recording"] == str(recording.id)
    assert _read(house, release["id"])["state"] == "requested"
    again = house.approve(release["id"])
    assert again.status_code == 409
    assert "R_INTEGRITY" in again.text


def test_who_asked_does_not_approve(house: House) -> None:
    release = house.ask(house.recording().id).json()
    with house.database.transaction() as session:
        session.execute(
            text("UPDATE users SET role = 'approver' WHERE id = :id"),
            {"id": house.people["manager"].id},
        )
    house.clock.advance(timedelta(seconds=10))
    answer = house.approve(release["id"], who="manager")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/requester-approves")
    assert house.acts(release["id"])[-1] == "access.denied"


@pytest.mark.parametrize("who", ["manager", "reviewer"])
def test_only_approvers_approve(house: House, who: str) -> None:
    release = house.ask(house.recording().id).json()
    assert house.approve(release["id"], who=who).status_code == 403


@pytest.mark.parametrize("who", ["reviewer", "approver", "legal"])
def test_only_managers_ask(house: House, who: str) -> None:
    assert house.ask(house.recording().id, who=who).status_code == 403


def test_who_is_heard_does_not_approve(house: House) -> None:
    house.person("heard", Role.APPROVER, agent_ref="900")
    release = house.ask(house.recording(agent="900").id).json()
    answer = house.approve(release["id"], who="heard")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/approver-involved")
    assert house.approve(release["id"]).json()["link"] is not None


def test_evidence_that_proves_wrong_names_what_it_let_out(house: House) -> None:
    recording = house.recording()
    release = house.ask(recording.id).json()

    def let_out() -> dict[str, list[tuple[str, str]]]:
        with house.database.transaction() as session:
            return {
                row.kind: [(str(s.release_id), s.state) for s in affected_shares(session, row.id)]
                for row in session.scalars(select(Assertion))
                if row.recording_id in {None, recording.id}
            }

    assert let_out()["verbal_consent"] == []
    house.approve(release["id"])
    assert let_out() == {
        "verbal_consent": [(release["id"], "granted")],
        "employee_ack": [(release["id"], "granted")],
    }
    other = house.recording(agent="999")
    with house.database.transaction() as session:
        of_other = session.scalars(select(Assertion).where(Assertion.recording_id == other.id))
        assert affected_shares(session, of_other.one().id) == []


def test_a_refusal_tells_why_and_what_would_help(house: House) -> None:
    recording = house.recording(agreed=False)
    answer = house.ask(recording.id)
    told = answer.json()
    assert (answer.status_code, told["type"]) == (409, "/problems/release-refused")
    assert told["outcome"] == "DENY"
    assert "C_UNKNOWN:cli" in told["reasons"]
    assert "ASK_CONSENT" in told["remedies"]
    assert {e["code"] for e in told["explained"]} == set(told["reasons"])
    assert all(e["ru"] and e["en"] for e in told["explained"] + told["remedies_explained"])
    assert house.acts(recording.id)[-1] == "access.denied"
    assert house.call("manager", "GET", "/v1/releases").json()["releases"] == []


def test_a_withdrawal_closes_at_once_and_the_job_destroys_the_copy(house: House) -> None:
    recording = house.recording()
    release, _ = _granted(house, recording.id)
    ref = _ref(house, release["id"])
    house.withdraw(recording.id)
    assert _read(house, release["id"])["is_open"] is False
    jobs.handle_reconsider(house.worker(), str(recording.id))
    ended = _read(house, release["id"])
    assert (ended["state"], ended["end_reason"]) == ("revoked", "consent")
    jobs.handle_destroy(house.worker(), release["id"])
    jobs.handle_destroy(house.worker(), release["id"])
    with pytest.raises(ObjectMissing):
        house.release.read(ref, start=0, length=1)
    assert house.acts(release["id"])[-2:] == ["release.revoked", "erasure.executed"]


def test_a_change_that_changes_nothing_opens_it_again(house: House) -> None:
    recording = house.recording()
    release, _ = _granted(house, recording.id)
    with house.database.transaction() as session:
        session.execute(
            text("UPDATE recordings SET consent_epoch = consent_epoch + 1 WHERE id = :id"),
            {"id": recording.id},
        )
    assert _read(house, release["id"])["is_open"] is False
    house.clock.advance(timedelta(milliseconds=1))
    jobs.handle_sweep(house.worker())
    assert _read(house, release["id"])["is_open"] is True


def test_evidence_that_is_added_later_needs_a_new_release(house: House) -> None:
    recording = house.recording()
    release, _ = _granted(house, recording.id)
    with house.making() as make:
        make.party(make.session.get_one(type(recording), recording.id), "guest")
    house.clock.advance(timedelta(milliseconds=1))
    jobs.handle_sweep(house.worker())
    assert _read(house, release["id"])["end_reason"] == "consent"


def test_the_sweep_ends_what_has_expired(house: House) -> None:
    release, _ = _granted(house, house.recording().id)
    house.clock.advance(timedelta(days=15))
    jobs.handle_sweep(house.worker())
    assert _end(house, release["id"]) == ("revoked", "expired")


def test_a_release_is_revoked_once(house: House) -> None:
    release, _ = _granted(house, house.recording().id)
    answer = house.call("manager", "POST", f"/v1/releases/{release['id']}/revoke")
    assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
    assert answer.json()["is_open"] is False
    again = house.call("manager", "POST", f"/v1/releases/{release['id']}/revoke")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/release-ended")


def test_a_request_that_is_turned_down_is_denied_and_never_granted(house: House) -> None:
    release = house.ask(house.recording().id).json()
    answer = house.call("approver", "POST", f"/v1/releases/{release['id']}/revoke")
    assert answer.json()["state"] == "denied"
    approved = house.approve(release["id"])
    assert approved.json()["type"] == "/problems/release-not-requested"


def test_a_release_is_granted_once(house: House) -> None:
    release, _ = _granted(house, house.recording().id)
    assert house.approve(release["id"], who="legal").status_code == 409


def test_consent_withdrawn_before_the_approval_refuses_it(house: House) -> None:
    recording = house.recording()
    release = house.ask(recording.id).json()
    house.withdraw(recording.id)
    answer = house.approve(release["id"])
    assert answer.json()["type"] == "/problems/release-refused"
    assert _read(house, release["id"])["items"][0]["approvals"] == []


def test_a_part_is_cut_by_its_samples(house: House) -> None:
    body = wav(3.0)
    recording = house.recording(body, duration_ms=3000)
    release, _ = _granted(house, recording.id, from_ms=1000, to_ms=2500)
    item = release["items"][0]
    assert (item["from_ms"], item["to_ms"], item["duration_ms"]) == (1000, 2500, 1500)
    with (
        wave.open(io.BytesIO(_copy(house, release["id"]))) as cut,
        wave.open(io.BytesIO(body)) as w,
    ):
        w.setpos(8000)
        assert cut.getframerate() == 8000
        assert cut.readframes(99_999) == w.readframes(12_000)


def test_what_came_before_the_notice_stays_here(house: House) -> None:
    body = wav(3.0)
    recording = house.recording(body, duration_ms=3000, agreed_from_ms=1000)
    release, _ = _granted(house, recording.id)
    item = release["items"][0]
    assert (item["from_ms"], item["duration_ms"]) == (1000, 2000)
    with wave.open(io.BytesIO(_copy(house, release["id"]))) as cut:
        assert cut.readframes(99_999) == body[44 + 16_000 :]
    refused = house.ask(recording.id, from_ms=0)
    assert "C_SEGMENT_UNCOVERED:cli" in refused.json()["reasons"]


def test_a_recording_is_looked_for(house: House) -> None:
    house.recording()
    answer = house.ask(new_id())
    assert (answer.status_code, answer.json()["type"]) == (
        404,
        "/problems/release-recording-unknown",
    )


def test_a_contact_is_looked_for(house: House) -> None:
    recording = house.recording()
    house.contact_id = new_id()
    assert house.ask(recording.id).json()["type"] == "/problems/release-contact-unknown"


def test_a_release_is_looked_for(house: House) -> None:
    for method, path in (("GET", ""), ("POST", "/revoke")):
        answer = house.call("approver", method, f"/v1/releases/{new_id()}{path}")
        assert answer.json()["type"] == "/problems/release-not-found"
    assert house.approve(str(new_id())).status_code == 404


def test_exhibits_of_a_dispute_are_released_together(house: House) -> None:
    recording = house.recording(wav(3.0), duration_ms=3000)
    with house.database.transaction() as session:
        client = session.scalars(text("SELECT external_id FROM clients")).one()
    body = {"client": client, "subject": "После визита не работает сеть"}
    dispute = house.call("manager", "POST", "/v1/disputes", json=body).json()
    path = f"/v1/disputes/{dispute['id']}"
    wanted = {"contact_id": str(house.contact_id)}
    empty = house.call("manager", "POST", f"{path}/releases", json=wanted)
    assert empty.json()["type"] == "/problems/nothing-asked"
    for part in ({"from_ms": 0, "to_ms": 1000}, {"from_ms": 1500, "to_ms": 2500}):
        exhibit = {"recording_id": str(recording.id)} | part
        assert house.call("manager", "POST", f"{path}/exhibits", json=exhibit).status_code == 201
    asked = house.call("manager", "POST", f"{path}/releases", json=wanted)
    assert asked.status_code == 201, asked.text
    done = house.approve(asked.json()["id"]).json()
    assert [i["duration_ms"] for i in done["release"]["items"]] == [1000, 1000]
    assert done["release"]["dispute_id"] == dispute["id"]


def test_releases_are_listed_the_newest_first(house: House) -> None:
    recording = house.recording()
    made = []
    for _ in range(3):
        house.clock.advance(timedelta(seconds=1))
        made.append(house.ask(recording.id).json()["id"])
    page = house.call("approver", "GET", "/v1/releases?limit=2&state=requested").json()
    assert [r["id"] for r in page["releases"]] == [made[2], made[1]]
    rest = house.call("approver", "GET", f"/v1/releases?cursor={page['next_cursor']}").json()
    assert [r["id"] for r in rest["releases"]] == [made[0]]
    assert rest["next_cursor"] is None


def _granted(
    house: House,
    recording_id: UUID,
    **part: Any,  # noqa: ANN401 - JSON.
) -> tuple[dict[str, Any], ShareToken]:
    asked = house.ask(recording_id, **part)
    assert asked.status_code == 201, asked.text
    done = house.approve(asked.json()["id"])
    assert done.status_code == 200, done.text
    return done.json()["release"], ShareToken(secret=done.json()["link"]["token"])


def _read(house: House, release_id: str) -> dict[str, Any]:
    found: dict[str, Any] = house.call("approver", "GET", f"/v1/releases/{release_id}").json()
    return found


def _end(house: House, release_id: str) -> tuple[str, str]:
    with house.database.transaction() as session:
        row = session.execute(
            text("SELECT state, end_reason FROM releases WHERE id = :id"), {"id": release_id}
        ).one()
    return row[0], row[1]


def _ref(house: House, release_id: str) -> SealedRef:
    with house.database.transaction() as session:
        row = session.execute(
            text(
                "SELECT object_id, wrapped_key, size_bytes FROM release_items "
                "WHERE release_id = :id"
            ),
            {"id": release_id},
        ).one()
    return SealedRef(object_id=row[0], wrapped_key=row[1], size_bytes=row[2])


def _copy(house: House, release_id: str) -> bytes:
    ref = _ref(house, release_id)
    return house.release.read(ref, start=0, length=ref.size_bytes)
