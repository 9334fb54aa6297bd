"""R4: a primary is lost for good, and its synchronous standby has all that was acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from app.inspection.sandbox import Sandbox
from tests.conftest import FIGURES
from tests.factories import wav
from tests.faults.senders import all_were_told_to_come_again, each_is_there_once, sending
from tests.faults.standby import Pair, pair
from tests.live import Live, live_archive, metadata


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path / "servers") as made:
        yield made


@pytest.fixture
def doubled(servers: Pair, tmp_path: Path, sandbox: Sandbox) -> Iterator[Live]:
    with live_archive(tmp_path, servers.web_url, sandbox) as live:
        live.tools.database.answer_seconds = 2  # Else it is twenty seconds.
        yield live


def test_nothing_acknowledged_is_lost_when_the_standby_takes_over(
    servers: Pair, doubled: Live, record_property: Callable[[str, object], None]
) -> None:
    with sending(doubled) as book:
        book.wait_answers(10, taken=True)
        servers.primary.kill()
        book.wait_answers(3, taken=False)
        before = len(book.acknowledged)
        servers.promote()
        promoted = time.monotonic()
        book.wait_answers(1, taken=True)
        back = round((time.monotonic() - promoted) * 1000)
        book.wait_answers(10, taken=True)
    told = all_were_told_to_come_again(book)
    assert set(told) == {"database-away"}
    each_is_there_once(doubled, book)
    counts = {"acknowledged before": before, "and after": len(book.acknowledged) - before}
    counts |= {"lost": 0, "answers 503": sum(told.values()), "back after ms": back}
    record_property(f"{FIGURES}R4 standby takes over", counts)


def test_nothing_is_acknowledged_that_the_standby_does_not_have(
    servers: Pair, doubled: Live, record_property: Callable[[str, object], None]
) -> None:
    """A commit that no standby has is told to nobody, though the primary has it on its disk."""
    assert doubled.send(metadata("before"), wav(0.2)).status_code == 201
    servers.standby.kill()
    servers.ask("SELECT count(*) FROM recordings")  # Reading goes on.
    refused = doubled.send(metadata("alone"), wav(0.3))
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    # Nor does a limit on the statement's time end that wait as if the standby had it.
    with ThreadPoolExecutor(1) as pool, psycopg.connect(servers.superuser_url) as connection:
        connection.execute("CREATE TABLE waits ()")
        connection.execute("SET statement_timeout = 100")
        commit = pool.submit(connection.commit)
        refused = doubled.send(metadata("alone"), wav(0.3))
        assert refused.status_code == 503
        assert not commit.done()
        servers.start_standby()
        servers.wait_in_step()
        commit.result()
    again = doubled.send(metadata("alone"), wav(0.3))
    assert again.status_code in {200, 201}
    assert doubled.send(metadata("alone"), wav(0.3)).json()["id"] == again.json()["id"]
    record_property(f"{FIGURES}R4 standby away", {"taken meanwhile": 0, "answers 503": 2})
