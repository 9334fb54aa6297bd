"""Old recordings are searched again: for new texts, by new methods, and people's verdicts stand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from app.core.ids import new_id
from app.inspection.notice.checks import METHOD_VERSION
from app.inspection.search_again import MOST_TRIES, check_runs
from app.worker import handlers
from tests.conftest import Urls
from tests.factories import wav
from tests.inspection.conftest import CORPUS, needs_corpus
from tests.live import Live, metadata

pytestmark = needs_corpus

PATIENCE_SECONDS = 60
WORDS = {
    "language": "ru",
    "text": "В целях повышения качества обслуживания ваш разговор может быть записан",
    "purposes": ["internal_quality"],
    "recipients": ["own_staff_manager"],
    "valid_from": "2026-01-01T00:00:00+03:00",
}


def _work(live: Live) -> None:
    """Do the background jobs that are due, and those that they ask for."""
    due = (
        "SELECT id FROM procrastinate_jobs WHERE status = 'todo' "
        "AND (scheduled_at IS NULL OR scheduled_at <= now())"
    )
    for _ in range(50):
        live.work()
        if not _rows(live, due):
            return
    pytest.fail("There is no end to the jobs.")


def _add_text(live: Live, *, name: str = "notice_ru", **told: object) -> str:
    body = (CORPUS / f"reference/{name}.wav").read_bytes()
    answer = live.send(WORDS | told, body, who="admin", path="/v1/notice-texts")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _approve(live: Live, text_id: str) -> None:
    done = live.call("POST", f"/v1/notice-texts/{text_id}/approve", who="approver")
    assert done.status_code == 200, done.text


def _send(live: Live, name: str | bytes, call: str, **told: object) -> str:
    body = name if isinstance(name, bytes) else (CORPUS / name).read_bytes()
    file = "call.wav" if isinstance(name, bytes) else Path(name).name
    sent = live.send(metadata(call, **told), body, name=file)
    assert sent.status_code == 201, sent.text
    return str(sent.json()["id"])


def _get(live: Live, path: str, *, who: str = "reviewer") -> Any:  # noqa: ANN401 - JSON.
    answer = live.call("GET", path, who=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _runs(live: Live) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = _get(live, "/v1/notices/searches")["items"]
    return items


def _evidence(live: Live, recording_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = _get(live, f"/v1/recordings/{recording_id}/assertions")["items"]
    return items


def _differing(live: Live) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = _get(live, "/v1/review/differs")["items"]
    return items


def _rows(live: Live, sql: str, *values: object) -> list[dict[str, Any]]:
    with psycopg.connect(
        live.database_url, options="-c role=audiatur_app", row_factory=dict_row
    ) as connection:
        return connection.execute(sql, values).fetchall()


@contextmanager
def _unguarded(urls: Urls, *tables: str) -> Iterator[psycopg.Connection]:
    """Let the owner write what only another time or method would have written."""
    with psycopg.connect(urls.owner) as owner:
        for table in tables:
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield owner
        for table in tables:
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _searched_by_another_method(urls: Urls) -> None:
    with _unguarded(urls, "notice_searches") as owner:
        owner.execute("UPDATE notice_searches SET method_version = 'notice-0'")


def _heard_nothing_before(urls: Urls) -> None:
    """Leave behind what an older method would have, had it found nothing."""
    with _unguarded(urls, "notice_searches", "notice_hits") as owner:
        owner.execute("DELETE FROM notice_hits")
        owner.execute("UPDATE notice_searches SET method_version = 'notice-0'")


def test_a_text_approved_later_is_found_in_the_calls_that_were_there(live: Live) -> None:
    played = _send(live, "d01.wav", "c1")
    other = _send(live, "d17.wav", "c2")
    _work(live)
    assert _get(live, f"/v1/recordings/{played}")["consent"]["flag"] == "unknown"
    text_id = _add_text(live)
    _work(live)
    assert _runs(live) == []
    _approve(live, text_id)
    _work(live)
    (run,) = _runs(live)
    assert (run["reason"], run["state"], run["text_id"]) == ("text", "done", text_id)
    assert (run["total"], run["done"], run["failed"], run["found_complete"]) == (2, 2, 0, 1)
    assert (run["remaining"], run["passed_over"], run["differing"]) == (0, 0, 0)
    found = _get(live, f"/v1/recordings/{played}")
    assert found["consent"]["flag"] == "notified"
    (hit,) = found["inspection"]["notices"]
    assert hit["complete"]
    (assertion,) = _evidence(live, played)
    assert (assertion["status"], assertion["proposed_service"]) == ("verified", "detector")
    assert _evidence(live, other) == []
    told = _rows(
        live, "SELECT act FROM custody_entries WHERE object_kind = 'search_run' ORDER BY position"
    )
    assert [row["act"] for row in told] == ["search.begun", "search.ended"]


def test_a_second_text_leaves_what_the_first_search_found(live: Live) -> None:
    first = _add_text(live)
    _approve(live, first)
    recording = _send(live, "d01.wav", "c1")
    _work(live)
    second = _add_text(live, name="notice_en", language="en")
    _approve(live, second)
    _work(live)
    assert [run["done"] for run in _runs(live) if run["text_id"] == second] == [1]
    notices = _get(live, f"/v1/recordings/{recording}")["inspection"]["notices"]
    assert [(hit["text_id"], hit["complete"]) for hit in notices] == [(first, True)]
    assert len(_evidence(live, recording)) == 1


def test_only_calls_of_the_line_day_and_wish_are_searched(live: Live) -> None:
    line = {"line": "+74950000000"}
    _send(live, "d01.wav", "other line")
    _send(live, "d01.wav", "too early", started_at="2025-12-01T10:00:00+03:00", **line)
    _send(live, "d01.wav", "early", started_at="2026-02-01T10:00:00+03:00", **line)
    wanted = _send(live, "d01.wav", "wanted", **line)
    _work(live)
    text_id = _add_text(live, lines=["+74950000000"])
    asked = {"text_id": text_id, "since": "2026-10-01T00:00:00Z"}
    answer = live.call("POST", "/v1/notices/searches", who="admin", json=asked)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["state"], answer.json()["total"]) == ("running", None)
    _work(live)
    (run,) = _runs(live)
    assert (run["total"], run["done"]) == (1, 1)
    assert [str(row["recording_id"]) for row in _rows(live, "SELECT * FROM notice_searches")] == [
        wanted
    ]
    # Nobody has approved it: what was heard waits for a person.
    assert [one["status"] for one in _evidence(live, wanted)] == ["proposed"]
    again = live.call("POST", "/v1/notices/searches", who="admin", json=asked).json()
    _work(live)
    found = _get(live, f"/v1/notices/searches/{again['id']}")["run"]
    assert (found["state"], found["total"], found["done"]) == ("done", 0, 0)


def test_a_text_that_is_told_twice_at_once_has_two_versions_more(
    live: Live, own_database: Urls
) -> None:
    _send(live, "d01.wav", "c1")
    text_id = _add_text(live)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(own_database.owner) as owner:
        # As the archive itself adds a version, but slowly, and with the sound of the call.
        owner.execute("SELECT 1 FROM notice_texts FOR UPDATE")
        owner.execute(
            "CREATE TEMP TABLE second ON COMMIT DROP AS SELECT * FROM notice_texts;"
            "UPDATE second SET version = 2, object_id = "
            "(SELECT object_id FROM sealed_objects EXCEPT SELECT object_id FROM notice_texts);"
            "INSERT INTO notice_texts SELECT * FROM second"
        )
        late = pool.submit(_add_text, live, id=text_id)
        while not _rows(live, "SELECT 1 FROM pg_locks WHERE NOT granted") and not late.done():
            pass
        owner.commit()
        assert late.result() == text_id
    kept = _get(live, "/v1/notice-texts", who="admin")["items"]
    assert sorted(row["version"] for row in kept) == [1, 2, 3]


def test_a_version_of_no_text_is_refused(live: Live) -> None:
    answer = live.call("POST", "/v1/notices/searches", who="admin", json={"version": 1})
    assert answer.status_code == 422, answer.text
    assert "text_id" in answer.text
    assert _runs(live) == []


def test_a_search_of_all_of_a_call_finds_what_the_beginning_does_not_hold(live: Live) -> None:
    with (CORPUS / "d01.wav").open("rb") as file:
        samples = file.read()[44:]
    late = wav(1)[:44] + bytes(2 * 8000 * 400) + samples
    head = bytearray(late)
    head[4:8] = (len(late) - 8).to_bytes(4, "little")
    head[40:44] = (len(late) - 44).to_bytes(4, "little")
    recording = _send(live, bytes(head), "c1")
    _work(live)
    text_id = _add_text(live)
    _approve(live, text_id)
    _work(live)
    assert _get(live, f"/v1/recordings/{recording}")["inspection"]["notices"] == []
    asked = live.call("POST", "/v1/notices/searches", who="admin", json={"whole": True})
    _work(live)
    run = _get(live, f"/v1/notices/searches/{asked.json()['id']}")["run"]
    assert (run["done"], run["found_complete"], run["whole"]) == (1, 1, True)
    (hit,) = _get(live, f"/v1/recordings/{recording}")["inspection"]["notices"]
    assert hit["start_ms"] > 400_000
    (assertion,) = _evidence(live, recording)
    assert assertion["status"] == "verified"


def test_another_method_searches_everything_anew_once(live: Live, own_database: Urls) -> None:
    _approve(live, _add_text(live))
    recording = _send(live, "d01.wav", "c1")
    _work(live)
    check_runs(live.tools)
    assert [run["reason"] for run in _runs(live)] == ["text"]
    _searched_by_another_method(own_database)
    check_runs(live.tools)
    check_runs(live.tools)
    _work(live)
    run, _ = _runs(live)
    assert (run["reason"], run["state"], run["done"]) == ("method", "done", 1)
    assert run["method_version"] == METHOD_VERSION
    methods = _rows(live, "SELECT method_version FROM notice_searches ORDER BY at")
    assert [row["method_version"] for row in methods] == ["notice-0", METHOD_VERSION]
    # The same playing, heard again by another method, is the same evidence.
    assert [one["status"] for one in _evidence(live, recording)] == ["verified"]
    assert _differing(live) == []
    check_runs(live.tools)
    _work(live)
    assert len(_runs(live)) == 2


def test_a_rejection_stays_and_what_is_heard_now_waits_for_a_person(
    live: Live, own_database: Urls
) -> None:
    text_id = _add_text(live)
    recording = _send(live, "d01.wav", "c1")
    _work(live)
    (proposed,) = _evidence(live, recording)
    path = f"/v1/assertions/{proposed['id']}/reject"
    no = live.call("POST", path, who="reviewer", json={"reason": "Не слышно"})
    assert no.json()["status"] == "rejected"
    _searched_by_another_method(own_database)
    _approve(live, text_id)
    check_runs(live.tools)
    _work(live)
    (still,) = _evidence(live, recording)
    assert (still["id"], still["status"]) == (proposed["id"], "rejected")
    assert _get(live, f"/v1/recordings/{recording}")["consent"]["flag"] == "unknown"
    (item,) = _differing(live)
    assert [why["code"] for why in item["why"]] == ["W_REJECTED", "W_HEARD_NOW"]
    assert item["assertion_id"] == proposed["id"]
    assert item["sound"]["span"]["from_ms"] > 0
    assert sum(run["differing"] for run in _runs(live)) == 1
    (entry,) = _rows(live, "SELECT facts FROM custody_entries WHERE act = 'search.differed'")
    assert (entry["facts"]["difference"], entry["facts"]["by_person"]) == ("heard", True)
    noted = live.call("POST", item["links"]["verify"], who="reviewer", json={"note": "В силе"})
    assert noted.status_code == 204, noted.text
    assert _differing(live) == []
    (still,) = _evidence(live, recording)
    assert still["status"] == "rejected"


def test_after_a_rejection_the_text_heard_elsewhere_clears_nothing_by_itself(live: Live) -> None:
    recording = _send(live, "d01.wav", "c1")
    _work(live)
    text_id = _add_text(live)
    (party,) = _rows(live, "SELECT label FROM parties WHERE side <> 'own'")
    told = {
        "kind": "ivr_notice",
        "party": party["label"],
        "evidence": {
            "notice": {"id": text_id, "version": 1},
            "played_ms": [20_000, 24_000],
            "stayed_after_ms": 5_000,
            "heard": {"quote": "ваш разговор может быть записан"},
        },
    }
    path = f"/v1/recordings/{recording}/assertions"
    made = live.call("POST", path, who="manager", json=told)
    assert made.status_code == 201, made.text
    path = f"/v1/assertions/{made.json()['id']}/reject"
    live.call("POST", path, who="reviewer", json={"reason": "Не слышно"})
    _approve(live, text_id)
    _work(live)
    said = {one["proposed_service"]: one["status"] for one in _evidence(live, recording)}
    assert said == {None: "rejected", "detector": "proposed"}


@pytest.mark.parametrize("by_person", [True, False], ids=["by a person", "by rule"])
def test_what_is_not_found_any_more_stays_verified_and_waits_for_a_person(
    live: Live, own_database: Urls, *, by_person: bool
) -> None:
    text_id = _add_text(live)
    if not by_person:
        _approve(live, text_id)
    recording = _send(live, "d01.wav", "c1")
    _work(live)
    (assertion,) = _evidence(live, recording)
    if by_person:
        _approve(live, text_id)
        _work(live)
        live.call("POST", f"/v1/assertions/{assertion['id']}/verify", who="reviewer")
    _swap_sound(own_database, recording, _kept(live, "d17.wav"))
    _searched_by_another_method(own_database)
    check_runs(live.tools)
    _work(live)
    (still,) = _evidence(live, recording)
    assert (still["id"], still["status"]) == (assertion["id"], "verified")
    assert _get(live, f"/v1/recordings/{recording}")["consent"]["flag"] == "notified"
    (item,) = _differing(live)
    first = "W_VERIFIED" if by_person else "W_VERIFIED_BY_RULE"
    assert [why["code"] for why in item["why"]] == [first, "W_NOT_HEARD_NOW"]
    no = {"reason": "Не слышно"}
    undone = live.call("POST", item["links"]["reject"], who="reviewer", json=no)
    assert undone.status_code == 200, undone.text
    assert len(_differing(live)) == 1  # A second person has to agree first.
    path = f"/v1/assertions/{assertion['id']}/invalidate"
    live.call("POST", path, who="approver", json=no)
    assert _differing(live) == []


def _kept(live: Live, name: str) -> str:
    """Keep other sound, as a call of its own, and return its object."""
    other = _send(live, name, f"other {name}")
    (row,) = _rows(live, "SELECT object_id FROM legs WHERE recording_id = %s", other)
    return str(row["object_id"])


def _swap_sound(urls: Urls, recording_id: str, object_id: str) -> None:
    """Let a recording's leg have the sound of another: so that a search finds something else."""
    with _unguarded(urls, "legs") as owner:
        owner.execute("ALTER TABLE legs DROP CONSTRAINT uq_legs_object_id")
        owner.execute(
            "UPDATE legs SET object_id = %s WHERE recording_id = %s", (object_id, recording_id)
        )


