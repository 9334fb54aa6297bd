"""The keys that sign for the archive: its checkpoints, its receipts and its bundles.

They live in a text file beside the master keys, one line for each key, the newest of a purpose
first. A key that signs has its secret in the line; of an ended key only the public part stays, so
that the file also says whom to trust. The name in the lines is the name of the log for good.

A lost signing key loses nothing that was kept. Still none is made in its place unasked: whoever
verifies must be told that another key goes on.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from app.core.errors import Invalid
from app.custody.notes import NoteInvalid, PublicKey, Signer, checked_name, parse_vkey

_MAGIC = "audiatur-signing-key-v1"
_SEED_BYTES = 32
_WORDS = 4
_HIDDEN = "-"


class SigningKeyInvalid(Invalid):
    """The file of the signing keys cannot be used."""


class SigningKeyMissing(Invalid):
    """A signing key of this installation is missing.

    Put the file back from its backup. If the key is lost for good, the operations manual says how
    to go on with a new one, which everybody who verifies must be told of.
    """


class Purpose(StrEnum):
    """What a key signs."""

    LOG = "log"
    RECEIPT = "receipt"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A line of the file; `seed` is None once the key has ended."""

    purpose: Purpose
    public: PublicKey
    seed: bytes | None = field(repr=False)

    @classmethod
    def create(cls, purpose: Purpose, name: str) -> Self:
        """Return a new key."""
        seed = os.urandom(_SEED_BYTES)
        return cls(purpose=purpose, public=Signer(name, seed).public, seed=seed)

    def line(self) -> str:
        secret = base64.b64encode(self.seed).decode() if self.seed else _HIDDEN
        return f"{_MAGIC} {self.purpose} {self.public.vkey()} {secret}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """The keys of the file as it was read, in its order."""

    keys: tuple[SigningKey, ...]

    @property
    def origin(self) -> str:
        """Return the name of the log."""
        return next(key.public.name for key in self.keys if key.purpose is Purpose.LOG)

    def signers(self, purpose: Purpose) -> tuple[Signer, ...]:
        """Return who signs for `purpose`, the newest first."""
        return tuple(
            Signer(key.public.name, key.seed)
            for key in self.keys
            if key.purpose is purpose and key.seed is not None
        )

    def public(self, purpose: Purpose) -> tuple[PublicKey, ...]:
        """Return the public keys of `purpose`, those that have ended too."""
        return tuple(key.public for key in self.keys if key.purpose is purpose)


class KeyRing:
    """The signing keys of a file, read again whenever the file is another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._keys: SigningKeys | None = None
        self._signers: dict[Purpose, tuple[Signer, ...]] = {}

    @property
    def keys(self) -> SigningKeys:
        """Return the keys as they are now.

        Raises:
            SigningKeyInvalid: the file is missing, open to others, or holds no well-formed key.
        """
        return self._read()

    @property
    def origin(self) -> str:
        """Return the name of the log."""
        return self._read().origin

    def signers(self, purpose: Purpose) -> tuple[Signer, ...]:
        """Return who signs for `purpose` now, the newest first.

        Raises:
            SigningKeyInvalid: as `keys`.
        """
        keys = self._read()
        if purpose not in self._signers:
            self._signers[purpose] = keys.signers(purpose)
        return self._signers[purpose]

    def _read(self) -> SigningKeys:
        try:
            found = self.path.stat()
        except OSError as exc:
            raise SigningKeyInvalid(f"{self.path} cannot be read ({exc.strerror}).") from exc
        seen = (found.st_ino, found.st_mtime_ns)
        if self._keys is None or seen != self._seen:
            self._keys, self._seen, self._signers = load(self.path), seen, {}
        return self._keys


