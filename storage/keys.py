"""The master keys, which wrap the key of each object.

They live in a text file, apart from the data and from its backups' place: one line per key, the
first for new objects, the others for what was wrapped before. To rotate, put the line of a newly
made file before the old ones. Without the file no object can be read again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NewType, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from storage.errors import KeyFileInvalid, MasterKeyUnknown, ObjectDamaged

KeyId = NewType("KeyId", str)
WrappedKey = NewType("WrappedKey", bytes)

_MAGIC = "audiatur-master-key-v1"
_KEY_BYTES = 32
_ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_VERSION = b"\x01"
_HEAD_BYTES = len(_VERSION) + _ID_BYTES + _NONCE_BYTES
_WORDS_IN_LINE = 3


class MasterKeys:
    """The keys of one store. The first is current; all can unwrap what they wrapped.

    A wrapped key is: version, key id (8 bytes), nonce (12), then key and tag sealed with
    AES-256-GCM. Nonces are random, so one master key may wrap 2**32 keys (NIST SP 800-38D, 8.3).
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise ValueError("Master keys are one or more keys of 32 bytes.")
        self._keys = {_id_of(key): key for key in keys}
        self._wrapping = {
            key_id: AESGCM(_expand(key, b"audiatur/wrap/v1")) for key_id, key in self._keys.items()
        }
        self.current_id: KeyId = _id_of(keys[0])

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a file with one new key, durable and readable by its owner alone.

        Raises:
            KeyFileInvalid: there is a file already, which is never overwritten.
        """
        if not _write_new(path):
            raise KeyFileInvalid(f"{path} exists already; it is never overwritten.")
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the keys of a file.

        Raises:
            KeyFileInvalid: it is missing, open to others, or holds no well-formed key.
        """
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                content = file.read()
        except OSError as exc:
            raise KeyFileInvalid(
                f"{path} cannot be read ({exc.strerror}); put the key file back from its backup."
            ) from exc
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileInvalid(f"{path} is open to others ({mode:04o}): chmod 600 '{path}'.")
        return cls(_parse(content, path))

    @classmethod
    def ensure(cls, path: Path) -> Self:
        """Load the file, or make it where there is none.

        A new file beside old objects cannot open them: compare `fingerprint` with the one noted
        when the store was first used, before anything is written.

        Raises:
            KeyFileInvalid: there is a file and it cannot be used.
        """
        if not path.exists():
            _write_new(path)
        return cls.load(path)

    def wrap(self, data_key: bytes, *, context: bytes) -> WrappedKey:
        """Return `data_key` sealed with the current key; it opens for the same `context` alone."""
        if len(data_key) != _KEY_BYTES:
            raise ValueError("A data key has 32 bytes.")
        nonce = os.urandom(_NONCE_BYTES)
        head = _VERSION + bytes.fromhex(self.current_id) + nonce
        sealed = self._wrapping[self.current_id].encrypt(nonce, data_key, head + context)
        return WrappedKey(head + sealed)

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        """Return the data key in `wrapped`.

        Raises:
            ObjectDamaged: it was changed or belongs elsewhere.
            MasterKeyUnknown: its master key is not in the file.
        """
        if len(wrapped) != _HEAD_BYTES + _KEY_BYTES + _TAG_BYTES or wrapped[:1] != _VERSION:
            raise ObjectDamaged("This is no wrapped key.")
        key_id = KeyId(wrapped[1 : 1 + _ID_BYTES].hex())
        wrapping = self._wrapping.get(key_id)
        if wrapping is None:
            raise MasterKeyUnknown(f"The master key {key_id} is not in the key file.")
        head = bytes(wrapped[:_HEAD_BYTES])
        try:
            return wrapping.decrypt(
                head[-_NONCE_BYTES:], bytes(wrapped[_HEAD_BYTES:]), head + context
            )
        except InvalidTag as exc:
            raise ObjectDamaged("The wrapped key was changed or belongs elsewhere.") from exc

    def derive(self, label: str, *, key_id: KeyId | None = None) -> bytes:
        """Return 32 bytes for another use, named by `label`, from the current or a named key.

        The same key and label always give the same bytes, so whoever uses them notes `key_id`.

        Raises:
            ObjectDamaged: the key `key_id` is not in the key file.
        """
        key = self._keys.get(self.current_id if key_id is None else key_id)
        if key is None:
            raise ObjectDamaged(f"The master key {key_id} is not in the key file.")
        return _expand(key, b"audiatur/derive/v1\x00" + label.encode())

    @property
    def ids(self) -> frozenset[KeyId]:
        """Return the ids of all keys that are read here."""
        return frozenset(self._keys)

    def fingerprint(self) -> str:
        """Return 32 hexadecimal digits that name this set of keys and tell nothing about them."""
        digest = hashlib.sha256(b"audiatur/fingerprint/v1")
        for key_id, key in sorted(self._keys.items()):
            digest.update(bytes.fromhex(key_id) + hashlib.sha256(key).digest())
        return digest.hexdigest()[:32]

    def __repr__(self) -> str:
        return f"MasterKeys(current_id={self.current_id!r}, count={len(self._keys)})"


def _id_of(key: bytes) -> KeyId:
    """Return the id of a key, made from the key so that a slip in a copied line is noticed."""
    return KeyId(hashlib.sha256(b"audiatur/key-id/v1" + key).hexdigest()[: 2 * _ID_BYTES])


def _expand(key: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(key)


def _parse(content: bytes, path: Path) -> list[bytes]:
    keys: list[bytes] = []
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError as exc:
        raise KeyFileInvalid(f"{path} is no text file of master keys.") from exc
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        advice = f"{path}, line {number}: put it back from the key's backup"
        if len(words) != _WORDS_IN_LINE or words[0] != _MAGIC:
            raise KeyFileInvalid(f"{advice}; expected '{_MAGIC} KEYID BASE64'.")
        try:
            key = base64.b64decode(words[2], validate=True)
        except binascii.Error as exc:
            raise KeyFileInvalid(f"{advice}; the key is no base64.") from exc
        if len(key) != _KEY_BYTES or _id_of(key) != words[1]:
            raise KeyFileInvalid(f"{advice}; the key does not match its id.")
        if key in keys:
            raise KeyFileInvalid(f"{path}, line {number}: this key stands here twice; remove one.")
        keys.append(key)
    if not keys:
        raise KeyFileInvalid(f"{path} holds no key; put it back from its backup.")
    return keys


def _write_new(path: Path) -> bool:
    """Write a file with one new key; return whether it was this call that made it.

    The file gets its name when it is whole, so a crash never leaves half a key under that name.
    """
    key = os.urandom(_KEY_BYTES)
    line = f"{_MAGIC} {_id_of(key)} {base64.b64encode(key).decode()}\n"
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        raise KeyFileInvalid(
            f"{path} cannot be made ({exc.strerror}); give a folder that can be written to."
        ) from exc
    return True
