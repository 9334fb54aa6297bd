"""The parsers that read what strangers send: how each is called, what it may refuse, what it knows.

A target gets bytes and may raise what `refuses` names; whatever else leaves it is a fault. Its
seeds are whole inputs of which the fuzzer makes others.
"""

from __future__ import annotations

import atexit
import base64
import gzip
import importlib
import io
import json
import os
import shutil
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("AUDIATUR_CORPUS") or ROOT.parent / "shared" / "corpus")
_ZONE: Final = ZoneInfo("Europe/Moscow")
_AT: Final = datetime(2026, 11, 20, 7, tzinfo=UTC)
_MOST_HEAD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A parser that was imported: `one` reads an input, `refuses` is what it may raise."""

    one: Callable[[bytes], object]
    refuses: tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A parser by what it reads. `prepare` imports it, after the fuzzer asked to watch imports."""

    what: str
    prepare: Callable[[], Ready]
    seeds: Callable[[], Iterable[bytes]]
    most_bytes: int = _MOST_HEAD


def _split(raw: bytes) -> tuple[bytes, bytes]:
    """Return two parts of an input: what stands before the first zero, and the rest."""
    first, _, rest = raw.partition(b"\0")
    return first, rest


# --- an upload's body ----------------------------------------------------------------------------

_BODY: Final = (
    b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n'
    b"Content-Type: application/json\r\n\r\n"
    b'{"source_call_id": "c1", "started_at": "2026-11-20T10:00:00+03:00", "from": "101"}\r\n'
    b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''%D0%B0.wav\r\n"
    b"Content-Type: audio/wav\r\n\r\nRIFF\r\n--b--\r\n"
)


def _multipart() -> Ready:
    multipart = importlib.import_module("app.recordings.multipart")
    schemas = importlib.import_module("app.recordings.schemas")
    errors = importlib.import_module("app.core.errors")

    class Taken:
        """Takes parts as the archive does, and looks that their order is kept."""

        def __init__(self) -> None:
            self.told: list[str] = []

        def metadata(self, raw: bytes) -> None:
            self.told.append("metadata")
            multipart.parse_metadata(schemas.RecordingTold, raw)

        def file_begins(self, part: Any) -> None:  # noqa: ANN401 - imported later.
            self.told.append("file")
            if part.name is not None and "\0" in part.name:
                raise AssertionError("A name has a NUL.")

        def file_bytes(self, chunk: memoryview) -> None:
            if self.told != ["metadata", "file"]:
                raise AssertionError("Sound came before its parts.")
            len(chunk)

    def one(raw: bytes) -> None:
        kind, body = _split(raw)
        cut = len(body) // 2
        boundary = multipart.boundary_of(f"multipart/form-data{kind.decode('latin-1')}")
        upload = multipart.Upload(boundary, Taken(), max_file_bytes=1 << 20)
        upload.feed(body[:cut])
        upload.feed(body[cut:])
        upload.end()

    return Ready(one=one, refuses=(errors.Refusal,))


def _bodies() -> Iterator[bytes]:
    yield b"; boundary=b\0" + _BODY
    yield b'; boundary="b"\0' + _BODY.replace(b"filename*=UTF-8''%D0%B0.wav", b'filename="..\\a"')


def _digests() -> Ready:
    digests = importlib.import_module("app.recordings.digests")
    errors = importlib.import_module("app.core.errors")
    return Ready(one=lambda raw: digests.wanted(raw.decode("latin-1")), refuses=(errors.Refusal,))


# --- resumed uploads -----------------------------------------------------------------------------


def _tus() -> Ready:
    protocol = importlib.import_module("app.uploads.protocol")
    errors = importlib.import_module("app.core.errors")
    readers: tuple[Callable[[str], object], ...] = (
        protocol.metadata,
        protocol.concat,
        protocol.Checksum,
        lambda field: protocol.whole_number("Upload-Length", field),
    )

    def one(raw: bytes) -> None:
        if raw:
            readers[raw[0] % len(readers)](raw[1:].decode("latin-1"))

    return Ready(one=one, refuses=(errors.Refusal,))


