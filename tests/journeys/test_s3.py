"""The archive over buckets of a real S3 server and a Postgres that is not its own."""

from __future__ import annotations

import hashlib
import io
import json
import re
import secrets
import wave
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest
from botocore.exceptions import ClientError
from psycopg import sql
from sqlalchemy import select

from app.embedded.postgres import Cluster
from app.recordings.models import Leg
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.journeys import consenting
from tests.journeys.deployment import Deployment, Serving, deployed, links_served, run
from tests.live import metadata
from tests.s3_server import S3Account, S3Server

LARGE_BYTES = 66 << 20
_AUDIO = re.compile(r'/s/[^/"]+/audio/[0-9a-f-]{36}')


@pytest.fixture(scope="module")
def deployment(
    s3_server: S3Server, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    with deployed(s3_server, cluster, tmp_path_factory.mktemp("deployment")) as found:
        yield found


def _noise(size_bytes: int, *, rate_hz: int = 8000) -> bytes:
    """Return a WAV of noise, no part of which is anywhere else by chance."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(secrets.token_bytes(size_bytes))
    return made.getvalue()


def _objects(deployment: Deployment) -> dict[str, str]:
    """Return the tags of all objects of the archive's bucket, by their keys."""
    client = deployment.s3.client(account=deployment.archive.account)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=deployment.archive.name)
    return {found["Key"]: found["ETag"] for page in pages for found in page.get("Contents", [])}


def _sealed(deployment: Deployment, key: str) -> bytes:
    client = deployment.s3.client(account=deployment.archive.account)
    return client.get_object(Bucket=deployment.archive.name, Key=key)["Body"].read()


def test_nothing_is_embedded_and_the_bucket_holds_ciphertext(deployment: Deployment) -> None:
    live = deployment.live
    assert not (deployment.data / "postgres").exists()
    assert not (deployment.data / "archive").exists()
    ready = live.call("GET", "/readyz", who=None)
    assert ready.status_code == 200
    assert set(ready.json()["parts"]) == {"database", "archive store", "release store"}

    body = _noise(200_000)
    before = _objects(deployment)
    sent = live.send(metadata("sealed"), body)
    assert sent.status_code == 201, sent.text
    new = set(_objects(deployment)) - set(before)
    assert new
    for key in new:
        sealed = _sealed(deployment, key)
        assert body[:12] not in sealed
        assert all(body[at : at + 16] not in sealed for at in range(44, len(body) - 16, 5000))
    assert any(len(_sealed(deployment, key)) > len(body) for key in new)
    assert live.send(metadata("sealed"), body).status_code == 200
    path = f"/v1/recordings/{sent.json()['id']}/audio?form=original"
    consenting.wait_for_inspection(live, sent.json()["id"])
    assert live.call("GET", path, who="reviewer").content == body
    assert not (deployment.data / "archive").exists()


def test_a_large_recording_goes_in_parts_and_comes_back_whole(deployment: Deployment) -> None:
    live = deployment.live
    body = _noise(LARGE_BYTES, rate_hz=48_000)
    before = _objects(deployment)
    sent = live.send(metadata("large"), body)
    assert sent.status_code == 201, sent.text
    assert sent.json()["sha256"] == hashlib.sha256(body).hexdigest()
    # The tag of an object that came in parts ends in their number.
    tags = [tag for key, tag in _objects(deployment).items() if key not in before]
    assert any("-" in tag for tag in tags), tags
    # Whoever listens while the inspection ends is cut off: its length is part of the decision.
    consenting.wait_for_inspection(live, sent.json()["id"])
    path = f"/v1/recordings/{sent.json()['id']}/audio?form=original"
    assert live.call("GET", path, who="reviewer").content == body
    part = live.call("GET", path, who="reviewer", headers={"Range": "bytes=67000000-67000999"})
    assert part.content == body[67_000_000:67_001_000]


def test_doctor_tells_what_both_buckets_can_do(deployment: Deployment) -> None:
    done = run(["doctor", "--json"], deployment.environment, deployment.folder)
    findings = {one["part"]: one for one in json.loads(done.stdout)}
    for part in ("archive store", "release store"):
        assert findings[part]["level"] == "ok", findings[part]
        for word in ("S3Store", "conditional put", "checksums", "versions", "object lock"):
            assert word in findings[part]["found"]
    assert findings["migrations"]["level"] == "ok"
    assert findings["object lock"]["level"] == "warn"
    assert "worm=unsupported" in findings["object lock"]["found"]
    assert done.returncode == 0, done.stdout


