"""A screenshot, tied to the call that is on."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

from app.uploader import clock
from app.uploader.collecting import PICTURES
from app.uploader.config import Config
from app.uploader.spool import Spool, State, identity_of

_MOST_SECONDS: Final = 60


class ShotFailed(Exception):
    """No screenshot was made; the message says why."""


def capture(config: Config, spool: Spool, *, file: Path | None, note: str | None) -> str:
    """Take a screenshot, or the picture in `file`, into the spool; say which call it belongs to.

    Raises:
        ShotFailed: the command failed or made nothing.
    """
    if file is not None:
        return _taken(spool, file.absolute(), note)
    if not config.shots.command:
        raise ShotFailed('screenshot.command is not set, as ["grim", "{file}"]; or name a FILE')
    with tempfile.TemporaryDirectory(prefix="audiatur-shot-") as folder:
        made = Path(folder) / f"{clock.now():%Y%m%d-%H%M%S}.png"
        words = [word.replace("{file}", str(made)) for word in config.shots.command]
        try:
            done = subprocess.run(  # noqa: S603 - the command of whoever runs this, without a shell.
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_MOST_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise ShotFailed(f"{words[0]}: {exc}") from exc
        if done.returncode or not made.is_file() or not made.stat().st_size:
            said = (done.stderr or done.stdout).strip()[-300:]
            raise ShotFailed(f"{words[0]} made no picture (exit code {done.returncode}) {said}")
        return _taken(spool, made, note)


def _taken(spool: Spool, path: Path, note: str | None) -> str:
    if path.suffix.lower() not in PICTURES or not path.is_file():
        raise ShotFailed(f"{path} is no picture: {', '.join(sorted(PICTURES))}")
    at = clock.now().timestamp()
    running = spool.running(at)
    told = path.stat()
    with spool.changing() as db:
        copied = spool.take(path, told, may_link=False)
        spool.insert(
            db,
            kind="screenshot",
            path=str(path),
            folder=None,
            identity=identity_of(told),
            sha256=copied.sha256,
            size_bytes=copied.size_bytes,
            state=State.WAITING,
            hints={"closed_at": told.st_mtime, "note": (note or "")[:500]},
            call_source=running.source if running else None,
            call_id=running.id if running else None,
            taken_at=at,
            clock_base=clock.base(),
            boot_id=clock.boot_id(),
        )
    if running is None:
        return "taken; no call is on, so that it stands for itself"
    return f"taken; it goes with the call with {running.peer or 'somebody'}"
