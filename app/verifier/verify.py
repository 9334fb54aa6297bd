"""Verify an evidence bundle of Audiatur, offline and without Audiatur.

    python3 verify.py BUNDLE --key FINGERPRINT [--since CHECKPOINT] [--tsa-root PEM] [--json]

One file on purpose: whoever doubts us reads it, or hands it to somebody who does. It needs Python
3.11 and the package `cryptography`, and neither a network nor a database. BUNDLE is the zip or the
folder that it was unpacked to. FINGERPRINT comes from outside the bundle: the contract's annex, a
printed letter, an older bundle. What is checked, and in which order, is told in docs/bundle.md.

The last line is the result; it is the exit status too: VALID 0, VALID_WITH_WARNINGS 1, INVALID 2,
UNVERIFIABLE 3 (all that could be checked is right, but no key was given, or this is no bundle at
all); 64 when it is called wrongly. VALID says that these bytes are those that the holder of the key
listed, and that the events are in his log. It does not say that what was spoken is true.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import stat
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, NamedTuple, TypeVar, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID

BAGIT_TXT: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://audiatur.dev/evidence/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
ALGORITHMS: Final = ("sha256", "sha512")
STATED_TAGS: Final = frozenset(
    {
        "bagit.txt",
        "bag-info.txt",
        "manifest-sha256.txt",
        "manifest-sha512.txt",
        "VERIFY.en.md",
        "VERIFY.ru.md",
    }
)
MANDATORY: Final = STATED_TAGS | {
    "metadata/completeness.json",
    "metadata/consent.json",
    "metadata/custody.jsonl",
    "metadata/passport.json",
    "proof/checkpoint",
    "proof/checkpoint.body",
    "proof/checkpoint.sig",
    "proof/consistency.json",
    "proof/keys/bundle.pub.pem",
    "proof/keys/log.pub.pem",
    "proof/keys/log.vkey",
    "proof/statement.dsse.json",
    "proof/statement.json",
    "proof/statement.pae",
    "proof/statement.sig",
    "tagmanifest-sha256.txt",
    "tagmanifest-sha512.txt",
}
MAX_FILES: Final = 200_000
MAX_TEXT_BYTES: Final = 256 << 20
MAX_BYTES: Final = 1 << 42
MAX_RATIO: Final = 1100  # Deflate makes nothing more than 1032 times smaller.
_PIECE_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LINE: Final = re.compile(r"([0-9a-f]+)  ([^\s].*)")
_HEX32: Final = re.compile(r"[0-9a-f]{64}")
_COMMITMENT_DOMAIN: Final = b"rec-commit/v1"
_T = TypeVar("_T")
PASSPORT: Final = "metadata/passport.json"
COMPLETENESS: Final = "metadata/completeness.json"
_EXHIBITS: Final = ("data/recordings/", "data/screenshots/")
_PAPERS: Final = "data/documents/"
_STATEMENTS: Final = "metadata/reconciliation/"
_RECIPE: Final = ".derivation.json"
_SIGNATURE_LINE: Final = re.compile("\u2014 ([^ +\n]+) ([A-Za-z0-9+/]+={0,2})".encode())
_DAY_STATEMENT: Final = re.compile(
    r"audiatur-reconciliation/v1\n"
    r"log (?P<log>[^\s+]+)\n"
    r"day (?P<day>\d{4}-\d{2}-\d{2})\n"
    r"since \S+\nuntil \S+\n"
    r"version (?P<version>[1-9][0-9]*)\n"
    r"supersedes (?:-|[0-9a-f]{64})\n"
    r"calls \d+\nanswered \d+\nrecordings \d+\nmatched \d+\ngaps \d+\nalarms \d+\n"
    r"missing_sha256 [0-9a-f]{64}\nstatement_sha256 [0-9a-f]{64}\n"
    r"entry [0-9a-f-]{36}\n",
    re.ASCII,
)
_FIRST_ACTS: Final = frozenset({"recording.ingested", "screenshot.ingested", "release.requested"})
# What a log that was lost with its database begins with again: honest, and less than a whole story.
_REBUILT: Final = "recording.rebuilt"


class Result(StrEnum):
    """What a verification says; never "authentic"."""

    VALID = "VALID"
    VALID_WITH_WARNINGS = "VALID_WITH_WARNINGS"
    INVALID = "INVALID"
    UNVERIFIABLE = "UNVERIFIABLE"


EXIT_CODES: Final = {result: code for code, result in enumerate(Result)}


class Problem(NamedTuple):
    """What is wrong, in which check and at which file."""

    check: str
    file: str
    what: str


class Broken(Exception):
    """Something in the bundle is not what it has to be. The texts: which file, and what."""

    def __init__(self, file: str, what: str) -> None:
        super().__init__(f"{file}: {what}")
        self.file, self.what = file, what


class NotABundle(Exception):
    """Something else than a bundle, of which nothing can be said."""


@dataclass(slots=True)
class Report:
    """What was found."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    is_key_given: bool = False
    is_bundle: bool = True

    @property
    def result(self) -> Result:
        if not self.is_bundle:
            return Result.UNVERIFIABLE
        if self.problems:
            return Result.INVALID
        if not self.is_key_given:
            return Result.UNVERIFIABLE
        return Result.VALID_WITH_WARNINGS if self.warnings else Result.VALID

    def as_json(self) -> dict[str, Any]:
        """Return the report as the `--json` of the command line prints it."""
        failed: dict[str, list[dict[str, str]]] = {}
        for check, file, what in self.problems:
            failed.setdefault(check, []).append({"file": file, "what": what})
        return {
            "result": self.result.value,
            "checks": [
                {"name": name, "ok": name not in failed, "problems": failed.get(name, [])}
                for name in self.checks
            ],
            "warnings": self.warnings,
            "notes": self.notes,
            **self.facts,
        }


@dataclass(frozen=True, slots=True)
class Trusted:
    """What the verifier brings from outside the bundle."""

    fingerprint: str | None = None
    older_checkpoint: bytes | None = None
    tsa_roots: tuple[x509.Certificate, ...] = ()


# --- the files of a bundle ------------------------------------------------------------------------


class Files:
    """The files of a bundle by their path inside the bag, from a zip or from a folder."""

    def __init__(self, openers: Mapping[str, Callable[[], IO[bytes]]], top: str) -> None:
        self._openers = openers
        self.top = top
        self.last = top  # Which was read last: what breaks a check is found there.

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._openers))

    def __contains__(self, path: str) -> bool:
        return path in self._openers

    def read(self, path: str) -> bytes:
        """Return the bytes of a small file.

        Raises:
            Broken: it is missing, damaged or larger than text ever is here.
        """
        with self._open(path) as file:
            content = _guarded(path, lambda: file.read(MAX_TEXT_BYTES + 1))
        if len(content) > MAX_TEXT_BYTES:
            raise Broken(path, "is larger than such a file can be")
        return content

    def digests(self, path: str) -> dict[str, str]:
        """Return the digests of a file by algorithm, in hex."""
        sums = {name: hashlib.new(name) for name in ALGORITHMS}
        with self._open(path) as file:
            while piece := _guarded(path, lambda: file.read(_PIECE_BYTES)):
                for total in sums.values():
                    total.update(piece)
        return {name: total.hexdigest() for name, total in sums.items()}

    def _open(self, path: str) -> IO[bytes]:
        self.last = path
        opener = self._openers.get(path)
        if opener is None:
            raise Broken(path, "is missing")
        return _guarded(path, opener)


