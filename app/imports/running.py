"""Going through a folder: each file by the way in that every upload takes, and its row after it.

Killed anywhere, a run goes on where it stood. Between a recording and the row that tells of it the
process may die; then the leg itself has the key of run and file, and tells whose it is.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import text

from app.core.errors import Refusal, Unavailable
from app.feeds import file_names, posted
from app.feeds.posted import PostedInvalid
from app.identity.actor import Actor
from app.imports import facts, queries, rtpengine, service
from app.imports.facts import Assumed, Known
from app.imports.folder import SidecarInvalid, files, sidecar_of
from app.imports.models import FileReason, FileState
from app.imports.queries import Counts
from app.imports.records import Records
from app.imports.rtpengine import CaptureInvalid
from app.imports.service import ImportBusy, Wanted
from app.recordings.digests import Compared, DigestMismatch
from app.recordings.ingest import Arrived, IngestTools, RecordingErased, RecordingIngest
from app.recordings.media import AudioRecogniser
from app.recordings.media_facts import MediaFacts
from app.recordings.multipart import FilePart
from app.recordings.schemas import RecordingTold
from app.uploader.names import Pattern

_AT_ONCE = 500
_PIECE_BYTES = 256 * 1024
_PAUSES_SECONDS = (1, 2, 4, 8, 15, 30, 30, 30)

_SAME_BYTES = """
SELECT r.id, r.device_id = %(device_id)s AND r.source_call_id = %(source_call_id)s AS is_call,
    l.leg = %(leg)s AS is_leg, coalesce(l.idempotency_key = %(key)s, false) AS is_ours,
    r.erased_at IS NOT NULL AS is_erased
FROM sealed_objects o JOIN legs l USING (object_id) JOIN recordings r ON r.id = l.recording_id
WHERE o.sha256 = %(sha256)s
    AND NOT (r.device_id = %(device_id)s AND r.source_call_id = %(source_call_id)s
        AND l.leg <> %(leg)s)
ORDER BY is_ours DESC, is_call DESC, is_erased DESC, l.received_at
LIMIT 1
"""
_SAME_IN_DRY_RUN = """
SELECT (f.sha256 = %(sha256)s)::int,
    (f.source_call_id = %(source_call_id)s AND f.leg = %(leg)s)::int
FROM import_files f
WHERE f.run_id = %(run_id)s AND f.state = 'taken'
    AND ((f.sha256 = %(sha256)s
            AND NOT (f.source_call_id = %(source_call_id)s AND f.leg <> %(leg)s))
        OR (f.source_call_id = %(source_call_id)s AND f.leg = %(leg)s))
ORDER BY 1 DESC, 2 DESC LIMIT 1
"""
_WRITE_DOWN = """
WITH moved AS (
    UPDATE import_files SET state = %(state)s, reason = %(reason)s, detail = %(detail)s,
        told_by = %(told_by)s, source_call_id = %(source_call_id)s, leg = %(leg)s,
        sha256 = %(sha256)s, recording_id = %(recording_id)s, at = %(at)s
    WHERE run_id = %(run_id)s AND path_sha256 = %(path_sha256)s AND state = 'waiting'
), run AS (
    UPDATE import_runs SET moved_at = %(at)s WHERE id = %(run_id)s AND state = 'running'
    RETURNING 1
)
SELECT count(*) FROM run
"""


class _Stopped(Exception):
    """What became of a file is known."""

    def __init__(self, state: FileState, reason: str | None = None, detail: str = "") -> None:
        super().__init__(reason or state)
        self.state = state
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class Ended:
    """What became of a file, as it is written down."""

    state: FileState = FileState.REFUSED
    reason: str | None = None
    detail: str | None = None
    told_by: str | None = None
    source_call_id: str | None = None
    leg: str | None = None
    sha256: bytes | None = None
    recording_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """A file that is about to be kept, and the key that its leg gets."""

    part: FilePart
    media: MediaFacts
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How files are read for facts: zone, preset or pattern of names, and what is assumed."""

    zone: ZoneInfo
    preset: str | None = None
    own: Pattern | None = None
    assumed: Assumed = field(default_factory=Assumed)
    records: Records | None = None
    max_bytes: int = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run works with: the way in, how it waits, and who hears how far it is.

    `moved` is called with the number of files that are done and that there are.
    """

    ingest: IngestTools
    sleep: Callable[[float], None]
    moved: Callable[[int, int], None] = lambda _done, _all: None
    pace: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run has come to; `is_over` is False where it was ended from elsewhere."""

    run_id: UUID
    counts: Counts
    is_over: bool


