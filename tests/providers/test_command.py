"""The command, as an administrator runs it: secrets by standard input, the address at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Urls

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
ADD = ("provider", "add", "line", "--kind", "twilio", "--url", "https://calls.example.com")


@pytest.fixture
def run(own_database: Urls, tmp_path: Path) -> Run:
    """Give a function that runs the product's command on a database of the test's own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AUDIATUR_")}
    settings = {
        "AUDIATUR_DATA": str(tmp_path / "data"),
        "AUDIATUR_DATABASE_URL": own_database.web,
        "AUDIATUR_DATABASE_OWNER_URL": own_database.owner,
        "PYTHONPATH": str(ROOT),
    }

    def run_one(
        *arguments: str, given: str = "", status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(  # noqa: S603 - the product's own command.
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=tmp_path,
            env={**kept, **settings},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run_one


def test_a_connection_is_added_listed_rotated_and_removed(run: Run) -> None:
    added = run(*ADD, given="token=very-secret\n\naccount_sid = AC1\n")
    address = added.stdout.splitlines()[-1]
    assert address.startswith("https://calls.example.com/hooks/")
    listed = run("provider", "list", "--json").stdout
    (one,) = json.loads(listed)
    assert (one["provider"], one["address"], one["removed"]) == ("line", address, False)
    assert "very-secret" not in added.stdout + added.stderr + listed
    run("provider", "rotate", "line", given="token=other\n")
    run("provider", "remove", "line")
    assert run("provider", "list").stdout.split()[:3] == ["line", "twilio", "removed"]
    again = run("provider", "remove", "line", status=1)
    assert "removed" in again.stderr
    unknown = run("provider", "remove", "nobody", status=1)
    assert "audiatur provider list" in unknown.stderr


def test_what_cannot_be_used_is_one_line(run: Run, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text("{")
    for arguments, given, words in (
        (ADD, "", "needs token"),
        (ADD, "token\n", "line 1"),
        ((*ADD[:-1], "calls.example.com"), "token=x\n", "public_url"),
        ((*ADD, "--mapping", str(mapping)), "token=x\n", "no JSON"),
    ):
        refused = run(*arguments, given=given, status=1)
        assert words in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