def _guarded(path: str, read: Callable[[], _T]) -> _T:
    """Return what `read` returns; damage found while unpacking is the file's."""
    try:
        return read()
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as exc:
        raise Broken(path, f"cannot be read: {exc}") from exc


def open_bundle(path: Path) -> Files:
    """Return the files of a bundle.

    Raises:
        Broken: it is a bundle, but not formed as one has to be.
        NotABundle: it is something else.
    """
    if path.is_dir():
        return _open_folder(path)
    with path.open("rb") as file:
        if not file.read(4).startswith(b"PK\x03\x04"):
            raise NotABundle("this is neither a zip file nor a folder")
    return _open_zip(path)


def _open_folder(path: Path) -> Files:
    root = path
    if not (root / "bagit.txt").is_file():
        inner = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        if len(inner) != 1 or not (inner[0] / "bagit.txt").is_file():
            raise NotABundle("this folder holds no bundle: there is no bagit.txt")
        root = inner[0]
    openers: dict[str, Callable[[], IO[bytes]]] = {}
    seen: set[str] = set()
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            entry = Path(folder, name)
            inside = entry.relative_to(root).as_posix()
            mode = entry.lstat().st_mode
            if stat.S_ISDIR(mode):
                continue
            if not stat.S_ISREG(mode):
                raise Broken(inside, "is a link or a special file")
            openers[_named(inside, seen)] = _opener_of(entry)
    return Files(openers, root.resolve().name)


