"""No line of the log names anybody, whatever is fed and whatever breaks; see `tests.system.fed`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from app.embedded.postgres import Cluster
from tests.conftest import Urls

ROOT = Path(__file__).parents[2]


def _as_written(word: str) -> set[str]:
    """Return how a word may stand in a line."""
    plain = {word, quote(word), quote(word, safe=""), word.encode("unicode_escape").decode()}
    return {form.casefold() for form in plain}


def test_no_line_names_anybody_whatever_is_fed_and_whatever_breaks(
    own_database: Urls, tmp_path: Path, cluster: Cluster
) -> None:
    of_database = cluster.directory / "server" / "log"
    before = {path: path.stat().st_size for path in of_database.glob("*.log")}
    assert before
    done = subprocess.run(  # noqa: S603 - our own words.
        [sys.executable, "-P", "-m", "tests.system.fed", str(tmp_path)],
        cwd=ROOT,
        env=os.environ
        | {
            "TEST_URL": own_database.web,
            "TEST_OWNER_URL": own_database.owner,
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    seen = {str(line["event"]) for line in lines}
    broken = [line for line in lines if line["event"] == "request.broken"]
    assert len(broken) >= 2
    states = [part.get("sqlstate") for line in lines for part in line.get("exception", ())]
    assert states.count("23514") >= 2
    assert seen >= {"request.answered", "job.failed", "provider.unreadable"}
    assert len({line.get("route") for line in lines}) > 250
    words = json.loads(done.stdout.splitlines()[-1])
    told = done.stderr.casefold()
    leaked = {what for what, word in words.items() for form in _as_written(word) if form in told}
    for path in of_database.glob("*.log"):
        with path.open("rb") as log:
            log.seek(before.get(path, 0))
            said = log.read().decode(errors="replace").casefold()
        leaked |= {
            f"{what}, in the database's" for what, word in words.items() if word.casefold() in said
        }
    assert leaked == set()
