"""The way out for bundles inside the house: a decision, an entry in the ledger, then bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Unavailable
from app.core.ids import ReleaseId
from app.core.ranges import ByteRange
from app.identity.actor import Actor
from app.releases import bundles, queries, service
from app.releases.bundles import BundleGone
from app.releases.models import ReleaseBundle
from storage.errors import StoreError
from storage.sealed import SealedReader, SealedRef


class BundleAway(Unavailable):
    """The store does not give the bundle now; try again."""


class CutOff(Exception):
    """The release ended while somebody took its bundle; the rest is not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDoor:
    """Gives bundles of open releases."""

    database: Database
    store: SealedReader
    clock: Clock

    def look(self, actor: Actor, release_id: ReleaseId) -> ReleaseBundle | None:
        """Return what is known of a bundle.

        Raises:
            ReleaseNotFound: there is no such release that `actor` may know of.
        """
        with self.database.transaction() as session:
            service.seen(session, actor, release_id)
            return bundles.of(session, release_id)

    def take(self, actor: Actor, release_id: ReleaseId, part: ByteRange | None) -> ReleaseBundle:
        """Decide, and write the access down; the caller gives bytes after that.

        Raises:
            ReleaseNotFound, BundleGone, BundleNotReady: it is not given.
        """
        with self.database.transaction() as session:
            release, at = service.seen(session, actor, release_id), self.clock.now()
            decided = service.standing(session, release, release.wishes, at=at)
            return bundles.take(
                session,
                actor,
                release,
                allowed=[decision.allowed for _, decision in decided],
                part=None if part is None else (part.start, part.end - 1),
                at=at,
            )

    def pieces(self, bundle: ReleaseBundle, wanted: ByteRange) -> Iterator[bytes]:
        """Yield the bytes of `wanted`; each is read first, then goes if the release is open.

        Raises:
            CutOff: it has ended meanwhile.
            BundleAway: the store does not give them.
        """
        if bundle.object_id is None or bundle.wrapped_key is None or bundle.size_bytes is None:
            raise BundleGone
        ref = SealedRef(
            object_id=bundle.object_id,
            wrapped_key=bundle.wrapped_key,
            size_bytes=bundle.size_bytes,
        )
        try:
            for piece in self.store.stream(ref, start=wanted.start, length=wanted.length):
                with self.database.transaction() as session:
                    if not queries.is_open(session, bundle.release_id):
                        raise CutOff
                yield piece
        except StoreError as exc:
            raise BundleAway from exc
