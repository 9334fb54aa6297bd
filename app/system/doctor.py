"""`audiatur doctor`: looks at every part, and says of each what is wrong and how to mend it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import LiteralString

import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.clock import SystemClock
from app.core.db import APP_ROLE, CONNECT_SECONDS, Database
from app.core.errors import Refusal
from app.core.said import Said
from app.custody.signing import Purpose
from app.embedded.errors import EmbeddedPostgresFailed
from app.feeds import queries as feeds
from app.fixity import queries as fixity
from app.inspection.sandbox import Sandbox, SandboxMissing, Strength
from app.mail import queries as mails
from app.mail import smtp
from app.mail.models import DEAD, MailState
from app.migrate import is_from_newer_code, revisions
from app.pictures.reading import reader_of
from app.settings import Settings
from app.tools import Tools
from app.wiring import (
    Urls,
    archive_store,
    authorities,
    database_urls,
    make_data_folder,
    master_keys,
    release_store,
    signing_keys,
)
from storage.errors import StoreError
from storage.ports import Store
from storage.sealed import SealedStore

_CLOCK_TOLERANCE_SECONDS = 5
_FREE_WARNING = 0.10
_FREE_ERROR_BYTES = 1 << 30
_OLDEST_POSTGRES = 150018
_LATE_SECONDS = 900
_LOG_STATE = """
    SELECT coalesce((SELECT max(seq) + 1 FROM ledger_leaves), 0),
        coalesce((SELECT extract(epoch FROM now() - e.written_at)::float8 FROM custody_entries e
            WHERE e.position > (SELECT position FROM ledger_progress)
            ORDER BY e.position LIMIT 1), 0),
        (SELECT count(*) FROM checkpoints c
            WHERE c.wants_stamp AND c.signed_at < now() - interval '1 day'
                AND NOT EXISTS (SELECT FROM checkpoint_stamps s WHERE s.checkpoint_id = c.id))
"""
_DURABLE: LiteralString = (
    "current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' "
    "AND current_setting('synchronous_commit') <> 'off'"
)
_OVERDUE_SECONDS = 86_400
_BUILT = Path(__file__).parents[1] / "web/static/built/meta.json"


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one part; `mend` says what to do about it."""

    part: str
    level: Level
    found: str
    mend: str = ""

    @property
    def is_wrong(self) -> bool:
        return self.level is Level.FAIL

    def as_dict(self) -> dict[str, str]:
        return {
            "part": self.part,
            "level": self.level,
            "found": str(self.found),
            "mend": self.mend,
        }

    def as_line(self) -> str:
        line = f"{self.level:<4}  {self.part:<14} {self.found}"
        return f"{line}\n      {'':<14} -> {self.mend}" if self.mend else line


def examine(settings: Settings) -> list[Finding]:
    """Return what was found, part by part; a part that cannot be looked at is wrong."""
    findings = list(_guarded("data folder", lambda: _data(settings)))
    if any(f.is_wrong for f in findings):
        return findings
    findings += _guarded("disk", lambda: _disk(settings.data))
    findings += _guarded("database", lambda: _database(settings))
    findings += _guarded("master keys", lambda: _keys(settings))
    findings += _guarded("ledger", lambda: _ledger(settings))
    findings += _guarded("archive store", lambda: _archive(settings))
    findings += _guarded("release store", lambda: _store("release store", release_store(settings)))
    findings += _guarded("mail", lambda: _mail_server(settings))
    findings += _guarded("audio tools", _audio)
    findings += _guarded("pages", _pages)
    return findings


