"""What a folder store owes beyond the contract: modes, leftovers, full disks, lost disks."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from storage.errors import ObjectMissing, StoreUnavailable
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore

KEY = "ab/object"
MIB = 1 << 20
HOUR = timedelta(hours=1)
_WRITES_AND_WAITS = """
import sys, time
from pathlib import Path
from storage.folder import FolderStore

store = FolderStore(Path(sys.argv[1]), unnamed_drafts=sys.argv[2] == "unnamed")
kept = store.begin("ab/kept")
kept.write(b"kept")
kept.keep()
draft = store.begin("ab/draft")
draft.write(bytes(100_000))
print("writing", flush=True)
time.sleep(60)
"""


def put(store: FolderStore, key: str, content: bytes) -> None:
    draft = store.begin(key)
    try:
        draft.write(content)
        draft.keep()
    finally:
        draft.discard()


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture(params=["unnamed", "named"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "store"


@pytest.fixture
def folder_store(root: Path, kind: str) -> FolderStore:
    return FolderStore(root, unnamed_drafts=kind == "unnamed")


def test_files_and_folders_are_for_their_owner_alone(folder_store: FolderStore, root: Path) -> None:
    put(folder_store, KEY, b"content")
    seen = {stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    assert stat.S_IMODE((root / KEY).stat().st_mode) == 0o600
    assert seen == {0o600, 0o700}


def test_all_folders_are_there_from_the_start(folder_store: FolderStore, root: Path) -> None:
    del folder_store
    assert len(list(root.iterdir())) == 257
    FolderStore(root)
    assert len(list(root.iterdir())) == 257


def test_a_kept_object_has_one_name(folder_store: FolderStore, root: Path) -> None:
    put(folder_store, KEY, b"content")
    assert files(root) == [KEY]
    assert (root / KEY).stat().st_nlink == 1


def test_a_killed_writer_leaves_what_it_kept_and_drafts_for_the_sweep(
    root: Path, kind: str
) -> None:
    writer = subprocess.Popen(  # noqa: S603 - this interpreter with a text of our own.
        [sys.executable, "-c", _WRITES_AND_WAITS, str(root), kind],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(signal.SIGKILL)
    left = [name for name in files(root) if name != "ab/kept"]
    assert len(left) == (0 if kind == "unnamed" else 1)
    assert all(name.startswith(".drafts/") for name in left)
    store = FolderStore(root)
    assert [listed.key for listed in store.keys(prefix="")] == ["ab/kept"]
    now = datetime.now(UTC)
    assert store.sweep_drafts(now - HOUR) == 0
    assert len(files(root)) == 1 + len(left)
    assert store.sweep_drafts(now + HOUR) == len(left)
    assert files(root) == ["ab/kept"]


def test_a_lost_disk_is_not_said_to_be_a_missing_object(
    folder_store: FolderStore, root: Path
) -> None:
    put(folder_store, KEY, b"content")
    root.rename(root.parent / "elsewhere")
    with pytest.raises(StoreUnavailable):
        folder_store.size(KEY)
    with pytest.raises(StoreUnavailable):
        folder_store.read(KEY, start=0, length=1)
    with pytest.raises(StoreUnavailable):
        folder_store.begin("ab/new")
    with pytest.raises(StoreUnavailable):
        folder_store.delete(KEY)
    with pytest.raises(StoreUnavailable):
        list(folder_store.keys(prefix=""))
    with pytest.raises(StoreUnavailable):
        folder_store.check()
    (root.parent / "elsewhere").rename(root)
    with pytest.raises(ObjectMissing):
        folder_store.size("ab/never-kept")


def test_a_disk_lost_while_writing_is_told_by_keep(folder_store: FolderStore, root: Path) -> None:
    draft = folder_store.begin(KEY)
    draft.write(b"content")
    root.rename(root.parent / "elsewhere")
    with pytest.raises(StoreUnavailable):
        draft.keep()
    draft.discard()
    assert not (root.parent / "elsewhere" / KEY).exists()


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        FolderStore(tmp_path / "file" / "store")


def test_a_foreign_file_is_neither_listed_nor_swept(folder_store: FolderStore, root: Path) -> None:
    (root / "ab" / ".foreign").write_text("of somebody else")
    assert list(folder_store.keys(prefix="")) == []
    assert folder_store.sweep_drafts(datetime.now(UTC) + HOUR) == 0
    assert files(root) == ["ab/.foreign"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 2 MiB where mounting is allowed, else skip."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(  # noqa: S603 - a fixed command.
        ["/usr/bin/mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("No right to mount here; the sealed tests fill a disk by a failing port.")
    yield place
    subprocess.run(["/usr/bin/umount", "--lazy", str(place)], check=True)  # noqa: S603


def test_a_disk_that_fills_up_is_told_and_serves_again(small_disk: Path, kind: str) -> None:
    root = small_disk / "store"
    store = FolderStore(root, unnamed_drafts=kind == "unnamed")
    put(store, "ab/before", bytes(MIB))
    draft = store.begin(KEY)
    with pytest.raises(StoreUnavailable, match="full"):
        draft.write(bytes(2 * MIB))
    with pytest.raises(StoreUnavailable, match="full"):
        store.check()
    draft.discard()
    store.check()
    assert files(root) == ["ab/before"]
    put(store, KEY, bytes(MIB // 2))
    assert store.size("ab/before") == MIB


def test_a_read_only_disk_is_told(small_disk: Path) -> None:
    store = FolderStore(small_disk / "store")
    put(store, KEY, b"content")
    subprocess.run(  # noqa: S603 - a fixed command.
        ["/usr/bin/mount", "-o", "remount,ro", str(small_disk)], check=True
    )
    with pytest.raises(StoreUnavailable, match="read-only"):
        store.check()
    with pytest.raises(StoreUnavailable):
        store.begin("ab/new")
    assert store.read(KEY, start=0, length=7) == b"content"


def test_no_file_stays_open(folder_store: FolderStore) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count of names.

    before = open_files()
    for number in range(20):
        put(folder_store, f"ab/{number}", b"content")
        folder_store.begin(f"cd/{number}").discard()
        assert folder_store.read(f"ab/{number}", start=0, length=7) == b"content"
        assert next(folder_store.stream(f"ab/{number}")) == b"content"
        folder_store.delete(f"ab/{number}")
    assert open_files() == before


def test_memory_does_not_grow_with_the_object(root: Path) -> None:
    sealed = SealedStore(FolderStore(root), MasterKeys([bytes(32)]))
    piece = bytes(64 * 1024)
    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    draft = sealed.begin(uuid4())
    for _ in range(256 * MIB // len(piece)):
        draft.write(piece)
    ref = draft.keep().ref()
    sealed.verify(ref)
    _, traced_peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before) * 1024
    print(f"256 MiB: {traced_peak=} {grown=}")  # noqa: T201 - the figure is of interest.
    assert traced_peak < 40 * MIB
    assert grown < 40 * MIB