def load(path: Path) -> SigningKeys:
    """Read the keys of a file.

    Raises:
        SigningKeyInvalid: it is missing, open to others, or a line is not well-formed.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            lines = file.read().decode().splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise SigningKeyInvalid(f"{path} cannot be read; put it back from its backup.") from exc
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SigningKeyInvalid(f"{path} is open to others ({mode:04o}): chmod 600 '{path}'.")
    keys = tuple(
        _parse(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    )
    if not any(key.purpose is Purpose.LOG for key in keys):
        raise SigningKeyInvalid(f"{path} holds no key of the log; put it back from its backup.")
    return SigningKeys(keys=keys)


def ensure(path: Path, marker: Path, *, origin: str | None) -> KeyRing:
    """Return the keys of `path`; those are made that this installation has never had.

    `marker` notes which key of each purpose there is. `origin` names the log, if it has no name.

    Raises:
        SigningKeyMissing: a key that was here is gone.
        SigningKeyInvalid: the file cannot be used, or the log has another name.
    """
    with _locked(path):
        noted: dict[str, str] = json.loads(marker.read_text()) if marker.exists() else {}
        if noted and not path.exists():
            raise SigningKeyMissing(f"{path} is missing.", path=str(path))
        keys = load(path).keys if path.exists() else ()
        _require(keys, noted, path)
        name = _name_of(keys, origin)
        lacking = [p for p in Purpose if not any(key.purpose is p for key in keys)]
        made = [SigningKey.create(p, name if p is Purpose.LOG else f"{name}/{p}") for p in lacking]
        if made:
            _write(path, [*keys, *made])
        _note(marker, noted, [*keys, *made])
    return KeyRing(path)


def rotate(path: Path, marker: Path, purpose: Purpose) -> PublicKey:
    """Let a new key sign for `purpose` beside those that do, and return its public part.

    Raises:
        SigningKeyInvalid: the file cannot be used.
    """
    with _locked(path):
        keys = load(path)
        new = SigningKey.create(purpose, keys.public(purpose)[0].name)
        _write(path, [new, *keys.keys])
        _note(marker, {}, [new, *keys.keys])
    return new.public


def end_old(path: Path, purpose: Purpose) -> tuple[PublicKey, ...]:
    """Let the newest key alone sign for `purpose`; return those that ended and lost their secret.

    Raises:
        SigningKeyInvalid: the file cannot be used.
    """
    with _locked(path):
        keys = load(path).keys
        newest = next(key for key in keys if key.purpose is purpose)
        ended = [key for key in keys if key.purpose is purpose and key is not newest and key.seed]
        if ended:
            _write(path, [replace(key, seed=None) if key in ended else key for key in keys])
    return tuple(key.public for key in ended)


def _require(keys: Sequence[SigningKey], noted: dict[str, str], path: Path) -> None:
    there = {key.public.fingerprint for key in keys}
    for purpose, fingerprint in noted.items():
        if fingerprint not in there:
            raise SigningKeyMissing(
                f"{path} does not hold the {purpose} key {fingerprint}.", path=str(path)
            )


def _name_of(keys: Sequence[SigningKey], wanted: str | None) -> str:
    known = next((key.public.name for key in keys if key.purpose is Purpose.LOG), None)
    if known is not None:
        if wanted not in {None, known}:
            raise SigningKeyInvalid(
                f"The log is named {known} and cannot become {wanted}: what was signed names it."
            )
        return known
    try:
        return checked_name(wanted or f"audiatur-{secrets.token_hex(6)}.invalid/ledger")
    except ValueError as exc:
        raise SigningKeyInvalid(str(exc)) from exc


def _note(marker: Path, noted: dict[str, str], keys: Sequence[SigningKey]) -> None:
    newest = {str(key.purpose): key.public.fingerprint for key in reversed(keys)}
    if newest != noted:
        _replace(marker, json.dumps(newest))


def _parse(line: str, where: str) -> SigningKey:
    words = line.split()
    advice = f"{where}: put it back from the file's backup"
    if len(words) != _WORDS or words[0] != _MAGIC or words[1] not in set(Purpose):
        raise SigningKeyInvalid(f"{advice}; expected '{_MAGIC} PURPOSE KEY SECRET'.")
    try:
        public = parse_vkey(words[2])
        seed = None if words[3] == _HIDDEN else base64.b64decode(words[3], validate=True)
        if seed is not None and Signer(public.name, seed).public != public:
            raise SigningKeyInvalid(f"{advice}; the secret is not of this key.")
    except (NoteInvalid, binascii.Error, ValueError) as exc:
        raise SigningKeyInvalid(f"{advice}; the key is not well-formed.") from exc
    return SigningKey(purpose=Purpose(words[1]), public=public, seed=seed)


def _write(path: Path, keys: Sequence[SigningKey]) -> None:
    _replace(path, "".join(key.line() for key in keys))


def _replace(path: Path, content: str) -> None:
    """Write a file that only its owner reads, durable, whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise SigningKeyInvalid(
            f"{path} cannot be written ({exc.strerror}); give a folder that can be written to."
        ) from exc


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time change the file; processes that start together take turns."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        if path.exists():  # Whoever may only read the keys changes nothing.
            yield
            return
        raise SigningKeyInvalid(f"{path.parent} cannot be written to ({exc.strerror}).") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
