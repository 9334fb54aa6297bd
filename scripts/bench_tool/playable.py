"""How long a call takes through a whole archive with a worker, from upload until it is ready."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx

from bench_tool.native import BenchmarkFailed
from bench_tool.servers import fresh, with_worker

_ASKED_EVERY_S = 0.02
_WITHIN_S = 120
_STARTED = "2026-11-20T10:00:00+03:00"
_TEXT = {
    "language": "ru",
    "text": "Разговор записывается.",
    "purposes": ["internal_quality"],
    "recipients": ["own_staff_manager"],
    "valid_from": "2026-01-01T00:00:00+03:00",
}


def wait_s(directory: Path, call: Path, notice: Path, *, count: int) -> list[float]:
    """Return the seconds of each of `count` uploads, one after the other, in an idle archive.

    A first one is not counted: in it the worker takes the reference of the notice text.
    """
    with fresh(directory, "ready", with_worker) as server:
        headers = {"Authorization": f"Bearer {server.address.key}"}
        url = f"http://127.0.0.1:{server.address.port}"
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            reader = server.person_key
            _upload(client, "/v1/notice-texts", _TEXT, notice, key=reader)
            return [_one(client, call, number, reader=reader) for number in range(count + 1)][1:]


def _one(client: httpx.Client, call: Path, number: int, *, reader: str) -> float:
    told = {
        "source_call_id": f"call-{number}",
        "started_at": _STARTED,
        "direction": "inbound",
        "from": "+74950008414",
    }
    began = time.monotonic()
    made = _upload(client, "/v1/recordings", told, call)
    while time.monotonic() - began < _WITHIN_S:
        answer = client.get(
            f"/v1/recordings/{made['id']}", headers={"Authorization": f"Bearer {reader}"}
        )
        if answer.status_code != httpx.codes.OK:
            raise BenchmarkFailed(f"{answer.status_code} {answer.text}")
        found = answer.json()["inspection"]
        if found["state"] == "done":
            took = time.monotonic() - began
            if not any(hit["complete"] for hit in found["notices"]):
                raise BenchmarkFailed("The notice was not found in the call.")
            return took
        time.sleep(_ASKED_EVERY_S)
    raise BenchmarkFailed("The call was not inspected in time.")


def _upload(
    client: httpx.Client, path: str, told: object, file: Path, *, key: str | None = None
) -> dict[str, str]:
    answer = client.post(
        path,
        headers={"Authorization": f"Bearer {key}"} if key else None,
        files=[
            ("metadata", (None, json.dumps(told).encode(), "application/json")),
            ("file", (file.name, file.read_bytes(), "application/octet-stream")),
        ],
    )
    if answer.status_code != httpx.codes.CREATED:
        raise BenchmarkFailed(f"{path}: {answer.status_code} {answer.text}")
    made: dict[str, str] = answer.json()
    return made
