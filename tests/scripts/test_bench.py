"""The benchmark's arithmetic, its C programs, and what it reads of processes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/bench itself does.

from bench_tool import figures, native, processes, servers  # noqa: E402  # Needs the line above.
from bench_tool.figures import Comparison, Run, Target, Verdict  # noqa: E402  # The same.
from bench_tool.native import Address, BenchmarkFailed, Programs, Volley  # noqa: E402  # The same.
from bench_tool.servers import Server  # noqa: E402  # The same.

MIB = figures.MIB
TARGET = Target(number="S4", against="reference", must=0.5, stretch=0.75)
RUN = Run(
    requests=100,
    wall_s=1.0,
    cpu_s=0.5,
    growth_bytes=3 * MIB,
    p50_ms=1.0,
    p95_ms=2.0,
    p99_ms=3.0,
    errors=0,
    first_error="",
)
WRONG = replace(RUN, errors=1, first_error="wrong digest")


def runs(*walls_s: float) -> tuple[Run, ...]:
    return tuple(replace(RUN, wall_s=wall_s) for wall_s in walls_s)


def comparison(ours: tuple[Run, ...], other: tuple[Run, ...]) -> Comparison:
    return Comparison(cell="1 MiB, c = 8", target=TARGET, ours=ours, other=other)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return native.compile_programs(tmp_path_factory.mktemp("bench") / "programs")


def test_a_ratio_is_the_median_of_the_rounds_with_its_range() -> None:
    # The rates are 50, 100 and 25 beside 100, 125 and 200: ratios of 0.5, 0.8 and 0.125.
    ratio = comparison(runs(2.0, 1.0, 4.0), runs(1.0, 0.8, 0.5)).ratio
    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((0.5, 0.125, 0.8))


def test_rounds_are_compared_in_pairs_and_not_by_their_medians() -> None:
    # A slow moment of the machine in round 2 hits both and leaves the ratio as it is.
    ratio = comparison(runs(2.0, 20.0, 2.0), runs(1.0, 10.0, 1.0)).ratio
    assert ratio is not None
    assert (ratio.low, ratio.high) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("wall_s", "verdict"),
    [
        (1.25, Verdict.STRETCH),
        (4 / 3, Verdict.STRETCH),
        (1.5, Verdict.MET),
        (2.0, Verdict.MET),
        (2.01, Verdict.MISSED),
    ],
)
def test_the_verdict_follows_the_median(wall_s: float, verdict: Verdict) -> None:
    assert comparison(runs(wall_s), runs(1.0)).verdict is verdict


@pytest.mark.parametrize("wrong", [(RUN, WRONG), (WRONG,), (replace(RUN, requests=0),) * 2, ()])
def test_a_variant_that_answers_wrongly_has_no_ratio(wrong: tuple[Run, ...]) -> None:
    for each in (comparison(wrong, (RUN, RUN)), comparison((RUN, RUN), wrong)):
        assert each.ratio is None
        assert each.verdict is Verdict.NONE
        row = dict(zip(figures.HEADER, figures.row(each), strict=True))
        assert row["ratio (range)"] == "–"
        assert "–" in row["uploads/s"]
        assert figures.as_json(each)["ratio"] is None


def test_a_row_shows_ours_beside_the_other() -> None:
    other = replace(RUN, wall_s=0.5, cpu_s=0.25, growth_bytes=0)
    row = dict(zip(figures.HEADER, figures.row(comparison((RUN,), (other,))), strict=True))
    assert row["ratio (range)"] == "0.50 (0.50–0.50)"
    assert row["uploads/s"] == "100 / 200"
    assert row["CPU ms each"] == "5.00 / 2.50"
    assert row["peak growth MiB"] == "3 / 0"
    assert row["our p50 / p95 / p99 ms"] == "1.0 / 2.0 / 3.0"
    assert row["verdict"] == "must met"


def test_columns_of_a_table_have_one_width() -> None:
    lines = figures.table(["#", "path"], [["S4", "1 MiB"], ["S5", "a longer one"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].startswith("| -- | ---")


@pytest.mark.parametrize(
    "volley",
    [
        Volley(connections=1, requests=3, size=108),
        Volley(connections=8, requests=3, size=MIB),
        Volley(connections=2, requests=2, size=3 * MIB + 1),
    ],
)
def test_load_and_reference_agree_on_the_digest(
    programs: Programs, tmp_path: Path, volley: Volley
) -> None:
    with servers.fresh(tmp_path, "reference", servers.reference(programs)) as server:
        load = native.run_load(programs.load, server.address, volley)
        assert (load.errors, load.first_error) == (0, "")
        assert load.requests == volley.connections * volley.requests
        assert load.bytes == load.requests * volley.size
        assert server.expendable is not None
        kept = list(server.expendable.iterdir())
        assert {file.stat().st_size for file in kept} == {volley.size}
        assert len({file.read_bytes() for file in kept}) == load.requests
        server.tidy()
        assert list(server.expendable.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_pages_of_files_that_are_kept_are_given_back(tmp_path: Path) -> None:
    file = tmp_path / "00" / "object"
    file.parent.mkdir()
    file.write_bytes(os.urandom(MIB))
    family = processes.Family(root=0, directory=tmp_path)
    address = Address(port=0, path="/", key="none")
    with file.open("rb") as kept:
        os.fsync(kept.fileno())
        assert os.preadv(kept.fileno(), [bytearray(MIB)], 0, os.RWF_NOWAIT) == MIB
        Server(address=address, family=family, expendable=None, kept=tmp_path).tidy()
        with pytest.raises(BlockingIOError):  # It would have to be read from the disk.
            os.preadv(kept.fileno(), [bytearray(MIB)], 0, os.RWF_NOWAIT)
    assert file.stat().st_size == MIB


def test_the_reference_takes_what_curl_sends(programs: Programs, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl is not None, "curl is missing: apt-get install curl"
    call = tmp_path / "call.wav"
    call.write_bytes(os.urandom(200_000))
    with servers.fresh(tmp_path, "reference", servers.reference(programs)) as server:
        url = f"http://127.0.0.1:{server.address.port}{server.address.path}"
        argv = [curl, "-sS", "--noproxy", "*", "-F", "metadata={}", "-F", f"file=@{call}", url]
        answer = subprocess.run(argv, capture_output=True, text=True, check=True)  # noqa: S603  # Its own arguments.
    digest = subprocess.run(["sha256sum", call], capture_output=True, text=True, check=True)  # noqa: S603, S607  # The system's.
    assert f'"sha256": "{digest.stdout.split()[0]}"' in answer.stdout
    assert '"size_bytes": 200000' in answer.stdout


class _Answering(BaseHTTPRequestHandler):
    """Answers every upload alike, whatever was sent."""

    status = 201
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"sha256": "' + b"0" * 64 + b'"}'
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # As its base names it.
        """Keep the test's output quiet."""


