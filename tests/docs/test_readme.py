"""The README does as it says: its tour runs, its commands are there, its links lead somewhere."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from app.cli import audiatur
from tests.docs.markdown import README, ROOT, blocks, documents, relative_links, rows, section

_PATIENCE_SECONDS = 300
_EXPECTED = re.compile(r"^\s*# → (\d{3}(?:, \d{3})*)$", re.MULTILINE)
_STATUS = re.compile(r"^\d{3}$", re.MULTILINE)
_COMMAND = re.compile(r"`(?:audiatur )?([a-z][a-z-]*(?: [a-z][a-z-]*)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running archive, and where."""

    port: str
    data: Path


def _environment() -> dict[str, str]:
    """Return the environment without settings of whoever runs the tests."""
    return {k: v for k, v in os.environ.items() if not k.startswith("AUDIATUR_")}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Give an archive that was started as the README says, on a free port."""
    data = tmp_path / "data"
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--data", str(data)]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(  # noqa: S603 - the project's own command.
            command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        first = process.stdout.readline()
        try:
            port = first.strip().rpartition(":")[2]
            assert port.isdigit(), (tmp_path / "log").read_text()[-2000:]
            yield Served(port=port, data=data)
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(_PATIENCE_SECONDS)
    assert status == 0


def _tour() -> str:
    found = blocks(section(README, "A five-minute tour"), "bash")
    assert len(found) > 5
    return "\n".join(found)


def test_the_tour_runs_and_is_answered_as_it_says(served: Served, tmp_path: Path) -> None:
    tour = _tour()
    script = tmp_path / "tour.sh"
    script.write_text(tour, encoding="utf-8")
    environment = _environment() | {
        "PORT": served.port,
        "DATA": str(served.data),
        "TMPDIR": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "no_proxy": "*",
    }
    ran = subprocess.run(  # noqa: S603 - the README's own words.
        ["bash", "-e", "-o", "pipefail", str(script)],  # noqa: S607 - whichever bash there is.
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    expected = [status for said in _EXPECTED.findall(tour) for status in said.split(", ")]
    assert {"200", "201", "403", "409", "410", "415"} <= set(expected)
    assert _STATUS.findall(ran.stdout) == expected, ran.stdout + ran.stderr
    assert ran.returncode == 0, ran.stderr


def test_links_between_the_documents_resolve() -> None:
    found = [(document, link) for document in documents() for link in relative_links(document)]
    assert len(found) > 20
    broken = [
        f"{document.relative_to(ROOT)}: {link}"
        for document, link in found
        if not (document.parent / link).exists()
    ]
    assert not broken


def _commands(group: click.Group, before: str = "") -> set[str]:
    found = set()
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= _commands(command, f"{before}{name} ")
        elif not command.hidden:
            found.add(before + name)
    return found


def test_the_commands_are_those_of_the_program() -> None:
    table = section(README, "Commands")
    written: set[str] = set()
    for row in rows(table):
        names = [found.strip() for found in _COMMAND.findall(row[0])]
        group = names[0].rpartition(" ")[0]
        written |= {name if " " in name or not group else f"{group} {name}" for name in names}
    assert written == _commands(audiatur)


def test_the_scripts_are_those_of_the_repository() -> None:
    written = {
        row[0].strip("`").split()[0].removeprefix("scripts/")
        for row in rows(section(README, "Scripts"))
    }
    found = {
        path.name
        for path in (ROOT / "scripts").iterdir()
        if path.is_file() and os.access(path, os.X_OK)
    }
    assert written == found
