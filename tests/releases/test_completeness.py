"""A bundle says which calls with the client are lost, and on whose word."""

from __future__ import annotations

import json
import subprocess
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.clients.models import Client
from app.custody import signing
from app.custody.notes import parse_vkey
from app.custody.signing import Purpose
from app.feeds import calls, reconciling, statements
from app.feeds.calls import House as Told
from app.feeds.days import Office
from app.feeds.models import CallGap
from app.feeds.reconciling import Look
from app.feeds.schemas import CallTold
from app.verifier import verify
from app.verifier.verify import Result, Trusted
from tests.factories import wav
from tests.releases.house import House
from tests.releases.test_bundle import ROOT, _read, key_of, made

OFFICE = Office(zone=ZoneInfo("Europe/Moscow"), grace=timedelta())
LOST, OTHERS = "+74950001111", "+74950002222"


def tell(house: House, number: str, name: str, **more: Any) -> None:  # noqa: ANN401
    """Let an exchange tell of a call of yesterday, and compare the day."""
    at = house.clock.now()
    begun = at - timedelta(days=1)
    told = {
        "call_id": name,
        "started_at": begun.isoformat(),
        "duration_ms": 65_000,
        "talk_ms": 60_000,
        "direction": "inbound",
        "from": number,
        "to": "106",
        "disposition": "answered",
    }
    look = Look(office=OFFICE, tolerance=timedelta(minutes=1), shortest_ms=0, ring=house.log.ring)
    with house.making() as make:
        one = CallTold.model_validate(told | more)
        calls.receive(make.session, make.device, [one], Told(office=OFFICE, region="RU"), at=at)
        reconciling.reconcile(make.session, OFFICE.day_of(begun), look, at=at)


def numbered(house: House, release: dict[str, Any], number: str) -> None:
    """Let a number be that of the release's contact, or of another client's."""
    with house.making() as make:
        own = make.session.get_one(Client, UUID(release["client_id"]))
        make.contact(own, phones=[number])


def told_of(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        found: dict[str, Any] = json.loads(_read(archive, "metadata/completeness.json"))
    return found


def test_a_lost_call_is_named_with_its_reason_and_the_day_is_vouched_for(
    house: House, tmp_path: Path
) -> None:
    recording = house.recording(wav(3.0))
    release = house.ask(recording.id).json()
    numbered(house, release, LOST)
    with house.making() as make:
        make.contact(make.client(), phones=[OTHERS])
    tell(house, LOST, "lost-1")
    tell(house, OTHERS, "others-1")
    house.approve(release["id"])
    path = made(house, release, tmp_path)

    told = told_of(path)
    (lost,) = told["lost"]
    assert (lost["reason"], lost["by"], lost["files"]) == ("unexplained", "rule", [])
    assert lost["call"]["duration_ms"] == 60_000
    assert told["counts"]["lost"] == {"unexplained": 1}
    compared = told["compared_with_calls_made"]
    assert compared["without_call_records"] == []
    (day,) = compared["days"]

    with zipfile.ZipFile(path) as archive:
        note = _read(archive, day["note"]).decode()
        key = parse_vkey(_read(archive, "proof/keys/log.vkey").decode())
        everything = b"".join(archive.read(name) for name in archive.namelist())
    summed = statements.check(note, [key])
    assert summed.day.isoformat() == day["day"]
    assert (summed.version, summed.counts["calls"]) == (day["version"], 2)
    assert b"others-1" not in everything
    assert OTHERS.encode() not in everything

    report = verify.verify(path, Trusted(fingerprint=key_of(house)))
    assert (report.problems, report.warnings, report.result) == ([], [], Result.VALID)
    pem = tmp_path / "key.pem"
    pem.write_text(house.log.ring.keys.public(Purpose.BUNDLE)[0].pem)
    script = str(ROOT / "scripts" / "verify-openssl")
    said = subprocess.run([script, str(path), str(pem)], capture_output=True, text=True)  # noqa: S603, PLW1510 - our own script; its status is the result.
    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, "VALID"), said.stdout


def test_days_of_an_earlier_key_verify_and_those_of_a_lost_one_are_named(
    house: House, tmp_path: Path
) -> None:
    recording = house.recording(wav(3.0))
    release = house.ask(recording.id).json()
    numbered(house, release, LOST)
    tell(house, LOST, "lost-1")
    folder = house.spool / "log"
    ring = house.log.ring
    signing.rotate(ring.path, folder / "ledger-key.json", Purpose.LOG)
    signing.end_old(ring.path, Purpose.LOG)
    house.approve(release["id"])
    path = made(house, release, tmp_path)
    (day,) = told_of(path)["compared_with_calls_made"]["days"]
    report = verify.verify(path, Trusted(fingerprint=key_of(house)))
    assert (report.problems, report.result) == ([], Result.VALID)

    lines = ring.path.read_text().splitlines(keepends=True)
    ring.path.write_text("".join(one for one in lines if not one.endswith(" -\n")))
    again = house.ask(recording.id).json()
    house.approve(again["id"])
    path = made(house, again, tmp_path)
    compared = told_of(path)["compared_with_calls_made"]
    assert (compared["days"], compared["signed_by_a_lost_key"]) == ([], [day["day"]])
    report = verify.verify(path, Trusted(fingerprint=key_of(house)))
    assert (report.problems, report.result) == ([], Result.VALID)


def test_a_number_that_two_clients_share_tells_nothing_of_either(
    house: House, tmp_path: Path
) -> None:
    recording = house.recording(wav(3.0))
    release = house.ask(recording.id).json()
    numbered(house, release, LOST)
    with house.making() as make:
        make.contact(make.client(), phones=[LOST])
    tell(house, LOST, "lost-1")
    house.approve(release["id"])
    assert told_of(made(house, release, tmp_path))["lost"] == []


def test_a_reason_that_a_person_gave_goes_with_it_without_his_words(
    house: House, tmp_path: Path
) -> None:
    recording = house.recording(wav(3.0))
    release = house.ask(recording.id).json()
    numbered(house, release, LOST)
    tell(house, LOST, "lost-1")
    with house.database.transaction() as session:
        gap = session.scalars(select(CallGap).where(CallGap.kind == "call")).one()
        gap.reason, gap.words = "device_down", "Тихонов уронил телефон."
        gap.explained_by, gap.explained_at = house.people["manager"].id, house.clock.now()
    house.approve(release["id"])
    path = made(house, release, tmp_path)
    (lost,) = told_of(path)["lost"]
    assert (lost["reason"], lost["by"]) == ("device_down", "person")
    with zipfile.ZipFile(path) as archive:
        assert "Тихонов".encode() not in b"".join(map(archive.read, archive.namelist()))


def test_days_of_which_no_source_told_are_named(house: House, tmp_path: Path) -> None:
    recording = house.recording(wav(3.0))
    release = house.ask(recording.id).json()
    house.approve(release["id"])
    told = told_of(made(house, release, tmp_path))["compared_with_calls_made"]
    day = OFFICE.day_of(house.clock.now() - timedelta(days=1)).isoformat()
    assert told["without_call_records"] == [day]
    assert "unknown" in told