def test_what_cannot_be_searched_is_counted_with_its_reason(live: Live) -> None:
    good = _send(live, "d01.wav", "good")
    bad = _send(live, "d17.wav", "bad")
    _work(live)
    (row,) = _rows(live, "SELECT object_id FROM legs WHERE recording_id = %s", bad)
    live.tools.archive.delete(UUID(str(row["object_id"])))
    _approve(live, _add_text(live))
    _work(live)
    (run,) = _runs(live)
    assert (run["state"], run["total"], run["done"], run["failed"]) == ("done", 2, 1, 1)
    failures = _get(live, f"/v1/notices/searches/{run['id']}")["failures"]
    assert [one["recording_id"] for one in failures] == [bad]
    assert failures[0]["reason"]
    assert len(_evidence(live, good)) == 1


def test_a_recording_that_ends_the_worker_each_time_is_left_behind(
    live: Live, own_database: Urls
) -> None:
    first = _send(live, "d01.wav", "c1", started_at="2026-11-20T11:00:00+03:00")
    second = _send(live, "d01.wav", "c2")
    _work(live)
    _approve(live, _add_text(live))
    with _jobs_held(own_database):
        _work(live)
        with psycopg.connect(own_database.owner) as owner:
            owner.execute(
                "UPDATE search_runs SET total = 2, trying_id = %s, tries = %s", (first, MOST_TRIES)
            )
    _work(live)
    (run,) = _runs(live)
    assert (run["state"], run["done"], run["failed"]) == ("done", 1, 1)
    assert (len(_evidence(live, first)), len(_evidence(live, second))) == (0, 1)


