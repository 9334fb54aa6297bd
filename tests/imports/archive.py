"""Folders of old recordings, and an archive to take them in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from app.feeds import importing
from app.imports.models import ImportFile
from app.imports.running import Reading, Result, Surroundings, take
from app.imports.service import Wanted
from app.recordings.ingest import IngestTools, ingest_tools
from app.recordings.models import Leg, Recording
from app.recordings.stages import Measured
from tests.conftest import Urls
from tests.live import Live

MOSCOW = ZoneInfo("Europe/Moscow")
ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 600


def tiny(number: int) -> bytes:
    """Return a WAV of a hundredth of a second that no other number has."""
    samples = (f"{number:08d}" * 20).encode()
    head = b"RIFF" + (36 + len(samples)).to_bytes(4, "little") + b"WAVEfmt "
    values = ((16, 4), (1, 2), (1, 2), (8000, 4), (16000, 4), (2, 2), (16, 2))
    form = b"".join(value.to_bytes(size, "little") for value, size in values)
    return head + form + b"data" + len(samples).to_bytes(4, "little") + samples


def name_of(number: int) -> str:
    """Return the name that FreePBX would have given the call."""
    hour, rest = divmod(number, 3600)
    day = 1 + hour // 24
    at = f"202603{day:02d}-{hour % 24:02d}{rest // 60:02d}{rest % 60:02d}"
    return f"external-101-8916{number:07d}-{at}-{1_772_300_000 + number}.{number}.wav"


@dataclass
class Old:
    """An archive, a device `old`, and a folder of what is to be taken in."""

    live: Live
    urls: Urls
    home: Path
    folder: Path
    reading: Reading = field(default_factory=lambda: Reading(zone=MOSCOW))

    def __post_init__(self) -> None:
        self.live.key("old")
        self.folder.mkdir()

    def put(self, name: str, body: bytes | str | dict[str, Any]) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(body, dict):
            body = json.dumps(body)
        path.write_bytes(body if isinstance(body, bytes) else body.encode())
        return path

    @property
    def ingest(self) -> IngestTools:
        return ingest_tools(self.live.tools, Measured())

    def take(
        self,
        *,
        ingest: IngestTools | None = None,
        reading: Reading | None = None,
        is_dry: bool = False,
        is_fresh: bool = False,
        moved: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Result:
        wanted = Wanted(
            device=importing.device(self.live.tools.database, "old"),
            folder=self.folder,
            asked={},
            is_dry=is_dry,
        )
        around = Surroundings(ingest=ingest or self.ingest, sleep=lambda _: None, moved=moved)
        return take(around, wanted, reading or self.reading, is_fresh=is_fresh)

    def became(self, run_id: UUID) -> dict[str, tuple[str, str | None]]:
        """Return what became of each file: its state and the reason."""
        with self.live.tools.database.transaction() as session:
            rows = session.scalars(select(ImportFile).where(ImportFile.run_id == run_id)).all()
        return {
            row.path.decode("utf-8", "backslashreplace"): (row.state, row.reason) for row in rows
        }

    def recordings(self) -> list[Recording]:
        with self.live.tools.database.transaction() as session:
            return list(session.scalars(select(Recording).order_by(Recording.started_at)))

    def legs(self) -> int:
        with self.live.tools.database.transaction() as session:
            return session.scalar(select(func.count()).select_from(Leg)) or 0

    def done(self) -> int:
        """Return how many files of all runs are done."""
        with self.live.tools.database.transaction() as session:
            query = select(func.count()).select_from(ImportFile).where(ImportFile.at.is_not(None))
            return session.scalar(query) or 0

    def command(self, *words: str) -> subprocess.Popen[str]:
        """Start the command of the product in a process of its own."""
        environment = os.environ | {
            "AUDIATUR_DATA": str(self.home),
            "AUDIATUR_DATABASE_URL": self.urls.web,
            "AUDIATUR_DATABASE_OWNER_URL": self.urls.owner,
            "AUDIATUR_ARCHIVE_KEY_FILE": str(self.home / "archive.key"),
            "AUDIATUR_RELEASE_KEY_FILE": str(self.home / "release.key"),
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.Popen(  # noqa: S603 - the product's own command.
            [sys.executable, "-m", "app.cli", *words],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ran(self, *words: str) -> tuple[int, str, str]:
        """Run the command to its end; return its code and what it said."""
        with self.command(*words) as process:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
            return process.returncode, out, err

    def interrupted(self, at: int, how: signal.Signals, *words: str) -> int:
        """Run the command until `at` files are done, and end it by a signal."""
        with self.command(*words) as process:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while self.done() < at and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            assert process.poll() is None, process.communicate()
            process.send_signal(how)
            process.communicate(timeout=PATIENCE_SECONDS)
            return process.returncode
