"""Running the archive for the demo: its data folder, its process, the accounts in it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

import httpx

from app.embedded.postgres import EmbeddedPostgres
from app.wiring import write_private

ROOT = Path(__file__).resolve().parents[2]
PORT = 8020
_MARKER = "demo.lock"
_ACCOUNTS = "log-ins.json"
_PATIENCE_SECONDS = 300
_STOP_SECONDS = 40
_AT_ONCE = 3
_ADDRESSES = re.compile(
    r"listens on (?P<web>http://\S+)\n.*links are served on (?P<link>http://\S+)\n"
)


class CannotRun(Exception):
    """The demo cannot run as it was asked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Who may log in, kept beside the demo's data so that `--keep` can print it again."""

    keys: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An archive that answers."""

    address: str
    link_address: str
    process: subprocess.Popen[bytes]


@contextmanager
def data_folder(folder: Path, *, keep: bool) -> Iterator[TextIO]:
    """Give the folder to this demo alone, emptied unless `keep`.

    The lock is handed on to the archive, so that it lasts as long as the archive does.

    Raises:
        CannotRun: another demo uses it, or it holds something that no demo has put there.
    """
    marker = folder / _MARKER
    if folder.exists() and not marker.exists() and any(folder.iterdir()):
        raise CannotRun(f"{folder} holds something that is not this demo's; choose another --data")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with marker.open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            runs = f"another demo runs on {folder} (process {marker.read_text() or 'unknown'})"
            raise CannotRun(f"{runs}; end it or choose --data") from exc
        if not keep or kept_accounts(folder) is None:  # One that came to no end is of no use.
            _empty(folder)
        yield lock


def _empty(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder / "postgres")
    if (folder / "postgres").exists() and postgres.status().running:
        # A demo that was killed leaves its Postgres; who takes hold of it last stops it in order.
        postgres.hold()
        postgres.release_and_maybe_stop()
    for path in folder.iterdir():
        if path.name == _MARKER:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def free_port(wanted: int | None) -> int:
    """Return the port to ask for: what was wanted, else the usual one if it is free, else any."""
    if wanted is not None:
        return wanted
    return PORT if all(_is_free(port) for port in (PORT, PORT + 1)) else 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which no setting leads to anything but the demo's own data.

    Its people have no telephones, so that none is asked for a code; outside the demo that stays on.
    `more` is set beside that.
    """
    own = {k: v for k, v in os.environ.items() if not k.startswith("AUDIATUR_")}
    return own | {
        "AUDIATUR_DATA": str(folder),
        "AUDIATUR_TOTP_ROLES": "none",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **(more or {}),
    }


def command(*words: str) -> list[str]:
    """Return a command of the archive as words of a process."""
    return [sys.executable, "-P", "-m", "app.cli", *words]


def asked(folder: Path, *words: str, more: Mapping[str, str] | None = None) -> str:
    """Return what a command prints; `more` is set in its environment.

    Raises:
        CannotRun: it refuses.
    """
    said = subprocess.run(  # noqa: S603 - our own program, no shell.
        command(*words),
        cwd=folder,
        env=environment(folder, more),
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise CannotRun(f"audiatur {' '.join(words)}: {said.stderr.strip()}")
    return said.stdout.strip()


@contextmanager
def served(
    folder: Path, *, port: int, lock: TextIO, more: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run the archive on `folder` until the end of the block; `more` is set in its environment.

    Raises:
        CannotRun: it does not start; its log tells why.
    """
    log = folder / "archive.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell.
            command("serve", "--port", str(port), "--data", str(folder)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,  # Where no .env of anybody lies.
            env=environment(folder, more),
            pass_fds=(lock.fileno(),),
            start_new_session=True,  # Ctrl-C is for the demo, which then stops it in order.
        )
    lock.truncate(0)
    lock.write(str(process.pid))
    lock.flush()
    try:
        yield _answering(process, log)
    finally:
        _stop(process)


def _answering(process: subprocess.Popen[bytes], log: Path) -> Running:
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        said = _ADDRESSES.search(log.read_text(encoding="utf-8", errors="replace"))
        if said and _is_ready(said["web"]) and _is_ready(said["link"]):
            return Running(address=said["web"], link_address=said["link"], process=process)
        time.sleep(0.1)
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
    raise CannotRun("the archive does not start: " + " | ".join(last) + f" (all of it: {log})")


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def add_accounts(
    folder: Path, people: list[dict[str, str]], devices: list[str], *, company: str
) -> Accounts:
    """Make people and devices known, by the commands that an administrator would use.

    Raises:
        CannotRun: a command refuses.
    """
    wanted = {one["name"]: _person(one, company) for one in people}
    wanted |= {name: ["device", "add", name] for name in devices}
    found = Accounts(
        passwords={one["name"]: secrets.token_urlsafe(12) for one in people},
        roles={one["name"]: one["role"] for one in people} | dict.fromkeys(devices, "device"),
    )
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        keys = pool.map(
            lambda name: _key(folder, wanted[name], typed=found.passwords.get(name, "")), wanted
        )
        found.keys.update(zip(wanted, keys, strict=True))
    return found


def _person(one: dict[str, str], company: str) -> list[str]:
    """Return the words of the command that makes a person known."""
    words = ["user", "add", one["name"], "--role", one["role"], "--password", "--api-key"]
    words += ["--full-name", f"{one['full_name']}, {company}"]
    return [*words, "--agent", one["name"]] if one["role"] == "agent" else words


def _key(folder: Path, words: list[str], *, typed: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own program, no shell.
        command(*words),
        input=f"{typed}\n",
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env=environment(folder),
        start_new_session=True,  # Without a terminal the password is read from the input.
        check=False,
    )
    if done.returncode != 0:
        raise CannotRun(f"audiatur {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip().splitlines()[-1]


def keep_accounts(folder: Path, accounts: Accounts) -> None:
    """Write the log-ins down, for the owner of the folder alone."""
    write_private(folder / _ACCOUNTS, json.dumps(asdict(accounts), ensure_ascii=False, indent=2))


def kept_accounts(folder: Path) -> Accounts | None:
    """Return the log-ins of an earlier demo on this folder, None where none came to its end."""
    with suppress(FileNotFoundError):
        return Accounts(**json.loads((folder / _ACCOUNTS).read_text(encoding="utf-8")))
    return None
