"""A call between two real softphones, from the microphone to the reviewer's ear."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import wave
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live import Live

SCRIPT = Path(__file__).parents[2] / "scripts" / "softphone"
CALLER = "+74950008414"
AGENT = "106"
CALL_SECONDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """What one softphone knows of its call."""

    facts: dict[str, Any]

    @property
    def seconds(self) -> float:
        began, ended = (datetime.fromisoformat(self.facts[k]) for k in ("started_at", "ended_at"))
        return (ended - began).total_seconds()

    def body(self, way: str) -> bytes:
        return Path(self.facts["files"][way]).read_bytes()

    def told(self, way: str) -> dict[str, object]:
        """Return the metadata that an integrator would write beside this phone."""
        is_inbound = self.facts["direction"] == "incoming"
        local, peer = self.facts["local"], self.facts["peer"]
        return {
            "source_call_id": self.facts["call_id"],
            "leg": way,
            "started_at": self.facts["started_at"],
            "ended_at": self.facts["ended_at"],
            "direction": "inbound" if is_inbound else "outbound",
            "from": peer if is_inbound else local,
            "to": local if is_inbound else peer,
            "agent": AGENT,
        }


@pytest.fixture
def phones(tmp_path: Path) -> list[Phone]:
    """Give the caller's and the callee's phone after a real call."""
    if shutil.which("baresip") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("No softphone: baresip is missing; run scripts/setup --with-tests.")
        pytest.skip("No softphone: baresip is missing.")
    done = _run("--seconds", str(CALL_SECONDS), "--caller", CALLER, "--callee", AGENT, at=tmp_path)
    assert done.returncode == 0, done.stderr
    return [Phone(facts=json.loads(line)) for line in done.stdout.splitlines()]


def _run(*words: str, at: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own script with words of our own.
        [str(SCRIPT), *words, "--work", str(at / "calls")],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=CALL_SECONDS + 90,
        check=False,
    )


def test_a_call_comes_in_from_a_softphone_and_is_heard(live: Live, phones: list[Phone]) -> None:
    caller, callee = phones
    assert caller.facts["direction"] == "outgoing"
    assert callee.facts["direction"] == "incoming"
    assert caller.facts["call_id"] == callee.facts["call_id"]
    for phone, spoke_hz, heard_hz in ((caller, 440, 620), (callee, 620, 440)):
        assert _loudest_hz(phone.body("sent")) == pytest.approx(spoke_hz, abs=5)
        assert _loudest_hz(phone.body("received")) == pytest.approx(heard_hz, abs=5)
    live.put_client("romashka", CALLER)

    recording_id = _sent(live, callee)
    live.work()
    found = live.call("GET", f"/v1/recordings/{recording_id}", who="reviewer").json()

    assert found["source_call_id"] == callee.facts["call_id"]
    assert (found["direction"], found["agent"]) == ("inbound", AGENT)
    assert found["outside_number"] == CALLER
    assert (found["event"]["client"], found["event"]["linked_by"]) == ("romashka", "created")
    _is_inspected(found, callee)
    assert found["consent"]["flag"] == "unknown"
    sides = {party["side"]: party for party in found["consent"]["parties"]}
    assert set(sides) == {"own", "client"}
    assert sides["client"]["number"] == CALLER
    assert sides["client"]["contact"] is not None
    _is_heard(live, recording_id, callee)


def _loudest_hz(body: bytes) -> float:
    """Return the frequency that is loudest in a recording: each phone's microphone has its own."""
    with wave.open(io.BytesIO(body)) as found:
        rate_hz: int = found.getframerate()
        samples = np.frombuffer(found.readframes(found.getnframes()), dtype="<i2")
    loudest = int(np.argmax(np.abs(np.fft.rfft(samples))))
    hz: float = loudest * rate_hz / len(samples)
    return hz


def _sent(live: Live, phone: Phone) -> str:
    """Send both legs, each twice; return the id of the recording that they became."""
    first, second = (
        live.send(phone.told(way), phone.body(way), name=Path(phone.facts["files"][way]).name)
        for way in ("sent", "received")
    )
    assert (first.status_code, second.status_code) == (201, 201), (first.text, second.text)
    assert first.json()["id"] == second.json()["id"]
    for way in ("sent", "received"):
        again = live.send(phone.told(way), phone.body(way))
        assert again.status_code == 200
        assert again.json()["id"] == first.json()["id"]
    return str(first.json()["id"])


def _is_inspected(found: dict[str, Any], phone: Phone) -> None:
    assert found["inspection"]["state"] == "done", found["inspection"]
    legs = {leg["leg"]: leg for leg in found["legs"]}
    assert set(legs) == {"sent", "received"}
    for leg in legs.values():
        assert leg["duration_ms"] / 1000 == pytest.approx(phone.seconds, abs=0.5)
        assert (leg["media_type"], leg["channels"], leg["sample_rate_hz"]) == ("audio/wav", 1, 8000)
        assert leg["damaged"] is False
    assert found["inspection"]["duration_ms"] == max(leg["duration_ms"] for leg in legs.values())


def _is_heard(live: Live, recording_id: str, phone: Phone) -> None:
    path = f"/v1/recordings/{recording_id}"
    for way in ("sent", "received"):
        heard = live.call("GET", f"{path}/audio?leg={way}&form=original", who="reviewer")
        assert heard.status_code == 200
        assert heard.content == phone.body(way)
        playable = live.call("GET", f"{path}/audio?leg={way}&form=playable", who="reviewer")
        assert playable.status_code == 200
        assert playable.headers["content-type"] == "audio/mpeg"
        drawn = live.call("GET", f"{path}/waveform?leg={way}&points=50", who="reviewer").json()
        # The tones of the phones: a line without hills would be a call in which nobody spoke.
        assert max(drawn["data"]) - min(drawn["data"]) > 10
    assert live.call("GET", f"{path}/audio?leg=sent", who="manager").status_code == 403


def test_a_phone_that_is_missing_is_told_in_one_line(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    found = {name: shutil.which(name) for name in ("bash", "dirname", "env")}
    for name, program in (found | {"python3": sys.executable}).items():
        assert program is not None
        (tools / name).symlink_to(program)
    done = _run(at=tmp_path, PATH=str(tools))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "softphone: baresip is missing; install the package baresip-core"
    ]


def test_a_microphone_of_another_form_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    with wave.open(str(other), "wb") as made:
        made.setnchannels(2)
        made.setsampwidth(2)
        made.setframerate(44_100)
        made.writeframes(bytes(400))
    done = _run("--caller-wav", str(other), at=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"softphone: {other} must be 8000 Hz, mono, 16 bit\n"
    assert _run("--seconds", "0", at=tmp_path).returncode == 2