def _fields_of_tus() -> Iterator[bytes]:
    yield b"\0filename " + base64.b64encode(b"a.wav") + b",metadata " + base64.b64encode(b"{}")
    yield b"\1final;/v1/uploads/0193c0de-0000-7000-8000-000000000001 https://a/v1/uploads/x"
    yield b"\1partial"
    yield b"\2sha256 " + base64.b64encode(bytes(32))
    yield b"\3104857600"


def _ranges() -> Ready:
    ranges = importlib.import_module("app.core.ranges")

    def one(raw: bytes) -> None:
        size, header = _split(raw)
        most = int.from_bytes(size[:4])
        found = ranges.parse(header.decode("latin-1"), most)
        if found is not None and not 0 <= found.start < found.end <= most:
            raise AssertionError("A part lies outside of the file.")

    return Ready(one=one, refuses=(ranges.RangeUnsatisfiable,))


# --- what exchanges write ------------------------------------------------------------------------

_SIPREC: Final = b"""<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1" xmlns:m="urn:maker">
<datamode>complete</datamode>
<session session_id="s1"><start-time>2026-03-05T09:00:00Z</start-time><m:x k="v">y</m:x></session>
<participant participant_id="p1"><nameID aor="sip:+79161234567@trunk.example"/></participant>
<participantsessionassoc participant_id="p1" session_id="s1">
<associate-time>2026-03-05T09:00:00Z</associate-time></participantsessionassoc>
<participantstreamassoc participant_id="p1"><send>st1</send>
<associate-time>2026-03-05T09:00:00Z</associate-time>
<disassociate-time>2026-03-05T09:00:30Z</disassociate-time></participantstreamassoc>
</recording>"""


def _siprec() -> Ready:
    siprec = importlib.import_module("app.feeds.siprec")
    return Ready(
        one=lambda raw: siprec.events(siprec.read(raw, zone=_ZONE)),
        refuses=(siprec.SiprecInvalid,),
    )


_CDR: Final = (
    b'"","84950008414","106","from-trunk","""Petr"" <84950008414>","SIP/trunk-1","SIP/106-2",'
    b'"Dial",'
    b'"SIP/106","2026-03-05 12:00:00","2026-03-05 12:00:05","2026-03-05 12:01:05",65,60,"ANSWERED",'
    b'"DOCUMENTATION","1772701200.15","audio:/spool/a.wav"\r\n'
)
_AMI: Final = (
    b"Event: Cdr\r\nSource: 89161234567\r\nDestination: 101\r\nChannel: SIP/trunk-1\r\n"
    b"StartTime: 2026-03-05 12:00:00\r\nDuration: 65\r\nBillableSeconds: 60\r\n"
    b"Disposition: ANSWERED\r\nUniqueID: 1772701200.15\r\nUserField: audio:/spool/a.wav\r\n\r\n"
)


def _asterisk() -> Ready:
    asterisk = importlib.import_module("app.feeds.asterisk")
    schemas = importlib.import_module("app.feeds.schemas")
    pydantic = importlib.import_module("pydantic")

    def one(raw: bytes) -> None:
        text = raw[1:].decode("utf-8", "surrogateescape")
        read = asterisk.events if raw[:1] == b"\1" else asterisk.rows
        for row in read(io.StringIO(text, newline=""), zone=_ZONE):
            if row.call is not None:
                try:
                    schemas.CallTold.model_validate(row.call)
                except pydantic.ValidationError:
                    continue

    return Ready(one=one, refuses=())


def _records() -> Iterator[bytes]:
    yield b"\0" + _CDR
    yield (
        b"\0calldate,src,dst,duration,billsec,disposition,recordingfile\n"
        b"2026-03-05 12:00:00,101,102,5,0,NO ANSWER,a.wav\n"
    )
    yield b"\1" + _AMI
    for first in (b"\0" + _CDR, b"\1" + _AMI):
        yield first.replace(b"2026-03-05 12", b"0001-01-01 00")


