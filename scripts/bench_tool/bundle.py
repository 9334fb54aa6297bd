"""What a bundle costs: making it, and giving it, beside a plain zip of plain files."""

from __future__ import annotations

import os
import statistics
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, ParamSpec, TypeVar, cast

from app.core.ids import new_id
from app.releases import bag as bags
from app.releases.bag import Bag
from bench_tool import figures
from bench_tool.figures import MIB
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.rounds import Options, say
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedObject, SealedStore

P = ParamSpec("P")
T = TypeVar("T")
_FILES = 400
_READ_BYTES = 1 << 18
_HEADER = ("#", "what", "against", "ratio (range)", "must / stretch", "MiB/s")


class _Counted:
    """A file that only counts, and can only be written to."""

    def __init__(self) -> None:
        self.size_bytes = 0

    def write(self, piece: bytes) -> int:
        self.size_bytes += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Do nothing."""


def run(options: Options) -> Section:
    """Make and give a bundle of 400 recordings of 1 MiB, and zip the same files, in turn."""
    store = SealedStore(
        FolderStore(options.directory / "sealed"),
        MasterKeys.create(options.directory / "bundle.key"),
    )
    files, objects = _recordings(options.directory / "plain", store)
    plain, made, given = [], [], []
    for number in range(options.rounds):
        say(f"bundle: round {number + 1}")
        plain.append(_rate(_zip, files)[1])
        bundle, rate = _rate(_make, store, objects)
        made.append(rate)
        given.append(_rate(_give, store, bundle)[1])
        store.delete(bundle.object_id)
    rows = [
        _row("S16", "giving a bundle that was made", given, plain, "1.0 / 2"),
        _row("", "making it, once for each release", made, plain, "-"),
    ]
    return Section(
        title="Bundles of 400 recordings of 1 MiB",
        text=figures.table(_HEADER, rows),
        values=[{"plain": plain, "made": made, "given": given}],
    )


def _recordings(folder: Path, store: SealedStore) -> tuple[list[Path], list[SealedObject]]:
    folder.mkdir()
    files, objects = [], []
    for number in range(_FILES):
        content = os.urandom(MIB)
        files.append(folder / f"{number}.wav")
        files[-1].write_bytes(content)
        draft = store.begin(new_id())
        draft.write(content)
        objects.append(draft.keep())
    return files, objects


def _zip(files: Sequence[Path]) -> None:
    sink = _Counted()
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w") as archive:
        for path in files:
            with path.open("rb") as source, archive.open(path.name, "w") as member:
                while piece := source.read(_READ_BYTES):
                    member.write(piece)
    if sink.size_bytes < _FILES * MIB:
        raise BenchmarkFailed("the plain zip lacks something")


def _make(store: SealedStore, objects: Sequence[SealedObject]) -> SealedObject:
    draft = store.begin(new_id())
    bag = Bag(draft, "evidence-bench")
    bag.add("bagit.txt", bags.BAGIT_TXT)
    for number, one in enumerate(objects):
        path = f"data/recordings/{number}/original.wav"
        bag.stream(path, store.stream(one.ref()), size_bytes=one.size_bytes)
    bag.write_manifests("manifest")
    bag.write_manifests("tagmanifest")
    bag.close()
    return draft.keep()


def _give(store: SealedStore, bundle: SealedObject) -> None:
    given = sum(len(piece) for piece in store.stream(bundle.ref()))
    if given != bundle.size_bytes:
        raise BenchmarkFailed("the bundle lacks something")


def _rate(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """Return what `work` returns, and how many MiB a second it did."""
    began = time.perf_counter()
    found = work(*args, **kwargs)
    return found, _FILES / (time.perf_counter() - began)


def _row(
    number: str, what: str, ours: Sequence[float], other: Sequence[float], wanted: str
) -> list[str]:
    ratios = [a / b for a, b in zip(ours, other, strict=True)]
    return [
        number,
        what,
        "zipfile over plain files",
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        wanted,
        f"{statistics.median(ours):.0f} / {statistics.median(other):.0f}",
    ]
