from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded import unprivileged
from app.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresFailed

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def reachable() -> Iterator[Path]:
    """Give a folder that every account may enter, as no folder of pytest's is."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name) / "postgres"


def test_the_way_is_never_root() -> None:
    way = unprivileged.choose()
    assert way.run(["id", "-u"], cwd=Path("/")).stdout.strip() != "0"


@as_root
def test_the_account_serves_where_a_namespace_is_not_to_be_had(reachable: Path) -> None:
    way = unprivileged.account()
    server = EmbeddedPostgres(reachable, way=way)
    try:
        first = server.ensure()
        pid = server.status().pid
        owner = Path(f"/proc/{pid}").stat().st_uid
        assert pwd.getpwuid(owner).pw_name == unprivileged.ACCOUNT
        # What lies beside the server stays closed to the account.
        seen = way.run(["cat", reachable / "passwords" / "audiatur_web"], cwd=Path("/"))
        assert seen.returncode != 0
        server.kill()
        assert server.ensure() == first
        server.stop()

        other = EmbeddedPostgres(reachable)
        assert other.ensure() == first
        assert Path(f"/proc/{other.status().pid}").stat().st_uid == other_uid()
        other.stop()
        assert server.ensure() == first
    finally:
        server.stop()


def other_uid() -> int:
    return unprivileged.choose().uid


@as_root
def test_a_directory_that_the_account_cannot_reach_is_named_and_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = EmbeddedPostgres(tmp_path / "postgres", way=unprivileged.account())
    with pytest.raises(EmbeddedPostgresFailed, match=r"cannot reach .*postgres.*AUDIATUR_DATA"):
        server.ensure()
    assert tmp_path.stat().st_mode & 0o777 == 0o700
