"""Signed notes, as other programs write and read them."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.custody import notes
from app.custody.notes import NoteInvalid, PublicKey, Signer
from app.custody.tree import Head

ORIGIN = "rec.example/log1"
HEAD = Head(size=7, root=bytes(range(32)))

# Source: C2SP signed-note, the example of the specification and its public key.
POEM = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU\
0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""


@pytest.fixture
def signer() -> Signer:
    return Signer(ORIGIN, bytes(range(32)))


def _note(*signers: Signer) -> str:
    return notes.sign_note(notes.checkpoint_text(ORIGIN, HEAD), signers)


def test_a_checkpoint_is_written_as_specified(signer: Signer) -> None:
    lines = _note(signer).split("\n")
    assert lines[:4] == [ORIGIN, "7", base64.b64encode(HEAD.root).decode(), ""]
    assert lines[4].startswith(f"— {ORIGIN} ")
    assert len(base64.b64decode(lines[4].split()[2])) == 4 + 64
    assert lines[5:] == [""]


def test_a_checkpoint_is_read_back(signer: Signer) -> None:
    assert notes.open_checkpoint(_note(signer), [signer.public], origin=ORIGIN) == HEAD


def test_openssl_agrees(signer: Signer, tmp_path: Path) -> None:
    note = _note(signer)
    body = note.rpartition("\n\n")[0] + "\n"
    (tmp_path / "body").write_bytes(body.encode())
    (tmp_path / "signature").write_bytes(base64.b64decode(note.split()[-1])[4:])
    (tmp_path / "key.pem").write_text(signer.public.pem)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin"]
    subprocess.run(  # noqa: S603 - the openssl that the path names.
        [*command, "-in", "body", "-sigfile", "signature"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )


def test_the_text_of_a_note_may_have_empty_lines() -> None:
    text, _, line = POEM.rpartition("\n\n")
    signed = base64.b64decode(line.split()[2])
    assert (len(signed), signed[:4].hex()) == (68, "367ba04b")
    with pytest.raises(NoteInvalid, match="No key that is trusted"):
        notes.open_note(POEM, [Signer("quasimodo.example/salvatore", bytes(32)).public])
    own = Signer("quasimodo.example/salvatore", bytes(32))
    opened = notes.open_note(notes.sign_note(text + "\n", [own]), [own.public])
    assert opened.text == text + "\n"


def test_an_unknown_signature_is_passed_over_and_a_wrong_one_is_not(signer: Signer) -> None:
    witness = Signer("witness.example/w", bytes(32))
    both = _note(signer, witness)
    assert notes.open_note(both, [signer.public]).signed_by == (signer.public,)
    assert notes.open_note(both, [signer.public, witness.public]).signed_by == (
        signer.public,
        witness.public,
    )
    forged = both.replace("\n7\n", "\n8\n")
    with pytest.raises(NoteInvalid, match="does not fit"):
        notes.open_note(forged, [signer.public])


def test_a_key_of_the_same_name_is_another_key(signer: Signer) -> None:
    other = Signer(ORIGIN, bytes(32))
    with pytest.raises(NoteInvalid, match="No key that is trusted"):
        notes.open_checkpoint(_note(other), [signer.public], origin=ORIGIN)


def test_a_checkpoint_of_another_log_is_refused(signer: Signer) -> None:
    text = notes.checkpoint_text("rec.example/log2", HEAD)
    with pytest.raises(NoteInvalid, match="not of"):
        notes.open_checkpoint(notes.sign_note(text, [signer]), [signer.public], origin=ORIGIN)


def test_a_receipt_key_signs_no_checkpoint() -> None:
    receipt = Signer(f"{ORIGIN}/receipt", bytes(32))
    with pytest.raises(NoteInvalid, match="No key that is trusted"):
        notes.open_checkpoint(_note(receipt), [receipt.public], origin=ORIGIN)


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n07\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n-1\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n7\n{base64.b64encode(bytes(31)).decode()}\n",
        f"{ORIGIN}\n7\nAAAA\n",
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n٧\n{base64.b64encode(bytes(32)).decode()}\n",
    ],
)
def test_what_is_signed_and_is_no_checkpoint_is_refused(text: str, signer: Signer) -> None:
    with pytest.raises(NoteInvalid):
        notes.open_checkpoint(notes.sign_note(text, [signer]), [signer.public], origin=ORIGIN)


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_changed_byte_is_never_passed(at: int, flip: int) -> None:
    signer = Signer(ORIGIN, bytes(range(32)))
    note = bytearray(_note(signer).encode())
    at %= len(note)
    note[at] ^= flip
    try:
        text = note.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(NoteInvalid):
        notes.open_checkpoint(text, [signer.public], origin=ORIGIN)


def test_a_key_in_one_line_is_read_back_and_a_slip_noticed(signer: Signer) -> None:
    line = signer.public.vkey()
    assert notes.parse_vkey(line) == signer.public
    assert line == f"{ORIGIN}+{signer.public.key_id.hex()}+{line.split('+', 2)[2]}"
    for slip in (line.replace("log1", "log2"), line[:-4], line.replace("+", " "), "", "a+b+c"):
        with pytest.raises(NoteInvalid):
            notes.parse_vkey(slip)


def test_the_example_key_id_is_that_of_the_specification() -> None:
    # Source: Go's golang.org/x/mod/sumdb/note, the public key of its documentation.
    key = notes.parse_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdn"
        "gotpRZb6KE6RyyBwJnAM=\n"
    )
    assert notes.open_note(note, [key]).signed_by == (key,)
    with pytest.raises(NoteInvalid):
        notes.open_note(note.replace("cryptography", "steganography"), [key])


@pytest.mark.parametrize("name", ["", "two words", "a+b", "tab\there", "no\u00a0break"])
def test_such_names_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        Signer(name, bytes(32))


def test_a_proof_is_a_text_of_its_own(signer: Signer) -> None:
    checkpoint = _note(signer)
    for path in ([], [bytes(32), bytes([1]) * 32]):
        text = notes.proof_text(5, path, checkpoint)
        assert text.startswith("c2sp.org/tlog-proof@v1\nindex 5\n")
        found = notes.parse_proof(text)
        assert (found.index, list(found.path), found.checkpoint) == (5, path, checkpoint)


def test_a_proof_with_more_in_it_is_read_too(signer: Signer) -> None:
    text = notes.proof_text(5, [bytes(32)], _note(signer))
    first, _, rest = text.partition("\n")
    assert notes.parse_proof(f"{first}\nextra YWJj\n{rest}") == notes.parse_proof(text)
    for wrong in (rest, text.replace("index 5", "index 05"), text.replace("AAAA", "AA==", 1)):
        with pytest.raises(NoteInvalid):
            notes.parse_proof(wrong)


def test_fingerprints_are_of_the_form_that_openssl_hashes(signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(signer.public.pem)
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "key.pem", "-outform", "DER"],  # noqa: S607 - whichever there is.
        cwd=tmp_path,
        check=True,
        capture_output=True,
    ).stdout
    assert der == signer.public.spki
    assert PublicKey(name=ORIGIN, raw=der[-32:]) == signer.public