def examine_running(session: Session, tools: Tools) -> list[Finding]:
    """Return what a running process finds of its parts, by what it has open anyway.

    Nothing is started or written for it; what needs the owner of the database, or a trial of the
    store, is left to `examine`.
    """
    settings = tools.settings
    findings = list(_guarded("data folder", lambda: _data(settings)))
    findings += _guarded("disk", lambda: _disk(settings.data))
    findings += _guarded("durability", lambda: iter([_durability(is_durable=_durable(session))]))
    findings += _guarded("archive store", lambda: _answers("archive store", tools.archive))
    findings += _guarded("release store", lambda: _answers("release store", tools.release))
    findings += [
        _object_lock(settings, can_lock=tools.archive.can_lock),
        _fixity_told(fixity.figures(session)),
        *_calls_told(feeds.figures(session, at=tools.clock.now()), settings),
        _key_backup(settings),
        _stamps(tools.log.authorities.urls),
        _log(*session.execute(text(_LOG_STATE)).one()),
        _mail(settings, mails.counts(session)),
        *_audio_told(tools.sandbox),
        *_pages(),
    ]
    return findings


def _durable(session: Session) -> bool:
    return bool(session.scalar(text(f"SELECT {_DURABLE}")))


def _answers(part: str, store: SealedStore) -> Iterator[Finding]:
    store.check()
    yield Finding(part=part, level=Level.OK, found=Said("it answers"))


def _guarded(part: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except (Refusal, StoreError, EmbeddedPostgresFailed, OSError, psycopg.Error) as exc:
        return [
            Finding(
                part=part,
                level=Level.FAIL,
                found=str(exc) or type(exc).__name__,
                mend="mend what this line says, then run doctor again",
            )
        ]


def _mail_server(settings: Settings) -> Iterator[Finding]:
    """Greet the mail server and log in; nothing is sent."""
    if settings.smtp_host is None:
        yield _no_mail()
        return
    try:
        yield Finding(part="mail", level=Level.OK, found=smtp.check(settings))
    except smtp.MailServerAway as exc:
        yield Finding(
            part="mail",
            level=Level.FAIL,
            found=Said(
                "{server} takes no letters: {detail}",
                server=f"{settings.smtp_host}:{settings.smtp_port}",
                detail=exc.detail,
            ),
            mend="see whether it runs, and whether the AUDIATUR_SMTP_… settings are right",
        )


def _mail(settings: Settings, counts: Mapping[MailState, int]) -> Finding:
    """Tell by the mails themselves how mail goes; a page asks no server."""
    if settings.smtp_host is None:
        return _no_mail()
    dead = sum(counts[state] for state in DEAD)
    found = Said(
        "{sent} sent, {waiting} wait, {dead} were not taken",
        sent=counts[MailState.SENT],
        waiting=counts[MailState.QUEUED],
        dead=dead,
    )
    if dead:
        mend = "see below why, mend the address or the server, and send them again"
        return Finding(part="mail", level=Level.WARN, found=found, mend=mend)
    return Finding(part="mail", level=Level.OK, found=found)


def _no_mail() -> Finding:
    return Finding(
        part="mail",
        level=Level.OK,
        found=Said("no mail server is configured: nobody is told of anything by mail"),
        mend="set AUDIATUR_SMTP_HOST and AUDIATUR_SMTP_FROM",
    )


def _pages() -> Iterator[Finding]:
    if _BUILT.exists():
        yield Finding(part="pages", level=Level.OK, found=Said("styles and scripts are built"))
    else:
        yield Finding(
            part="pages",
            level=Level.FAIL,
            found=Said("the styles and scripts of the pages were not built"),
            mend="run scripts/setup, which builds them with npm, then start the archive again",
        )


def _data(settings: Settings) -> Iterator[Finding]:
    make_data_folder(settings)
    folder = settings.data.resolve()
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            part="data folder",
            level=Level.FAIL,
            found=Said("{folder} cannot be written", folder=folder),
            mend=f"give it to the account that runs the archive: chown -R USER {folder}",
        )
    elif mode & 0o007:
        yield Finding(
            part="data folder",
            level=Level.WARN,
            found=Said("{folder} is open to others (mode {mode})", folder=folder, mode=f"{mode:o}"),
            mend=f"chmod 700 {folder}",
        )
    else:
        yield Finding(part="data folder", level=Level.OK, found=str(folder))


