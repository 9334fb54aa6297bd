"""The fields of tus are read as the protocol says, and nothing else passes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Refusal
from app.uploads import protocol
from app.uploads.protocol import (
    Checksum,
    ChecksumMismatch,
    ChecksumUnknown,
    Concat,
    FieldInvalid,
    concat,
    metadata,
    whole_number,
)

_KEYS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","),
    min_size=1,
    max_size=64,
)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@given(st.dictionaries(_KEYS, st.text(), max_size=6))
def test_metadata_come_back_as_they_were_told(told: dict[str, str]) -> None:
    field = ", ".join(f"{key} {_base64(value)}" for key, value in told.items())
    assert metadata(field) == told


def test_a_key_may_stand_alone() -> None:
    assert metadata("is_private,filename d29ybGQ=") == {"is_private": "", "filename": "world"}


@pytest.mark.parametrize(
    "field",
    ["a b c", "a b64=", "a YQ==,a YQ==", "a /w==", ",", "ключ YQ==", "a " + "A" * 40_000],
)
def test_what_is_no_metadata_is_refused(field: str) -> None:
    with pytest.raises(FieldInvalid):
        metadata(field)


@given(st.text(max_size=60))
def test_whatever_comes_is_read_or_refused(field: str) -> None:
    for read in (metadata, concat, Checksum, lambda text: whole_number("Upload-Length", text)):
        with contextlib.suppress(Refusal):
            read(field)


def test_something_is_put_together_of_parts_in_their_order() -> None:
    one, two = uuid4(), uuid4()
    field = f"final;/v1/uploads/{two} https://archive.example/v1/uploads/{one}"
    assert concat(field) == Concat(field=field, parts=(two, one))
    assert concat("partial") == Concat(field="partial")
    assert concat(None) is None


@pytest.mark.parametrize(
    "field",
    [
        "final",
        "final;",
        "whole;/v1/uploads/" + str(UUID(int=1)),
        "final;/v1/recordings/" + str(UUID(int=1)),
        "final;" + f"/v1/uploads/{UUID(int=1)} " * 2,
        "final;/v1/uploads/" + "-" * 36,
        "final;" + " ".join(f"/v1/uploads/{UUID(int=n)}" for n in range(65)),
    ],
)
def test_what_puts_nothing_together_is_refused(field: str) -> None:
    with pytest.raises(FieldInvalid):
        concat(field)


@pytest.mark.parametrize("algorithm", protocol.CHECKSUM_ALGORITHMS)
def test_a_checksum_knows_its_bytes(algorithm: str) -> None:
    digest = hashlib.new(algorithm, b"hello").digest()
    field = f"{algorithm} {base64.b64encode(digest).decode()}"
    right, wrong = Checksum(field), Checksum(field)
    right.add(b"hel")
    right.add(memoryview(b"lo"))
    right.check()
    wrong.add(b"hullo")
    with pytest.raises(ChecksumMismatch):
        wrong.check()


def test_a_checksum_of_another_kind_or_length_is_refused() -> None:
    with pytest.raises(ChecksumUnknown):
        Checksum("crc32 AAAAAA==")
    with pytest.raises(FieldInvalid):
        Checksum("sha256 AAAA")
