"""Signed notes: the text form of checkpoints, receipts and proofs. Pure but for signing.

Source: C2SP signed-note 1.0.0, tlog-checkpoint 1.0.0, tlog-proof v1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.custody.tree import HASH_BYTES, Head

_ED25519 = b"\x01"
_KEY_ID_BYTES = 4
_KEY_BYTES = 32
_MOST_SIGNATURES = 100
_MOST_BYTES = 1 << 20
_PROOF = "c2sp.org/tlog-proof@v1"
_LINES_OF_CHECKPOINT = 3
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]*")


class NoteInvalid(Exception):
    """The text is no signed note that can be trusted; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """Who signs notes: a name and an Ed25519 key."""

    name: str
    raw: bytes

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that name the key in a signature."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    @property
    def spki(self) -> bytes:
        """Return the key as other programs read it: DER of SubjectPublicKeyInfo."""
        return self._key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> str:
        """Return `spki` as PEM, for OpenSSL."""
        return self._key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def fingerprint(self) -> str:
        """Return the hexadecimal SHA-256 of `spki`, to be compared by eye."""
        return hashlib.sha256(self.spki).hexdigest()

    def vkey(self) -> str:
        """Return the key in one line, as tools around signed notes take it."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.raw)}"

    def check(self, text: bytes, signature: bytes) -> None:
        """Check a signature.

        Raises:
            InvalidSignature: it is not of this key over this text.
        """
        self._key().verify(signature, text)

    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)


class Signer:
    """Signs notes under a name."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(
            name=checked_name(name),
            raw=self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
        )

    def sign(self, text: bytes) -> bytes:
        """Return the bare signature of `text`; the same text always gives the same one."""
        return self._key.sign(text)

    def line(self, text: str) -> str:
        """Return the signature line under `text`."""
        signed = self.public.key_id + self.sign(text.encode())
        return f"— {self.public.name} {_base64(signed)}\n"


def checked_name(name: str) -> str:
    """Return `name` if keys and logs may have it.

    Raises:
        ValueError: it is empty or holds white space or a plus sign.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: it holds no white space and no plus sign.")
    return name


def parse_vkey(line: str) -> PublicKey:
    """Return the key that `PublicKey.vkey` has written.

    Raises:
        NoteInvalid: it is no such line, or its parts do not belong together.
    """
    name, _, rest = line.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    key = _unbase64(encoded)
    if not _NAME.fullmatch(name) or len(key) != 1 + _KEY_BYTES or key[:1] != _ED25519:
        raise NoteInvalid("This is no Ed25519 key of a note: NAME+ID+BASE64.")
    found = PublicKey(name=name, raw=key[1:])
    if found.key_id.hex() != key_id.lower():
        raise NoteInvalid("The key does not match its id; part of the line is missing or changed.")
    return found


def sign_note(text: str, signers: Iterable[Signer]) -> str:
    """Return `text` as a note with a signature line of each signer."""
    if not text.endswith("\n") or _has_controls(text):
        raise ValueError("The text of a note ends with a newline and has no other control.")
    return text + "\n" + "".join(signer.line(text) for signer in signers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The text of a note, and which of the trusted keys have signed it."""

    text: str
    signed_by: tuple[PublicKey, ...]


def open_note(note: str, trusted: Iterable[PublicKey]) -> Opened:
    """Return the text of a note that a trusted key has signed; other signatures are passed over.

    Raises:
        NoteInvalid: no note, no signature by a trusted key, or a wrong one under its name.
    """
    text, lines = _split(note)
    known = {(key.name, key.key_id): key for key in trusted}
    signed_by: list[PublicKey] = []
    for line in lines:
        name, key_id, signature = _signature(line)
        key = known.get((name, key_id))
        if key is None or key in signed_by:
            continue
        try:
            key.check(text.encode(), signature)
        except InvalidSignature as exc:
            raise NoteInvalid(f"The signature of {name} does not fit the text.") from exc
        signed_by.append(key)
    if not signed_by:
        raise NoteInvalid("No key that is trusted has signed this.")
    return Opened(text=text, signed_by=tuple(signed_by))


