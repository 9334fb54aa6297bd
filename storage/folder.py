"""A folder as an object store, with the guarantees of a good S3 server.

An object is a file without a name until its bytes are on the disk; then it gets its name by a hard
link, which refuses to overwrite, and the folder that holds the name is synced. A process killed at
any moment leaves the whole object or nothing. Where the file system has no unnamed files, a draft
has a name among `.drafts`, and `sweep_drafts` removes those that were left.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from storage.errors import (
    LocksUnsupported,
    ObjectDamaged,
    ObjectExists,
    ObjectMissing,
    StoreError,
    StoreUnavailable,
)
from storage.errors import unavailable as _unavailable
from storage.ports import (
    PROBE_PREFIX,
    Capabilities,
    Listed,
    LockMode,
    LockState,
    Support,
    check_range,
    checked_key,
    is_key,
)

_DRAFTS = ".drafts"
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_PIECE_BYTES = 1 << 20
_FAN_OUT = tuple(f"{number:02x}" for number in range(256))
# Python knows O_TMPFILE on Linux alone.
_O_TMPFILE: int = getattr(os, "O_TMPFILE", 0)


class FolderStore:
    """Objects as files below `root`, in 256 folders by the first two digits of the key.

    Every folder is made and synced here, so that writing an object syncs one file and one folder.
    `unnamed_drafts=False` keeps drafts under a name even where the file system could do without.

    Raises:
        StoreUnavailable: the folders cannot be made.
    """

    def __init__(self, root: Path, *, unnamed_drafts: bool = True) -> None:
        self._root = root
        self._drafts = root / _DRAFTS
        with _translated():
            _make_folders(root)
            self._unnamed = unnamed_drafts and _can_link_unnamed(root, self._drafts)

    def begin(self, key: str, *, replaces: bool = False) -> FolderDraft:
        target = self._path(key)
        with _translated():
            if self._unnamed and not replaces:
                fd = os.open(target.parent, os.O_WRONLY | os.O_CLOEXEC | _O_TMPFILE, _FILE_MODE)
                return FolderDraft(fd, target, None)
            name = self._drafts / f"{target.name}.{secrets.token_hex(8)}"
            flags = os.O_WRONLY | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL
            fd = os.open(name, flags, _FILE_MODE)
            return FolderDraft(fd, target, name, replaces=replaces)

    def size(self, key: str) -> int:
        path = self._path(key)
        with self._reading(path):
            return path.stat().st_size

    def read(self, key: str, *, start: int, length: int) -> bytes:
        check_range(start, length)
        path = self._path(key)
        with self._reading(path), path.open("rb", buffering=0) as file:
            return _read_exactly(file.fileno(), start, length)

    def stream(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        check_range(start, length)
        path = self._path(key)
        with self._reading(path), path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            end = size if length is None else start + length
            if start > size or end > size:
                raise ObjectDamaged(f"{key} ends at byte {size}.")
            while start < end:
                piece = _read_exactly(file.fileno(), start, min(_PIECE_BYTES, end - start))
                yield piece
                start += len(piece)

    def keys(self, *, prefix: str = "") -> Iterator[Listed]:
        for folder in _FAN_OUT:
            if not f"{folder}/".startswith(prefix[:3]):
                continue
            with _translated():
                names = sorted(path.name for path in (self._root / folder).iterdir())
            for name in names:
                key = f"{folder}/{name}"
                if key.startswith(prefix) and is_key(key):
                    # An object deleted since the folder was read is no longer listed.
                    with suppress(ObjectMissing):
                        yield self._listed(key)

    def remains(self, key: str) -> bool:
        try:
            self.size(key)
        except ObjectMissing:
            return False
        return True

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _translated():
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                with suppress(FileNotFoundError):
                    os.unlink(path.name, dir_fd=folder)
                # Synced also where the name was gone: an earlier delete may not have got here.
                os.fsync(folder)
            finally:
                os.close(folder)

    def sweep_drafts(self, older_than: datetime) -> int:
        removed = 0
        with _translated():
            for draft in self._drafts.iterdir():
                with suppress(FileNotFoundError):
                    if draft.stat().st_mtime < older_than.timestamp():
                        draft.unlink()
                        removed += 1
        for listed in self.keys(prefix=PROBE_PREFIX):
            if listed.modified_at < older_than:
                self.delete(listed.key)
                removed += 1
        return removed

    def probe(self) -> Capabilities:
        key = PROBE_PREFIX + secrets.token_hex(8)
        try:
            _put(self, key, b"first")
            try:
                _put(self, key, b"second")
                conditional = Support.UNSUPPORTED
            except ObjectExists:
                conditional = Support.VERIFIED
            if self.read(key, start=0, length=5) != b"first":
                conditional = Support.UNSUPPORTED
        finally:
            with suppress(StoreError):
                self.delete(key)
        drafts = "without a name" if self._unnamed else f"under a name in {_DRAFTS}"
        return Capabilities(
            conditional_put=conditional,
            checksums=Support.UNSUPPORTED,
            versions=Support.UNSUPPORTED,
            object_lock=Support.UNSUPPORTED,
            notes=(
                f"Drafts are kept {drafts} until they are whole.",
                "A folder has no checksums of its own; the seal of each object shows damage.",
                "Whoever may write to the folder may delete objects: keep copies elsewhere.",
            ),
        )

    def check(self) -> None:
        with _translated():
            found = os.statvfs(self._drafts)
            if found.f_flag & os.ST_RDONLY:
                raise StoreUnavailable("The file system is read-only.")
            if not found.f_bavail:
                raise StoreUnavailable("The disk is full.")
            # Some file systems count no inodes and say zero of zero.
            if found.f_files and not found.f_favail:
                raise StoreUnavailable("The file system has no inodes left.")
        if not os.access(self._drafts, os.W_OK | os.X_OK):
            raise StoreUnavailable("The folder may not be written to.")

    @property
    def can_lock(self) -> bool:
        return False

    def lock(self, key: str, *, mode: LockMode, until: datetime) -> None:
        raise LocksUnsupported(f"A folder locks nothing: not {key}, {mode} until {until}.")

    def hold(self, key: str, *, is_held: bool) -> None:
        raise LocksUnsupported(f"A folder holds nothing: not {key}, {is_held}.")

    def lock_state(self, key: str) -> LockState:
        raise LocksUnsupported(f"A folder has no locks, none on {key}.")

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _listed(self, key: str) -> Listed:
        path = self._path(key)
        with self._reading(path):
            found = path.stat()
        return Listed(
            key=key,
            size_bytes=found.st_size,
            modified_at=datetime.fromtimestamp(found.st_mtime, UTC),
        )

    @contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        """Tell a missing object from a missing store: an unmounted disk has no folders either."""
        try:
            yield
        except FileNotFoundError as exc:
            if path.parent.is_dir():
                raise ObjectMissing(f"No object {path.parent.name}/{path.name}.") from exc
            raise _unavailable(exc) from exc
        except OSError as exc:
            raise _unavailable(exc) from exc


class FolderDraft:
    """An open file that becomes the object `target`. `name` is where it is found until then."""

    __slots__ = ("_fd", "_lock", "_name", "_replaces", "_target")

    def __init__(self, fd: int, target: Path, name: Path | None, *, replaces: bool = False) -> None:
        self._replaces = replaces
        self._fd = fd
        self._target = target
        self._name = name
        self._lock = threading.Lock()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._require_open()
        with _translated():
            written = os.write(self._fd, chunk)
            if written < len(chunk):
                # A nearly full disk takes a part; the next attempt says why.
                rest = memoryview(chunk)[written:]
                while rest:
                    rest = rest[os.write(self._fd, rest) :]

    def keep(self) -> None:
        self._require_open()
        try:
            with _translated():
                # The bytes come first: a name must never show a file that is not whole.
                os.fdatasync(self._fd)
                folder = os.open(self._target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    self._link(folder)
                    os.fsync(folder)
                finally:
                    os.close(folder)
        finally:
            self.discard()

    def discard(self) -> None:
        # A stop of the server may discard while the upload's own thread does.
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd < 0:
            return
        with _translated():
            os.close(fd)
            if self._name is not None:
                self._name.unlink(missing_ok=True)

    def _link(self, folder: int) -> None:
        source = self._name if self._name is not None else f"/proc/self/fd/{self._fd}"
        if self._replaces:
            os.rename(source, self._target.name, dst_dir_fd=folder)
            return
        try:
            os.link(source, self._target.name, dst_dir_fd=folder, follow_symlinks=True)
        except FileExistsError as exc:
            key = f"{self._target.parent.name}/{self._target.name}"
            raise ObjectExists(f"There is an object {key} already.") from exc

    def _require_open(self) -> None:
        if self._fd < 0:
            raise ValueError("This draft is over.")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise _unavailable(exc) from exc


def _make_folders(root: Path) -> None:
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    for name in (_DRAFTS, *_FAN_OUT):
        with suppress(FileExistsError):
            (root / name).mkdir(mode=_FOLDER_MODE)
    # Synced even if nothing was made: a run killed before this line may have made them.
    _sync_folder(root)
    for folder in made:
        _sync_folder(folder.parent)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _can_link_unnamed(root: Path, drafts: Path) -> bool:
    """Find out by trying whether an unnamed file of this file system can be given a name."""
    if not _O_TMPFILE:
        return False
    name = f"trial.{secrets.token_hex(8)}"
    folder = os.open(drafts, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = os.open(root, os.O_WRONLY | os.O_CLOEXEC | _O_TMPFILE, _FILE_MODE)
        try:
            # Python follows the link to the open file only where a folder is given as well.
            os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(fd)
        os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _read_exactly(fd: int, start: int, length: int) -> bytes:
    piece = os.pread(fd, length, start)
    if len(piece) == length:
        return piece
    # One call reads at most 2 GiB, and a signal may cut it short.
    pieces = [piece]
    got = len(piece)
    while got < length:
        piece = os.pread(fd, length - got, start + got)
        if not piece:
            raise ObjectDamaged(f"The object ends at byte {start + got}.")
        pieces.append(piece)
        got += len(piece)
    return b"".join(pieces)


def _put(store: FolderStore, key: str, content: bytes) -> None:
    draft = store.begin(key)
    try:
        draft.write(content)
        draft.keep()
    finally:
        draft.discard()
