"""What every object store must do, seen on each kind of store."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from storage.errors import ObjectDamaged, ObjectExists, ObjectMissing
from storage.ports import Store, Support
from storage.s3 import S3Store

KEY = "ab/cdef-1.bin"
LATER = timedelta(hours=1)


def put(store: Store, key: str, content: bytes) -> None:
    draft = store.begin(key)
    try:
        draft.write(content)
        draft.keep()
    finally:
        draft.discard()


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_what_was_kept_is_read_back_whole(store: Store, size: int) -> None:
    content = secrets.token_bytes(size)
    put(store, KEY, content)
    assert store.size(KEY) == size
    assert b"".join(store.stream(KEY)) == content


def test_chunks_of_every_kind_follow_one_another(store: Store) -> None:
    draft = store.begin(KEY)
    draft.write(b"one ")
    draft.write(bytearray(b"two "))
    draft.write(b"")
    draft.write(memoryview(b"and three")[4:])
    draft.keep()
    assert store.read(KEY, start=0, length=13) == b"one two three"


@pytest.mark.parametrize(("start", "length"), [(0, 1), (3, 4), (999_999, 1), (0, 1_000_000)])
def test_a_range_is_read_exactly(store: Store, start: int, length: int) -> None:
    content = secrets.token_bytes(1_000_000)
    put(store, KEY, content)
    wanted = content[start : start + length]
    assert store.read(KEY, start=start, length=length) == wanted
    assert b"".join(store.stream(KEY, start=start, length=length)) == wanted
    assert b"".join(store.stream(KEY, start=start)) == content[start:]


def test_a_stream_from_the_very_end_is_empty(store: Store) -> None:
    put(store, KEY, b"12345")
    assert list(store.stream(KEY, start=5)) == []


@pytest.mark.parametrize(("start", "length"), [(5, 1), (4, 2), (9, 1)])
def test_a_range_past_the_end_is_damage(store: Store, start: int, length: int) -> None:
    put(store, KEY, b"12345")
    with pytest.raises(ObjectDamaged):
        store.read(KEY, start=start, length=length)
    with pytest.raises(ObjectDamaged):
        list(store.stream(KEY, start=start, length=length))


def test_a_stream_that_begins_past_the_end_is_damage(store: Store) -> None:
    put(store, KEY, b"12345")
    with pytest.raises(ObjectDamaged):
        list(store.stream(KEY, start=6))


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, 0), (0, -1)])
def test_a_range_that_is_none_is_refused(store: Store, start: int, length: int) -> None:
    put(store, KEY, b"12345")
    with pytest.raises(ValueError, match="no range"):
        store.read(KEY, start=start, length=length)
    with pytest.raises(ValueError, match="no range"):
        list(store.stream(KEY, start=start, length=length))


def test_an_object_is_never_overwritten(store: Store) -> None:
    put(store, KEY, b"first")
    with pytest.raises(ObjectExists):
        put(store, KEY, b"second")
    assert store.read(KEY, start=0, length=5) == b"first"
    assert [listed.size_bytes for listed in store.keys(prefix="")] == [5]


def test_of_many_writers_of_one_key_exactly_one_wins(store: Store) -> None:
    """Where the server ignores the condition, the probe says so and each winner is whole."""
    wins_once = store.probe().conditional_put is Support.VERIFIED
    writers = 12
    barrier = Barrier(writers)

    def write(number: int) -> int | None:
        draft = store.begin(KEY)
        draft.write(bytes([number]) * 100_000)
        barrier.wait(timeout=30)
        try:
            draft.keep()
        except ObjectExists:
            return None
        return number

    with ThreadPoolExecutor(writers) as pool:
        won = [number for number in pool.map(write, range(writers)) if number is not None]
    assert len(won) == 1 if wins_once else won
    assert b"".join(store.stream(KEY)) in {bytes([number]) * 100_000 for number in won}


def test_many_threads_write_and_read_side_by_side(store: Store) -> None:
    contents = {f"{number:02x}/object": secrets.token_bytes(50_000) for number in range(40)}

    def write_and_read(key: str) -> bytes:
        put(store, key, contents[key])
        return b"".join(store.stream(key))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write_and_read, contents)) == list(contents.values())


def test_a_draft_is_seen_by_nobody(store: Store) -> None:
    draft = store.begin(KEY)
    draft.write(b"not yet")
    assert list(store.keys()) == []
    with pytest.raises(ObjectMissing):
        store.size(KEY)
    draft.discard()
    assert list(store.keys()) == []


def test_a_discarded_draft_leaves_the_key_free(store: Store) -> None:
    draft = store.begin(KEY)
    draft.write(b"never mind")
    draft.discard()
    draft.discard()
    put(store, KEY, b"kept")
    assert store.size(KEY) == 4


def test_a_draft_that_is_over_takes_nothing_more(store: Store) -> None:
    draft = store.begin(KEY)
    draft.keep()
    draft.discard()
    with pytest.raises(ValueError, match="over"):
        draft.write(b"more")
    with pytest.raises(ValueError, match="over"):
        draft.keep()
    assert store.size(KEY) == 0


def test_a_missing_object_is_said_to_be_missing(store: Store) -> None:
    with pytest.raises(ObjectMissing):
        store.size(KEY)
    with pytest.raises(ObjectMissing):
        store.read(KEY, start=0, length=1)
    with pytest.raises(ObjectMissing):
        list(store.stream(KEY))
    with pytest.raises(ObjectMissing):
        list(store.stream(KEY, start=1, length=1))


def test_what_is_deleted_is_gone_and_may_be_deleted_again(store: Store) -> None:
    put(store, KEY, b"content")
    put(store, KEY + "-other", b"stays")
    store.delete(KEY)
    store.delete(KEY)
    with pytest.raises(ObjectMissing):
        store.size(KEY)
    assert [listed.key for listed in store.keys(prefix="")] == [KEY + "-other"]


def test_objects_are_listed_in_order_with_size_and_time(store: Store) -> None:
    before = now() - timedelta(seconds=5)
    for key in ("ff/b", "00/a", "ab/2", "ab/10"):
        put(store, key, key.encode())
    listed = list(store.keys())
    assert [(found.key, found.size_bytes) for found in listed] == [
        ("00/a", 4),
        ("ab/10", 5),
        ("ab/2", 4),
        ("ff/b", 4),
    ]
    assert all(before < found.modified_at < now() + timedelta(seconds=5) for found in listed)
    assert [found.key for found in store.keys(prefix="ab/")] == ["ab/10", "ab/2"]
    assert [found.key for found in store.keys(prefix="ab/1")] == ["ab/10"]
    assert [found.key for found in store.keys(prefix="f")] == ["ff/b"]
    assert list(store.keys(prefix="cd")) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "ab",
        "ab/",
        "/ab/c",
        "ab/../c",
        "../ab/c",
        "ab/..",
        "ab/.hidden",
        "AB/c",
        "ab/C",
        "abc/d",
        "ab/c/d",
        "ab/c\n",
        "ab/c\x00",
        "ab\\c",
        "zz/c",
        "ab/" + "c" * 201,
        "ab/ж",
    ],
)
def test_what_is_no_key_is_refused_everywhere(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.begin(key)
    with pytest.raises(ValueError, match="not a key"):
        store.size(key)
    with pytest.raises(ValueError, match="not a key"):
        store.read(key, start=0, length=1)
    with pytest.raises(ValueError, match="not a key"):
        store.delete(key)


def test_the_probe_tells_what_it_saw_and_leaves_nothing(store: Store) -> None:
    found = store.probe()
    assert list(store.keys()) == []
    if isinstance(store, S3Store):
        is_versioned = found.versions is Support.VERIFIED
        assert (found.conditional_put is Support.VERIFIED) is not is_versioned
        assert any("If-None-Match" in note for note in found.notes) is is_versioned
    else:
        assert found.conditional_put is Support.VERIFIED
        assert found.versions is Support.UNSUPPORTED
    assert found.object_lock is Support.UNSUPPORTED


def test_the_check_is_content_with_a_store_that_works(store: Store) -> None:
    store.check()


def test_the_sweep_removes_probes_of_the_past_and_no_object(store: Store) -> None:
    put(store, "00/probe-0123456789abcdef", b"left by a killed probe")
    put(store, KEY, b"content")
    assert store.sweep_drafts(now() - LATER) == 0
    assert store.sweep_drafts(now() + LATER) == 1
    assert [listed.key for listed in store.keys(prefix="")] == [KEY]


def test_what_replaces_an_object_takes_its_place_whole(store: Store) -> None:
    put(store, KEY, b"as it was")
    draft = store.begin(KEY, replaces=True)
    draft.write(b"mended")
    assert store.read(KEY, start=0, length=9) == b"as it was"
    draft.keep()
    assert b"".join(store.stream(KEY)) == b"mended"
    given_up = store.begin(KEY, replaces=True)
    given_up.write(b"never")
    given_up.discard()
    assert b"".join(store.stream(KEY)) == b"mended"
    store.delete(KEY)
    assert list(store.keys()) == []
