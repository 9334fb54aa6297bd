"""The shell script that verifies by OpenSSL, coreutils and unzip."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.verifier import forge as forging
from tests.verifier.attacks import ATTACKS, COMPLETENESS, GROWN, INSIDE, ORIGINAL, PASSPORT, Attack
from tests.verifier.conftest import Authority
from tests.verifier.forge import TOP, Forge, rotated, write_folder, write_zip

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify-openssl"


@pytest.fixture
def key(forge: Forge, tmp_path: Path) -> Path:
    """Give the file with the key that was got from outside."""
    path = tmp_path / "key.pem"
    path.write_bytes(forging.pem(forge.bundle_key.public_key()))
    return path


def run(*arguments: Path | str) -> tuple[int, list[str]]:
    done = subprocess.run(  # noqa: S603 - our own script, no shell of ours.
        [SCRIPT, *arguments], capture_output=True, encoding="utf-8", check=False
    )
    assert not done.stderr or done.returncode == 64, done.stderr
    lines = done.stdout.splitlines()
    # What a shell leaves to others it says whenever it calls something valid, and only then.
    notes = [line for line in lines if line.startswith("note: ")]
    assert ["verify.py --since" in note for note in notes] == [True, False][: len(notes)]
    assert bool(notes) == (done.returncode in {0, 1})
    return done.returncode, [line for line in lines if line not in notes]


def test_a_right_bundle_is_valid(forge: Forge, tmp_path: Path, key: Path) -> None:
    files = forge.bundle()
    packed = write_zip(tmp_path / "a.zip", forging.members(files))
    assert run(packed, key) == (0, ["VALID"])
    assert run(write_folder(tmp_path, files), key) == (0, ["VALID"])
    assert run(packed)[1][-1] == "UNVERIFIABLE"
    assert run(packed)[0] == 3


def test_a_story_that_begins_with_a_rebuilding_is_told_of(tmp_path: Path) -> None:
    forge = Forge(is_rebuilt=True)
    path = tmp_path / "key.pem"
    path.write_bytes(forging.pem(forge.bundle_key.public_key()))
    status, lines = run(write_folder(tmp_path, forge.bundle()), path)
    assert (status, lines[-1]) == (1, "VALID_WITH_WARNINGS")
    warned = " ".join(lines[:-1])
    assert all(about in warned for about in (forging.RECORDING, forging.CLIPPED))


def test_days_that_an_earlier_key_of_the_log_signed_are_known_by_the_statement(
    tmp_path: Path,
) -> None:
    forge, files = rotated()
    path = tmp_path / "key.pem"
    path.write_bytes(forging.pem(forge.bundle_key.public_key()))
    assert run(write_folder(tmp_path, files), path) == (0, ["VALID"])


@pytest.mark.parametrize("older", [1, 2, 3, 4, 6, 7, 8, 10, 11])
def test_the_log_is_shown_to_have_only_grown(tmp_path: Path, older: int) -> None:
    forge = Forge(older=older)
    path = tmp_path / "key.pem"
    path.write_bytes(forging.pem(forge.bundle_key.public_key()))
    assert run(write_folder(tmp_path, forge.bundle()), path) == (0, ["VALID"])


def test_what_is_not_canonical_is_not_read_but_refused(
    forge: Forge, tmp_path: Path, key: Path
) -> None:
    """The other two parse JSON; a shell looks for texts, and must not pass over what it misses."""
    for number, name in enumerate((PASSPORT, COMPLETENESS, GROWN)):
        files = forge.files()
        spaced = json.dumps(json.loads(files[name]), indent=1).encode()
        sealed = forge.seal(files | {name: spaced})
        status, lines = run(write_folder(tmp_path / str(number), sealed), key)
        assert (status, lines[-1]) == (2, "INVALID")
        assert f"{name}: cannot be read" in lines[0], lines


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_an_attack_is_seen(forge: Forge, tmp_path: Path, key: Path, attack: Attack) -> None:
    files = attack.do(forge, forge.bundle())
    status, lines = run(write_zip(tmp_path / "a.zip", forging.members(files)), key)
    assert (status, lines[-1]) == (2, "INVALID")
    assert any(line.startswith(attack.file) and attack.check in line for line in lines), lines


@pytest.mark.parametrize("attack", INSIDE, ids=lambda a: a.name)
def test_the_holder_of_the_key_cannot_do_this(
    forge: Forge, tmp_path: Path, key: Path, attack: Attack
) -> None:
    status, lines = run(write_folder(tmp_path, attack.do(forge, forge.bundle())), key)
    assert (status, lines[-1]) == (2, "INVALID")
    assert any(attack.file in line and attack.check in line for line in lines), lines


def test_a_byte_more_in_any_file_is_seen_and_the_file_named(
    forge: Forge, tmp_path: Path, key: Path
) -> None:
    files = forge.bundle()
    bundle = write_folder(tmp_path, files)
    for path, content in files.items():
        (bundle / path).write_bytes(content + b"x")
        status, lines = run(bundle, key)
        assert (status, lines[-1]) == (2, "INVALID"), path
        assert any(line.startswith(path) for line in lines), (path, lines)
        (bundle / path).write_bytes(content)
    assert run(bundle, key) == (0, ["VALID"])


@pytest.mark.parametrize(
    "name",
    [
        f"{TOP}/../evil.txt",
        "/etc/passwd",
        f"{TOP}/{ORIGINAL}",
        f"{TOP}/{ORIGINAL.upper()}",
        f"{TOP}/.hidden",
        "other/evil.txt",
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_that_leads_astray_is_refused(
    forge: Forge, tmp_path: Path, key: Path, name: str
) -> None:
    members = [*forging.members(forge.bundle()), (name, b"evil")]
    status, lines = run(write_zip(tmp_path / "a.zip", iter(members)), key)
    assert (status, lines[-1]) == (2, "INVALID")
    assert not (tmp_path / "evil.txt").exists()


def test_a_time_stamp_is_verified(tmp_path: Path, key: Path, authority: Authority) -> None:
    forge = Forge()
    key.write_bytes(forging.pem(forge.bundle_key.public_key()))
    forge.stamp, forge.tsa_pem = authority.stamp(forge.checkpoint()), authority.root_pem
    assert run(write_folder(tmp_path, forge.bundle()), key) == (0, ["VALID"])
    forge.stamp = authority.stamp(b"something else")
    status, lines = run(write_folder(tmp_path, forge.bundle()), key)
    assert status == 2
    assert lines[0].startswith("proof/checkpoint.tsr")


def test_what_is_no_bundle_is_unverifiable(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    assert run(tmp_path / "a.pdf")[0] == 3
    assert run(tmp_path / "nowhere") == (64, [])
    assert run() == (64, [])
