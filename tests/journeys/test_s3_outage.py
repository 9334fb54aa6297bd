"""The S3 server hangs, dies and comes back while softphones send."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from app.core.clock import SystemClock
from app.core.db import APP_ROLE, Database
from app.core.ids import new_id
from app.custody.ledger import DetailCipher
from app.inspection.references import Shelf
from app.inspection.sandbox import Sandbox
from app.main import create_app
from app.recordings.models import Leg, Recording, SealedRow
from app.recordings.stages import Measured
from app.settings import Settings
from app.tools import Tools
from app.uploads import jobs
from storage.errors import StoreUnavailable
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.s3 import S3Store
from storage.sealed import SealedStore
from tests.conftest import FIGURES, Urls
from tests.factories import wav
from tests.live import Live, metadata, running
from tests.logs import log_tools
from tests.s3_server import S3Server

SENDERS = 4
PATIENCE_SECONDS = 90
HANGS_AFTER_SECONDS = 1.5
LATER = timedelta(hours=1)


class Gateway:
    """The process of the server that speaks S3; what it has taken is kept by another one."""

    def __init__(self, server: S3Server) -> None:
        self._node = server.folder / "node"
        self._pid_file = self._node / "gateway.pid"

    def pause(self) -> None:
        os.kill(self._pid(), signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._pid(), signal.SIGCONT)

    def kill(self) -> None:
        pid = self._pid()
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}/exe").exists():
            time.sleep(0.05)

    def start_again(self) -> None:
        """Start it as `scripts/s3-server` does; that one stops it in the end."""
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        command = "echo $$ >gateway.pid; exec radosgw -c $PWD/ceph.conf -n client.rgw -f"
        subprocess.run(  # noqa: S603 - the test's own server.
            ["setsid", "--fork", "sh", "-c", command],  # noqa: S607 - found where it is installed.
            env=os.environ | {"PATH": path},
            cwd=self._node,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    def _pid(self) -> int:
        return int(self._pid_file.read_text())


@pytest.fixture
def gateway(s3_server: S3Server) -> Iterator[Gateway]:
    made = Gateway(s3_server)
    yield made
    with suppress(ProcessLookupError):
        made.go_on()  # A test that failed must not leave it paused for the next one.


@pytest.fixture
def archive(
    own_database: Urls, s3_server: S3Server, tmp_path: Path, sandbox: Sandbox
) -> Iterator[Live]:
    """Give an archive over a bucket, with little patience for its server."""
    keys = MasterKeys.create(tmp_path / "archive.key")
    cipher = DetailCipher(keys.derive("ledger-detail"))
    store = S3Store(
        replace(
            s3_server.settings(s3_server.new_bucket()),
            read_timeout_seconds=HANGS_AFTER_SECONDS,
            connect_timeout_seconds=HANGS_AFTER_SECONDS,
            max_attempts=2,
        )
    )
    store.probe()
    database = Database(own_database.web, role=APP_ROLE, info={"detail_cipher": cipher})
    archive = SealedStore(store, keys)
    tools = Tools(
        settings=Settings(data=tmp_path, _env_file=None),
        clock=SystemClock(),
        database=database,
        cipher=cipher,
        log=log_tools(tmp_path, database, SystemClock()),
        archive=archive,
        shelf=Shelf(archive=archive, sandbox=sandbox, spool=tmp_path / "spool"),
        release=SealedStore(
            FolderStore(tmp_path / "release"), MasterKeys.create(tmp_path / "release.key")
        ),
        sandbox=sandbox,
    )
    with running(create_app(tools, stages=Measured())) as url:
        yield Live(tools=tools, url=url, database_url=own_database.web)
    database.close()


@dataclass
class Book:
    """What the senders were answered."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    refused: list[httpx.Response] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def send(self, live: Live, sender: int) -> None:
        """Send one call after another, each as often as it needs, as softphones do."""
        number = 0
        while not self.is_over.is_set():
            call, body = f"call-{sender}-{number}", wav(0.5 + sender + number / 100)
            answer = live.send(metadata(call), body)
            if answer.is_success:
                self.ids[call] = answer.json()["id"]
                self.acknowledged[call] = body
                number += 1
            else:
                self.refused.append(answer)
            time.sleep(0.02)