@contextmanager
def _jobs_held(urls: Urls) -> Iterator[None]:
    """Let the batches of runs wait until this is over."""
    with psycopg.connect(urls.owner, autocommit=True) as owner:
        owner.execute(
            "CREATE FUNCTION hold_batch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.task_name = 'inspection.search_again' THEN "
            "NEW.scheduled_at := '2200-01-01'; END IF; RETURN NEW; END $$"
        )
        owner.execute(
            "CREATE TRIGGER hold_batch BEFORE INSERT ON procrastinate_jobs "
            "FOR EACH ROW EXECUTE FUNCTION hold_batch()"
        )
        yield
        owner.execute("DROP TRIGGER hold_batch ON procrastinate_jobs")
        owner.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = NULL "
            "WHERE task_name = 'inspection.search_again' AND status = 'todo'"
        )


def test_a_cancelled_run_searches_nothing_more(live: Live, own_database: Urls) -> None:
    recording = _send(live, "d01.wav", "c1")
    _work(live)
    with _jobs_held(own_database):
        _approve(live, _add_text(live))
        _work(live)
        (run,) = _runs(live)
        assert run["state"] == "running"
        path = f"/v1/notices/searches/{run['id']}/cancel"
        assert live.call("POST", path, who="admin").json()["state"] == "cancelled"
        again = live.call("POST", path, who="admin")
        assert (again.status_code, again.json()["type"]) == (409, "/problems/search-run-ended")
    _work(live)
    check_runs(live.tools)
    _work(live)
    (run,) = _runs(live)
    assert (run["state"], run["done"]) == ("cancelled", 0)
    assert _evidence(live, recording) == []


