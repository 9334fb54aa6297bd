"""S17: how fast kept objects are read and compared, beside OpenSSL on the same file."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from bench_tool import figures, targets
from bench_tool.figures import MIB, Spread, Target, Verdict
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.rounds import Options, say
from bench_tool.targets import Line
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedObject, SealedStore

_BYTES = 256 * MIB
_AGAINST = "openssl dgst -sha256"
_TARGETS = {
    "over the plaintext, decrypting": Target(
        number="S17", against=_AGAINST, must=0.7, stretch=0.95
    ),
    "over the sealed bytes": Target(number="S17", against=_AGAINST, must=0.95, stretch=1.0),
}
_HEADER = ("#", "path", "against", "ratio (range)", "must", "verdict", "MiB per CPU s", "against")


def run(options: Options) -> Section:
    """Read an object in each way and by OpenSSL in turn; the ratio is of processor time."""
    folder = options.directory / "fixity"
    folder.mkdir()
    store = SealedStore(FolderStore(folder / "store"), MasterKeys.create(folder / "key"))
    kept = _kept(store)
    file = folder / "store" / SealedStore.key_for(kept.object_id)
    ways: dict[str, Callable[[], object]] = {
        "over the plaintext, decrypting": lambda: store.verify(kept.ref()),
        "over the sealed bytes": lambda: store.sealed_digest(
            kept.object_id, size_bytes=kept.size_bytes
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*ways, _AGAINST)}
    for number in range(options.rounds + 1):
        found = {name: _own_cpu(way) for name, way in ways.items()}
        found[_AGAINST] = _openssl_cpu(file)
        if number:  # The first round filled the page cache.
            say(f"fixity, round {number}: " + ", ".join(f"{k} {v:.3f} s" for k, v in found.items()))
            for name, taken in found.items():
                seconds[name].append(taken)
    shutil.rmtree(folder)
    rows = [_row(_TARGETS[name], name, seconds[name], seconds[_AGAINST]) for name in ways]
    values = [_values(_TARGETS[name], name, seconds[name], seconds[_AGAINST]) for name in ways]
    lines = [_line(_TARGETS[name], name, seconds[name], seconds[_AGAINST]) for name in ways]
    title = "S17: fixity, per core"
    return Section(title=title, text=figures.table(_HEADER, rows), values=values, lines=lines)


def _kept(store: SealedStore) -> SealedObject:
    draft = store.begin(uuid4())
    try:
        for _ in range(_BYTES // MIB):
            draft.write(os.urandom(MIB))
        return draft.keep()
    finally:
        draft.discard()


def _own_cpu(way: Callable[[], object]) -> float:
    began = time.process_time()
    way()
    return time.process_time() - began


def _openssl_cpu(file: Path) -> float:
    program = shutil.which("openssl")
    if program is None:
        raise BenchmarkFailed("openssl is missing.")
    before = os.times()
    subprocess.run(  # noqa: S603 - a digest of a file of our own.
        [program, "dgst", "-sha256", str(file)], check=True, capture_output=True
    )
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def _ratio(ours: Sequence[float], other: Sequence[float]) -> Spread:
    pairs = zip(ours, other, strict=True)
    return Spread.of([theirs / mine for mine, theirs in pairs])


def _verdict(target: Target, ratio: Spread) -> Verdict:
    return targets.at_least(ratio.median, target.must, target.stretch)


def _row(target: Target, name: str, ours: Sequence[float], other: Sequence[float]) -> list[str]:
    ratio = _ratio(ours, other)
    return [
        target.number,
        name,
        target.against,
        targets.spread(ratio),
        f"{target.must:.2f}",
        _verdict(target, ratio).value,
        *(f"{_BYTES / MIB / Spread.of(taken).median:.0f}" for taken in (ours, other)),
    ]


def _values(
    target: Target, name: str, ours: Sequence[float], other: Sequence[float]
) -> dict[str, object]:
    return {
        "target": target.number,
        "path": name,
        "must": target.must,
        "ratio": _ratio(ours, other).median,
        "verdict": _verdict(target, _ratio(ours, other)).value,
        "ours_cpu_s": list(ours),
        "openssl_cpu_s": list(other),
    }


def _line(target: Target, name: str, ours: Sequence[float], other: Sequence[float]) -> Line:
    ratio = _ratio(ours, other)
    cost = " / ".join(f"{Spread.of(taken).median:.2f}" for taken in (ours, other))
    return Line(
        number=target.number,
        path=f"fixity {name}, per core",
        against=target.against,
        figure=targets.spread(ratio),
        wanted=f"{target.must:g} / {target.stretch:g}",
        verdict=_verdict(target, ratio).value,
        cost=f"{cost} s for {_BYTES // MIB} MiB",
    )
