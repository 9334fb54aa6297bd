"""The way in of what a client sends: sealed into the release store, written down, then thanked.

An object that no row names is nothing: its key is nowhere. A body that stops coming, or drips, ends
by time; only a few come in at once, and of those only two by one link.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from app.core.errors import Refusal, Unavailable
from app.core.ids import new_id
from app.public.form import MAX_BODY_BYTES, FileTooLarge, Form
from app.public.links import NoAnswer
from app.public.requests import Requests, SealedFile
from app.releases.tokens import ShareToken
from storage.errors import StoreError
from storage.sealed import SealedDraft, SealedStore

IDLE_SECONDS: Final = 30.0
WHOLE_SECONDS: Final = 15 * 60.0
AT_ONCE: Final = 8
AT_ONCE_BY_ONE_LINK: Final = 2
_BATCH_BYTES: Final = 256 * 1024


class StoreIsAway(Unavailable):
    """Nothing can be kept now; nothing was."""


class SenderSlow(Unavailable):
    """The form stopped coming, or came too slowly; nothing was kept."""


class Busy(Unavailable):
    """Too many send at this moment."""


class _Sealing:
    """The files of one form on their way into the store; a `Receiver` of the parser."""

    def __init__(self, store: SealedStore) -> None:
        self._store = store
        self._draft: SealedDraft | None = None
        self._name: str | None = None
        self.kept: list[SealedFile] = []

    def file_begins(self, name: str | None) -> None:
        self._name = name
        try:
            self._draft = self._store.begin(new_id())
        except StoreError as exc:
            raise StoreIsAway from exc

    def file_bytes(self, chunk: memoryview) -> None:
        if self._draft is None:
            raise TypeError("The parser begins a file before its bytes.")
        try:
            self._draft.write(chunk)
        except StoreError as exc:
            raise StoreIsAway from exc

    def file_ends(self) -> None:
        if self._draft is None:
            raise TypeError("The parser begins a file before its end.")
        try:
            self.kept.append(SealedFile(kept=self._draft.keep(), file_name=self._name))
        except StoreError as exc:
            raise StoreIsAway from exc
        finally:
            self._draft = None

    def forget(self, *, but: frozenset[object] = frozenset()) -> None:
        """Remove what no row names."""
        if self._draft is not None:
            self._draft.discard()
            self._draft = None
        for one in self.kept:
            if one.kept.object_id not in but:
                try:
                    self._store.delete(one.kept.object_id)
                except StoreError:
                    continue  # Its key is nowhere; only the room is lost.
        self.kept.clear()


class Intake:
    """Takes forms in, a few at once."""

    def __init__(
        self,
        *,
        requests: Requests,
        store: SealedStore,
        idle_seconds: float = IDLE_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
    ) -> None:
        self._requests = requests
        self._store = store
        self._idle_seconds = idle_seconds
        self._whole_seconds = whole_seconds
        self._inside: Counter[bytes] = Counter()

    async def take(
        self,
        token: ShareToken,
        pieces: AsyncIterator[bytes],
        *,
        content_type: str | None,
        content_length: str | None,
    ) -> int:
        """Take a form in; return how many files and texts were new or known.

        Raises:
            RequestEnded: the link takes nothing; asked before a byte is read, and at the end.
            Busy, SenderSlow, StoreIsAway, NoAnswer: nothing was kept; it may be sent again.
            FileTooLarge, TooManyFiles, WordsTooLong, WrongKind, FormBroken, TooMuchSent: as said.
        """
        found = await asyncio.to_thread(self._requests.page, token)
        if content_length is not None and (
            not content_length.isdigit() or int(content_length) > MAX_BODY_BYTES
        ):
            raise FileTooLarge
        link = token.digest()
        if self._inside.total() >= AT_ONCE or self._inside[link] >= AT_ONCE_BY_ONE_LINK:
            raise Busy
        self._inside[link] += 1
        try:
            return await self._take(token, pieces, content_type, max_bytes=found.bytes_left)
        finally:
            self._inside[link] -= 1
            self._inside += Counter()  # Forgets who has none inside.

    async def _take(
        self,
        token: ShareToken,
        pieces: AsyncIterator[bytes],
        content_type: str | None,
        *,
        max_bytes: int,
    ) -> int:
        sealing = _Sealing(self._store)
        refused: Refusal | None = None
        taken: frozenset[object] = frozenset()
        try:
            async with asyncio.timeout(self._whole_seconds):
                form = Form(content_type, sealing, max_bytes=min(max_bytes, MAX_BODY_BYTES))
                try:
                    await self._read(pieces, form)
                except Refusal as exc:
                    refused = exc
                    await self._drain(pieces)
            if refused is not None:
                raise refused
            words = form.end()
            count = len(sealing.kept) + bool(words)
            if count:
                taken = await asyncio.to_thread(self._requests.take, token, sealing.kept, words)
        except NoAnswer:
            sealing.kept.clear()  # Nobody knows whether a row names them.
            raise
        except TimeoutError as exc:
            raise SenderSlow from exc
        else:
            return count
        finally:
            await asyncio.to_thread(sealing.forget, but=taken)

    async def _read(self, pieces: AsyncIterator[bytes], form: Form) -> None:
        waiting: list[bytes] = []
        size = whole = 0
        while (piece := await self._next(pieces)) is not None:
            waiting.append(piece)
            size += len(piece)
            whole += len(piece)
            if whole > MAX_BODY_BYTES:
                raise FileTooLarge
            if size >= _BATCH_BYTES:
                await asyncio.to_thread(form.feed, b"".join(waiting))
                waiting, size = [], 0
        await asyncio.to_thread(form.feed, b"".join(waiting))

    async def _drain(self, pieces: AsyncIterator[bytes]) -> None:
        """Read what still comes of a refused form: a browser shows no answer before its end."""
        left = MAX_BODY_BYTES
        while (piece := await self._next(pieces)) is not None:
            left -= len(piece)
            if left < 0:
                return

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        try:
            return await asyncio.wait_for(anext(pieces), self._idle_seconds)
        except StopAsyncIteration:
            return None