def _mikopbx() -> Ready:
    mikopbx = importlib.import_module("app.feeds.mikopbx")
    schemas = importlib.import_module("app.feeds.schemas")
    pydantic = importlib.import_module("pydantic")
    folder = mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = Path(folder) / "cdr.db"

    def one(raw: bytes) -> None:
        file.write_bytes(raw)
        for row in mikopbx.rows(file, zone=_ZONE):
            if row.call is not None:
                try:
                    schemas.CallTold.model_validate(row.call)
                except pydantic.ValidationError:
                    continue

    return Ready(one=one, refuses=(mikopbx.CallDatabaseUnreadable,))


def _databases() -> Iterator[bytes]:
    columns = "start, src_num, dst_num, linkedid, disposition, recordingfile, duration, billsec"
    rows = [
        (1, "2026-03-05 12:00:00.1", "101", "102", "mikopbx-1.5", "NOANSWER", "/a/b.mp3", 5, 0),
        (2, "2026-03-05 12:00:00", "101", "84950008414", "mikopbx-1.6", "ANSWERED", "-", "x", None),
    ]
    places = ", ".join("?" * len(rows[0]))
    for encoding in ("UTF-8", "UTF-16le"):
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("PRAGMA page_size = 512")
            database.execute(f"PRAGMA encoding = '{encoding}'")
            database.execute(f"CREATE TABLE cdr_general (id INTEGER PRIMARY KEY, {columns})")
            database.executemany(f"INSERT INTO cdr_general VALUES ({places})", rows)  # noqa: S608 - ours.
            database.commit()
            yield database.serialize()


def _names() -> Ready:
    names = importlib.import_module("app.feeds.file_names")
    uploader = importlib.import_module("app.uploader.names")

    def one(raw: bytes) -> None:
        written, name = (part.decode("utf-8", "surrogateescape") for part in _split(raw))
        names.read(name, zone=_ZONE)
        uploader.understand(name, tuple(uploader.PRESETS.values()), zone=_ZONE)
        names.read(name, zone=_ZONE, own=names.pattern(written))

    return Ready(one=one, refuses=(names.PatternInvalid,))


def _called() -> Iterator[bytes]:
    own = b"{year}{month}{day}-{hour}{minute}_{number}_{any}_{from}_{to}\0"
    for name in (
        b"20260305-120000-+79161234567-incoming-106.wav",
        b"dump-sip:101@a=>sip:2@b-2026-03-05-12-00-00-enc.wav",
        b"external-106-84950008414-20260305-120000-1772701200.15.wav",
        "Пётр(+79161234567)_20260305120000.mp3".encode(),
        b"[Agent]_84950008414-106_20260305120000(12).wav",
        b"1772701200.15-in.wav",
        b"transfer_84950008414_106_mikopbx-1772701200.15_in.wav",
        b"mikopbx-17727012_106_aB3dE9.webm",
        b"20260305-1200_84950008414_x_a_b.wav",
        b"00010101-000000-+79161234567-incoming-106.wav",
    ):
        yield own + name


def _posted() -> Ready:
    posted = importlib.import_module("app.feeds.posted")

    def one(raw: bytes) -> None:
        try:
            told = json.loads(raw)
        except (ValueError, RecursionError):
            return
        if isinstance(told, dict):
            posted.file_of(told)
            posted.facts(told)

    return Ready(one=one, refuses=(posted.PostedInvalid,))


