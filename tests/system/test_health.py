"""Alive, ready, measured, and what happens while a part is away."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.clock import SystemClock
from app.embedded.postgres import EmbeddedPostgres, grant_roles
from app.inspection.sandbox import Sandbox
from app.migrate import migrate
from app.system import doctor
from tests.factories import wav
from tests.live import PATIENCE_SECONDS, Live, live_archive, metadata

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    cluster = postgres.hold()
    migrate(cluster.owner_url)
    grant_roles(cluster)
    try:
        yield postgres
    finally:
        postgres.ensure()
        postgres.release_and_maybe_stop()


@pytest.fixture
def mortal(server: EmbeddedPostgres, tmp_path: Path, sandbox: Sandbox) -> Iterator[Live]:
    """Give an archive whose database the test may kill."""
    with live_archive(tmp_path, server.ensure().web_url, sandbox) as archive:
        yield archive


def test_uploads_are_refused_while_the_database_is_away_and_taken_afterwards(
    mortal: Live, server: EmbeddedPostgres
) -> None:
    assert mortal.send(metadata("c1"), wav(0.1)).status_code == 201
    server.kill()
    while server.status().running:
        time.sleep(0.05)
    for attempt in range(5):
        away = mortal.send(metadata(f"away-{attempt}"), wav(0.1))
        assert away.status_code == 503, away.text
        assert away.headers["Retry-After"]
        assert away.json()["type"] == "/problems/database-away"
    ready = mortal.call("GET", "/readyz", who=None)
    assert ready.status_code == 503
    assert ready.json()["parts"]["database"]["status"] == "down"
    assert ready.json()["parts"]["archive store"]["status"] == "ok"
    assert mortal.call("GET", "/healthz", who=None).status_code == 200
    figures = mortal.call("GET", "/metrics", who=None)
    assert figures.status_code == 200
    assert "audiatur_database_up 0.0" in figures.text
    server.ensure()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while mortal.send(metadata("c2"), wav(0.1)).status_code == 503:
        assert time.monotonic() < deadline
    assert mortal.send(metadata("c2"), wav(0.1)).status_code == 200
    assert mortal.send(metadata("c1"), wav(0.1)).status_code == 200


def test_uploads_are_refused_while_the_store_is_away(live: Live) -> None:
    archive = live.tools.settings.data / "archive"
    assert live.send(metadata("c1"), wav(0.1)).status_code == 201
    aside = archive.with_name("aside")
    archive.rename(aside)
    away = live.send(metadata("c2"), wav(0.1))
    assert away.status_code == 503, away.text
    assert away.json()["type"] == "/problems/store-away"
    ready = live.call("GET", "/readyz", who=None)
    assert ready.status_code == 503
    assert ready.json()["parts"]["archive store"]["status"] == "down"
    shutil.rmtree(archive, ignore_errors=True)
    aside.rename(archive)
    assert live.send(metadata("c2"), wav(0.1)).status_code == 201


def test_metrics_count_requests_stages_and_jobs(live: Live) -> None:
    live.send(metadata("c1"), wav(0.1))
    text = live.call("GET", "/metrics", who=None).text
    assert re.search(r'audiatur_requests_total\{.*route="/v1/recordings".*\} [1-9]', text)
    assert 'audiatur_ingest_stage_seconds_count{stage="transaction"}' in text
    assert 'audiatur_jobs{state="todo"} 1.0' in text


def test_a_share_link_is_sent_on_to_the_process_that_serves_it(live: Live) -> None:
    answer = live.call("GET", "/s/some-token", who=None, follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("/s/some-token")
    asked = live.call("GET", "/", who=None)
    assert asked.status_code == 401
    assert 'name="password"' in asked.text


def test_problems_are_explained(live: Live) -> None:
    page = live.call("GET", "/problems/other-bytes", who=None)
    assert page.status_code == 200
    assert "409" in page.text
    assert live.call("GET", "/problems/nothing", who=None).status_code == 404
    assert live.call("GET", "/nowhere", who=None).json()["status"] == 404


def _doctor(folder: Path, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "doctor", "--json"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin:/usr/sbin", "AUDIATUR_DATA": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        return done.returncode, {"error": {"found": done.stderr}}
    return done.returncode, {f["part"]: f for f in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("apart", "level"), [(0, "ok"), (60, "fail"), (-60, "fail")], ids=["same", "behind", "ahead"]
)
def test_doctor_compares_the_clocks_of_archive_and_database(apart: int, level: str) -> None:
    found = doctor.clock_beside(SystemClock().now() - timedelta(seconds=apart))
    assert (found.part, found.level) == ("clock", level)


def test_doctor_finds_seeded_faults_and_says_how_to_mend_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    status, found = _doctor(data)
    assert status == 1
    assert found["migrations"]["level"] == "fail"
    assert "audiatur migrate" in found["migrations"]["mend"]
    assert found["key backup"]["level"] == "warn"

    subprocess.run(
        [sys.executable, "-m", "app.cli", "migrate"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "AUDIATUR_DATA": str(data)},
        check=True,
        capture_output=True,
    )
    status, found = _doctor(data, AUDIATUR_MASTER_KEY_BACKED_UP="true")
    assert status == 0, found
    assert found["key backup"]["level"] == "ok"

    data.chmod(0o755)
    assert _doctor(data)[1]["data folder"]["level"] == "warn"
    data.chmod(0o700)

    key = data / "keys" / "archive.key"
    key.rename(key.with_suffix(".away"))
    status, found = _doctor(data)
    assert status == 1
    assert found["master keys"]["level"] == "fail"
    assert "is missing" in found["master keys"]["found"]
    assert not key.exists()
    key.with_suffix(".away").rename(key)
    key.chmod(0o644)
    assert _doctor(data)[1]["master keys"]["level"] == "fail"
    key.chmod(0o600)

    assert _doctor(data, PATH="/nonexistent")[1]["audio tools"]["level"] == "fail"
    wrong = "postgresql://nobody:x@127.0.0.1:1/none"
    status, found = _doctor(data, AUDIATUR_DATABASE_URL=wrong)
    assert status == 1
    assert found["database"]["level"] == "fail"
    status, found = _doctor(data, AUDIATUR_S3_BUCKET="alone")
    assert status == 1
    assert "AUDIATUR_S3_ACCESS_KEY_ID" in found["error"]["found"]
    status, found = _doctor(data, AUDIATUR_PORT="many")
    assert status == 1
    assert "AUDIATUR_PORT" in found["error"]["found"]