def test_a_damaged_recording_is_held_back_and_put_right(
    deployment: Deployment, tmp_path: Path
) -> None:
    live = deployment.live
    director = consenting.make_client(live)
    body = _noise(64_000)
    sent = live.send(metadata("damaged"), body).json()
    with live.tools.database.transaction() as session:
        of_it = select(Leg.object_id).where(Leg.recording_id == UUID(sent["id"]))
        key = SealedStore.key_for(session.scalars(of_it).one())
    consenting.wait_for_inspection(live, sent["id"])
    sealed = bytearray(_sealed(deployment, key))
    sealed[len(sealed) // 2] ^= 1
    client = deployment.s3.client(account=deployment.archive.account)
    client.put_object(Bucket=deployment.archive.name, Key=key, Body=bytes(sealed))

    def do(*words: str) -> int:
        return run(list(words), deployment.environment, deployment.folder).returncode

    assert do("check-fixity") == 1
    (damage,) = live.call("GET", "/v1/fixity", who="auditor").json()["damaged"]
    assert (damage["recording_id"], damage["outcome"]) == (sent["id"], "damaged")
    assert b"audiatur_damaged_objects 1.0" in live.call("GET", "/metrics", who=None).content
    done = run(["doctor", "--json"], deployment.environment, deployment.folder)
    assert done.returncode == 1
    assert "audiatur repair" in next(
        one["mend"] for one in json.loads(done.stdout) if one["part"] == "fixity"
    )
    wish = {"contact_id": director, "items": [{"recording_id": sent["id"]}]}
    refused = live.call("POST", "/v1/releases", who="manager", json=wish)
    assert refused.status_code == 409
    assert "R_INTEGRITY" in refused.text
    copy = tmp_path / "copy.wav"
    copy.write_bytes(body + b"\0")
    assert do("repair", sent["id"], "--from", str(copy)) == 1
    assert do("repair", sent["id"]) == 1
    copy.write_bytes(body)
    assert do("repair", sent["id"], "--from", str(copy)) == 0
    assert do("check-fixity") == 0
    assert live.call("GET", "/v1/fixity", who="auditor").json()["damaged"] == []
    seen = live.call("GET", f"/v1/recordings/{sent['id']}/fixity", who="reviewer").json()
    assert seen["damaged_since"] is None
    assert {"repair", "restore"} <= {one["occasion"] for one in seen["legs"][0]["checks"]}
    path = f"/v1/recordings/{sent['id']}/audio?form=original"
    assert live.call("GET", path, who="reviewer").content == body
    released = consenting.release(live, sent["id"], director)
    assert released["release"]["state"] == "granted"
    assert do("rebuild-index") == 1


def test_a_release_is_heard_from_a_process_that_is_given_no_more(deployment: Deployment) -> None:
    live = deployment.live
    director = consenting.make_client(live)
    sent = live.send(metadata("released"), _noise(64_000)).json()
    consenting.wait_for_inspection(live, sent["id"])
    released = consenting.release(live, sent["id"], director)
    (item,) = released["release"]["items"]
    token = released["link"]["token"]
    assert released["link"]["url"] == f"https://links.example/s/{token}"
    with links_served(deployment) as (found, settings):
        copy = _listened(found.address, token)
        assert hashlib.sha256(copy).hexdigest() == item["sha256"]
        _holds_nothing_of_the_archive(deployment, found)
        _is_refused_the_archive(deployment, settings)
        revoked = live.call(
            "POST", f"/v1/releases/{released['release']['id']}/revoke", who="manager", json={}
        )
        assert revoked.is_success, revoked.text
        assert httpx.get(f"{found.address}/s/{token}").status_code == 410


def _listened(address: str, token: str) -> bytes:
    """Open the link as its recipient would and return the sound."""
    with httpx.Client(base_url=address, timeout=60) as phone:
        assert phone.get(f"/s/{token}").status_code == 200
        page = phone.post(f"/s/{token}/open", follow_redirects=True)
        source = _AUDIO.search(page.text)
        assert source is not None, page.status_code
        heard = phone.get(source[0])
        assert heard.status_code == 200
        return heard.content


def _holds_nothing_of_the_archive(deployment: Deployment, found: Serving) -> None:
    given = Path(f"/proc/{found.process.pid}/environ").read_text()
    archive = deployment.archive
    assert deployment.urls.link in given
    for secret in (
        archive.name,
        archive.account.access_key,
        archive.account.secret_key,
        deployment.release.account.secret_key,
        deployment.urls.web,
        deployment.urls.owner,
        str(deployment.data),
    ):
        assert secret not in given
    held = {path.name for path in (deployment.folder / "elsewhere").rglob("*.key")}
    assert held == {"release.key"}
    keys = MasterKeys.load(deployment.folder / "elsewhere" / "release.key")
    assert not set(keys.ids) & set(MasterKeys.load(deployment.data / "keys" / "archive.key").ids)


def _is_refused_the_archive(deployment: Deployment, settings: dict[str, str]) -> None:
    account = S3Account(
        access_key=settings["AUDIATUR_RELEASE_S3_ACCESS_KEY_ID"],
        secret_key=settings["AUDIATUR_RELEASE_S3_SECRET_ACCESS_KEY"],
    )
    client = deployment.s3.client(account=account)
    archive, release = deployment.archive.name, deployment.release.name
    key = next(iter(_objects(deployment)))
    # The copy, and the bundle once a worker has made it.
    assert client.list_objects_v2(Bucket=release)["KeyCount"] in {1, 2}
    for attempt in (
        lambda: client.get_object(Bucket=archive, Key=key),
        lambda: client.list_objects_v2(Bucket=archive),
        lambda: client.put_object(Bucket=release, Key="mine", Body=b"x"),
        lambda: client.delete_object(Bucket=release, Key=key),
    ):
        with pytest.raises(ClientError) as refused:
            attempt()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with psycopg.connect(settings["AUDIATUR_PUBLIC_DATABASE_URL"], autocommit=True) as link:
        for table in ("recordings", "sealed_objects", "users", "clients", "custody_entries"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                link.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute("SET ROLE audiatur_app")