def _disk(folder: Path) -> Iterator[Finding]:
    usage = shutil.disk_usage(folder)
    found = Said(
        "{free} GiB free of {total}",
        free=f"{usage.free / (1 << 30):.1f}",
        total=f"{usage.total / (1 << 30):.1f}",
    )
    mend = "make room, or move AUDIATUR_DATA to a larger disk"
    if usage.free < _FREE_ERROR_BYTES:
        yield Finding(part="disk", level=Level.FAIL, found=found, mend=mend)
    elif usage.free / usage.total < _FREE_WARNING:
        yield Finding(part="disk", level=Level.WARN, found=found, mend=mend)
    else:
        yield Finding(part="disk", level=Level.OK, found=found)


def _database(settings: Settings) -> Iterator[Finding]:
    with database_urls(settings) as urls:
        with psycopg.connect(urls.owner, connect_timeout=CONNECT_SECONDS) as connection:
            version = connection.info.server_version
            durable = connection.execute(f"SELECT {_DURABLE}, now()").fetchone()
        if durable is None:
            return
        yield _postgres_version(version)
        yield _durability(is_durable=durable[0])
        yield clock_beside(durable[1])
        migrated = _migrations(urls)
        yield migrated
        if migrated.level is Level.OK:
            yield _fixity(urls)
            yield from _calls(urls, settings)


def _postgres_version(version: int) -> Finding:
    found = f"PostgreSQL {version // 10000}.{version % 10000}"
    if version < _OLDEST_POSTGRES:
        return Finding(
            part="database",
            level=Level.FAIL,
            found=found,
            mend="use PostgreSQL 15.18 or later",
        )
    return Finding(part="database", level=Level.OK, found=found)


def _durability(*, is_durable: bool) -> Finding:
    if is_durable:
        return Finding(
            part="durability", level=Level.OK, found=Said("every commit is synced to disk")
        )
    return Finding(
        part="durability",
        level=Level.FAIL,
        found=Said("the server may lose what it has acknowledged"),
        mend="set fsync, full_page_writes and synchronous_commit to on in postgresql.conf",
    )


def clock_beside(database_now: datetime) -> Finding:
    """Compare the machine's clock with that of the database."""
    apart = abs((datetime.now(UTC) - database_now).total_seconds())  # noqa: TID251, RUF100 - the machine's clock itself is looked at.
    found = f"{apart:.1f} s from the database's clock"
    if apart > _CLOCK_TOLERANCE_SECONDS:
        return Finding(
            part="clock",
            level=Level.FAIL,
            found=found,
            mend="let chrony or systemd-timesyncd set the clocks of both machines",
        )
    return Finding(part="clock", level=Level.OK, found=found)


def _migrations(urls: Urls) -> Finding:
    at, newest = revisions(urls.owner)
    if at == newest:
        return Finding(part="migrations", level=Level.OK, found=f"at {at}, the newest")
    if is_from_newer_code(urls.owner):
        return Finding(
            part="migrations",
            level=Level.WARN,
            found=f"at {at}, which is newer than this code, whose newest is {newest}",
            mend="go forward again when the reason for the roll-back is mended",
        )
    return Finding(
        part="migrations",
        level=Level.FAIL,
        found=f"at {at or 'none'}, the newest is {newest}",
        mend="run: audiatur migrate",
    )


def _keys(settings: Settings) -> Iterator[Finding]:
    for name, path in (
        ("archive", settings.archive_key_path),
        ("release", settings.release_key_path),
    ):
        keys, _ = master_keys(settings, name, path)
        yield Finding(
            part=f"{name} key", level=Level.OK, found=f"{path}, fingerprint {keys.fingerprint()}"
        )
    yield _key_backup(settings)


