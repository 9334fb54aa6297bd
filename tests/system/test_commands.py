"""Commands that are used wrongly: one line says what is wrong and what to do next."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Urls

ROOT = Path(__file__).parents[2]


def _run(data: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AUDIATUR_")}
    return subprocess.run(  # noqa: S603 - the product's own command.
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env={**kept, "AUDIATUR_DATA": str(data), "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["device", "add", "phone"],
        ["user", "add", "anna", "--role", "admin"],
        ["jobs", "list"],
        ["sweep"],
        ["worker"],
    ],
    ids=" ".join,
)
def test_no_archive_is_begun_by_a_mistyped_folder(tmp_path: Path, arguments: list[str]) -> None:
    data = tmp_path / "typo"
    done = _run(data, *arguments)
    assert done.returncode == 1
    assert str(data) in done.stderr
    assert "audiatur serve --data" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not data.exists()


def test_a_port_that_is_taken_leaves_no_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _run(data, "serve", "--port", str(port))
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert not data.exists()


def test_a_port_that_does_not_exist_is_blamed_on_its_option(tmp_path: Path) -> None:
    done = _run(tmp_path / "data", "serve", "--port", "99999")
    assert done.returncode == 2
    assert "'--port'" in done.stderr


def test_links_are_not_said_to_be_served_before_they_are(tmp_path: Path) -> None:
    done = _run(tmp_path / "data", "serve", "--public", "--port", "0")
    assert done.returncode == 1
    assert "key" in done.stderr or "AUDIATUR_PUBLIC_DATABASE_URL" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "step"),
    [
        (["user", "disable", "anna"], "audiatur user add"),
        (["device", "disable", "phone"], "audiatur device add"),
        (["device", "rotate", "phone"], "audiatur device add"),
        (["device", "add", "a b"], "choose such a name"),
    ],
    ids=str,
)
def test_a_refusal_names_the_next_step(
    tmp_path: Path, own_database: Urls, arguments: list[str], step: str
) -> None:
    done = _run(
        tmp_path / "data",
        *arguments,
        AUDIATUR_DATABASE_URL=own_database.web,
        AUDIATUR_DATABASE_OWNER_URL=own_database.owner,
    )
    assert done.returncode == 1
    assert step in done.stderr.splitlines()[-1]
