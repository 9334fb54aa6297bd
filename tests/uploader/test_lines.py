"""What the uploader says on standard error names no file: their names hold numbers and people."""

from __future__ import annotations

import json
from pathlib import Path

from app.uploader.spool import State
from tests.factories import wav
from tests.live import Live
from tests.uploader.house import house

NUMBER = "9037654321"
WORDS = (NUMBER, "Premudrova", "what-was-said")


def test_no_line_names_a_file_and_the_status_does(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk")
    at.put(f"20261130-101500-+7{NUMBER}-incoming-106.wav", wav(2))
    at.put(f"20261130-101600-+7{NUMBER}-incoming-106.wav", b"no sound at all " * 99)
    at.put("Premudrova.wav", wav(1))
    beside = f"20261130-101700-+7{NUMBER}-incoming-106.wav"
    at.put(beside, wav(3))
    (at.calls / f"{beside}.json").write_text(json.dumps({"what-was-said": NUMBER}))
    done = at.once()
    assert [line for line in done.stderr.splitlines() if any(word in line for word in WORDS)] == []
    states = {item.state for item in at.items()}
    assert states >= {State.SENT, State.HELD}
    for said in ("taken in: item", "sent: item", "held: item"):
        assert said in done.stderr, done.stderr
    status = at.run("status").stdout
    assert NUMBER in status
    assert "Premudrova" in status
