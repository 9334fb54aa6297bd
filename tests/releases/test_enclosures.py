"""What a bundle encloses and only names, what its cover tells, and the templates for a lawyer."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from app.clients.models import Contract, Event
from app.consent import review
from app.consent.models import NoticeText, Verdict
from app.consent.purposes import Kind, Purpose
from app.consent.review import Proposal
from app.core.ids import new_id
from app.documents.models import Document
from app.releases import bundles, jobs
from app.verifier.verify import Result
from storage.sealed import SealedStore
from tests.conftest import Urls
from tests.consent.evidences import complete, named
from tests.factories import wav
from tests.releases.house import House
from tests.releases.test_bundle import Dying, Killed, judged, key_of, made
from tests.releases.test_screenshots import Shown

PROMPT = wav(0.5)
CONSENT = b"%PDF-1.7 the consent of Anna Petrova"


def notice(house: House) -> UUID:
    """Keep a text with its sound."""
    with house.making() as make:
        row = NoticeText(
            id=new_id(),
            version=1,
            language="ru",
            text="Разговор записывается.",
            purposes=["internal_quality"],
            recipients=["own_staff_manager"],
            lines=[],
            valid_from=house.clock.now() - timedelta(days=30),
            object_id=make.sealed(PROMPT),
            media_type="audio/wav",
            audio_sha256=hashlib.sha256(PROMPT).digest(),
            created_by=house.people["manager"].id,
            created_at=house.clock.now(),
        )
        make.session.add(row)
        make.session.flush()
        row.approved_by, row.approved_at = house.people["approver"].id, house.clock.now()
        return row.id


def propose(house: House, shown: Shown, kind: Kind, **told: object) -> None:
    """Write evidence on the client in the recording down, and let it be verified."""
    at = house.clock.now()
    with house.making() as make:
        evidence = complete(make, kind) | told
        proposal = Proposal(
            kind=kind,
            evidence=evidence,
            party="cli",
            from_ms=4000 if kind == Kind.IVR_NOTICE else 0,
            purposes=(Purpose.INTERNAL_QUALITY,),
            recipients=("own_staff_manager",),
        )
        row = review.propose(
            make.session, house.people["manager"], shown.recording.id, proposal, at=at
        )
        for name in ("reviewer", "approver"):
            if row.status == "proposed":
                review.decide(
                    make.session,
                    house.people[name],
                    row.id,
                    Verdict.VERIFY,
                    reason="Проверено.",
                    at=at,
                )
        assert row.status == "verified"


class Opened:
    """A bundle on the disk, and its files by their path inside."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            self.files = {n.partition("/")[2]: archive.read(n) for n in archive.namelist()}

    def text(self, path: str) -> str:
        return self.files[path].decode()


@pytest.fixture
def shown(house: House) -> Shown:
    return Shown(house)


def test_his_own_contract_and_the_announcement_are_inside_others_papers_are_named(
    house: House, shown: Shown, tmp_path: Path
) -> None:
    text_id = notice(house)
    propose(house, shown, Kind.IVR_NOTICE, notice={"id": str(text_id), "version": 1})
    with house.making() as make:
        form = make.document(CONSENT, role="consent_form")
    propose(house, shown, Kind.WRITTEN_CONSENT, **named(form.id, form.sha256))
    release, _ = shown.granted()
    path = made(house, release, tmp_path)
    report = judged(path, key_of(house))
    assert (report.problems, report.result) == ([], Result.VALID)
    inside = Opened(path)
    documents = {name for name in inside.files if name.startswith("data/documents/")}
    (contract,) = [name for name in documents if "/contract-" in name]
    prompt = f"data/documents/notice-prompt-{text_id}-v1.wav"
    assert documents == {contract, prompt}
    assert inside.files[prompt] == PROMPT
    assert inside.files[contract].startswith(b"contract ")
    assert all(CONSENT not in body for body in inside.files.values())
    sound, picture = json.loads(inside.text("metadata/passport.json"))
    told = {one["what"]: one for one in sound["documents"]}
    assert told["contract"]["inside"] == contract
    assert told["notice_prompt"]["inside"] == prompt
    assert told["document"]["sha256"] == form.sha256.hex()
    assert "отпечаток" in told["document"]["referenced_only"]["ru"]
    assert [one["what"] for one in picture["documents"]] == ["contract"]
    contract_id = UUID(contract.rpartition("contract-")[2].removesuffix(".pdf"))
    assert "document.opened" in house.acts(contract_id)
    assert "document.opened" not in house.acts(form.id)


def test_a_contract_that_is_lost_is_named_alone(
    house: House, shown: Shown, own_database: Urls, tmp_path: Path
) -> None:
    with house.making() as make:
        contract = make.session.scalars(
            select(Contract).where(Contract.clauses.any()).order_by(Contract.id.desc())
        ).first()
        assert contract is not None
        paper = make.session.scalars(
            select(Document).where(Document.sha256 == contract.document_sha256)
        ).one()
        object_id = paper.object_id
    with psycopg.connect(own_database.owner) as owner:
        lost = "UPDATE sealed_objects SET wrapped_key = NULL WHERE object_id = %s"
        owner.execute(lost, (object_id,))
    release, _ = shown.granted()
    inside = Opened(made(house, release, tmp_path))
    assert not [name for name in inside.files if name.startswith("data/documents/")]
    (sound, _) = json.loads(inside.text("metadata/passport.json"))
    (told,) = sound["documents"]
    assert told["sha256"] == paper.sha256.hex()
    assert "not the paper" in told["referenced_only"]["en"]


