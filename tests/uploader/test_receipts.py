"""Receipts are believed if a pinned key has signed them for these very bytes, and not else."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.custody.notes import Signer, sign_note
from app.custody.receipts import Accepted, _text
from app.uploader import ed25519
from app.uploader.receipts import Kept, Key, ReceiptWrong, check

SIGNER = Signer("rec.example/log1/receipt", bytes(range(32)))
KEY = Key.read(SIGNER.public.vkey())
ACCEPTED = Accepted(
    object_kind="recording",
    object_id=UUID(int=7),
    leg="sent",
    sha256=bytes(32),
    size_bytes=44,
    received_at=datetime(2026, 11, 30, tzinfo=UTC),
    entry_id=UUID(int=8),
    commitment=bytes(32),
)
NOTE = sign_note(_text(ACCEPTED), [SIGNER])
KEPT = Kept(
    kind="recording", id=str(UUID(int=7)), leg="sent", sha256=bytes(32).hex(), size_bytes=44
)


class TestReceipt:
    def test_what_the_archive_signs_is_believed(self) -> None:
        check(NOTE, [KEY], KEPT)
        shot = dataclasses.replace(ACCEPTED, object_kind="screenshot", leg=None)
        kept = dataclasses.replace(KEPT, kind="screenshot", leg=None)
        check(sign_note(_text(shot), [SIGNER]), [KEY], kept)

    @pytest.mark.parametrize(
        "other",
        [
            {"sha256": "11" * 32},
            {"size_bytes": 45},
            {"leg": "received"},
            {"id": str(UUID(int=9))},
            {"kind": "screenshot"},
        ],
    )
    def test_a_receipt_of_something_else_is_not(self, other: dict[str, object]) -> None:
        with pytest.raises(ReceiptWrong, match="of another"):
            check(NOTE, [KEY], dataclasses.replace(KEPT, **other))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "note",
        [
            NOTE.replace("size_bytes 44", "size_bytes 45"),
            NOTE.partition("\n\n")[0] + "\n",
            NOTE.replace("—", "-"),
            sign_note(_text(ACCEPTED), [Signer("rec.example/log1/receipt", bytes(32))]),
            sign_note(_text(ACCEPTED), [Signer("other/receipt", bytes(range(32)))]),
            "",
        ],
        ids=["changed", "unsigned", "dash", "other key", "other name", "empty"],
    )
    def test_what_is_not_signed_so_is_not_believed(self, note: str) -> None:
        with pytest.raises(ReceiptWrong):
            check(note, [KEY], KEPT)

    def test_what_was_signed_and_is_no_receipt_is_not_believed(self) -> None:
        with pytest.raises(ReceiptWrong):
            check(sign_note("audiatur-other/v1\n", [SIGNER]), [KEY], KEPT)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "name",
        SIGNER.public.vkey()[:-4],
        SIGNER.public.vkey().replace("log1", "log2"),
        Signer("rec.example/log1", bytes(32)).public.vkey(),
    ],
)
def test_a_key_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ReceiptWrong):
        Key.read(line)


# Source: RFC 8032, 7.1, TEST 1 and TEST 3.
@pytest.mark.parametrize(
    ("key", "text", "signature"),
    [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            (
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
    ],
)
def test_the_vectors_of_the_standard_hold(key: str, text: str, signature: str) -> None:
    told = bytes.fromhex(key), bytes.fromhex(text), bytes.fromhex(signature)
    assert ed25519.is_signed(*told)
    assert not ed25519.is_signed(told[0], told[1] + b"x", told[2])


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
def test_own_checking_agrees_with_the_library(seed: bytes, text: bytes, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), private.sign(text)
    assert ed25519.is_signed(key, text, signature)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not ed25519.is_signed(key, text, bytes(flipped))


def test_a_signature_with_a_scalar_past_the_order_is_refused() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key, signature = private.public_key().public_bytes_raw(), private.sign(b"text")
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature[32:], "little") + order
    assert not ed25519.is_signed(key, b"text", signature[:32] + scalar.to_bytes(32, "little"))
