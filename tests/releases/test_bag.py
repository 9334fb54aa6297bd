"""The writer of bundles, judged by the verifiers, by bagit and by another DSSE."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import bagit  # type: ignore[import-untyped]  # it has no types.
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # not by name.

from app.releases import bag as bags
from app.releases.bag import Bag
from app.verifier import verify
from app.verifier.verify import Result, Trusted
from tests.verifier.forge import TOP, Forge, audit_path


class Pieces:
    """A sink that can only be written to."""

    def __init__(self) -> None:
        self.whole = bytearray()
        self.largest = 0

    def write(self, piece: bytes, /) -> None:
        self.whole += piece
        self.largest = max(self.largest, len(piece))


def written(forge: Forge, sink: Pieces) -> None:
    """Write what the forge makes, by the archive's own writer."""
    files = forge.files()
    bag = Bag(sink, TOP)
    for path, content in files.items():
        if not path.startswith("proof/"):
            bag.add(path, content)
    bag.write_manifests("manifest")
    seqs = [
        int(path.split("/")[2][:-4]) for path in files if path.endswith(".jcs") and "proof" in path
    ]
    bags.write_log_proofs(
        bag,
        forge.checkpoint(),
        [(seq, forge.leaves[seq], audit_path(seq, forge.leaves)) for seq in seqs],
    )
    for path in ("keys/bundle.pub.pem", "keys/log.pub.pem", "keys/log.vkey", "consistency.json"):
        bag.add(f"proof/{path}", files[f"proof/{path}"])
    predicate = json.loads(forge.bundle()["proof/statement.json"])["predicate"]
    bag.write_statement(predicate, forge.bundle_key)
    bag.write_manifests("tagmanifest")
    bag.close()


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, Forge]:
    forge, sink = Forge(), Pieces()
    written(forge, sink)
    path = tmp_path / "bundle.zip"
    path.write_bytes(sink.whole)
    return path, forge


def test_what_is_written_is_valid(bundle: tuple[Path, Forge]) -> None:
    path, forge = bundle
    key = bags.fingerprint(forge.bundle_key.public_key())
    report = verify.verify(path, Trusted(fingerprint=key))
    assert (report.problems, report.result) == ([], Result.VALID)


def test_the_library_of_congress_finds_a_valid_bag(
    bundle: tuple[Path, Forge], tmp_path: Path
) -> None:
    with zipfile.ZipFile(bundle[0]) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "unpacked")
    found = bagit.Bag(str(tmp_path / "unpacked" / TOP))
    found.validate()
    (tmp_path / "unpacked" / TOP / "data" / "more.txt").write_bytes(b"x")
    with pytest.raises(bagit.BagValidationError):
        found.validate()


def test_another_implementation_of_dsse_takes_the_envelope(bundle: tuple[Path, Forge]) -> None:
    path, forge = bundle
    with zipfile.ZipFile(path) as archive:
        envelope = Envelope.from_dict(json.loads(archive.read(f"{TOP}/proof/statement.dsse.json")))
    keyid = bags.fingerprint(forge.bundle_key.public_key())
    key = SSlibKey.from_crypto(forge.bundle_key.public_key(), keyid=keyid)
    assert set(envelope.verify([key], 1)) == {keyid}
    other = SSlibKey.from_crypto(Ed25519PrivateKey.generate().public_key(), keyid=keyid)
    with pytest.raises(Exception, match="signature"):
        envelope.verify([other], 1)


def test_the_same_files_give_the_same_bytes() -> None:
    forge = Forge()
    first, second = Pieces(), Pieces()
    written(forge, first)
    written(forge, second)
    assert hashlib.sha256(first.whole).digest() == hashlib.sha256(second.whole).digest()


def test_a_large_file_goes_through_in_pieces() -> None:
    sink = Pieces()
    bag = Bag(sink, TOP)
    found = bag.stream("data/large.wav", (bytes(1 << 16) for _ in range(160)), size_bytes=10 << 20)
    assert found.size_bytes == 10 << 20
    assert sink.largest <= 1 << 17
    assert bag.payload_oxum() == f"{10 << 20}.1"


@pytest.mark.parametrize("path", ["data/имя.wav", "data/a.wav"])
def test_a_path_is_written_once_and_in_ascii(path: str) -> None:
    bag = Bag(Pieces(), TOP)
    bag.add("data/a.wav", b"")
    with pytest.raises(ValueError, match="cannot be added"):
        bag.add(path, b"")
