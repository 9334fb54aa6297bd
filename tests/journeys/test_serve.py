"""`audiatur serve` with nothing configured: starts, heals, stops, and its log tells of nobody."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.factories import wav
from tests.live import metadata

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 180
COMMAND = [sys.executable, "-m", "app.cli"]


@dataclass
class Served:
    """A running `audiatur serve`, the address of its web and of its public links."""

    process: subprocess.Popen[str]
    url: str
    public_url: str
    data: Path
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        return _environment(self.data)

    def cli(self, *arguments: str, text: str | None = None) -> str:
        done = subprocess.run(  # noqa: S603 - the product's own command.
            [*COMMAND, *arguments],
            cwd=ROOT,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    def child(self, name: str) -> int:
        """Return the number of the newest process that was started under `name`."""
        found = [
            line["pid"]
            for line in map(json.loads, _json_lines(self.log))
            if line.get("event") == "child.started" and line["name"] == name
        ]
        return int(found[-1])


def _environment(data: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AUDIATUR_")}
    return {**kept, "AUDIATUR_DATA": str(data), "PYTHONPATH": str(ROOT)}


def _json_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith("{")]


def _until(reached: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever was waited for.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with suppress(httpx.TransportError):
            if found := reached():
                return found
        assert time.monotonic() < deadline, "this never came"
        time.sleep(0.1)


def _start(data: Path, log: Path, **settings: str) -> Served:
    with log.open("a") as errors:
        process = subprocess.Popen(  # noqa: S603 - the product's own command.
            [*COMMAND, "serve", "--port", "0"],
            cwd=ROOT,
            env=_environment(data) | {"AUDIATUR_LOG_LEVEL": "debug"} | settings,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    public_url = process.stdout.readline().split()[-1]
    served = Served(process=process, url=url, public_url=public_url, data=data, log=log)
    _until(lambda: httpx.get(f"{url}/readyz", timeout=5).status_code == 200)
    _until(lambda: httpx.get(f"{public_url}/readyz", timeout=5).status_code == 200)
    return served


def _stop(served: Served) -> int:
    served.process.send_signal(signal.SIGTERM)
    try:
        return served.process.wait(PATIENCE_SECONDS)
    finally:
        if served.process.stdout is not None:
            served.process.stdout.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    running = _start(tmp_path / "data", tmp_path / "log")
    yield running
    if running.process.poll() is None:
        _stop(running)
    if running.process.stdout is not None:
        running.process.stdout.close()


def _send(served: Served, key: str, call: str, **told: object) -> httpx.Response:
    return httpx.post(
        f"{served.url}/v1/recordings",
        headers={"Authorization": f"Bearer {key}"},
        files=[
            ("metadata", (None, json.dumps(metadata(call, **told)))),
            ("file", ("Иванов Иван.wav", wav(0.2))),
        ],
        timeout=PATIENCE_SECONDS,
    )


def test_it_heals_when_its_parts_are_killed_and_stops_in_order(served: Served) -> None:
    key = served.cli("device", "add", "phone")
    assert _send(served, key, "c1").status_code == 201
    for name in ("web", "public", "worker-1"):
        before = served.child(name)
        os.kill(before, signal.SIGKILL)
        _until(lambda name=name, before=before: served.child(name) != before)  # type: ignore[misc]
    assert _until(lambda: _send(served, key, "c1").status_code == 200)
    postmaster = int((served.data / "postgres/server/data/postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    assert _until(lambda: _send(served, key, "c2").status_code == 201)
    assert _send(served, key, "c1").status_code == 200
    assert _stop(served) == 0
    assert not (served.data / "postgres/server/data/postmaster.pid").exists()
    again = _start(served.data, served.log)
    assert _send(again, key, "c2").status_code == 200
    assert _stop(again) == 0


def test_nothing_is_left_running_when_the_supervisor_is_killed(served: Served) -> None:
    children = [served.child(name) for name in ("web", "public", "worker-1")]
    served.process.kill()
    served.process.wait()

    def gone() -> bool:
        return not any(Path(f"/proc/{pid}/cmdline").exists() for pid in children)

    _until(gone)
    again = _start(served.data, served.log)
    assert httpx.get(f"{again.url}/healthz", timeout=5).status_code == 200
    assert _stop(again) == 0


def test_web_processes_share_an_address_and_tell_their_figures_as_one(tmp_path: Path) -> None:
    served = _start(
        tmp_path / "data", tmp_path / "log", AUDIATUR_WEB_PROCESSES="2", AUDIATUR_WORKERS="0"
    )
    kept = 'audiatur_requests_total{method="POST",route="/v1/recordings",status="201"} 2.0'
    try:
        key = served.cli("device", "add", "phone")
        webs = {name: served.child(name) for name in ("web-1", "web-2")}
        for name, pid in webs.items():
            os.kill(pid, signal.SIGSTOP)
            assert _send(served, key, f"without {name}").status_code == 201
            os.kill(pid, signal.SIGCONT)
        # What was answered is counted right after that.
        _until(lambda: kept in httpx.get(f"{served.url}/metrics", timeout=PATIENCE_SECONDS).text)
        for pid in webs.values():
            os.kill(pid, signal.SIGSTOP)
            assert kept in httpx.get(f"{served.url}/metrics", timeout=PATIENCE_SECONDS).text
            os.kill(pid, signal.SIGCONT)
        os.kill(webs["web-1"], signal.SIGKILL)
        _until(lambda: served.child("web-1") != webs["web-1"])
        figures = httpx.get(f"{served.url}/metrics", timeout=PATIENCE_SECONDS).text
        assert kept in figures
        assert figures.count("\naudiatur_database_up ") == 1
        assert _send(served, key, "without web-1").status_code == 200
    finally:
        assert _stop(served) == 0


def test_what_it_keeps_is_closed_to_others_and_sealed(served: Served) -> None:
    key = served.cli("device", "add", "phone")
    assert _send(served, key, "c1").status_code == 201
    open_to_others = [
        str(path.relative_to(served.data))
        for path in served.data.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o077 and path.parent == served.data
    ]
    assert open_to_others == []
    assert served.data.stat().st_mode & 0o777 == 0o700
    secrets = [served.data / "keys/archive.key", served.data / "public/release.key"]
    secrets += [served.data / "public/database-url"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in secrets)
    plain = wav(0.2)[44:200]
    objects = [p for p in (served.data / "archive").rglob("*") if p.is_file()]
    assert objects
    assert all(plain not in p.read_bytes() for p in objects)


def test_the_log_names_nobody(served: Served) -> None:
    key = served.cli("device", "add", "phone")
    reviewer = served.cli("user", "add", "petrova", "--role", "reviewer", "--api-key")
    words = {
        "number": "4950008414",
        "name": "Иванов",
        "person": "petrova",
        "subject": "Секретная",
        "token": "share-token-that-must-not-show",
        "password": "a-password-that-must-not-show",
        "hook": "hook-secret-that-must-not-show",
        "contact": "Сидорова",
        "mobile": "9031234567",
    }
    manager = served.cli("user", "add", "kuznetsov", "--role", "manager", "--api-key")
    admin = served.cli("user", "add", "smirnova", "--role", "admin", "--api-key")
    sent = _send(served, key, "c1", line="Секретная линия")
    assert sent.status_code == 201
    headers = {"Authorization": f"Bearer {reviewer}"}
    recording = sent.json()["id"]
    for method, url, more in (
        ("GET", f"{served.url}/v1/recordings?number=84950008414&q=Секретная", {}),
        ("GET", f"{served.url}/v1/recordings/{recording}/audio", {}),
        ("GET", f"{served.url}/s/{words['token']}", {}),
        ("GET", f"{served.public_url}/s/{words['token']}", {}),
        ("POST", f"{served.public_url}/s/{words['token']}/open", {}),
        ("GET", f"{served.url}/v1/clients/{words['name']}", {}),
        (
            "POST",
            f"{served.url}/v1/session",
            {"json": {"name": "petrova", "password": words["password"]}},
        ),
        ("GET", f"{served.url}/v1/{words['token']}", {}),
        ("GET", f"{served.url}/v1/users", {"headers": {"Authorization": f"Bearer x{key}"}}),
        (
            "PUT",
            f"{served.url}/v1/clients/C-{words['mobile']}",
            {
                "headers": {"Authorization": f"Bearer {manager}"},
                "json": {
                    "name": f"ООО {words['subject']}",
                    "contacts": [{"name": words["contact"], "phones": [f"+7{words['mobile']}"]}],
                },
            },
        ),
        (
            "PUT",
            f"{served.url}/v1/clients/{words['contact']}",
            {
                "headers": {"Authorization": f"Bearer {manager}"},
                "json": {"name": [words["contact"]]},
            },
        ),
        (
            "POST",
            f"{served.url}/v1/webhooks",
            {
                "headers": {"Authorization": f"Bearer {admin}"},
                "json": {"name": "crm", "url": f"https://127.0.0.1:1/{words['hook']}"},
            },
        ),
        (
            "POST",
            f"{served.url}/hooks/{words['hook']}?from={words['mobile']}",
            {"content": f"caller={words['mobile']}&name={words['contact']}".encode()},
        ),
        ("POST", f"{served.public_url}/r/{words['token']}", {"data": {"words": words["contact"]}}),
        ("GET", f"{served.url}/login?next=/clients/{words['contact']}", {}),
        (
            "POST",
            f"{served.url}/login",
            {
                "data": {"name": words["person"], "password": words["password"]},
                "headers": {"Origin": served.url},
            },
        ),
        (
            "POST",
            f"{served.url}/v1/uploads",
            {
                "headers": {
                    "Authorization": f"Bearer {key}",
                    "Tus-Resumable": "1.0.0",
                    "Upload-Length": "9",
                    "Upload-Metadata": f"filename {b64encode(words['mobile'].encode()).decode()}",
                }
            },
        ),
    ):
        asked = {"headers": headers, **more}
        answer = httpx.request(method, url, timeout=30, **asked)  # type: ignore[arg-type]
        assert answer.status_code != 500, (method, url, answer.text)
    assert _stop(served) == 0
    log = served.log.read_text()
    postgres = "".join(
        path.read_text(errors="replace")
        for path in (served.data / "postgres/server/log").glob("*.log")
    )
    assert "request.answered" in log
    assert "/v1/recordings/{recording_id}/audio" in log
    keys = {"key": key, "reviewer": reviewer, "manager": manager, "administrator": admin}
    for what, word in {**words, **{name: one[5:] for name, one in keys.items()}}.items():
        assert word not in log, what
        assert word not in postgres, what
    for line in log.splitlines():
        assert line.startswith("{"), line
        assert not re.search(r"\+?\d{11,}", json.loads(line)["event"]), line
