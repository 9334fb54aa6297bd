"""The parts of the benchmark whose figures stand on something that a test can look at."""

from __future__ import annotations

import re
import socket
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/bench itself does.

from bench_tool import main as bench  # noqa: E402  # Needs the line above.
from bench_tool import processes, search, slow, transactions  # noqa: E402  # The same.
from bench_tool.native import Address, BenchmarkFailed  # noqa: E402  # The same.
from bench_tool.parts import Section  # noqa: E402  # The same.
from bench_tool.rounds import Options  # noqa: E402  # The same.
from bench_tool.targets import Line  # noqa: E402  # The same.
from bench_tool.waves import HEAD_BYTES, wav_head  # noqa: E402  # The same.

from app.core.db import Database  # noqa: E402  # After what needs the path.
from app.recordings.finding import Sought  # noqa: E402  # The same.
from app.recordings.media import AudioRecogniser  # noqa: E402  # The same.

DEVICE, RECORDING, LEG = uuid4(), uuid4(), uuid4()
ASK = "SELECT 1 FROM recordings WHERE device_id = %(device_id)s AND number = %(number)s"
KEEP = """
INSERT INTO recordings (id, device_id, source_call_id) VALUES (%(subject_id)s, %(device_id)s,
    %(source_call_id)s), (%(leg_id)s, %(facts)s::jsonb)
"""
HEARD: dict[str, dict[str, object]] = {
    ASK: {"device_id": DEVICE, "number": "+74951234567"},
    KEEP: {
        "subject_id": RECORDING,
        "device_id": DEVICE,
        "source_call_id": "heard",
        "leg_id": LEG,
        "facts": f'{{"recording_id": "{RECORDING}", "leg": "mixed"}}',
    },
}


def test_pgbench_sends_the_statements_of_the_archive_with_ids_of_its_own() -> None:
    script = transactions.script(HEARD, kept=DEVICE, connection=None)
    counted, ask, keep = script.split("\n", 1)[0], *script.split("\n", 1)[1].split(";\n")[:2]
    assert counted == "\\set n :n + 1"
    assert ask.endswith(f"device_id = '{DEVICE}'::uuid AND number = ('+74951234567')")
    assert "%(" not in script
    for one in (RECORDING, LEG):
        assert f"'{one}'::uuid" not in keep
    recording, leg = (expression(number) for number in range(2))
    assert keep.startswith("INSERT INTO recordings (id, device_id, source_call_id) VALUES (")
    assert f"VALUES ({recording}, '{DEVICE}'::uuid" in keep
    assert f"({leg}, (replace(" in keep
    # Within the JSON it is the very id of the row.
    assert f"'{RECORDING}', {recording}::text)" in keep
    assert "(:run::text || '-' || :client_id::text || '-' || :n::text)" in keep


def expression(number: int) -> str:
    """Return how an id is counted out."""
    return transactions.counted_id(number)


def test_a_counted_id_is_one_for_each_transaction_and_place() -> None:
    found = re.findall(r"to_hex\((\S+?)::bigint\), (\d+)", expression(3))
    assert [name for name, _ in found] == [":run", ":n", ":client_id", "3"]
    assert sum(int(width) for _, width in found) == len(UUID(int=0).hex)


def test_the_head_of_a_wave_is_recognised() -> None:
    recogniser = AudioRecogniser(file_name="call.wav")
    recogniser.feed(wav_head(HEAD_BYTES + 1000) + bytes(1000))
    facts = recogniser.finish()
    assert (facts.codec, facts.channels, facts.sample_rate_hz) == ("pcm_s16le", 1, 8000)


@pytest.mark.parametrize("refused", [0, 3])
def test_slow_uploads_that_do_not_stay_open_leave_no_figure(
    refused: int,
) -> None:
    """Whoever is answered early is not slow any more, and the fast ones had it easier."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=200))
        taken: list[socket.socket] = []

        def take() -> None:
            for number in range(slow.SLOW):
                one, _ = listener.accept()
                taken.append(stack.enter_context(one))
                if number < refused:
                    one.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")

        thread = threading.Thread(target=take)
        thread.start()
        address = Address(port=listener.getsockname()[1], path="/v1/recordings", key="k")
        if refused:
            early = pytest.raises(BenchmarkFailed, match=f"{refused} of {slow.SLOW}")
            with early, slow.held_open(address):
                thread.join()
        else:
            with slow.held_open(address):
                thread.join()
        assert len(taken) == slow.SLOW


OPTIONS = Options(
    directory=Path(),
    load=Path(),
    reference=Path(),
    rounds=1,
    seconds=1,
    max_run_bytes=1,
    with_long_cells=False,
)
LINE = Line(
    number="S10",
    path="ingest transaction",
    against="pgbench",
    figure="0.70",
    wanted="0.3 / 0.6",
    verdict="stretch met",
    cost="2.00 / 1.00 ms each",
)


class Breaks:
    """A part that breaks as nobody has foreseen."""

    def run(self, options: Options) -> Section:
        del options
        raise OSError("the disk is gone\nand more")


class Holds:
    """A part with one figure."""

    def run(self, options: Options) -> Section:
        del options
        return Section(title="of one part", text="a table", values=[], lines=[LINE])


def test_a_part_that_breaks_leaves_the_others_their_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "PARTS", {"search": Breaks(), "tx": Holds()})
    measured = bench._measured("all", OPTIONS)
    assert measured.reasons["search"] == "it failed, the disk is gone"
    assert LINE in measured.table()
    said = capsys.readouterr()
    assert "## search: it failed: the disk is gone" in said.out
    assert "Traceback" in said.err
    with pytest.raises(OSError, match="the disk is gone"):
        bench._measured("search", OPTIONS)


def test_an_answer_that_postgres_breaks_off_counts_with_the_time_until_then(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_page(session: Session, *_: object, **__: object) -> None:
        session.execute(text("SET LOCAL statement_timeout = 50"))
        session.execute(text("SELECT pg_sleep(30)"))

    archive = search.Archive(recordings=1, database=database, clients=())
    asked = search._Asked(sought=Sought())
    family = processes.Family(root=0, directory=Path())
    (whole,) = search._turns(family, [archive], [asked], 1)
    assert whole.cut_off == 0
    assert search._words_row("a word", whole)[3].endswith(" ms")
    monkeypatch.setattr("bench_tool.search.finding.page", slow_page)
    (cut,) = search._turns(family, [archive], [asked, asked], 1)
    assert (cut.cut_off, len(cut.each)) == (2, 2)
    assert min(cut.each) >= 50
    assert search._words_row("a word", cut)[3].endswith(" ms, 2 cut off")


def test_an_answer_that_fails_otherwise_is_no_figure(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(session: Session, *_: object, **__: object) -> None:
        session.execute(text("DO $$ BEGIN RAISE 'locked' USING ERRCODE = '55P03'; END $$"))

    monkeypatch.setattr("bench_tool.search.finding.page", locked)
    archive = search.Archive(recordings=1, database=database, clients=())
    with pytest.raises(OperationalError, match="locked"):
        search._took(archive, search._Asked(sought=Sought()))
