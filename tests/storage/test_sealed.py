"""Sealed objects: what is kept comes back, and no change goes unnoticed."""

from __future__ import annotations

import hashlib
import secrets
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.cobblestone import sealed_size
from storage.errors import ObjectDamaged, ObjectExists, ObjectMissing, StoreUnavailable
from storage.folder import FolderDraft, FolderStore
from storage.keys import MasterKeys
from storage.ports import Store
from storage.sealed import Digest, SealedObject, SealedRef, SealedStore

EDGES = (0, 1, 16383, 16384, 16385, 262_143, 262_144, 262_145, 1_400_000)
sizes = st.sampled_from(EDGES) | st.integers(0, 600_000)
KEYS = MasterKeys([bytes(range(32))])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for many examples; each object has an id of its own."""
    return tmp_path_factory.mktemp("sealed") / "store"


@pytest.fixture(scope="module")
def sealed(folder: Path) -> SealedStore:
    return SealedStore(FolderStore(folder), KEYS)


def content(size: int) -> bytes:
    return (secrets.token_bytes(997) * (size // 997 + 1))[:size]


def keep(sealed: SealedStore, plain: bytes, *, step: int = 65_536) -> SealedObject:
    draft = sealed.begin(uuid4())
    for start in range(0, len(plain), step):
        draft.write(plain[start : start + step])
    return draft.keep()


def file_of(folder: Path, kept: SealedObject) -> Path:
    return folder / SealedStore.key_for(kept.object_id)


def read_all(sealed: SealedStore, ref: SealedRef) -> bytes:
    return b"".join(sealed.stream(ref))


def expect_damage(sealed: SealedStore, ref: SealedRef) -> None:
    with pytest.raises(ObjectDamaged):
        read_all(sealed, ref)
    with pytest.raises(ObjectDamaged):
        sealed.verify(ref)


@given(size=sizes, step=st.sampled_from([1_000, 16_384, 65_536, 300_000, 2_000_000]))
@settings(max_examples=60, deadline=None)
def test_what_is_kept_comes_back_with_its_digests(
    sealed: SealedStore, folder: Path, size: int, step: int
) -> None:
    plain = content(size)
    kept = keep(sealed, plain, step=step)
    assert kept.size_bytes == size
    assert kept.sha256 == hashlib.sha256(plain).digest()
    assert kept.crc32 == zlib.crc32(plain)
    assert kept.sealed_bytes == sealed_size(size) == file_of(folder, kept).stat().st_size
    assert read_all(sealed, kept.ref()) == plain
    assert sealed.verify(kept.ref()) == kept.sha256


@given(data=st.data(), size=sizes)
@settings(max_examples=80, deadline=None)
def test_any_range_is_read_exactly(sealed: SealedStore, data: st.DataObject, size: int) -> None:
    plain = content(size)
    kept = keep(sealed, plain)
    near = [edge for base in (0, 16_384, 32_768, size) for edge in (base - 1, base, base + 1)]
    place = st.sampled_from([edge for edge in near if 0 <= edge <= size]) | st.integers(0, size)
    start, end = sorted((data.draw(place), data.draw(place)))
    assert sealed.read(kept.ref(), start=start, length=end - start) == plain[start:end]
    assert b"".join(sealed.stream(kept.ref(), start=start)) == plain[start:]


@given(data=st.data(), size=st.sampled_from([0, 1, 16_383, 16_384, 16_385, 40_000]))
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_goes_unnoticed(
    sealed: SealedStore, folder: Path, data: st.DataObject, size: int
) -> None:
    kept = keep(sealed, content(size))
    file = file_of(folder, kept)
    bytes_kept = bytearray(file.read_bytes())
    bit = data.draw(st.integers(0, len(bytes_kept) * 8 - 1))
    bytes_kept[bit // 8] ^= 1 << bit % 8
    file.write_bytes(bytes_kept)
    expect_damage(sealed, kept.ref())


@given(data=st.data(), size=st.sampled_from([0, 1, 16_383, 16_384, 16_385, 40_000]))
@settings(max_examples=60, deadline=None)
def test_no_cut_goes_unnoticed(
    sealed: SealedStore, folder: Path, data: st.DataObject, size: int
) -> None:
    kept = keep(sealed, content(size))
    file = file_of(folder, kept)
    whole = file.read_bytes()
    edges = [cut for cut in (0, 55, 56, 72, 16_440, 16_456) if cut < len(whole)]
    cut = data.draw(st.sampled_from(edges) | st.integers(0, len(whole) - 1))
    file.write_bytes(whole[:cut])
    expect_damage(sealed, kept.ref())


def test_a_cut_at_a_chunk_is_noticed_even_where_the_row_was_cut_too(
    sealed: SealedStore, folder: Path
) -> None:
    kept = keep(sealed, content(40_000))
    file = file_of(folder, kept)
    file.write_bytes(file.read_bytes()[: 56 + 16_400])
    shorter = SealedRef(object_id=kept.object_id, wrapped_key=kept.wrapped_key, size_bytes=16_384)
    expect_damage(sealed, shorter)
    whole = keep(sealed, content(40_000))
    shorter = SealedRef(object_id=whole.object_id, wrapped_key=whole.wrapped_key, size_bytes=20_000)
    expect_damage(sealed, shorter)


def test_bytes_that_were_added_are_noticed_when_verified(sealed: SealedStore, folder: Path) -> None:
    kept = keep(sealed, content(100))
    file = file_of(folder, kept)
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(ObjectDamaged, match="size"):
        sealed.verify(kept.ref())


def test_swapped_objects_are_noticed(sealed: SealedStore, folder: Path) -> None:
    first, second = keep(sealed, content(20_000)), keep(sealed, content(20_000))
    bytes_of_first = file_of(folder, first).read_bytes()
    file_of(folder, first).write_bytes(file_of(folder, second).read_bytes())
    file_of(folder, second).write_bytes(bytes_of_first)
    expect_damage(sealed, first.ref())
    expect_damage(sealed, second.ref())


def test_swapped_chunks_are_noticed(sealed: SealedStore, folder: Path) -> None:
    kept = keep(sealed, content(40_000))
    file = file_of(folder, kept)
    whole = file.read_bytes()
    header, one, two, rest = (
        whole[:56],
        whole[56:16_456],
        whole[16_456:32_856],
        whole[32_856:],
    )
    file.write_bytes(header + two + one + rest)
    expect_damage(sealed, kept.ref())


def test_an_object_moved_to_another_id_does_not_open(sealed: SealedStore, folder: Path) -> None:
    kept = keep(sealed, content(20_000))
    other = uuid4()
    file_of(folder, kept).rename(folder / SealedStore.key_for(other))
    expect_damage(
        sealed, SealedRef(object_id=other, wrapped_key=kept.wrapped_key, size_bytes=20_000)
    )


def test_another_objects_key_does_not_open_it(sealed: SealedStore) -> None:
    first, second = keep(sealed, content(20_000)), keep(sealed, content(20_000))
    expect_damage(
        sealed,
        SealedRef(object_id=first.object_id, wrapped_key=second.wrapped_key, size_bytes=20_000),
    )


def test_another_master_key_does_not_open_it(sealed: SealedStore, folder: Path) -> None:
    kept = keep(sealed, content(20_000))
    other = SealedStore(FolderStore(folder), MasterKeys([bytes(32)]))
    expect_damage(other, kept.ref())


def test_a_piece_is_proven_before_it_is_given(sealed: SealedStore, folder: Path) -> None:
    plain = content(1_000_000)
    kept = keep(sealed, plain)
    file = file_of(folder, kept)
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)
    given_out = b""
    with pytest.raises(ObjectDamaged):  # noqa: PT012 - what came before the damage is the point.
        for piece in sealed.stream(kept.ref()):
            given_out += piece
    assert plain.startswith(given_out)
    assert len(given_out) < len(plain)
    assert sealed.read(kept.ref(), start=0, length=1000) == plain[:1000]


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, 101), (101, 0), (50, -1), (100, 1)])
def test_a_range_outside_the_object_is_refused(
    sealed: SealedStore, start: int, length: int
) -> None:
    kept = keep(sealed, content(100))
    with pytest.raises(ValueError, match="no range"):
        sealed.read(kept.ref(), start=start, length=length)


def test_nothing_of_the_content_is_in_the_store(sealed: SealedStore, folder: Path) -> None:
    kept = keep(sealed, b"the network is down " * 5000)
    stored = file_of(folder, kept).read_bytes()
    assert b"network" not in stored
    assert len(zlib.compress(stored)) > 0.99 * len(stored)


def test_digests_so_far_may_be_asked_for_at_any_time(sealed: SealedStore) -> None:
    plain = content(700_000)
    draft, sink = sealed.begin(uuid4()), Digest()
    for start in range(0, len(plain), 90_000):
        piece = plain[start : start + 90_000]
        draft.write(piece)
        sink.write(piece)
        so_far = plain[: start + 90_000]
        assert draft.size_bytes == sink.size_bytes == len(so_far)
        assert draft.digest() == sink.digest()
        assert draft.digest().sha256 == hashlib.sha256(so_far).digest()
        assert draft.digest().crc32 == zlib.crc32(so_far)
    kept = draft.keep()
    assert kept.sha256 == hashlib.sha256(plain).digest()
    assert draft.digest() == sink.digest()
    assert read_all(sealed, kept.ref()) == plain


def test_an_id_is_used_once(sealed: SealedStore) -> None:
    kept = keep(sealed, b"first")
    draft = sealed.begin(kept.object_id)
    draft.write(b"second")
    with pytest.raises(ObjectExists):
        draft.keep()
    assert read_all(sealed, kept.ref()) == b"first"


def test_a_draft_that_is_over_takes_nothing_more(sealed: SealedStore) -> None:
    draft = sealed.begin(uuid4())
    draft.write(b"content")
    draft.discard()
    draft.discard()
    with pytest.raises(ValueError, match="over"):
        draft.write(b"more")
    with pytest.raises(ValueError, match="over"):
        draft.keep()


def test_drafts_side_by_side_do_not_mix(sealed: SealedStore) -> None:
    contents = [content(500_000) for _ in range(5)]
    for _ in range(2):
        drafts = [sealed.begin(uuid4()) for _ in contents]
        for start in range(0, 500_000, 70_000):
            for draft, plain in zip(drafts, contents, strict=True):
                draft.write(plain[start : start + 70_000])
        refs = [draft.keep().ref() for draft in drafts]
        assert [read_all(sealed, ref) for ref in refs] == contents


def test_ids_made_from_the_time_are_fanned_out() -> None:
    first = UUID("01a3c5e7-0000-7000-8000-000000000042")
    assert SealedStore.key_for(first) == "42/01a3c5e7000070008000000000000042"


def test_objects_are_listed_by_age_and_deleted(store: Store, keys: MasterKeys) -> None:
    sealed = SealedStore(store, keys)
    kept = [keep(sealed, b"content") for _ in range(3)]
    foreign = store.begin("ab/no-object-of-ours")
    foreign.keep()
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert set(sealed.listed(now + hour)) == {one.object_id for one in kept}
    assert list(sealed.listed(now - hour)) == []
    sealed.delete(kept[0].object_id)
    assert kept[0].object_id not in set(sealed.listed(now + hour))
    with pytest.raises(ObjectMissing):
        sealed.read(kept[0].ref(), start=0, length=7)


@pytest.mark.parametrize("size", [0, 16_384, 3_000_000])
def test_every_kind_of_store_can_be_sealed(store: Store, keys: MasterKeys, size: int) -> None:
    sealed = SealedStore(store, keys)
    plain = content(size)
    kept = keep(sealed, plain)
    assert sealed.verify(kept.ref()) == hashlib.sha256(plain).digest()
    if size:
        assert sealed.read(kept.ref(), start=size - 10, length=10) == plain[-10:]
    assert sealed.sweep_drafts(datetime.now(UTC)) == 0
    sealed.check()
    assert sealed.probe() == store.probe()


class FullDisk(FolderStore):
    """A folder store on a disk that becomes full while an object is written."""

    def begin(self, key: str, *, replaces: bool = False) -> FolderDraft:
        return FullDraft(super().begin(key, replaces=replaces))


class FullDraft(FolderDraft):
    __slots__ = ("_inner",)

    def __init__(self, inner: FolderDraft) -> None:
        self._inner = inner

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        del chunk
        raise StoreUnavailable("The disk is full.")

    def discard(self) -> None:
        self._inner.discard()


@pytest.mark.parametrize("size", [100, 300_000])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    store = FullDisk(tmp_path / "full", unnamed_drafts=False)
    draft = SealedStore(store, KEYS).begin(uuid4())
    with pytest.raises(StoreUnavailable, match="full"):  # noqa: PT012 - small ones fail at the end.
        draft.write(bytes(size))
        draft.keep()
    draft.discard()
    assert [path for path in (tmp_path / "full").rglob("*") if path.is_file()] == []


def test_drafts_that_wait_hold_less_than_a_chunk_each(sealed: SealedStore) -> None:
    plain = content(300_000)
    sealed.begin(uuid4()).discard()
    drafts = []
    tracemalloc.start()
    try:
        for _ in range(64):
            drafts.append(sealed.begin(uuid4()))
            drafts[-1].write(plain)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        for draft in drafts:
            draft.discard()
    one_buffer = 300_000
    assert held < one_buffer + 64 * 24_000


def test_drafts_written_at_once_share_no_buffer(sealed: SealedStore) -> None:
    plains = [secrets.token_bytes(700_000 + n) for n in range(24)]
    with ThreadPoolExecutor(8) as threads:
        kept = list(threads.map(lambda plain: keep(sealed, plain, step=50_001), plains))
    assert [read_all(sealed, one.ref()) for one in kept] == plains
