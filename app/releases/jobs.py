"""The background jobs of releases: deciding anew, making bundles, destroying what has ended."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

import structlog

from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import ReleaseId
from app.custody.checkpoints import LogTools
from app.inspection.sandbox import Sandbox
from app.releases import bundles, copies, queries, service
from app.releases.bundle import Bundler, BundleStore
from app.releases.bundles import BundleGone
from app.releases.copies import ReleaseStore
from app.releases.refusals import ReleaseRefused
from storage.sealed import SealedReader

_log = structlog.get_logger()


class Tools(Protocol):
    """What these jobs need of the worker's tools."""

    @property
    def database(self) -> Database: ...
    @property
    def release(self) -> ReleaseStore: ...
    @property
    def clock(self) -> Clock: ...


class BundleTools(Protocol):
    """What the making of bundles needs of the worker's tools."""

    @property
    def log(self) -> LogTools: ...
    @property
    def archive(self) -> SealedReader: ...
    @property
    def release(self) -> BundleStore: ...
    @property
    def sandbox(self) -> Sandbox: ...


def handle_bundle(tools: BundleTools, release_id: str) -> None:
    """Make the bundle of a granted release; what breaks is noted, and the job tried again."""
    bundler = Bundler(
        log=tools.log,
        archive=tools.archive,
        release=tools.release,
    )
    try:
        bundler.build(ReleaseId(UUID(release_id)))
    except (BundleGone, ReleaseRefused) as exc:
        _note(tools, release_id, exc)  # Trying again changes nothing: it has ended, or soon will.
    except Exception as exc:
        _note(tools, release_id, exc)
        raise


def _note(tools: BundleTools, release_id: str, exc: Exception) -> None:
    _log.warning("bundle.failed", release_id=release_id, error=type(exc).__name__)
    with tools.log.database.transaction() as session:
        bundles.fail(session, UUID(release_id), reason=type(exc).__name__)


def handle_reconsider(
    tools: Tools, recording_id: str | None = None, screenshot_id: str | None = None
) -> None:
    """Decide anew on the live releases of what has changed in what decisions depend on."""
    ids = [UUID(one) for one in (recording_id, screenshot_id) if one is not None]
    with tools.database.transaction() as session:
        found = [release_id for one in ids for release_id in queries.live_of(session, one)]
    _reconsider(tools, [ReleaseId(release_id) for release_id in found])


def handle_sweep(tools: Tools) -> None:
    """Decide anew on every granted release that is closed, whatever closed it.

    Time, a contact's verification, a contract or a pack closes links too, and belongs to no one
    recording.
    """
    with tools.database.transaction() as session:
        found = queries.closed(session, tools.clock.now())
    _reconsider(tools, [ReleaseId(release_id) for release_id in found])


def handle_destroy(tools: Tools, release_id: str) -> None:
    """Destroy the copies of an ended release, the keys first."""
    copies.destroy(tools.database, tools.release, ReleaseId(UUID(release_id)), at=tools.clock.now())


def _reconsider(tools: Tools, release_ids: list[ReleaseId]) -> None:
    for release_id in release_ids:
        with tools.database.transaction() as session:
            service.reconsider(session, release_id, at=tools.clock.now())
