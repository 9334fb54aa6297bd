"""What the senders remember: the trial's memory, which no kill touches."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from crash_tool.uploads import Key, Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The digest and size of what was sent under a key."""

    sha256: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the archive answered for good: 201 or 200."""

    id: str
    sha256: bytes
    size_bytes: int


class Book:
    """Everything that was sent and answered. Used by all senders at once."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.sent: dict[Key, Sent] = {}
        self.promises: dict[Key, Promise] = {}
        self.conflicts: Counter[Key] = Counter()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._lock = threading.Lock()
        self._next = 0

    def draw(self) -> int:
        """Return the number of the next upload."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            return number

    @property
    def drawn(self) -> int:
        return self._next

    def begins(self, upload: Upload) -> None:
        """Remember what goes out before the first attempt does."""
        with self._lock:
            sent = Sent(sha256=upload.sha256, size_bytes=len(upload.content))
            self.sent.setdefault(upload.key, sent)

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def promised(self, key: Key, promise: Promise) -> None:
        """Remember an acknowledgement; one that differs from the sent or the first is a fault."""
        with self._lock:
            first = self.promises.setdefault(key, promise)
            if first != promise:
                self.faults.append(f"{key.name} {key.leg}: was {first}, is now {promise}")
            sent = self.sent[key]
            if (promise.sha256, promise.size_bytes) != (sent.sha256, sent.size_bytes):
                self.faults.append(f"{key.name} {key.leg}: other bytes were acknowledged")

    def refused(self, key: Key) -> None:
        """Remember that other bytes were refused, which the ledger must tell of."""
        with self._lock:
            self.conflicts[key] += 1

    def fault(self, what: str) -> None:
        """Remember an answer that must not be."""
        with self._lock:
            self.faults.append(what)
