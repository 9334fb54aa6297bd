"""Reading an object to see that it is whole, mending it, and the notes beside it."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from storage.errors import MasterKeyUnknown, ObjectDamaged, ObjectMissing
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedObject, SealedStore

CHUNK = 16 << 10
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 8 * CHUNK, 8 * CHUNK + 1, 5_000_000]


@pytest.fixture
def sealed(tmp_path: Path, keys: MasterKeys) -> SealedStore:
    return SealedStore(FolderStore(tmp_path / "store"), keys)


def kept(sealed: SealedStore, content: bytes, object_id: UUID | None = None) -> SealedObject:
    draft = sealed.begin(object_id or uuid4())
    draft.write(content)
    return draft.keep()


def file_of(tmp_path: Path, found: SealedObject) -> Path:
    return tmp_path / "store" / SealedStore.key_for(found.object_id)


@pytest.mark.parametrize("size", SIZES)
def test_both_digests_are_those_of_the_bytes(
    sealed: SealedStore, tmp_path: Path, size: int
) -> None:
    content = secrets.token_bytes(size)
    found = kept(sealed, content)
    seen = sealed.examine(found.ref(), with_seal=True)
    assert seen.sha256 == hashlib.sha256(content).digest()
    assert seen.sealed_sha256 == hashlib.sha256(file_of(tmp_path, found).read_bytes()).digest()
    assert sealed.sealed_digest(found.object_id, size_bytes=size) == seen.sealed_sha256
    assert sealed.examine(found.ref()).sealed_sha256 is None


@pytest.mark.parametrize("place", [0, 30, 60, 200_000, -1])
def test_a_changed_byte_is_damage_wherever_it_is(
    sealed: SealedStore, tmp_path: Path, place: int
) -> None:
    found = kept(sealed, secrets.token_bytes(400_000))
    file = file_of(tmp_path, found)
    body = bytearray(file.read_bytes())
    body[place] ^= 1
    file.write_bytes(body)
    with pytest.raises(ObjectDamaged):
        sealed.examine(found.ref())


@pytest.mark.parametrize("change", [b"x", b""], ids=["longer", "shorter"])
def test_another_length_is_damage(sealed: SealedStore, tmp_path: Path, change: bytes) -> None:
    found = kept(sealed, secrets.token_bytes(100_000))
    file = file_of(tmp_path, found)
    file.write_bytes(file.read_bytes() + change if change else file.read_bytes()[:-1])
    with pytest.raises(ObjectDamaged):
        sealed.examine(found.ref())
    with pytest.raises(ObjectDamaged):
        sealed.sealed_digest(found.object_id, size_bytes=found.size_bytes)


def test_another_master_key_says_nothing_of_the_object(sealed: SealedStore, tmp_path: Path) -> None:
    found = kept(sealed, b"evidence")
    stranger = SealedStore(FolderStore(tmp_path / "store"), MasterKeys([secrets.token_bytes(32)]))
    with pytest.raises(MasterKeyUnknown):
        stranger.examine(found.ref())


def test_a_mended_object_opens_with_the_key_of_its_row(sealed: SealedStore, tmp_path: Path) -> None:
    content = secrets.token_bytes(100_000)
    found = kept(sealed, content)
    before = file_of(tmp_path, found).read_bytes()
    file_of(tmp_path, found).write_bytes(b"ruined")
    draft = sealed.mend(found.ref())
    draft.write(content)
    mended = draft.keep()
    assert (mended.object_id, mended.wrapped_key, mended.sha256) == (
        found.object_id,
        found.wrapped_key,
        found.sha256,
    )
    assert sealed.examine(found.ref()).sha256 == found.sha256
    # Another salt gives other keys and nonces: nothing is ever sealed twice with the same.
    assert file_of(tmp_path, found).read_bytes()[:24] != before[:24]


@pytest.mark.parametrize("size", SIZES)
def test_a_note_is_read_back_and_goes_with_its_object(sealed: SealedStore, size: int) -> None:
    text = secrets.token_bytes(size)
    found = kept(sealed, b"evidence")
    sealed.notes.write(found.object_id, b"first")
    sealed.notes.write(found.object_id, text)
    assert sealed.notes.read(found.object_id) == text
    assert list(sealed.notes.objects()) == [found.object_id]
    sealed.delete(found.object_id)
    assert list(sealed.notes.objects()) == []
    with pytest.raises(ObjectMissing):
        sealed.notes.read(found.object_id)


def test_a_note_of_another_object_or_key_does_not_open(sealed: SealedStore, tmp_path: Path) -> None:
    one, other = kept(sealed, b"one"), kept(sealed, b"other")
    sealed.notes.write(one.object_id, b"of one")
    sealed.notes.write(other.object_id, b"of other")
    file_of(tmp_path, one).with_suffix(".note").write_bytes(
        file_of(tmp_path, other).with_suffix(".note").read_bytes()
    )
    with pytest.raises(ObjectDamaged):
        sealed.notes.read(one.object_id)
    stranger = SealedStore(FolderStore(tmp_path / "store"), MasterKeys([secrets.token_bytes(32)]))
    with pytest.raises(ObjectDamaged):
        stranger.notes.read(other.object_id)
