"""Objects sealed with a key of their own, over any store.

What leaves here tells nothing without the wrapped key, which the caller keeps in its row, and the
master key. To erase an object for good, destroy its wrapped key; deleting the bytes comes after.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from storage.cobblestone import (
    BATCH_CHUNKS,
    CHUNK_BYTES,
    HEADER_BYTES,
    SEALED_CHUNK_BYTES,
    Opener,
    Sealer,
    batches,
    chunk_offset,
    new_data_key,
    sealed_size,
)
from storage.examination import Examined, examine, sealed_digest
from storage.keys import MasterKeys, WrappedKey
from storage.notes import Notes
from storage.ports import Capabilities, Draft, LockMode, LockState, Store

_SEALED_AT_ONCE_CHUNKS = 16
_FIRST_PIECE_CHUNKS = 2 * BATCH_CHUNKS
_LATER_PIECE_CHUNKS = 4 * _FIRST_PIECE_CHUNKS
_SPARE_BUFFERS = 32
_KEY = re.compile(r"([0-9a-f]{2})/([0-9a-f]{30}\1)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentDigest:
    """What bytes come to, before they are sealed."""

    size_bytes: int
    sha256: bytes
    crc32: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRef:
    """What a reader must know of an object."""

    object_id: UUID
    wrapped_key: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedObject:
    """An object that was kept. `sealed_bytes` is its size in the store, `size_bytes` without."""

    object_id: UUID
    wrapped_key: bytes
    size_bytes: int
    sealed_bytes: int
    sha256: bytes
    crc32: int

    def ref(self) -> SealedRef:
        return SealedRef(
            object_id=self.object_id, wrapped_key=self.wrapped_key, size_bytes=self.size_bytes
        )


class Digest:
    """Takes bytes and keeps nothing but their digests: for a repeat that is not stored again."""

    __slots__ = ("_crc32", "_sha256", "size_bytes")

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._crc32 = 0
        self.size_bytes = 0

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._sha256.update(chunk)
        self._crc32 = zlib.crc32(chunk, self._crc32)
        self.size_bytes += len(chunk)

    def digest(self) -> ContentDigest:
        """Return the digests of what was written so far."""
        return ContentDigest(
            size_bytes=self.size_bytes, sha256=self._sha256.digest(), crc32=self._crc32
        )


class _Spare:
    """Room for sealed batches, lent for the length of a call: drafts are many, writers few.

    Fresh memory costs more than the sealing.
    """

    __slots__ = ("_buffers",)

    def __init__(self) -> None:
        self._buffers: deque[memoryview] = deque(maxlen=_SPARE_BUFFERS)

    @contextmanager
    def lent(self) -> Iterator[memoryview]:
        try:
            buffer = self._buffers.pop()
        except IndexError:
            buffer = memoryview(bytearray(chunk_offset(_SEALED_AT_ONCE_CHUNKS)))
        try:
            yield buffer
        finally:
            self._buffers.append(buffer)


class SealedDraft:
    """An object being sealed and written. Bytes are hashed, sealed and passed on as they come.

    Between calls it holds less than a chunk. Used by one thread at a time, and always ended by
    `keep` or `discard`.
    """

    def __init__(
        self,
        object_id: UUID,
        draft: Draft,
        *,
        keys: MasterKeys,
        spare: _Spare,
        wrapped_key: bytes | None = None,
    ) -> None:
        context = object_id.bytes
        data_key = keys.unwrap(wrapped_key, context=context) if wrapped_key else new_data_key()
        self._object_id = object_id
        self._wrapped_key = WrappedKey(wrapped_key or keys.wrap(data_key, context=context))
        self._sealer = Sealer(data_key, object_id.bytes)
        self._draft = draft
        self._spare = spare
        self._digest = Digest()
        self._rest = bytearray()
        self._header = self._sealer.header
        self._is_over = False

    @property
    def size_bytes(self) -> int:
        """Return how many bytes were written so far."""
        return self._digest.size_bytes

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append `chunk`.

        Raises:
            StoreUnavailable: the store is full or away; `discard` what is there.
        """
        self._require_open()
        self._digest.write(chunk)
        plain = memoryview(chunk)
        missing = CHUNK_BYTES - len(self._rest)
        if len(plain) < missing:
            self._rest += plain
            return
        with self._spare.lent() as sealed:
            end = self._begin_batch(sealed)
            if self._rest:
                self._rest += plain[:missing]
                plain = plain[missing:]
                end += self._sealer.seal_into(memoryview(bytes(self._rest)), sealed[end:])
            while len(plain) >= CHUNK_BYTES:
                whole = min(_chunks_in(len(sealed) - end), len(plain) // CHUNK_BYTES) * CHUNK_BYTES
                end += self._sealer.seal_into(plain[:whole], sealed[end:])
                plain = plain[whole:]
                self._draft.write(sealed[:end])
                end = 0
            if end:
                self._draft.write(sealed[:end])
        self._rest[:] = plain

    def digest(self) -> ContentDigest:
        """Return the digests of what was written so far."""
        return self._digest.digest()

    def keep(self) -> SealedObject:
        """Make the object durable and return what its row must hold.

        Raises:
            ObjectExists: the id was used before.
            StoreUnavailable: not known to be durable.
        """
        self._require_open()
        try:
            self._draft.write(self._header + self._sealer.seal_last(memoryview(self._rest)))
            self._draft.keep()
        finally:
            self.discard()
        found = self._digest.digest()
        return SealedObject(
            object_id=self._object_id,
            wrapped_key=self._wrapped_key,
            size_bytes=found.size_bytes,
            sealed_bytes=sealed_size(found.size_bytes),
            sha256=found.sha256,
            crc32=found.crc32,
        )

    def discard(self) -> None:
        """Throw away what was written; do nothing where the draft is over already."""
        self._is_over = True
        self._draft.discard()

    def _require_open(self) -> None:
        if self._is_over:
            raise ValueError("This draft is over.")

    def _begin_batch(self, sealed: memoryview) -> int:
        """Put the header before the first batch; return where the chunks begin."""
        header, self._header = self._header, b""
        sealed[: len(header)] = header
        return len(header)


def _chunks_in(room_bytes: int) -> int:
    return room_bytes // SEALED_CHUNK_BYTES


class SealedWriter(Protocol):
    """The port of whoever keeps objects."""

    def begin(self, object_id: UUID) -> SealedDraft: ...


class SealedReader(Protocol):
    """The port of whoever reads objects."""

    def read(self, ref: SealedRef, *, start: int, length: int) -> bytes: ...

    def stream(
        self, ref: SealedRef, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]: ...

    def verify(self, ref: SealedRef) -> bytes: ...

    def examine(self, ref: SealedRef, *, with_seal: bool = False) -> Examined: ...


class SealedReaper(Protocol):
    """The port of whoever destroys objects."""

    def delete(self, object_id: UUID) -> None: ...

    def listed(self, older_than: datetime) -> Iterator[UUID]: ...

    def sweep_drafts(self, older_than: datetime) -> int: ...


class SealedStore:
    """Seals objects on their way into `store` and opens them on their way out."""

    def __init__(self, store: Store, keys: MasterKeys) -> None:
        self._store = store
        self._keys = keys
        self._spare = _Spare()
        self.notes = Notes(store, keys)

    @staticmethod
    def key_for(object_id: UUID) -> str:
        """Return the key of an object.

        It is fanned out by the last digits: the first ones of an id made from the time are alike.
        """
        return f"{object_id.hex[-2:]}/{object_id.hex}"

    def begin(self, object_id: UUID) -> SealedDraft:
        """Open a draft of the object `object_id`, under a key of its own.

        Raises:
            StoreUnavailable: the store is full or away.
        """
        draft = self._store.begin(self.key_for(object_id))
        return SealedDraft(object_id, draft, keys=self._keys, spare=self._spare)

    def mend(self, ref: SealedRef) -> SealedDraft:
        """Open a draft that takes the place of the damaged object `ref`, under the same key.

        Raises:
            ObjectDamaged: its key cannot be unwrapped.
            StoreUnavailable: the store is full or away.
        """
        draft = self._store.begin(self.key_for(ref.object_id), replaces=True)
        try:
            return SealedDraft(
                ref.object_id,
                draft,
                keys=self._keys,
                spare=self._spare,
                wrapped_key=ref.wrapped_key,
            )
        except BaseException:
            draft.discard()
            raise

    def read(self, ref: SealedRef, *, start: int, length: int) -> bytes:
        """Return exactly `length` bytes from `start` on; they are those that were kept.

        Raises:
            ValueError: the range is not within the object.
            ObjectMissing: the store has no such object.
            ObjectDamaged: it was changed, cut short, swapped, or sealed with another key.
            StoreUnavailable: the store is away.
        """
        return b"".join(self.stream(ref, start=start, length=length))

    def stream(
        self, ref: SealedRef, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Yield the bytes from `start` on, each piece proven before it is given; see `read`.

        Nothing is looked up before the first piece is asked for.
        """
        end = ref.size_bytes if length is None else start + length
        if not 0 <= start <= end <= ref.size_bytes:
            raise ValueError(f"{start} to {end} is no range of {ref.size_bytes} bytes.")
        return self._opened(ref, start, end)

    def verify(self, ref: SealedRef) -> bytes:
        """Read the whole object and return the SHA-256 of what was kept.

        Raises:
            ObjectDamaged: any byte differs, is missing or was added.
        """
        return self.examine(ref).sha256

    def examine(self, ref: SealedRef, *, with_seal: bool = False) -> Examined:
        """Read the whole object and return the digests of what was kept; see `verify`.

        Raises:
            ObjectMissing: the store has no such object.
            ObjectDamaged: any byte differs, is missing or was added.
            MasterKeyUnknown, StoreUnavailable: nothing is known of it.
        """
        return examine(
            self._store,
            self.key_for(ref.object_id),
            data_key=self._keys.unwrap(ref.wrapped_key, context=ref.object_id.bytes),
            context=ref.object_id.bytes,
            size_bytes=ref.size_bytes,
            with_seal=with_seal,
        )

    def sealed_digest(self, object_id: UUID, *, size_bytes: int) -> bytes:
        """Read the whole object and return the SHA-256 of the sealed bytes; see `examine`."""
        return sealed_digest(self._store, self.key_for(object_id), size_bytes=size_bytes)

    @property
    def can_lock(self) -> bool:
        """Tell whether a lock was seen to hold in the store below."""
        return self._store.can_lock

    def lock(self, object_id: UUID, *, mode: LockMode, until: datetime) -> None:
        """Let nobody delete the object before `until`; it can be extended and not shortened.

        Raises:
            LocksUnsupported: the store was not seen to keep a locked object.
            StoreRefused: the lock that is there lasts longer.
        """
        self._store.lock(self.key_for(object_id), mode=mode, until=until)

    def hold(self, object_id: UUID, *, is_held: bool) -> None:
        """Set or lift the legal hold of the object."""
        self._store.hold(self.key_for(object_id), is_held=is_held)

    def lock_state(self, object_id: UUID) -> LockState:
        """Return how the object is locked, as the store says."""
        return self._store.lock_state(self.key_for(object_id))

    def has(self, object_id: UUID) -> bool:
        """Say whether there are sealed bytes, opened or not, hidden or not, or a note of them.

        Raises:
            StoreUnavailable: the store is away.
        """
        return self._store.remains(self.key_for(object_id)) or self.notes.remains(object_id)

    def delete(self, object_id: UUID) -> None:
        """Destroy the sealed bytes in all their versions, and first the note beside them.

        Raises:
            StoreRefused: a lock or a hold forbids it; the note, which holds the key, is gone.
        """
        self.notes.delete(object_id)
        self._store.delete(self.key_for(object_id))

    def listed(self, older_than: datetime) -> Iterator[UUID]:
        """Yield the ids of the objects last written before `older_than`."""
        for listed in self._store.keys(prefix=""):
            match = _KEY.fullmatch(listed.key)
            if match and listed.modified_at < older_than:
                yield UUID(hex=match[2])

    def sweep_drafts(self, older_than: datetime) -> int:
        """Remove what interrupted writers left before `older_than`; return how many."""
        return self._store.sweep_drafts(older_than)

    def probe(self) -> Capabilities:
        """Find out by trying what the store below can do."""
        return self._store.probe()

    def check(self) -> None:
        """Look quickly whether the store below answers."""
        self._store.check()

    def _opened(self, ref: SealedRef, start: int, end: int) -> Iterator[bytes]:
        first = start // CHUNK_BYTES
        # The last chunk is read with the last byte, though it may be empty: it proves the end.
        last = end // CHUNK_BYTES if end == ref.size_bytes else max(start, end - 1) // CHUNK_BYTES
        sealed_end = min(chunk_offset(last + 1), sealed_size(ref.size_bytes))
        key = self.key_for(ref.object_id)
        data_key = self._keys.unwrap(ref.wrapped_key, context=ref.object_id.bytes)
        header_bytes = HEADER_BYTES if first == 0 else 0
        sealed_start = 0 if first == 0 else chunk_offset(first)
        sealed = batches(
            self._store.stream(key, start=sealed_start, length=sealed_end - sealed_start),
            header_bytes=header_bytes,
        )
        header = (
            next(sealed) if header_bytes else self._store.read(key, start=0, length=HEADER_BYTES)
        )
        opener = Opener(data_key, ref.object_id.bytes, bytes(header))
        position = first * CHUNK_BYTES
        for plain in _plain(opener, sealed, first_chunk=first, chunks=last - first + 1):
            wanted = plain[max(0, start - position) : end - position]
            position += len(plain)
            if wanted:
                yield wanted


def _plain(
    opener: Opener, sealed: Iterator[memoryview], *, first_chunk: int, chunks: int
) -> Iterator[bytes]:
    """Yield what is in the batches `sealed`: a short piece at first, so that sound starts."""
    whole_batches = -(-chunks // BATCH_CHUNKS) * BATCH_CHUNKS
    room = bytearray(min(whole_batches, _FIRST_PIECE_CHUNKS) * CHUNK_BYTES)
    filled = 0
    for batch in sealed:
        filled += opener.open_into(batch, memoryview(room)[filled:], first_chunk=first_chunk)
        first_chunk += BATCH_CHUNKS
        if filled == len(room):
            yield bytes(room)
            filled = 0
            if len(room) < _LATER_PIECE_CHUNKS * CHUNK_BYTES:
                room = bytearray(_LATER_PIECE_CHUNKS * CHUNK_BYTES)
    if filled:
        yield bytes(memoryview(room)[:filled])
