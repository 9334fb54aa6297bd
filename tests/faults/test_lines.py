"""R4 and R5: the line to the database or to the store fails in each way, and mends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.inspection.sandbox import Sandbox
from storage.s3 import S3Store
from tests.conftest import FIGURES, Urls
from tests.faults.proxy import Fault, Proxy, proxied
from tests.faults.senders import (
    Book,
    all_were_told_to_come_again,
    each_is_there_once,
    sending,
)
from tests.live import Live, live_archive
from tests.s3_server import S3Server

Record = Callable[[str, object], None]
# What a slow line delays comes through, only later.
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


@pytest.fixture
def before_database(
    own_database: Urls, tmp_path: Path, sandbox: Sandbox
) -> Iterator[tuple[Live, Proxy]]:
    """Give an archive with a proxy between it and its database."""
    there = urlsplit(own_database.web)
    assert there.hostname
    assert there.port
    with proxied(there.hostname, there.port) as proxy:
        url = own_database.web.replace(f":{there.port}/", f":{proxy.port_here}/")
        with live_archive(tmp_path, url, sandbox) as live:
            live.tools.database.answer_seconds = 2  # Else it is twenty seconds.
            yield live, proxy


@pytest.fixture
def before_store(
    own_database: Urls, s3_server: S3Server, tmp_path: Path, sandbox: Sandbox
) -> Iterator[tuple[Live, Proxy]]:
    """Give an archive with a proxy between it and its bucket, and little patience for that."""
    there = urlsplit(s3_server.endpoint_url)
    assert there.hostname
    assert there.port
    bucket = s3_server.new_bucket()
    with proxied(there.hostname, there.port) as proxy:
        store = S3Store(
            replace(
                s3_server.settings(bucket),
                endpoint_url=f"http://127.0.0.1:{proxy.port_here}",
                read_timeout_seconds=1.5,
                connect_timeout_seconds=1.5,
                max_attempts=2,
            )
        )
        store.probe()
        with live_archive(tmp_path, own_database.web, sandbox, store=store) as live:
            yield live, proxy


def _fail_and_mend(proxy: Proxy, fault: Fault, book: Book) -> int:
    """Fail until it was felt, then mend; return after how many milliseconds a call was taken."""
    book.wait_answers(3, taken=True)
    met = proxy.met
    proxy.become(fault)
    if fault is Fault.DELAY:
        book.wait_answers(3, taken=True)
    elif fault is Fault.HALF:
        book.wait_answers(3)  # Half of "200 OK" may be enough to know that it is kept.
    else:
        book.wait_answers(3, taken=False)
    assert proxy.met > met
    proxy.become(Fault.NONE)
    mended = time.monotonic()
    book.wait_answers(1, taken=True)
    back = round((time.monotonic() - mended) * 1000)
    book.wait_answers(3, taken=True)
    return back


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", ["before_database", "before_store"])
def test_senders_are_told_to_come_again_and_nothing_is_lost_or_double(
    place: str, fault: Fault, request: pytest.FixtureRequest, record_property: Record
) -> None:
    live, proxy = request.getfixturevalue(place)
    with sending(live) as book:
        back = _fail_and_mend(proxy, fault, book)
    told = all_were_told_to_come_again(book)
    assert set(told) <= {"database-away", "store-away"}
    each_is_there_once(live, book)
    of = "R4" if place == "before_database" else "R5"
    name = f"{FIGURES}{of} {place.removeprefix('before_')}, {fault}"
    record_property(name, {"answers 503": sum(told.values()), "back after ms": back})