def test_new_calls_go_before_old_ones(live: Live, own_database: Urls) -> None:
    _send(live, "d01.wav", "old")
    _work(live)
    with _jobs_held(own_database):
        _approve(live, _add_text(live))
        _work(live)
    _send(live, "d01.wav", "new")
    jobs = _rows(
        live,
        "SELECT task_name, priority, lock FROM procrastinate_jobs WHERE status = 'todo' "
        "ORDER BY priority DESC, id",
    )
    names = [row["task_name"] for row in jobs]
    assert names.index("inspection.inspect") < names.index("inspection.search_again")
    assert jobs[-1]["task_name"] == "inspection.search_again"
    assert jobs[-1]["lock"] == "inspection.search_again"


def test_a_killed_worker_is_followed_by_one_that_goes_on(
    live: Live, own_database: Urls, tmp_path: Path
) -> None:
    count = 10
    recordings = [
        _send(live, "d01.wav", f"c{n}", started_at=f"2026-11-{n + 1:02}T10:00:00+03:00")
        for n in range(count)
    ]
    _work(live)
    with _jobs_held(own_database):
        _approve(live, _add_text(live))
        _work(live)
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker"],
            cwd=Path(__file__).parents[2],
            env=os.environ
            | {
                "AUDIATUR_DATA": str(tmp_path),
                "AUDIATUR_DATABASE_URL": own_database.web,
                "AUDIATUR_ARCHIVE_KEY_FILE": str(tmp_path / "archive.key"),
                "AUDIATUR_RELEASE_KEY_FILE": str(tmp_path / "release.key"),
            },
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while _rows(live, "SELECT done FROM search_runs")[0]["done"] < 2:
            assert worker.poll() is None, (tmp_path / "worker.log").read_text()[-2000:]
            assert time.monotonic() < deadline
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    (run,) = _runs(live)
    assert run["state"] == "running"
    assert 2 <= run["done"] < count
    _rescue(own_database)
    _work(live)
    (run,) = _runs(live)
    assert (run["state"], run["total"], run["done"]) == ("done", count, count)
    assert (run["failed"], run["found_complete"]) == (0, count)
    twice = _rows(live, "SELECT leg_id FROM notice_searches GROUP BY leg_id HAVING count(*) > 1")
    assert twice == []
    assert [len(_evidence(live, one)) for one in recordings] == [1] * count


def _rescue(urls: Urls) -> None:
    """Give the dead worker's job to others, as the rescue does after its patience."""
    with psycopg.connect(urls.owner) as owner:
        owner.execute(
            "SELECT procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) "
            "FROM procrastinate_jobs WHERE status = 'doing' AND queueing_lock IS NULL"
        )


def test_only_the_current_batch_of_a_run_does_anything(live: Live, own_database: Urls) -> None:
    _send(live, "d01.wav", "c1")
    _work(live)
    search_again = handlers.HANDLERS["inspection.search_again"]
    with _jobs_held(own_database):
        _approve(live, _add_text(live))
        _work(live)
        (run,) = _runs(live)
        search_again(live.tools, run_id=run["id"], batch="1")
        search_again(live.tools, run_id=str(new_id()), batch="0")
        assert _rows(live, "SELECT id FROM notice_searches") == []
        search_again(live.tools, run_id=run["id"], batch="0")
        search_again(live.tools, run_id=run["id"], batch="0")
        assert len(_rows(live, "SELECT id FROM notice_searches")) == 1
    _work(live)
    assert [one["done"] for one in _runs(live)] == [1]
