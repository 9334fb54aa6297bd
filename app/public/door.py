"""The only way out for released sound: each piece is given while the link is open, no longer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.core.errors import Unavailable
from app.core.ranges import ByteRange
from app.public.links import LinkEnded, Links, OpenBundle, OpenItem, View
from app.releases.tokens import ShareToken
from storage.errors import StoreError
from storage.sealed import SealedReader

PIECE_BYTES = 256 * 1024


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
        position = wanted.start
        while position < wanted.end:
            length = min(PIECE_BYTES, wanted.end - position)
            try:
                piece = self._piece(token, item, view, start=position, length=length)
            except LinkEnded as exc:
                if position == wanted.start:
                    raise
                raise CutOff from exc
            yield piece
            position += length

    def bundle_pieces(
        self, token: ShareToken, bundle: OpenBundle, view: View, *, wanted: ByteRange
    ) -> Iterator[bytes]:
        """Yield the bytes of `wanted` of a bundle; each is read, then goes if the link is open.

        Raises:
            LinkEnded, CutOff, CopyAway: as `pieces`.
        """
        is_first = True
        try:
            for piece in self.store.stream(bundle.ref, start=wanted.start, length=wanted.length):
                self._must_be_open(token, view, is_first=is_first)
                yield piece
                is_first = False
        except StoreError as exc:
            self._must_be_open(token, view, is_first=is_first)
            raise CopyAway from exc

    def _must_be_open(self, token: ShareToken, view: View, *, is_first: bool) -> None:
        try:
            self.links.bundle(token, view)
        except LinkEnded as exc:
            if is_first:
                raise
            raise CutOff from exc

    def _piece(
        self, token: ShareToken, item: OpenItem, view: View, *, start: int, length: int
    ) -> bytes:
        """Return what was read, if the link is open still; of one that has ended, say only that."""
        try:
            piece = self.store.read(item.ref, start=start, length=length)
        except StoreError as exc:
            self.links.item(token, item.id, view)
            raise CopyAway from exc
        self.links.item(token, item.id, view)
        return piece
