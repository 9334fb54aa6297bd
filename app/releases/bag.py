"""Write a bundle's files: a BagIt bag inside a zip, streamed, with its manifests and its statement.

Nothing is held in memory but digests and paths. The same files in the same order give the same
bytes.

Source: RFC 8493 (BagIt); in-toto Statement v1; DSSE 1.0; docs/bundle.md.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final, Protocol, cast

import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHMS: Final = ("sha256", "sha512")
BAGIT_TXT: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
PREDICATE_TYPE: Final = "https://audiatur.dev/evidence/v1"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16
_TEXT_ENDINGS: Final = (".txt", ".json", ".jsonl", ".jcs", ".html", ".md", ".hex", ".tlog-proof")
_STATED_TAGS: Final = ("VERIFY.en.md", "VERIFY.ru.md", "bag-info.txt", "bagit.txt")


class Sink(Protocol):
    """Where the zip goes, piece by piece; never sought in."""

    def write(self, piece: bytes, /) -> object: ...


class _Unseekable:
    """The sink as a file, of which the zip writer then asks nothing but to be written."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, piece: bytes, /) -> int:
        self._sink.write(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Do nothing: the sink keeps nothing back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """What is listed of a file."""

    sha256: str
    sha512: str
    size_bytes: int

    def by_algorithm(self) -> dict[str, str]:
        return {"sha256": self.sha256, "sha512": self.sha512}


class Bag:
    """A bag that is being written. Files go in once, under ASCII paths; `close` ends the zip."""

    def __init__(self, sink: Sink, top: str) -> None:
        self._zip = zipfile.ZipFile(cast("IO[bytes]", _Unseekable(sink)), "w")
        self._top = top
        self.listed: dict[str, Digests] = {}

    def add(self, path: str, content: bytes) -> Digests:
        """Write a small file."""
        return self.stream(path, [content], size_bytes=len(content))

    def stream(self, path: str, pieces: Iterable[bytes], *, size_bytes: int) -> Digests:
        """Write a file in pieces; return its digests.

        `size_bytes` is about how large it will be: a zip must know whether that is beyond 4 GiB.
        """
        if path in self.listed or not path.isascii():
            raise ValueError(f"{path} cannot be added to the bag.")
        sums = {name: hashlib.new(name) for name in ALGORITHMS}
        total = 0
        with self._zip.open(
            _member(f"{self._top}/{path}"), "w", force_zip64=_is_wide(size_bytes)
        ) as file:
            for piece in pieces:
                file.write(piece)
                total += len(piece)
                for one in sums.values():
                    one.update(piece)
        found = Digests(
            sha256=sums["sha256"].hexdigest(), sha512=sums["sha512"].hexdigest(), size_bytes=total
        )
        self.listed[path] = found
        return found

    def payload_oxum(self) -> str:
        """Return how many bytes and files the payload has. Source: RFC 8493, 2.2.2."""
        payload = [one for path, one in self.listed.items() if path.startswith("data/")]
        return f"{sum(one.size_bytes for one in payload)}.{len(payload)}"

    def write_manifests(self, kind: str) -> None:
        """Write both manifests of `kind`: "manifest" of data/, "tagmanifest" of everything else."""
        listed = {
            path: found.by_algorithm()
            for path, found in sorted(self.listed.items())
            if path.startswith("data/") == (kind == "manifest")
        }
        for name in ALGORITHMS:
            lines = [f"{digests[name]}  {path}\n" for path, digests in listed.items()]
            self.add(f"{kind}-{name}.txt", "".join(lines).encode())

    def subjects(self) -> list[dict[str, object]]:
        """Return what the statement is about: every file but proofs and tag manifests."""
        return [
            {"name": path, "digest": found.by_algorithm()}
            for path, found in sorted(self.listed.items())
            if path.startswith(("data/", "metadata/", "manifest-")) or path in _STATED_TAGS
        ]

    def write_statement(self, predicate: Mapping[str, object], key: Ed25519PrivateKey) -> None:
        """Sign what was written so far, and write the statement in all its forms."""
        statement = canonical(
            {
                "_type": STATEMENT_TYPE,
                "subject": self.subjects(),
                "predicateType": PREDICATE_TYPE,
                "predicate": dict(predicate),
            }
        )
        pae = pre_authentication_encoding(statement)
        signature = key.sign(pae)
        envelope = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(statement).decode(),
            "signatures": [
                {
                    "keyid": fingerprint(key.public_key()),
                    "sig": base64.b64encode(signature).decode(),
                }
            ],
        }
        self.add("proof/statement.json", statement)
        self.add("proof/statement.pae", pae)
        self.add("proof/statement.sig", signature)
        self.add("proof/statement.dsse.json", canonical(envelope))

    def abandon(self) -> None:
        """Write nothing more; do nothing where the zip is ended already.

        A zip that is thrown away would else write its directory into a sink that is over.
        """
        self._zip.fp = None

    def close(self) -> None:
        """Write the zip's directory; whoever reads it knows by it that nothing is cut off."""
        self._zip.close()


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.external_attr = _MODE
    info.compress_type = (
        zipfile.ZIP_DEFLATED if name.endswith(_TEXT_ENDINGS) else zipfile.ZIP_STORED
    )
    return info


def _is_wide(size_bytes: int) -> bool:
    return size_bytes > zipfile.ZIP64_LIMIT // 2


def canonical(value: object) -> bytes:
    """Return canonical JSON. Source: RFC 8785."""
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # the library's JSON type is private


def pre_authentication_encoding(payload: bytes) -> bytes:
    """Return the bytes that are signed. Source: DSSE 1.0, PAE."""
    return b"DSSEv1 %d %b %d %b" % (
        len(PAYLOAD_TYPE),
        PAYLOAD_TYPE.encode(),
        len(payload),
        payload,
    )


def base64_of(value: bytes) -> str:
    """Return `value` as base64."""
    return base64.b64encode(value).decode()


def key_id_of(signature: str) -> bytes:
    """Return the key's four bytes of a signature line of a note. Source: C2SP signed-note."""
    return base64.b64decode(signature)[:4]


def spki(key: Ed25519PublicKey) -> bytes:
    """Return the key as DER SubjectPublicKeyInfo."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the hex SHA-256 of the key's DER SubjectPublicKeyInfo, by which people know it."""
    return hashlib.sha256(spki(key)).hexdigest()


def pem(key: Ed25519PublicKey) -> bytes:
    """Return the key as PEM."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def write_log_proofs(
    bag: Bag, note: bytes, events: Sequence[tuple[int, bytes, Sequence[bytes]]]
) -> None:
    """Write the head of the log and, for each event (number, leaf, audit path), its proof.

    Source: C2SP tlog-checkpoint, tlog-proof.
    """
    body, _, signature = note.rpartition(b"\n\n")
    bag.add("proof/checkpoint", note)
    bag.add("proof/checkpoint.body", body + b"\n")
    bag.add("proof/checkpoint.sig", base64.b64decode(signature.split()[-1])[4:])
    for seq, leaf, path in events:
        lines = [base64.b64encode(one).decode() for one in path]
        proof = "\n".join(["c2sp.org/tlog-proof@v1", f"index {seq}", *lines, "", ""])
        bag.add(f"proof/events/{seq}.jcs", leaf)
        bag.add(f"proof/events/{seq}.path.hex", "".join(f"{p.hex()}\n" for p in path).encode())
        bag.add(f"proof/events/{seq}.tlog-proof", proof.encode() + note)
