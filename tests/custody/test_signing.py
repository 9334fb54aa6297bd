"""The file of the signing keys: made once, closed to others, never made anew."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.custody import notes, signing
from app.custody.receipts import Accepted, Receipts, check
from app.custody.signing import KeyRing, Purpose, SigningKeyInvalid, SigningKeyMissing


def _ensure(folder: Path, origin: str | None = "rec.example/log1") -> KeyRing:
    return signing.ensure(folder / "keys" / "ledger.key", folder / "ledger-key.json", origin=origin)


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    ring = _ensure(tmp_path)
    assert ring.path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ledger-key.json").stat().st_mode & 0o777 == 0o600
    assert ring.origin == "rec.example/log1"
    assert ring.keys.public(Purpose.RECEIPT)[0].name == "rec.example/log1/receipt"
    assert _ensure(tmp_path).keys == ring.keys


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: _ensure(tmp_path, None).keys, range(8)))
    assert all(keys == rings[0] for keys in rings)


def test_a_log_without_a_name_gets_one_that_stays(tmp_path: Path) -> None:
    name = _ensure(tmp_path, None).origin
    assert notes.checked_name(name) == name
    assert _ensure(tmp_path, None).origin == name
    assert _ensure(tmp_path, name).origin == name
    with pytest.raises(SigningKeyInvalid, match="cannot become"):
        _ensure(tmp_path, "other.example/log")
    with pytest.raises(SigningKeyInvalid, match="no name"):
        _ensure(tmp_path / "new", "two words")


def test_a_key_that_is_gone_is_never_made_anew(tmp_path: Path) -> None:
    path = _ensure(tmp_path).path
    whole = path.read_text()
    path.unlink()
    with pytest.raises(SigningKeyMissing):
        _ensure(tmp_path)
    path.touch(mode=0o600)
    path.write_text(
        "".join(line for line in whole.splitlines(keepends=True) if " receipt " not in line)
    )
    with pytest.raises(SigningKeyMissing, match="receipt"):
        _ensure(tmp_path)
    path.write_text(whole)
    assert _ensure(tmp_path).origin == "rec.example/log1"


def test_a_damaged_file_is_refused_with_its_place(tmp_path: Path) -> None:
    path = _ensure(tmp_path).path
    whole = path.read_text()
    line = whole.splitlines()[0]
    other = signing.SigningKey.create(Purpose.LOG, "rec.example/log1").line().split()[3]
    for damaged in (line[:-6], line.replace(" log ", " lag "), f"{line.rsplit(' ', 1)[0]} {other}"):
        path.write_text(f"# a comment\n{damaged}\n")
        with pytest.raises(SigningKeyInvalid, match="line 2"):
            signing.load(path)
    path.write_text("# nothing\n")
    with pytest.raises(SigningKeyInvalid, match="no key"):
        signing.load(path)
    path.write_text(whole)
    path.chmod(0o640)
    with pytest.raises(SigningKeyInvalid, match="chmod 600"):
        signing.load(path)


def test_a_running_process_sees_another_file_at_once(tmp_path: Path) -> None:
    ring = _ensure(tmp_path)
    before = ring.signers(Purpose.LOG)
    new = signing.rotate(ring.path, tmp_path / "ledger-key.json", Purpose.LOG)
    assert [signer.public for signer in ring.signers(Purpose.LOG)] == [new, before[0].public]
    assert json.loads((tmp_path / "ledger-key.json").read_text())["log"] == new.fingerprint


def test_an_ended_key_keeps_its_public_part_alone(tmp_path: Path) -> None:
    ring = _ensure(tmp_path)
    (old,) = ring.keys.public(Purpose.LOG)
    new = signing.rotate(ring.path, tmp_path / "ledger-key.json", Purpose.LOG)
    assert signing.end_old(ring.path, Purpose.LOG) == (old,)
    assert signing.end_old(ring.path, Purpose.LOG) == ()
    assert [signer.public for signer in ring.signers(Purpose.LOG)] == [new]
    assert ring.keys.public(Purpose.LOG) == (new, old)
    assert f"{old.vkey()} -\n" in ring.path.read_text()
    assert _ensure(tmp_path).keys == ring.keys


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    ring = _ensure(tmp_path)
    secret = ring.path.read_text().split()[3]
    assert secret not in repr(ring.keys)
    assert repr(ring.keys.keys[0].seed) not in repr(ring.keys)


def test_a_receipt_is_the_same_each_time_and_read_back(tmp_path: Path, accepted: Accepted) -> None:
    ring = _ensure(tmp_path)
    note = Receipts(ring).sign(accepted)
    assert note == Receipts(_ensure(tmp_path)).sign(accepted)
    assert check(note, ring.keys.public(Purpose.RECEIPT)) == accepted


def test_a_changed_receipt_or_another_note_is_refused(tmp_path: Path, accepted: Accepted) -> None:
    ring = _ensure(tmp_path)
    keys = ring.keys.public(Purpose.RECEIPT)
    note = Receipts(ring).sign(accepted)
    spaced = note.split("\n\n")[0].replace("leg ", "leg  ") + "\n"
    for wrong in (
        note.replace("size_bytes 12", "size_bytes 13"),
        note.replace("mixed", "sent"),
        notes.sign_note("hello\n", ring.signers(Purpose.RECEIPT)),
        notes.sign_note(spaced, ring.signers(Purpose.RECEIPT)),
        notes.sign_note(note.split("\n\n")[0] + "\n", ring.signers(Purpose.LOG)),
    ):
        with pytest.raises(notes.NoteInvalid):
            check(wrong, [*keys, *ring.keys.public(Purpose.LOG)])
