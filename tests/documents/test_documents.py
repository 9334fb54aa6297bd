"""Documents through the door: what is kept, what is refused, what is said of it, who reads it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from sqlalchemy import text

from app.documents.models import DocumentKind
from app.documents.recognise import DocumentRecogniser, NotADocument
from app.inspection import papers
from app.inspection.sandbox import Budget, Sandbox
from app.recordings.media_facts import EmptyFile, TooManyPixels
from tests.conftest import Urls
from tests.live import Live
from tests.papers import pdf, told, upload

CORPUS = Path(
    os.environ.get("AUDIATUR_CORPUS")
    or Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
)
PIXELS = 50_000_000
with_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"NO TEST RECORDINGS at {CORPUS}: set AUDIATUR_CORPUS"
)


def recognised(body: bytes, step: int = 0) -> DocumentRecogniser:
    found = DocumentRecogniser(PIXELS)
    for place in range(0, len(body), step or max(len(body), 1)):
        found.feed(body[place : place + (step or len(body))])
    return found


def looked_into(body: bytes, sandbox: Sandbox) -> tuple[tuple[str, ...], tuple[str, ...]]:
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        return papers.examine(file.fileno(), sandbox)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["type"]).removeprefix("/problems/")


@pytest.mark.parametrize("step", [0, 1, 7, 16, 1000])
def test_a_pdf_is_one_however_its_bytes_are_cut(step: int) -> None:
    facts = recognised(pdf(), step).finish()
    assert (facts.kind, facts.media_type, facts.oddities) == (
        DocumentKind.PDF,
        "application/pdf",
        (),
    )


@pytest.mark.parametrize(
    ("body", "oddities"),
    [
        (pdf(whole=False), ("no_end_marker",)),
        (pdf()[:-8], ("no_end_marker",)),
        (pdf() + b"<script>alert(1)</script>", ("data_after_end",)),
        (pdf() + b"\r\n", ()),
    ],
)
def test_the_end_of_a_pdf_is_told_of(body: bytes, oddities: tuple[str, ...]) -> None:
    assert recognised(body, 100).finish().oddities == oddities


@pytest.mark.parametrize(
    "body", [b"MZ\x90\x00" + bytes(100), b"<html>%PDF-1.7</html>", b"%PDF-", b"%PD", b" %PDF-1.7\n"]
)
def test_the_name_makes_no_document(body: bytes) -> None:
    with pytest.raises(NotADocument):
        recognised(body).finish()
    with pytest.raises(EmptyFile):
        recognised(b"").finish()


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ("", ()),
        ("/Encrypt 9 0 R", ("encrypted",)),
        ("/Names << /JavaScript 7 0 R >>", ("javascript",)),
        ("/A<</S/JavaScript/JS(x)>>", ("javascript",)),
        ("/A << /S /J#61vaScript >>", ("javascript",)),
        ("/A << /S /#4a#53 >>", ("javascript",)),
        ("/Type /EmbeddedFile", ("embedded_files",)),
        ("/OpenAction << /S /Launch >>", ("acts_on_opening", "launches_programs")),
        ("/AcroForm << /XFA 5 0 R >>", ("dynamic_form",)),
        ("/S /SubmitForm /T /RichMedia", ("rich_media", "sends_or_loads")),
        ("/Type /ObjStm", ("compressed_objects",)),
        ("/JSON 1 /Encrypted 2 /AAB 3 /XFAx 4 /JS#41 5", ()),
    ],
)
def test_what_a_pdf_could_do_is_found_in_any_writing(
    extra: str, found: tuple[str, ...], sandbox: Sandbox
) -> None:
    assert looked_into(pdf(extra), sandbox) == ((papers.LOOKED_FOR,), found)


def test_many_names_and_one_long_line_do_not_hide_the_last(sandbox: Sandbox) -> None:
    body = pdf("/JS (x) " * 200_000 + "/Encrypt 1 0 R")
    assert looked_into(body, sandbox)[1] == ("encrypted", "javascript")


def test_what_cannot_be_examined_is_said_to_be_so(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = Budget(wall_s=60, cpu_s=30, address_space_bytes=1_000_000)
    monkeypatch.setattr(papers, "_BUDGET", tiny)
    looked_for, found = looked_into(pdf(), sandbox)
    assert (looked_for, found) == ((), (papers.UNEXAMINED,))


def test_a_document_is_kept_and_told_of(live: Live) -> None:
    live.put_client("C-1")
    body = pdf("/Encrypt 9 0 R")
    answer = upload(live, body, role="contract", client="C-1", name="../договор.exe")
    assert answer.status_code == 201, answer.text
    kept = answer.json()
    assert kept["sha256"] == hashlib.sha256(body).hexdigest()
    assert (kept["kind"], kept["size_bytes"], kept["oddities"]) == ("pdf", len(body), ["encrypted"])
    assert kept["examined"] == ["header", "end", "names_outside_compressed_objects"]
    again = live.call("GET", f"/v1/documents/{kept['id']}", who="auditor")
    assert again.json() == kept
    listed = live.call("GET", "/v1/documents", who="manager", params={"client": "C-1"})
    assert [one["id"] for one in listed.json()["items"]] == [kept["id"]]


def test_a_repeat_is_one_and_other_bytes_are_a_conflict(live: Live) -> None:
    first = upload(live, pdf(), upload_id="a")
    repeat = upload(live, pdf(), upload_id="a")
    assert (first.status_code, repeat.status_code) == (201, 200)
    assert repeat.json() == first.json()
    other = upload(live, pdf("/JS 1"), upload_id="a")
    assert refusal(other) == (409, "other-document")
    assert other.json()["document"] == first.json()["id"]
    assert upload(live, pdf("/JS 1"), upload_id="a", who="legal").status_code == 201
    objects = list((live.tools.settings.data / "archive").rglob("*"))
    assert sum(path.is_file() for path in objects) >= 2
    with live.tools.database.transaction() as session:
        rows = session.execute(text("SELECT act, outcome FROM custody_entries ORDER BY position"))
        acts = [tuple(row) for row in rows if str(row.act).startswith("document.")]
    assert acts == [
        ("document.kept", "success"),
        ("document.conflict", "denied"),
        ("document.kept", "success"),
    ]


def test_who_may_not_is_refused_before_the_body(live: Live) -> None:
    for who, status in ((None, 401), ("phone", 403), ("agent", 403), ("admin", 403)):
        assert upload(live, pdf(), who=who).status_code == status
    place = urlsplit(live.url)
    with closing(HTTPConnection(str(place.hostname), place.port, timeout=30)) as line:
        line.putrequest("POST", "/v1/documents")
        line.putheader("Authorization", f"Bearer {live.key('legal')}")
        line.putheader("Content-Type", "multipart/form-data; boundary=x")
        line.putheader("Content-Length", str(live.tools.settings.max_document_bytes + 2**20))
        line.endheaders()
        assert line.getresponse().status == 413


def test_a_longer_file_than_was_said_is_refused(live: Live) -> None:
    most = live.tools.settings.max_document_bytes
    answer = upload(live, b"%PDF-1.7\n" + bytes(most))
    assert refusal(answer) == (413, "file-too-large")
    assert live.call("GET", "/v1/documents", who="legal").json()["items"] == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"client": "nobody"}, (400, "document-of-nobody")),
        ({"recording_id": "00000000-0000-7000-8000-000000000000"}, (400, "document-of-nobody")),
        ({"contract_id": "00000000-0000-7000-8000-000000000000"}, (400, "document-of-nobody")),
        ({"role": "gossip"}, (422, "metadata-invalid")),
        ({"unknown": 1}, (422, "metadata-invalid")),
    ],
)
def test_metadata_name_what_is_known(
    live: Live, more: dict[str, Any], expected: tuple[int, str]
) -> None:
    answer = live.send(told(**more), pdf(), who="legal", path="/v1/documents")
    assert refusal(answer) == expected
    assert live.call("GET", "/v1/documents", who="legal").json()["items"] == []


def test_the_file_is_given_as_a_file_and_told_to_the_ledger(live: Live) -> None:
    body = pdf("/JS (app.alert(1))")
    kept = upload(live, body).json()
    path = f"/v1/documents/{kept['id']}/file"
    for who in ("manager", "auditor", "admin", "agent"):
        assert live.call("GET", path, who=who).status_code == 403
    answer = live.call("GET", path, who="legal")
    assert answer.content == body
    assert answer.headers["content-disposition"] == f'attachment; filename="{kept["id"]}.pdf"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["cache-control"] == "no-store"
    with live.tools.database.transaction() as session:
        opened = "SELECT count(*) FROM custody_entries WHERE act = 'document.opened'"
        assert session.scalar(text(opened)) == 1


def test_an_erased_document_is_gone(live: Live, own_database: Urls) -> None:
    kept = upload(live, pdf()).json()
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("UPDATE sealed_objects SET wrapped_key = NULL")
    answer = live.call("GET", f"/v1/documents/{kept['id']}/file", who="legal")
    assert refusal(answer) == (410, "document-erased")
    missing = live.call("GET", f"/v1/documents/{os.urandom(16).hex()}/file", who="legal")
    assert refusal(missing) == (404, "document-not-found")


@with_corpus
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bomb_declared.png", "too-many-pixels"),
        ("headless.jpg", "not-a-document"),
        ("svg_script.png", "not-a-document"),
        ("gifjs.jpg", "not-a-document"),
    ],
)
def test_hostile_pictures_of_the_corpus_are_refused(live: Live, name: str, expected: str) -> None:
    found = next(CORPUS.rglob(name))
    answer = upload(live, found.read_bytes(), name=name)
    assert refusal(answer) == (415, expected)


@with_corpus
@pytest.mark.parametrize(
    ("name", "oddities"),
    [
        ("screenshot_1c.png", []),
        ("screenshot_network.jpg", []),
        ("screenshot_vat.webp", []),
        ("exif_laden.jpg", []),
        ("polyglot_html.png", []),
    ],
)
def test_pictures_of_the_corpus_are_kept_with_what_is_odd(
    live: Live, name: str, oddities: list[str]
) -> None:
    body = next(CORPUS.rglob(name)).read_bytes()
    answer = upload(live, body, name="x.pdf")
    assert answer.status_code == 201, answer.text
    assert answer.json()["oddities"] == oddities
    assert answer.json()["examined"] == ["header", "declared_pixels", "end"]


@with_corpus
@pytest.mark.parametrize("name", ["screenshot_1c.png", "screenshot_network.jpg"])
def test_what_follows_a_picture_is_told_of(name: str) -> None:
    body = next(CORPUS.rglob(name)).read_bytes()
    assert recognised(body + b"<script>", 999).finish().oddities == ("data_after_end",)
    assert recognised(body[:-40]).finish().oddities == ("no_end_marker",)
    assert recognised(body + bytes(99_000) + b"x").finish().oddities == ("no_end_marker",)


@with_corpus
def test_no_sound_of_the_corpus_is_a_document() -> None:
    sounds = [path for path in sorted(CORPUS.glob("d*")) if path.is_file()]
    assert len(sounds) > 20
    for path in sounds:
        with pytest.raises((NotADocument, TooManyPixels)):
            recognised(path.read_bytes()[:100_000], 4096).finish()


@with_corpus
def test_no_hostile_name_reaches_a_header(live: Live) -> None:
    names = json.loads(next(CORPUS.rglob("hostile_filenames.json")).read_text(encoding="utf-8"))
    listed = names if isinstance(names, list) else next(iter(names.values()))
    seen = 0
    for place, one in enumerate(listed):
        name = one if isinstance(one, str) else str(one.get("name", one.get("filename")))
        answer = upload(live, pdf(), upload_id=str(place), name=name)
        if answer.status_code != 201:
            assert answer.status_code < 500, (name, answer.text)
            continue
        seen += 1
        file = live.call("GET", f"/v1/documents/{answer.json()['id']}/file", who="legal")
        disposition = file.headers["content-disposition"]
        assert disposition == f'attachment; filename="{answer.json()["id"]}.pdf"'
    assert seen > 10
