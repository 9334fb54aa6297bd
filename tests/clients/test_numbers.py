"""One number, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clients.numbers import normalise


@pytest.mark.parametrize(
    "written",
    [
        "+74950008414",
        "+7 (495) 000-84-14",
        "8 (495) 000-84-14",
        "84950008414",
        "495 000 84 14",
        "sip:+74950008414@pbx.example",
        "sip:84950008414@pbx.example;transport=udp",
        "<sip:+74950008414@pbx.example>;tag=1",
        '"Бухгалтер" <sip:+74950008414@pbx.example>',
        "tel:+7-495-000-84-14",
    ],
)
def test_all_ways_of_writing_are_one_number(written: str) -> None:
    assert normalise(written, region="RU") == "+74950008414"


@pytest.mark.parametrize(
    "written",
    [
        "101",
        "buh",
        "anonymous",
        "",
        "sip:alice@example.org",
        "12 34",
        "+",
        "нет",
        "1" * 40,
        "+7x495",
    ],
)
def test_extensions_and_names_are_no_numbers(written: str) -> None:
    assert normalise(written, region="RU") is None


def test_the_home_region_reads_national_numbers() -> None:
    assert normalise("030 123456", region="DE") == "+4930123456"
    assert normalise("+49 30 123456", region="RU") == "+4930123456"


@given(st.text(max_size=60))
def test_whatever_is_sent_gives_a_number_or_none(written: str) -> None:
    found = normalise(written, region="RU")
    assert found is None or (found.startswith("+") and found[1:].isdigit())


@given(st.from_regex(r"\+7[0-9]{10}", fullmatch=True))
def test_a_normal_number_stays_as_it_is(number: str) -> None:
    assert normalise(number, region="RU") in {number, None}
