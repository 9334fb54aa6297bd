"""Killed at any step, the uploader goes on: each call arrives once, and no file is lost."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from app.uploader.spool import State
from tests.factories import wav
from tests.live import Live
from tests.uploader.house import House, house, kept

TRIALS = 24
DYING = Path(__file__).with_name("dying.py")


def _dying(at: House, step: int) -> int:
    at.program = [sys.executable, str(DYING), str(step), str(at.folder / "count")]
    status = at.once().returncode
    at.program = [sys.executable, "-m", "app.uploader"]
    return status


def _call(live: Live, folder: Path, number: int) -> House:
    """Return a machine on which both directions of a call have been recorded."""
    at = house(
        live,
        folder,
        after="delete",
        folder_lines=['direction = "inbound"'],
        spool_lines=["resumable_over_mib = 0.04"],  # One direction goes in pieces.
    )
    for way, seconds in (("enc", 4), ("dec", 2)):
        at.put(f"dump-2026-11-30-10-{number:02}-00-{way}.wav", wav(seconds))
    return at


def test_killed_at_any_step_each_call_arrives_once(live: Live, tmp_path: Path) -> None:
    whole = _call(live, tmp_path / "whole", 59)
    assert _dying(whole, sys.maxsize) == 0
    steps = int((whole.folder / "count").read_text())
    assert steps > TRIALS
    for trial in range(TRIALS):
        at = _call(live, tmp_path / str(trial), trial)
        status = _dying(at, 1 + trial * (steps - 1) // (TRIALS - 1))
        assert status in {-signal.SIGKILL, 0}, trial  # An answer more or less shifts the last.
        assert trial > TRIALS - 3 or status == -signal.SIGKILL
        done = at.once()
        assert done.returncode == 0, (trial, done.stderr)
        assert [item.state for item in at.items()] == [State.SENT] * 2, trial
        assert list(at.calls.iterdir()) == [], trial
        assert list((at.spool / "files").iterdir()) == [], trial
    found = kept(live)
    assert len({one["source_call_id"] for one in found}) == len(found) == TRIALS + 1
    assert all(len(one["legs"]) == 2 for one in found)


def test_a_copy_goes_whose_row_was_done_with_before_the_kill(live: Live, tmp_path: Path) -> None:
    at = _call(live, tmp_path / "late", 58)
    assert at.once().returncode == 0
    left = at.spool / "files" / at.items()[0].sha256
    left.write_bytes(b"as it lay when the uploader died between its row and its removal")
    assert at.once().returncode == 0
    assert not left.exists()
