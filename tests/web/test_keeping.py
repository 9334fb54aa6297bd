"""Keeping on the pages: rules by two people, a look ahead, holds, restriction, and an erasure."""

from __future__ import annotations

import re

from app.recordings.models import Recording
from app.retention.models import Erasure, LegalHold, Restriction, RetentionRule
from app.worker import loop
from tests.conftest import Urls
from tests.review.conftest import house
from tests.review.house import House
from tests.web.test_account import Browser

__all__ = ["house"]


def _as(house: House, name: str) -> Browser:
    browser = Browser(house)
    browser.log_in(name)
    return browser


def test_a_rule_that_is_offered_is_proposed_by_one_and_put_in_force_by_another(
    house: House,
) -> None:
    one, other = _as(house, "legal"), _as(house, "approver")
    assert "No rule is in force" in one.get("/keeping").text
    assert one.post("/keeping/rules", "/keeping", offered="no-ground").status_code == 303
    own = one.get("/keeping").text
    assert "another person agrees" in own
    assert "/agree" not in own
    shown = other.get("/keeping").text
    assert "1 matter below waits for you" in shown
    (path,) = re.findall(r'action="(/keeping/rules/[\w-]+/agree)"', shown)
    assert one.post(path, "/keeping").status_code == 403
    assert other.post(path, "/keeping").status_code == 303
    assert other.post(path, "/keeping").status_code == 409
    with house.database.transaction() as session:
        (row,) = session.query(RetentionRule)
        assert row.minimum is not None
        assert (row.name, row.minimum["days"], row.approved_at is not None) == (
            "no-ground",
            30,
            True,
        )


def test_a_rule_of_ones_own_is_taken_as_it_is_entered_or_refused(house: House) -> None:
    one = _as(house, "legal")
    told = {"name": "short", "trigger": "call_end", "action": "erase", "basis": "Policy 7"}
    good = one.post(
        "/keeping/rules", "/keeping", **told, min_days="10", max_months="2", kind="recording"
    )
    assert good.status_code == 303
    shown = one.get("/keeping").text
    assert "10 days" in shown
    assert "2 months" in shown
    assert one.post("/keeping/rules", "/keeping", **told, max_days="soon").status_code == 400
    assert (
        one.post("/keeping/rules", "/keeping", **told, min_years="3", max_days="1").status_code
        == 400
    )
    assert one.post("/keeping/rules", "/keeping", **told | {"basis": ""}).status_code == 400
    assert _as(house, "reviewer").post("/keeping/rules", "/keeping", **told).status_code == 403


def test_a_look_ahead_names_what_a_rule_will_erase_and_what_a_hold_keeps(house: House) -> None:
    free, held = house.recording(), house.recording()
    one, other = _as(house, "legal"), _as(house, "approver")
    told = {"name": "short", "trigger": "call_end", "action": "erase", "basis": "Policy 7"}
    one.post("/keeping/rules", "/keeping", **told, max_days="5", kind="recording")
    (path,) = re.findall(r'action="(/keeping/rules/[\w-]+/agree)"', other.get("/keeping").text)
    other.post(path, "/keeping")
    where = f"/keeping/recording/{held.id}"
    placed = one.post(
        "/keeping/holds",
        where,
        kept_kind="recording",
        kept_id=str(held.id),
        matter="Case 1",
        reason="A suit.",
    )
    assert (placed.status_code, placed.headers["location"]) == (303, where)
    assert "held by Case 1 since 21 Nov 2026" in one.get(where).text
    soon = one.get("/keeping/preview?days=0").text
    later = one.get("/keeping/preview?days=30").text
    for recording in (free, held):
        assert str(recording.id) not in soon or recording.started_at < house.clock.now()
        assert str(recording.id) in later
    rows = dict(
        re.findall(
            r'/keeping/recording/([\w-]+)".*?data-label="What happens">(.*?)</td>', later, re.DOTALL
        )
    )
    assert "is erased" in rows[str(free.id)]
    assert "is kept" in rows[str(held.id)]
    assert "held by Case 1 since" in later
    in_russian = one.get("/keeping/preview?days=30&lang=ru").text
    assert "удерживает «Case 1» с 21" in in_russian
    assert "held by" not in in_russian


def test_a_hold_of_nobody_is_refused_in_the_words_of_the_reader(house: House) -> None:
    legal = _as(house, "legal")
    told = {"client": "nobody", "matter": "Case 4", "reason": "A suit."}
    english = legal.post("/keeping/holds?lang=en", "/keeping", **told)
    russian = legal.post("/keeping/holds?lang=ru", "/keeping", **told)
    assert (english.status_code, russian.status_code) == (400, 400)
    assert '<span class="quiet">There is no such client.</span>' in english.text
    assert '. <span class="quiet">Такого контрагента нет.</span>' in russian.text
    wrong = legal.post("/keeping/holds?lang=ru", "/keeping", kept_kind="recording", kept_id="none")
    assert (wrong.status_code, "kept_id" in wrong.text) == (422, False)


