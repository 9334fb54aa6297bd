"""What an object store must be able to do, in small ports; folder and S3 pass the same tests.

An object is written once under a key nobody else has, read whole or in part, and deleted. It is
never overwritten. A key is two hexadecimal digits, a slash and a name in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-z][0-9a-z._-]{0,199}")

PROBE_PREFIX = "00/probe-"


def is_key(text: str) -> bool:
    """Tell whether `text` has the form of a key; no such form climbs out of a folder."""
    return _KEY.fullmatch(text) is not None


def checked_key(key: str) -> str:
    """Return `key` if it has the form of a key.

    Raises:
        ValueError: it has not, which is a fault of the caller.
    """
    if not is_key(key):
        raise ValueError(f"{key!r} is not a key of the object store.")
    return key


def check_range(start: int, length: int | None) -> None:
    """Refuse a range that no object can have.

    Raises:
        ValueError: a negative start, or a length below one.
    """
    if start < 0 or (length is not None and length < 1):
        raise ValueError(f"{start} and {length} are no range.")


class Support(StrEnum):
    """What was seen when a store was asked for something."""

    VERIFIED = "verified"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store was seen to do, by trying. `notes` are sentences for an administrator."""

    conditional_put: Support
    checksums: Support
    versions: Support
    object_lock: Support
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An object as a listing shows it."""

    key: str
    size_bytes: int
    modified_at: datetime


class LockMode(StrEnum):
    """Who may lift a lock before its time: somebody with a special right, or nobody at all."""

    GOVERNANCE = "GOVERNANCE"
    COMPLIANCE = "COMPLIANCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockState:
    """How an object is locked in the store, as the store says.

    `is_held`: each of its versions has the legal hold; `is_partly_held`: some have, some have not.
    """

    mode: LockMode | None
    until: datetime | None
    is_held: bool
    is_partly_held: bool = False


class Draft(Protocol):
    """An object being written; nobody sees it before `keep`.

    Used by one thread at a time, and always ended by `keep` or `discard`, else a file stays open.
    """

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append `chunk`.

        Raises:
            StoreUnavailable: the store is full or away; `discard` what is there.
        """

    def keep(self) -> None:
        """Make the object durable under its key, then return.

        Whatever is raised, the draft is over and its space is given back.

        Raises:
            ObjectExists: the key is taken.
            StoreUnavailable: not known to be durable; an object may still appear, for the sweep.
        """

    def discard(self) -> None:
        """Throw away what was written; do nothing where the draft is over already."""


class Writer(Protocol):
    """Where objects are made."""

    def begin(self, key: str, *, replaces: bool = False) -> Draft:
        """Open a draft of the object `key`.

        With `replaces` it takes the place of what is there, at once and whole: for mending a
        damaged object and for notes that follow their subject, never for evidence as it comes in.

        Raises:
            StoreUnavailable: the store is full or away.
        """


class Reader(Protocol):
    """Where objects are read.

    Every method raises `ObjectMissing` where no object has the key, `ObjectDamaged` where it is
    shorter than the range asked for, and `StoreUnavailable`.
    """

    def size(self, key: str) -> int:
        """Return the number of bytes of the object."""

    def read(self, key: str, *, start: int, length: int) -> bytes:
        """Return exactly `length` bytes, at least one, from `start` on."""

    def stream(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` on, in pieces; nothing is looked up before the first."""


class Reaper(Protocol):
    """Where objects are listed and destroyed."""

    def keys(self, *, prefix: str = "") -> Iterator[Listed]:
        """Yield the objects whose key begins with `prefix`, in the order of their keys."""

    def remains(self, key: str) -> bool:
        """Tell whether anything of the object is there, older and hidden versions included."""

    def delete(self, key: str) -> None:
        """Destroy the object, all its versions included; do nothing where there is none.

        Raises:
            StoreRefused: a lock or missing rights forbid it; versions without a lock are gone.
        """

    def sweep_drafts(self, older_than: datetime) -> int:
        """Remove what interrupted writers and probes left before `older_than`; return how many."""


class Locks(Protocol):
    """Where objects can be locked, after they are whole.

    Every method but `can_lock` raises `LocksUnsupported` where locks were not seen to work,
    `ObjectMissing`, `StoreRefused` and `StoreUnavailable`.
    """

    @property
    def can_lock(self) -> bool:
        """Tell whether a lock was seen to hold: a probe tried to delete and was refused."""

    def lock(self, key: str, *, mode: LockMode, until: datetime) -> None:
        """Let nobody delete the object before `until`; a store refuses an earlier end."""

    def hold(self, key: str, *, is_held: bool) -> None:
        """Set or lift the legal hold of every version; it has no end and needs no lock."""

    def lock_state(self, key: str) -> LockState:
        """Return how the object is locked."""


class Store(Reader, Writer, Reaper, Locks, Protocol):
    """An object store."""

    def probe(self) -> Capabilities:
        """Find out by trying what the store can do; what it tried with is removed.

        Raises:
            StoreUnavailable: it cannot even keep a small object.
        """

    def check(self) -> None:
        """Look quickly whether the store answers and could be written to.

        Raises:
            StoreUnavailable: it does not.
        """
