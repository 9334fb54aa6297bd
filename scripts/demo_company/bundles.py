"""The bundle of a release: taken over HTTP, and verified without the archive."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from demo_company import archive
from demo_company.api import Unexpected, wait_until
from demo_company.report import say
from demo_company.stage import Stage
from demo_company.story import Call

_PATIENCE_SECONDS = 120
_NAME = "bundle.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A bundle on the disk, and the fingerprint of the key that signed it."""

    path: Path
    key: str


def take(stage: Stage, call: Call, folder: Path) -> None:
    """Take the bundle of the release of `call`, as the manager does, and verify it.

    Raises:
        Unexpected: there is none, or it is not given.
    """
    release = stage.releases[call.id]
    path = f"/v1/releases/{release}"
    if not wait_until(
        lambda: stage.api.must("manager", "GET", path)["bundle"]["state"] == "ready",
        patience_seconds=_PATIENCE_SECONDS,
    ):
        raise Unexpected(f"the bundle of {call.id} is not made")
    answer = stage.api.ask("manager", "GET", f"{path}/bundle")
    if not answer.is_success:
        raise Unexpected(f"GET {path}/bundle: {answer.status_code} {answer.text[:600]}")
    (folder / _NAME).write_bytes(answer.content)
    taken = found(folder)
    told = "nothing" if taken is None else _verified(taken)
    stage.report.expect(f"{call.id} what verification says of the bundle", "VALID", told)
    say(f"The manager takes the bundle of {call.id}; verified without the archive: {told}")


def found(folder: Path) -> Taken | None:
    """Return the bundle that a demo has left in its folder."""
    path = folder / _NAME
    if not path.exists():
        return None
    return Taken(path=path, key=archive.asked(folder, "bundle", "key"))


def _verified(taken: Taken) -> str:
    said = subprocess.run(  # noqa: S603 - our own program, no shell.
        archive.command("verify", str(taken.path), "--key", taken.key),
        cwd=taken.path.parent,
        env=archive.environment(taken.path.parent),
        capture_output=True,
        text=True,
        check=False,
    )
    return (said.stdout.splitlines() or [said.stderr])[-1]
