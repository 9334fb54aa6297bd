"""S16: what a bundle costs, making it and giving it, beside plain zips of the plain files."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, ParamSpec, TypeVar, cast

from zipstream import ZipStream

from app.core.ids import new_id
from app.releases import bag as bags
from app.releases.bag import Bag
from bench_tool import figures, targets
from bench_tool.figures import MIB, Spread
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.rounds import Options, say
from bench_tool.targets import Line
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedObject, SealedStore

P = ParamSpec("P")
T = TypeVar("T")
_FILES = 400
_PIECE_BYTES = MIB
_MAKING = "making it, once for each release"
_GIVING = "giving a bundle that was made"
_ZIPSTREAM = "zipstream-ng, in pieces of 1 MiB as ours"
_ZIPSTREAM_OWN = "zipstream-ng, in its own of 64 KiB"
_ZIPFILE = "zipfile"
_WAYS = (_MAKING, _GIVING, _ZIPSTREAM, _ZIPSTREAM_OWN, _ZIPFILE)
_MUST, _STRETCH = 1.0, 2.0
_WANTED = f"{_MUST:g} / {_STRETCH:g}"
_ROWS = (
    ("S16", _GIVING, _ZIPSTREAM, _WANTED),
    ("S16", _GIVING, _ZIPSTREAM_OWN, _WANTED),
    ("", _GIVING, _ZIPFILE, "-"),
    ("", _MAKING, _ZIPSTREAM, "-"),
)
_HEADER = ("#", "what", "against", "ratio (range)", "must / stretch", "MiB/s", "CPU s")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What one run took for all the files."""

    wall_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """MiB a second."""
        return _FILES / self.wall_s


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
    """Make and give a bundle of 400 recordings of 1 MiB, and zip the plain files, in turn.

    Every piece goes to the same sink, which only counts. The references open nothing and prove
    nothing: they add up a CRC.
    """
    store = SealedStore(
        FolderStore(options.directory / "sealed"),
        MasterKeys.create(options.directory / "bundle.key"),
    )
    files, objects = _recordings(options.directory / "plain", store)
    taken: dict[str, list[_Taken]] = {name: [] for name in _WAYS}
    for number in range(options.rounds):
        say(f"bundle: round {number + 1}")
        bundle, took = _timed(_make, store, objects)
        taken[_MAKING].append(took)
        taken[_GIVING].append(_timed(_give, store, bundle)[1])
        taken[_ZIPSTREAM].append(_timed(_zipstream, files, in_our_pieces=True)[1])
        taken[_ZIPSTREAM_OWN].append(_timed(_zipstream, files, in_our_pieces=False)[1])
        taken[_ZIPFILE].append(_timed(_zipfile, files)[1])
        store.delete(bundle.object_id)
    return Section(
        title="Bundles of 400 recordings of 1 MiB",
        text=figures.table(_HEADER, [_row(taken, *row) for row in _ROWS]),
        values=[{name: [asdict(one) for one in runs] for name, runs in taken.items()}],
        lines=[_line(taken, *row) for row in _ROWS if row[0]],
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


def _zipstream(files: Sequence[Path], *, in_our_pieces: bool) -> None:
    archive = ZipStream()
    for path in files:
        if in_our_pieces:
            archive.add(_pieces(path), path.name)
        else:
            archive.add_path(str(path))
    _require_whole(_count(archive))


def _zipfile(files: Sequence[Path]) -> None:
    sink = _Counted()
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w") as archive:
        for path in files:
            with archive.open(path.name, "w") as member:
                for piece in _pieces(path):
                    member.write(piece)
    _require_whole(sink.size_bytes)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while piece := source.read(_PIECE_BYTES):
            yield piece


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
    if _count(store.stream(bundle.ref())) != bundle.size_bytes:
        raise BenchmarkFailed("the bundle lacks something")


def _count(pieces: Iterable[bytes]) -> int:
    sink = _Counted()
    for piece in pieces:
        sink.write(piece)
    return sink.size_bytes


def _require_whole(size_bytes: int) -> None:
    if size_bytes < _FILES * MIB:
        raise BenchmarkFailed("a plain zip lacks something")


def _timed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, _Taken]:
    """Return what `work` returns, and what it took."""
    began, began_cpu = time.perf_counter(), time.process_time()
    found = work(*args, **kwargs)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    return found, _Taken(wall_s=wall_s, cpu_s=cpu_s)


def _row(
    taken: Mapping[str, Sequence[_Taken]], number: str, what: str, against: str, wanted: str
) -> list[str]:
    ours, other = taken[what], taken[against]
    return [
        number,
        what,
        against,
        targets.spread(_ratio(ours, other)),
        wanted,
        " / ".join(f"{Spread.of([one.rate for one in runs]).median:.0f}" for runs in (ours, other)),
        _cpu(ours, other),
    ]


def _line(
    taken: Mapping[str, Sequence[_Taken]], number: str, what: str, against: str, wanted: str
) -> Line:
    ours, other = taken[what], taken[against]
    ratio = _ratio(ours, other)
    return Line(
        number=number,
        path=f"{what}, {_FILES} × 1 MiB",
        against=against,
        figure=targets.spread(ratio),
        wanted=wanted,
        verdict=targets.at_least(ratio.median, _MUST, _STRETCH).value,
        cost=f"{_cpu(ours, other)} s",
    )


def _ratio(ours: Sequence[_Taken], other: Sequence[_Taken]) -> Spread:
    return Spread.of([a.rate / b.rate for a, b in zip(ours, other, strict=True)])


def _cpu(ours: Sequence[_Taken], other: Sequence[_Taken]) -> str:
    medians = (Spread.of([one.cpu_s for one in runs]).median for runs in (ours, other))
    return " / ".join(f"{median:.2f}" for median in medians)
