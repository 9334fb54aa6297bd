"""The chunked encryption, against an independent implementation of the same specification."""

from __future__ import annotations

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from hypothesis import given
from hypothesis import strategies as st

from storage.cobblestone import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SEALED_CHUNK_BYTES,
    Opener,
    Sealer,
    chunk_offset,
    sealed_size,
)
from storage.errors import ObjectDamaged

KEY = bytes(range(32))
EDGES = (0, 1, 16383, 16384, 16385, 32767, 32768, 32769, 50_000)
sizes = st.sampled_from(EDGES) | st.integers(0, 70_000)

# Made with `Cobblestone256Encryptor` of cryptography 50.0 and pinned, so that neither a change of
# ours nor one of theirs can alter what stored objects look like unnoticed.
KNOWN_CONTEXT = b"known context"
KNOWN_PLAIN = b"Audiatur et altera pars"
KNOWN_SEALED = bytes.fromhex(
    "ba11c3d4a7d134bfbdd0933a3f933703cba1faaf64e8cddde1e91cbdf64cf8ab29bbbba9047e18b9"
    "c3a6a14b14ffd78b0428d1bdbc92a9be04c37e05fc8f830d3384750f642ee5382e037ea97e3aa39c"
    "1e88df50020bdb2c3b993add6646e6"
)


def seal(plain: bytes, context: bytes) -> bytes:
    sealer = Sealer(KEY, context)
    whole = len(plain) - len(plain) % CHUNK_BYTES
    sealed = bytearray(whole // CHUNK_BYTES * SEALED_CHUNK_BYTES)
    sealer.seal_into(memoryview(plain)[:whole], memoryview(sealed))
    return sealer.header + bytes(sealed) + sealer.seal_last(memoryview(plain)[whole:])


def content(size: int) -> bytes:
    return bytes(number * 31 % 251 for number in range(256)) * (size // 256) + bytes(size % 256)


def test_a_known_object_opens() -> None:
    opener = Opener(KEY, KNOWN_CONTEXT, KNOWN_SEALED[:HEADER_BYTES])
    assert opener.open(KNOWN_SEALED[HEADER_BYTES:], first_chunk=0) == KNOWN_PLAIN


@given(size=sizes, context=st.binary(max_size=40))
def test_another_implementation_opens_what_is_sealed_here(size: int, context: bytes) -> None:
    plain = content(size)
    sealed = seal(plain, context)
    decryptor = Cobblestone256Decryptor(KEY, context)
    assert decryptor.update(sealed) + decryptor.finalize() == plain
    assert len(sealed) == sealed_size(size)


@given(size=sizes, context=st.binary(max_size=40))
def test_what_another_implementation_sealed_is_opened_here(size: int, context: bytes) -> None:
    plain = content(size)
    encryptor = Cobblestone256Encryptor(KEY, context)
    sealed = encryptor.update(plain) + encryptor.finalize()
    opener = Opener(KEY, context, sealed[:HEADER_BYTES])
    assert opener.open(sealed[HEADER_BYTES:], first_chunk=0) == plain


@given(size=sizes, number=st.integers(0, 4))
def test_any_chunk_opens_by_itself(size: int, number: int) -> None:
    plain = content(size)
    sealed = seal(plain, b"")
    number = min(number, size // CHUNK_BYTES)
    chunk = sealed[chunk_offset(number) : chunk_offset(number + 1)]
    opened = Opener(KEY, b"", sealed[:HEADER_BYTES]).open(chunk, first_chunk=number)
    assert opened == plain[number * CHUNK_BYTES :][:CHUNK_BYTES]


def test_a_chunk_opens_at_no_other_place() -> None:
    sealed = seal(content(40_000), b"")
    chunk = sealed[chunk_offset(0) : chunk_offset(1)]
    with pytest.raises(ObjectDamaged, match="changed"):
        Opener(KEY, b"", sealed[:HEADER_BYTES]).open(chunk, first_chunk=1)


@pytest.mark.parametrize(("key", "context"), [(bytes(32), b"here"), (KEY, b"there"), (KEY, b"")])
def test_another_key_or_context_is_noticed_by_the_header(key: bytes, context: bytes) -> None:
    header = seal(b"", b"here")[:HEADER_BYTES]
    with pytest.raises(ObjectDamaged, match="not sealed with this key"):
        Opener(key, context, header)


@pytest.mark.parametrize("body", [b"", b"short", bytes(15), bytes(SEALED_CHUNK_BYTES + 15)])
def test_a_body_that_is_cut_short_is_damage(body: bytes) -> None:
    opener = Opener(KEY, b"", seal(b"", b"")[:HEADER_BYTES])
    if not body:
        assert opener.open(body, first_chunk=0) == b""
        return
    with pytest.raises(ObjectDamaged):
        opener.open(body, first_chunk=0)


def test_the_last_chunk_is_shorter_than_the_others() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Sealer(KEY, b"").seal_last(memoryview(bytes(CHUNK_BYTES)))


def test_two_objects_of_one_key_have_nothing_in_common() -> None:
    first, second = seal(content(20_000), b""), seal(content(20_000), b"")
    assert first[:HEADER_BYTES] != second[:HEADER_BYTES]
    assert first[HEADER_BYTES:] != second[HEADER_BYTES:]


def test_nothing_is_sealed_or_opened_past_the_last_chunk_allowed() -> None:
    sealer = Sealer(KEY, b"")
    sealer._next = 1 << 38
    with pytest.raises(ValueError, match="too long"):
        sealer.seal_last(memoryview(b""))
    with pytest.raises(ObjectDamaged, match="no such chunk"):
        Opener(KEY, b"", sealer.header).open(bytes(16), first_chunk=1 << 38)
