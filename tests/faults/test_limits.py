"""R9: a full disk, a clock that is set, slow senders: refused clearly, nothing spoilt."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from app.core.clock import SetClock, SystemClock
from app.custody.models import LedgerLeaf
from app.inspection.sandbox import Sandbox
from app.recordings.models import Recording
from storage.folder import FolderStore
from tests.conftest import FIGURES, Urls
from tests.factories import wav
from tests.faults.test_lines import Record
from tests.live import Live, live_archive, metadata

SLOW = 300
_DISK_BYTES = 3 * 1024 * 1024


def _mount(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - words of our own.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk that three megabytes fill; only root may make one."""
    if os.geteuid() != 0:
        pytest.skip("Only root may mount a small disk.")
    place = tmp_path / "disk"
    place.mkdir()
    _mount("mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(place))
    yield place
    _mount("umount", "--lazy", str(place))


def test_a_full_disk_refuses_and_spoils_nothing(
    own_database: Urls,
    tmp_path: Path,
    small_disk: Path,
    sandbox: Sandbox,
    record_property: Record,
) -> None:
    store = FolderStore(small_disk / "archive")
    kept: dict[str, bytes] = {}
    with live_archive(tmp_path, own_database.web, sandbox, store=store) as live:
        refused = 0
        for number in range(60):
            body = wav(4 + number / 100)
            answer = live.send(metadata(f"c{number}"), body)
            if answer.is_success:
                kept[f"c{number}"] = body
                continue
            assert answer.status_code == 503, answer.text
            assert answer.headers["Retry-After"]
            assert answer.json()["type"] == "/problems/store-away"
            refused += 1
            if refused == 3:
                break
        assert refused
        assert kept
        assert live.call("GET", "/healthz", who=None).status_code == 200
        # Nothing of what was refused takes the room that there is not.
        assert list((small_disk / "archive" / ".drafts").iterdir()) == []
        _mount("mount", "-o", f"remount,size={4 * _DISK_BYTES}", str(small_disk))
        last = metadata("after")
        assert live.send(last, wav(4)).status_code == 201
        for call, body in kept.items():
            again = live.send(metadata(call), body)
            assert again.status_code == 200, again.text
            path = f"/v1/recordings/{again.json()['id']}/audio?form=original"
            assert live.call("GET", path, who="reviewer").content == body
    record_property(f"{FIGURES}R9 full disk", {"kept before": len(kept), "refused": refused})


def test_three_hundred_slow_senders_keep_nobody_else_out(
    live: Live, record_property: Record
) -> None:
    there = urlsplit(live.url)
    assert there.hostname
    assert there.port
    key = live.key("phone")
    head = (
        f"POST /v1/recordings HTTP/1.1\r\nHost: {there.hostname}\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: 100000\r\n"
        "Content-Type: multipart/form-data; boundary=slow\r\n\r\n--slow\r\n"
    ).encode()
    with ExitStack() as open_ones:
        slow = [
            open_ones.enter_context(
                socket.create_connection((there.hostname, there.port), timeout=30)
            )
            for _ in range(SLOW)
        ]
        # A third says nothing, a third stops in the head, a third drips its body.
        for number, one in enumerate(slow):
            one.sendall((b"", head[:40], head)[number % 3])
        for number in range(5):
            for one in slow[2::3]:
                one.sendall(b"x")
            assert live.send(metadata(f"c{number}"), wav(0.2)).status_code == 201
            assert live.call("GET", "/healthz", who=None).status_code == 200
    assert live.send(metadata("after"), wav(0.2)).status_code == 201
    record_property(f"{FIGURES}R9 slow senders", {"open": SLOW, "taken beside them": 5})


def test_a_clock_that_is_set_forth_and_back_spoils_nothing(
    own_database: Urls, tmp_path: Path, sandbox: Sandbox, record_property: Record
) -> None:
    clock = SetClock(SystemClock().now())
    ids: set[str] = set()
    with live_archive(tmp_path, own_database.web, sandbox, clock=clock) as live:
        steps = (timedelta(0), timedelta(days=2), timedelta(days=-4), timedelta(days=2))
        for number, step in enumerate(steps):
            clock.advance(step)
            live.forget()
            sent = live.send(metadata(f"c{number}"), wav(0.2 + number))
            assert sent.status_code == 201, sent.text
            assert live.send(metadata(f"c{number}"), wav(0.2 + number)).status_code == 200
            ids.add(sent.json()["id"])
            live.tools.log.sequencer().catch_up_if_free()
            listed = live.call("GET", "/v1/recordings", who="reviewer")
            assert {one["id"] for one in listed.json()["items"]} == ids
        live.work()
        with live.tools.database.transaction() as session:
            states = session.scalars(select(Recording.inspection_state)).all()
            seqs = session.scalars(select(LedgerLeaf.seq).order_by(LedgerLeaf.seq)).all()
        assert states == ["done"] * len(steps)
        assert list(seqs) == list(range(len(seqs)))
        assert seqs
    record_property(f"{FIGURES}R9 clock", {"steps": len(steps), "kept": len(ids)})
