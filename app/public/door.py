"""The only way out for released sound: each piece is given while the link is open, no longer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from app.core.errors import Unavailable
from app.core.ranges import ByteRange
from app.public.links import LinkEnded, Links, OpenItem, View
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
        self, token: ShareToken, item_id: UUID, view: View, *, wanted: ByteRange
    ) -> Iterator[bytes]:
        """Yield the bytes of `wanted`; before each piece the database is asked anew.

        Raises:
            LinkEnded: not open when the first piece was asked for.
            CutOff: closed later.
            CopyAway: the store does not give the copy.
        """
        position = wanted.start
        while position < wanted.end:
            length = min(PIECE_BYTES, wanted.end - position)
            try:
                item = self.links.item(token, item_id, view)
            except LinkEnded as exc:
                if position == wanted.start:
                    raise
                raise CutOff from exc
            yield self._read(item, start=position, length=length)
            position += length

    def _read(self, item: OpenItem, *, start: int, length: int) -> bytes:
        try:
            return self.store.read(item.ref, start=start, length=length)
        except StoreError as exc:
            raise CopyAway from exc