@pytest.mark.parametrize(
    ("status", "told"), [(201, "wrong digest"), (200, "refused"), (503, "refused")]
)
def test_the_load_counts_a_wrong_answer_as_an_error(
    programs: Programs, status: int, told: str
) -> None:
    handler = type("Handler", (_Answering,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = Address(port=server.server_address[1], path="/v1/recordings", key="k")
            load = native.run_load(
                programs.load, address, Volley(connections=1, requests=3, size=1000)
            )
        finally:
            server.shutdown()
            thread.join()
    assert (load.errors, load.requests) == (1, 0)
    assert load.first_error.startswith(f"{told}, status {status}")


class _Resuming(BaseHTTPRequestHandler):
    """Takes uploads by tus, and says of each that it has as much as `kept` bytes."""

    protocol_version = "HTTP/1.1"
    begun = 201
    kept: int | None = None
    is_whole_address = False

    def do_POST(self) -> None:
        assert self.headers["Tus-Resumable"] == "1.0.0"
        told = dict(pair.split(" ") for pair in self.headers["Upload-Metadata"].split(","))
        assert json.loads(base64.b64decode(told["metadata"]))["direction"] == "inbound"
        host = f"http://{self.headers['Host']}" if self.is_whole_address else ""
        self.send_response(self.begun)
        self.send_header("Location", f"{host}/uploads/{self.headers['Upload-Length']}")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"0\r\n\r\n")

    def do_PATCH(self) -> None:
        assert self.path == f"/uploads/{self.headers['Content-Length']}"
        content = self.rfile.read(int(self.headers["Content-Length"]))
        assert content[:4] == b"RIFF"
        self.send_response(204)
        offset = len(content) if self.kept is None else self.kept
        self.send_header("Upload-Offset", str(offset))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # As its base names it.
        """Keep the test's output quiet."""


@pytest.mark.parametrize(
    ("answers", "requests", "told"),
    [
        ({}, 6, ""),
        ({"is_whole_address": True}, 6, ""),
        ({"kept": 1}, 0, "wrong offset, status 204"),
        ({"begun": 503}, 0, "not begun, status 503"),
    ],
)
def test_the_load_sends_by_tus_and_looks_at_the_offset(
    programs: Programs, answers: dict[str, object], requests: int, told: str
) -> None:
    handler = type("Handler", (_Resuming,), answers)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = Address(port=server.server_address[1], path="/files", key="k", is_tus=True)
            volley = Volley(connections=2, requests=3, size=100_000)
            load = native.run_load(programs.load, address, volley)
        finally:
            server.shutdown()
            thread.join()
    assert load.requests == requests
    assert load.first_error.startswith(told)
    assert bool(load.errors) == bool(told)


def test_the_load_reports_a_server_that_is_not_there(programs: Programs) -> None:
    address = Address(port=1, path="/", key="k")
    load = native.run_load(programs.load, address, Volley(connections=2, requests=1, size=1000))
    assert (load.errors, load.requests) == (2, 0)
    assert load.first_error.startswith("no connection")


def test_without_a_compiler_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchmarkFailed, match="apt-get install gcc"):
        native.compile_programs(tmp_path / "programs")


