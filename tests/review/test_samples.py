"""The seed comes first, the draw can be repeated, and a failing sample stops the machine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select, text

from app.consent import queries as consent
from app.consent.models import Assertion
from app.review import jobs, sampling
from app.review.queries import is_drawn
from app.review.rules import Plan, score_of
from tests.review.house import House

DAY = timedelta(days=1)


def _publish(house: House, *, who: str = "approver", **more: object) -> Any:  # noqa: ANN401 - httpx's answer.
    at = house.clock.now()
    body = {
        "starts_at": (at + DAY).isoformat(),
        "ends_at": (at + 8 * DAY).isoformat(),
        "percent": 100,
    } | more
    return house.call(who, "POST", "/v1/review/samples", json=body)


def _waiting(house: House) -> list[str]:
    found = house.call("reviewer", "GET", "/v1/review/sample", params={"limit": "200"}).json()
    return [item["id"] for item in found["items"]]


def _check(
    house: House, found: UUID | str, verdict: str = "wrong", *, who: str = "reviewer"
) -> Any:  # noqa: ANN401 - httpx's answer.
    body = {"verdict": verdict} | ({"reason": "Не слышно"} if verdict == "wrong" else {})
    return house.call(who, "POST", f"/v1/review/sample/{found}/check", json=body)


def test_the_seed_is_in_the_ledger_before_the_period_begins(house: House) -> None:
    answer = _publish(house, percent=10)
    assert answer.status_code == 201, answer.text
    period = answer.json()
    with house.database.transaction() as session:
        entry = session.execute(
            text("SELECT act, at, facts FROM custody_entries WHERE object_id = :id"),
            {"id": period["id"]},
        ).one()
    assert entry.act == "sample.seed"
    assert entry.facts["seed"] == period["seed"]
    assert entry.at.isoformat() < period["starts_at"]
    assert house.call("auditor", "GET", "/v1/review/samples").json()["items"] == [period]


def test_a_period_that_began_overlaps_or_is_the_checkers_own_is_refused(house: House) -> None:
    late = _publish(house, starts_at=(house.clock.now() - DAY).isoformat())
    assert late.status_code == 400
    assert _publish(house, low=5.0).status_code == 400
    assert _publish(house, who="reviewer").status_code == 403
    assert _publish(house).status_code == 201
    assert _publish(house, starts_at=(house.clock.now() + 3 * DAY).isoformat()).status_code == 400


def test_what_is_drawn_can_be_drawn_again_by_anybody(house: House) -> None:
    period = _publish(house, percent=40, low=5.0, high=10.0).json()
    house.clock.advance(2 * DAY)
    notice = house.notice()
    made = [house.hear(notice, score=score) for score in (4.9, 5.0, 9.9, 10.0) for _ in range(4)]
    plan = Plan(seed=bytes.fromhex(period["seed"]), percent=40, low=5.0, high=10.0)
    expected = {
        str(one) for one in made if plan.draws(one, score_of(house.assertion(one).evidence))
    }
    assert 8 <= len(expected) < 16
    assert set(_waiting(house)) == expected
    with house.database.transaction() as session:
        drawn = session.scalars(select(Assertion.id).where(is_drawn())).all()
    assert set(map(str, drawn)) == expected


def test_what_lies_outside_the_period_is_not_drawn(house: House) -> None:
    notice = house.notice()
    house.hear(notice, score=7.0)
    _publish(house)
    house.clock.advance(9 * DAY)
    house.hear(notice, score=7.0)
    assert _waiting(house) == []


def test_a_failing_sample_stops_this_version_and_only_this(house: House) -> None:
    _publish(house, error_percent=10, least_checked=10)
    house.clock.advance(2 * DAY)
    notice, other = house.notice(), house.notice()
    made = [house.hear(notice, score=20.0) for _ in range(3)]
    assert _check(house, made[0], "right").json()["auto_verify_off_at"] is None
    assert _check(house, made[1]).json()["auto_verify_off_at"] is None
    assert house.acts(notice.id)[-1] == "notice_text.approved"
    stopped = _check(house, made[2]).json()
    assert stopped["auto_verify_off_at"] is not None
    assert house.acts(notice.id)[-1] == "auto_verify.stopped"
    with house.database.transaction() as session:
        assert consent.auto_verify_off_at(session, notice.id, notice.version) == house.clock.now()
        assert consent.auto_verify_off_at(session, other.id, other.version) is None
    report = house.call("auditor", "GET", "/v1/review/reports/samples").json()["rows"]
    assert [(r["checked"], r["wrong"], r["error_percent"]) for r in report] == [(3, 2, 66.67)]
    assert _waiting(house) == []


def test_a_wrong_notice_is_put_up_for_invalidation_by_two(house: House) -> None:
    _publish(house)
    house.clock.advance(2 * DAY)
    found = house.hear(house.notice(), score=20.0)
    reasonless = house.call(
        "reviewer", "POST", f"/v1/review/sample/{found}/check", json={"verdict": "wrong"}
    )
    assert reasonless.status_code == 400
    assert _check(house, found).status_code == 200
    assert _check(house, found).status_code == 404
    assert house.assertion(found).status == "verified"
    path = f"/v1/assertions/{found}/invalidate"
    assert house.call("approver", "POST", path, json={"reason": "Не слышно"}).status_code == 200
    assert house.assertion(found).status == "invalidated"


def test_what_a_person_verified_is_in_no_sample(house: House) -> None:
    _publish(house)
    house.clock.advance(2 * DAY)
    found = house.propose(house.recording().id)
    house.call("reviewer", "POST", f"/v1/assertions/{found}/verify")
    assert _waiting(house) == []
    assert _check(house, found).status_code == 404


def test_the_coming_week_always_has_a_seed(house: House) -> None:
    jobs.handle_seed(house.tools)
    jobs.handle_seed(house.tools)
    with house.database.transaction() as session:
        (period,) = sampling.periods(session)
        assert period.published_at < period.starts_at
        assert (period.starts_at.isoweekday(), period.percent) == (1, 5)
    house.clock.advance(7 * DAY)
    jobs.handle_seed(house.tools)
    with house.database.transaction() as session:
        assert len(sampling.periods(session)) == 2


def test_the_database_keeps_seeds_and_findings(house: House) -> None:
    _publish(house)
    with psycopg.connect(house.owner_url, autocommit=True) as owner:
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute("UPDATE review_sample_periods SET percent = 0")
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute("DELETE FROM review_sample_periods")