def _messages_of_exchanges() -> Iterator[bytes]:
    yield (
        b'{"uuid": "a", "start_epoch": "1772701200", "duration": "65", "direction": "inbound", '
        b'"caller_id_number": "84950008414", "destination_number": "106", "recording_file": "a"}'
    )
    yield (
        b'{"recording_name": "a", "channel_id": "1.2", "format": "wav", "duration": 5, '
        b'"timestamp": "2026-03-05T12:00:00.000+0300", "caller": "101", "called": "102"}'
    )
    yield b'{"recording_name": "a", "channel_id": "1", "timestamp": "0001-01-01T00:00:00+03:00"}'


def _rtpengine() -> Ready:
    rtpengine = importlib.import_module("app.imports.rtpengine")

    def one(raw: bytes) -> None:
        text, capture = _split(raw)
        with TemporaryDirectory() as folder:
            beside = Path(folder, "a.txt")
            beside.write_bytes(text)
            told = rtpengine.read_text(beside)
        rtpengine.to_wav(io.BytesIO(capture), told, io.BytesIO())

    return Ready(one=one, refuses=(rtpengine.CaptureInvalid,))


def _captures() -> Iterator[bytes]:
    rtp = struct.pack(">BBHII", 0x80, 8, 1, 160, 7) + b"\xd5" * 40
    udp = struct.pack(">HHHH", 5000, 9, 8 + len(rtp), 0) + rtp
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\1" * 4, b"\2" * 4)
    raw = bytes(14) + ip + udp
    head = b"\xd4\xc3\xb2\xa1" + struct.pack("<HHIIII", 2, 4, 0, 0, 1 << 16, 1)
    yield b"\0" + head + struct.pack("<IIII", 1, 2, len(raw), len(raw)) + raw
    for text in sorted((ROOT / "tests/imports/rtpengine/metadata").glob("*")):
        yield text.read_bytes()[:2000] + b"\0" + head


# --- sound, pictures and papers ------------------------------------------------------------------


