"""The command line imports what a command needs, and its tables tell the truth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from app.cli import _NEXT_STEPS, COMMANDS, PROCESSES, Place, audiatur
from app.core.errors import Refusal

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "place"), [*COMMANDS.items(), *PROCESSES.items()])
def test_each_command_is_there_and_help_says_what_it_says_itself(name: str, place: Place) -> None:
    found = audiatur.get_command(click.Context(audiatur), name)
    assert found is not None
    assert found.name == name
    own = found.short_help or (found.help or "").partition("\n\n")[0].replace("\n", " ")
    if name in COMMANDS:
        assert place.says == own


def test_next_steps_are_for_refusals_that_exist() -> None:
    for name in COMMANDS:
        audiatur.get_command(click.Context(audiatur), name)
    slugs, waiting = set(), [Refusal]
    while waiting:
        kind = waiting.pop()
        slugs.add(kind.slug)
        waiting += kind.__subclasses__()
    assert slugs >= set(_NEXT_STEPS)


@pytest.mark.parametrize(
    ("arguments", "not_needed"),
    [
        (["--help"], ["sqlalchemy", "fastapi", "boto3"]),
        (["verify", "--help"], ["sqlalchemy", "fastapi", "boto3", "storage.s3"]),
        (["device", "--help"], ["fastapi", "app.main", "app.web", "app.public"]),
        (["run-public", "--help"], ["app.main", "app.recordings", "app.web"]),
        (["worker", "--help"], ["app.main", "app.web"]),
        (["serve", "--help"], ["app.main", "app.web", "app.worker"]),
    ],
    ids=lambda given: given[0],
)
def test_a_command_imports_its_own_alone(arguments: list[str], not_needed: list[str]) -> None:
    program = (
        "import sys\n"
        "from app.cli import audiatur\n"
        "try:\n"
        f"    audiatur({arguments!r}, standalone_mode=False)\n"
        "except SystemExit:\n"
        "    pass\n"
        "print('imported:', *sys.modules)\n"
    )
    done = subprocess.run(  # noqa: S603 - the project's own command.
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = done.stdout.rpartition("imported:")[2].split()
    assert "app.cli" in imported
    assert not set(not_needed) & set(imported)
