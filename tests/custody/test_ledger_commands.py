"""The commands around the ledger, as an administrator or an auditor runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.custody import notes
from app.custody.signing import Purpose, load
from tests.conftest import Urls
from tests.custody.conftest import Superuser

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(own_database: Urls, tmp_path: Path) -> Run:
    """Give a function that runs the product's command on a database of the test's own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AUDIATUR_")}
    settings = {
        "AUDIATUR_DATA": str(tmp_path / "data"),
        "AUDIATUR_DATABASE_URL": own_database.web,
        "AUDIATUR_DATABASE_OWNER_URL": own_database.owner,
        "AUDIATUR_LEDGER_ORIGIN": "rec.example/log1",
        "PYTHONPATH": str(ROOT),
    }

    def run_one(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(  # noqa: S603 - the product's own command.
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=tmp_path,
            env={**kept, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run_one


def test_an_auditor_recounts_the_ledger_and_finds_an_edit(
    run: Run, superuser: Superuser, tmp_path: Path
) -> None:
    run("device", "add", "phone")
    held = tmp_path / "held.checkpoint"
    held.write_text(run("ledger", "checkpoint").stdout)
    run("device", "add", "phone-2")
    assert run("ledger", "verify", "--since", str(held)).stdout.endswith("\nVALID\n")
    superuser("UPDATE custody_entries SET act = 'login.ended' WHERE position = 1")
    told = run("ledger", "verify", status=1).stdout
    assert "row: leaf 0 " in told
    assert told.endswith("\nINVALID: 1 findings\n")
    report = json.loads(run("ledger", "verify", "--json", status=1).stdout)
    assert (report["result"], report["found"]) == ("INVALID", {"row": 1})
    held.write_text(held.read_text().replace("\n1\n", "\n2\n"))
    refused = run("ledger", "verify", "--since", str(held), status=1)
    assert "does not fit" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_the_key_of_the_log_is_rotated_without_a_break(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "data" / "keys" / "ledger.key"
    run("device", "add", "phone")
    run("ledger", "checkpoint")
    (old,) = load(path).public(Purpose.LOG)
    new = notes.parse_vkey(run("ledger", "rotate-key").stdout)
    both = run("ledger", "checkpoint", "--stamp").stdout
    assert set(notes.open_note(both, [old, new]).signed_by) == {old, new}
    assert "1 older log keys" in run("ledger", "rotate-key", "--finish").stdout
    only = run("ledger", "checkpoint").stdout
    assert notes.open_note(only, [old, new]).signed_by == (new,)
    listed = run("ledger", "keys").stdout
    assert f"log ended {old.fingerprint}" in listed
    assert f"log signs {new.fingerprint}\n  {new.vkey()}" in listed
    report = json.loads(run("ledger", "verify", "--json").stdout)
    assert (report["result"], report["counts"]["checkpoints"]) == ("VALID", 3)


def test_without_its_key_the_archive_refuses_and_says_what_to_do(run: Run, tmp_path: Path) -> None:
    run("device", "add", "phone")
    (tmp_path / "data" / "keys" / "ledger.key").unlink()
    assert "ledger.key is missing" in run("ledger", "checkpoint", status=1).stderr
    told = run("doctor", "--json", status=1).stdout
    assert any(part["part"] == "ledger" and part["level"] == "fail" for part in json.loads(told))


def test_doctor_looks_at_the_ledger(run: Run) -> None:
    run("device", "add", "phone")
    parts = {part["part"]: part for part in json.loads(run("doctor", "--json").stdout)}
    assert "rec.example/log1" in parts["ledger keys"]["found"]
    assert (parts["ledger"]["level"], parts["time stamps"]["level"]) == ("ok", "warn")