def _media() -> Ready:
    media = importlib.import_module("app.recordings.media")
    recognise = importlib.import_module("app.documents.recognise")
    errors = importlib.import_module("app.core.errors")
    makers: tuple[Callable[[], Any], ...] = (
        lambda: media.AudioRecogniser(None, "a.wav"),
        lambda: media.AudioRecogniser("audio/mpeg", "a.mp3"),
        lambda: media.AudioRecogniser("audio/gsm", "a.gsm"),
        media.ImageRecogniser,
        lambda: recognise.DocumentRecogniser(1 << 20),
    )

    def one(raw: bytes) -> None:
        if not raw:
            return
        reader, body = makers[raw[0] % len(makers)](), raw[1:]
        places = [0, 1, 13, len(body) // 2, len(body)]
        for begin, end in pairwise(sorted(places)):
            reader.feed(body[begin:end])
        reader.finish()

    return Ready(one=one, refuses=(errors.Refusal,))


def _heads() -> Iterator[bytes]:
    found = sorted(CORPUS.glob("d*")) + sorted(CORPUS.glob("screenshots/*"))
    kinds = {".mp3": 1, ".gsm": 2, ".png": 3, ".jpg": 3, ".webp": 3}
    for path in found:
        yield bytes([kinds.get(path.suffix, 0)]) + path.read_bytes()[: _MOST_HEAD - 1]
    fmt = struct.pack("<HHIIHH", 6, 1, 8000, 8000, 1, 8)
    yield b"\0RIFF\x40\0\0\0WAVEfmt \x10\0\0\0" + fmt + b"data\x08\0\0\0" + bytes(8)
    yield b"\0.snd\0\0\0\x18\0\0\0\x08\0\0\0\x1b\0\0\x1f\x40\0\0\0\1" + bytes(8)
    yield b"\4%PDF-1.7\n1 0 obj <</OpenAction 2 0 R /JS (x)>>\nendobj\ntrailer\n%%EOF\n"
    yield b"\3\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)


# --- vCons and tables ----------------------------------------------------------------------------


def _vcon() -> Ready:
    reading = importlib.import_module("app.vcon.reading")
    mapping = importlib.import_module("app.vcon.mapping")
    errors = importlib.import_module("app.core.errors")

    def unchecked(_: Mapping[str, Any]) -> Any:  # noqa: ANN401 - imported later.
        return reading.Checked(signature=reading.Signature.NOT_CHECKED, why="not asked")

    def one(raw: bytes) -> None:
        for found in reading.read(raw, unchecked, max_bytes=1 << 20):
            mapping.plan(found, mapping.House())

    return Ready(one=one, refuses=(errors.Refusal,))


def _vcons() -> Iterator[bytes]:
    dialog = {
        "type": "recording",
        "start": "2026-11-20T10:00:00.000+03:00",
        "duration": 0.2,
        "parties": [0, 1],
        "mediatype": "audio/x-wav",
        "filename": "call.wav",
        "encoding": "base64url",
        "body": "UklGRg",
        "party_history": [{"party": 0, "event": "join", "time": "2026-11-20T10:00:00+03:00"}],
    }
    whole = json.dumps(
        {
            "vcon": "0.4.0",
            "uuid": "019f15a6-a752-826f-b9a2-279e0d16bc46",
            "created_at": "2026-11-20T07:05:00Z",
            "extensions": ["CC"],
            "parties": [
                {"tel": "tel:+74950008414", "name": "Client", "role": "customer"},
                {"sip": "sip:106@pbx.example", "name": "Agent", "role": "agent"},
            ],
            "dialog": [dialog, {"type": "incomplete", "disposition": "no-answer"} | dialog],
            "attachments": [
                {"party": 0, "mediatype": "image/png", "body": "x", "encoding": "none"}
            ],
        }
    ).encode()
    yield whole
    yield gzip.compress(whole)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("manifest.json", '{"format": "vcon-bundle", "version": "1.0"}')
        archive.writestr("vcons/a.json", whole)
    yield packed.getvalue()


def _tables() -> Ready:
    tables = importlib.import_module("app.clients.tables")
    kinds: Sequence[Any] = tuple(tables.Kind)

    def one(raw: bytes) -> None:
        if raw:
            kind = kinds[raw[0] % len(kinds)]
            # Names of columns are seldom drawn, so that cells are read at all.
            head = b";".join(name.encode() for name in tables.COLUMNS[kind])
            tables.read(raw[1:], kind, zone=_ZONE)
            tables.read(head + b"\n" + raw[1:], kind, zone=_ZONE)

    return Ready(one=one, refuses=())


def _cells() -> Iterator[bytes]:
    yield "\0ООО «А»;C-1;7701234567;Москва\n".encode()
    yield b'\1C-1;P-1;"Petr; son";+7 916 123-45-67, 8 495 000-84-14;da\n'
    yield "\2C-1;7;10.01.2026;1 200,50;7.2;Разговоры;31.12.2026\n".encode()
    yield b"\3E-1;C-1;ticket;2026-11-20 10:00;subject;106,107;\n"
    yield b"\0\xff\xfe" + "a;b\n".encode("utf-16-le")


# --- what services send --------------------------------------------------------------------------


def _providers() -> Ready:
    kinds = importlib.import_module("app.providers.kinds")
    told = importlib.import_module("app.providers.told")
    mapping = importlib.import_module("app.providers.mapping")
    errors = importlib.import_module("app.core.errors")
    services = list(kinds.SERVICES.items())
    own = {
        "messages": [
            {
                "when": {"$.type": "call.ended"},
                "call": "$.call.id",
                "order": "$.seq",
                "facts": {
                    "started_at": "$.at",
                    "ended_at": {"path": "$.over", "as": "unix_ms"},
                    "answered_at": {"path": "$.here", "as": "local"},
                    "talk_ms": {"path": "$.talk", "as": "seconds"},
                    "direction": {"path": "$.way", "values": {"in": "inbound"}},
                    "from_party": "$.ends[0]['number']",
                },
                "media": {"id": "$.media.id", "url": "$.media.url", "name": "$.media.name"},
            }
        ]
    }
    if wrong := mapping.check(own):
        raise ValueError(wrong)

    def one(raw: bytes) -> None:
        if not raw:
            return
        kind, service = services[raw[0] % len(services)]
        place, body = _split(raw[1:])
        is_json = body[:1] in {b"{", b"["}
        came = told.Came(
            method="POST",
            url="https://archive.example/hooks/a",
            path=place.decode("latin-1"),
            query="",
            headers={
                "content-type": "application/json"
                if is_json
                else "application/x-www-form-urlencoded"
            },
            body=body,
            received_at=_AT,
            notice_id=UUID(int=1),
        )
        secrets = dict.fromkeys((*service.secrets, *service.optional), "secret")
        # What a message tells is read once it was proved; here no proof is ever drawn, so that of
        # the one kind whose proof stands in the address alone it is asked for.
        if kind == "bitrix":
            service.verify(came, secrets, now=_AT)
        steps: tuple[Callable[[], object], ...] = (
            lambda: service.verify(came, secrets, now=_AT),
            lambda: service.answer(came, UUID(int=1)),
            lambda: service.is_repeatable(came),
            lambda: service.read(came, own if str(kind) in {"standard", "template"} else {}),
            lambda: service.content(came),
        )
        for step in steps:
            try:
                step()
            except errors.Refusal:
                continue

    return Ready(one=one, refuses=(errors.Refusal,))


def _notices() -> Iterator[bytes]:
    place = b"\0"
    twilio = (
        b"CallSid=CA1&CallStatus=completed&From=%2B74950008414&To=%2B74951112233&CallDuration=60"
        b"&Direction=inbound&Timestamp=Fri%2C+20+Nov+2026+07%3A00%3A00+%2B0000&SequenceNumber=2"
        b"&RecordingSid=RE1&RecordingUrl=https%3A%2F%2Fa&RecordingStatus=completed"
    )
    telnyx = (
        b'{"data": {"event_type": "call.recording.saved", "occurred_at": "2026-11-20T07:00:00Z", '
        b'"payload": {"call_session_id": "a", "from": "+7495", "to": "106", "recording_urls": '
        b'{"mp3": "https://a"}, "recording_started_at": "2026-11-20T07:00:00Z"}}}'
    )
    mango = (
        b"vpbx_api_key=k&sign=s&json=%7B%22entry_id%22%3A%22a%22%2C%22timestamp%22%3A1763622000%2C"
        b"%22seq%22%3A1%2C%22call_state%22%3A%22Connected%22%2C%22from%22%3A%7B%22number%22%3A%221"
        b"%22%7D%2C%22to%22%3A%7B%22extension%22%3A%22106%22%7D%7D"
    )
    zadarma = (
        b"event=NOTIFY_END&pbx_call_id=in_1&caller_id=%2B7495&called_did=%2B7495&internal=106&"
        b"call_start=2026-11-20+10%3A00%3A00&duration=60&disposition=answered&is_recorded=1&"
        b"call_id_with_rec=1.2"
    )
    mapped = (
        b'{"type": "call.ended", "call": {"id": "a"}, "seq": 7, "at": "2026-11-20T07:00:00Z", '
        b'"over": 1763622065000, "here": "2026-11-20 10:00:00", "talk": 60, "way": "in", '
        b'"ends": [{"number": "+7495"}], "media": {"id": "m", "url": "https://a", "name": "a"}}'
    )
    bitrix = (
        b'{"USER_PHONE_INNER": "106", "USER_ID": "1", "PHONE_NUMBER": "+74950008414", "TYPE": "2", '
        b'"CALL_START_DATE": "2026-11-20T10:00:00+03:00", "CALL_ID": "a", "DURATION": "60", '
        b'"FILENAME": "a.wav", "FILE_CONTENT": "UklGRg==", "RECORD_URL": "https://a"}'
    )
    yield b"\0" + place + twilio
    yield b"\1" + place + telnyx
    yield b"\2events/call" + place + mango
    yield b"\3" + place + zadarma
    yield b"\4" + place + mapped
    yield b"\5" + place + mapped
    for name in (b"register", b"finish", b"attachRecord"):
        method = b"\6rest/1/secret/telephony.externalcall." + name
        yield method + b".json" + place + bitrix


# --- the verifier --------------------------------------------------------------------------------


def _bundle() -> Ready:
    verify = importlib.import_module("app.verifier.verify")
    forging = importlib.import_module("tests.verifier.forge")
    forge = _forge()
    whole: Mapping[str, bytes] = forge.bundle()
    names = sorted(whole)
    trusted = verify.Trusted(fingerprint=forging.fingerprint(forge.bundle_key))

    def run(files: Mapping[str, bytes], *, is_sealed: bool) -> None:
        def opener(content: bytes) -> Callable[[], io.BytesIO]:
            return lambda: io.BytesIO(content)

        openers = {path: opener(content) for path, content in files.items()}
        report = verify.Report(is_key_given=True)
        verify.Verification(verify.Files(openers, forging.TOP), trusted, report).run()
        if report.result is verify.Result.VALID and not is_sealed and dict(files) != dict(whole):
            raise AssertionError("A changed bundle is valid.")
        list(verify.told(report))

    def one(raw: bytes) -> None:
        if len(raw) < _CHOICE:
            return
        # One file of a right bundle is exchanged; listed and signed anew, more of it is read.
        path, is_sealed = names[raw[0] % len(names)], bool(raw[1] & 1)
        files = dict(whole) | {path: raw[_CHOICE:]}
        if is_sealed:
            try:
                files = forge.seal(files)
            except (AttributeError, KeyError, TypeError, ValueError):
                return  # What signs reads the log itself, and this is none.
        run(files, is_sealed=is_sealed)

    return Ready(one=one, refuses=())


_CHOICE: Final = 2


def _forge() -> Any:  # noqa: ANN401 - imported later.
    forging = importlib.import_module("tests.verifier.forge")
    keys = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    own = (keys.Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
    return forging.Forge(*own)


def _files_of_bundle() -> Iterator[bytes]:
    whole = _forge().bundle()
    for place, path in enumerate(sorted(whole)):
        if len(whole[path]) < _MOST_HEAD - _CHOICE:
            yield bytes([place, 0]) + whole[path]
            yield bytes([place, 1]) + whole[path]


def _zip() -> Ready:
    verify = importlib.import_module("app.verifier.verify")
    folder = mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = Path(folder, "a.zip")

    def one(raw: bytes) -> object:
        place.write_bytes(b"PK\x03\x04" + raw)
        return verify.verify(place, verify.Trusted()).result

    return Ready(one=one, refuses=())


def _zips() -> Iterator[bytes]:
    for way in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", way) as archive:
            archive.writestr("evidence-1/bagit.txt", b"BagIt-Version: 1.0\n")
            archive.writestr("evidence-1/metadata/consent.json", b"{}")
        yield packed.getvalue()[4:]


def _stamp() -> Ready:
    verify = importlib.import_module("app.verifier.verify")

    def one(raw: bytes) -> None:
        first, rest = raw[:1], raw[1:]
        if first == b"\1":
            verify.parse_checkpoint("a", rest)
        else:
            verify.verify_stamp("a", rest, b"stamped", [], [])

    return Ready(one=one, refuses=(verify.Broken,))


def _stamps() -> Iterator[bytes]:
    yield b"\1" + _forge().checkpoint()
    tst = bytes.fromhex("06092a864886f70d010702")
    yield b"\0" + _der(0x30, _der(0x30, b"\2\1\0") + _der(0x30, tst + _der(0xA0, b"\x30\0")))


def _der(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


def _notes() -> Ready:
    notes = importlib.import_module("app.custody.notes")
    tiles = importlib.import_module("app.custody.tiles")
    packs = importlib.import_module("app.consent.packs")
    paging = importlib.import_module("app.core.paging")
    readers: tuple[Callable[[bytes], object], ...] = (
        lambda raw: notes.parse_checkpoint(raw.decode("latin-1"), origin="rec.example/log1"),
        lambda raw: notes.open_note(raw.decode("latin-1"), []),
        lambda raw: notes.parse_proof(raw.decode("latin-1")),
        lambda raw: notes.parse_vkey(raw.decode("latin-1")),
        lambda raw: tiles.parse("0", raw.decode("latin-1")),
        lambda raw: paging.Cursor.decode(raw.decode("latin-1")),
        lambda raw: packs.parse(_object(raw)),
    )

    def one(raw: bytes) -> None:
        if raw:
            readers[raw[0] % len(readers)](raw[1:])

    return Ready(
        one=one,
        refuses=(
            notes.NoteInvalid,
            tiles.TilePathInvalid,
            paging.CursorInvalid,
            packs.PackInvalid,
        ),
    )


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _texts_of_log() -> Iterator[bytes]:
    note = _forge().checkpoint()
    yield b"\0" + note.partition(b"\n\n")[0] + b"\n"
    yield b"\1" + note
    yield b"\3rec.example/log1+12345678+AQIDBA=="
    yield b"\4x001/067.p/8"
    yield b"\5" + base64.urlsafe_b64encode(b"2026-11-20T07:00:00+00:00 " + b"0" * 36)
    pack = next(iter(sorted((ROOT / "app/consent/packs").glob("*.json"))))
    yield b"\6" + pack.read_bytes()[: _MOST_HEAD - 1]


TARGETS: Final[Mapping[str, Target]] = {
    "multipart": Target(what="the body of an upload", prepare=_multipart, seeds=_bodies),
    "digest": Target(
        what="Content-Digest",
        prepare=_digests,
        seeds=lambda: [b"sha-256=:" + base64.b64encode(bytes(32)) + b":, md5=::"],
        most_bytes=512,
    ),
    "tus": Target(what="the fields of tus", prepare=_tus, seeds=_fields_of_tus),
    "range": Target(
        what="Range",
        prepare=_ranges,
        seeds=lambda: [b"\1\1\0bytes=0-5", b"\1\1\0bytes=-5", b"\1\1\0bytes=5-"],
        most_bytes=128,
    ),
    "siprec": Target(what="metadata of SIPREC", prepare=_siprec, seeds=lambda: [_SIPREC]),
    "asterisk": Target(
        what="call records of Asterisk, CSV and AMI", prepare=_asterisk, seeds=_records
    ),
    "mikopbx": Target(what="the database of calls of MikoPBX", prepare=_mikopbx, seeds=_databases),
    "names": Target(
        what="names of files, and patterns of them", prepare=_names, seeds=_called, most_bytes=1024
    ),
    "posted": Target(what="what exchanges post", prepare=_posted, seeds=_messages_of_exchanges),
    "rtpengine": Target(what="captures of rtpengine", prepare=_rtpengine, seeds=_captures),
    "media": Target(what="heads of sound, pictures and papers", prepare=_media, seeds=_heads),
    "vcon": Target(what="vCons and bundles of them", prepare=_vcon, seeds=_vcons),
    "tables": Target(what="tables of clients and events", prepare=_tables, seeds=_cells),
    "providers": Target(what="messages of telephony services", prepare=_providers, seeds=_notices),
    "bundle": Target(what="files of an evidence bundle", prepare=_bundle, seeds=_files_of_bundle),
    "zip": Target(what="the zip of an evidence bundle", prepare=_zip, seeds=_zips),
    "stamp": Target(what="time stamps and checkpoints", prepare=_stamp, seeds=_stamps),
    "log": Target(what="texts of the log, cursors, rules", prepare=_notes, seeds=_texts_of_log),
}
