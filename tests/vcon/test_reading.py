"""Reading vCons: versions, forms, codings, hashes, signatures, and what a vCon demands."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Refusal
from app.recordings.models import Direction
from app.vcon import reading, signing
from app.vcon.mapping import House, Plan, plan
from app.vcon.reading import (
    Checked,
    ContentHashWrong,
    Signature,
    Vcon,
    VconBroken,
    VconEncrypted,
    VconExtensionUnknown,
    VconTooLarge,
    VconVersionUnknown,
)
from app.vcon.signing import VconSignatureWrong
from tests.vcon.made import START, content_hash, packed, signer, sound, text, vcon

DATA = b"RIFF\xff\xfe\xfd sound"
MOST = 10_000_000


def unchecked(_: Mapping[str, Any]) -> Checked:
    return Checked(signature=Signature.NOT_CHECKED, why="not asked")


def read(found: dict[str, Any] | bytes) -> Vcon:
    raw = found if isinstance(found, bytes) else packed(found)
    (one,) = reading.read(raw, unchecked, max_bytes=MOST)
    return one


def planned(found: dict[str, Any], house: House | None = None) -> tuple[Plan, list[str]]:
    one = read(found)
    made = plan(one, house or House())
    return made, [note.code for note in one.notes]


@pytest.mark.parametrize("version", ["0.0.1", "0.0.2", "0.3.0", "0.4.0", None])
def test_every_version_is_read_and_another_is_not(version: str | None) -> None:
    found = vcon(sound(DATA))
    if version is None:
        del found["vcon"]
    else:
        found["vcon"] = version
    made, notes = planned(found)
    assert [one.content.data for one in made.sounds] == [DATA]
    assert notes == []
    with pytest.raises(VconVersionUnknown):
        read(found | {"vcon": "9.9.9"})


def test_an_extension_that_is_demanded_and_not_known_is_refused() -> None:
    read(vcon(critical=["CC", "lawful_basis"]))
    with pytest.raises(VconExtensionUnknown) as refused:
        read(vcon(critical=["CC", "wtf_transcript"]))
    assert refused.value.facts["extensions"] == ["wtf_transcript"]


@pytest.mark.parametrize(
    ("dialog", "notes"),
    [
        ({"encoding": "base64", "body": base64.b64encode(DATA).decode()}, ["encoding.base64"]),
        ({"body": base64.b64encode(DATA).decode()}, ["encoding.alphabet"]),
        ({"content_hash": content_hash(DATA)}, []),
        ({"content_hash": ["md9-xx", content_hash(DATA)]}, []),
        ({"mediatype": None, "mimetype": "audio/x-wav"}, ["mimetype.old"]),
        (
            {"alg": "SHA-512", "signature": content_hash(DATA).partition("-")[2]},
            ["content_hash.old"],
        ),
    ],
)
def test_what_others_write_otherwise_is_tolerated_with_a_note(
    dialog: dict[str, Any], notes: list[str]
) -> None:
    made, noted = planned(vcon(sound(DATA, **dialog)))
    assert made.sounds[0].content.data == DATA
    assert noted == notes


@pytest.mark.parametrize(
    "wrong",
    [
        {"content_hash": content_hash(b"other")},
        {"content_hash": [content_hash(DATA), content_hash(b"other")]},
        {"content_hash": "md9-AAAA"},
    ],
)
def test_a_content_that_is_not_what_its_hash_says_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ContentHashWrong) as refused:
        planned(vcon(sound(DATA, **wrong)))
    assert refused.value.facts["where"] == "dialog/0"


@pytest.mark.parametrize(
    ("dialog", "where"),
    [
        ({"encoding": "rot13"}, "dialog/0/encoding"),
        ({"encoding": None}, "dialog/0/encoding"),
        ({"body": "&&&"}, "dialog/0/body"),
        ({"body": 7}, "dialog/0/body"),
        ({"start": None}, "dialog/0/start"),
        ({"start": "yesterday"}, "dialog/0/start"),
        ({"start": "2026-11-20T10:00:00"}, "dialog/0/start"),
        ({"parties": [0, 9]}, "dialog/0/parties"),
        ({"parties": [0, True]}, "dialog/0/parties"),
        ({"originator": 2}, "dialog/0/originator"),
        ({"party_history": "x"}, "dialog/0/party_history"),
        (
            {"party_history": [{"party": 9, "event": "join", "time": START}]},
            "dialog/0/party_history/0/party",
        ),
        (
            {"party_history": [{"party": 0, "event": "drop", "time": "x"}]},
            "dialog/0/party_history/0/time",
        ),
        ({"body": None, "url": "https://example.com/a"}, "dialog/0/content_hash"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(dialog: dict[str, Any], where: str) -> None:
    with pytest.raises(VconBroken) as refused:
        planned(vcon(sound(DATA, **dialog)))
    assert refused.value.facts["where"] == where


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"uuid": 7}',
        b'{"uuid": "x"}',
        b"[" * 100_000,
        b'{"uuid": NaN}',
        packed(vcon() | {"dialog": {}}),
        packed(vcon() | {"parties": [1]}),
        packed(vcon() | {"parties": [{}] * 101}),
        packed(vcon() | {"critical": "CC"}),
        b"\x1f\x8b broken",
        b"PK\x03\x04 broken",
    ],
)
def test_what_is_no_vcon_is_refused(raw: bytes) -> None:
    with pytest.raises(VconBroken):
        read(raw)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "parties", "start", "party_history", "body", "encoding", "duration"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["recording", "incomplete", "transfer", "text", 7, None]),
)
def test_whatever_stands_in_a_dialog_is_planned_or_refused(found: object, kind: object) -> None:
    dialog = found if isinstance(found, dict) else {"body": found}
    raw = json.dumps(vcon(dialog | {"type": kind}), allow_nan=True).encode()
    try:
        (one,) = reading.read(raw, unchecked, max_bytes=MOST)
        plan(one, House())
    except Refusal:
        pass  # The place is told; nothing else may come out of it.


def test_an_encrypted_one_is_refused() -> None:
    with pytest.raises(VconEncrypted):
        read({"ciphertext": "x", "recipients": []})


def test_a_packed_one_is_read_and_a_bomb_is_not() -> None:
    assert read(gzip.compress(packed(vcon()))).version == "0.4.0"
    with pytest.raises(VconTooLarge):
        reading.read(gzip.compress(b"0" * 100_000), unchecked, max_bytes=99_999)
    with pytest.raises(VconBroken):
        read(gzip.compress(packed(vcon()))[:-9])


def _zip(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


MANIFEST = b'{"format": "vcon-bundle", "version": "1.0"}'


def test_a_bundle_gives_its_vcons_their_files_by_hash() -> None:
    dialog = sound(
        DATA, body=None, encoding=None, url="https://x/", content_hash=content_hash(DATA)
    )
    raw = _zip(
        {
            "manifest.json": MANIFEST,
            "vcons/a.json": packed(vcon(dialog)),
            "vcons/b.json": packed(vcon(uuid="019f15a6-a752-826f-b9a2-279e0d16bc47")),
            f"files/{content_hash(DATA)}.wav": DATA,
            "extensions/x/metadata.json": b"{}",
        }
    )
    first, second = reading.read(raw, unchecked, max_bytes=MOST)
    assert [one.content.data for one in plan(first, House()).sounds] == [DATA]
    assert second.uuid.endswith("47")
    lied = _zip(
        {
            "manifest.json": MANIFEST,
            "vcons/a.json": packed(vcon(dialog)),
            f"files/{content_hash(DATA)}.wav": b"other",
        }
    )
    (one,) = reading.read(lied, unchecked, max_bytes=MOST)
    with pytest.raises(ContentHashWrong):
        plan(one, House())


@pytest.mark.parametrize(
    "files",
    [
        {"vcons/a.json": packed(vcon())},
        {"manifest.json": b"{}", "vcons/a.json": packed(vcon())},
        {"manifest.json": MANIFEST},
    ],
)
def test_what_is_no_bundle_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(VconBroken):
        reading.read(_zip(files), unchecked, max_bytes=MOST)


def test_a_bundle_that_unpacks_to_too_much_is_refused() -> None:
    raw = _zip({"manifest.json": MANIFEST, "files/x": b"0" * 200_000})
    assert len(raw) < 10_000
    with pytest.raises(VconTooLarge):
        reading.read(raw, unchecked, max_bytes=100_000)


# --- signatures -----------------------------------------------------------------------------------


def checked(signed: dict[str, Any], roots: list[Any], at: datetime | None = None) -> Checked:
    return signing.check(signed, roots, at=at or datetime.now(UTC))


def test_a_signature_is_verified_by_the_root_that_is_trusted() -> None:
    by = signer()
    signed = by.sign(vcon(sound(DATA)))
    assert checked(signed, [by.root]).signature is Signature.VERIFIED
    # The intermediate itself may be trusted.
    assert checked(signed, [by.chain[1]]).signature is Signature.VERIFIED
    assert read(signed).body["uuid"] == vcon()["uuid"]
    assert [note.code for note in read(signed).notes] == ["signature.not_checked"]


def test_a_signature_nobody_here_can_check_is_told_to_be_unchecked() -> None:
    by, other = signer(), signer()
    signed = by.sign(vcon())
    for roots, found in (
        ([], signed),
        ([other.root], signed),
        ([by.root], by.sign(vcon(), x5c=False)),
    ):
        result = checked(found, roots)
        assert result.signature is Signature.NOT_CHECKED
        assert result.why
    late = datetime(2040, 1, 1, tzinfo=UTC)
    assert checked(signed, [by.root], late).signature is Signature.NOT_CHECKED
    over = signer(days=-1)
    assert checked(over.sign(vcon()), [over.root]).signature is Signature.NOT_CHECKED
    wild = signer(may_issue=False)
    assert checked(wild.sign(vcon()), [wild.root]).signature is Signature.NOT_CHECKED


def test_a_vcon_changed_after_its_signature_is_refused() -> None:
    by = signer()
    signed = by.sign(vcon())
    changed = signed | {"payload": text(packed(vcon(subject="other")))}
    with pytest.raises(VconSignatureWrong):
        checked(changed, [])
    with pytest.raises(VconSignatureWrong):
        checked(changed, [by.root])
    borrowed = signer().sign(vcon())
    lied = json.loads(json.dumps(signed))
    lied["signatures"][0]["signature"] = borrowed["signatures"][0]["signature"]
    with pytest.raises(VconSignatureWrong):
        checked(lied, [by.root])
    with pytest.raises(VconBroken):
        checked({"payload": "", "signatures": []}, [])


# --- what it means here ---------------------------------------------------------------------------


def test_who_called_whom_follows_from_the_roles() -> None:
    made, notes = planned(vcon(sound(DATA)))
    told = made.sounds[0].told
    assert (told.direction, told.from_party, told.to_party, told.agent) == (
        Direction.INBOUND,
        "+74950008414",
        "106",
        "106",
    )
    assert notes == []
    outbound = planned(vcon(sound(DATA, originator=1)))[0].sounds[0].told
    assert (outbound.direction, outbound.from_party, outbound.to_party, outbound.agent) == (
        Direction.OUTBOUND,
        "106",
        "+74950008414",
        "106",
    )
    inside = planned(vcon(sound(DATA, parties=[1, 2])))[0].sounds[0].told
    assert inside.direction is Direction.INTERNAL


def test_without_roles_our_agents_are_known_by_how_they_are_called() -> None:
    parties = [{"tel": "+74950008414"}, {"tel": "106"}]
    known = House(agents=frozenset({"106"}))
    made, notes = planned(vcon(sound(DATA, originator=1), parties=parties), known)
    assert (made.sounds[0].told.direction, notes) == (Direction.OUTBOUND, [])
    made, notes = planned(vcon(sound(DATA), parties=parties))
    assert (made.sounds[0].told.direction, notes) == (Direction.INBOUND, ["direction.assumed"])
    said = House(direction=Direction.OUTBOUND)
    made, notes = planned(vcon(sound(DATA), parties=parties), said)
    assert (made.sounds[0].told.direction, notes) == (Direction.OUTBOUND, [])


def test_who_else_is_heard_is_named_and_the_course_of_the_call_is_told() -> None:
    history = [
        {"party": 0, "event": "hold", "time": "2026-11-20T10:00:10+03:00"},
        {"party": 0, "event": "unhold", "time": "2026-11-20T10:00:20+03:00"},
        {"party": 2, "event": "join", "time": "2026-11-20T10:00:30+03:00"},
        {"party": 2, "event": "mute", "time": "2026-11-20T10:00:31+03:00"},
        {"party": 1, "event": "drop", "time": "2026-11-20T10:00:40+03:00"},
    ]
    transfer = {
        "type": "transfer",
        "start": "2026-11-20T10:00:29+03:00",
        "transferee": 0,
        "transferor": 1,
        "transfer_target": 2,
        "original": 0,
        "consultation": 3,
    }
    made, notes = planned(vcon(sound(DATA, parties=[0, 1, 2], party_history=history), transfer))
    (one,) = made.sounds
    assert [(claim.number, claim.side) for claim in one.told.parties] == [("107", "own")]
    assert [(event.kind, event.leg) for event in one.events] == [
        ("join", "party-0"),
        ("join", "party-1"),
        ("hold", "party-0"),
        ("resume", "party-0"),
        ("join", "party-2"),
        ("leave", "party-1"),
        ("transfer", "party-1"),
    ]
    last = one.events[-1]
    assert last.target is not None
    assert (last.mode, last.target.leg, last.target.number) == ("attended", "party-2", "107")
    assert notes == ["party_history.left_out"]
    again, _ = planned(vcon(sound(DATA, parties=[0, 1, 2], party_history=history), transfer))
    assert again.sounds[0].events == one.events


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("no-answer", "no_answer"),
        ("congestion", "congestion"),
        ("failed", "failed"),
        ("busy", "busy"),
        ("hung-up", "no_answer"),
        ("voicemail-no-message", "no_answer"),
        ("eaten-by-dog", "failed"),
    ],
)
def test_a_call_that_did_not_come_about_is_a_known_call(said: str, kept: str) -> None:
    dialog = {"type": "incomplete", "start": START, "parties": [0, 1], "disposition": said}
    made, notes = planned(vcon(dialog))
    (call,) = made.calls
    assert (call.disposition, call.direction, call.talk_ms) == (kept, "inbound", 0)
    assert notes == (["disposition.unknown"] if said == "eaten-by-dog" else [])
    assert made.sounds == []


def test_pictures_are_screenshots_and_other_things_are_left_out_with_a_note() -> None:
    attachments = [
        {"purpose": "screen", "start": START, "party": 1, "dialog": 0, "mediatype": "image/png"}
        | {"encoding": "base64url", "body": text(b"\x89PNG")},
        {"type": "lawful_basis", "encoding": "json", "body": {"lawful_basis": "consent"}},
        {"purpose": "contract", "mediatype": "application/pdf", "encoding": "none", "body": "x"},
        {},
    ]
    made, notes = planned(vcon({"type": "text"}, {}, attachments=attachments, analysis=[{}]))
    (picture,) = made.pictures
    assert (picture.where, picture.told.agent) == ("attachments/0", "106")
    assert notes == [
        "dialog.text.left_out",
        "purpose.old",
        "lawful_basis.left_out",
        "attachment.left_out",
        "analysis.left_out",
    ]
