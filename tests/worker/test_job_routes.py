"""The routes of jobs: counts, what was given up, and one more try by whoever may."""

from __future__ import annotations

from sqlalchemy import text

from app.core.jobs import Job, enqueue
from tests.live import Live


def _given_up(live: Live, count: int) -> list[int]:
    """Make jobs that have used all their attempts."""
    with live.tools.database.transaction() as session:
        for _ in range(count):
            enqueue(session, Job(task="recordings.adopt", args={"event_id": "x"}))
        session.execute(text("UPDATE procrastinate_jobs SET status = 'doing', attempts = 8"))
        session.execute(text("UPDATE procrastinate_jobs SET status = 'failed'"))
        return list(session.scalars(text("SELECT id FROM procrastinate_jobs ORDER BY id DESC")))


def test_jobs_are_counted_and_listed_by_pages(live: Live) -> None:
    made = _given_up(live, 3)
    first = live.call("GET", "/v1/jobs?limit=2", who="auditor").json()
    assert first["counts"]["failed"] == 3
    assert first["counts"]["doing"] == 0
    assert [job["id"] for job in first["items"]] == made[:2]
    assert first["items"][0]["task"] == "recordings.adopt"
    assert first["items"][0]["attempts"] == 8
    assert first["items"][0]["args"] == {"event_id": "x"}
    assert first["items"][0]["changed_at"] is not None
    rest = live.call("GET", f"/v1/jobs?before={first['next_before']}", who="admin").json()
    assert [job["id"] for job in rest["items"]] == made[2:]
    assert rest["next_before"] is None
    assert live.call("GET", "/v1/jobs?state=doing", who="admin").json()["items"] == []
    assert live.call("GET", "/v1/jobs?state=lost", who="admin").status_code == 422
    assert live.call("GET", "/v1/jobs", who="reviewer").status_code == 403


def test_a_job_given_up_is_tried_once_more_by_an_administrator_alone(live: Live) -> None:
    job = _given_up(live, 1)[0]
    path = f"/v1/jobs/{job}/retry"
    assert live.call("POST", path, who="auditor").status_code == 403
    assert live.call("POST", path, who="admin").status_code == 204
    listed = live.call("GET", "/v1/jobs?state=todo", who="admin").json()
    assert [(one["id"], one["attempts"]) for one in listed["items"]] == [(job, 9)]
    again = live.call("POST", path, who="admin")
    assert (again.status_code, again.json()["state"]) == (409, "todo")
    assert live.call("POST", f"/v1/jobs/{job + 1}/retry", who="admin").status_code == 404


def test_a_job_whose_like_waits_is_not_tried_again_but_told_of(live: Live) -> None:
    older, newer = sorted(_given_up(live, 2))
    with live.tools.database.transaction() as session:
        session.execute(text("UPDATE procrastinate_jobs SET queueing_lock = 'alike'"))
    assert live.call("POST", f"/v1/jobs/{newer}/retry", who="admin").status_code == 204
    refused = live.call("POST", f"/v1/jobs/{older}/retry", who="admin")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/job-like-waits")
    listed = live.call("GET", "/v1/jobs?state=failed", who="admin").json()
    assert [one["id"] for one in listed["items"]] == [older]
