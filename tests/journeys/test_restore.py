"""What was erased does not come back: back up, erase, restore the older backup, look everywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.embedded.postgres import EmbeddedPostgres
from storage.keys import MasterKeys
from tests.conftest import FIGURES
from tests.factories import wav
from tests.journeys.test_serve import _until
from tests.live import metadata

ROOT = Path(__file__).parents[2]
PICTURE = (ROOT / "scripts" / "demo_company" / "screenshots" / "screenshot_1c.png").read_bytes()
COMMAND = [sys.executable, "-m", "app.cli"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A data folder, and keys apart from it."""

    data: Path
    keys: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AUDIATUR_")}
        told = {"DATA": self.data}
        told |= {
            f"{name.upper()}_KEY_FILE": self.keys / f"{name}.key"
            for name in ("archive", "release", "ledger")
        }
        settings = {f"AUDIATUR_{name}": str(path) for name, path in told.items()}
        return {**kept, **settings, **self.more, "PYTHONPATH": str(ROOT)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the product's own command.
            [*COMMAND, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def cli(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve and give the address."""
        with (
            self.data.with_name("log").open("a") as errors,
            subprocess.Popen(  # noqa: S603 - the product's own command.
                [*COMMAND, "serve", "--port", "0"],
                cwd=ROOT,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            try:
                _until(lambda: httpx.get(f"{url}/readyz", timeout=5).status_code == 200)
                yield url
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def rows(self, sql: str, *values: str) -> list[Any]:
        """Ask the database as its owner, while nothing serves."""
        server = EmbeddedPostgres(self.data / "postgres")
        cluster = server.hold()
        try:
            with psycopg.connect(cluster.owner_url) as owner:
                return owner.execute(sql.encode(), values).fetchall()
        finally:
            server.release_and_maybe_stop()


def _send(url: str, key: str, call: str) -> httpx.Response:
    return httpx.post(
        f"{url}/v1/recordings",
        headers={"Authorization": f"Bearer {key}"},
        files=[("metadata", (None, json.dumps(metadata(call)))), ("file", ("c.wav", wav(0.2)))],
        timeout=60,
    )


def _show(url: str, key: str, minute: int) -> httpx.Response:
    told = {"captured_at": f"2026-11-20T10:{minute:02}:00+03:00", "agent": "106"}
    return httpx.post(
        f"{url}/v1/screenshots",
        headers={"Authorization": f"Bearer {key}"},
        files=[("metadata", (None, json.dumps(told))), ("file", ("s.png", PICTURE))],
        timeout=60,
    )


def _call(url: str, key: str, method: str, path: str, **body: object) -> Any:  # noqa: ANN401 - JSON.
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.request(
        method, f"{url}/v1{path}", headers=headers, json=body or None, timeout=60
    )
    assert answer.is_success, answer.text
    return answer.json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An archive of two calls of which one was erased after a backup."""

    place: Place
    backup: Path
    device: str
    legal: str
    erased: str
    kept: str
    late: str
    shot: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    place = Place(data=folder / "data", keys=folder / "keys")
    with place.served() as url:
        device = place.cli("device", "add", "phone")
        people = {
            role: place.cli("user", "add", role, "--role", role, "--api-key").splitlines()[-1]
            for role in ("legal", "reviewer")
        }
        ids = {call: _send(url, device, call).json()["id"] for call in ("c1", "c2")}
        shots = [_show(url, device, minute).json()["id"] for minute in (1, 2)]
        place.cli("backup", str(folder / "backup"))
        # Came and went after the backup: it knows nothing of the call and the picture.
        ids["c3"] = _send(url, device, "c3").json()["id"]
        shots.append(_show(url, device, 3).json()["id"])
        gone = [f"recordings/{ids[call]}" for call in ("c1", "c3")]
        gone += [f"screenshots/{shots[0]}", f"screenshots/{shots[2]}"]
        for one in gone:
            path = f"/{one}/erasures"
            wish = {"ground": "request", "reason": "Просит."}
            asked = _call(url, people["reviewer"], "POST", path, **wish)
            _call(url, people["legal"], "POST", f"/erasures/{asked['id']}/approve")
            told = f"/erasures/{asked['id']}"
            _until(
                lambda told=told: (  # type: ignore[misc]
                    all(
                        one["deleted_at"]
                        for one in _call(url, people["legal"], "GET", told)["objects"]
                    )
                    and _call(url, people["legal"], "GET", told)["executed_at"]
                )
            )
        assert _send(url, device, "c1").status_code == 410
        # What was erased changes nothing in the tree.
        place.cli("ledger", "checkpoint")
        assert json.loads(place.cli("ledger", "verify", "--json").splitlines()[-1])
    return Story(
        place=place,
        backup=folder / "backup",
        device=device,
        legal=people["legal"],
        erased=ids["c1"],
        kept=ids["c2"],
        late=ids["c3"],
        shot=shots[0],
    )


def test_an_older_backup_brings_nothing_back_that_was_erased(
    story: Story, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    place = Place(data=tmp_path / "data", keys=story.place.keys)
    began = time.monotonic()
    said = place.cli("restore", str(story.backup))
    restored = time.monotonic()
    assert "2 recordings and screenshots were erased again" in said
    keys = "SELECT wrapped_key IS NULL FROM legs JOIN sealed_objects USING (object_id)"
    keys += " WHERE recording_id = %s"
    assert place.rows(keys, story.erased) == [(True,)]
    assert place.rows(keys, story.kept) == [(False,)]
    private = "SELECT count(*) FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id"
    assert place.rows(f"{private} WHERE e.object_id = %s", story.erased) == [(0,)]
    wanted = "SELECT object_id FROM legs WHERE recording_id = %s"
    ((object_id,),) = place.rows(wanted, story.erased)
    assert not list((place.data / "archive").rglob(object_id.hex))
    assert list((story.backup / "archive").rglob(object_id.hex))
    picture = "SELECT object_id, wrapped_key IS NULL, agent FROM screenshots"
    picture += " JOIN sealed_objects USING (object_id) WHERE id = %s"
    ((shown, is_destroyed, agent),) = place.rows(picture, story.shot)
    assert (is_destroyed, agent) == (True, None)
    assert not list((place.data / "archive").rglob(shown.hex))
    assert list((story.backup / "archive").rglob(shown.hex))
    with place.served() as url:
        served = time.monotonic()
        assert [_show(url, story.device, minute).status_code for minute in (1, 2, 3)] == [
            410,
            200,
            410,
        ]
        assert _send(url, story.device, "c1").status_code == 410
        assert _send(url, story.device, "c2").status_code == 200
        assert _send(url, story.device, "c3").status_code == 410
        assert _send(url, story.device, "c4").status_code == 201
        told = _call(url, story.legal, "GET", f"/recordings/{story.erased}/retention")
        assert told["erased_at"]
    place.cli("ledger", "verify")
    counts = {"erased again": 2, "restored in s": round(restored - began)}
    counts |= {"serving again in s": round(served - began)}
    record_property(f"{FIGURES}R8 folder", counts)


def test_it_is_the_journal_that_keeps_it_away(story: Story, tmp_path: Path) -> None:
    """Without the journal the same backup would bring the call back: so none is restored so."""
    place = Place(data=tmp_path / "data", keys=tmp_path / "keys")
    place.keys.mkdir()
    for path in story.place.keys.glob("*.key"):
        (place.keys / path.name).write_bytes(path.read_bytes())
        (place.keys / path.name).chmod(0o600)
    refused = place.run("restore", str(story.backup))
    assert refused.returncode == 1
    assert "tombstones.jsonl" in refused.stderr
    place.cli("restore", str(story.backup), "--nothing-was-erased")
    with place.served() as url:
        assert _send(url, story.device, "c1").status_code == 200


def test_the_backup_holds_no_master_key(story: Story) -> None:
    secrets = [
        line.split()[-1].encode()
        for path in story.place.keys.glob("*.key")
        for line in path.read_text().splitlines()
        if not line.startswith("#")
    ]
    assert len(secrets) >= 3
    files = [path for path in story.backup.rglob("*") if path.is_file()]
    assert len(files) > 4
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret in content], path


def test_a_damaged_backup_is_not_restored(story: Story, tmp_path: Path) -> None:
    place = Place(data=tmp_path / "data", keys=story.place.keys)
    copy = tmp_path / "backup"
    for path in story.backup.rglob("*"):
        if path.is_file():
            target = copy / path.relative_to(story.backup)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    with (copy / "database.dump").open("ab") as file:
        file.write(b"x")
    refused = place.run("restore", str(copy))
    assert (refused.returncode, "was changed" in refused.stderr) == (1, True)
    assert not place.data.exists()


def test_an_unfinished_restore_is_not_served(story: Story, tmp_path: Path) -> None:
    place = Place(data=tmp_path / "data", keys=story.place.keys)
    place.cli("restore", str(story.backup))
    (place.data / "restoring").write_text("begun")
    refused = place.run("migrate")
    assert refused.returncode == 1
    assert "run it again" in refused.stderr
    place.cli("restore", str(story.backup))
    place.cli("migrate")


def test_a_backup_goes_nowhere_where_something_is(story: Story) -> None:
    refused = story.place.run("backup", str(story.backup))
    assert refused.returncode == 1
    assert "not empty" in refused.stderr


def test_keys_are_copied_apart_and_never_over_others(story: Story, tmp_path: Path) -> None:
    place = tmp_path / "safe"
    story.place.cli("keys", "backup", str(place))
    names = {path.name for path in place.iterdir()}
    assert names == {"archive.key", "release.key", "ledger.key", "tombstones.jsonl"}
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}
    story.place.cli("keys", "backup", str(place))
    (place / "archive.key").unlink()
    MasterKeys.create(place / "archive.key")
    assert story.place.run("keys", "backup", str(place)).returncode == 1
    beside = story.place.data / "keys-here"
    assert story.place.run("keys", "backup", str(beside)).returncode == 1
