"""The uploader's one file of settings, TOML; what is wrong in it is said with its place."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.uploader.finished import Patience
from app.uploader.names import PRESETS, Pattern, PatternWrong
from app.uploader.receipts import Key, ReceiptWrong

DIRECTIONS: Final = ("inbound", "outbound", "internal")
CAPTURES: Final = ("softphone", "pbx", "mobile", "import")
AFTER: Final = ("keep", "delete")
_MEBIBYTE: Final = 1024 * 1024
_MOST: Final = 10.0**9


class ConfigWrong(Exception):
    """The settings cannot be used; the message names the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveAt:
    """Where the archive is and how it is known."""

    url: str
    key: str = field(repr=False)
    receipt_keys: tuple[Key, ...]
    ca_file: Path | None
    timeout_seconds: float
    tells_calls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A watched folder, and what holds for all of its files."""

    path: Path
    patterns: tuple[Pattern, ...]
    recursive: bool
    zone: tzinfo | None
    own: tuple[str, ...]
    agent: str | None
    line: str | None
    direction: str | None
    capture: str | None
    after: str
    sidecar: bool
    facts_seconds: float
    patience: Patience
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A baresip's control port, and the folder that it records into."""

    host: str
    port: int
    folder: Path

    @property
    def source(self) -> str:
        return f"baresip:{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """How a screenshot is taken, or from where."""

    command: tuple[str, ...]
    folder: Path | None
    agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings."""

    archive: ArchiveAt
    spool: Path
    may_link: bool
    keep_days: float
    remember_days: float
    most_remembered: int
    grace_seconds: float
    scan_seconds: float
    resumable_over_bytes: int
    folders: tuple[Folder, ...]
    controls: tuple[Control, ...]
    shots: Shots

    def folder_of(self, path: Path) -> Folder | None:
        """Return the watched folder that a file lies in."""
        fitting = (f for f in self.folders if path.is_relative_to(f.path))
        return max(fitting, key=lambda f: len(f.path.parts), default=None)

    def control_of(self, folder: Path) -> Control | None:
        """Return the phone that tells of its calls and records into this folder."""
        return next((c for c in self.controls if c.folder == folder), None)


class _Table:
    """A table of the file; what is asked for is checked, what is left over is a mistake."""

    def __init__(self, told: object, place: str) -> None:
        if not isinstance(told, dict):
            raise ConfigWrong(f"{place}: a table is expected")
        self._told: dict[str, object] = dict(told)
        self.place = place

    def at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def text(self, name: str) -> str | None:
        found = self._told.pop(name, None)
        if found is not None and (not isinstance(found, str) or not found.strip()):
            raise ConfigWrong(f"{self.at(name)}: words are expected, and some")
        return found.strip() if isinstance(found, str) else None

    def needed(self, name: str) -> str:
        found = self.text(name)
        if found is None:
            raise ConfigWrong(f"{self.at(name)} is missing")
        return found

    def one_of(self, name: str, known: tuple[str, ...]) -> str | None:
        found = self.text(name)
        if found is not None and found not in known:
            raise ConfigWrong(f"{self.at(name)}: {found!r} is none of {', '.join(known)}")
        return found

    def number(self, name: str, default: float) -> float:
        found = self._told.pop(name, default)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise ConfigWrong(f"{self.at(name)}: a number is expected")
        if not 0 <= found <= _MOST:
            raise ConfigWrong(f"{self.at(name)}: {found:g} is out of range")
        return float(found)

    def flag(self, name: str, *, default: bool) -> bool:
        found = self._told.pop(name, default)
        if not isinstance(found, bool):
            raise ConfigWrong(f"{self.at(name)}: true or false is expected")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._told.pop(name, [])
        found = [found] if isinstance(found, str) else found
        if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
            raise ConfigWrong(f"{self.at(name)}: a list of words is expected")
        return tuple(found)

    def path(self, name: str) -> Path | None:
        found = self.text(name)
        return Path(found).expanduser().absolute() if found is not None else None

    def since(self, name: str) -> datetime | None:
        found = self._told.pop(name, None)
        if found is None:
            return None
        if isinstance(found, datetime):
            return found.astimezone()
        if isinstance(found, date):
            return datetime(found.year, found.month, found.day).astimezone()
        raise ConfigWrong(f"{self.at(name)}: a day is expected, as 2026-11-30 without quotes")

    def table(self, name: str) -> _Table:
        return _Table(self._told.pop(name, {}), self.at(name))

    def tables(self, name: str) -> Iterator[_Table]:
        found = self._told.pop(name, [])
        if not isinstance(found, list):
            raise ConfigWrong(f"{self.at(name)}: [[{self.at(name)}]] is expected, once for each")
        for number, told in enumerate(found, start=1):
            yield _Table(told, f"{self.at(name)} {number}")

    def done(self) -> None:
        if self._told:
            raise ConfigWrong(f"unknown: {', '.join(self.at(name) for name in sorted(self._told))}")