def _key_backup(settings: Settings) -> Finding:
    if settings.master_key_backed_up:
        return Finding(
            part="key backup", level=Level.OK, found=Said("said to be kept apart from the data")
        )
    return Finding(
        part="key backup",
        level=Level.WARN,
        found=Said("without the master keys no backup of the data can be read"),
        mend=(
            f"copy {settings.archive_key_path}, {settings.release_key_path} and "
            f"{settings.ledger_key_path} to a place apart from the data, then set "
            "AUDIATUR_MASTER_KEY_BACKED_UP=true"
        ),
    )


def _ledger(settings: Settings) -> Iterator[Finding]:
    ring = signing_keys(settings)
    signing = ", ".join(f"{p} {ring.keys.public(p)[0].fingerprint[:16]}…" for p in Purpose)
    yield Finding(
        part="ledger keys", level=Level.OK, found=f"{ring.path}, {ring.origin}: {signing}"
    )
    bundle_key = ring.keys.public(Purpose.BUNDLE)[0].fingerprint
    yield Finding(part="bundle key", level=Level.OK, found=bundle_key)
    yield _stamps(authorities(settings).urls)
    with (
        database_urls(settings) as found,
        psycopg.connect(found.owner, connect_timeout=CONNECT_SECONDS) as connection,
    ):
        if connection.execute("SELECT to_regclass('ledger_progress')").fetchone() != (None,):
            yield _log(*(connection.execute(_LOG_STATE).fetchone() or (0, 0, 0)))


def _stamps(urls: Sequence[str]) -> Finding:
    return Finding(
        part="time stamps",
        level=Level.OK if urls else Level.WARN,
        found=", ".join(urls) or Said("no authority witnesses the ledger"),
        mend="" if urls else "set AUDIATUR_TSA_URLS and AUDIATUR_TSA_ROOTS_FILE",
    )


def _log(size: int, waiting_seconds: float, pending: int) -> Finding:
    found = Said(
        "{leaves} leaves, the oldest entry without one is {seconds} s old",
        leaves=size,
        seconds=f"{waiting_seconds:.0f}",
    )
    if waiting_seconds > _LATE_SECONDS:
        mend = "start a worker: audiatur serve, or audiatur worker"
        return Finding(part="ledger", level=Level.WARN, found=found, mend=mend)
    if pending:
        found = Said(
            "{leaves} leaves; checkpoints that wait for a time stamp since over a day: {pending}",
            leaves=size,
            pending=pending,
        )
        mend = "see in the log why the authorities do not answer: stamp.failed"
        return Finding(part="ledger", level=Level.WARN, found=found, mend=mend)
    return Finding(part="ledger", level=Level.OK, found=found)


def _store(part: str, store: Store) -> Iterator[Finding]:
    store.check()
    can = store.probe()
    found = (
        f"{type(store).__name__}: conditional put {can.conditional_put}, checksums "
        f"{can.checksums}, versions {can.versions}, object lock {can.object_lock}"
    )
    yield Finding(part=part, level=Level.OK, found=found, mend="; ".join(can.notes))


def _archive(settings: Settings) -> Iterator[Finding]:
    store = archive_store(settings)
    yield from _store("archive store", store)
    yield _object_lock(settings, can_lock=store.can_lock)


def _object_lock(settings: Settings, *, can_lock: bool) -> Finding:
    asked = settings.s3_object_lock
    if can_lock and asked != "off":
        found = Said(
            "worm=verified: {mode}, {days} days, extended",
            mode=asked,
            days=settings.s3_object_lock_days,
        )
        return Finding(part="object lock", level=Level.OK, found=found)
    if can_lock:
        found = Said("worm=verified, and switched off by AUDIATUR_S3_OBJECT_LOCK")
        return Finding(part="object lock", level=Level.OK, found=found)
    return Finding(
        part="object lock",
        level=Level.WARN if settings.s3_bucket and asked != "off" else Level.OK,
        found=Said("worm=unsupported: the store would delete what it is told to delete"),
        mend="keep copies elsewhere, or use a bucket that was made with object lock",
    )