def test_without_openssl_headers_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "gcc"
    fake.write_text('#!/bin/sh\necho "fatal error: openssl/evp.h: No such file" >&2\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(BenchmarkFailed, match="apt-get install libssl-dev"):
        native.compile_programs(tmp_path / "programs")


def family_of(argv: list[str], directory: Path) -> tuple[subprocess.Popen[str], processes.Family]:
    process = subprocess.Popen(  # noqa: S603  # A little program of this test.
        argv, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, processes.Family(root=process.pid, directory=directory)


def test_cpu_of_a_family_holds_that_of_ended_children(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); "
    code += "print('done', flush=True); sys.stdin.read()"
    process, family = family_of([sys.executable, "-c", code], tmp_path)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        assert process.pid in family.pids()
        assert os.getpid() not in family.pids()
        assert family.cpu_s() >= 0.3
        process.communicate("")
    assert family.pids() == []


def test_growth_is_that_of_the_peak_even_if_it_was_short(tmp_path: Path) -> None:
    code = "import sys\nprint('up', flush=True)\nsys.stdin.readline()\n"
    code += "x = bytearray(b'x' * (64 << 20)); del x\nprint('down', flush=True)\nsys.stdin.read()"
    process, family = family_of([sys.executable, "-c", code], tmp_path)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        with processes.watched(family.pids(), per_s=50) as growth:
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
        process.communicate("")
    assert 64 * MIB <= growth.peak_growth_bytes < 200 * MIB
    assert growth.after_bytes < growth.peak_bytes - 60 * MIB
    assert growth.samples >= 1


def test_what_a_variant_leaves_behind_is_ended(tmp_path: Path) -> None:
    sleeper = "import subprocess, sys; subprocess.Popen(['sleep', '60'], start_new_session=True)"

    def start(directory: Path) -> Server:
        subprocess.run([sys.executable, "-c", sleeper], cwd=directory, check=True)  # noqa: S603  # The line above.
        assert len(processes.Family(root=0, directory=directory).pids()) == 1
        raise BenchmarkFailed("it did not start")

    with pytest.raises(BenchmarkFailed), servers.fresh(tmp_path, "variant", start):  # type: ignore[arg-type]  # It never returns one.
        pytest.fail("the variant must not start")
    assert processes.Family(root=0, directory=tmp_path).pids() == []
    assert list(tmp_path.iterdir()) == []


def test_the_script_tells_its_parts() -> None:
    told = subprocess.run(  # noqa: S603  # Our own script.
        [ROOT / "scripts" / "bench", "--help"], capture_output=True, text=True, check=True
    )
    parts = "ingest,peers,memory,slow,tx,queue,audit,inspect,playback,bundle,fixity,notice,pages"
    assert f"{{{parts},search,all,table}}" in told.stdout
