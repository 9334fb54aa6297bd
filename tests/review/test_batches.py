"""One verdict on many: frozen, opened, decided, undone; and what the database refuses by itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.consent.models import Verdict
from app.consent.purposes import Kind
from app.consent.review import decide
from app.custody import ledger
from app.review.rules import Frozen, list_digest, picked
from tests.review.house import House

BATCHES = "/v1/review/batches"


def _freeze(house: House, **body: object) -> dict[str, Any]:
    answer = house.call("reviewer", "POST", BATCHES, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _many(house: House, count: int) -> list[UUID]:
    return [house.propose(house.recording().id) for _ in range(count)]


def _open(house: House, batch: dict[str, Any], *, who: str = "reviewer") -> None:
    for item in batch["items"]:
        if item["must_be_opened"]:
            path = f"/v1/recordings/{item['recording_id']}/audio"
            assert house.call(who, "GET", path).status_code == 200


def _decide(house: House, batch: dict[str, Any], verdict: str = "verify", **more: str) -> Any:  # noqa: ANN401 - httpx's answer.
    who = more.pop("who", "reviewer")
    path = f"{BATCHES}/{batch['id']}/decide"
    return house.call(who, "POST", path, json={"verdict": verdict} | more)


def test_a_list_is_decided_after_what_was_picked_was_opened(house: House) -> None:
    made = _many(house, 22)
    batch = _freeze(house, query={"kind": "verbal_notice"})
    assert {item["assertion_id"] for item in batch["items"]} == set(map(str, made))
    assert (batch["to_open"], batch["still_to_open"]) == (20, 20)
    early = _decide(house, batch)
    assert early.status_code == 409
    assert early.json()["type"] == "/problems/batch-not-opened"
    assert len(early.json()["missing"]) == 20
    _open(house, batch)
    assert house.call("reviewer", "GET", f"{BATCHES}/{batch['id']}").json()["still_to_open"] == 0
    others = _decide(house, batch, who="approver")
    assert others.status_code == 409, "What another person has opened does not count."
    done = _decide(house, batch)
    assert done.json() == {"settled": 22, "waiting_for_second": 0, "skipped": []}
    assert {house.assertion(one).status for one in made} == {"verified"}
    told = [act for act in house.acts(batch["id"]) if act.startswith("batch.")]
    assert told == ["batch.frozen", "batch.decided"]
    assert "assertion.verified" in house.acts(batch["items"][0]["recording_id"])
    assert _decide(house, batch).status_code == 409


def test_the_pick_and_the_digest_can_be_computed_again(house: House) -> None:
    made = _many(house, 21)
    batch = _freeze(house, assertion_ids=list(map(str, made)))
    must = {UUID(item["assertion_id"]) for item in batch["items"] if item["must_be_opened"]}
    assert picked(made, bytes.fromhex(batch["pick_seed"])) == must
    query = dict.fromkeys(
        ("agent", "kind", "line", "notice_id", "notice_version", "proposed_before")
    ) | {"assertion_ids": sorted(map(str, made))}
    frozen = [
        Frozen(assertion_id=one, evidence_sha256=house.assertion(one).evidence_sha256)
        for one in made
    ]
    text = ledger.detail_bytes(query).decode()
    assert list_digest("verbal_notice", text, frozen).hex() == batch["digest"]


def test_what_would_flip_is_shown_before(house: House) -> None:
    (one,) = _many(house, 1)
    batch = _freeze(house, assertion_ids=[str(one)])
    path = f"{BATCHES}/{batch['id']}/flips"
    verify = house.call("reviewer", "GET", path, params={"verdict": "verify"}).json()
    flag = next(item for item in verify["items"] if item["what"] == "flag")
    assert (flag["before"], flag["after"]) == ("pending", "notified")
    assert verify["count"] == len(verify["items"])
    reject = house.call("reviewer", "GET", path, params={"verdict": "reject"}).json()
    assert ("pending", "unknown") in {(i["before"], i["after"]) for i in reject["items"]}
    assert house.assertion(one).status == "proposed"


def test_who_proposed_a_piece_does_not_settle_it_in_bulk_either(house: House) -> None:
    mine = house.propose(house.recording().id, who="reviewer")
    (others,) = _many(house, 1)
    batch = _freeze(house, query={"kind": "verbal_notice"})
    _open(house, batch)
    done = _decide(house, batch).json()
    assert done["settled"] == 1
    assert done["skipped"] == [{"assertion_id": str(mine), "why": "proposer-decides"}]
    assert house.assertion(mine).status == "proposed"
    assert house.assertion(others).status == "verified"


def test_what_was_settled_meanwhile_is_passed_over(house: House) -> None:
    first, second = _many(house, 2)
    batch = _freeze(house, query={"kind": "verbal_notice"})
    with house.database.transaction() as session:
        decide(
            session,
            house.people["legal"],
            first,
            Verdict.REJECT,
            reason="Не слышно",
            at=house.clock.now(),
        )
    _open(house, batch)
    done = _decide(house, batch).json()
    assert [one["why"] for one in done["skipped"]] == ["transition-refused"]
    assert house.assertion(second).status == "verified"


def test_a_rejected_batch_is_undone_by_proposing_it_anew(house: House) -> None:
    made = _many(house, 2)
    batch = _freeze(house, query={"kind": "verbal_notice"})
    _open(house, batch)
    assert _decide(house, batch, "reject").status_code == 400
    assert _decide(house, batch, "reject", reason="Не тот текст").json()["settled"] == 2
    path = f"{BATCHES}/{batch['id']}/undo"
    undone = house.call("reviewer", "POST", path, json={"reason": "Ошибка"}).json()
    assert (undone["settled"], undone["skipped"]) == (2, [])
    queue = house.call("legal", "GET", "/v1/review/proposed").json()["items"]
    assert len(queue) == 2
    assert {house.assertion(i["id"]).supersedes for i in queue} == set(made)
    assert house.call("reviewer", "POST", path, json={"reason": "Ещё"}).status_code == 409


def test_a_verified_batch_is_undone_by_two_people(house: House) -> None:
    made = _many(house, 2)
    batch = _freeze(house, query={"kind": "verbal_notice"})
    path = f"{BATCHES}/{batch['id']}/undo"
    assert house.call("reviewer", "POST", path, json={"reason": "Рано"}).status_code == 409
    _open(house, batch)
    _decide(house, batch)
    first = house.call("reviewer", "POST", path, json={"reason": "Ошибка"}).json()
    assert (first["settled"], first["waiting_for_second"]) == (0, 2)
    second = house.call("approver", "POST", path, json={"reason": "Верно"}).json()
    assert second["settled"] == 2
    assert {house.assertion(one).status for one in made} == {"invalidated"}


@pytest.mark.parametrize("wrong", ["refusal", "two kinds", "settled", "unknown", "none", "both"])
def test_what_cannot_be_settled_in_bulk_is_not_frozen(house: House, wrong: str) -> None:
    (one,) = _many(house, 1)
    other = house.propose(house.recording().id, Kind.REFUSAL, evidence={"quote": "Нет"})
    body: dict[str, object] = {"assertion_ids": [str(one)]}
    if wrong == "refusal":
        body = {"assertion_ids": [str(other)]}
    elif wrong == "two kinds":
        body = {"assertion_ids": [str(one), str(other)]}
    elif wrong == "settled":
        house.call("reviewer", "POST", f"/v1/assertions/{one}/verify")
    elif wrong == "unknown":
        body = {"assertion_ids": [str(one), "00000000-0000-7000-8000-000000000000"]}
    elif wrong == "none":
        body = {"query": {"kind": "beep"}}
    else:
        body |= {"query": {"kind": "beep"}}
    answer = house.call("reviewer", "POST", BATCHES, json=body)
    assert answer.status_code == (422 if wrong == "both" else 400), answer.text


def test_the_database_refuses_a_verdict_on_what_was_not_opened(house: House) -> None:
    _many(house, 1)
    batch = _freeze(house, query={"kind": "verbal_notice"})
    told = {"by": house.people["reviewer"].id, "at": house.clock.now(), "id": batch["id"]}
    verdict = (
        "UPDATE review_batches SET verdict = 'verify', decided_by = %(by)s, decided_at = %(at)s"
        " WHERE id = %(id)s"
    )
    with psycopg.connect(house.owner_url, autocommit=True) as owner:
        with pytest.raises(psycopg.errors.CheckViolation):
            owner.execute(verdict, told)
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute("UPDATE review_batches SET digest = sha256('x')")
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute("DELETE FROM review_batch_items")
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute("UPDATE review_batch_items SET must_be_opened = false")