def _fixity(urls: Urls) -> Finding:
    database = Database(urls.web, role=APP_ROLE, pool_size=1)
    try:
        with database.transaction() as session:
            found = fixity.figures(session)
    finally:
        database.close()
    return _fixity_told(found)


def _fixity_told(found: fixity.Figures) -> Finding:
    said = Said(
        "{damaged} objects damaged or missing, {differences} locks differ",
        damaged=found.damaged,
        differences=found.lock_differences,
    )
    if found.damaged or found.lock_differences:
        return Finding(
            part="fixity",
            level=Level.FAIL,
            found=said,
            mend="see GET /v1/fixity; mend with: audiatur repair RECORDING --from FILE",
        )
    if found.overdue_seconds > _OVERDUE_SECONDS:
        late = Said(
            "the oldest check is {hours} hours late", hours=f"{found.overdue_seconds / 3600:.0f}"
        )
        return Finding(
            part="fixity", level=Level.WARN, found=late, mend="start more workers, or wait"
        )
    return Finding(part="fixity", level=Level.OK, found=said)


def _calls(urls: Urls, settings: Settings) -> Iterator[Finding]:
    database = Database(urls.web, role=APP_ROLE, pool_size=1)
    try:
        with database.transaction() as session:
            found = feeds.figures(session, at=SystemClock().now())
    finally:
        database.close()
    yield from _calls_told(found, settings)


def _calls_told(found: feeds.Figures, settings: Settings) -> Iterator[Finding]:
    silent = [
        f"{source.name} ({source.silent_seconds / 3600:.0f})"
        for source in found.sources
        if source.silent_seconds > settings.source_silent_hours * 3600
    ]
    told = Said(
        "{calls} calls of the last week from {sources} sources",
        calls=sum(source.known for source in found.sources),
        sources=len(found.sources),
    )
    if silent:
        told = Said("silent, and for how many hours: {sources}", sources=", ".join(silent))
    yield Finding(
        part="call records",
        level=Level.WARN if silent else Level.OK,
        found=told,
        mend="see why it sends no call records, or disable the device" if silent else "",
    )
    yield Finding(
        part="lost calls",
        level=Level.WARN if found.alarms else Level.OK,
        found=Said(
            "{alarms} calls or counts without recording and explanation", alarms=found.alarms
        ),
        mend="see GET /v1/reconciliation/gaps, find them or give the reason"
        if found.alarms
        else "",
    )


def _audio() -> Iterator[Finding]:
    try:
        sandbox = Sandbox.detect()
    except SandboxMissing as exc:
        yield Finding(
            part="audio tools",
            level=Level.FAIL,
            found=str(exc),
            mend="apt-get install ffmpeg bubblewrap sox libsox-fmt-base",
        )
        return
    yield from _audio_told(sandbox)


def _reader(sandbox: Sandbox) -> Iterator[Finding]:
    reader = reader_of(sandbox)
    yield Finding(
        part="text in pictures",
        level=Level.OK if reader else Level.WARN,
        found=reader.name if reader else Said("the text in screenshots is not read"),
        mend="" if reader else "apt-get install tesseract-ocr tesseract-ocr-rus",
    )


def _audio_told(sandbox: Sandbox) -> Iterator[Finding]:
    yield from _reader(sandbox)
    if sandbox.strength is Strength.NAMESPACES:
        yield Finding(
            part="audio tools", level=Level.OK, found=Said("ffmpeg in namespaces of its own")
        )
    else:
        yield Finding(
            part="audio tools",
            level=Level.WARN,
            found=Said("ffmpeg is held by limits alone, not by namespaces"),
            mend="install bubblewrap and allow user namespaces, or run workers in a container "
            "without network",
        )
    if not sandbox.decodes_amr:
        yield Finding(
            part="AMR",
            level=Level.WARN,
            found=Said("AMR recordings are kept but cannot be inspected"),
            mend="apt-get install sox libsox-fmt-base",
        )