def read(path: Path) -> Config:
    """Return the settings that stand in `path`.

    Raises:
        ConfigWrong: they cannot be read or used.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigWrong(f"cannot be read: {exc.strerror or exc}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigWrong(f"is no TOML: {exc}") from exc
    top = _Table(told, "")
    patterns = dict(PRESETS)
    for table in top.tables("pattern"):
        own = _pattern(table)
        patterns[own.name] = own
    spool = top.table("spool")
    after = spool.one_of("after", AFTER) or "keep"
    archive = _archive(top.table("archive"))
    privacy = top.table("privacy")
    grace_seconds = privacy.number("grace_seconds", 30)
    privacy.done()
    folders = tuple(_folder(table, patterns, after) for table in top.tables("folder"))
    config = Config(
        archive=archive,
        spool=spool.path("folder") or default_spool(),
        may_link=spool.flag("link", default=False),
        keep_days=spool.number("keep_days", 7),
        remember_days=spool.number("remember_days", 90),
        most_remembered=int(spool.number("most_remembered", 20_000)),
        grace_seconds=grace_seconds,
        scan_seconds=max(0.1, spool.number("scan_seconds", 2)),
        resumable_over_bytes=int(spool.number("resumable_over_mib", 8) * _MEBIBYTE),
        folders=folders,
        controls=tuple(_control(table) for table in top.tables("baresip")),
        shots=_shots(top.table("screenshot")),
    )
    spool.done()
    top.done()
    _check(config)
    return config


def _check(config: Config) -> None:
    if not config.folders and config.shots.folder is None:
        raise ConfigWrong("folder: at least one [[folder]] is needed")
    watched = {folder.path for folder in config.folders}
    for control in config.controls:
        if control.folder not in watched:
            raise ConfigWrong(f"baresip.folder: {control.folder} is no watched [[folder]]")
    for folder in config.folders:
        if config.spool.is_relative_to(folder.path) or folder.path.is_relative_to(config.spool):
            raise ConfigWrong(f"spool.folder and {folder.path} may not lie in one another")
        if folder.after == "delete" and not config.archive.receipt_keys:
            raise ConfigWrong(
                'after = "delete" needs archive.receipt_key: nothing is removed without a receipt '
                "that can be checked"
            )


def default_spool() -> Path:
    """Return where the spool is if nobody says otherwise."""
    return Path("~/.local/share/audiatur-uploader").expanduser()


def default_path() -> Path:
    """Return where the settings are if nobody says otherwise."""
    return Path("~/.config/audiatur/uploader.toml").expanduser()


def _archive(table: _Table) -> ArchiveAt:
    url = table.needed("url").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ConfigWrong(f"{table.at('url')}: https://HOST is expected")
    may_be_plain = table.flag("plain", default=parts.hostname in {"127.0.0.1", "localhost", "::1"})
    if parts.scheme == "http" and not may_be_plain:
        raise ConfigWrong(
            f"{table.at('url')}: calls would cross the network in the clear; use https, or say "
            "plain = true"
        )
    key, key_file = table.text("key"), table.path("key_file")
    if (key is None) == (key_file is None):
        raise ConfigWrong(f"{table.at('key_file')}: either key or key_file is needed")
    if key_file is not None:
        key = _secret(key_file, table.at("key_file"))
    try:
        receipt_keys = tuple(Key.read(line) for line in table.texts("receipt_key"))
    except ReceiptWrong as exc:
        raise ConfigWrong(f"{table.at('receipt_key')}: {exc}") from exc
    found = ArchiveAt(
        url=url,
        key=key or "",
        receipt_keys=receipt_keys,
        ca_file=table.path("ca_file"),
        timeout_seconds=table.number("timeout_seconds", 60),
        tells_calls=table.flag("tell_calls", default=False),
    )
    table.done()
    return found


def _secret(path: Path, place: str) -> str:
    try:
        mode = path.stat().st_mode
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigWrong(f"{place}: {path} cannot be read: {exc}") from exc
    if os.name == "posix" and mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ConfigWrong(f"{place}: others may read {path}; chmod 600 {path}")
    if not key:
        raise ConfigWrong(f"{place}: {path} is empty")
    return key


def _pattern(table: _Table) -> Pattern:
    name = table.needed("name")
    if name in PRESETS:
        raise ConfigWrong(f"{table.at('name')}: {name} is the name of a preset")
    try:
        found = Pattern.read(
            name,
            table.needed("regex"),
            table.text("time") or "%Y%m%d%H%M%S",
            table.one_of("capture", CAPTURES) or "softphone",
        )
    except PatternWrong as exc:
        raise ConfigWrong(f"{table.at('regex')}: {exc}") from exc
    table.done()
    return found


def _folder(table: _Table, patterns: Mapping[str, Pattern], after: str) -> Folder:
    path = table.path("path")
    if path is None:
        raise ConfigWrong(f"{table.at('path')} is missing")
    names = table.texts("names")
    for name in names:
        if name not in patterns:
            raise ConfigWrong(
                f"{table.at('names')}: {name!r} is none of {', '.join(sorted(patterns))}"
            )
    zone = table.text("zone")
    try:
        known_zone = ZoneInfo(zone) if zone is not None else None
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise ConfigWrong(f"{table.at('zone')}: {zone!r} is no zone, as Europe/Moscow is") from exc
    found = Folder(
        path=path,
        patterns=tuple(patterns[name] for name in names or PRESETS),
        recursive=table.flag("recursive", default=False),
        zone=known_zone,
        own=table.texts("own"),
        agent=table.text("agent"),
        line=table.text("line"),
        direction=table.one_of("direction", DIRECTIONS),
        capture=table.one_of("capture", CAPTURES),
        after=table.one_of("after", AFTER) or after,
        sidecar=table.flag("sidecar", default=False),
        facts_seconds=table.number("facts_seconds", 30),
        patience=Patience(
            lost_seconds=table.number("lost_seconds", 20),
            quiet_seconds=table.number("quiet_seconds", 600),
        ),
        since=table.since("since"),
    )
    table.done()
    return found


def _control(table: _Table) -> Control:
    host, _, port = table.needed("control").rpartition(":")
    folder = table.path("folder")
    if folder is None:
        raise ConfigWrong(f"{table.at('folder')} is missing")
    if not host or not port.isdigit():
        raise ConfigWrong(f"{table.at('control')}: HOST:PORT is expected, as 127.0.0.1:4444")
    table.done()
    return Control(host=host.strip("[]"), port=int(port), folder=folder)


def _shots(table: _Table) -> Shots:
    command = table.texts("command")
    if command and not any("{file}" in word for word in command):
        raise ConfigWrong(f"{table.at('command')}: one of its words holds {{file}}")
    found = Shots(command=command, folder=table.path("folder"), agent=table.text("agent"))
    table.done()
    return found
