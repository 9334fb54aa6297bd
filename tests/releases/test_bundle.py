"""Bundles that the service makes, over HTTP, judged by everybody who can verify one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tracemalloc
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import bagit  # type: ignore[import-untyped]  # it has no types.
import httpx
import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # not by name.

from app.core.db import Database
from app.core.ids import ReleaseId
from app.custody.signing import Purpose
from app.public.main import PublicTools
from app.releases import bundle, bundles, jobs
from app.verifier import verify
from app.verifier.verify import Result, Trusted
from storage.errors import ObjectMissing
from tests.conftest import Urls
from tests.factories import wav
from tests.public.conftest import served
from tests.releases.house import House

ROOT = Path(__file__).parents[2]


def granted(house: House, body: bytes | None = None, **part: object) -> tuple[dict[str, Any], str]:
    """Return a release that was approved, and the token of its link."""
    recording = house.recording(body or wav(3.0))
    asked = house.ask(recording.id, **part)
    assert asked.status_code == 201, asked.text
    done = house.approve(asked.json()["id"])
    assert done.status_code == 200, done.text
    return done.json()["release"], done.json()["link"]["token"]


def made(house: House, release: dict[str, Any], folder: Path) -> Path:
    """Let the job run, take the bundle over HTTP, and return it."""
    jobs.handle_bundle(house.worker(), release["id"])
    answer = house.call("manager", "GET", f"/v1/releases/{release['id']}/bundle")
    assert answer.status_code == 200, answer.text
    path = folder / f"{release['id']}.zip"
    path.write_bytes(answer.content)
    return path


def key_of(house: House) -> str:
    found = httpx.get(f"{house.url}/v1/bundle-key", timeout=60).json()
    return str(found["fingerprint"])


def judged(path: Path, key: str) -> verify.Report:
    return verify.verify(path, Trusted(fingerprint=key))


@pytest.fixture
def whole(house: House, tmp_path: Path) -> Path:
    return made(house, granted(house)[0], tmp_path)


def test_a_bundle_of_a_whole_recording_is_valid(house: House, whole: Path) -> None:
    report = judged(whole, key_of(house))
    assert (report.problems, report.warnings, report.result) == ([], [], Result.VALID)
    with zipfile.ZipFile(whole) as archive:
        (name,) = [n for n in archive.namelist() if "/original" in n]
        assert archive.read(name) == wav(3.0)


def test_a_bundle_of_a_part_is_valid_and_names_how_it_was_cut(house: House, tmp_path: Path) -> None:
    release, _ = granted(house, from_ms=500, to_ms=1500)
    path = made(house, release, tmp_path)
    assert judged(path, key_of(house)).result == Result.VALID
    with zipfile.ZipFile(path) as archive:
        inside = [n.partition("/")[2] for n in archive.namelist() if "/data/" in n]
        recipe = next(n for n in archive.namelist() if n.endswith("derivation.json"))
        told = json.loads(archive.read(recipe))
        clip = archive.read(recipe.replace(".derivation.json", ".wav"))
    assert not any("original" in name for name in inside)
    assert told["range"]["from_ms"] == 500
    assert hashlib.sha256(clip).hexdigest() == told["output"]["sha256"]
    assert told["output"]["sha256"] == release["items"][0]["sha256"]
    assert any("atrim=start=0.500:end=1.500" in part for part in told["commands"][0][0])
