"""A day's calls against its recordings, through a real archive and its commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.custody.notes import parse_vkey
from app.feeds import statements
from tests.journeys.test_serve import COMMAND, PATIENCE_SECONDS, ROOT, Served, _start, _stop

CALLS = ROOT / "scripts" / "demo_company" / "calls"
DAY = "2026-11-20"


def row(number: int, at: str, source: str, disposition: str = "ANSWERED") -> str:
    """Return a line of Master.csv: an inbound call to 106."""
    talk = 60 if disposition == "ANSWERED" else 0
    return (
        f'"","{source}","106","from-trunk","""Клиент"" <{source}>","SIP/trunk-{number}",'
        f'"SIP/106-{number}","Dial","SIP/106,20","{DAY} {at}","","{DAY} {at}",{talk + 5},{talk},'
        f'"{disposition}","DOCUMENTATION","17636.{number}","","","17636.{number}",{number}'
    )


CDR = [
    row(1, "10:00:00", "74950006303"),
    row(2, "11:00:00", "74950006423"),
    row(3, "12:00:00", "74950007914"),
    row(4, "13:00:00", "74950008405"),
    row(5, "14:00:00", "74950009000", "NO ANSWER"),
    "this,is,no,call",
]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    running = _start(tmp_path / "data", tmp_path / "log")
    yield running
    _stop(running)


def commanded(served: Served, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the product's own command.
        [*COMMAND, *words],
        cwd=ROOT,
        env=served.environment,
        capture_output=True,
        text=True,
        check=False,
    )


class Asked:
    """The archive, asked with a key."""

    def __init__(self, served: Served, key: str) -> None:
        self._url = f"{served.url}/v1"
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> Any:  # noqa: ANN401
        answer = httpx.get(self._url + path, headers=self._headers, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object) -> None:
        answer = httpx.post(
            self._url + path, headers=self._headers, json=body, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 200, answer.text

    def record(self, call: str, at: str, source: str, name: str) -> None:
        told = {
            "source_call_id": call,
            "started_at": f"{DAY}T{at}+03:00",
            "direction": "inbound",
            "from": source,
            "to": "106",
        }
        answer = httpx.post(
            f"{self._url}/recordings",
            headers=self._headers,
            files=[
                ("metadata", (None, json.dumps(told))),
                ("file", (name, (CALLS / name).read_bytes())),
            ],
            timeout=PATIENCE_SECONDS,
        )
        assert answer.status_code == 201, answer.text


def test_a_lost_a_late_and_a_private_call(served: Served, tmp_path: Path) -> None:
    served.cli("device", "add", "pbx", "--exchange")
    phone = Asked(served, served.cli("device", "add", "phone"))
    manager = Asked(served, served.cli("user", "add", "galina", "--role", "manager", "--api-key"))
    file = tmp_path / "Master.csv"
    file.write_text("\n".join(CDR) + "\n", encoding="utf-8")
    phone.record("17636.1#1", "10:00:06", "+74950006303", "d07.m4a")
    private = {
        "call_id": "sip-4",
        "started_at": f"{DAY}T13:00:04+03:00",
        "duration_ms": 60_000,
        "talk_ms": 58_000,
        "direction": "inbound",
        "from": "8 495 000-84-05",
        "to": "106",
        "disposition": "answered",
        "not_recorded": "private",
    }
    phone.post("/calls", {"calls": [private]})

    words = ["calls", "import", str(file), "--format", "asterisk-csv", "--device", "pbx"]
    tried = commanded(served, *words, "--dry-run")
    assert tried.returncode == 1
    assert tried.stderr.splitlines() == ["line 6: 4 columns; there are 16 to 21"]
    assert "5 calls could be taken, 1 bad lines; nothing was kept." in tried.stdout
    done = commanded(served, *words, "--json")
    told = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, told["new"], told["bad"]) == (1, 5, 1)
    again = json.loads(commanded(served, *words, "--json").stdout.splitlines()[-1])
    assert (again["new"], again["repeated"], again["statements"]) == (0, 5, 0)

    first = manager.get(f"/reconciliation/{DAY}")
    pbx = next(one for one in first["statement"]["sources"] if one["source"] == "pbx")
    assert (pbx["calls"], pbx["answered"], pbx["matched"]) == (5, 4, 1)
    assert pbx["gaps"] == {"private": 1, "unexplained": 2}
    keys = [
        parse_vkey(line.strip())
        for line in commanded(served, "ledger", "keys").stdout.splitlines()
        if "+" in line
    ]
    assert statements.check(first["note"], keys).statement_sha256.hex() == first["sha256"]

    phone.record("late-3", "12:00:07", "+74950007914", "d13.amr")
    stated = json.loads(commanded(served, "reconcile", "--json").stdout.splitlines()[-1])
    newer = next(one for one in stated if one["statement"]["day"] == DAY)
    assert newer["statement"]["supersedes"] == first["sha256"]
    assert statements.check(newer["note"], keys).supersedes == bytes.fromhex(first["sha256"])
    lost = [
        one["call_id"] for one in manager.get("/reconciliation/gaps?reason=unexplained")["items"]
    ]
    assert lost == ["17636.2#2"]
    same = commanded(served, "reconcile", "--day", DAY)
    assert same.stdout.strip().splitlines()[-1] == "Nothing differs from what was stated."
    assert commanded(served, "reconcile", "--day", "2100-01-01").returncode == 1