def _opener_of(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _open_zip(path: Path) -> Files:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise Broken(path.name, f"the zip file is damaged or cut off: {exc}") from exc
    infos = archive.infolist()
    _check_edges(path, archive, infos)
    openers: dict[str, Callable[[], IO[bytes]]] = {}
    seen: set[str] = set()
    top = ""
    for info in infos:
        first, _, inside = info.orig_filename.partition("/")
        top = top or first
        if first != top or not inside:
            raise Broken(info.orig_filename, "lies outside the one folder of the bundle")
        if info.orig_filename != info.filename:
            raise Broken(info.orig_filename, "has a name that cannot be trusted")
        _check_member(info)
        openers[_named(inside, seen)] = _member_of(archive, info)
    if not _NAME.fullmatch(top):
        raise Broken(top, "is no name of a bundle's folder")
    return Files(openers, top)


def _check_edges(path: Path, archive: zipfile.ZipFile, infos: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse what stands before the first member or after the directory: nobody has signed it."""
    with path.open("rb") as file:
        file.seek(-22, os.SEEK_END)
        is_end_bare = file.read(4) == b"PK\x05\x06"
    if archive.comment or not is_end_bare or not infos or min(i.header_offset for i in infos):
        raise Broken(path.name, "the zip file holds bytes besides its members")
    if len(infos) > MAX_FILES or sum(i.file_size for i in infos) > MAX_BYTES:
        raise Broken(path.name, "the zip file holds more than a bundle can")


def _check_member(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 0x1:
        raise Broken(info.filename, "is encrypted")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise Broken(info.filename, "is packed in a way that a bundle does not use")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        raise Broken(info.filename, "is a link or a special file")
    if info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise Broken(info.filename, "claims to be larger than it can be")


def _member_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(info)


def _named(inside: str, seen: set[str]) -> str:
    """Return the path if it may stand beside those that were `seen`, in lower case, before."""
    parts = PurePosixPath(inside).parts
    if "/".join(parts) != inside or not all(_NAME.fullmatch(part) for part in parts):
        raise Broken(inside, "has a name that a bundle does not use")
    if inside.lower() in seen:
        raise Broken(inside, "is there twice, or differs from another in case alone")
    seen.add(inside.lower())
    return inside


# What Python says of JSON that has another shape than a check expects. Nothing of it may end this
# program: the exit status of a Python that breaks off is 1, which here means something else.
_OF_ANOTHER_SHAPE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

# --- small readers --------------------------------------------------------------------------------


def read_json(files: Files, path: str) -> Any:  # noqa: ANN401 - it is what the file holds.
    """Return what a JSON file holds; a key that is there twice is refused."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Broken(path, "names the same key twice")
        return found

    try:
        return json.loads(files.read(path).decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as exc:
        raise Broken(path, f"is no JSON: {exc}") from exc


def read_key(files: Files, path: str) -> tuple[Ed25519PublicKey, str]:
    """Return an Ed25519 key, and the hex SHA-256 of its DER SubjectPublicKeyInfo."""
    try:
        key = serialization.load_pem_public_key(files.read(path))
    except (ValueError, TypeError) as exc:
        raise Broken(path, "holds no public key") from exc
    if not isinstance(key, Ed25519PublicKey):
        raise Broken(path, "holds a key of another kind than Ed25519")
    spki = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return key, hashlib.sha256(spki).hexdigest()


def unbase64(file: str, text: object) -> bytes:
    """Return what a base64 text says."""
    try:
        return base64.b64decode(cast("str", text), validate=True)
    except (binascii.Error, ValueError, TypeError) as exc:
        raise Broken(file, "holds bad base64") from exc


def unhex(file: str, text: object) -> bytes:
    """Return what a hexadecimal text says."""
    try:
        return bytes.fromhex(cast("str", text))
    except (ValueError, TypeError) as exc:
        raise Broken(file, "holds bad hexadecimal digits") from exc


def part(file: str, holder: object, *keys: str, kind: type = object) -> Any:  # noqa: ANN401
    """Return a part of what a JSON file holds, by the keys on the way to it."""
    for key in keys:
        if not isinstance(holder, dict) or key not in holder:
            raise Broken(file, f"lacks {'.'.join(keys)}")
        holder = holder[key]
    if not isinstance(holder, kind) or (kind is int and isinstance(holder, bool)):
        raise Broken(file, f"has another kind of {'.'.join(keys)} than it must")
    return holder


# --- the log --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head of the log. Source: C2SP tlog-checkpoint."""

    body: bytes
    origin: str
    size: int
    root: bytes
    signer: str
    key_id: bytes
    signature: bytes


def parse_checkpoint(file: str, note: bytes) -> Checkpoint:
    """Return a checkpoint with exactly one signature, which is not verified yet.

    Source: C2SP signed-note, tlog-checkpoint.
    """
    head, _, tail = note.rpartition(b"\n\n")
    found = re.fullmatch("\u2014 ([^ +\n]+) ([A-Za-z0-9+/]+={0,2})\n".encode(), tail)
    lines = head.split(b"\n")
    if found is None or len(lines) != 3 or not re.fullmatch(rb"0|[1-9][0-9]{0,18}", lines[1]):  # noqa: PLR2004 - origin, size, root.
        raise Broken(file, "is no checkpoint with one signature")
    packed = unbase64(file, found[2].decode())
    root = unbase64(file, lines[2].decode("ascii", "replace"))
    if len(packed) != 4 + 64 or len(root) != hashlib.sha256().digest_size:
        raise Broken(file, "is no checkpoint with one signature")
    return Checkpoint(
        body=head + b"\n",
        origin=lines[0].decode("utf-8", "replace"),
        size=int(lines[1]),
        root=root,
        signer=found[1].decode("utf-8", "replace"),
        key_id=packed[:4],
        signature=packed[4:],
    )


def leaf_hash(leaf: bytes) -> bytes:
    """Source: RFC 9162, 2.1.1."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Source: RFC 9162, 2.1.1."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaf: bytes, index: int, size: int, path: Iterable[bytes]) -> bytes | None:
    """Return the root that an audit path leads to; None if it has a wrong length.

    Source: RFC 9162, 2.1.3.2.
    """
    if index >= size:
        return None
    at, last, found = index, size - 1, leaf_hash(leaf)
    for other in path:
        if not last:
            return None
        if at & 1 or at == last:
            found = node_hash(other, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, other)
        at, last = at >> 1, last >> 1
    return found if not last else None


def is_consistent(older: Checkpoint, newer: Checkpoint, path: Sequence[bytes]) -> bool:
    """Say whether the newer log begins with the older one. Source: RFC 9162, 2.1.4.2."""
    if older.size > newer.size:
        return False
    if older.size in {0, newer.size}:
        return not path and (not older.size or older.root == newer.root)
    rest = list(path)
    if older.size & (older.size - 1) == 0:
        rest.insert(0, older.root)
    if not rest:
        return False
    at, last = older.size - 1, newer.size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = rest[0]
    for other in rest[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            first, second = node_hash(other, first), node_hash(other, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, other)
        at, last = at >> 1, last >> 1
    return not last and (first, second) == (older.root, newer.root)


# --- the checks, in their order -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the log that the bundle shows."""

    seq: int
    act: str
    about: tuple[str, str]
    previous: int | None
    leaf: bytes
    commitments: Mapping[str, Any]
    opened: Mapping[str, Opened]


class Opened(NamedTuple):
    """A detail of an event that is shown, and the salt of its commitment."""

    salt: bytes
    value: bytes


@dataclass(slots=True)
class Verification:
    """One verification: what later checks need of earlier ones."""

    files: Files
    trusted: Trusted
    report: Report
    digests: dict[str, dict[str, str]] = field(default_factory=dict)
    statement: Any = None
    predicate: Any = None
    log_key: Ed25519PublicKey | None = None
    checkpoint: Checkpoint | None = None
    events: dict[int, Event] = field(default_factory=dict)
    contents: dict[str, set[str]] = field(default_factory=dict)
    """What the log says was received of each thing: digests by its id."""

    def run(self) -> None:
        """Do the checks. One that fails does not stop those that do not need it."""
        for name, check in (
            ("form", self.check_form),
            ("bag", self.check_bag),
            ("digests", self.check_digests),
            ("statement-signature", self.check_signature),
            ("statement", self.check_statement),
            ("checkpoint", self.check_checkpoint),
            ("inclusion", self.check_inclusion),
            ("chain", self.check_chain),
            ("commitments", self.check_commitments),
            ("decision", self.check_decision),
            ("passport", self.check_passports),
            ("completeness", self.check_completeness),
            ("reconciliation", self.check_reconciliation),
            ("consistency", self.check_consistency),
            ("timestamp", self.check_timestamps),
        ):
            self.report.checks.append(name)
            try:
                for broken in check():
                    self.report.problems.append(Problem(name, broken.file, broken.what))
            except Broken as exc:
                self.report.problems.append(Problem(name, exc.file, exc.what))
            except _OF_ANOTHER_SHAPE:
                what = "is not formed as such a file of a bundle is"
                self.report.problems.append(Problem(name, self.files.last, what))

    def check_form(self) -> Iterator[Broken]:
        for path in sorted(MANDATORY - set(self.files)):
            yield Broken(path, "is missing")
        self.report.facts["bundle"] = self.files.top
        self.report.facts["files"] = sum(1 for _ in self.files)

    def check_bag(self) -> Iterator[Broken]:
        if self.files.read("bagit.txt") != BAGIT_TXT:
            yield Broken("bagit.txt", "is not that of a bundle")
        payload = {path for path in self.files if path.startswith("data/")}
        tags = set(self.files) - payload - {f"tagmanifest-{name}.txt" for name in ALGORITHMS}
        for kind, wanted in (("manifest", payload), ("tagmanifest", tags)):
            for name in ALGORITHMS:
                path = f"{kind}-{name}.txt"
                listed = self.listed(path, hashlib.new(name).digest_size * 2)
                for missing in sorted(set(listed) - wanted):
                    yield Broken(missing, f"is missing, though {path} lists it")
                for extra in sorted(wanted - set(listed)):
                    yield Broken(extra, f"is not listed by {path}")

    def listed(self, path: str, digits: int) -> dict[str, str]:
        """Return the digests that a manifest lists, by path."""
        text = self.files.read(path)
        found: dict[str, str] = {}
        if not text.endswith(b"\n") or not text.isascii():
            raise Broken(path, "is damaged at its end, or holds other than ASCII")
        for line in text.decode("ascii").split("\n")[:-1]:
            match = _LINE.fullmatch(line)
            if match is None or len(match[1]) != digits or match[2] in found:
                raise Broken(path, f"has a bad line: {line[:80]!r}")
            found[match[2]] = match[1]
        return found

    def check_digests(self) -> Iterator[Broken]:
        self.digests.update((path, self.files.digests(path)) for path in self.files)
        for kind in ("manifest", "tagmanifest"):
            for name in ALGORITHMS:
                path = f"{kind}-{name}.txt"
                for file, digest in self.listed(path, hashlib.new(name).digest_size * 2).items():
                    if file in self.digests and self.digests[file][name] != digest:
                        yield Broken(file, f"was changed: it has another {name} than {path} says")

    def check_signature(self) -> Iterator[Broken]:
        statement = self.files.read("proof/statement.json")
        key, fingerprint = read_key(self.files, "proof/keys/bundle.pub.pem")
        self.report.facts["key"] = fingerprint
        if self.trusted.fingerprint not in {None, fingerprint}:
            yield Broken("proof/keys/bundle.pub.pem", f"is another key: {fingerprint}")
        pae = b"DSSEv1 %d %b %d %b" % (
            len(PAYLOAD_TYPE),
            PAYLOAD_TYPE.encode(),
            len(statement),
            statement,
        )
        if self.files.read("proof/statement.pae") != pae:
            yield Broken("proof/statement.pae", "is not the statement as it is signed")
        signature = self.files.read("proof/statement.sig")
        try:
            key.verify(signature, pae)
        except InvalidSignature:
            yield Broken("proof/statement.sig", "is no signature of the statement by this key")
        envelope = read_json(self.files, "proof/statement.dsse.json")
        name = "proof/statement.dsse.json"
        signatures = part(name, envelope, "signatures", kind=list)
        if (
            part(name, envelope, "payloadType") != PAYLOAD_TYPE
            or unbase64(name, part(name, envelope, "payload")) != statement
            or [unbase64(name, part(name, one, "sig")) for one in signatures] != [signature]
        ):
            yield Broken(name, "is not the envelope of this statement and this one signature")

    def check_statement(self) -> Iterator[Broken]:
        name = "proof/statement.json"
        stated = read_json(self.files, name)
        if (
            part(name, stated, "_type") != STATEMENT_TYPE
            or part(name, stated, "predicateType") != PREDICATE_TYPE
        ):
            yield Broken(name, "is a statement of another kind")
        self.predicate = part(name, stated, "predicate", kind=dict)
        self.report.facts["release"] = part(name, self.predicate, "release", kind=str)
        self.report.facts["created_at"] = part(name, self.predicate, "created_at", kind=str)
        subjects: dict[str, Any] = {}
        for subject in part(name, stated, "subject", kind=list):
            path = part(name, subject, "name", kind=str)
            if path in subjects:
                yield Broken(path, "is stated twice")
            subjects[path] = part(name, subject, "digest", kind=dict)
        wanted = {p for p in self.files if p.startswith(("data/", "metadata/"))} | STATED_TAGS
        for path in sorted(wanted ^ set(subjects)):
            yield Broken(path, "is stated but missing" if path in subjects else "is not stated")
        for path in sorted(wanted & set(subjects)):
            if path in self.digests and subjects[path] != self.digests[path]:
                yield Broken(path, "was changed: the signed statement has other digests")

    def check_checkpoint(self) -> Iterator[Broken]:
        stated, name = self._predicate(), "proof/statement.json"
        path = "proof/checkpoint"
        note = self.files.read(path)
        self.checkpoint = parse_checkpoint(path, note)
        self.log_key, fingerprint = read_key(self.files, "proof/keys/log.pub.pem")
        if fingerprint != part(name, stated, "log_key_spki_sha256"):
            yield Broken("proof/keys/log.pub.pem", "is another key than the statement names")
        if self.files.read("proof/keys/log.vkey").decode("utf-8", "replace").strip() != part(
            name, stated, "log_vkey"
        ):
            yield Broken("proof/keys/log.vkey", "is another key than the statement names")
        if hashlib.sha256(note).hexdigest() != part(name, stated, "checkpoint_sha256"):
            yield Broken(path, "is another one than the statement names")
        if self.checkpoint.origin != part(name, stated, "origin"):
            yield Broken(path, "is of another log than the statement names")
        if self.files.read("proof/checkpoint.body") != self.checkpoint.body:
            yield Broken("proof/checkpoint.body", "is not the text of the checkpoint")
        if self.files.read("proof/checkpoint.sig") != self.checkpoint.signature:
            yield Broken("proof/checkpoint.sig", "is not the signature of the checkpoint")
        yield from _note_problems(path, self.checkpoint, self.log_key)
        self.report.facts["log"] = {"origin": self.checkpoint.origin, "size": self.checkpoint.size}

    def check_inclusion(self) -> Iterator[Broken]:
        self._read_events()
        head = self._checkpoint()
        stated = part("proof/statement.json", self._predicate(), "events", kind=list)
        listed = {part("proof/statement.json", one, "seq", kind=int): one for one in stated}
        if {seq: event.act for seq, event in self.events.items()} != {
            seq: one.get("act") for seq, one in listed.items()
        } or len(listed) != len(stated):
            yield Broken("metadata/custody.jsonl", "shows other events than the statement names")
        endings = (".jcs", ".path.hex", ".tlog-proof")
        wanted = {f"proof/events/{seq}{end}" for seq in self.events for end in endings}
        shown = {path for path in self.files if path.startswith("proof/events/")}
        for path in sorted(wanted ^ shown):
            yield Broken(path, "is missing" if path in wanted else "is of no event that is shown")
        for event in self.events.values():
            yield from self._inclusion_problems(event, head)
        self.report.facts["events"] = len(self.events)

    def _inclusion_problems(self, event: Event, head: Checkpoint) -> Iterator[Broken]:
        base = f"proof/events/{event.seq}"
        if self.files.read(f"{base}.jcs") != event.leaf:
            yield Broken(f"{base}.jcs", "is not the event that metadata/custody.jsonl shows")
        text = self.files.read(f"{base}.path.hex")
        lines = text.decode("ascii", "replace").split("\n")
        if lines.pop() or not all(_HEX32.fullmatch(line) for line in lines):
            raise Broken(f"{base}.path.hex", "is no audit path")
        path = [bytes.fromhex(line) for line in lines]
        if root_of(event.leaf, event.seq, head.size, path) != head.root:
            yield Broken(f"{base}.path.hex", "does not lead to the checkpoint: not in this log")
        proof = [
            "c2sp.org/tlog-proof@v1",
            f"index {event.seq}",
            *(base64.b64encode(one).decode() for one in path),
            "",
        ]
        if self.files.read(f"{base}.tlog-proof") != "\n".join(
            [*proof, ""]
        ).encode() + self.files.read("proof/checkpoint"):
            yield Broken(f"{base}.tlog-proof", "is not the proof of this event")

    def _read_events(self) -> None:
        name = "metadata/custody.jsonl"
        text = self.files.read(name)
        if not text.endswith(b"\n"):
            raise Broken(name, "is cut off")
        for line in text.split(b"\n")[:-1]:
            try:
                row = json.loads(line)
                leaf = part(name, row, "leaf", kind=str)
                said = json.loads(leaf)
            except (ValueError, RecursionError) as exc:
                raise Broken(name, f"is no JSON: {exc}") from exc
            event = Event(
                seq=part(name, said, "seq", kind=int),
                act=part(name, said, "type", kind=str),
                about=(
                    part(name, said, "object", "kind", kind=str),
                    part(name, said, "object", "id", kind=str),
                ),
                previous=part(name, said, "object", "prev"),
                leaf=leaf.encode(),
                commitments=part(name, said, "c", kind=dict),
                opened=_opened(name, row, part(name, said, "c", kind=dict)),
            )
            if part(name, row, "seq") != event.seq or event.seq in self.events:
                raise Broken(name, f"shows event {event.seq} in a wrong place")
            self.events[event.seq] = event

    def check_chain(self) -> Iterator[Broken]:
        name = "metadata/custody.jsonl"
        last: dict[tuple[str, str], Event] = {}
        made: Event | None = None
        for seq in sorted(self.events):
            event = self.events[seq]
            before = last.get(event.about)
            if made is not None:
                yield Broken(name, f"event {seq} is later than the making of the bundle")
            if event.previous != (before.seq if before else None):
                yield Broken(name, f"an event of {event.about[1]} is missing before event {seq}")
            if before is None and event.act == _REBUILT:
                self.report.warnings.append(
                    f"the story of {event.about[1]} begins with a rebuilding from the store: the"
                    " log before it was lost, and nothing tells when and how it was received"
                )
            elif before is None and event.act not in _FIRST_ACTS:
                yield Broken(name, f"event {seq} begins the story of {event.about[1]} amid it")
            if event.act == "bundle.created":
                made = event
            last[event.about] = event
        if made is None:
            yield Broken(name, "does not tell of the making of the bundle")

    def check_commitments(self) -> Iterator[Broken]:
        name = "metadata/custody.jsonl"
        for event in self.events.values():
            for label, shown in event.opened.items():
                if unbase64(name, event.commitments.get(label)) != _commitment(label, shown):
                    yield Broken(name, f"event {event.seq} does not commit to the {label} shown")
                if label == "content":
                    self.contents.setdefault(event.about[1], set()).add(shown.value.hex())
        for path in self.files:
            if path.startswith(_EXHIBITS):
                yield from self._origin_problems(path)

    def _origin_problems(self, path: str) -> Iterator[Broken]:
        """Yield what is wrong with where an exhibit comes from."""
        if path.endswith(_RECIPE):
            return
        known = self.contents.get(_about(path), set())
        recipe = _recipe_of(path)
        own = self._sum(path)
        if recipe not in self.files:
            if own not in known:
                yield Broken(path, "is not what the log says was received")
            return
        derivation = read_json(self.files, recipe)
        sources = part(recipe, derivation, "sources", kind=list)
        if not sources or {part(recipe, one, "sha256") for one in sources} - known:
            yield Broken(recipe, "names a source that the log does not say was received")
        if part(recipe, derivation, "output", "sha256") != own:
            yield Broken(path, f"is not what {recipe} says was made")

    def check_decision(self) -> Iterator[Broken]:
        folder, policies = "metadata/decisions/", "metadata/policies/"
        for path in self.files:
            if path.startswith(policies) and path != f"{policies}{self._sum(path)}.json":
                yield Broken(path, "is another policy than its name says")
        decided = set()
        for path in self.files:
            if not path.startswith(folder) or not path.endswith(".json"):
                continue
            decision = read_json(self.files, path)
            kind = "screenshot" if "screenshot" in decision else "recording"
            decided.add(part(path, decision, kind, kind=str))
            inputs = f"{path.removesuffix('.json')}.inputs.jcs"
            if self._sum(inputs) != part(path, decision, "inputs_digest"):
                yield Broken(inputs, "is not what was decided on")
            policy = f"{policies}{part(path, decision, 'policy_sha256')}.json"
            if policy not in self.files:
                yield Broken(policy, "is missing")
            if part(path, decision, "outcome") != "ALLOW":
                yield Broken(path, "is a decision that does not allow")
        for one in sorted(self._shown(*_EXHIBITS) - decided):
            yield Broken(f"{folder}{one}", "is missing")

    def check_passports(self) -> Iterator[Broken]:
        """Compare each passport with the files that it tells of."""
        told: set[str] = set()
        papers: set[str] = set()
        for passport in _rows(PASSPORT, read_json(self.files, PASSPORT)):
            kind = "screenshot" if "screenshot" in passport else "recording"
            about = part(PASSPORT, passport, kind, kind=str)
            if about in told:
                yield Broken(PASSPORT, f"tells of {about} twice")
            told.add(about)
            yield from self._exhibit_problems(about, passport)
            for paper in _documents(passport):
                path = part(PASSPORT, paper, "inside", kind=str)
                papers.add(path)
                if path not in self.files:
                    yield Broken(path, f"is missing, though {PASSPORT} names it")
                elif part(PASSPORT, paper, "sha256") != self._sum(path):
                    yield Broken(path, f"is not what {PASSPORT} says it is")
        shown = self._shown(*_EXHIBITS)
        for about in sorted(shown ^ told):
            what = "tells nothing of" if about in shown else "tells of what is not inside:"
            yield Broken(PASSPORT, f"{what} {about}")
        inside = {path for path in self.files if path.startswith(_PAPERS)}
        for path in sorted(inside - papers):
            yield Broken(path, f"is not named by {PASSPORT}")

    def _exhibit_problems(self, about: str, passport: object) -> Iterator[Broken]:
        """Yield what a passport says of received files, and of recipes, that is not so."""
        received: dict[str, dict[str, Any]] = {}
        for one in _rows(PASSPORT, part(PASSPORT, passport, "files")):
            received[part(PASSPORT, one, "sha256", kind=str)] = one
        if not received or set(received) - self.contents.get(about, set()):
            yield Broken(PASSPORT, f"names a file of {about} that the log does not say came in")
        recipes = set()
        for path in self.files:
            if not path.startswith(_EXHIBITS) or _about(path) != about:
                continue
            if path.endswith(_RECIPE):
                recipes.add(path)
            elif _recipe_of(path) not in self.files:
                one = received.get(self._sum(path), {})
                sha512 = one.get("sha512")
                is_other = isinstance(sha512, str) and sha512 != self.digests[path]["sha512"]
                if not one or is_other:
                    yield Broken(path, f"is not what {PASSPORT} says was received")
        named = part(PASSPORT, passport, "transformations")
        for path in sorted(recipes ^ set(map(str, named if isinstance(named, list) else ()))):
            yield Broken(path, f"and what {PASSPORT} names as a transformation differ")

    def check_completeness(self) -> Iterator[Broken]:
        """Compare the list of calls with what is inside, and with its own counts."""
        told = read_json(self.files, COMPLETENESS)
        included: set[str] = set()
        inside = {sums["sha256"] for path, sums in self.digests.items() if path.startswith("data/")}
        for one in _rows(COMPLETENESS, part(COMPLETENESS, told, "included")):
            about = part(COMPLETENESS, one, "recording", kind=str)
            if about in included:
                yield Broken(COMPLETENESS, f"names {about} twice")
            included.add(about)
            files = _digests(one)
            inside |= files
            if files != self.contents.get(about, set()):
                yield Broken(
                    COMPLETENESS, f"names other files of {about} than the log says were received"
                )
        shown = self._shown("data/recordings/")
        for about in sorted(shown ^ included):
            what = "does not name what is inside" if about in shown else "names what is not inside"
            yield Broken(COMPLETENESS, f"{what}: {about}")
        reasons: dict[str, dict[str, int]] = {}
        seen: set[str] = set()
        for kind in ("withheld", "lost"):
            counted = reasons.setdefault(kind, {})
            for one in _rows(COMPLETENESS, part(COMPLETENESS, told, kind)):
                reason = part(COMPLETENESS, one, "reason", kind=str)
                counted[reason] = counted.get(reason, 0) + 1
                files = _digests(one)
                for digest in sorted(files & (inside | seen)):
                    where = "is inside" if digest in inside else "it has named before"
                    yield Broken(COMPLETENESS, f"names as {kind} what {where}: {digest}")
                seen |= files
        counts = part(COMPLETENESS, told, "counts", kind=dict)
        for kind, wanted in ({"included": len(included)} | reasons).items():
            if counts.get(kind) != wanted:
                yield Broken(COMPLETENESS, f"counts other calls as {kind} than it names")

    def check_reconciliation(self) -> Iterator[Broken]:
        """Open the signed statement of each day, and compare it with the days that are named."""
        keys = self._log_keys()
        told = read_json(self.files, COMPLETENESS)
        named: set[str] = set()
        for one in part(COMPLETENESS, told, "compared_with_calls_made", "days", kind=list):
            path = part(COMPLETENESS, one, "note", kind=str)
            day = part(COMPLETENESS, one, "day", kind=str)
            version = part(COMPLETENESS, one, "version", kind=int)
            if path in named or path != f"{_STATEMENTS}{day}.{version}.note":
                yield Broken(COMPLETENESS, f"names {path} for {day}, version {version}")
            named.add(path)
        for path in sorted(p for p in self.files if p.startswith(_STATEMENTS)):
            if path not in named:
                yield Broken(path, f"is not named by {COMPLETENESS}")
            yield from self._day_problems(path, keys)
        for path in sorted(named - set(self.files)):
            yield Broken(path, f"is missing, though {COMPLETENESS} names it")

    def _log_keys(self) -> dict[tuple[str, bytes], Ed25519PublicKey]:
        """Return the keys of the log that the statement names, by name and id."""
        name, stated = "proof/statement.json", self._predicate()
        texts = [part(name, stated, "log_vkey", kind=str)]
        if "earlier_log_vkeys" in stated:
            texts += part(name, stated, "earlier_log_vkeys", kind=list)
        found = {}
        for text in texts:
            words = str(text).split("+", 2)
            raw = unbase64(name, words[-1])
            if len(words) != 3 or len(raw) != 1 + 32 or raw[0] != 1:  # noqa: PLR2004 - NAME+ID+KEY.
                raise Broken(name, "names a key of the log that is none")
            key_id = hashlib.sha256(words[0].encode() + b"\n" + raw).digest()[:4]
            found[words[0], key_id] = Ed25519PublicKey.from_public_bytes(raw[1:])
        return found

    def _day_problems(
        self, path: str, keys: Mapping[tuple[str, bytes], Ed25519PublicKey]
    ) -> Iterator[Broken]:
        """Yield what is wrong with the signed statement of a day."""
        note = self.files.read(path)
        body, _, lines = note.rpartition(b"\n\n")
        body += b"\n"
        is_signed = False
        for line in lines.split(b"\n"):
            found = _SIGNATURE_LINE.fullmatch(line)
            if found is None:
                continue
            packed = unbase64(path, found[2].decode())
            key = keys.get((found[1].decode("utf-8", "replace"), packed[:4]))
            if key is None:
                continue  # Another may sign too; it proves nothing here.
            try:
                key.verify(packed[4:], body)
            except InvalidSignature:
                yield Broken(path, "was changed: the signature of the log is of another text")
                return
            is_signed = True
        if not is_signed:
            yield Broken(path, "is not signed by a key of the log")
        said = _DAY_STATEMENT.fullmatch(body.decode("utf-8", "replace"))
        if said is None:
            yield Broken(path, "is no statement of a day")
        elif said["log"] != part("proof/statement.json", self._predicate(), "origin"):
            yield Broken(path, "is of another log than the statement names")
        elif path != f"{_STATEMENTS}{said['day']}.{said['version']}.note":
            yield Broken(path, f"is of {said['day']}, version {said['version']}")

    def _shown(self, *folders: str) -> set[str]:
        """Return the ids of what the exhibits in these folders are of."""
        return {_about(path) for path in self.files if path.startswith(folders)}

    def _sum(self, path: str) -> str:
        return self.digests.get(path, {}).get("sha256", "")

    def check_consistency(self) -> Iterator[Broken]:
        name = "proof/consistency.json"
        shown = read_json(self.files, name)
        head = self._checkpoint()
        path = [unhex(name, one) for one in shown.get("hashes", [])]
        start = part(name, shown, "from")
        older = None
        if start is not None:
            older = Checkpoint(
                body=b"",
                origin=head.origin,
                size=part(name, start, "size", kind=int),
                root=unbase64(name, part(name, start, "root", kind=str)),
                signer="",
                key_id=b"",
                signature=b"",
            )
            if not is_consistent(older, head, path):
                yield Broken(name, "does not prove that the log only grew")
        if self.trusted.older_checkpoint is not None:
            yield from self._older_problems(older, head)

    def _older_problems(self, older: Checkpoint | None, head: Checkpoint) -> Iterator[Broken]:
        held = parse_checkpoint("the older checkpoint", self.trusted.older_checkpoint or b"")
        if self.log_key is not None:
            yield from _note_problems("the older checkpoint", held, self.log_key)
        if older is not None and (older.size, older.root) == (held.size, held.root):
            self.report.notes.append(f"the log only grew since its {held.size} events")
        elif is_consistent(held, head, []):
            self.report.notes.append("the checkpoint is the one held")
        elif held.size >= head.size or (older is not None and older.size == held.size):
            yield Broken("proof/checkpoint", "is not of the log of the older checkpoint")
        else:
            self.report.warnings.append("the bundle holds no proof from the older checkpoint on")

    def check_timestamps(self) -> Iterator[Broken]:
        said = part("proof/statement.json", self._predicate(), "timestamp")
        stamps = [p for p in self.files if re.fullmatch(r"proof/checkpoint(-\d+)?\.tsr", p)]
        if said == "pending" and not stamps:
            self.report.notes.append("no time stamp had been given when the bundle was made")
        elif said != "stamped" or not stamps:
            yield Broken("proof/checkpoint.tsr", "is not as the statement says")
        given = [path for path in self.files if path.startswith("proof/tsa/")]
        certificates = [one for path in given for one in _certificates(path, self.files.read(path))]
        for path in stamps:
            at, root = verify_stamp(
                path,
                self.files.read(path),
                self.files.read("proof/checkpoint"),
                certificates,
                self.trusted.tsa_roots,
            )
            whose = root.subject.rfc4514_string()
            trust = "" if self.trusted.tsa_roots else "; its root came with the bundle"
            self.report.notes.append(f"stamped at {at:%Y-%m-%dT%H:%M:%SZ} under {whose}{trust}")

    def _predicate(self) -> Any:  # noqa: ANN401 - it is what the file holds.
        if self.predicate is None:
            raise Broken("proof/statement.json", "could not be read")
        return self.predicate

    def _checkpoint(self) -> Checkpoint:
        if self.checkpoint is None:
            raise Broken("proof/checkpoint", "could not be read")
        return self.checkpoint


def _about(path: str) -> str:
    """Return the id of the recording or screenshot that an exhibit is of."""
    return path.split("/")[2].partition(".")[0]


def _recipe_of(path: str) -> str:
    """Return where it is told how an exhibit was made, if it was."""
    return f"{PurePosixPath(path).with_suffix('')}{_RECIPE}"


def _rows(name: str, found: object) -> list[dict[str, Any]]:
    """Return a list of objects that a JSON file holds."""
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Broken(name, "holds another thing than a list of objects, where it must")
    return found


def _documents(passport: object) -> Iterator[dict[str, Any]]:
    """Yield the papers that a passport says are inside."""
    told = part(PASSPORT, passport, "documents")
    for paper in _rows(PASSPORT, told if told != "none" else []):
        if "referenced_only" not in paper or "inside" in paper:
            yield paper


def _digests(call: object) -> set[str]:
    """Return the digests of the files of a call that is told of."""
    return {str(one) for one in part(COMPLETENESS, call, "files", kind=list)}


def _opened(name: str, row: object, commitments: Mapping[str, Any]) -> dict[str, Opened]:
    """Return the details of an event that are shown, by label."""
    found: dict[str, Opened] = {}
    for one in part(name, row, "opened", kind=list):
        label = part(name, one, "label", kind=str)
        if label in found or label not in commitments:
            raise Broken(name, f"shows a {label} that the event does not commit to")
        salt, value = (unhex(name, part(name, one, key)) for key in ("salt", "value"))
        found[label] = Opened(salt, value)
    return found


def _commitment(label: str, shown: Opened) -> bytes:
    plain = b"\0".join((_COMMITMENT_DOMAIN, label.encode(), shown.salt + shown.value))
    return hashlib.sha256(plain).digest()


def _note_problems(file: str, note: Checkpoint, key: Ed25519PublicKey) -> Iterator[Broken]:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    key_id = hashlib.sha256(note.origin.encode() + b"\n\x01" + raw).digest()[:4]
    try:
        key.verify(note.signature, note.body)
    except InvalidSignature:
        yield Broken(file, "is not signed by the log's key")
    if (note.signer, note.key_id) != (note.origin, key_id):
        yield Broken(file, "names another signer than its log")


# --- time stamps ----------------------------------------------------------------------------------

OID_SIGNED_DATA: Final = "2a864886f70d010702"
OID_TST_INFO: Final = "2a864886f70d0109100104"
OID_CONTENT_TYPE: Final = "2a864886f70d010903"
OID_MESSAGE_DIGEST: Final = "2a864886f70d010904"
OID_SIGNING_CERTIFICATE: Final = "2a864886f70d010910020c"
OID_SIGNING_CERTIFICATE_V2: Final = "2a864886f70d010910022f"
HASHES: Final[Mapping[str, type[hashes.HashAlgorithm]]] = {
    "608648016503040201": hashes.SHA256,
    "608648016503040202": hashes.SHA384,
    "608648016503040203": hashes.SHA512,
}
_MAX_CHAIN: Final = 8
_SHORT_LENGTH: Final = 0x80


@dataclass(frozen=True, slots=True)
class Der:
    """One value of DER: its tag, its content, and all its bytes."""

    tag: int
    content: bytes
    whole: bytes

    @classmethod
    def parse(cls, data: bytes) -> Der:
        """Return the one value that `data` is."""
        found = cls.parse_all(data)
        if len(found) != 1:
            raise ValueError("There is more than one value.")
        return found[0]

    @classmethod
    def parse_all(cls, data: bytes) -> list[Der]:
        """Return the values that follow each other in `data`."""
        found, at = [], 0
        while at < len(data):
            start, tag, length = at, data[at], data[at + 1]
            at += 2
            if length >= _SHORT_LENGTH:
                size = length - _SHORT_LENGTH
                if not 1 <= size <= 4:  # noqa: PLR2004 - four bytes count to 4 GiB.
                    raise ValueError("A length has another form than in DER.")
                length = int.from_bytes(data[at : at + size])
                at += size
            if at + length > len(data):
                raise ValueError("A value is cut off.")
            found.append(cls(tag, data[at : at + length], data[start : at + length]))
            at += length
        return found

    def parts(self) -> list[Der]:
        return self.parse_all(self.content)


def verify_stamp(
    file: str,
    response: bytes,
    stamped: bytes,
    certificates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
) -> tuple[datetime, x509.Certificate]:
    """Return when an authority saw `stamped`, and the root certificate that it hangs from.

    The root is one of `roots`, or if there are none, a self-signed one of `certificates`.

    Raises:
        Broken: the time stamp is of something else, or was not made by such an authority.

    Source: RFC 3161, 2.4.2; RFC 5652, 5.4; RFC 5816.
    """
    try:
        return _verified_stamp(file, response, stamped, certificates, roots)
    except (ValueError, IndexError, KeyError, TypeError, InvalidSignature) as exc:
        raise Broken(file, f"is no good time stamp: {exc or type(exc).__name__}") from exc


def _verified_stamp(
    file: str,
    response: bytes,
    stamped: bytes,
    certificates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
) -> tuple[datetime, x509.Certificate]:
    status, token = Der.parse(response).parts()
    if int.from_bytes(status.parts()[0].content) > 1:  # 0 granted, 1 granted with changes.
        raise Broken(file, "is a refusal of the authority")
    kind, wrapped = token.parts()
    signed = Der.parse(wrapped.content).parts()
    kind_inside, octets = signed[2].parts()
    if (kind.content.hex(), kind_inside.content.hex()) != (OID_SIGNED_DATA, OID_TST_INFO):
        raise Broken(file, "is no time stamp")
    info = Der.parse(octets.content).content
    told = Der.parse(info).parts()
    algorithm, imprint = told[2].parts()
    digest = hashes.Hash(HASHES[algorithm.parts()[0].content.hex()]())
    digest.update(stamped)
    if digest.finalize() != imprint.content:
        raise Broken(file, "is a time stamp of something else than this checkpoint")
    at = datetime.strptime(told[4].content.decode()[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    inside = [
        x509.load_der_x509_certificate(one.whole)
        for held in signed[3:-1]
        if held.tag == 0xA0  # noqa: PLR2004 - the certificates' tag, [0].
        for one in held.parts()
    ]
    (signer_info,) = signed[-1].parts()
    signer = _signer(signer_info, info, [*inside, *certificates])
    trusted = roots or [one for one in certificates if one.issuer == one.subject]
    return at, _root_of(file, signer, [*inside, *certificates], trusted, at)


def _signer(
    info: Der, content: bytes, certificates: Sequence[x509.Certificate]
) -> x509.Certificate:
    """Return the certificate whose key signed `content`. Source: RFC 5652, 5.3."""
    _, sid, algorithm, attributes, _, signature = info.parts()[:6]
    issuer, serial = sid.parts()
    digest = HASHES[algorithm.parts()[0].content.hex()]
    attribute = {one.parts()[0].content.hex(): one.parts()[1].parts() for one in attributes.parts()}
    summed = hashes.Hash(digest())
    summed.update(content)
    if attribute[OID_MESSAGE_DIGEST][0].content != summed.finalize():
        raise ValueError("Its content was changed.")
    if attribute[OID_CONTENT_TYPE][0].content.hex() != OID_TST_INFO:
        raise ValueError("It signs something else.")
    for certificate in certificates:
        if (
            certificate.issuer.public_bytes() == issuer.whole
            and certificate.serial_number == int.from_bytes(serial.content, signed=True)
            and _is_named(certificate, attribute)
        ):
            # The attributes are signed as a SET, though they are kept under a tag of their own.
            _verify(certificate, signature.content, b"\x31" + attributes.whole[1:], digest())
            return certificate
    raise ValueError("The certificate of its signer is missing.")


def _is_named(certificate: x509.Certificate, attribute: Mapping[str, Sequence[Der]]) -> bool:
    """Say whether the signed attributes name this very certificate. Source: RFC 5816, 2."""
    version_2 = attribute.get(OID_SIGNING_CERTIFICATE_V2)
    first = (version_2 or attribute[OID_SIGNING_CERTIFICATE])[0].parts()[0].parts()[0].parts()
    if version_2 is None:
        return first[0].content == certificate.fingerprint(hashes.SHA1())  # noqa: S303 - RFC 3161 names it so.
    is_default = first[0].tag == 0x04  # noqa: PLR2004 - an octet string: no algorithm before it.
    named = hashes.SHA256 if is_default else HASHES[first[0].parts()[0].content.hex()]
    return first[0 if is_default else 1].content == certificate.fingerprint(named())


def _verify(
    certificate: x509.Certificate, signature: bytes, data: bytes, digest: hashes.HashAlgorithm
) -> None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(digest))
    elif isinstance(key, Ed25519PublicKey):
        key.verify(signature, data)
    else:
        raise InvalidSignature("Its signer has a key of an unknown kind.")


def _root_of(
    file: str,
    signer: x509.Certificate,
    certificates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> x509.Certificate:
    """Return the root that the signer hangs from; it may be used for time stamps alone."""
    usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise ValueError("Its signer is no authority for time stamps.")
    found = signer
    for _ in range(_MAX_CHAIN):
        if not found.not_valid_before_utc <= at <= found.not_valid_after_utc:
            raise ValueError("A certificate was not valid then.")
        if found in roots:
            return found
        found = _issuer_of(file, found, [*roots, *certificates])
    raise ValueError("Its certificates do not end.")


def _issuer_of(
    file: str, certificate: x509.Certificate, known: Sequence[x509.Certificate]
) -> x509.Certificate:
    for one in known:
        if one != certificate and one.subject == certificate.issuer and _is_authority(one):
            try:
                certificate.verify_directly_issued_by(one)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return one
    raise Broken(file, "hangs from no root that is known")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _certificates(file: str, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as exc:
        raise Broken(file, "holds no certificates") from exc


# --- the command ----------------------------------------------------------------------------------


def verify(bundle: Path, trusted: Trusted) -> Report:
    """Return what there is to say of a bundle."""
    report = Report(is_key_given=trusted.fingerprint is not None)
    try:
        files = open_bundle(bundle)
    except NotABundle as exc:
        report.is_bundle = False
        report.notes.append(str(exc))
        return report
    except Broken as exc:
        report.checks.append("form")
        report.problems.append(Problem("form", exc.file, exc.what))
        return report
    Verification(files, trusted, report).run()
    return report


def told(report: Report) -> Iterator[str]:
    """Yield the report as lines for a person; the last one is the result."""
    for name, fact in report.facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in fact.items()) if isinstance(fact, dict) else fact
        yield f"{name:<12} {shown}"
    for name in report.checks:
        wrong = [problem for problem in report.problems if problem.check == name]
        yield f"{'no' if wrong else 'ok':<12} {name}"
        for problem in wrong:
            yield f"{'':<12} {_printable(problem.file)}: {_printable(problem.what)}"
    yield from (f"{'warning':<12} {one}" for one in report.warnings)
    yield from (f"{'note':<12} {one}" for one in report.notes)
    if report.result is Result.UNVERIFIABLE and report.is_bundle:
        yield f"{'note':<12} nobody is behind this until a key is given: --key FINGERPRINT"
    yield report.result.value


def _printable(text: str) -> str:
    """Return a text of the bundle without what would steer a terminal."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _fingerprint(text: str) -> str:
    found = re.sub(r"[\s:]", "", text).lower()
    if not _HEX32.fullmatch(found):
        raise argparse.ArgumentTypeError("a fingerprint has 64 hexadecimal digits")
    return found


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {text}")
    return path


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:  # noqa: ANN401 - it ends the process.
        self.exit(64, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None, *, program: str = "verify.py") -> int:
    """Verify what the command line names; return the exit status."""
    parser = _Parser(prog=program, description="Verify an evidence bundle, offline.")
    parser.add_argument("bundle", type=_existing, help="the zip, or the folder it was unpacked to")
    parser.add_argument("--key", type=_fingerprint, help="SHA-256 of the key, from outside")
    parser.add_argument("--since", type=_existing, help="a checkpoint of the log that you hold")
    parser.add_argument("--tsa-root", type=_existing, help="root certificates of time stamps")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    try:
        roots = (
            _certificates(str(given.tsa_root), given.tsa_root.read_bytes())
            if given.tsa_root
            else []
        )
    except Broken as exc:
        parser.error(str(exc))
    trusted = Trusted(
        fingerprint=given.key,
        older_checkpoint=given.since.read_bytes() if given.since else None,
        tsa_roots=tuple(roots),
    )
    try:
        report = verify(given.bundle, trusted)
    except Exception as exc:  # noqa: BLE001 - else Python ends with 1, which says that it is valid.
        print(f"{type(exc).__name__}: {exc}\n{Result.UNVERIFIABLE}", file=sys.stderr)  # noqa: T201 - it is a command.
        return EXIT_CODES[Result.UNVERIFIABLE]
    if given.json:
        print(json.dumps(report.as_json()))  # noqa: T201 - it is a command.
    else:
        print("\n".join(told(report)))  # noqa: T201 - it is a command.
    return EXIT_CODES[report.result]


if __name__ == "__main__":
    sys.exit(main())
