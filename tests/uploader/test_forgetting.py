"""What was delivered long ago is forgotten; what is not done with, and what lies there, is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.uploader.spool import Spool, State

DAY = 86_400.0


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def put(spool: Spool, path: Path, *, at: float, state: State = State.SENT, **more: object) -> None:
    spool.add(
        **{
            "kind": "recording",
            "path": str(path),
            "identity": "1:2:3:4",
            "sha256": "a" * 64,
            "size_bytes": 3,
            "state": state,
            "taken_at": at,
            "sent_at": at,
            "clock_base": 0.0,
            "boot_id": "b",
            "is_gone": True,
            "is_proved": True,
        }
        | more
    )


def names(spool: Spool) -> list[str]:
    return [Path(item.path).name for item in spool.items()]


def test_only_what_was_signed_for_and_is_old_is_forgotten(spool: Spool, tmp_path: Path) -> None:
    put(spool, tmp_path / "old.wav", at=0.0)
    put(spool, tmp_path / "new.wav", at=10 * DAY)
    put(spool, tmp_path / "unproved.wav", at=0.0, is_proved=False)
    put(spool, tmp_path / "copied.wav", at=0.0, is_gone=False)
    for state in (State.REFUSED, State.HELD, State.PRIVATE, State.WAITING):
        put(spool, tmp_path / f"{state}.wav", at=0.0, state=state)
    assert spool.forget(before=5 * DAY, most=100) == 1
    assert "old.wav" not in names(spool)
    assert len(names(spool)) == 7
    assert spool.forget(before=5 * DAY, most=100) == 0


def test_no_more_than_the_newest_are_remembered(spool: Spool, tmp_path: Path) -> None:
    for number in range(5):
        put(spool, tmp_path / f"{number}.wav", at=10 * DAY)
    put(spool, tmp_path / "waits.wav", at=0.0, state=State.WAITING)
    assert spool.forget(before=0.0, most=2) == 3
    assert names(spool) == ["3.wav", "4.wav", "waits.wav"]


def test_a_file_that_lies_there_is_not_taken_again(spool: Spool, tmp_path: Path) -> None:
    here = tmp_path / "here.wav"
    here.write_bytes(b"...")
    put(spool, here, at=0.0)
    put(spool, tmp_path / "gone.wav", at=0.0)
    spool.forget(before=DAY, most=100)
    assert spool.was_seen(here, "1:2:3:4")
    assert not spool.was_seen(tmp_path / "gone.wav", "1:2:3:4")


def test_calls_go_with_what_was_recorded_of_them(spool: Spool, tmp_path: Path) -> None:
    spool.tell("baresip", "old", 0.0, ended_at=10.0)
    spool.tell("baresip", "needed", 0.0, ended_at=10.0)
    spool.tell("baresip", "on", 0.0)
    spool.hook(tmp_path / "a.wav", "baresip", "old", None)
    spool.hook(tmp_path / "b.wav", "baresip", "needed", None)
    put(
        spool,
        tmp_path / "b.wav",
        at=0.0,
        state=State.REFUSED,
        call_source="baresip",
        call_id="needed",
    )
    spool.forget(before=DAY, most=100)
    assert [call.id for call in spool.calls()] == ["needed", "on"]
    assert spool.hooked(str(tmp_path / "a.wav")) is None
    assert spool.hooked(str(tmp_path / "b.wav")) is not None