def take(
    around: Surroundings, wanted: Wanted, reading: Reading, *, is_fresh: bool = False
) -> Result:
    """Take the files of a folder in until none is waiting, or the run is cancelled.

    Raises:
        ImportBusy: another process does it already.
        Unavailable: database or store stayed away; the run goes on with the same command.
    """
    tools = around.ingest
    with tools.database.transaction() as session:
        run_id = service.begin(session, wanted, is_fresh=is_fresh, at=tools.clock.now()).id
    with _alone(tools, run_id):
        _list(tools, run_id, wanted.folder)
        is_over = _Run(around, wanted, reading, run_id).go()
        with tools.database.transaction() as session:
            if is_over:
                service.finish(session, run_id, at=tools.clock.now())
            return Result(run_id=run_id, counts=queries.counts(session, run_id), is_over=is_over)


@contextmanager
def _alone(tools: IngestTools, run_id: UUID) -> Iterator[None]:
    """Hold a run for this process; the lock goes with its connection, however that ends."""
    key = {"key": f"import {run_id}"}
    with tools.database.engine.connect() as raw:
        connection = raw.execution_options(isolation_level="AUTOCOMMIT")
        lock = text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))")
        if not connection.execute(lock, key).scalar_one():
            raise ImportBusy
        try:
            yield
        finally:
            # Closed and not given back: the pool's next user would hold the lock otherwise.
            connection.invalidate()


def _list(tools: IngestTools, run_id: UUID, folder: Path) -> None:
    found = files(folder)
    while batch := list(islice(found, _AT_ONCE)):
        with tools.database.transaction() as session:
            service.note_found(session, run_id, batch, at=tools.clock.now())
    with tools.database.transaction() as session:
        service.note_listed(session, run_id)


