"""Reading an object to see that it is whole: over what was sealed, or over the seal alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from storage.cobblestone import (
    BATCH_CHUNKS,
    CHUNK_BYTES,
    HEADER_BYTES,
    Opener,
    batches,
    sealed_size,
)
from storage.errors import ObjectDamaged
from storage.ports import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The SHA-256 of what was kept, and of the sealed bytes where that was asked for."""

    sha256: bytes
    sealed_sha256: bytes | None


def examine(
    store: Reader, key: str, *, data_key: bytes, context: bytes, size_bytes: int, with_seal: bool
) -> Examined:
    """Read and open the whole object; every byte of it is proven on the way.

    Raises:
        ObjectMissing: it is not there.
        ObjectDamaged: any byte differs, is missing or was added.
        StoreUnavailable: nothing is known.
    """
    _must_be_whole(store, key, size_bytes)
    plain, seal = hashlib.sha256(), hashlib.sha256()
    room = memoryview(bytearray(BATCH_CHUNKS * CHUNK_BYTES))
    opener: Opener | None = None
    place = 0
    for batch in batches(store.stream(key), header_bytes=HEADER_BYTES):
        if with_seal:
            seal.update(batch)
        if opener is None:
            opener = Opener(data_key, context, bytes(batch))
            continue
        opened = opener.open_into(batch, room, first_chunk=place)
        plain.update(room[:opened])
        place += BATCH_CHUNKS
    return Examined(sha256=plain.digest(), sealed_sha256=seal.digest() if with_seal else None)


def sealed_digest(store: Reader, key: str, *, size_bytes: int) -> bytes:
    """Return the SHA-256 of the sealed bytes; no key is needed.

    Raises:
        ObjectMissing: it is not there.
        ObjectDamaged: it has not the size that it was kept with.
        StoreUnavailable: nothing is known.
    """
    _must_be_whole(store, key, size_bytes)
    seal = hashlib.sha256()
    for piece in store.stream(key):
        seal.update(piece)
    return seal.digest()


def _must_be_whole(store: Reader, key: str, size_bytes: int) -> None:
    if store.size(key) != sealed_size(size_bytes):
        raise ObjectDamaged("The object has not the size it was kept with.")
