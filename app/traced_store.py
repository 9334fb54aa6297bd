"""A store whose work is told as spans; made only where traces are sent.

No key, size or name of a bucket is in them. What streams is told from its first piece to its last.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from app.core import traces
from storage.ports import Capabilities, Draft, Listed, LockMode, LockState, Store


class TracedDraft:
    """A draft that tells how long it took to be durable."""

    __slots__ = ("_inner", "write")

    def __init__(self, inner: Draft) -> None:
        self._inner = inner
        self.write = inner.write

    def keep(self) -> None:
        with traces.leaf("store keep"):
            self._inner.keep()

    def discard(self) -> None:
        self._inner.discard()


class TracedStore:
    """Tells of each question to `inner`."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    def begin(self, key: str, *, replaces: bool = False) -> Draft:
        with traces.leaf("store begin"):
            return TracedDraft(self._inner.begin(key, replaces=replaces))

    def size(self, key: str) -> int:
        with traces.leaf("store size"):
            return self._inner.size(key)

    def read(self, key: str, *, start: int, length: int) -> bytes:
        with traces.leaf("store read"):
            return self._inner.read(key, start=start, length=length)

    def stream(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with traces.leaf("store stream"):
            yield from self._inner.stream(key, start=start, length=length)

    def keys(self, *, prefix: str = "") -> Iterator[Listed]:
        with traces.leaf("store keys"):
            yield from self._inner.keys(prefix=prefix)

    def remains(self, key: str) -> bool:
        with traces.leaf("store remains"):
            return self._inner.remains(key)

    def delete(self, key: str) -> None:
        with traces.leaf("store delete"):
            self._inner.delete(key)

    def sweep_drafts(self, older_than: datetime) -> int:
        with traces.leaf("store sweep"):
            return self._inner.sweep_drafts(older_than)

    @property
    def can_lock(self) -> bool:
        return self._inner.can_lock

    def lock(self, key: str, *, mode: LockMode, until: datetime) -> None:
        with traces.leaf("store lock"):
            self._inner.lock(key, mode=mode, until=until)

    def hold(self, key: str, *, is_held: bool) -> None:
        with traces.leaf("store hold"):
            self._inner.hold(key, is_held=is_held)

    def lock_state(self, key: str) -> LockState:
        with traces.leaf("store lock state"):
            return self._inner.lock_state(key)

    def probe(self) -> Capabilities:
        return self._inner.probe()

    def check(self) -> None:
        self._inner.check()