def granted_again(house: House, shown: Shown) -> dict[str, Any]:
    """Return a granted release of the recording alone."""
    asked = house.ask(shown.recording.id)
    assert asked.status_code == 201, asked.text
    done = house.approve(asked.json()["id"])
    assert done.status_code == 200, done.text
    found: dict[str, Any] = done.json()["release"]
    return found


def test_who_begins_anew_makes_what_the_ledger_was_told_of_whatever_was_uploaded_since(
    house: House, shown: Shown, own_database: Urls, tmp_path: Path
) -> None:
    """The decision rests on consent; the contract beside it is known by its digest until then."""
    paper = b"%PDF-1.7 the contract, scanned at last"
    with psycopg.connect(own_database.owner) as owner:
        owner.execute(
            "UPDATE contracts SET document_sha256 = sha256(%s) WHERE id IN "
            "(SELECT contract_id FROM contract_clauses)",
            (paper,),
        )
    release = granted_again(house, shown)
    dying: Any = replace(house.worker(), release=cast("SealedStore", Dying(house.release)))
    with pytest.raises(Killed):
        jobs.handle_bundle(dying, release["id"])
    with house.making() as make:
        make.document(paper, role="contract")
    path = made(house, release, tmp_path)
    report = judged(path, key_of(house))
    assert (report.problems, report.result) == ([], Result.VALID)
    inside = Opened(path)
    assert not [name for name in inside.files if name.startswith("data/documents/")]
    (told,) = json.loads(inside.text("metadata/passport.json"))[0]["documents"]
    assert told["sha256"] == hashlib.sha256(paper).hexdigest()
    assert "not the paper" in told["referenced_only"]["en"]
    assert house.acts(release["id"]).count("bundle.created") == 1
    with house.database.transaction() as session:
        ready = bundles.of(session, UUID(release["id"]))
        assert ready is not None
        assert (ready.state, ready.enclosed) == ("ready", None)

    # Another release of the same takes the paper along.
    newer = Opened(made(house, granted_again(house, shown), tmp_path))
    assert [body for name, body in newer.files.items() if "/documents/" in name] == [paper]


def test_the_cover_tells_what_happened_around_and_what_is_hidden(
    house: House, shown: Shown, tmp_path: Path
) -> None:
    with house.making() as make:
        mine = make.session.get_one(Event, shown.recording.event_id)
        started = shown.recording.started_at
        for days, kind, number in ((-2, "visit", "EV-7"), (-9, "visit", "EV-6"), (-1, "call", "C")):
            make.session.add(
                Event(
                    id=new_id(),
                    external_id=number,
                    kind=kind,
                    origin="sent",
                    occurred_at=started + timedelta(days=days),
                    subject="Тихонов опять всё сломал",
                    client_id=mine.client_id,
                    agents=[],
                    created_at=started,
                    updated_at=started,
                )
            )
    release, _ = shown.granted()
    inside = Opened(made(house, release, tmp_path))
    ru, en = (inside.text(f"metadata/cover.{one}.html") for one in ("ru", "en"))
    assert "<td>выезд</td><td>EV-7</td>" in ru
    assert "<td>visit</td><td>EV-7</td>" in en
    assert "EV-6" not in ru
    assert "<td>C</td>" not in ru
    assert not any("Тихонов".encode() in body for body in inside.files.values())
    assert "0:01.000 - 0:01.500: тональный сигнал, номер банковской карты" in ru
    assert "20x10 pixels are black, 10 from the left and 10 from the top: personal data" in en
    assert "передача одобрена <code>release.approved</code>" in ru
    assert key_of(house) in ru
    assert inside.files["metadata/cover.pdf"].startswith(b"%PDF-")


def test_the_templates_are_filled_marked_and_unsigned(
    house: House, shown: Shown, tmp_path: Path
) -> None:
    release, _ = shown.granted()
    inside = Opened(made(house, release, tmp_path))
    certificate = inside.text("metadata/certificate-902.html")
    note = inside.text("metadata/spravka-77gpk.html")
    stated = inside.text("proof/statement.json")
    for page, mark, sign in (
        (certificate, "TEMPLATE", "[____________ signature]"),
        (note, "ШАБЛОН", "[____________ подпись]"),
    ):
        assert mark in page
        assert sign in page
        assert key_of(house) in page
        assert str(shown.recording.id) in page
        assert str(shown.shot_id) in page
        assert release["items"][1]["sha256"] in page
    assert "902(14)" in certificate
    assert "статья 77 ГПК РФ" in note
    assert "metadata/certificate-902.html" in stated
    assert "metadata/spravka-77gpk.html" in stated
