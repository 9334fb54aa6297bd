"""The mover of bundles: exhibits, what is told of them, and proofs become one sealed zip.

Built once, in pieces, right after the approval that grants; docs/bundle.md has its form. No
transaction is open while bytes move. First the exhibits are written, so that the ledger can be
told the digests of their lists; then the head of the log that covers this entry is signed, and
the proofs are cut from it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, Protocol
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from app.consent import exporting
from app.consent.rules import Permit, Segment
from app.core.ids import ReleaseId, new_id
from app.custody import checkpoints, proofs
from app.custody.checkpoints import LogTools
from app.custody.models import Checkpoint, LedgerLeaf
from app.custody.signing import Purpose
from app.identity.actor import Actor
from app.recordings.models import Leg, Recording, SealedRow
from app.releases import bag as bags
from app.releases import bundles, enclosures, queries, service, subjects, telling
from app.releases.bag import Bag
from app.releases.bundles import BundleGone, Made, Manifests, Told
from app.releases.dossier import Outgoing
from app.releases.enclosures import Enclosure
from app.releases.models import Release, ReleaseItem
from app.releases.passport import Json
from app.releases.subjects import Subject
from app.releases.telling import Proofs, Tale
from storage.sealed import SealedReader, SealedReaper, SealedRef, SealedWriter

_SYSTEM: Final = Actor.system("releases")
_LEAF_TRIES: Final = 50
_LEAF_PAUSE_SECONDS: Final = 0.2
_EXTENSIONS: Final = {
    "mp4": "m4a",
    "matroska": "mka",
    "asf": "wma",
    "adts": "aac",
}


class BundleStore(SealedWriter, SealedReader, SealedReaper, Protocol):
    """The release store, which bundles are kept in, and copies are read from."""


class ExhibitDamaged(Exception):
    """What the store gave is not what was received or copied."""


class LeafMissing(Exception):
    """The ledger's entry of the making got no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One exhibit: where it lies, what it must be, and how it was cut if it is a part."""

    path: str
    object_id: UUID
    store: SealedReader = field(repr=False)
    ref: SealedRef = field(repr=False)
    sha256: bytes
    permit: Permit
    leg: str | None = None
    recipe: Json | None = None

    @property
    def recipe_path(self) -> str:
        return f"{PurePosixPath(self.path).with_suffix('')}.derivation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a bundle will hold."""

    release_id: ReleaseId
    files: tuple[File, ...]
    recordings: tuple[UUID, ...]
    screenshots: tuple[UUID, ...]
    vcons: tuple[Json, ...]
    enclosures: tuple[Enclosure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundler:
    """Everything needed to make bundles; built once per process."""

    log: LogTools
    archive: SealedReader
    release: BundleStore
    software: str = "audiatur"

    def build(self, release_id: ReleaseId) -> bool:
        """Make the bundle of a granted release, unless it is made; say whether this made it.

        Raises:
            BundleGone: the release is not open any more.
            ConsentRefused: the rules no longer allow what was granted.
            ExhibitDamaged, StoreUnavailable, DatabaseAway: it can be tried again.
        """
        with self.log.database.transaction() as session:
            if not bundles.is_wanted(session, release_id):
                return False
            plan = self._plan(session, release_id)
        draft = self.release.begin(new_id())
        bag = Bag(draft, f"evidence-{release_id}")
        try:
            checkpoint = self._write(bag, plan)
            kept = draft.keep()
        finally:
            bag.abandon()
            draft.discard()
        made = Made(
            object_id=kept.object_id,
            wrapped_key=kept.wrapped_key,
            size_bytes=kept.size_bytes,
            sha256=kept.sha256,
            key_fingerprint=bags.fingerprint(self._key().public_key()),
            checkpoint_size=checkpoint.size,
            checkpoint_root=checkpoint.root,
        )
        return self._keep(release_id, made)

    def _keep(self, release_id: ReleaseId, made: Made) -> bool:
        """Make it the release's, or delete it: nobody would ever find it."""
        is_kept = False
        try:
            with self.log.database.transaction() as session:
                is_kept = bundles.keep(session, release_id, made, at=self.log.clock.now())
        finally:
            if not is_kept:
                with self.log.database.transaction() as session:
                    is_kept = bundles.is_kept(session, release_id, made.object_id)
                if not is_kept:
                    self.release.delete(made.object_id)
        return is_kept

    def _key(self) -> Ed25519PrivateKey:
        """Return the key that signs bundles, the newest one."""
        seed = next(k.seed for k in self.log.ring.keys.keys if k.purpose is Purpose.BUNDLE)
        return Ed25519PrivateKey.from_private_bytes(seed or b"")

    def _plan(self, session: Session, release_id: ReleaseId) -> Plan:
        """Decide once more on each part, and say which files it comes to."""
        release = service.get(session, release_id)
        files: dict[str, File] = {}
        counts: dict[UUID, int] = {}
        vcons: dict[UUID, Json] = {}
        screenshots: list[UUID] = []
        permits: dict[Subject, Permit] = {}
        for item in release.items:
            permit = service.permit_again(session, release, item, at=self.log.clock.now())
            permits[subjects.of(item)] = permit
            if item.recording_id is None:
                picture = self._picture(item, permit)
                files[picture.path] = picture
                screenshots.append(picture.object_id)
                continue
            recording = queries.recording(session, item.recording_id)
            if recording is None:
                raise BundleGone
            sealed = queries.sealed(session, recording.legs)
            if permit.segment == Segment(0, None) and not item.redactions:
                found = [self._whole(recording, leg, sealed, permit) for leg in recording.legs]
            else:
                counts[recording.id] = counts.get(recording.id, 0) + 1
                found = [self._part(recording, item, counts[recording.id], permit)]
            files |= {file.path: file for file in found}
            if recording.id not in vcons:
                vcons[recording.id] = exporting.vcon_of(
                    session, _SYSTEM, recording.id, at=self.log.clock.now()
                )
        before = bundles.enclosed(session, release_id)
        return Plan(
            release_id=release_id,
            files=tuple(files.values()),
            recordings=tuple(vcons),
            screenshots=tuple(screenshots),
            vcons=tuple(vcons.values()),
            enclosures=enclosures.again(session, before)
            if before is not None
            else enclosures.gather(
                session, _SYSTEM, permits, release_id=release_id, at=self.log.clock.now()
            ),
        )

    def _whole(
        self, recording: Recording, leg: Leg, sealed: dict[UUID, SealedRow], permit: Permit
    ) -> File:
        """Return a leg as it was received: what is allowed as a whole goes out as itself."""
        row = sealed[leg.object_id]
        name = "original" if len(recording.legs) == 1 else f"original-{leg.leg}"
        extension = _EXTENSIONS.get(leg.container, leg.container)
        return File(
            path=f"data/recordings/{recording.id}/{name}.{extension}",
            object_id=recording.id,
            store=self.archive,
            ref=_ref(row.object_id, row.wrapped_key, row.size_bytes),
            sha256=row.sha256,
            permit=permit,
            leg=leg.leg,
        )

    def _part(
        self,
        recording: Recording,
        item: ReleaseItem,
        number: int,
        permit: Permit,
    ) -> File:
        """Return the very copy that the link serves, with how it was made."""
        return File(
            path=f"data/recordings/{recording.id}/clip-{number:02}.wav",
            object_id=recording.id,
            store=self.release,
            ref=_ref(item.object_id, item.wrapped_key, item.size_bytes),
            sha256=item.sha256,
            permit=permit,
            recipe=json.loads(item.derivation or "null"),
        )

    def _picture(self, item: ReleaseItem, permit: Permit) -> File:
        """Return a screenshot as it was drawn for the link, never as it was received."""
        screenshot_id = subjects.of(item).id
        return File(
            path=f"data/screenshots/{screenshot_id}.png",
            object_id=screenshot_id,
            store=self.release,
            ref=_ref(item.object_id, item.wrapped_key, item.size_bytes),
            sha256=item.sha256,
            permit=permit,
            recipe=json.loads(item.derivation or "null"),
        )

    def _write(self, bag: Bag, plan: Plan) -> Checkpoint:
        bag.add("bagit.txt", bags.BAGIT_TXT)
        for file in plan.files:
            _add(bag, file)
        for path, one in {one.path: one for one in plan.enclosures}.items():
            if path is not None and one.sealed is not None:
                self._enclose(bag, path, one.sealed)
        bag.write_manifests("manifest")
        manifests = Manifests(
            sha256=bytes.fromhex(bag.listed["manifest-sha256.txt"].sha256),
            sha512=bytes.fromhex(bag.listed["manifest-sha512.txt"].sha512),
        )
        with self.log.database.transaction() as session:
            told = bundles.tell(
                session,
                plan.release_id,
                manifests,
                enclosed=enclosures.kept(plan.enclosures),
                at=self.log.clock.now(),
            )
        checkpoint = checkpoints.checkpoint_now(self.log, wants_stamp=True)
        made = self._leaf(told)
        key = self._key()
        with self.log.database.transaction() as session:
            release = service.get(session, plan.release_id)
            tale = self._tale(session, plan, bag, told, release)
            cut = self._proofs(session, plan, checkpoint, made, release)
        fingerprint = bags.fingerprint(key.public_key())
        telling.write(bag, tale, cut, fingerprint=fingerprint, software=self.software)
        bag.add("proof/keys/bundle.pub.pem", bags.pem(key.public_key()))
        bag.write_statement(telling.predicate(tale, cut), key)
        bag.write_manifests("tagmanifest")
        bag.close()
        return checkpoint

    def _enclose(self, bag: Bag, path: str, row: SealedRow) -> None:
        """Stream a paper into the bag.

        Raises:
            ExhibitDamaged: it is not what was uploaded.
        """
        ref = _ref(row.object_id, row.wrapped_key, row.size_bytes)
        found = bag.stream(path, self.archive.stream(ref), size_bytes=ref.size_bytes)
        if found.sha256 != row.sha256.hex():
            raise ExhibitDamaged(path)

    def _leaf(self, told: Told) -> LedgerLeaf:
        """Return the leaf of the making; entries that others are writing do not hold it up.

        Raises:
            LeafMissing: it got no number for ten seconds.
        """
        for _ in range(_LEAF_TRIES):
            with self.log.database.transaction() as session:
                leaf = proofs.leaf_of_entry(session, told.entry_id)
            if leaf is not None:
                return leaf
            time.sleep(_LEAF_PAUSE_SECONDS)
            self.log.sequencer().catch_up()
        raise LeafMissing(str(told.entry_id))

    def _tale(self, session: Session, plan: Plan, bag: Bag, told: Told, release: Release) -> Tale:
        outgoing = {
            recording_id: Outgoing(
                sha512={
                    file.leg: bag.listed[file.path].sha512
                    for file in plan.files
                    if file.object_id == recording_id and file.leg is not None
                },
                recipes=[
                    file.recipe_path
                    for file in plan.files
                    if file.object_id == recording_id and file.recipe is not None
                ],
            )
            for recording_id in plan.recordings
        }
        return telling.gather(
            session,
            release,
            outgoing,
            screenshots={
                file.object_id: file.recipe_path
                for file in plan.files
                if file.object_id in plan.screenshots
            },
            vcons=plan.vcons,
            enclosures=plan.enclosures,
            keys=self.log.ring.keys.public(Purpose.LOG),
            at=told.at,
        )

    def _proofs(
        self,
        session: Session,
        plan: Plan,
        checkpoint: Checkpoint,
        made: LedgerLeaf,
        release: Release,
    ) -> Proofs:
        leaves = _story(session, plan, upto=made.seq)
        before = bundles.handed_before(session, release)
        return telling.cut_proofs(
            session,
            self.log,
            checkpoint,
            leaves,
            since=None
            if before is None or before.checkpoint_size is None
            else (before.checkpoint_size, before.checkpoint_root or b""),
        )


def _story(session: Session, plan: Plan, *, upto: int) -> Sequence[LedgerLeaf]:
    """Return every event of the release and of what it hands over, up to this making."""
    about: list[tuple[str, UUID]] = [("recording", one) for one in plan.recordings]
    about += [("screenshot", one) for one in plan.screenshots]
    about.append(("release", plan.release_id))
    found = [
        leaf
        for kind, object_id in about
        for leaf in proofs.leaves_about(session, kind, object_id, size=upto + 1)
    ]
    return sorted(found, key=lambda leaf: leaf.seq)


def _add(bag: Bag, file: File) -> None:
    """Stream an exhibit into the bag.

    Raises:
        ExhibitDamaged: it is not what was received or copied.
    """
    if file.permit.recording_id != file.object_id:
        raise ValueError("The permit is for something else.")
    found = bag.stream(file.path, file.store.stream(file.ref), size_bytes=file.ref.size_bytes)
    if found.sha256 != file.sha256.hex():
        raise ExhibitDamaged(file.path)
    if file.recipe is not None:
        bag.add(file.recipe_path, bags.canonical(file.recipe))


def _ref(object_id: UUID, wrapped_key: bytes | None, size_bytes: int) -> SealedRef:
    if wrapped_key is None:
        raise BundleGone
    return SealedRef(object_id=object_id, wrapped_key=wrapped_key, size_bytes=size_bytes)
