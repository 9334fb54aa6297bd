"""Calls, gaps and statements through the doors."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import rfc8785
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.core.ids import new_id
from app.custody.models import CustodyEntry
from app.custody.notes import NoteInvalid
from app.feeds import jobs, statements
from app.feeds.models import KnownCall, KnownCallVersion
from app.system.doctor import _calls
from app.wiring import Urls
from tests.conftest import Urls as Databases
from tests.feeds.house import DAY, PHONE, FeedHouse, at, call
from tests.live import Live, metadata


@pytest.fixture
def house(live: Live) -> FeedHouse:
    return FeedHouse(live)


def acts(house: FeedHouse, act: str) -> list[dict[str, Any]]:
    with house.live.tools.database.transaction() as session:
        query = select(CustodyEntry.facts).where(CustodyEntry.act == act)
        return list(session.scalars(query.order_by(CustodyEntry.position)))


def test_calls_are_taken_once_and_a_correction_is_a_further_version(house: FeedHouse) -> None:
    first = house.tell(call("a"), call("b", 300))
    assert (first["new"], first["corrected"], first["repeated"]) == (2, 0, 0)
    again = house.tell(call("a"), call("b", 300, disposition="busy", talk_ms=0), call("c", 600))
    assert [one["result"] for one in again["items"]] == ["repeated", "corrected", "new"]
    late = house.tell(call("b", 300))
    assert late["items"] == [{"call_id": "b", "result": "repeated", "version": 1, "current": 2}]
    with house.live.tools.database.transaction() as session:
        row = session.scalars(select(KnownCall).where(KnownCall.call_id == "b")).one()
        kept = session.scalars(
            select(KnownCallVersion)
            .where(KnownCallVersion.known_call_id == row.id)
            .order_by(KnownCallVersion.version)
        ).all()
    assert row.disposition == "busy"
    assert [one.told["disposition"] for one in kept] == ["answered", "busy"]
    assert [(one["new"], one["corrected"]) for one in acts(house, "calls.received")] == [
        (2, 0),
        (1, 1),
    ]


def test_two_sources_may_call_a_call_the_same(house: FeedHouse) -> None:
    assert house.tell(call("a"))["new"] == house.tell(call("a"), who="phone")["new"] == 1


def test_many_at_once_are_one(house: FeedHouse) -> None:
    batch = [call(f"c{n}", n) for n in range(50)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: house.tell(*batch)["new"], range(4)))
    assert sorted(found) == [0, 0, 0, 50]


@pytest.mark.parametrize(
    "wrong",
    [
        {"talk_ms": 70_000},
        {"direction": "sideways"},
        {"disposition": "perhaps"},
        {"started_at": "2026-11-20T10:00:00"},
        {"not_recorded": "erased"},
        {"call_id": "a\x00"},
        {"more": 1},
    ],
)
def test_a_call_of_another_shape_is_refused_whole(house: FeedHouse, wrong: dict[str, Any]) -> None:
    answer = house.ask("POST", "/calls", "pbx", json={"calls": [call("ok"), call("a") | wrong]})
    assert answer.status_code == 422
    assert house.tell(call("ok"))["new"] == 1


def test_a_request_has_a_thousand_calls_at_most_and_each_once(house: FeedHouse) -> None:
    many = [call(f"c{n}", n) for n in range(1001)]
    assert house.ask("POST", "/calls", "pbx", json={"calls": many}).status_code == 422
    assert house.ask("POST", "/calls", "pbx", json={"calls": []}).status_code == 422
    twice = [call("a"), call("a", 5)]
    assert house.ask("POST", "/calls", "pbx", json={"calls": twice}).status_code == 422
    assert house.tell(*many[:1000])["new"] == 1000


def test_a_day_is_stated_signed_and_superseded_by_what_comes_late(house: FeedHouse) -> None:
    house.record("a")
    house.tell(
        call("a"),
        call("lost", 600),
        call("missed", 900, disposition="no_answer", talk_ms=0),
        call("own", 1200, not_recorded="private"),
    )
    house.work()
    first = house.day()
    said = first["statement"]
    assert said["counts"] == {
        "calls": 4,
        "answered": 3,
        "not_answered": 1,
        "recordings": 1,
        "matched": 1,
        "gaps": 2,
        "alarms": 1,
    }
    assert said["gaps"] == {"private": 1, "unexplained": 1}
    (source,) = said["sources"]
    assert (source["source"], source["is_exchange"]) == ("pbx", True)
    assert source["matched_by"] == {"call_id": 1}
    assert hashlib.sha256(rfc8785.dumps(said)).hexdigest() == first["sha256"]
    digest = hashlib.sha256(rfc8785.dumps(said["missing"])).hexdigest()
    assert digest == said["missing_sha256"]
    note = statements.check(first["note"], house.log_keys())
    assert (note.day, note.version, note.supersedes) == (date(2026, 11, 20), 1, None)
    assert note.statement_sha256.hex() == first["sha256"]
    assert PHONE not in first["note"]

    house.record("lost", 601)
    made = {row.day: row.version for row in jobs.handle_hourly(house.live.tools)}
    second = house.day()
    assert made[date(2026, 11, 20)] == second["statement"]["version"] == 2
    assert made[date(2026, 11, 21)] == 1
    assert second["statement"]["gaps"] == {"private": 1}
    assert second["statement"]["supersedes"] == first["sha256"]
    newer = statements.check(second["note"], house.log_keys())
    assert newer.supersedes == note.statement_sha256
    assert [one["sha256"] for one in second["versions"]] == [first["sha256"], second["sha256"]]
    facts = [one for one in acts(house, "cdr.reconciled") if one["day"] == DAY]
    assert [(one["version"], one["alarms"]) for one in facts] == [(1, 1), (2, 0)]
    assert jobs.handle_hourly(house.live.tools) == []


def test_a_note_that_was_changed_is_no_statement(house: FeedHouse) -> None:
    house.tell(call("a"))
    house.work()
    note = house.day()["note"]
    with pytest.raises(NoteInvalid):
        statements.check(note.replace("alarms 1", "alarms 0"), house.log_keys())


def test_a_statement_is_in_the_ledger_with_what_it_says(house: FeedHouse) -> None:
    house.tell(call("a"))
    house.work()
    found = house.day()
    with house.live.tools.database.transaction() as session:
        sealed = session.execute(
            text("SELECT ciphertext FROM custody_private WHERE entry_id = :e AND label = 'detail'"),
            {"e": found["entry"]},
        ).scalar_one()
        opened = house.live.tools.cipher.open(UUID(found["entry"]), "detail", bytes(sealed))
    assert json.loads(opened) == found["statement"]


def test_recordings_of_softphones_are_found_by_number_and_time(house: FeedHouse) -> None:
    house.record("sip-1", 4)
    house.tell(call("pbx-1"))
    house.work()
    assert house.day()["statement"]["sources"][0]["matched_by"] == {"number": 1}
    assert house.gaps() == []


def test_a_recording_nobody_told_of_is_the_opposite_gap(house: FeedHouse) -> None:
    recording = house.record("sip-1", 4, **{"from": "+74950009999"})
    house.record("a")
    house.tell(call("a"))
    house.work()
    (gap,) = house.gaps()
    assert (gap["kind"], gap["reason"], gap["recording"]) == (
        "recording",
        "no_call_record",
        recording,
    )
    house.tell(call("late", 3, **{"from": "+74950009999"}))
    house.work()
    assert house.gaps() == []
    assert [one["closed_at"] is None for one in house.gaps(state="closed")] == [False]


def test_a_softphone_says_of_the_exchanges_call_that_it_was_private(house: FeedHouse) -> None:
    house.tell(call("pbx-1"))
    house.tell(call("sip-1", 3, not_recorded="private"), who="phone")
    house.work()
    assert house.reasons() == {"pbx-1": "private", "sip-1": "private"}


def test_a_refused_upload_explains_its_gap(house: FeedHouse) -> None:
    sent = metadata("refused-1", started_at=at(0))
    assert house.live.send(sent, b"#EXTM3U\n").status_code == 415
    assert house.live.send(sent, b"#EXTM3U\n").status_code == 415
    house.tell(call("refused-1"))
    house.work()
    assert house.reasons() == {"refused-1": "refused"}


def test_counters_that_disagree_tell_how_many_are_missing(house: FeedHouse) -> None:
    house.record("a")
    told = {"day": DAY, "calls": 4, "recorded": 3, "not_recorded": {"private": 1}}
    first = house.ask("POST", "/calls/counter", "phone", json=told)
    assert first.json() == {"result": "new", "version": 1, "current": 1}
    house.work()
    (gap,) = house.gaps()
    assert (gap["kind"], gap["reason"], gap["counted"]) == ("count", "count_differs", 2)
    assert house.explain(gap, "lost").status_code == 200
    assert house.ask("POST", "/calls/counter", "phone", json=told).json()["result"] == "repeated"
    house.record("b", 600)
    house.ask("POST", "/calls/counter", "phone", json=told | {"calls": 5, "recorded": 4})
    house.work()
    assert [(one["counted"], one["reason"]) for one in house.gaps()] == [(2, "lost")]
    house.record("c", 900)
    house.record("d", 1200)
    jobs.handle_hourly(house.live.tools)
    assert house.gaps() == []
    over = told | {"calls": 1}
    assert house.ask("POST", "/calls/counter", "phone", json=over).status_code == 422


def test_a_person_gives_a_reason_and_a_new_statement_says_so(house: FeedHouse) -> None:
    house.tell(call("a"))
    house.work()
    (gap,) = house.gaps()
    answer = house.explain(gap, "device_down")
    assert answer.status_code == 200
    assert (answer.json()["reason"], answer.json()["found_reason"]) == (
        "device_down",
        "unexplained",
    )
    house.work()
    found = house.day()
    assert found["statement"]["version"] == 2
    assert found["statement"]["missing"][0] | {"at": ""} == {
        "source": "pbx",
        "kind": "call",
        "at": "",
        "call_id": "a",
        "reason": "device_down",
        "by": "person",
    }
    assert found["statement"]["counts"]["alarms"] == 0
    assert acts(house, "call_gap.explained")[0]["reason"] == "device_down"
    table = house.ask("GET", "/reconciliation/gaps.csv").text
    (row,) = csv.DictReader(io.StringIO(table))
    assert (row["words"], row["number"]) == ("'=Разобрались со станцией.", f"'{PHONE}")


def test_reasons_that_only_the_rules_find_are_not_given(house: FeedHouse) -> None:
    house.tell(call("a"))
    house.work()
    (gap,) = house.gaps()
    assert house.explain(gap, "unexplained").status_code == 422
    assert house.explain(gap, "private", who="reviewer").status_code == 403
    assert house.explain(gap | {"id": str(new_id())}, "private").status_code == 404
    house.record("a")
    jobs.handle_hourly(house.live.tools)
    closed = house.explain(gap, "private")
    assert (closed.status_code, closed.json()["type"]) == (409, "/problems/gap-closed")


def test_what_is_not_recorded_is_said_with_its_end(house: FeedHouse) -> None:
    house.tell(call("a", line="hr"), call("b", 3600, line="hr"), call("c", 1800))
    house.work()
    body = {"kind": "excluded", "line": "HR", "since": at(0), "words": "Отдел кадров."}
    made = house.ask("POST", "/reconciliation/exceptions", "admin", json=body)
    assert made.status_code == 201, made.text
    house.work()
    assert house.reasons() == {"a": "excluded", "b": "excluded", "c": "unexplained"}
    path = f"/reconciliation/exceptions/{made.json()['id']}/end"
    end = {"until": at(1800), "words": "Снова пишем."}
    assert house.ask("POST", path, "manager", json=end).status_code == 403
    assert house.ask("POST", path, "admin", json=end).status_code == 200
    house.work()
    assert house.reasons() == {"a": "excluded", "b": "unexplained", "c": "unexplained"}
    assert house.ask("POST", path, "admin", json=end).status_code == 409
    gone = f"/reconciliation/exceptions/{new_id()}/end"
    assert house.ask("POST", gone, "admin", json=end).status_code == 404
    nobody = body | {"line": None, "device": "nobody"}
    assert house.ask("POST", "/reconciliation/exceptions", "admin", json=nobody).status_code == 404
    plain = {"kind": "outage", "since": at(0), "words": "Сбой."}
    assert house.ask("POST", "/reconciliation/exceptions", "admin", json=plain).status_code == 422
    listed = house.got("/reconciliation/exceptions")["items"]
    assert [(one["kind"], one["line"]) for one in listed] == [("excluded", "HR")]


def test_gaps_are_paged_and_narrowed(house: FeedHouse) -> None:
    house.tell(*(call(f"c{n}", n * 600) for n in range(5)))
    house.work()
    seen: list[str] = []
    cursor = None
    while True:
        params: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = house.got("/reconciliation/gaps", **params)
        seen += [one["call_id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["c4", "c3", "c2", "c1", "c0"]
    assert house.gaps(kind="count") == house.gaps(reason="private") == []
    assert house.gaps(to="2026-11-19") == []
    bad = house.ask("GET", "/reconciliation/gaps", params={"cursor": "x"})
    assert bad.status_code == 400


def test_days_are_listed_and_the_present_one_waits(house: FeedHouse) -> None:
    now = house.live.tools.clock.now()
    house.tell(call("a"), call("now", started_at=now.isoformat()))
    house.work()
    listed = house.got("/reconciliation", **{"from": DAY, "to": "2026-11-21"})
    assert [(one["day"], one["alarms"]) for one in listed["items"]] == [(DAY, 1)]
    today = now.astimezone(house.live.tools.settings.zone).date().isoformat()
    missing = house.ask("GET", f"/reconciliation/{today}")
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/statement-not-found")
    jobs.handle_hourly(house.live.tools)
    silent = house.day("2026-11-21")["statement"]
    assert (silent["sources"], silent["counts"]["calls"]) == ([], 0)


def test_every_reason_is_told_in_both_languages(house: FeedHouse) -> None:
    ru, en = (house.got("/reconciliation/reasons", lang=lang) for lang in ("ru", "en"))
    assert len(ru) == len(en) > 10
    assert all(one["title"] and one["help"] and one["by"] for one in ru + en)
    assert not {one["title"] for one in ru} & {one["title"] for one in en}


def test_agents_and_devices_see_nothing_of_it(house: FeedHouse) -> None:
    for path in ("/reconciliation", "/reconciliation/gaps", "/reconciliation/gaps.csv"):
        assert house.ask("GET", path, "agent").status_code == 403
        assert house.ask("GET", path, "phone").status_code == 403
    assert house.ask("POST", "/calls", "manager", json={"calls": [call("a")]}).status_code == 403


def test_an_erased_recording_leaves_a_gap_and_takes_the_number_with_it(
    house: FeedHouse,
    own_database: Databases,
) -> None:
    recording = house.record("sip-1", 2)
    house.tell(call("pbx-1"))
    house.work()
    assert house.gaps() == []
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("SELECT destroy_recording(%s, now())", (recording,))
    with house.live.tools.database.transaction() as session:
        row = session.scalars(select(KnownCall)).one()
        told = session.scalars(select(KnownCallVersion.told)).one()
    assert (row.outside_number, row.from_party, told) == (None, None, {})
    assert str(row.recording_id) == recording
    jobs.reconcile_day(house.live.tools, date(2026, 11, 20))
    assert house.reasons() == {"pbx-1": "erased"}
    assert house.day()["statement"]["sources"][0]["matched"] == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE call_statements SET note = ''",
        "DELETE FROM call_statements",
        "UPDATE known_call_versions SET told = '{}'",
        "DELETE FROM known_calls",
        "UPDATE known_calls SET device_id = gen_random_uuid()",
        "UPDATE call_counters SET calls = 0",
        "DELETE FROM call_gaps",
        "UPDATE refused_uploads SET call_id = ''",
        "TRUNCATE call_statements",
    ],
)
def test_what_was_told_and_stated_is_not_changed(house: FeedHouse, statement: str) -> None:
    house.tell(call("a"))
    house.work()
    with (
        pytest.raises(DBAPIError, match="permission denied"),
        house.live.tools.database.transaction() as session,
    ):
        session.execute(text(statement))


@pytest.mark.parametrize("table", ["call_statements", "known_call_versions", "call_counters"])
def test_not_even_the_owner_changes_them(
    house: FeedHouse,
    own_database: Databases,
    table: str,
) -> None:
    house.tell(call("a"))
    house.ask("POST", "/calls/counter", "phone", json={"day": DAY, "calls": 1, "recorded": 1})
    house.work()
    with (
        psycopg.connect(own_database.owner) as owner,
        pytest.raises(psycopg.errors.RestrictViolation, match="append-only"),
    ):
        owner.execute(f"DELETE FROM {table}")  # noqa: S608 - one of three names above.


def test_figures_and_doctor_tell_of_gaps_and_silence(
    house: FeedHouse,
    own_database: Databases,
) -> None:
    now = house.live.tools.clock.now()
    house.tell(call("a"), call("new", started_at=(now - timedelta(hours=1)).isoformat()))
    house.work()
    figures = httpx.get(f"{house.live.url}/metrics", timeout=60).text
    assert "audiatur_unexplained_gaps 1.0" in figures
    assert 'audiatur_call_gaps{reason="unexplained"} 1.0' in figures
    assert 'audiatur_calls_known{source="pbx"} 1.0' in figures
    assert 'audiatur_calls_matched{source="pbx"} 0.0' in figures
    assert 'audiatur_call_record_age_seconds{source="pbx"}' in figures
    urls = Urls(owner=own_database.owner, web=own_database.web, link=own_database.link)
    silence, lost = _calls(urls, house.live.tools.settings)
    assert (silence.level, lost.level) == ("ok", "warn")
    with house.live.tools.database.transaction() as session:
        session.execute(text("UPDATE known_calls SET received_at = now() - interval '4 days'"))
    silence, _ = _calls(urls, house.live.tools.settings)
    assert (silence.level, silence.found) == ("warn", "silent, and for how many hours: pbx (96)")