@contextmanager
def sending(live: Live) -> Iterator[Book]:
    """Let senders send during the block; what broke them is raised after it."""
    book = Book()
    with ThreadPoolExecutor(SENDERS) as pool:
        senders = [pool.submit(book.send, live, sender) for sender in range(SENDERS)]
        try:
            yield book
        finally:
            book.is_over.set()
    for sender in senders:
        sender.result()


def _wait(is_so: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < give_up_at, f"not in time: {what}"
        time.sleep(0.05)


def _goes_on(book: Book) -> None:
    before = len(book.acknowledged)
    _wait(lambda: len(book.acknowledged) >= before + 2 * SENDERS, "uploads are taken")


def _is_refused(book: Book) -> None:
    before = len(book.refused)
    _wait(lambda: len(book.refused) >= before + 2 * SENDERS, "uploads are refused")


def test_nothing_half_is_left_by_a_store_that_hangs_and_dies(
    archive: Live, gateway: Gateway, record_property: Callable[[str, object], None]
) -> None:
    archive.key("phone")
    with sending(archive) as book:
        _goes_on(book)
        gateway.pause()
        _is_refused(book)
        ready = archive.call("GET", "/readyz", who=None)
        assert ready.status_code == 503
        states = {name: part["status"] for name, part in ready.json()["parts"].items()}
        assert states == {"database": "ok", "archive store": "down", "release store": "ok"}
        gateway.go_on()
        _goes_on(book)
        gateway.pause()
        gateway.kill()
        _is_refused(book)
        gateway.start_again()
        _goes_on(book)
    assert archive.call("GET", "/readyz", who=None).status_code == 200
    _all_were_told_to_come_again(book)
    _all_that_was_acknowledged_is_there(archive, book)
    _nothing_else_is_there(archive, book)
    counts = {"outages": 2, "answers 503": len(book.refused), "kept": len(book.acknowledged)}
    record_property(f"{FIGURES}R5 store hangs and dies", counts | {"lost": 0})


def test_after_a_failure_a_hanging_store_is_found_out_before_the_body_is_taken(
    archive: Live, gateway: Gateway
) -> None:
    gateway.pause()
    assert archive.send(metadata("hangs"), wav(0.5)).status_code == 503
    with pytest.raises(StoreUnavailable):
        archive.tools.archive.begin(new_id())
    gateway.go_on()
    archive.tools.archive.begin(new_id()).discard()
    assert archive.send(metadata("hangs"), wav(0.5)).status_code == 201


def _all_were_told_to_come_again(book: Book) -> None:
    for answer in book.refused:
        assert answer.status_code == 503, answer.text
        assert answer.headers["Retry-After"]
        assert answer.json()["type"] == "/problems/store-away"


def _all_that_was_acknowledged_is_there(archive: Live, book: Book) -> None:
    for call, body in book.acknowledged.items():
        path = f"/v1/recordings/{book.ids[call]}/audio?form=original"
        heard = archive.call("GET", path, who="reviewer")
        assert heard.status_code == 200, heard.text
        assert heard.content == body
        again = archive.send(metadata(call), body)
        assert (again.status_code, again.json()["id"]) == (200, book.ids[call])


def _nothing_else_is_there(archive: Live, book: Book) -> None:
    """Count rows, and objects after the sweep of what had no time to become a recording."""
    later = SystemClock().now() + LATER
    jobs.sweep(archive.tools, older_than=later)
    with archive.tools.database.transaction() as session:
        counts = [
            session.scalars(select(func.count()).select_from(table)).one()
            for table in (Recording, Leg, SealedRow)
        ]
    # Senders stop between two calls, so each call that came in was acknowledged.
    assert counts == [len(book.acknowledged)] * 3
    assert len(list(archive.tools.archive.listed(later))) == len(book.acknowledged)
