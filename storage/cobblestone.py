"""Chunked encryption with random access: Cobblestone-256 of c2sp.org/chunked-encryption.

A message is cut into chunks of 16 KiB, the last one always shorter and possibly empty, each sealed
with AES-256-GCM under a key derived from the input key, a salt and the context. A header carries
the salt and a commitment to the key. Plaintext byte `i` lies in chunk `i // 16384`, and chunk `k`
at `56 + k * 16400` of the sealed object.

The `cryptography` package has the same scheme, as a stream alone. It cannot begin in the middle,
and it gives the interpreter away and takes it back for each chunk, which on a busy server costs a
switch of threads 64 times a mebibyte. So chunks are sealed here; the tests compare the two.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from storage.errors import ObjectDamaged

KEY_BYTES = 32
SALT_BYTES = 24
COMMITMENT_BYTES = 32
HEADER_BYTES = SALT_BYTES + COMMITMENT_BYTES
CHUNK_BYTES = 16 * 1024
TAG_BYTES = 16
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
BATCH_CHUNKS = 8
"""So many are opened at once that they are still in the core's cache when they are used."""
_BATCH_BYTES = BATCH_CHUNKS * SEALED_CHUNK_BYTES
_NONCE_BYTES = 12
_MAX_CHUNKS = 1 << 38
_INFO = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"


def sealed_size(size_bytes: int) -> int:
    """Return how many bytes a message of `size_bytes` has once sealed, header included."""
    chunks = size_bytes // CHUNK_BYTES + 1
    return HEADER_BYTES + size_bytes + chunks * TAG_BYTES


def chunk_offset(number: int) -> int:
    """Return where chunk `number` begins in the sealed object."""
    return HEADER_BYTES + number * SEALED_CHUNK_BYTES


def new_data_key() -> bytes:
    """Return a fresh random key, for one object."""
    return os.urandom(KEY_BYTES)


def _derive(key: bytes, salt: bytes, context: bytes) -> tuple[AESGCM, int, bytes]:
    if len(key) != KEY_BYTES:
        raise ValueError("A data key has 32 bytes.")
    length = KEY_BYTES + _NONCE_BYTES + COMMITMENT_BYTES
    expand = HKDFExpand(algorithm=hashes.SHA512(), length=length, info=_INFO + salt + context)
    derived = expand.derive(key)
    nonce_end = KEY_BYTES + _NONCE_BYTES
    base_nonce = int.from_bytes(derived[KEY_BYTES:nonce_end], "big")
    return AESGCM(derived[:KEY_BYTES]), base_nonce, derived[nonce_end:]


class Sealer:
    """Seals one message from its beginning to its end."""

    __slots__ = ("_aead", "_base_nonce", "_next", "header")

    def __init__(self, key: bytes, context: bytes) -> None:
        salt = os.urandom(SALT_BYTES)
        self._aead, self._base_nonce, commitment = _derive(key, salt, context)
        self._next = 0
        self.header = salt + commitment

    def seal_into(self, plain: memoryview, sealed: memoryview) -> int:
        """Seal whole chunks of `plain` into `sealed`; return the number of bytes written there."""
        written = 0
        for start in range(0, len(plain), CHUNK_BYTES):
            end = written + SEALED_CHUNK_BYTES
            self._seal_chunk(plain[start : start + CHUNK_BYTES], sealed[written:end])
            written = end
        return written

    def seal_last(self, plain: memoryview) -> bytes:
        """Return the sealed end of the message: fewer bytes than a chunk has, perhaps none."""
        if len(plain) >= CHUNK_BYTES:
            raise ValueError("The last chunk is shorter than the others.")
        sealed = bytearray(len(plain) + TAG_BYTES)
        self._seal_chunk(plain, memoryview(sealed))
        return bytes(sealed)

    def _seal_chunk(self, plain: memoryview, sealed: memoryview) -> None:
        if self._next >= _MAX_CHUNKS:
            raise ValueError("The message is too long to be sealed.")
        nonce = (self._base_nonce ^ self._next).to_bytes(_NONCE_BYTES, "big")
        self._next += 1
        self._aead.encrypt_into(nonce, plain, None, sealed)


class Opener:
    """Opens chunks of one sealed message, in any order.

    Raises:
        ObjectDamaged: `header` was not made with this key and context.
    """

    __slots__ = ("_aead", "_base_nonce")

    def __init__(self, key: bytes, context: bytes, header: bytes) -> None:
        salt, commitment = header[:SALT_BYTES], header[SALT_BYTES:]
        self._aead, self._base_nonce, expected = _derive(key, salt, context)
        if not hmac.compare_digest(commitment, expected):
            raise ObjectDamaged("The object is not sealed with this key for this place.")

    def open(self, sealed: bytes | memoryview, *, first_chunk: int) -> bytes:
        """Return the plaintext of the chunks in `sealed`, of which only the last may be short.

        Raises:
            ObjectDamaged: a chunk is not the one that was sealed at its place.
        """
        view = memoryview(sealed)
        chunks = -(-len(view) // SEALED_CHUNK_BYTES)
        plain = bytearray(max(0, len(view) - chunks * TAG_BYTES))
        self.open_into(view, memoryview(plain), first_chunk=first_chunk)
        return bytes(plain)

    def open_into(self, view: memoryview, opened: memoryview, *, first_chunk: int) -> int:
        """Open the chunks in `view` into `opened`; return how many bytes were written there.

        Raises:
            ObjectDamaged: a chunk is not the one that was sealed at its place.
        """
        chunks = -(-len(view) // SEALED_CHUNK_BYTES)
        if first_chunk + chunks > _MAX_CHUNKS:
            raise ObjectDamaged("The object has no such chunk.")
        if 0 < len(view) % SEALED_CHUNK_BYTES < TAG_BYTES:
            raise ObjectDamaged("The object is cut short.")
        for offset in range(chunks):
            start = offset * SEALED_CHUNK_BYTES
            chunk = view[start : start + SEALED_CHUNK_BYTES]
            target = opened[offset * CHUNK_BYTES :][: len(chunk) - TAG_BYTES]
            nonce = (self._base_nonce ^ (first_chunk + offset)).to_bytes(_NONCE_BYTES, "big")
            try:
                self._aead.decrypt_into(nonce, chunk, None, target)
            except InvalidTag as exc:
                raise ObjectDamaged("The object's bytes were changed.") from exc
        return len(view) - chunks * TAG_BYTES


def batches(pieces: Iterator[bytes], *, header_bytes: int) -> Iterator[memoryview]:
    """Yield the header, if one leads, then whole chunks, a batch at a time.

    Only what lies across two pieces is copied.
    """
    wanted, rest = header_bytes or _BATCH_BYTES, b""
    for piece in pieces:
        view = memoryview(piece)
        if rest:
            missing = wanted - len(rest)
            if len(view) < missing:
                rest += bytes(view)
                continue
            yield memoryview(rest + bytes(view[:missing]))
            view, rest, wanted = view[missing:], b"", _BATCH_BYTES
        while len(view) >= wanted:
            yield view[:wanted]
            view, wanted = view[wanted:], _BATCH_BYTES
        rest = bytes(view)
    if rest:
        yield memoryview(rest)
