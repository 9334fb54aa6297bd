"""What is in each queue, why, until when, and who may settle it."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import update

from app.consent import review
from app.consent.models import DecisionRow, Verdict
from app.consent.purposes import Kind
from app.core.ids import ReleaseId, new_id
from app.recordings.models import Capture, Recording
from app.releases import service as releases
from app.releases.models import Release, ReleaseWish
from tests.factories import set_erased
from tests.review.house import House

DAY = timedelta(days=1)


def _items(
    house: House, queue: str, *, who: str = "reviewer", **query: str
) -> list[dict[str, Any]]:
    answer = house.call(who, "GET", f"/v1/review/{queue}", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def test_a_recording_nobody_was_told_of_waits_with_its_reason(house: House) -> None:
    recording = house.recording()
    house.clock.advance(DAY)
    (item,) = _items(house, "unknown", lang="ru")
    assert item["recording_id"] == str(recording.id)
    assert [why["code"] for why in item["why"]] == ["C_UNKNOWN"]
    assert item["why"][0]["title"] == "Неизвестно, был ли уведомлён"
    assert item["age_seconds"] == 24 * 3600
    assert item["sound"]["start_ms"] == 0
    assert item["sound"]["audio"] == f"/v1/recordings/{recording.id}/audio"
    assert not item["four_eyes"]["may_decide"]


def test_evidence_moves_the_recording_from_one_queue_to_the_other(house: House) -> None:
    recording = house.recording()
    proposed = house.propose(recording.id)
    assert _items(house, "unknown") == []
    (item,) = _items(house, "proposed")
    assert item["assertion_id"] == str(proposed)
    assert item["sound"] == {
        "start_ms": 1500,
        "span": {"from_ms": 2000, "to_ms": 5000},
        "audio": f"/v1/recordings/{recording.id}/audio",
        "waveform": f"/v1/recordings/{recording.id}/waveform",
    }
    assert item["evidence"]["quote"] == "Разговор записывается."
    assert item["four_eyes"] == {
        "may_decide": True,
        "hindrance": None,
        "text": None,
        "roles_needed": ["any"],
        "roles_text": ["any reviewer"],
    }
    assert house.call("reviewer", "POST", item["links"]["verify"]).status_code == 200
    assert _items(house, "proposed") == []


def test_who_proposed_it_is_told_that_another_must_decide(house: House) -> None:
    house.propose(house.recording().id, who="reviewer")
    (own,) = _items(house, "proposed")
    assert own["four_eyes"]["hindrance"] == "PROPOSED_IT"
    assert house.call("reviewer", "POST", own["links"]["verify"]).status_code == 403
    (others,) = _items(house, "proposed", who="approver")
    assert others["four_eyes"]["may_decide"]


def test_an_auditor_sees_and_settles_nothing(house: House) -> None:
    house.propose(house.recording().id)
    (item,) = _items(house, "proposed", who="auditor")
    assert item["four_eyes"]["hindrance"] == "READS_ONLY"
    claim = house.call("auditor", "POST", f"/v1/review/proposed/{item['id']}/claim")
    assert claim.status_code == 403
    assert house.call("manager", "GET", "/v1/review/proposed").status_code == 403
    assert house.call("admin", "GET", "/v1/review").status_code == 403


def test_a_withdrawal_has_the_clock_of_the_pack_and_stays_until_erased(house: House) -> None:
    recording = house.recording()
    received = house.clock.now() - 2 * DAY
    found = house.withdraw(recording.id, received_at=received)
    (item,) = _items(house, "blocks")
    assert [why["code"] for why in item["why"]] == ["C_WITHDRAWAL_PROPOSED"]
    assert item["due_at"].startswith((received + 30 * DAY).date().isoformat())
    assert house.call("reviewer", "POST", f"/v1/assertions/{found}/verify").status_code == 200
    (item,) = _items(house, "blocks")
    assert [why["code"] for why in item["why"]] == ["C_WITHDRAWN"]
    assert item["next_step"]["code"] == "N_ERASE_OR_GROUND"
    set_erased(house.owner_url, recording.id)
    assert _items(house, "blocks") == []


def test_a_withdrawal_from_where_it_counts_at_once_is_overdue_at_once(house: House) -> None:
    with house.making() as make:
        recording = make.recording(client=make.client(jurisdiction="DE"))
    house.withdraw(recording.id, received_at=house.clock.now() - DAY)
    (item,) = _items(house, "blocks")
    assert item["is_overdue"]


def test_rejecting_a_refusal_shows_that_a_second_person_is_needed(house: House) -> None:
    found = house.propose(house.recording().id, Kind.REFUSAL, evidence={"quote": "Не надо"})
    rejected = house.call(
        "reviewer", "POST", f"/v1/assertions/{found}/reject", json={"reason": "Нет"}
    )
    assert rejected.json()["status"] == "proposed"
    (item,) = _items(house, "blocks")
    assert item["four_eyes"]["hindrance"] == "GIVEN"
    assert item["next_step"]["code"] == "N_SECOND_PERSON"
    (item,) = _items(house, "blocks", who="approver")
    assert item["four_eyes"]["may_decide"]


def _release(house: House, outcome: str) -> UUID:
    """Write a request with its decision, as the room of releases does."""
    release_id = new_id()
    with house.making() as make:
        client = make.client()
        contact, recording, session = (
            make.contact(client),
            make.recording(client=client),
            make.session,
        )
        at = house.clock.now()
        session.add(
            Release(
                id=release_id,
                contact_id=contact.id,
                client_id=client.id,
                purpose="dispute_client",
                recipient_class="client_same_entity",
                requested_by=house.people["manager"].id,
                requested_at=at,
                sender_name="ООО «Сервис»",
                sender_person="Мария Иванова",
                client_name=client.name,
                lifetime=14 * DAY,
                state="requested",
            )
        )
        session.flush()
        decision = DecisionRow(
            id=new_id(),
            recording_id=recording.id,
            release_id=release_id,
            contact_id=contact.id,
            recipient_class="client_same_entity",
            purpose="dispute_client",
            from_ms=4000,
            outcome=outcome,
            reasons=["A_COMPLIANCE_1"] if outcome == "NEEDS_APPROVAL" else ["C_WITHDRAWN:cli"],
            inputs_digest=bytes(32),
            policy_sha256=bytes(32),
            stamp="r0",
            at=at,
        )
        session.add(decision)
        session.flush()
        session.add(
            ReleaseWish(
                id=new_id(),
                release_id=release_id,
                position=0,
                recording_id=recording.id,
                from_ms=4000,
                to_ms=7000,
                decision_id=decision.id,
            )
        )
        session.flush()
    return release_id


def test_a_release_waits_for_an_approver_and_starts_where_the_part_begins(house: House) -> None:
    release_id = house.wanted(screened=True, known=True)
    (item,) = _items(house, "releases")
    assert item["release_id"] == release_id
    assert [why["code"] for why in item["why"]] == ["A_COMPLIANCE_1"]
    assert item["sound"]["span"] == {"from_ms": 1000, "to_ms": 7000}
    assert item["four_eyes"]["hindrance"] == "ROLE"
    assert (item["lacks"], item["links"]["screen"], item["links"]["know"]) == ([], None, None)
    (item,) = _items(house, "releases", who="legal")
    assert item["four_eyes"]["may_decide"]
    assert item["links"]["verify"] == f"/v1/releases/{release_id}/approve"
    assert house.call("legal", "POST", item["links"]["reject"]).status_code == 200
    assert _items(house, "releases") == []
    gone = house.call("legal", "GET", f"/v1/review/releases/{release_id}")
    assert (gone.status_code, gone.json()["type"]) == (404, "/problems/item-not-waiting")


def test_a_release_that_lacks_what_compliance_finds_waits_and_cannot_be_approved(
    house: House,
) -> None:
    release_id = house.wanted()
    (item,) = _items(house, "releases")
    assert item["lacks"] == ["RCPT_UNVERIFIED", "S_SCREEN_REQUIRED"]
    assert item["next_step"]["code"] == "N_LOOK_FIRST"
    (seen,) = _items(house, "releases", who="auditor")
    assert (seen["links"]["screen"], seen["links"]["know"]) == (None, None)
    early = house.call("approver", "POST", f"/v1/releases/{release_id}/approve", json={})
    assert (early.status_code, early.json()["type"]) == (409, "/problems/release-refused")
    clear = {**item["sound"]["span"], "result": "clear"}
    assert house.call("reviewer", "POST", item["links"]["screen"], json=clear).status_code == 201
    (item,) = _items(house, "releases")
    assert item["lacks"] == ["RCPT_UNVERIFIED"]


def test_a_recording_offers_its_parties_for_what_was_heard(house: House) -> None:
    recording = house.recording()
    (item,) = _items(house, "unknown")
    assert item["links"]["propose"] == f"/v1/recordings/{recording.id}/assertions"
    assert [(one["label"], one["side"]) for one in item["parties"]] == [
        ("cli", "client"),
        ("own", "own"),
    ]
    (seen,) = _items(house, "unknown", who="auditor")
    assert seen["links"]["propose"] is None


def test_a_pack_is_listed_with_its_flips_before_and_after_and_noted_away(house: House) -> None:
    house.wanted(screened=True, known=True)
    granted = house.wanted(screened=True, known=True)
    given = house.call("approver", "POST", f"/v1/releases/{granted}/approve", json={})
    assert given.json()["release"]["state"] == "granted", given.text
    house.propose_pack(disclosure_grounds=[])
    (item,) = _items(house, "policy", who="approver")
    assert [why["code"] for why in item["why"]] == ["W_PACK_PROPOSED"]
    assert item["four_eyes"]["roles_needed"] == ["approver", "approver|legal"]
    path = f"/v1/review/policy/{item['id']}/note"
    assert house.call("approver", "POST", path, json={"note": "Да."}).status_code == 409
    would = house.call("reviewer", "GET", item["links"]["flips"]).json()
    assert not would["is_in_force"]
    assert {flip["after"] for flip in would["found"]["stricter"]} >= {"DENY"}
    assert [f["release_id"] for f in would["found"]["stricter"] if f["release_id"]] == [granted]
    assert would["ended"] == []
    assert house.call("legal", "POST", item["links"]["verify"]).status_code == 200
    (mine,) = _items(house, "policy", who="legal")
    assert mine["four_eyes"]["hindrance"] == "GIVEN"
    house.clock.advance(timedelta(minutes=1))
    assert house.call("approver", "POST", item["links"]["verify"]).status_code == 200
    with house.database.transaction() as session:
        releases.reconsider(session, ReleaseId(UUID(granted)), at=house.clock.now())
    found = {one["pack"] is not None: one for one in _items(house, "policy")}
    assert found[False]["release_id"] == granted
    assert [why["code"] for why in found[True]["why"]] == ["W_PACK_IN_FORCE"]
    did = house.call("reviewer", "GET", found[True]["links"]["flips"]).json()
    assert did["is_in_force"]
    assert [one["release_id"] for one in did["ended"]] == [granted]
    assert {flip["before"] for flip in did["found"]["stricter"]} == {"NEEDS_APPROVAL"}
    assert did["found"]["softer"] == []
    noted = house.call("reviewer", "POST", found[True]["links"]["verify"], json={"note": "Да."})
    assert noted.status_code == 204
    assert [one["release_id"] for one in _items(house, "policy")] == [granted]
    assert house.acts(item["id"])[-1] == "review.noted"


def test_a_pack_that_was_rejected_leaves_the_queue(house: House) -> None:
    house.propose_pack("legal", disclosure_grounds=[])
    (own,) = _items(house, "policy", who="legal")
    assert own["four_eyes"]["hindrance"] == "PROPOSED_IT"
    (item,) = _items(house, "policy", who="approver")
    told = house.call("approver", "POST", item["links"]["reject"], json={"reason": "Слишком"})
    assert told.json()["state"] == "rejected"
    assert _items(house, "policy", who="approver") == []


def test_a_decision_that_flipped_is_listed_until_somebody_notes_it(house: House) -> None:
    release_id = _release(house, "DENY")
    with psycopg.connect(house.owner_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE releases DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE releases SET state = 'revoked', end_reason = 'consent', granted_at = %(at)s,"
            " expires_at = %(at)s + lifetime, revoked_at = %(at)s WHERE id = %(id)s",
            {"at": house.clock.now(), "id": release_id},
        )
        owner.execute("ALTER TABLE releases ENABLE TRIGGER USER")
    (item,) = _items(house, "policy")
    assert [why["code"] for why in item["why"]] == ["C_WITHDRAWN"]
    assert item["next_step"]["code"] == "N_TELL_RECIPIENT"
    noted = house.call("reviewer", "POST", item["links"]["verify"], json={"note": "Позвонили."})
    assert noted.status_code == 204
    assert _items(house, "policy") == []
    assert house.acts(release_id)[-1] == "review.noted"
    wrong = house.call(
        "reviewer", "POST", f"/v1/review/unknown/{release_id}/note", json={"note": "Да."}
    )
    assert wrong.status_code == 409


def test_old_recordings_of_mobiles_come_after_two_weeks(house: House) -> None:
    recording = house.recording(capture=Capture.MOBILE)
    assert _items(house, "mobile") == []
    house.clock.advance(15 * DAY)
    (item,) = _items(house, "mobile")
    assert item["recording_id"] == str(recording.id)
    assert [why["code"] for why in item["why"]] == ["W_MOBILE_OLD", "C_UNKNOWN"]


def test_an_item_is_one_persons_until_the_claim_ends(house: House) -> None:
    recording = house.recording()
    path = f"/v1/review/unknown/{recording.id}/claim"
    assert house.call("reviewer", "POST", path).status_code == 200
    (item,) = _items(house, "unknown", who="approver")
    assert item["owner"]["name"] == "reviewer"
    taken = house.call("approver", "POST", path)
    assert taken.status_code == 409
    assert taken.json()["owner"] == "reviewer"
    assert house.call("approver", "DELETE", path).status_code == 204
    assert house.call("approver", "POST", path).status_code == 409
    house.clock.advance(timedelta(minutes=31))
    assert house.call("approver", "POST", path).status_code == 200
    assert house.call("approver", "DELETE", path).status_code == 204
    assert _items(house, "unknown")[0]["owner"] is None
    nowhere = f"/v1/review/blocks/{recording.id}/claim"
    assert house.call("reviewer", "POST", nowhere).status_code == 404


def test_pages_of_a_queue_hold_every_item_once(house: House) -> None:
    made = [str(house.propose(house.recording().id)) for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        answer = house.call("reviewer", "GET", "/v1/review/proposed", params=query).json()
        found += [item["id"] for item in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert found == made
    bad = house.call("reviewer", "GET", "/v1/review/proposed", params={"cursor": "?"})
    assert bad.status_code == 400


def test_the_overview_counts_and_knows_the_oldest(house: House) -> None:
    house.propose(house.recording().id)
    house.clock.advance(4 * DAY)
    house.propose(house.recording().id)
    found = house.call("auditor", "GET", "/v1/review").json()["queues"]
    by_code = {row["code"]: row for row in found}
    assert set(by_code) == {"Q1", "Q2", "Q3", "Q4", "Q5", "Q7", "Q10", "Q13", "Q14"}
    assert (by_code["Q2"]["waiting"], by_code["Q2"]["overdue"]) == (2, 1)
    assert by_code["Q2"]["oldest_seconds"] == 4 * 24 * 3600
    assert by_code["Q1"]["oldest_since"] is None


def test_a_rejection_is_undone_by_a_new_proposal_that_another_decides(house: House) -> None:
    found = house.propose(house.recording().id)
    path = f"/v1/review/assertions/{found}/undo"
    early = house.call("reviewer", "POST", path, json={"reason": "Рано"})
    assert early.status_code == 409
    house.call("reviewer", "POST", f"/v1/assertions/{found}/reject", json={"reason": "Не слышно"})
    undone = house.call("reviewer", "POST", path, json={"reason": "Ошибся"}).json()
    assert undone["is_new"]
    assert undone["status"] == "proposed"
    again = house.assertion(undone["assertion_id"])
    assert (again.supersedes, again.evidence["quote"]) == (found, "Разговор записывается.")
    assert house.assertion(found).status == "rejected"
    verify = f"/v1/assertions/{again.id}/verify"
    assert house.call("reviewer", "POST", verify).status_code == 403
    assert house.call("legal", "POST", verify).status_code == 200


def test_a_verification_is_undone_by_two_people(house: House) -> None:
    found = house.propose(house.recording().id)
    house.call("reviewer", "POST", f"/v1/assertions/{found}/verify")
    path = f"/v1/review/assertions/{found}/undo"
    first = house.call("reviewer", "POST", path, json={"reason": "Ошибся"}).json()
    assert (first["status"], first["is_new"]) == ("verified", False)
    second = house.call("approver", "POST", path, json={"reason": "Верно"}).json()
    assert second["status"] == "invalidated"


def test_reports_as_json_and_as_defused_csv(house: House) -> None:
    notice = house.notice()
    house.hear(notice, score=20.0, line="=1+1")
    house.recording()
    refused = house.propose(house.recording().id, Kind.REFUSAL, evidence={"quote": "Нет"})
    with house.database.transaction() as session:
        at = house.clock.now() + timedelta(minutes=10)
        reviewer = house.people["reviewer"]
        review.decide(session, reviewer, refused, Verdict.VERIFY, reason=None, at=at)
    house.clock.advance(timedelta(hours=1))

    def rows(name: str) -> list[dict[str, Any]]:
        answer = house.call("auditor", "GET", f"/v1/review/reports/{name}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["rows"])

    coverage = rows("coverage")
    told = next(row for row in coverage if row["notice_id"] == str(notice.id))
    assert (told["line"], told["recordings"], told["of"], told["percent"]) == ("=1+1", 1, 1, 100.0)
    silent = next(row for row in coverage if row["line"] is None)
    assert (silent["notice_id"], silent["recordings"], silent["of"]) == (None, 2, 2)
    assert rows("refusals")[0] | {"month": ""} == {
        "month": "",
        "kind": "refusal",
        "status": "verified",
        "line": None,
        "count": 1,
    }
    assert rows("times") == [
        {
            "kind": "refusal",
            "settled": 1,
            "average_seconds": 600.0,
            "median_seconds": 600.0,
            "p95_seconds": 600.0,
        }
    ]
    assert {row["code"]: row["waiting"] for row in rows("queues")}["Q1"] == 1
    sheet = house.call("auditor", "GET", "/v1/review/reports/coverage?format=csv")
    assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert {line["line"] for line in lines} == {"'=1+1", ""}


@pytest.mark.parametrize("name", ["samples", "queues", "refusals", "times", "coverage"])
def test_reports_on_nothing_are_empty_and_not_broken(house: House, name: str) -> None:
    answer = house.call("reviewer", "GET", f"/v1/review/reports/{name}?format=csv")
    assert answer.status_code == 200


@pytest.mark.parametrize("proof", [None, "B", "F"])
def test_an_item_shows_the_class_of_proof_of_its_call(house: House, proof: str | None) -> None:
    recording = house.recording()
    with house.making() as make:
        make.session.execute(
            update(Recording).where(Recording.id == recording.id).values(proof=proof)
        )
    (item,) = house.call("reviewer", "GET", "/v1/review/unknown").json()["items"]
    assert item["call"]["proof"] == proof
