"""A softphone's machine: a folder that is watched, settings, and the uploader as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.custody.signing import Purpose
from app.uploader.spool import Item, Spool
from tests.live import Live

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60


def receipt_key(live: Live) -> str:
    """Return the key that signs the archive's receipts, as `audiatur ledger keys` prints it."""
    return live.tools.log.ring.keys.public(Purpose.RECEIPT)[0].vkey()


@dataclass(kw_only=True)
class House:
    """The machine, and the commands of the uploader on it."""

    folder: Path
    url: str
    key: str
    receipt_key: str | None = None
    after: str = "keep"
    agent: str = "106"
    spool_lines: Sequence[str] = ("scan_seconds = 0.2",)
    folder_lines: Sequence[str] = ()
    archive_lines: Sequence[str] = ()
    more: str = ""
    grace_seconds: float = 0
    program: Sequence[str] = field(default_factory=lambda: (sys.executable, "-m", "app.uploader"))

    def __post_init__(self) -> None:
        self.calls.mkdir(parents=True, exist_ok=True)
        self.configure()

    @property
    def calls(self) -> Path:
        return self.folder / "calls"

    @property
    def config(self) -> Path:
        return self.folder / "uploader.toml"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def configure(self) -> None:
        """Write the settings as they are now."""
        key_file = self.folder / "device.key"
        key_file.write_text(self.key)
        key_file.chmod(0o600)
        pinned = f'receipt_key = "{self.receipt_key}"' if self.receipt_key else ""
        spool_lines, folder_lines = "\n".join(self.spool_lines), "\n".join(self.folder_lines)
        archive_lines = "\n".join(self.archive_lines)
        self.config.write_text(f"""
[archive]
url = "{self.url}"
key_file = "{key_file}"
timeout_seconds = 20
{pinned}
{archive_lines}
[spool]
folder = "{self.spool}"
after = "{self.after}"
{spool_lines}
[privacy]
grace_seconds = {self.grace_seconds}
[[folder]]
path = "{self.calls}"
agent = "{self.agent}"
lost_seconds = 0.5
quiet_seconds = 1
{folder_lines}
{self.more}
""")

    def words(self, *words: str) -> list[str]:
        return [*self.program, *words, "--config", str(self.config)]

    def run(
        self, *words: str, given: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(  # noqa: S603 - our own program.
            self.words(*words),
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def once(self) -> subprocess.CompletedProcess[str]:
        return self.run("once")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the uploader; whoever starts it ends it."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program.
                self.words("run"),
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def status(self) -> dict[str, Any]:
        done = self.run("status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def items(self) -> list[Item]:
        spool = Spool(self.spool)
        try:
            return spool.items()
        finally:
            spool.close()

    def put(self, name: str, body: bytes) -> Path:
        """Let a finished file appear as a phone leaves it."""
        path = self.calls / name
        path.write_bytes(body)
        return path

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > give_up_at:
                log = self.folder / "log"
                raise AssertionError(
                    f"{self.items()}\n{log.read_text()[-4000:] if log.exists() else ''}"
                )
            time.sleep(0.05)


def house(live: Live, folder: Path, **more: Any) -> House:  # noqa: ANN401 - the fields of a house.
    """Return a machine whose device the archive knows, and which has pinned the archive's key."""
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"receipt_key": receipt_key(live)} | more
    return House(folder=folder, url=live.url, key=live.key("phone"), **told)


def kept(live: Live) -> list[dict[str, Any]]:
    """Return every recording that the archive has, whole."""
    listed = live.call("GET", "/v1/recordings?limit=100", who="auditor").json()["items"]
    return [live.call("GET", f"/v1/recordings/{one['id']}", who="auditor").json() for one in listed]