class _Run:
    """One run over the files that are waiting."""

    def __init__(
        self, around: Surroundings, wanted: Wanted, reading: Reading, run_id: UUID
    ) -> None:
        self._around = around
        self._tools = around.ingest
        self._device: Actor = wanted.device
        self._is_dry = wanted.is_dry
        self._folder = wanted.folder
        self._reading = reading
        self._run_id = run_id

    def go(self) -> bool:
        """Look at each file that waits; return whether all are done."""
        with self._tools.database.transaction() as session:
            counted = queries.counts(session, self._run_id)
        done, after = counted.found - counted.waiting, b""
        self._around.moved(done, counted.found)
        while True:
            with self._tools.database.transaction() as session:
                batch = [
                    (row.path, row.path_sha256)
                    for row in queries.waiting(session, self._run_id, after=after, limit=_AT_ONCE)
                ]
            if not batch:
                return True
            for path, path_sha256 in batch:
                self._around.pace()
                if not self._patiently(path, path_sha256):
                    return False
                done += 1
                self._around.moved(done, counted.found)
            after = batch[-1][1]

    def _patiently(self, path: bytes, path_sha256: bytes) -> bool:
        """Do one file; where something is away, wait for it a while."""
        for seconds in (*_PAUSES_SECONDS, None):
            try:
                return self._write_down(path_sha256, self._do(path, path_sha256))
            except Unavailable:
                if seconds is None:
                    raise
                self._around.sleep(seconds)
        raise AssertionError

    def _write_down(self, path_sha256: bytes, ended: Ended) -> bool:
        found = self._tools.database.statement(
            _WRITE_DOWN,
            {
                "run_id": self._run_id,
                "path_sha256": path_sha256,
                "state": str(ended.state),
                "reason": ended.reason,
                "detail": ended.detail[:_MOST_DETAIL] if ended.detail else None,
                "told_by": ended.told_by,
                "source_call_id": ended.source_call_id,
                "leg": ended.leg,
                "sha256": ended.sha256,
                "recording_id": ended.recording_id,
                "at": self._tools.clock.now(),
            },
        )
        return found is not None and found[0] == 1

    def _do(self, path: bytes, path_sha256: bytes) -> Ended:
        ended = Ended()
        try:
            self._look_and_take(path, path_sha256, ended)
        except _Stopped as stop:
            ended.state, ended.reason, ended.detail = stop.state, stop.reason, stop.detail or None
        except Unavailable:
            raise
        except Refusal as refusal:
            ended.state = FileState.REFUSED
            ended.reason, ended.detail = refusal.slug, str(refusal)
        return ended

    def _look_and_take(self, path: bytes, path_sha256: bytes, ended: Ended) -> None:
        whole = self._folder / os.fsdecode(path)
        name = whole.name.encode("utf-8", "replace").decode()
        key = f"import:{self._run_id}:{path_sha256.hex()}"
        with (
            _opened(whole, self._reading.max_bytes) as file,
            _sound_of(whole, file) as (handle, captured),
        ):
            name = name if captured is None else f"{name}.wav"
            told = self._told(path, whole, captured, ended)
            media = _looked_at(handle, name, ended)
            self._refuse_known(told, key, ended)
            if self._is_dry:
                self._refuse_repeated(told, ended)
                ended.state = FileState.TAKEN
                return
            part = FilePart(name=name, declared_type=None)
            self._keep(told, handle, Coming(part=part, media=media, key=key), ended)

    def _told(
        self, path: bytes, whole: Path, captured: dict[str, Any] | None, ended: Ended
    ) -> RecordingTold:
        reading = self._reading
        name = whole.name.encode("utf-8", "replace").decode()
        try:
            beside = sidecar_of(whole)
            sidecar = posted.facts(beside) if beside is not None else None
        except (SidecarInvalid, PostedInvalid) as exc:
            _refuse(FileReason.SIDECAR_INVALID, str(exc))
        named = file_names.read(name, zone=reading.zone, preset=reading.preset, own=reading.own)
        record = reading.records.find(name, named) if reading.records else None
        found = facts.known(
            path,
            sidecar=sidecar,
            record=record,
            captured=captured,
            named=named,
            assumed=reading.assumed,
        )
        ended.told_by = ",".join(found.by) or None
        told = _checked(found)
        ended.source_call_id, ended.leg = told.source_call_id, str(told.leg)
        return told

    def _refuse_known(self, told: RecordingTold, key: str, ended: Ended) -> None:
        """Stop where these bytes are here: ours from before we were killed, or another's."""
        row = self._tools.database.statement(
            _SAME_BYTES,
            {
                "device_id": self._device.id,
                "source_call_id": told.source_call_id,
                "leg": str(told.leg),
                "key": key,
                "sha256": ended.sha256,
            },
        )
        if row is None:
            return
        recording_id, is_call, is_leg, is_ours, is_erased = row
        ended.recording_id = recording_id
        if is_erased:
            raise RecordingErased
        if is_ours:
            raise _Stopped(FileState.TAKEN)
        same = FileReason.SAME_CALL if is_call and is_leg else FileReason.SAME_BYTES
        raise _Stopped(FileState.SKIPPED, same)

    def _refuse_repeated(self, told: RecordingTold, ended: Ended) -> None:
        """Stop where an earlier file of a dry run would have been the same recording."""
        row = self._tools.database.statement(
            _SAME_IN_DRY_RUN,
            {
                "run_id": self._run_id,
                "source_call_id": told.source_call_id,
                "leg": str(told.leg),
                "sha256": ended.sha256,
            },
        )
        if row is None:
            return
        is_same_bytes, is_same_call = row
        if is_same_bytes:
            same = FileReason.SAME_CALL if is_same_call else FileReason.SAME_BYTES
            raise _Stopped(FileState.SKIPPED, same)
        _refuse("other-bytes")

    def _keep(self, told: RecordingTold, handle: int, coming: Coming, ended: Ended) -> None:
        digest = base64.b64encode(ended.sha256 or b"").decode()
        compared = Compared(f"sha-256=:{digest}:")
        ingest = RecordingIngest(self._tools, self._device, told, key=coming.key)
        try:
            for piece in _pieces(handle):
                ingest.write(piece)
                compared.add_file(piece)
            compared.check()
            arrived = Arrived(part=coming.part, facts=coming.media, compared=compared)
            answer, is_new = ingest.keep(arrived)
        except DigestMismatch:
            _refuse(FileReason.CHANGED)
        finally:
            ingest.discard()
        ended.recording_id = answer.id
        ended.state = FileState.TAKEN if is_new else FileState.SKIPPED
        ended.reason = None if is_new else FileReason.SAME_CALL


