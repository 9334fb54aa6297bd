"""S9: what fast senders keep of their rate while a hundred uploads come in drops."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench_tool import figures, targets
from bench_tool.figures import MIB, Comparison, Run, Target
from bench_tool.native import Address, BenchmarkFailed, Volley, run_load
from bench_tool.parts import Section
from bench_tool.processes import watched
from bench_tool.rounds import Cell, Options, count_for, run_of, say, told
from bench_tool.servers import Server, fresh, ours
from bench_tool.waves import wav_head

SLOW = 100
_FAST = 8
_SIZE = MIB
_DROP = b"\x2a" * 64
_EVERY_S = 0.25
_SETTLED_AFTER_DROPS = 4
_CELL = Cell(
    name=f"{_FAST} fast senders of 1 MiB, {SLOW} slow uploads open", size=_SIZE, connections=_FAST
)
_WARM_UP = Volley(connections=_FAST, requests=4, size=_SIZE)
_TARGET = Target(number="S9", against="the same without them", must=0.8, stretch=0.95)
_BOUNDARY = "slow"
_HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
    f"Content-Length: {_SIZE}\r\nContent-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n'
    '{{"source_call_id": "slow-{serial}", "started_at": "2026-01-15T10:00:00+03:00", '
    '"direction": "inbound", "from": "+74951234567", "to": "101"}}'
    f'\r\n--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="call.wav"\r\n\r\n'
)


@dataclass(slots=True, kw_only=True)
class _Slow:
    """Uploads that are open, and how often each has sent a drop."""

    sockets: list[socket.socket] = field(default_factory=list)
    drops: int = 0


def run(options: Options) -> Section:
    """Send with and without the slow ones, in turn, to one archive."""
    with_slow: list[Run] = []
    without: list[Run] = []
    with fresh(options.directory, "ours", ours) as server:
        run_load(options.load, server.address, _WARM_UP)
        trial = run_load(options.load, server.address, _WARM_UP)
        if trial.errors:
            raise BenchmarkFailed(f"The archive answers wrongly: {trial.first_error}")
        count = count_for(_CELL, trial, options.seconds, options.max_run_bytes)
        volley = Volley(connections=_FAST, requests=count, size=_SIZE)
        for number in range(options.rounds):
            without.append(_one(volley, server, options))
            say(f"slow, round {number + 1}: without them {told(without[-1])}")
            with held_open(server.address):
                with_slow.append(_one(volley, server, options))
            say(f"slow, round {number + 1}: with them {told(with_slow[-1])}")
    comparison = Comparison(
        cell=_CELL.name,
        target=_TARGET,
        ours=tuple(with_slow),
        other=tuple(without),
    )
    return Section(
        title="S9: what fast senders keep while slow uploads are open",
        text=figures.table(figures.HEADER, [figures.row(comparison)]),
        values=[figures.as_json(comparison)],
        lines=[targets.of_comparison(comparison)],
    )


def _one(volley: Volley, server: Server, options: Options) -> Run:
    os.sync()
    server.tidy()
    before_s = server.family.cpu_s()
    with watched(server.receivers()) as growth:
        load = run_load(options.load, server.address, volley)
    spent_s = server.family.cpu_s() - before_s
    return run_of(load, cpu_s=spent_s, growth_bytes=growth.peak_growth_bytes)


@contextmanager
def held_open(address: Address) -> Iterator[None]:
    """Hold the slow uploads open within.

    Raises:
        BenchmarkFailed: one of them was answered or closed meanwhile, so they were fewer.
    """
    slow, over, settled = _Slow(), threading.Event(), threading.Event()
    with ExitStack() as stack:
        for serial in range(SLOW):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", address.port)))
            head = _HEAD.format(
                path=address.path, port=address.port, key=address.key, serial=serial
            )
            one.sendall(head.encode() + wav_head(_SIZE))
            slow.sockets.append(one)
        thread = threading.Thread(target=_drip, args=(slow, over, settled), daemon=True)
        thread.start()
        settled.wait()
        try:
            yield
        finally:
            over.set()
            thread.join()
        slow.sockets = [one for one in slow.sockets if _is_open(one)]
    if lost := SLOW - len(slow.sockets):
        raise BenchmarkFailed(f"{lost} of {SLOW} slow uploads did not stay open")


def _drip(slow: _Slow, over: threading.Event, settled: threading.Event) -> None:
    while not over.wait(_EVERY_S):
        slow.sockets = [one for one in slow.sockets if _is_open(one)]
        slow.drops += 1
        if slow.drops == _SETTLED_AFTER_DROPS:
            settled.set()


def _is_open(one: socket.socket) -> bool:
    """Send a drop. Nobody answers before a body is there: what can be read is a refusal."""
    answered, _, _ = select.select([one], [], [], 0)
    if answered:
        return False
    try:
        one.sendall(_DROP)
    except ConnectionError:
        return False
    return True
