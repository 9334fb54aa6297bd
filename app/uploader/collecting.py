"""From watched folders into the spool, and from waiting to ready."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.uploader import clock, facts, finished, names
from app.uploader.config import Config, Folder
from app.uploader.finished import Header, Held, Look
from app.uploader.names import PatternWrong, Understood
from app.uploader.spool import Call, DiskFull, FileChanged, Item, Spool, State, identity_of

AUDIO: Final = frozenset(
    [
        ".wav",
        ".mp3",
        ".ogg",
        ".oga",
        ".opus",
        ".m4a",
        ".amr",
        ".3ga",
        ".gsm",
        ".flac",
        ".au",
        ".wma",
        ".webm",
        ".aac",
        ".mkv",
        ".smff",
    ]
)
PICTURES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_MOST_SIDECAR_BYTES: Final = 65_536
_WAV_HEAD: Final = 44
_SHORTER_MS: Final = 2000
_SHOT_WAIT_SECONDS: Final = 3600
_DAY_SECONDS: Final = 86_400
_log = logging.getLogger("audiatur.uploader")


class SidecarWrong(Exception):
    """The file beside a recording is not what it should be; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file as one look at its folder has shown it."""

    folder: Folder
    path: Path
    told: os.stat_result

    @property
    def identity(self) -> str:
        return identity_of(self.told)


@dataclass
class Collector:
    """Looks at the folders again and again; remembers only since when it saw what."""

    config: Config
    spool: Spool
    _unchanged: dict[Path, tuple[str, float]] = field(default_factory=dict)
    _seen: dict[Path, str] = field(default_factory=dict)
    _since: dict[int, float] = field(default_factory=dict)
    _open: set[Path] = field(default_factory=set)
    _wrong: set[str] = field(default_factory=set)
    _wrong_now: set[str] = field(default_factory=set)

    def step(self) -> None:
        """Take in what is finished, and let what waits become ready."""
        self._wrong, self._wrong_now = self._wrong_now, set()
        self._take_in()
        self._decide()

    # Folders

    def _take_in(self) -> None:
        found_now = list(self._files())
        self._forget_what_is_gone({found.path for found in found_now})
        new = [found for found in found_now if self._is_new(found)]
        among = finished.opened() if new else frozenset()
        self._open = set()
        for found in new:
            try:
                self._take(found, finished.held(found.told, among))
            except (FileNotFoundError, FileChanged):
                self._open.add(found.path)
            except DiskFull as exc:
                self._open.add(found.path)
                self._trouble(f"disk full: {exc}; it stays where it lies")
            except OSError as exc:
                self._open.add(found.path)
                why = f"cannot be taken in: {exc.strerror or exc}"
                self._trouble(f"{found.path} {why}", logged=f"a file of {found.folder.path} {why}")

    def _forget_what_is_gone(self, there: set[Path]) -> None:
        for known in (self._seen, self._unchanged):
            for path in known.keys() - there:
                del known[path]

    def _files(self) -> Iterator[Found]:
        for folder in self.config.folders:
            yield from self._in_folder(folder, folder.path, AUDIO)
        shots = self.config.shots.folder
        if shots is not None:
            yield from self._in_folder(_plain(shots, self.config), shots, PICTURES)

    def _in_folder(self, folder: Folder, path: Path, kinds: frozenset[str]) -> Iterator[Found]:
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as exc:
            self._trouble(f"{path} cannot be read: {exc.strerror or exc}")
            return
        for entry in entries:
            here = Path(entry.path)
            if not _is_utf8(entry.name):
                why = "its name is no UTF-8; rename it"
                self._trouble(f"{entry.name!a}: {why}", logged=f"a file of {path}: {why}")
                continue
            if entry.is_dir(follow_symlinks=False):
                if folder.recursive and self.config.folder_of(here) is folder:
                    yield from self._in_folder(folder, here, kinds)
                continue
            if here.suffix.lower() not in kinds or finished.is_named_unfinished(here):
                continue
            try:
                told = here.stat(follow_symlinks=False)
            except OSError:
                continue
            is_old = folder.since is not None and told.st_mtime < folder.since.timestamp()
            if entry.is_file(follow_symlinks=False) and not is_old:
                yield Found(folder=folder, path=here, told=told)

    def _is_new(self, found: Found) -> bool:
        if self._seen.get(found.path) == found.identity:
            return False
        if self.spool.was_seen(found.path, found.identity):
            self._seen[found.path] = found.identity
            return False
        return True

    def _take(self, found: Found, held: Held) -> None:
        """Take a file in if it is finished."""
        is_picture = found.path.suffix.lower() in PICTURES
        seen = Look(header=Header.SILENT) if is_picture else finished.look(found.path)
        hooked = self.spool.hooked(str(found.path))
        if held is Held.UNKNOWN and hooked is not None and hooked[0].ended_at is not None:
            held = Held.NO  # The phone itself has said that the call is over.
        verdict = finished.judge(
            seen, held, quiet_seconds=self._quiet(found), patience=found.folder.patience
        )
        if not verdict.is_finished:
            self._open.add(found.path)
            return
        copied = self.spool.take(found.path, found.told, may_link=self.config.may_link)
        before = self.spool.items("path = ?", str(found.path))
        if before and before[-1].sha256 == copied.sha256:
            self.spool.see(found.path, found.identity)
            return
        hints = {
            "duration_ms": verdict.duration_ms,
            "closed_at": found.told.st_mtime,
            "sound": self._sound(found.path, found.told.st_size),
        } | self._earlier(found, before)
        understood = None if is_picture else understand(found.path, found.folder)
        if understood is not None:
            hints["began"] = understood.started_at.timestamp()
        running = self.spool.running(clock.now().timestamp()) if is_picture else None
        number = self.spool.add(
            kind="screenshot" if is_picture else "recording",
            path=str(found.path),
            folder=str(found.folder.path),
            identity=found.identity,
            sha256=copied.sha256,
            size_bytes=copied.size_bytes,
            state=State.WAITING,
            notes=(verdict.note,) if verdict.note else (),
            hints=hints,
            call_source=running.source if running else None,
            call_id=running.id if running else None,
            taken_at=clock.now().timestamp(),
            clock_base=clock.base(),
            boot_id=clock.boot_id(),
        )
        _log.info("taken in: item %d", number)

    def _quiet(self, found: Found) -> float:
        """Return since when the file was seen to be as it is, by a clock that nobody sets."""
        known = self._unchanged.get(found.path)
        if known is None or known[0] != found.identity:
            known = self._unchanged[found.path] = (found.identity, clock.seconds())
        return clock.seconds() - known[1]

    @staticmethod
    def _sound(path: Path, size: int) -> str | None:
        """Return the digest of what follows a WAV's head, to know it again with more behind it."""
        return _digest_of_part(path, size) if path.suffix.lower() == ".wav" else None

    def _earlier(self, found: Found, before: list[Item]) -> dict[str, object]:
        """Tell whether the file begins with one that was taken before: a call was appended."""
        for item in reversed(before):
            sound, size = item.hints.get("sound"), item.size_bytes
            is_longer = bool(sound) and size < found.told.st_size
            if is_longer and _digest_of_part(found.path, size) == sound:
                return {"earlier": item.id}
        return {}

    def _trouble(self, what: str, *, logged: str | None = None) -> None:
        """Say what is wrong, once while it lasts; `logged` where `what` has a file's name."""
        self._wrong_now.add(what)
        if what in self._wrong:
            return
        _log.error("%s", logged or what)
        self.spool.note("last_error", {"at": clock.now().isoformat(), "what": what})

    # Facts

    def _decide(self) -> None:
        withheld = self.spool.withheld()
        for item in self.spool.in_state(State.WAITING, State.HELD):
            since = self._since.setdefault(item.id, clock.seconds())
            age = clock.seconds() - since
            if item.path in withheld:
                self.spool.set(item.id, state=State.PRIVATE)
            elif item.told is not None:
                # What is told of it is fixed: given back it goes on, held it waits for a person.
                if item.state is State.WAITING:
                    self.spool.set(item.id, state=State.READY)
            elif item.kind == "screenshot":
                self._decide_shot(item)
            else:
                folder = self.config.folder_of(Path(item.path))
                if folder is None:
                    self._hold(item, "its folder is no longer watched; see the settings")
                else:
                    self._decide_recording(item, folder, age)

    def _decide_recording(self, item: Item, folder: Folder, age: float) -> None:
        path = Path(item.path)
        understood = understand(path, folder)
        calls, leg = self._calls(item, folder, understood)
        if any(call.is_private for call in calls):
            self.spool.set(
                item.id,
                state=State.PRIVATE,
                call_source=calls[0].source,
                call_id=calls[0].id,
            )
            return
        wait = self._waits_for(item, folder, understood, calls, age)
        if wait is not None:
            if item.state is not State.HELD and item.reason != wait:
                self.spool.set(item.id, reason=wait)
            return
        try:
            sidecar = read_sidecar(path)
        except SidecarWrong as exc:
            self._hold(item, str(exc))
            return
        if folder.sidecar and sidecar is None:
            self._hold(item, "its sidecar did not come")
            return
        correction = self._correction(item)
        if correction is None:
            return
        told = facts.put_together(
            facts.Known(
                folder=folder,
                name=understood,
                calls=calls,
                sidecar=sidecar or {},
                leg=leg,
                sha256=item.sha256,
                closed_at=_float(item.hints.get("closed_at")) or item.taken_at,
                duration_ms=_int(item.hints.get("duration_ms")),
                earlier=self._earlier_call(item),
                clock_seconds=correction,
            )
        )
        if isinstance(told, facts.Missing):
            self._hold(item, told.what)
            return
        notes = [*item.notes, *told.notes, *self._shorter(item, understood)]
        self._freeze(
            item,
            told.metadata,
            notes=tuple(dict.fromkeys(notes)),
            call_source=calls[0].source if calls else None,
            call_id=calls[0].id if calls else None,
        )

    def _calls(
        self, item: Item, folder: Folder, understood: Understood | None
    ) -> tuple[list[Call], str | None]:
        """Return the calls that are in this file, and the direction of it that a hook told."""
        hooked = self.spool.hooked(item.path)
        if hooked is not None:
            return [hooked[0]], hooked[1]
        control = self.config.control_of(folder.path)
        if control is None or understood is None:
            return [], None
        began = understood.started_at.timestamp()
        closed_at = _float(item.hints.get("closed_at")) or item.taken_at
        calls = self.spool.calls(
            "source = ? AND (first_at = 0 OR first_at BETWEEN ? AND ?)",
            control.source,
            began - _DAY_SECONDS,
            closed_at + _DAY_SECONDS,
        )
        return facts.calls_of(began, closed_at, self._beginnings(folder), calls), None

    def _beginnings(self, folder: Folder) -> list[float]:
        """Return when the files of a folder began: those that lie there, and those of before."""
        rows = self.spool.db.execute(
            "SELECT DISTINCT hints ->> 'began' AS began FROM items WHERE folder = ?",
            (str(folder.path),),
        )
        found = [float(row["began"]) for row in rows if row["began"] is not None]
        for path in self._open:
            understood = understand(path, folder) if path.parent == folder.path else None
            if understood is not None:
                found.append(understood.started_at.timestamp())
        return found

    def _waits_for(
        self,
        item: Item,
        folder: Folder,
        understood: Understood | None,
        calls: list[Call],
        age: float,
    ) -> str | None:
        """Return what is still waited for, None if nothing is."""
        closed_at = _float(item.hints.get("closed_at")) or item.taken_at
        aged = max(age, clock.now().timestamp() - closed_at)
        path = Path(item.path)
        siblings = [path.with_name(name) for name in (understood.siblings if understood else ())]
        if any(sibling in self._open for sibling in siblings):
            return "the other direction of the call is still being written"
        for call in calls:
            if call.ended_at is None:
                if age < folder.facts_seconds:
                    return "the end of the call"
                # Its files were closed long ago: the phone was gone before it could tell.
                self.spool.end_call(call, closed_at)
        if not calls and self.config.control_of(folder.path) and age < folder.facts_seconds:
            return "what the phone tells of the call"
        if folder.sidecar and age < folder.facts_seconds and read_sidecar_quietly(path) is None:
            return "its sidecar"
        if aged < self.config.grace_seconds:
            return "the time in which a call may be made private"
        return None

    def _shorter(self, item: Item, understood: Understood | None) -> list[str]:
        """Say that one direction ends much before the other, as after a hold."""
        mine = _int(item.hints.get("duration_ms"))
        if understood is None or mine is None:
            return []
        for name in understood.siblings:
            for other in self.spool.items("path = ?", str(Path(item.path).with_name(name))):
                theirs = _int(other.hints.get("duration_ms"))
                if theirs is not None and theirs - mine > _SHORTER_MS:
                    missing = (theirs - mine) / 1000
                    return [f"this direction ends {missing:.1f} s before the other: a hold?"]
        return []

    def _earlier_call(self, item: Item) -> tuple[str, int | None] | None:
        earlier_id = item.hints.get("earlier")
        earlier = self.spool.item(earlier_id) if isinstance(earlier_id, int) else None
        if earlier is None:
            return None
        told = earlier.told or {}
        is_outbound = told.get("direction") == "outbound"
        number = told.get("to" if is_outbound else "from")
        return str(number or ""), _int(earlier.hints.get("duration_ms"))

    def _correction(self, item: Item) -> float | None:
        """Return by how much this machine's clock was wrong when the item came; None: ask first."""
        told = self.spool.noted("clock")
        if not isinstance(told, dict):
            return None
        if not item.boot_id or told.get("boot_id") != item.boot_id:
            return 0.0  # The machine was started anew since: nothing is known of that time.
        offset, base = _float(told.get("offset")), _float(told.get("base"))
        return (offset or 0.0) + (base or 0.0) - item.clock_base

    def _decide_shot(self, item: Item) -> None:
        """Let a screenshot go after the call that was on when it was taken, into its event."""
        call = None
        if item.call_source and item.call_id:
            call = self.spool.call(item.call_source, item.call_id)
        if call is not None and call.is_private:
            self.spool.set(item.id, state=State.PRIVATE)
            return
        correction = self._correction(item)
        if correction is None or self._shot_waits(item, call):
            return
        closed_at = _float(item.hints.get("closed_at")) or item.taken_at
        metadata: dict[str, object] = {
            "captured_at": facts.moment(closed_at, correction),
        }
        metadata["source_call_id"] = f"shot-{item.sha256[:32]}-{metadata['captured_at']}"
        if self.config.shots.agent:
            metadata["agent"] = self.config.shots.agent
        if event := self._event_of(call):
            metadata["event"] = {"external_id": event}
        note = str(item.hints.get("note") or "")
        if call is not None:
            note = f"{note} (during call {call.id})".strip()
        if note:
            metadata["note"] = note
        self._freeze(item, metadata)

    def _shot_waits(self, item: Item, call: Call | None) -> bool:
        now = clock.now().timestamp()
        if call is None:
            return now - item.taken_at < self.config.grace_seconds
        if call.ended_at is None:
            return now - call.first_at < _DAY_SECONDS / 2  # Longer than anybody talks.
        if self._sent_of(call):
            return False
        # However long the archive is away, the recording goes first: its event is the picture's.
        is_coming = self.spool.items(
            "kind = 'recording' AND (state = 'waiting' AND call_id IS NULL"
            " OR state IN ('waiting', 'ready', 'sending') AND call_source = ? AND call_id = ?)",
            call.source,
            call.id,
        )
        return bool(is_coming) or now - max(call.ended_at, item.taken_at) < _SHOT_WAIT_SECONDS

    def _sent_of(self, call: Call) -> list[Item]:
        return self.spool.items(
            "kind = 'recording' AND state = 'sent' AND call_source = ? AND call_id = ?",
            call.source,
            call.id,
        )

    def _event_of(self, call: Call | None) -> str | None:
        sent = self._sent_of(call) if call is not None else []
        told = (sent[0].answer or {}).get("event") if sent else None
        found = told.get("external_id") if isinstance(told, dict) else None
        return found if isinstance(found, str) else None

    def _freeze(self, item: Item, told: Mapping[str, object], **values: object) -> None:
        """Fix what is told; a file that was taken before under another path is not sent twice."""
        twin = self.spool.freeze(item, told, **values)
        if twin is None:
            return
        if twin.state is State.SENT:
            self.spool.set(
                item.id,
                state=State.SENT,
                answer=twin.answer,
                is_proved=twin.is_proved,
                sent_at=twin.sent_at,
                reason=None,
                notes=(*item.notes, f"the same file as item {twin.id}"),
            )
        else:
            self._hold(item, f"the same file as item {twin.id}, which is {twin.state}")

    def _hold(self, item: Item, reason: str) -> None:
        if item.state is not State.HELD or item.reason != reason:
            self.spool.set(item.id, state=State.HELD, reason=reason)
            # Names of files and what stands in them hold numbers: `status` shows both.
            _log.warning("held: item %d; `status` says why", item.id)


