"""Bundles that the service makes, over HTTP, judged by everybody who can verify one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tracemalloc
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import bagit  # type: ignore[import-untyped]  # it has no types.
import httpx
import pytest
from playwright.sync_api import expect, sync_playwright
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # not by name.
from sqlalchemy import select

from app.clients.models import Client
from app.core.db import Database
from app.custody.ledger import DetailCipher
from app.custody.signing import Purpose
from app.custody.timestamps import Authorities
from app.embedded.postgres import Cluster
from app.fixity import notes, rebuilding
from app.identity.actor import Actor
from app.public.main import PublicTools
from app.recordings.models import InspectionState, Leg, Recording
from app.releases import bundle, bundles, jobs
from app.verifier import verify
from app.verifier.verify import Result, Trusted
from storage.errors import ObjectMissing
from storage.sealed import SealedStore
from tests.conftest import DETAIL_KEY, Urls, new_database
from tests.custody.authority import serving
from tests.factories import wav
from tests.public.conftest import served
from tests.releases.house import House, opened

ROOT = Path(__file__).parents[2]


def granted(
    house: House,
    body: bytes | None = None,
    **part: Any,  # noqa: ANN401 - as the request has it.
) -> tuple[dict[str, Any], str]:
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


def take(house: House, path: str, headers: dict[str, str]) -> httpx.Response:
    bearer = {"Authorization": f"Bearer {house.keys['manager']}"}
    return httpx.get(house.url + path, headers=headers | bearer, timeout=60)


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
    assert any("atrim" in word for step in told["steps"] for word in step["arguments"])


def test_openssl_and_bagit_and_another_dsse_agree(
    house: House, whole: Path, tmp_path: Path
) -> None:
    (key,) = house.log.ring.keys.public(Purpose.BUNDLE)
    pem = tmp_path / "key.pem"
    pem.write_text(key.pem)
    script = str(ROOT / "scripts" / "verify-openssl")
    said = subprocess.run([script, str(whole), str(pem)], capture_output=True, text=True)  # noqa: S603, PLW1510 - our own script; its status is the result.
    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, "VALID"), said.stdout
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(tmp_path / "unpacked")
    (top,) = (tmp_path / "unpacked").iterdir()
    bagit.Bag(str(top)).validate()
    envelope = Envelope.from_dict(json.loads((top / "proof/statement.dsse.json").read_text()))
    signer = SSlibKey.from_crypto(key._key(), keyid=key.fingerprint)
    assert set(envelope.verify([signer], 1)) == {key.fingerprint}


def test_a_byte_more_in_any_file_is_seen_and_named(
    house: House, whole: Path, tmp_path: Path
) -> None:
    key = key_of(house)
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(tmp_path / "unpacked")
    (top,) = (tmp_path / "unpacked").iterdir()
    files = sorted(path for path in top.rglob("*") if path.is_file())
    assert len(files) > 30
    for path in files:
        before = path.read_bytes()
        path.write_bytes(before + b"x")
        report = judged(top, key)
        assert report.result == Result.INVALID, path
        inside = path.relative_to(top).as_posix()
        assert inside in {problem.file for problem in report.problems}, inside
        path.write_bytes(before)
    assert judged(top, key).result == Result.VALID


def test_no_field_of_a_passport_is_empty(whole: Path) -> None:
    def leaves(value: object) -> Iterator[object]:
        if isinstance(value, dict):
            assert value
            for part in value.values():
                yield from leaves(part)
        elif isinstance(value, list):
            assert value
            for part in value:
                yield from leaves(part)
        else:
            yield value

    with zipfile.ZipFile(whole) as archive:
        top = archive.namelist()[0].partition("/")[0]
        passports = json.loads(archive.read(f"{top}/metadata/passport.json"))
        pages = [archive.read(f"{top}/metadata/passport.{lang}.html") for lang in ("ru", "en")]
        cover = archive.read(f"{top}/metadata/cover.pdf")
    assert all(found not in {None, ""} for found in leaves(passports))
    assert [b"unknown" in page for page in pages] == [True, True]
    assert cover.startswith(b"%PDF-")
    assert set(passports[0]) == {
        "recording",
        "time",
        "recorded_by",
        "how",
        "how_it_came",
        "files",
        "transformations",
        "kept",
        "fixity",
        "event",
        "participants",
        "documents",
        "not_known",
    }


def test_what_people_said_to_the_ledger_is_not_opened(house: House, tmp_path: Path) -> None:
    recording = house.recording(wav(3.0))
    release = house.ask(recording.id).json()
    body = {"note": "Тихонов просил не говорить."}
    path = f"/v1/releases/{release['id']}/approve"
    assert house.call("approver", "POST", path, json=body).status_code == 200
    with zipfile.ZipFile(made(house, release, tmp_path)) as archive:
        shown = [json.loads(line) for line in _read(archive, "metadata/custody.jsonl").splitlines()]
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert {one["label"] for row in shown for one in row["opened"]} == {"content"}
    assert "Тихонов".encode() not in everything
    assert "Тихонов".encode().hex().encode() not in everything


def test_withheld_calls_are_told_by_digest_and_class_alone(house: House, tmp_path: Path) -> None:
    recording = house.recording(wav(3.0))
    other = wav(2.0)
    release = house.ask(recording.id).json()
    with house.making() as make:
        client = make.session.get_one(Client, UUID(release["client_id"]))
        make.recording(client=client, body=other)
    house.approve(release["id"])
    with zipfile.ZipFile(made(house, release, tmp_path)) as archive:
        told = json.loads(_read(archive, "metadata/completeness.json"))
    assert told["withheld"] == [{"files": [hashlib.sha256(other).hexdigest()], "reason": "consent"}]
    assert told["counts"]["included"] == 1
    assert "unknown" in told["compared_with_calls_made"]


def test_a_second_bundle_shows_that_the_log_only_grew(house: House, tmp_path: Path) -> None:
    first_release, _ = granted(house)
    first = made(house, first_release, tmp_path)
    with zipfile.ZipFile(first) as archive:
        held = _read(archive, "proof/checkpoint")
        recording = UUID(first_release["items"][0]["recording_id"])
    again = house.ask(recording).json()
    house.approve(again["id"])
    second = made(house, again, tmp_path)
    trusted = Trusted(fingerprint=key_of(house), older_checkpoint=held)
    report = verify.verify(second, trusted)
    assert (report.problems, report.warnings, report.result) == ([], [], Result.VALID)
    assert any("only grew" in note for note in report.notes)


def test_a_stamp_of_an_authority_goes_with_it(house: House, tmp_path: Path) -> None:
    with serving(tmp_path / "authority") as authority:
        stamps = Authorities.configured(authority.url, authority.roots)
        house.log = replace(house.log, authorities=stamps)
        path = made(house, granted(house)[0], tmp_path)
    report = judged(path, key_of(house))
    assert (report.problems, report.result) == ([], Result.VALID)
    assert any("stamped at" in note for note in report.notes)


def _read(archive: zipfile.ZipFile, path: str) -> bytes:
    return archive.read(f"{archive.namelist()[0].partition('/')[0]}/{path}")


def test_parts_are_given_with_exact_length_and_a_broken_download_goes_on(
    house: House, tmp_path: Path
) -> None:
    release, _ = granted(house)
    whole = made(house, release, tmp_path).read_bytes()
    path = f"/v1/releases/{release['id']}/bundle"
    told = house.call("reviewer", "GET", f"/v1/releases/{release['id']}").json()["bundle"]
    assert (told["state"], told["size_bytes"]) == ("ready", len(whole))
    assert told["sha256"] == hashlib.sha256(whole).hexdigest()
    headers = {"Range": "bytes=1000-", "If-Range": f'"{told["sha256"]}"'}
    rest = take(house, path, headers)
    assert (rest.status_code, rest.content) == (206, whole[1000:])
    assert rest.headers["Content-Range"] == f"bytes 1000-{len(whole) - 1}/{len(whole)}"
    assert rest.headers["ETag"] == f'"{told["sha256"]}"'
    other = take(house, path, {"Range": "bytes=1000-", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, whole)
    assert take(house, path, {"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert house.acts(release["id"]).count("release.accessed") == 3


def test_until_it_is_made_there_is_none_and_a_failure_can_be_asked_for_again(
    house: House, tmp_path: Path
) -> None:
    release, _ = granted(house)
    path = f"/v1/releases/{release['id']}/bundle"
    waiting = house.call("manager", "GET", path)
    assert (waiting.status_code, waiting.json()["state"]) == (409, "pending")
    with house.database.transaction() as session:
        bundles.fail(session, UUID(release["id"]), reason="StoreUnavailable")
    failed = house.call("manager", "GET", f"/v1/releases/{release['id']}").json()["bundle"]
    assert (failed["state"], failed["reason"]) == ("failed", "StoreUnavailable")
    assert house.call("manager", "POST", path).json()["state"] == "pending"
    assert judged(made(house, release, tmp_path), key_of(house)).result == Result.VALID


class Killed(BaseException):
    """The process is gone."""


class Dying:
    """A release store in whose hands the process dies before anything is kept."""

    def __init__(self, store: SealedStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a store has.
        return getattr(self._store, name)

    def begin(self, object_id: UUID) -> Dying:
        return Dying(self._store.begin(object_id))  # type: ignore[arg-type]  # a draft, by turns.

    def keep(self) -> None:
        raise Killed


def test_who_dies_while_making_it_leaves_one_entry_and_one_bundle(
    house: House, tmp_path: Path
) -> None:
    release, _ = granted(house)
    dying: Any = replace(house.worker(), release=cast("SealedStore", Dying(house.release)))
    with pytest.raises(Killed):
        jobs.handle_bundle(dying, release["id"])
    assert house.acts(release["id"]).count("bundle.created") == 1
    path = made(house, release, tmp_path)
    assert judged(path, key_of(house)).result == Result.VALID
    jobs.handle_bundle(house.worker(), release["id"])
    assert house.acts(release["id"]).count("bundle.created") == 1
    assert stored(house) == 2


def test_two_who_make_it_at_once_make_one(house: House, tmp_path: Path) -> None:
    release, _ = granted(house)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: jobs.handle_bundle(house.worker(), release["id"]), range(2)))
    assert house.acts(release["id"]).count("bundle.created") == 1
    assert stored(house) == 2
    assert judged(made(house, release, tmp_path), key_of(house)).result == Result.VALID


def stored(house: House) -> int:
    """Return how many objects lie in the release store: the copy, and the bundle."""
    return len(list(house.release.listed(house.clock.now() + timedelta(days=1))))


def test_an_ended_release_gives_no_bundle_and_its_key_is_destroyed(
    house: House, tmp_path: Path
) -> None:
    release, _ = granted(house)
    made(house, release, tmp_path)
    path = f"/v1/releases/{release['id']}/bundle"
    with house.database.transaction() as session:
        kept = bundles.of(session, UUID(release["id"]))
        assert kept is not None
        assert kept.object_id is not None
        assert kept.size_bytes is not None
        ref = bundle._ref(kept.object_id, kept.wrapped_key, kept.size_bytes)
    assert house.call("manager", "POST", f"/v1/releases/{release['id']}/revoke").status_code == 200
    assert house.call("manager", "GET", path).status_code == 410
    jobs.handle_destroy(house.worker(), release["id"])
    with house.database.transaction() as session:
        ended = bundles.of(session, UUID(release["id"]))
        assert ended is not None
        assert (ended.state, ended.wrapped_key) == ("destroyed", None)
    with pytest.raises(ObjectMissing):
        house.release.read(ref, start=0, length=1)
    assert house.call("manager", "POST", path).status_code == 410
    jobs.handle_bundle(house.worker(), release["id"])
    assert stored(house) == 0


def test_after_a_withdrawal_nothing_is_given(house: House, tmp_path: Path) -> None:
    release, _ = granted(house)
    made(house, release, tmp_path)
    house.withdraw(UUID(release["items"][0]["recording_id"]))
    assert house.call("manager", "GET", f"/v1/releases/{release['id']}/bundle").status_code == 410


def test_a_withdrawal_before_it_is_made_leaves_none(house: House) -> None:
    release, _ = granted(house)
    house.withdraw(UUID(release["items"][0]["recording_id"]))
    jobs.handle_bundle(house.worker(), release["id"])
    assert "bundle.created" not in house.acts(release["id"])
    assert stored(house) == 1


def test_memory_does_not_grow_with_the_recording(house: House) -> None:
    size_bytes = 64 << 20
    head = wav(0.0)
    body = head[:40] + size_bytes.to_bytes(4, "little") + bytes(size_bytes)
    jobs.handle_bundle(house.worker(), granted(house)[0]["id"])  # Now fonts are loaded.
    release, _ = granted(house, body)
    tracemalloc.start()
    try:
        jobs.handle_bundle(house.worker(), release["id"])
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    told = house.call("manager", "GET", f"/v1/releases/{release['id']}").json()["bundle"]
    assert told["size_bytes"] > size_bytes
    assert peak_bytes < size_bytes // 4


def test_the_recipient_takes_it_after_the_button(
    house: House, own_database: Urls, tmp_path: Path
) -> None:
    release, token = granted(house)
    linked = Database(own_database.link, role="audiatur_public", pool_size=2)
    tools = PublicTools(database=linked, release=house.release, clock=house.clock)
    page = f"/s/{token}"
    with served(tools) as url, httpx.Client(base_url=url, follow_redirects=True) as phone:
        before = phone.post(f"{page}/open")
        assert f"{page}/bundle" not in before.text
        assert phone.get(f"{page}/bundle").status_code == 410
        path = made(house, release, tmp_path)
        heard = phone.get(f"{page}/listen")
        assert f'href="{page}/bundle"' in heard.text
        assert key_of(house) in heard.text
        whole = phone.get(f"{page}/bundle")
        assert (whole.status_code, whole.content) == (200, path.read_bytes())
        rest = phone.get(f"{page}/bundle", headers={"Range": "bytes=100-199"})
        assert (rest.status_code, rest.content) == (206, whole.content[100:200])
        assert phone.head(f"{page}/bundle").headers["Content-Length"] == str(len(whole.content))
        phone.cookies.clear()
        assert phone.get(f"{page}/bundle").status_code == 410
        phone.post(f"{page}/open")
        house.call("manager", "POST", f"/v1/releases/{release['id']}/revoke")
        assert phone.get(f"{page}/bundle").status_code == 410
    linked.close()
    # Two openings, one bundle taken through the first of them, and one inside the house.
    assert house.acts(release["id"]).count("release.accessed") == 4


def test_the_page_in_a_browser_finds_it_valid(house: House, whole: Path) -> None:
    page_file = Path(verify.__file__).with_name("verify.html")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = chromium.new_page()
        page.goto(page_file.as_uri())
        page.locator("#file").set_input_files(whole)
        page.locator("#key").fill(key_of(house))
        page.locator("button[type=submit]").click()
        expect(page.locator("#meaning")).not_to_be_empty()
        found = page.locator("#problems li").all_inner_texts()
        assert (page.locator("#result").inner_text(), found) == ("VALID", [])
        chromium.close()


def test_a_bundle_of_an_archive_that_was_rebuilt_is_valid_with_warnings(
    house: House, cluster: Cluster, tmp_path: Path
) -> None:
    """The log was lost with its database: the story begins anew, and both verifiers say so."""
    recording = house.recording(wav(3.0))
    with house.database.transaction() as session:
        leg = session.scalars(select(Leg).where(Leg.recording_id == recording.id)).one()
    notes.write(house, leg.object_id)
    with new_database(cluster) as urls:
        info = {"detail_cipher": DetailCipher(DETAIL_KEY)}
        database = Database(urls.web, role="audiatur_app", info=info)
        again = House(
            database=database,
            clock=house.clock,
            archive=house.archive,
            release=house.release,
            spool=tmp_path / "again",
        )
        again.staff()
        assert rebuilding.rebuild(again, Actor.system("tests")).recordings == 1
        with database.transaction() as session:
            back = session.get_one(Recording, recording.id)
            # What the inspection, which is asked for anew, will find.
            back.duration_ms, back.inspection_state = 3000, InspectionState.DONE
        again.clear(back)
        with opened(again):
            release = again.approve(again.ask(recording.id).json()["id"]).json()["release"]
            bundle_file = made(again, release, tmp_path)
            fingerprint = key_of(again)
            (key,) = again.log.ring.keys.public(Purpose.BUNDLE)
        assert again.acts(recording.id)[0] == "recording.rebuilt"
        report = judged(bundle_file, fingerprint)
        assert (report.result, report.problems) == (Result.VALID_WITH_WARNINGS, [])
        assert any("begins with a rebuilding from the store" in one for one in report.warnings)
        pem = tmp_path / "key.pem"
        pem.write_text(key.pem)
        script = str(ROOT / "scripts" / "verify-openssl")
        said = subprocess.run([script, str(bundle_file), str(pem)], capture_output=True, text=True)  # noqa: S603, PLW1510 - our own script; its status is the result.
        assert (said.returncode, said.stdout.splitlines()[-1]) == (1, "VALID_WITH_WARNINGS")
        database.close()