def test_a_hold_is_lifted_by_another_with_a_reason(house: House) -> None:
    recording = house.recording()
    one, other = _as(house, "legal"), _as(house, "approver")
    one.post(
        "/keeping/holds",
        "/keeping",
        kept_kind="recording",
        kept_id=str(recording.id),
        matter="Case 2",
        reason="A suit.",
    )
    with house.database.transaction() as session:
        (hold,) = session.query(LegalHold)
    path = f"/keeping/holds/{hold.id}"
    assert f'action="{path}/release"' not in one.get("/keeping").text
    assert one.post(f"{path}/approve", "/keeping").status_code == 403
    assert other.post(f"{path}/approve", "/keeping").status_code == 303
    assert other.post(f"{path}/review", "/keeping", reason="Still in court.").status_code == 303
    assert one.post(f"{path}/release", "/keeping", reason="Over.").status_code == 403
    assert other.post(f"{path}/release", "/keeping", reason="").status_code == 400
    assert other.post(f"{path}/release", "/keeping", reason="Settled.").status_code == 303
    shown = other.get("/keeping").text
    assert "Nothing is held." in shown
    assert "Settled." in shown
    assert other.post(f"{path}/release", "/keeping", reason="Again.").status_code == 409
    unknown = one.post("/keeping/holds", "/keeping", client="nobody", matter="M", reason="R")
    assert unknown.status_code == 400


def test_a_restriction_is_set_at_once_and_lifted_by_another(house: House) -> None:
    recording = house.recording()
    where = f"/keeping/recording/{recording.id}"
    one, other = _as(house, "reviewer"), _as(house, "legal")
    assert one.post(f"{where}/restrict", where, reason="Disputed.").status_code == 303
    assert "Disputed." in one.get(where).text
    assert one.post(f"{where}/lift", where, reason="Done.").status_code == 403
    assert other.post(f"{where}/lift", where, reason="Done.").status_code == 303
    assert other.post(f"{where}/lift", where, reason="Done.").status_code == 409
    with house.database.transaction() as session:
        (row,) = session.query(Restriction)
        assert row.lift_reason == "Done."
    assert one.get("/keeping/recording/00000000-0000-7000-8000-000000000000").status_code == 404
    assert one.get("/keeping/call/00000000-0000-7000-8000-000000000000").status_code == 404
    assert f'href="{where}"' in one.get(f"/recordings/{recording.id}").text


def test_an_erasure_is_asked_for_agreed_to_by_another_and_leaves_an_act(
    house: House, own_database: Urls
) -> None:
    recording = house.recording()
    where = f"/keeping/recording/{recording.id}"
    one, other = _as(house, "reviewer"), _as(house, "approver")
    asked = one.post(f"{where}/erase", where, ground="duty", reason="No ground.")
    assert asked.status_code == 303
    with house.database.transaction() as session:
        (erasure,) = session.query(Erasure)
    assert asked.headers["location"] == f"/keeping#erasure-{erasure.id}"
    assert one.post(f"{where}/erase", where, ground="duty", reason="Again.").status_code == 409
    assert one.post(f"{where}/erase", where, ground="retention", reason="x").status_code == 400
    path = f"/keeping/erasures/{erasure.id}/approve"
    assert one.post(path, "/keeping").status_code == 403
    shown = other.get("/keeping").text
    assert f'action="{path}"' in shown
    assert "act.html" not in shown
    assert other.post(path, "/keeping").status_code == 303
    loop.drain(house.tools, own_database.web)
    done = other.get("/keeping").text
    act = f"/v1/erasures/{erasure.id}/act.html"
    assert act in done
    assert other.get(act).status_code == 200
    assert other.get(f"/v1/erasures/{erasure.id}/log.csv").status_code == 200
    assert "Erased on" in other.get(where).text
    with house.database.transaction() as session:
        assert session.get_one(Recording, recording.id).erased_at is not None


def test_an_erasure_that_a_hold_hinders_is_turned_down_at_once_with_the_reason(
    house: House,
) -> None:
    recording = house.recording()
    where = f"/keeping/recording/{recording.id}"
    legal = _as(house, "legal")
    legal.post(
        "/keeping/holds",
        where,
        kept_kind="recording",
        kept_id=str(recording.id),
        matter="Case 3",
        reason="Suit.",
    )
    legal.post(f"{where}/erase", where, ground="request", reason="He asked.", subject="A. B.")
    shown = legal.get("/keeping").text
    assert "turned down" in shown
    assert "Case 3" in shown
    other = house.recording()
    there = f"/keeping/recording/{other.id}"
    legal.post(f"{there}/erase", there, ground="duty", reason="No ground.")
    with house.database.transaction() as session:
        (row,) = [one for one in session.query(Erasure) if one.recording_id == other.id]
    approver = _as(house, "approver")
    path = f"/keeping/erasures/{row.id}/deny"
    assert approver.post(path, "/keeping", reason="").status_code == 400
    assert approver.post(path, "/keeping", reason="It is needed.").status_code == 303
    assert "It is needed." in approver.get("/keeping").text