def understand(path: Path, folder: Folder) -> Understood | None:
    """Return what a file's name tells; a pattern that runs away tells nothing."""
    try:
        return names.understand(path.name, folder.patterns, zone=folder.zone, own=folder.own)
    except PatternWrong as exc:
        _log.error("%s", exc)
        return None


def read_sidecar(path: Path) -> Mapping[str, object] | None:
    """Return what stands beside a recording in `NAME.wav.json` or `NAME.json`.

    Raises:
        SidecarWrong: it is no object, or has members that the archive does not know.
    """
    for beside in (path.with_name(f"{path.name}.json"), path.with_suffix(".json")):
        try:
            with beside.open("rb") as file:
                raw = file.read(_MOST_SIDECAR_BYTES + 1)
        except OSError:
            continue
        try:
            found = json.loads(raw)
        except ValueError as exc:
            raise SidecarWrong(f"{beside.name} is no JSON: {exc}") from exc
        if not isinstance(found, dict) or len(raw) > _MOST_SIDECAR_BYTES:
            raise SidecarWrong(f"{beside.name} is no JSON object of at most 64 KiB")
        if unknown := set(found) - facts.SIDECAR_MEMBERS:
            raise SidecarWrong(f"{beside.name} has unknown members: {', '.join(sorted(unknown))}")
        return found
    return None


def read_sidecar_quietly(path: Path) -> Mapping[str, object] | None:
    """Return the same, None while it is not yet what it should be."""
    try:
        return read_sidecar(path)
    except SidecarWrong:
        return None


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _digest_of_part(path: Path, end: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(_WAV_HEAD)
        left = end - _WAV_HEAD
        while left > 0 and (block := file.read(min(left, 1 << 20))):
            left -= len(block)
            digest.update(block)
    return digest.hexdigest()


def _plain(path: Path, config: Config) -> Folder:
    """Return the folder of screenshots as a watched one."""
    like = config.folders[0] if config.folders else None
    return Folder(
        path=path,
        patterns=(),
        recursive=False,
        zone=None,
        own=(),
        agent=None,
        line=None,
        direction=None,
        capture=None,
        after=like.after if like else "keep",
        sidecar=False,
        facts_seconds=0,
        patience=finished.Patience(lost_seconds=20, quiet_seconds=20),
        since=like.since if like else None,
    )


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _int(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None
