"""Master keys: the file, wrapping, rotation."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import KeyFileInvalid, ObjectDamaged
from storage.keys import KeyId, MasterKeys

DATA_KEY = bytes(range(32))
PINNED = MasterKeys([bytes(range(50, 82))])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "master.keys"


def rotated(tmp_path: Path) -> tuple[MasterKeys, MasterKeys]:
    """Return the keys of a file before and after a new key was put first."""
    old = MasterKeys.create(tmp_path / "old.keys")
    MasterKeys.create(tmp_path / "new.keys")
    both = tmp_path / "both.keys"
    both.write_text((tmp_path / "new.keys").read_text() + (tmp_path / "old.keys").read_text())
    both.chmod(0o600)
    return old, MasterKeys.load(both)


def test_a_new_file_is_readable_by_its_owner_alone_and_nothing_else_is_left(path: Path) -> None:
    created = MasterKeys.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text().startswith(f"audiatur-master-key-v1 {created.current_id} ")
    assert MasterKeys.load(path).fingerprint() == created.fingerprint()


def test_a_file_is_never_overwritten(path: Path) -> None:
    MasterKeys.create(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileInvalid, match="never overwritten"):
        MasterKeys.create(path)
    assert path.read_bytes() == before


def test_many_that_ensure_a_file_at_once_get_the_same_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: MasterKeys.ensure(path).fingerprint(), range(16)))
    assert len(found) == 1
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_open_to_others_is_refused_with_the_command_that_mends_it(
    path: Path, mode: int
) -> None:
    MasterKeys.create(path)
    path.chmod(mode)
    with pytest.raises(KeyFileInvalid, match="chmod 600"):
        MasterKeys.load(path)
    path.chmod(0o400)
    MasterKeys.load(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no key"),
        ("# only a comment\n", "no key"),
        ("audiatur-master-key-v1 0123\n", "line 1"),
        ("audiatur-master-key-v2 0123 AAAA\n", "expected"),
        ("\naudiatur-master-key-v1 0123456789abcdef !!!!\n", "line 2.*no base64"),
        ("audiatur-master-key-v1 0123456789abcdef AAAA\n", "does not match"),
        ("ключ\n", "no text file"),
    ],
)
def test_a_file_that_is_no_key_file_says_where_it_is_wrong(
    path: Path, content: str, says: str
) -> None:
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileInvalid, match=says):
        MasterKeys.load(path)


def test_a_slip_in_a_copied_key_is_noticed(path: Path) -> None:
    MasterKeys.create(path)
    text = path.read_text()
    swapped = text[:-10] + text[-10].swapcase() + text[-9:]
    if swapped == text:
        swapped = text[:-10] + ("A" if text[-10] != "A" else "B") + text[-9:]
    path.write_text(swapped)
    with pytest.raises(KeyFileInvalid, match="does not match"):
        MasterKeys.load(path)


def test_a_key_that_stands_twice_is_refused(path: Path) -> None:
    MasterKeys.create(path)
    path.write_text(path.read_text() * 2)
    with pytest.raises(KeyFileInvalid, match="twice"):
        MasterKeys.load(path)


def test_a_missing_file_says_that_it_belongs_back(path: Path) -> None:
    with pytest.raises(KeyFileInvalid, match="backup"):
        MasterKeys.load(path)


def test_a_folder_that_is_not_there_is_said(path: Path) -> None:
    with pytest.raises(KeyFileInvalid, match="folder that can be written to"):
        MasterKeys.create(path / "deeper" / "master.keys")


@given(data_key=st.binary(min_size=32, max_size=32), context=st.binary(max_size=40))
def test_a_wrapped_key_opens_for_its_context_alone(data_key: bytes, context: bytes) -> None:
    wrapped = PINNED.wrap(data_key, context=context)
    assert PINNED.unwrap(wrapped, context=context) == data_key
    with pytest.raises(ObjectDamaged):
        PINNED.unwrap(wrapped, context=context + b"\x00")


@given(data=st.data())
def test_no_changed_or_cut_wrapped_key_opens(data: st.DataObject) -> None:
    wrapped = bytearray(PINNED.wrap(DATA_KEY, context=b"place"))
    bit = data.draw(st.integers(0, len(wrapped) * 8 - 1))
    wrapped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ObjectDamaged):
        PINNED.unwrap(bytes(wrapped), context=b"place")
    whole = PINNED.wrap(DATA_KEY, context=b"place")
    with pytest.raises(ObjectDamaged):
        PINNED.unwrap(whole[: data.draw(st.integers(0, len(whole) - 1))], context=b"place")


def test_a_known_wrapped_key_still_opens() -> None:
    known = bytes.fromhex(
        "017b9f6d8f3da8e5630e298b1e4b40b142628669082fd6286095360a8ba35d77834442"
        "782c642e08a195c1a7087701dd0c1eea56d630610206be0d1b64c7c717c50951e04f"
    )
    assert PINNED.unwrap(known, context=b"known place") == DATA_KEY


def test_two_wraps_of_one_key_differ() -> None:
    assert PINNED.wrap(DATA_KEY, context=b"") != PINNED.wrap(DATA_KEY, context=b"")


def test_after_rotation_old_keys_open_and_new_ones_wrap(tmp_path: Path) -> None:
    old, both = rotated(tmp_path)
    assert both.unwrap(old.wrap(DATA_KEY, context=b"x"), context=b"x") == DATA_KEY
    assert both.current_id != old.current_id
    with pytest.raises(ObjectDamaged, match="not in the key file"):
        old.unwrap(both.wrap(DATA_KEY, context=b"x"), context=b"x")


def test_what_is_derived_stays_the_same_after_rotation_by_key_id(tmp_path: Path) -> None:
    old, both = rotated(tmp_path)
    assert len(old.derive("ledger")) == 32
    assert both.derive("ledger", key_id=old.current_id) == old.derive("ledger")
    assert both.derive("ledger") != old.derive("ledger")
    assert both.derive("ledger") != both.derive("sessions")
    with pytest.raises(ObjectDamaged, match="not in the key file"):
        old.derive("ledger", key_id=KeyId("0" * 16))


def test_what_is_derived_and_the_fingerprint_never_change_between_versions() -> None:
    assert (
        PINNED.derive("ledger").hex()
        == "a8de1ad21e2b1b6c6f7f9f59c54600775f719b047c6b302f4c85a5155e5bd624"
    )
    assert PINNED.fingerprint() == "872f22083cdf0592e30015976aad1c8c"


def test_the_fingerprint_names_the_set_and_not_its_order(tmp_path: Path) -> None:
    old, both = rotated(tmp_path)
    assert len(old.fingerprint()) == 32
    assert old.fingerprint() != both.fingerprint()
    first, second = bytes(32), bytes(range(32))
    assert MasterKeys([first, second]).fingerprint() == MasterKeys([second, first]).fingerprint()


def test_no_key_shows_when_printed(path: Path) -> None:
    created = MasterKeys.create(path)
    assert path.read_text().split()[2] not in repr(created)


@pytest.mark.parametrize("keys", [[], [b"short"], [bytes(32), bytes(31)]])
def test_keys_of_another_length_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKeys(keys)


def test_only_a_data_key_is_wrapped() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PINNED.wrap(b"short", context=b"")
