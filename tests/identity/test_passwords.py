"""Which passwords are taken. Source: OWASP ASVS 5.0, V6.2."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.identity import passwords
from app.identity.passwords import (
    PasswordCommon,
    PasswordNamesYou,
    PasswordTooLong,
    PasswordTooShort,
)

ABOUT = ("galina", "Галина Петрова, ООО «Сервис»")


def test_v6_2_1_alone_a_password_has_fifteen_characters_and_eight_with_a_code() -> None:
    good = "vf3kq9zt"
    passwords.check(good, about=ABOUT, has_code=True)
    for short in (good, "vf3kq9zt-mw2px"):
        with pytest.raises(PasswordTooShort):
            passwords.check(short, about=ABOUT, has_code=False)
    passwords.check("vf3kq9zt-mw2pxr", about=ABOUT, has_code=False)
    with pytest.raises(PasswordTooShort):
        passwords.check(good[:7], about=ABOUT, has_code=True)


@pytest.mark.parametrize("common", ["password", "iloveyou", "qwertyui", "12345678", "PASSWORD"])
def test_v6_2_4_common_passwords_are_refused(common: str) -> None:
    with pytest.raises(PasswordCommon):
        passwords.check(common, about=(), has_code=True)


@pytest.mark.parametrize(
    "guessed", ["passwordpassword", "qwertyuiopasdfghjkl", "password123456789", "a" * 20]
)
def test_v6_2_4_what_is_made_of_common_ones_is_refused(guessed: str) -> None:
    with pytest.raises(PasswordCommon):
        passwords.check(guessed, about=(), has_code=False)


@pytest.mark.parametrize(
    "named",
    ["xx-Audiatur-9173-kqz", "9173-GALINA-kqzvw", "Петрова-9173-kqzvw", "9173-сервис-kqzvw"],
)
def test_v6_1_2_words_of_the_place_and_the_person_are_refused(named: str) -> None:
    with pytest.raises(PasswordNamesYou):
        passwords.check(named, about=ABOUT, has_code=False)


@pytest.mark.parametrize(
    "taken",
    [
        "correct horse battery",
        "только строчные буквы",
        "🐎 und 15 Zeichen mehr",
        " \tkq7 zw4\t vm2  9p",
    ],
)
def test_v6_2_5_no_kind_of_character_is_asked_for_or_refused(taken: str) -> None:
    passwords.check(taken, about=ABOUT, has_code=False)


def test_v6_2_9_long_passwords_are_taken_whole() -> None:
    long = "kq7 " * 40
    assert not passwords.is_right(passwords.hashed(long), long[:-1])
    with pytest.raises(PasswordTooLong):
        passwords.check("k" * 1025, about=(), has_code=False)


@settings(max_examples=10, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_v6_2_8_a_password_is_compared_exactly_as_it_was_given(password: str) -> None:
    assert passwords.is_right(_KEPT, password) is (password == "  Exactly This one ")


_KEPT = passwords.hashed("  Exactly This one ")


def test_nobody_has_no_password() -> None:
    assert not passwords.is_right(None, "nobody")


def test_v11_4_2_a_password_is_kept_by_argon2id_with_19_mib_and_two_passes() -> None:
    assert passwords.hashed("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
