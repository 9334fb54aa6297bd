"""Make bundles by hand, without the archive: right ones, and what an attacker makes of them.

The tree is counted here from the definitions of RFC 9162 (2.1.1, 2.1.3.1, 2.1.4.1), by recursion.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TOP = "evidence-0193c0de-0000-7000-8000-000000000001"
ORIGIN = "rec.example/log1"
RELEASE = "0193c0de-0000-7000-8000-000000000001"
RECORDING = "0193c0de-0000-7000-8000-000000000002"
CLIPPED = "0193c0de-0000-7000-8000-000000000003"
STRANGER = "0193c0de-0000-7000-8000-000000000004"
SHOT = "0193c0de-0000-7000-8000-000000000005"
ORIGINAL = b"RIFF....WAVE" + bytes(range(256)) * 40
SOURCE_SHA256 = hashlib.sha256(b"the whole of the other call").hexdigest()
SCREEN_SHA256 = hashlib.sha256(b"the screenshot as it was received").hexdigest()
DOCUMENT = "data/documents/contract-0193c0de-0000-7000-8000-000000000006.pdf"
CONTRACT = b"%PDF-1.7 the contract"
DAY_NOTES = (
    "metadata/reconciliation/2026-11-20.1.note",
    "metadata/reconciliation/2026-11-21.2.note",
)
WITHHELD_SHA256 = hashlib.sha256(b"a call that was withheld").hexdigest()
ERASED_SHA256 = hashlib.sha256(b"a call that was erased").hexdigest()
STATED_TAGS = ("bagit.txt", "bag-info.txt", "VERIFY.en.md", "VERIFY.ru.md")
ACTS = (
    ("recording.ingested", "recording", RECORDING),
    ("recording.ingested", "recording", STRANGER),
    ("recording.ingested", "recording", CLIPPED),
    ("assertion.verified", "recording", RECORDING),
    ("screenshot.ingested", "screenshot", SHOT),
    ("release.requested", "release", RELEASE),
    ("media.played", "recording", RECORDING),
    ("release.approved", "release", RELEASE),
    ("bundle.created", "release", RELEASE),
    ("media.played", "recording", STRANGER),
    ("media.played", "recording", STRANGER),
)


def jcs(value: object) -> bytes:
    """Return canonical JSON. Source: RFC 8785."""
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # the library's type is private.


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return MTH(leaves)."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = _split(len(leaves))
    return hashlib.sha256(b"\1" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def audit_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PATH(index, leaves)."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*audit_path(index, leaves[:k]), tree_hash(leaves[k:])]
    return [*audit_path(index - k, leaves[k:]), tree_hash(leaves[:k])]


def consistency(older: int, leaves: Sequence[bytes], *, is_whole: bool = True) -> list[bytes]:
    """Return SUBPROOF(older, leaves, is_whole)."""
    if older == len(leaves):
        return [] if is_whole else [tree_hash(leaves)]
    k = _split(len(leaves))
    if older <= k:
        return [*consistency(older, leaves[:k], is_whole=is_whole), tree_hash(leaves[k:])]
    return [*consistency(older - k, leaves[k:], is_whole=False), tree_hash(leaves[:k])]


def _split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def spki(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def fingerprint(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(spki(key.public_key())).hexdigest()


def vkey(origin: str, key: Ed25519PublicKey) -> str:
    raw = b"\x01" + key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    key_id = hashlib.sha256(origin.encode() + b"\n" + raw).digest()[:4]
    return f"{origin}+{key_id.hex()}+{base64.b64encode(raw).decode()}"


def note(origin: str, leaves: Sequence[bytes], key: Ed25519PrivateKey) -> bytes:
    """Return the signed head of a log."""
    root = base64.b64encode(tree_hash(leaves)).decode()
    body = f"{origin}\n{len(leaves)}\n{root}\n".encode()
    return body + b"\n" + signature_line(origin, body, key)


def day_note(origin: str, path: str, key: Ed25519PrivateKey, *more: Ed25519PrivateKey) -> bytes:
    """Return the statement of the day that `path` names, signed by each key."""
    day, version, _ = path.rpartition("/")[2].split(".")
    counts = "calls 12\nanswered 9\nrecordings 8\nmatched 8\ngaps 1\nalarms 0\n"
    body = (
        f"audiatur-reconciliation/v1\nlog {origin}\nday {day}\n"
        f"since {day}T00:00:00Z\nuntil {day}T23:59:59Z\nversion {version}\n"
        f"supersedes {'-' if version == '1' else hashlib.sha256(b'before').hexdigest()}\n{counts}"
        f"missing_sha256 {hashlib.sha256(b'missing').hexdigest()}\n"
        f"statement_sha256 {hashlib.sha256(b'statement').hexdigest()}\n"
        "entry 0193c0de-0000-7000-9000-000000000099\n"
    ).encode()
    lines = [signature_line(origin, body, one) for one in (key, *more)]
    return b"\n".join([body, b"".join(lines)])


def signature_line(name: str, body: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the line by which a key signs a note. Source: C2SP signed-note."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + raw).digest()[:4]
    signature = base64.b64encode(key_id + key.sign(body)).decode()
    return f"— {name} {signature}\n".encode()


def commit(label: str, salt: bytes, value: bytes) -> bytes:
    return hashlib.sha256(b"rec-commit/v1\0" + label.encode() + b"\0" + salt + value).digest()


@dataclass(slots=True)
class Forge:
    """A log, and a bundle of it. The files are made by `files`; the last step is `seal`."""

    bundle_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    log_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    origin: str = ORIGIN
    leaves: list[bytes] = field(default_factory=list)
    rows: list[dict[str, object]] = field(default_factory=list)
    stamp: bytes | None = None
    tsa_pem: bytes = b""
    older: int | None = None
    is_rebuilt: bool = False
    earlier_log_keys: tuple[Ed25519PrivateKey, ...] = ()

    def __post_init__(self) -> None:
        last: dict[str, int] = {}
        contents = {
            RECORDING: hashlib.sha256(ORIGINAL).digest(),
            CLIPPED: bytes.fromhex(SOURCE_SHA256),
            SHOT: bytes.fromhex(SCREEN_SHA256),
        }
        for seq, (first, kind, about) in enumerate(ACTS):
            is_begun_anew = self.is_rebuilt and first == "recording.ingested"
            act = "recording.rebuilt" if is_begun_anew else first
            salt = hashlib.sha256(f"salt {seq}".encode()).digest()
            opened: list[tuple[str, bytes]] = []
            if first.endswith(".ingested") and about in contents:
                opened.append(("content", contents[about]))
            if about == RELEASE:
                opened.append(("detail", jcs({"note": f"step {seq}"})))
            leaf = {
                "v": 1,
                "log": self.origin,
                "seq": seq,
                "id": f"0193c0de-0000-7000-9000-{seq:012d}",
                "type": act,
                "at": f"2026-11-21T12:00:{seq:02d}.000000Z",
                "actor": {"kind": "system", "ref": None, "role": None},
                "object": {"kind": kind, "id": about, "prev": last.get(about)},
                "outcome": "success",
                "c": {
                    label: base64.b64encode(commit(label, salt, value)).decode()
                    for label, value in opened
                },
            }
            last[about] = seq
            text = jcs(leaf)
            self.leaves.append(text)
            if about != STRANGER:
                shown = [
                    {"label": label, "salt": salt.hex(), "value": value.hex()}
                    for label, value in opened
                ]
                self.rows.append({"seq": seq, "leaf": text.decode(), "opened": shown})

    def checkpoint(self) -> bytes:
        return note(self.origin, self.leaves, self.log_key)

    def files(self) -> dict[str, bytes]:
        """Return the files of a bundle, unsealed."""
        clip = b"RIFF....WAVE" + bytes(2000)
        derivation = {
            "sources": [{"sha256": SOURCE_SHA256, "size_bytes": 27}],
            "output": {"sha256": hashlib.sha256(clip).hexdigest(), "size_bytes": len(clip)},
        }
        picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
        drawn = {
            "sources": [{"sha256": SCREEN_SHA256, "size_bytes": 33}],
            "output": {"sha256": hashlib.sha256(picture).hexdigest(), "size_bytes": len(picture)},
        }
        policy = b'{"jurisdiction":"RU"}'
        inputs = b'{"purpose":"dispute_client"}'
        policy_sha256 = hashlib.sha256(policy).hexdigest()
        decisions: dict[str, bytes] = {}
        for recording in (RECORDING, CLIPPED, SHOT):
            decision = {
                "screenshot" if recording == SHOT else "recording": recording,
                "inputs_digest": hashlib.sha256(inputs).hexdigest(),
                "policy_sha256": policy_sha256,
                "outcome": "ALLOW",
            }
            decisions[f"metadata/decisions/{recording}.01.json"] = jcs(decision)
            decisions[f"metadata/decisions/{recording}.01.inputs.jcs"] = inputs
        return {
            "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
            "bag-info.txt": f"External-Identifier: {RELEASE}\nAudiatur-Bundle: 1\n".encode(),
            f"data/recordings/{RECORDING}/original.wav": ORIGINAL,
            f"data/recordings/{CLIPPED}/clip-01.wav": clip,
            f"data/recordings/{CLIPPED}/clip-01.derivation.json": jcs(derivation),
            f"data/screenshots/{SHOT}.png": picture,
            f"data/screenshots/{SHOT}.derivation.json": jcs(drawn),
            DOCUMENT: CONTRACT,
            "metadata/completeness.json": jcs(self.completeness()),
            "metadata/consent.json": b"[]",
            "metadata/custody.jsonl": b"".join(jcs(r) + b"\n" for r in self.rows),
            **decisions,
            "metadata/passport.json": jcs(self.passports()),
            **{path: day_note(self.origin, path, self.log_key) for path in DAY_NOTES},
            f"metadata/policies/{policy_sha256}.json": policy,
            "VERIFY.en.md": b"# How to verify\n",
            "VERIFY.ru.md": "# Как проверить\n".encode(),
            **self.proofs(),
        }

    def completeness(self) -> dict[str, object]:
        """Return which calls there were, as a bundle names them."""
        days = [path.rpartition("/")[2].split(".") for path in DAY_NOTES]
        return {
            "client": "0193c0de-0000-7000-8000-000000000007",
            "from": "2026-11-19T21:00:00.000Z",
            "until": "2026-11-21T21:00:00.000Z",
            "included": [
                {"recording": RECORDING, "files": [hashlib.sha256(ORIGINAL).hexdigest()]},
                {"recording": CLIPPED, "files": [SOURCE_SHA256]},
            ],
            "withheld": [{"files": [WITHHELD_SHA256], "reason": "consent"}],
            "lost": [
                {"files": [ERASED_SHA256], "reason": "erased"},
                {
                    "files": [],
                    "call": {
                        "started_at": "2026-11-20T10:00:00.000Z",
                        "duration_ms": 60_000,
                        "direction": "inbound",
                    },
                    "reason": "unexplained",
                    "by": "rule",
                },
            ],
            "counts": {
                "included": 2,
                "withheld": {"consent": 1},
                "lost": {"erased": 1, "unexplained": 1},
                "sent_twice_with_other_bytes": 0,
            },
            "compared_with_calls_made": {
                "days": [
                    {"day": day, "note": path, "version": int(version)}
                    for path, (day, version, _) in zip(DAY_NOTES, days, strict=True)
                ],
                "without_call_records": [],
            },
        }

    def passports(self) -> list[dict[str, object]]:
        """Return what is told of each exhibit, as far as verifiers look at it."""
        contract: dict[str, object] = {
            "what": "contract",
            "title": 'No. 7 "inside":"nothing", 2026-01-12',
            "sha256": hashlib.sha256(CONTRACT).hexdigest(),
            "inside": DOCUMENT,
        }
        consent: dict[str, object] = {
            "what": "document",
            "title": "consent_form",
            "sha256": hashlib.sha256(b"somebody's consent").hexdigest(),
            "referenced_only": {"ru": "документ другого лица", "en": "a paper of somebody else"},
        }
        unknown = {"unknown": "computed of what goes out whole only"}
        return [
            {
                "recording": RECORDING,
                "files": [
                    {
                        "leg": "mixed",
                        "sha256": hashlib.sha256(ORIGINAL).hexdigest(),
                        "sha512": hashlib.sha512(ORIGINAL).hexdigest(),
                    }
                ],
                "transformations": "none",
                "documents": [contract, consent],
            },
            {
                "recording": CLIPPED,
                "files": [{"leg": "mixed", "sha256": SOURCE_SHA256, "sha512": unknown}],
                "transformations": [f"data/recordings/{CLIPPED}/clip-01.derivation.json"],
                "documents": "none",
            },
            {
                "screenshot": SHOT,
                "files": [{"sha256": SCREEN_SHA256}],
                "transformations": [f"data/screenshots/{SHOT}.derivation.json"],
                "documents": [contract],
            },
        ]

    def proofs(self) -> dict[str, bytes]:
        """Return what stands under `proof/` but for the statement."""
        head = self.checkpoint()
        found = {
            "proof/checkpoint": head,
            "proof/checkpoint.body": head.partition(b"\n\n")[0] + b"\n",
            "proof/checkpoint.sig": base64.b64decode(head.split()[-1])[4:],
            "proof/keys/bundle.pub.pem": pem(self.bundle_key.public_key()),
            "proof/keys/log.pub.pem": pem(self.log_key.public_key()),
            "proof/keys/log.vkey": vkey(self.origin, self.log_key.public_key()).encode() + b"\n",
            "proof/consistency.json": self._consistency(),
        }
        if self.stamp is not None:
            found["proof/checkpoint.tsr"] = self.stamp
            found["proof/tsa/authority.pem"] = self.tsa_pem
        for row in self.rows:
            seq = row["seq"]
            assert isinstance(seq, int)
            path = audit_path(seq, self.leaves)
            lines = [base64.b64encode(one).decode() for one in path]
            proof = "\n".join(["c2sp.org/tlog-proof@v1", f"index {seq}", *lines, "", ""])
            found[f"proof/events/{seq}.jcs"] = self.leaves[seq]
            found[f"proof/events/{seq}.path.hex"] = "".join(f"{p.hex()}\n" for p in path).encode()
            found[f"proof/events/{seq}.tlog-proof"] = proof.encode() + head
        return found

    def _consistency(self) -> bytes:
        if self.older is None:
            return b'{"from":null}'
        root = base64.b64encode(tree_hash(self.leaves[: self.older])).decode()
        hashes = [one.hex() for one in consistency(self.older, self.leaves)]
        return jcs({"from": {"size": self.older, "root": root}, "hashes": hashes})

    def statement(self, files: dict[str, bytes]) -> bytes:
        """Return the statement about the files as they are."""
        stated = [p for p in files if p.startswith(("data/", "metadata/", "manifest-"))]
        rows = [json.loads(line) for line in files["metadata/custody.jsonl"].splitlines()]
        log_key = self.log_key.public_key()
        return jcs(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [
                    {
                        "name": path,
                        "digest": {a: hashlib.new(a, files[path]).hexdigest() for a in SUMS},
                    }
                    for path in sorted([*stated, *STATED_TAGS])
                ],
                "predicateType": "https://audiatur.dev/evidence/v1",
                "predicate": {
                    "release": RELEASE,
                    "created_at": "2026-11-21T12:00:00Z",
                    "origin": self.origin,
                    "log_vkey": vkey(self.origin, log_key),
                    "earlier_log_vkeys": [
                        vkey(self.origin, one.public_key()) for one in self.earlier_log_keys
                    ],
                    "log_key_spki_sha256": hashlib.sha256(spki(log_key)).hexdigest(),
                    "checkpoint_sha256": hashlib.sha256(files["proof/checkpoint"]).hexdigest(),
                    "events": [
                        {"seq": row["seq"], "act": json.loads(row["leaf"])["type"]} for row in rows
                    ],
                    "timestamp": "stamped" if "proof/checkpoint.tsr" in files else "pending",
                },
            }
        )

    def seal(self, files: dict[str, bytes]) -> dict[str, bytes]:
        """Return the files with manifests and the statement signed by the right key."""
        sealed = {p: c for p, c in files.items() if not p.startswith(("manifest-", "tagmanifest-"))}
        sealed |= manifests(sealed, "manifest")
        sealed |= signed(self.statement(sealed), self.bundle_key)
        return sealed | manifests(sealed, "tagmanifest")

    def bundle(self) -> dict[str, bytes]:
        return self.seal(self.files())


SUMS = ("sha256", "sha512")


def rotated() -> tuple[Forge, dict[str, bytes]]:
    """Return a forge whose log has had another key before, and a bundle of days by both.

    The first day is signed by the earlier key alone, the second by both, as while one follows the
    other, and by somebody besides.
    """
    before = Ed25519PrivateKey.generate()
    forge = Forge(earlier_log_keys=(before,))
    first, second = DAY_NOTES
    days = {
        first: day_note(forge.origin, first, before),
        second: day_note(forge.origin, second, Ed25519PrivateKey.generate(), before, forge.log_key),
    }
    return forge, forge.seal(forge.files() | days)


def signed(statement: bytes, key: Ed25519PrivateKey) -> dict[str, bytes]:
    """Return a statement with all that its signature consists of."""
    kind = "application/vnd.in-toto+json"
    pae = b"DSSEv1 28 %b %d %b" % (kind.encode(), len(statement), statement)
    signature = key.sign(pae)
    envelope = {
        "payloadType": kind,
        "payload": base64.b64encode(statement).decode(),
        "signatures": [
            {"keyid": fingerprint(key), "sig": base64.b64encode(signature).decode()},
        ],
    }
    return {
        "proof/statement.json": statement,
        "proof/statement.pae": pae,
        "proof/statement.sig": signature,
        "proof/statement.dsse.json": jcs(envelope),
    }


def manifests(files: dict[str, bytes], kind: str) -> dict[str, bytes]:
    """Return both manifests of a kind for the files as they are."""
    return {
        f"{kind}-{name}.txt": "".join(
            f"{hashlib.new(name, files[path]).hexdigest()}  {path}\n"
            for path in sorted(files)
            if path.startswith("data/") == (kind == "manifest")
            and not path.startswith("tagmanifest-")
        ).encode()
        for name in SUMS
    }


def repaired(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files with manifests that fit them again, as an attacker without the key can."""
    found = files | manifests(files, "manifest")
    return found | manifests(found, "tagmanifest")


def members(files: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for path, content in files.items():
        yield f"{TOP}/{path}", content


def write_zip(path: Path, parts: Iterator[tuple[str, bytes]]) -> Path:
    """Write a zip of exactly these members, whatever their names."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts:
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        file = path / TOP / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path / TOP
