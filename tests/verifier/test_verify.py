"""The single-file verifier: what it passes, what it refuses, and which file it names."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography import x509

from app.verifier import verify
from app.verifier.verify import Report, Result, Trusted
from tests.verifier import forge as forging
from tests.verifier.attacks import ATTACKS, INSIDE, ORIGINAL, Attack
from tests.verifier.conftest import Authority, make_authority
from tests.verifier.forge import TOP, Forge, fingerprint, rotated, write_folder, write_zip


def checked(forge: Forge, files: dict[str, bytes], folder: Path, **trusted: object) -> Report:
    """Verify the files as an unpacked bundle, with the right key."""
    bundle = write_folder(folder, files)
    held = Trusted(fingerprint=fingerprint(forge.bundle_key), **trusted)  # type: ignore[arg-type]  # as the test gives it.
    return verify.verify(bundle, held)


def named(report: Report, check: str = "") -> set[str]:
    """Return the files that are named, by one check or by any."""
    return {one.file for one in report.problems if check in {"", one.check}}


def test_a_right_bundle_is_valid_as_a_folder_and_as_a_zip(forge: Forge, tmp_path: Path) -> None:
    files = forge.bundle()
    assert checked(forge, files, tmp_path).result is Result.VALID
    packed = write_zip(tmp_path / "a.zip", forging.members(files))
    found = verify.verify(packed, Trusted(fingerprint=fingerprint(forge.bundle_key)))
    assert (found.result, found.problems) == (Result.VALID, [])


def test_a_story_that_begins_with_a_rebuilding_is_told_of(tmp_path: Path) -> None:
    forge = Forge(is_rebuilt=True)
    found = checked(forge, forge.bundle(), tmp_path)
    assert (found.result, found.problems) == (Result.VALID_WITH_WARNINGS, [])
    assert [one.split(" begins")[0] for one in found.warnings] == [
        f"the story of {about}" for about in (forging.RECORDING, forging.CLIPPED)
    ]


def test_days_that_an_earlier_key_of_the_log_signed_are_known_by_the_statement(
    tmp_path: Path,
) -> None:
    forge, earlier = rotated()
    assert checked(forge, earlier, tmp_path / "a").result is Result.VALID
    forge.earlier_log_keys = ()
    found = checked(forge, forge.seal(earlier), tmp_path / "b")
    assert named(found, "reconciliation") == {forging.DAY_NOTES[0]}


def test_without_a_key_nothing_can_be_said(forge: Forge, tmp_path: Path) -> None:
    bundle = write_folder(tmp_path, forge.bundle())
    assert verify.verify(bundle, Trusted()).result is Result.UNVERIFIABLE


def test_a_changed_bundle_is_invalid_without_a_key_too(forge: Forge, tmp_path: Path) -> None:
    bundle = write_folder(tmp_path, forge.bundle())
    (bundle / ORIGINAL).write_bytes(b"other")
    assert verify.verify(bundle, Trusted()).result is Result.INVALID


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
@pytest.mark.parametrize("is_zip", [False, True], ids=["folder", "zip"])
def test_an_attack_is_seen(forge: Forge, tmp_path: Path, attack: Attack, *, is_zip: bool) -> None:
    files = attack.do(forge, forge.bundle())
    if is_zip:
        packed = write_zip(tmp_path / "a.zip", forging.members(files))
        report = verify.verify(packed, Trusted(fingerprint=fingerprint(forge.bundle_key)))
    else:
        report = checked(forge, files, tmp_path)
    assert report.result is Result.INVALID
    assert attack.file in named(report, attack.check)


@pytest.mark.parametrize("attack", INSIDE, ids=lambda a: a.name)
def test_the_holder_of_the_key_cannot_do_this(forge: Forge, tmp_path: Path, attack: Attack) -> None:
    report = checked(forge, attack.do(forge, forge.bundle()), tmp_path)
    assert report.result is Result.INVALID
    assert any(attack.file in file for file in named(report, attack.check)), report.problems


def test_a_byte_more_in_any_file_is_seen_and_the_file_named(forge: Forge, tmp_path: Path) -> None:
    files = forge.bundle()
    bundle = write_folder(tmp_path, files)
    held = Trusted(fingerprint=fingerprint(forge.bundle_key))
    for path, content in files.items():
        (bundle / path).write_bytes(content + b"x")
        report = verify.verify(bundle, held)
        assert report.result is Result.INVALID, path
        assert path in named(report), (path, report.problems)
        (bundle / path).write_bytes(content)
    assert verify.verify(bundle, held).result is Result.VALID


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (f"{TOP}/../evil.txt", "name"),
        ("/etc/passwd", "outside"),
        ("evil.txt", "outside"),
        (f"{TOP}/data\\evil.txt", "name"),
        (f"{TOP}/data/../../evil.txt", "name"),
        (f"{TOP}/{ORIGINAL}", "twice"),
        (f"{TOP}/{ORIGINAL.upper()}", "case"),
        (f"{TOP}/data/имя.txt", "name"),
        (f"{TOP}/.hidden", "name"),
        ("other/evil.txt", "outside"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_that_leads_astray_is_refused(
    forge: Forge, tmp_path: Path, name: str, says: str
) -> None:
    members = [*forging.members(forge.bundle()), (name, b"evil")]
    report = verify.verify(write_zip(tmp_path / "a.zip", iter(members)), Trusted())
    assert report.result is Result.INVALID
    assert says in report.problems[0].what


def test_a_zip_with_other_bytes_around_it_is_refused(forge: Forge, tmp_path: Path) -> None:
    packed = write_zip(tmp_path / "a.zip", forging.members(forge.bundle()))
    whole = packed.read_bytes()
    for damaged in (whole + b"x", whole[:-30], whole[: len(whole) // 2]):
        packed.write_bytes(damaged)
        assert verify.verify(packed, Trusted()).result is Result.INVALID


def test_links_and_packed_bombs_are_refused(forge: Forge, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in forging.members(forge.bundle()):
            archive.writestr(zipfile.ZipInfo(name), content)
        link = zipfile.ZipInfo(f"{TOP}/metadata/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "link" in verify.verify(path, Trusted()).problems[0].what
    bundle = write_folder(tmp_path, forge.bundle())
    (bundle / "metadata" / "link").symlink_to("/etc/passwd")
    assert "link" in verify.verify(bundle, Trusted()).problems[0].what


def test_what_is_no_bundle_is_unverifiable(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "a.pdf", tmp_path / "empty"):
        assert verify.verify(path, Trusted(fingerprint="0" * 64)).result is Result.UNVERIFIABLE


@pytest.mark.parametrize("older", range(1, 12))
def test_the_log_is_shown_to_have_only_grown(tmp_path: Path, older: int) -> None:
    forge = Forge(older=older)
    held = forging.note(forge.origin, forge.leaves[:older], forge.log_key)
    report = checked(forge, forge.bundle(), tmp_path, older_checkpoint=held)
    assert (report.result, report.problems) == (Result.VALID, [])
    other = [*forge.leaves[: older - 1], b"something else"]
    held = forging.note(forge.origin, other, forge.log_key)
    report = checked(forge, forge.bundle(), tmp_path, older_checkpoint=held)
    assert report.result is Result.INVALID


def test_no_wrong_proof_of_growth_is_taken(tmp_path: Path) -> None:
    forge = Forge(older=6)
    files = forge.files()
    shown = json.loads(files["proof/consistency.json"])
    for hashes in (shown["hashes"][1:], shown["hashes"][:-1], [*shown["hashes"], "00" * 32]):
        changed = {**shown, "hashes": hashes}
        sealed = forge.seal(files | {"proof/consistency.json": forging.jcs(changed)})
        assert "proof/consistency.json" in named(checked(forge, sealed, tmp_path))


def stamped(authority: Authority) -> Forge:
    forge = Forge()
    forge.stamp = authority.stamp(forge.checkpoint())
    forge.tsa_pem = authority.root_pem
    return forge


@pytest.mark.parametrize("key", ["rsa:2048", "ec"])
def test_a_time_stamp_is_verified_down_to_a_root(tmp_path: Path, key: str) -> None:
    authority = make_authority(tmp_path / "authority", key=key)
    forge = stamped(authority)
    report = checked(forge, forge.bundle(), tmp_path)
    assert (report.result, report.problems) == (Result.VALID, [])
    assert "its root came with the bundle" in report.notes[0]
    roots = tuple(x509.load_pem_x509_certificates(authority.root_pem))
    report = checked(forge, forge.bundle(), tmp_path, tsa_roots=roots)
    assert report.result is Result.VALID
    assert "came with" not in report.notes[0]


def test_a_time_stamp_under_another_root_is_refused(tmp_path: Path, authority: Authority) -> None:
    forge = stamped(authority)
    other = make_authority(tmp_path / "other")
    roots = tuple(x509.load_pem_x509_certificates(other.root_pem))
    report = checked(forge, forge.bundle(), tmp_path, tsa_roots=roots)
    assert "proof/checkpoint.tsr" in named(report)


def test_a_time_stamp_of_something_else_is_refused(tmp_path: Path, authority: Authority) -> None:
    forge = stamped(authority)
    forge.stamp = authority.stamp(forge.checkpoint() + b"x")
    assert "proof/checkpoint.tsr" in named(checked(forge, forge.bundle(), tmp_path))


@pytest.mark.parametrize("usage", ["codeSigning", "timeStamping, codeSigning"])
def test_a_certificate_for_something_else_stamps_nothing(tmp_path: Path, usage: str) -> None:
    wrong = make_authority(tmp_path / "wrong", usage=usage)
    (signer,) = x509.load_pem_x509_certificates((wrong.folder / "signer.pem").read_bytes())
    root = x509.load_pem_x509_certificates(wrong.root_pem)
    with pytest.raises(ValueError, match="no authority for time stamps"):
        verify._root_of("a.tsr", signer, root, root, signer.not_valid_before_utc)


def test_a_root_that_only_the_time_stamp_brings_is_no_root(
    tmp_path: Path, authority: Authority
) -> None:
    forge = stamped(authority)
    forge.tsa_pem = make_authority(tmp_path / "other").root_pem
    assert "proof/checkpoint.tsr" in named(checked(forge, forge.bundle(), tmp_path))


def test_every_byte_of_a_time_stamp_counts(authority: Authority) -> None:
    forge = stamped(authority)
    assert forge.stamp is not None
    root = tuple(x509.load_pem_x509_certificates(authority.root_pem))
    checkpoint = forge.checkpoint()
    at, _ = verify.verify_stamp("a.tsr", forge.stamp, checkpoint, [], root)
    passed = 0
    for place in range(0, len(forge.stamp), 7):
        changed = bytearray(forge.stamp)
        changed[place] ^= 0x41
        try:
            found, _ = verify.verify_stamp("a.tsr", bytes(changed), checkpoint, [], root)
        except verify.Broken:
            continue
        assert found == at
        passed += 1
    # The root that came along is not what the stamp says; nothing else may pass.
    assert passed * 7 < len(authority.root_pem)


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own file, no shell.
        [sys.executable, "-I", verify.__file__, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_file_runs_alone_with_its_exit_status(forge: Forge, tmp_path: Path) -> None:
    bundle = write_folder(tmp_path, forge.bundle())
    key = fingerprint(forge.bundle_key)
    colons = ":".join(key[i : i + 2] for i in range(0, 64, 2)).upper()
    done = command(bundle, "--key", colons)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "VALID")
    done = command(bundle, "--json")
    assert (done.returncode, json.loads(done.stdout)["result"]) == (3, "UNVERIFIABLE")
    (bundle / ORIGINAL).write_bytes(b"x")
    done = command(bundle, "--key", key)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (2, "INVALID")
    assert ORIGINAL in done.stdout
    done = command(bundle, "--key", key, "--json")
    wrong = [check for check in json.loads(done.stdout)["checks"] if not check["ok"]]
    assert ORIGINAL in {problem["file"] for check in wrong for problem in check["problems"]}


@pytest.mark.parametrize("arguments", [(), ("nowhere",), (".", "--key", "12"), (".", "--what")])
def test_a_wrong_call_ends_with_64(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.count("\n") == 1


def test_the_command_runs_the_same_file(forge: Forge, tmp_path: Path) -> None:
    bundle = write_folder(tmp_path, forge.bundle())
    audiatur = Path(sys.executable).with_name("audiatur")
    call = [str(audiatur), "verify", str(bundle), "--key", fingerprint(forge.bundle_key)]
    done = subprocess.run(call, capture_output=True, encoding="utf-8", check=False)  # noqa: S603 - our own command, no shell.
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "VALID")
    done = subprocess.run(call[:2], capture_output=True, encoding="utf-8", check=False)  # noqa: S603 - our own command, no shell.
    assert done.returncode == 64
    assert done.stderr.startswith("audiatur verify: ")


@pytest.mark.parametrize("content", [b"5", b"[]", b'"x"', b"null", b'{"inputs_digest": []}'])
def test_json_of_another_shape_is_invalid_and_never_ends_the_program(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """A Python that breaks off ends with 1, and 1 is said of what is valid."""
    files = forge.bundle()
    told = [one for one in files if one.endswith((".json", ".jsonl")) and files[one] != content]
    assert len(told) > 5
    for path in told:
        bundle = write_folder(tmp_path / path.replace("/", "_"), forge.bundle() | {path: content})
        assert verify.main([str(bundle), "--key", fingerprint(forge.bundle_key)]) == 2, path
    assert "Traceback" not in capsys.readouterr().err


def test_what_nobody_has_foreseen_is_never_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Report:
        raise MemoryError

    monkeypatch.setattr(verify, "verify", broken)
    (tmp_path / "a.zip").write_bytes(b"PK")
    assert verify.main([str(tmp_path / "a.zip")]) == 3


def test_a_zip_of_a_later_version_is_invalid(forge: Forge, tmp_path: Path) -> None:
    packed = write_zip(tmp_path / "a.zip", forging.members(forge.bundle()))
    raw = bytearray(packed.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 6] = 116
    packed.write_bytes(raw)
    assert verify.main([str(packed), "--key", fingerprint(forge.bundle_key)]) == 2
