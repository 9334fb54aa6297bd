"""The mover of releases: what was cleared is copied from the archive into the release store.

The bytes move between two short transactions. The first ends with permits, the second decides once
more; what lies in the release store without an item is swept like any object without a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy.exc import IntegrityError

from app.consent.rules import Permit
from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import ReleaseId, new_id
from app.fixity import checks as fixity
from app.identity.actor import Actor
from app.inspection.sandbox import Sandbox
from app.releases import passphrases, recipes, service
from app.releases.making import Made, Maker
from app.releases.models import Release
from app.releases.refusals import ConsentChanged
from app.releases.service import Cleared, Copy
from app.releases.tokens import ShareToken
from storage.sealed import SealedReader, SealedReaper, SealedWriter


class ReleaseStore(SealedWriter, SealedReaper, Protocol):
    """The part of the release store that the archive needs; it reads nothing back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """How an approval ended: with a link, or waiting for one more person."""

    release: Release
    token: ShareToken | None
    passphrase: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copier:
    """Everything needed to move copies out of the archive; built once, in `main`."""

    database: Database
    archive: SealedReader
    release: ReleaseStore
    sandbox: Callable[[], Sandbox]
    clock: Clock
    spool: Path
    public_url: str

    def link_url(self, token: ShareToken) -> str:
        """Return the address that the recipient is sent."""
        return f"{self.public_url.rstrip('/')}/s/{token.secret}"

    def approve(
        self,
        actor: Actor,
        release_id: ReleaseId,
        *,
        note: str | None,
        with_passphrase: bool = False,
    ) -> Approved:
        """Write down the approval; if it was the last one needed, copy and open the link.

        `with_passphrase`: the link then asks for one, which is returned this once.

        An approval stays when the copying fails; the same person may then approve again.

        Raises:
            RecordingDamaged: a recording is not what came in; it is put apart.
            ScreenshotDamaged: a screenshot is not what came in.
            CheckNotPossible: the store does not give it now.
        """
        with self.database.transaction() as session:
            cleared = service.approve(session, actor, release_id, note=note, at=self.clock.now())
            if not cleared:
                return Approved(release=service.get(session, release_id), token=None)
        wanted = dict.fromkeys(
            part.subject.id for part in cleared if not part.subject.is_screenshot
        )
        fixity.before_release(self.database, self.archive, self.clock, wanted, actor=actor)
        copies: list[Copy] = []
        try:
            for part in cleared:
                copies.append(self._copy(actor, part, part.permit))  # noqa: PERF401 - what is copied so far is known when one fails.
            passphrase = passphrases.new() if with_passphrase else None
            release, token = self._grant(actor, release_id, copies, passphrase=passphrase)
        except BaseException:
            self._take_back(release_id, copies)
            raise
        return Approved(release=release, token=token, passphrase=passphrase)

    def _grant(
        self,
        actor: Actor,
        release_id: ReleaseId,
        copies: list[Copy],
        *,
        passphrase: str | None,
    ) -> tuple[Release, ShareToken]:
        """Grant in one transaction.

        Raises:
            ConsentChanged: the database saw a change between the decision and the item.
        """
        try:
            with self.database.transaction() as session:
                at = self.clock.now()
                release, token = service.grant(
                    session, actor, release_id, copies, passphrase=passphrase, at=at
                )
                service.mail_link(session, release, self.link_url(token), at=at)
                return release, token
        except IntegrityError as exc:
            raise ConsentChanged from exc

    def _take_back(self, release_id: ReleaseId, copies: list[Copy]) -> None:
        """Delete copies that came to nothing, unless the loss was that of COMMIT's answer alone."""
        with self.database.transaction() as session:
            kept = {item.object_id for item in service.get(session, release_id).items}
        for copy in copies:
            if copy.object_id not in kept:
                self.release.delete(copy.object_id)

    @property
    def maker(self) -> Maker:
        """What makes the files, for a preview too."""
        return Maker(
            database=self.database, archive=self.archive, sandbox=self.sandbox, spool=self.spool
        )

    def _copy(self, actor: Actor, part: Cleared, permit: Permit) -> Copy:
        """Copy exactly what `permit` is for, without what was asked to be taken out."""
        if (permit.recording_id, permit.segment) != (part.subject.id, part.segment):
            raise ValueError("The permit is for something else.")
        if part.subject.is_screenshot:
            with self.maker.picture(part.subject.id, part.subject.areas) as made:
                return self._keep(actor, part, made)
        with self.maker.clip(permit.recording_id, permit.segment, part.redactions) as made:
            return self._keep(actor, part, made)

    def _keep(self, actor: Actor, part: Cleared, made: Made) -> Copy:
        draft = self.release.begin(new_id())
        try:
            for piece in made.pieces():
                draft.write(piece)
            kept = draft.keep()
        finally:
            draft.discard()
        told = made.told(str(actor.id)) if made.told is not None else None
        return Copy(
            wish_id=part.wish_id,
            object_id=kept.object_id,
            wrapped_key=kept.wrapped_key,
            size_bytes=kept.size_bytes,
            sha256=kept.sha256,
            media_type=made.media_type,
            duration_ms=made.duration_ms,
            redactions=part.redactions,
            areas=part.subject.areas,
            derivation=recipes.canonical(told).decode() if told is not None else None,
        )


def destroy(
    database: Database, store: SealedReaper, release_id: ReleaseId, *, at: datetime
) -> None:
    """Destroy the keys of an ended release's copies, then their bytes; may run twice."""
    with database.transaction() as session:
        objects = service.destroy_keys(session, release_id, at=at)
    for object_id in objects:
        store.delete(object_id)