def checkpoint_text(origin: str, head: Head) -> str:
    """Return the text of a checkpoint, to be signed."""
    return f"{origin}\n{head.size}\n{_base64(head.root)}\n"


def parse_checkpoint(text: str, *, origin: str) -> Head:
    """Return the tree that the text of a checkpoint tells of.

    Raises:
        NoteInvalid: it is no checkpoint, or one of another log.
    """
    lines = text.split("\n")
    if len(lines) <= _LINES_OF_CHECKPOINT or lines[-1]:
        raise NoteInvalid("A checkpoint has an origin, a size and a root.")
    if lines[0] != origin:
        raise NoteInvalid(f"This is a checkpoint of {lines[0]}, not of {origin}.")
    root = _unbase64(lines[2])
    if not _SIZE.fullmatch(lines[1]) or len(root) != HASH_BYTES:
        raise NoteInvalid("The size or the root of the checkpoint is not written as one.")
    if any(not line for line in lines[_LINES_OF_CHECKPOINT:-1]):
        raise NoteInvalid("A checkpoint has no empty lines.")
    return Head(size=int(lines[1]), root=root)


def open_checkpoint(note: str, trusted: Iterable[PublicKey], *, origin: str) -> Head:
    """Return the tree of a checkpoint that a trusted key of the log has signed.

    Raises:
        NoteInvalid: not signed so, no checkpoint, or one of another log.
    """
    opened = open_note(note, (key for key in trusted if key.name == origin))
    return parse_checkpoint(opened.text, origin=origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """The place of a leaf, to be checked against the checkpoint that comes with it."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str


def proof_text(index: int, path: Sequence[bytes], checkpoint: str) -> str:
    """Return a proof as a text of its own."""
    steps = "".join(f"{_base64(step)}\n" for step in path)
    return f"{_PROOF}\nindex {index}\n{steps}\n{checkpoint}"


def parse_proof(text: str) -> TlogProof:
    """Return the parts of a proof; nothing of it is trusted yet.

    Raises:
        NoteInvalid: it is not written as proofs are.
    """
    head, gap, checkpoint = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != _PROOF or not gap:
        raise NoteInvalid(f"A proof begins with {_PROOF} and holds a checkpoint.")
    if lines and lines[0].startswith("extra "):
        lines = lines[1:]
    word, _, number = (lines[0] if lines else "").partition(" ")
    if word != "index" or not _SIZE.fullmatch(number):
        raise NoteInvalid("A proof names the index of its leaf.")
    path = tuple(_unbase64(line) for line in lines[1:])
    if any(len(step) != HASH_BYTES for step in path):
        raise NoteInvalid("A step of the proof is no hash.")
    return TlogProof(index=int(number), path=path, checkpoint=checkpoint)


def _split(note: str) -> tuple[str, list[str]]:
    if len(note) > _MOST_BYTES or _has_controls(note):
        raise NoteInvalid("A note is short text without control characters.")
    text, gap, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not gap or not text or lines.pop() or not lines or len(lines) > _MOST_SIGNATURES:
        raise NoteInvalid("A note is a text, an empty line, and signatures.")
    return text + "\n", lines


def _signature(line: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    signed = _unbase64(encoded)
    if dash != "—" or not _NAME.fullmatch(name) or len(signed) <= _KEY_ID_BYTES:
        raise NoteInvalid("A line under the note is no signature.")
    return name, signed[:_KEY_ID_BYTES], signed[_KEY_ID_BYTES:]


def _has_controls(text: str) -> bool:
    return any(letter < " " and letter != "\n" for letter in text)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _unbase64(text: str) -> bytes:
    """Return what `text` encodes, in the one way of writing it.

    Raises:
        NoteInvalid: it is no base64, or another way of writing the same bytes.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise NoteInvalid("A part of the note is no base64.") from exc
    if _base64(value) != text:
        raise NoteInvalid("A part of the note is written in an unusual way.")
    return value
