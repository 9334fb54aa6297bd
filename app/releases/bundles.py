"""The bundle of a release as the database knows it: asked for, told of, ready, taken, destroyed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Gone
from app.core.ids import ReleaseId
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.releases import queries
from app.releases.models import BundleState, Release, ReleaseBundle, ReleaseState

TASK = "releases.bundle"
_SYSTEM = Actor.system("releases")


class BundleNotReady(Conflict):
    """There is no bundle to take yet.

    `state` is `pending` while it is made, `failed` when that broke: then `POST` asks once more.
    """


class BundleGone(Gone):
    """The release has ended or is closed, and its bundle with it."""


class ManifestChanged(Exception):
    """The exhibits are not those that the ledger tells of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """The digests of both manifests of the exhibits."""

    sha256: bytes
    sha512: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A bundle that lies in the release store, and what of it is written down."""

    object_id: UUID
    wrapped_key: bytes
    size_bytes: int
    sha256: bytes
    key_fingerprint: str
    checkpoint_size: int
    checkpoint_root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The entry of the ledger that tells of the making of a bundle."""

    entry_id: UUID
    at: datetime


def of(session: Session, release_id: UUID, *, lock: bool = False) -> ReleaseBundle | None:
    """Return the bundle of a release."""
    query = select(ReleaseBundle).where(ReleaseBundle.release_id == release_id)
    if lock:
        query = query.with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def ask(session: Session, release: Release, *, at: datetime) -> ReleaseBundle:
    """Let the bundle of a granted release be made; what was asked before is asked again.

    Raises:
        BundleGone: the release has ended.
    """
    if release.state != ReleaseState.GRANTED:
        raise BundleGone(state=release.state)
    bundle = of(session, release.id, lock=True)
    if bundle is None:
        bundle = ReleaseBundle(release_id=release.id, state=BundleState.PENDING, asked_at=at)
        session.add(bundle)
    elif bundle.state == BundleState.FAILED:
        bundle.state, bundle.reason = BundleState.PENDING, None
    else:
        return bundle
    session.flush()
    args = {"release_id": str(release.id)}
    enqueue(session, Job(task=TASK, args=args, lock=f"{TASK}:{release.id}"))
    return bundle


def is_wanted(session: Session, release_id: UUID) -> bool:
    """Say whether the bundle of a release has still to be made."""
    release, bundle = queries.release(session, release_id), of(session, release_id)
    return (
        release is not None
        and release.state == ReleaseState.GRANTED
        and bundle is not None
        and bundle.state in {BundleState.PENDING, BundleState.FAILED}
    )


def enclosed(session: Session, release_id: UUID) -> list[dict[str, object]] | None:
    """Return what the ledger was told the bundle encloses; None if it was told of none yet."""
    bundle = of(session, release_id)
    return None if bundle is None or bundle.entry_id is None else bundle.enclosed


def tell(
    session: Session,
    release_id: ReleaseId,
    found: Manifests,
    *,
    enclosed: list[dict[str, object]],
    at: datetime,
) -> Told:
    """Write into the ledger that the bundle is made, once however often the making was begun.

    What is `enclosed` is kept for whoever has to begin anew.

    Raises:
        BundleGone: the release is not open any more.
        ManifestChanged: an earlier beginning had other exhibits.
    """
    bundle = of(session, release_id, lock=True)
    if bundle is None or not queries.is_open(session, release_id):
        raise BundleGone
    if bundle.entry_id is not None:
        if (bundle.manifest_sha256, bundle.manifest_sha512) != (found.sha256, found.sha512):
            raise ManifestChanged
        return Told(entry_id=bundle.entry_id, at=at)
    bundle.entry_id = ledger.append(
        session,
        _SYSTEM,
        Act.BUNDLE_CREATED,
        ("release", release_id),
        at=at,
        facts={"manifest_sha256": found.sha256.hex(), "manifest_sha512": found.sha512.hex()},
    )
    bundle.manifest_sha256, bundle.manifest_sha512 = found.sha256, found.sha512
    bundle.enclosed = enclosed
    session.flush()
    return Told(entry_id=bundle.entry_id, at=at)


def keep(session: Session, release_id: ReleaseId, made: Made, *, at: datetime) -> bool:
    """Make a written bundle the one of its release; say no if there is one, or it has ended."""
    release = queries.release(session, release_id, lock=True)
    bundle = of(session, release_id, lock=True)
    if release is None or release.state != ReleaseState.GRANTED or bundle is None:
        return False
    if bundle.state not in {BundleState.PENDING, BundleState.FAILED}:
        return False
    bundle.state, bundle.reason, bundle.made_at = BundleState.READY, None, at
    bundle.object_id, bundle.wrapped_key = made.object_id, made.wrapped_key
    bundle.size_bytes, bundle.sha256 = made.size_bytes, made.sha256
    bundle.key_fingerprint = made.key_fingerprint
    bundle.checkpoint_size, bundle.checkpoint_root = made.checkpoint_size, made.checkpoint_root
    session.flush()
    return True


def is_kept(session: Session, release_id: UUID, object_id: UUID) -> bool:
    """Say whether this very object is the bundle of its release."""
    bundle = of(session, release_id)
    return bundle is not None and bundle.object_id == object_id


def fail(session: Session, release_id: UUID, *, reason: str) -> None:
    """Note that the making broke; the job is tried again, and a person can ask for it."""
    bundle = of(session, release_id, lock=True)
    if bundle is not None and bundle.state in {BundleState.PENDING, BundleState.FAILED}:
        bundle.state, bundle.reason = BundleState.FAILED, reason
        session.flush()


def destroy_key(session: Session, release_id: UUID) -> UUID | None:
    """Destroy the key of a bundle, made or not; return the object that it opened."""
    bundle = of(session, release_id, lock=True)
    if bundle is None:
        return None
    if bundle.state != BundleState.DESTROYED:
        bundle.state, bundle.reason, bundle.wrapped_key = BundleState.DESTROYED, None, None
        session.flush()
    return bundle.object_id


def handed_before(session: Session, release: Release) -> ReleaseBundle | None:
    """Return the bundle with the newest head of the log that this client was handed before."""
    return session.scalar(
        select(ReleaseBundle)
        .join(Release, Release.id == ReleaseBundle.release_id)
        .where(
            Release.client_id == release.client_id,
            Release.id != release.id,
            ReleaseBundle.made_at.is_not(None),
        )
        .order_by(ReleaseBundle.checkpoint_size.desc())
        .limit(1)
    )


def take(
    session: Session,
    actor: Actor,
    release: Release,
    *,
    allowed: Sequence[bool],
    part: tuple[int, int] | None,
    at: datetime,
) -> ReleaseBundle:
    """Return the bundle if it may be taken now, and write the access down.

    `allowed` is what the rules say now of each part; `part` the first and last byte asked for.

    Raises:
        BundleGone: the release has ended, is closed, or is allowed no more.
        BundleNotReady: it is not made yet.
    """
    bundle = of(session, release.id)
    if release.state == ReleaseState.REQUESTED or bundle is None:
        raise BundleNotReady(state="none")
    if release.state != ReleaseState.GRANTED:
        raise BundleGone(state=release.state)
    if bundle.state != BundleState.READY:
        raise BundleNotReady(state=bundle.state)
    if not all(allowed) or not queries.is_open(session, release.id):
        raise BundleGone(state="closed")
    ledger.append(
        session,
        actor,
        Act.RELEASE_ACCESSED,
        ("release", release.id),
        at=at,
        facts={"form": "bundle"}
        | ({} if part is None else {"first_byte": part[0], "last_byte": part[1]}),
    )
    return bundle
