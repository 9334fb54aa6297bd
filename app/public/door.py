"""The only way out for released sound: each piece is given while the link is open, no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.core.errors import Unavailable
from app.core.ranges import ByteRange
from app.public.links import LinkEnded, Links, OpenBundle, OpenItem, View
from app.releases.tokens import ShareToken
from storage.errors import StoreError
from storage.sealed import SealedReader, SealedRef

PIECE_BYTES = 256 * 1024
BUNDLE_PIECE_BYTES = 1 << 20


class CopyAway(Unavailable):
    """The recording cannot be read now; try again later."""


class CutOff(Exception):
    """The link ended while somebody listened; what was promised is not given to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Reads copies for open links."""

    links: Links
    store: SealedReader

    def pieces(
        self, token: ShareToken, item: OpenItem, view: View, *, wanted: ByteRange
    ) -> Iterator[bytes]:
        """Yield the bytes of `wanted`; before each piece goes the database is asked anew.

        It is read first and asked then: however long the store takes, nothing goes of a link
        that has ended.

        Raises:
            LinkEnded: not open when the first piece was asked for.
            CutOff: closed later.
            CopyAway: the store does not give the copy.
        """
        yield from self._pieces(
            item.ref,
            wanted,
            PIECE_BYTES,
            is_open=lambda: self.links.item(token, item.id, view),
        )

    def bundle_pieces(
        self, token: ShareToken, bundle: OpenBundle, view: View, *, wanted: ByteRange
    ) -> Iterator[bytes]:
        """Yield the bytes of `wanted` of a bundle, as `pieces` does, and refuse as it does."""
        yield from self._pieces(
            bundle.ref,
            wanted,
            BUNDLE_PIECE_BYTES,
            is_open=lambda: self.links.bundle(token, view),
        )

    def _pieces(
        self, ref: SealedRef, wanted: ByteRange, most_bytes: int, *, is_open: Callable[[], object]
    ) -> Iterator[bytes]:
        position = wanted.start
        while position < wanted.end:
            length = min(most_bytes, wanted.end - position)
            try:
                piece = self._piece(ref, is_open, start=position, length=length)
            except LinkEnded as exc:
                if position == wanted.start:
                    raise
                raise CutOff from exc
            yield piece
            position += length

    def _piece(
        self, ref: SealedRef, is_open: Callable[[], object], *, start: int, length: int
    ) -> bytes:
        """Return what was read, if the link is open still; of one that has ended, say only that."""
        try:
            piece = self.store.read(ref, start=start, length=length)
        except StoreError as exc:
            is_open()
            raise CopyAway from exc
        is_open()
        return piece