_MOST_DETAIL = 1000


def _refuse(reason: str, detail: str = "") -> NoReturn:
    raise _Stopped(FileState.REFUSED, reason, detail)


def _checked(found: Known) -> RecordingTold:
    if "started_at" not in found.told:
        _refuse(FileReason.NO_MOMENT)
    if "direction" not in found.told:
        _refuse(FileReason.NO_DIRECTION)
    try:
        return RecordingTold.model_validate(found.told)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = "/".join(map(str, first["loc"])) or "facts"
        _refuse(FileReason.FACTS_INVALID, f"{where}: {first['msg']}")


@contextmanager
def _opened(path: Path, max_bytes: int) -> Iterator[int]:
    """Open a file of the folder for reading; never what a link leads to."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        _refuse(FileReason.VANISHED)
    except OSError as exc:
        _refuse(FileReason.UNREADABLE, exc.strerror or "")
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            _refuse(FileReason.NOT_A_FILE)
        if found.st_size > max_bytes:
            _refuse(FileReason.TOO_LARGE, f"{found.st_size} bytes, at most {max_bytes}")
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _sound_of(path: Path, file: int) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Give the sound of a file, which is the file; of a capture of packets it is made first."""
    if path.suffix.lower() != ".pcap":
        yield file, None
        return
    if rtpengine.is_open(path):
        _refuse(FileReason.CAPTURE_OPEN)
    told = rtpengine.read_text(rtpengine.text_beside(path))
    with os.fdopen(os.dup(file), "rb") as capture, TemporaryFile() as sound:
        try:
            made = rtpengine.to_wav(capture, told, sound)
        except CaptureInvalid as exc:
            _refuse(FileReason.CAPTURE_INVALID, str(exc))
        sound.flush()
        yield sound.fileno(), rtpengine.facts(path.name, told, made.started_at)


def _pieces(handle: int) -> Iterator[bytes]:
    """Read a file from its beginning."""
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        while piece := os.read(handle, _PIECE_BYTES):
            yield piece
    except OSError as exc:
        _refuse(FileReason.UNREADABLE, exc.strerror or "")


def _looked_at(handle: int, name: str, ended: Ended) -> MediaFacts:
    """Read a file through once: what it is, and its digest."""
    digest = hashlib.sha256()
    recogniser = AudioRecogniser(None, name)
    for piece in _pieces(handle):
        digest.update(piece)
        recogniser.feed(memoryview(piece))
    ended.sha256 = digest.digest()
    return recogniser.finish()


class Pace:
    """Lets so many files a second begin, and no more."""

    def __init__(
        self,
        per_second: float,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._step = 1 / per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._next = monotonic()

    def __call__(self) -> None:
        """Wait until the next file may begin; what was slow is not caught up."""
        now = self._monotonic()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._step
