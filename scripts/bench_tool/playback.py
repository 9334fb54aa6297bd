"""S15: what a part of a recording costs the server, beside the same part of the plain file."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import httpx

from bench_tool import figures, targets
from bench_tool.figures import MIB, Spread
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.processes import watched
from bench_tool.rounds import Options, say
from bench_tool.servers import Server, fresh, heard, plain
from bench_tool.targets import Line
from bench_tool.waves import HEAD_BYTES, wav_head

_OURS, _PLAIN = "ours", "FileResponse of the plain file"
_SIZE = 4 * MIB
_PART_BYTES = 64 * 1024
_MUST, _STRETCH = 1.0, 0.5
_PARTIAL = 206
_WARM_UP_REQUESTS = 50
_SECONDS = 2
_HEADER = ("#", "path", "figure (range)", "must / stretch", "verdict", "a second", "CPU ms", "MiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """A server that gives the recording, and how it is asked."""

    server: Server
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """What one run cost: requests, their time, CPU of all the server's processes, and growth."""

    requests: int
    wall_s: float
    cpu_s: float
    growth_bytes: int

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / self.requests


def run(options: Options) -> Section:
    """Ask both for parts at places drawn by lot, in turn; a wrong byte ends it."""
    content = wav_head(_SIZE) + random.Random(15).randbytes(_SIZE - HEAD_BYTES)  # noqa: S311 - noise.
    file = options.directory / "call.wav"
    file.write_bytes(content)
    taken: dict[str, list[_Round]] = {_OURS: [], _PLAIN: []}
    with ExitStack() as stack:
        archive = stack.enter_context(fresh(options.directory, "ours", heard))
        starlette = stack.enter_context(fresh(options.directory, "plain", plain(file)))
        ways = {
            _OURS: _kept(archive, file),
            _PLAIN: _Heard(server=starlette, path="/", headers={}),
        }
        for way in ways.values():
            _ask(way, content, seconds=0, at_least=_WARM_UP_REQUESTS)
        for number in range(options.rounds):
            for name, way in ways.items():
                taken[name].append(_measured(way, content, min(options.seconds, _SECONDS)))
                spent = taken[name][-1].cpu_ms
                say(f"playback, round {number + 1}: {name} {spent:.2f} ms of CPU each")
    file.unlink()
    line = _line(taken[_OURS], taken[_PLAIN])
    return Section(
        title="S15: a part of 64 KiB of a recording",
        text=figures.table(_HEADER, [_row(line, taken[_OURS], taken[_PLAIN])]),
        values=[
            {
                "target": "S15",
                "ours_cpu_ms": [one.cpu_ms for one in taken[_OURS]],
                "plain_cpu_ms": [one.cpu_ms for one in taken[_PLAIN]],
                "verdict": line.verdict,
            }
        ],
        lines=[line],
    )


def _kept(archive: Server, file: Path) -> _Heard:
    told = {
        "source_call_id": "heard",
        "started_at": "2026-01-15T10:00:00+03:00",
        "direction": "inbound",
        "from": "+74951234567",
    }
    answer = httpx.post(
        f"http://127.0.0.1:{archive.address.port}{archive.address.path}",
        headers={"Authorization": f"Bearer {archive.address.key}"},
        files=[
            ("metadata", (None, json.dumps(told).encode(), "application/json")),
            ("file", ("call.wav", file.read_bytes(), "audio/wav")),
        ],
        timeout=60,
        trust_env=False,
    )
    if answer.status_code != httpx.codes.CREATED:
        raise BenchmarkFailed(f"The recording was not taken: {answer.status_code} {answer.text}")
    path = f"{archive.address.path}/{answer.json()['id']}/audio"
    headers = {"Authorization": f"Bearer {archive.person_key}"}
    return _Heard(server=archive, path=path, headers=headers)


def _measured(way: _Heard, content: bytes, seconds: float) -> _Round:
    before_s = way.server.family.cpu_s()
    began = time.perf_counter()
    with watched(way.server.receivers()) as growth:
        requests = _ask(way, content, seconds=seconds)
    wall_s = time.perf_counter() - began
    return _Round(
        requests=requests,
        wall_s=wall_s,
        cpu_s=way.server.family.cpu_s() - before_s,
        growth_bytes=growth.peak_growth_bytes,
    )


def _ask(way: _Heard, content: bytes, *, seconds: float, at_least: int = 1) -> int:
    """Ask for one part after the other for so long; return how many.

    Raises:
        BenchmarkFailed: an answer was wrong.
    """
    places = random.Random(64)  # noqa: S311 - the same places for both.
    connection = HTTPConnection("127.0.0.1", way.server.address.port, timeout=60)
    ends, requests = time.perf_counter() + seconds, 0
    while requests < at_least or time.perf_counter() < ends:
        start = places.randrange(len(content) - _PART_BYTES)
        wanted = {"Range": f"bytes={start}-{start + _PART_BYTES - 1}"}
        connection.request("GET", way.path, headers={**way.headers, **wanted})
        answer = connection.getresponse()
        part = answer.read()
        if answer.status != _PARTIAL or part != content[start : start + _PART_BYTES]:
            raise BenchmarkFailed(f"{way.path} answers wrongly: {answer.status} {part[:200]!r}")
        requests += 1
    connection.close()
    return requests


def _line(ours: list[_Round], other: list[_Round]) -> Line:
    pairs = zip(ours, other, strict=True)
    ratio = Spread.of([mine.cpu_ms / theirs.cpu_ms for mine, theirs in pairs])
    return Line(
        number="S15",
        path="playback: CPU of a 64 KiB range request, decrypted",
        against=_PLAIN,
        figure=targets.spread(ratio),
        wanted=f"at most {_MUST:g} / {_STRETCH:g}",
        verdict=targets.at_most(ratio.median, _MUST, _STRETCH).value,
        cost=f"{_cpu(ours, other)} ms each, {_growth(ours, other)} MiB more",
    )


def _row(line: Line, ours: list[_Round], other: list[_Round]) -> list[str]:
    rates = (Spread.of([one.requests / one.wall_s for one in each]) for each in (ours, other))
    told = " / ".join(f"{rate.median:.0f}" for rate in rates)
    shown = [line.number, line.path, line.figure, line.wanted, line.verdict]
    return [*shown, told, _cpu(ours, other), _growth(ours, other)]


def _cpu(ours: list[_Round], other: list[_Round]) -> str:
    medians = (Spread.of([one.cpu_ms for one in each]).median for each in (ours, other))
    return " / ".join(f"{median:.2f}" for median in medians)


def _growth(ours: list[_Round], other: list[_Round]) -> str:
    peaks = (max(one.growth_bytes for one in each) for each in (ours, other))
    return " / ".join(f"{peak / MIB:.0f}" for peak in peaks)
