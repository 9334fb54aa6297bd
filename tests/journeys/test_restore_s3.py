"""A drill: from a bucket into a backup, and from there into another bucket and a new database."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import FIGURES
from tests.factories import wav
from tests.journeys.test_restore import Place, _call, _send
from tests.journeys.test_serve import _until
from tests.s3_server import S3Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Two new buckets, of the archive and of released copies."""

    server: S3Server
    archive: str
    settings: dict[str, str]

    @classmethod
    def new(cls, server: S3Server, *, has_lock: bool = False) -> Buckets:
        other = server.account(f"release-{secrets.token_hex(4)}")
        archive = server.new_bucket(has_lock=has_lock)
        told = {
            "S3_ENDPOINT_URL": server.endpoint_url,
            "S3_BUCKET": archive,
            "S3_ACCESS_KEY_ID": server.owner.access_key,
            "S3_SECRET_ACCESS_KEY": server.owner.secret_key,
            "RELEASE_S3_BUCKET": server.new_bucket(account=other),
            "RELEASE_S3_ACCESS_KEY_ID": other.access_key,
            "RELEASE_S3_SECRET_ACCESS_KEY": other.secret_key,
        }
        settings = {f"AUDIATUR_{name}": value for name, value in told.items()}
        return cls(server=server, archive=archive, settings=settings)

    def names(self) -> set[str]:
        found = self.server.client().list_objects_v2(Bucket=self.archive)
        return {one["Key"] for one in found.get("Contents", [])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    place: Place
    buckets: Buckets
    backup: Path
    device: str
    people: dict[str, str]
    erased: str
    kept: str
    hidden: set[str]


@pytest.fixture(scope="module")
def drill(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    folder = tmp_path_factory.mktemp("drill")
    buckets = Buckets.new(s3_server)
    place = Place(data=folder / "data", keys=folder / "keys", more=buckets.settings)
    with place.served() as url:
        device = place.cli("device", "add", "phone")
        people = {
            role: place.cli("user", "add", role, "--role", role, "--api-key").splitlines()[-1]
            for role in ("legal", "reviewer")
        }
        ids = {call: _send(url, device, call).json()["id"] for call in ("c1", "c2")}

        def is_inspected(call: str) -> bool:
            told = _call(url, people["reviewer"], "GET", f"/recordings/{ids[call]}")
            return bool(told["inspection"]["state"] == "done")

        for call in ids:
            _until(lambda call=call: is_inspected(call))  # type: ignore[misc]
        # A note comes with the first look, within a minute or so.
        _until(lambda: sum(".note" in name for name in buckets.names()) == len(ids))
        assert "10 of 10 objects" in place.cli("backup", str(folder / "backup"))
        before = buckets.names()
        wish = {"ground": "request", "reason": "Просит."}
        path = f"/recordings/{ids['c1']}/erasures"
        asked = _call(url, people["reviewer"], "POST", path, **wish)
        _call(url, people["legal"], "POST", f"/erasures/{asked['id']}/approve")
        told = f"/erasures/{asked['id']}"
        _until(
            lambda: all(
                [one["deleted_at"] for one in _call(url, people["legal"], "GET", told)["objects"]]
                or [None]
            )
        )
    return Drill(
        place=place,
        buckets=buckets,
        backup=folder / "backup",
        device=device,
        people=people,
        erased=ids["c1"],
        kept=ids["c2"],
        hidden=before - buckets.names(),
    )


def test_what_was_erased_since_stays_erased_and_the_rest_plays(
    drill: Drill,
    s3_server: S3Server,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    copied = {f"{path.parent.name}/{path.name}" for path in (drill.backup / "archive").rglob("*/*")}
    assert drill.hidden
    assert drill.hidden <= copied
    # The other bucket can lock, of which the one that was backed up said nothing.
    buckets = Buckets.new(s3_server, has_lock=True)
    place = Place(data=tmp_path / "data", keys=drill.place.keys, more=buckets.settings)
    began = time.monotonic()
    said = place.cli("restore", str(drill.backup))
    restored = time.monotonic()
    assert "1 recordings and screenshots were erased again" in said
    assert "0 are damaged or missing" in said
    assert not buckets.names() & drill.hidden
    assert buckets.names() >= copied - drill.hidden
    with place.served() as url:
        served = time.monotonic()
        assert _send(url, drill.device, "c1").status_code == 410
        assert _send(url, drill.device, "c2").status_code == 200
        heard = httpx.get(
            f"{url}/v1/recordings/{drill.kept}/audio?form=original",
            headers={"Authorization": f"Bearer {drill.people['reviewer']}"},
            timeout=60,
        )
        assert heard.content == wav(0.2)
    place.cli("ledger", "verify")
    counts = {"erased again": 1, "restored in s": round(restored - began)}
    counts |= {"serving again in s": round(served - began)}
    record_property(f"{FIGURES}R8 bucket", counts)


def test_a_backup_that_was_broken_off_is_gone_on_with(drill: Drill, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    drill.place.cli("backup", str(folder))
    (folder / "manifest.json").rename(folder / "unfinished")
    objects = sorted(p for p in (folder / "archive").rglob("*/*") if "." not in p.name)
    objects[0].unlink()
    objects[1].write_bytes(objects[1].read_bytes()[:-1] + b"?")
    said = drill.place.cli("backup", str(folder))
    assert f"{len(objects) - 2} of them before" in said
    assert (folder / "manifest.json").exists()
    assert not (folder / "unfinished").exists()


def test_objects_are_listed_where_their_store_is_backed_up_apart(
    drill: Drill, tmp_path: Path
) -> None:
    said = drill.place.cli("backup", str(tmp_path / "backup"), "--objects", "list")
    assert "listed, not copied" in said
    assert not (tmp_path / "backup" / "archive").exists()


def test_what_is_damaged_is_named_by_the_backup(drill: Drill, tmp_path: Path) -> None:
    client = drill.buckets.server.client()
    key = min(key for key in drill.buckets.names() if "." not in key)
    body = bytearray(client.get_object(Bucket=drill.buckets.archive, Key=key)["Body"].read())
    whole = bytes(body)
    body[-1] ^= 1
    client.put_object(Bucket=drill.buckets.archive, Key=key, Body=bytes(body))
    done = drill.place.run("backup", str(tmp_path / "backup"))
    assert done.returncode == 1
    assert f"archive/{key}" in done.stderr
    client.put_object(Bucket=drill.buckets.archive, Key=key, Body=whole)
    drill.place.cli("backup", str(tmp_path / "again"))
