"""The commands of webhooks, over the database that the settings name."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from app.cli import audiatur
from app.webhooks.service import EndpointNotFound
from tests.conftest import Urls


def test_an_endpoint_is_added_listed_given_another_secret_and_removed(
    own_database: Urls, tmp_path: Path
) -> None:
    runner = CliRunner(
        env={
            "AUDIATUR_DATA": str(tmp_path),
            "AUDIATUR_DATABASE_URL": own_database.web,
            "AUDIATUR_DATABASE_OWNER_URL": own_database.owner,
        }
    )
    add = ["webhook", "add", "crm", "https://crm.example.com/in", "--kind", "gap.found"]
    made = runner.invoke(audiatur, add, catch_exceptions=False)
    assert made.exit_code == 0, made.output
    secret = made.stdout.splitlines()[-1]
    assert secret.startswith("whsec_")
    assert runner.invoke(audiatur, add).exit_code == 1
    inner = runner.invoke(audiatur, ["webhook", "add", "x", "https://10.0.0.1/"])
    assert inner.exit_code == 1
    listed = runner.invoke(audiatur, ["webhook", "list", "--json"], catch_exceptions=False)
    (row,) = [json.loads(line) for line in listed.stdout.splitlines() if line.startswith("{")]
    assert (row["name"], row["kinds"], row["waiting"]) == ("crm", ["gap.found"], 0)
    assert secret not in listed.output
    rotated = runner.invoke(audiatur, ["webhook", "rotate", "crm"], catch_exceptions=False)
    assert rotated.stdout.splitlines()[-1] not in {"", secret}
    replayed = runner.invoke(audiatur, ["webhook", "replay", "crm"], catch_exceptions=False)
    assert replayed.stdout.splitlines()[-1] == "0 to be delivered again."
    assert runner.invoke(audiatur, ["webhook", "remove", "crm"]).exit_code == 0
    gone = runner.invoke(audiatur, ["webhook", "rotate", "crm"])
    assert isinstance(gone.exception, EndpointNotFound | SystemExit)
