"""A link that asks for a passphrase tells nothing before it, and takes few tries."""

from __future__ import annotations

import re

import httpx
import psycopg
import pytest

from app.releases import passphrases
from tests.conftest import Urls
from tests.public.conftest import Opened
from tests.releases.world import World

SEND = {"Sec-Fetch-Site": "same-origin"}


def _asking(opened: Opened) -> tuple[World, str]:
    passphrase = passphrases.new()
    return opened(link={"passphrase_hash": passphrases.kept(passphrase)}), passphrase


def _open(browser: httpx.Client, world: World, passphrase: str | None) -> httpx.Response:
    fields = {} if passphrase is None else {"passphrase": passphrase}
    return browser.post(f"/s/{world.token.secret}/open", data=fields, headers=SEND)


def test_nothing_is_told_before_the_passphrase_and_all_after_it(
    browser: httpx.Client, opened: Opened
) -> None:
    world, passphrase = _asking(opened)
    plain = opened()
    name = re.escape(world.client.name)
    assert plain.client.name in browser.get(f"/s/{plain.token.secret}").text
    page = browser.get(f"/s/{world.token.secret}")
    assert page.status_code == 200
    assert "Для этой ссылки нужна кодовая фраза" in page.text
    assert not re.search(name, page.text)
    assert "audio" not in page.text
    refused = _open(browser, world, None)
    assert refused.status_code == 403
    assert "Кодовая фраза другая" in refused.text
    assert not refused.cookies
    wrong = _open(browser, world, passphrases.new())
    assert (wrong.status_code, bool(wrong.cookies)) == (403, False)
    right = _open(browser, world, passphrase.upper().replace("-", " "))
    assert right.status_code == 303
    heard = browser.get(right.headers["location"])
    assert re.search(name, heard.text)
    audio = re.search(r'src="(/s/[^"]+/audio/[^"]+)"', heard.text)
    assert audio is not None
    assert browser.get(audio[1]).status_code == 200
    assert re.search(name, browser.get(f"/s/{world.token.secret}").text)


def test_ten_tries_in_a_quarter_of_an_hour_are_all(
    browser: httpx.Client, opened: Opened, own_database: Urls
) -> None:
    world, passphrase = _asking(opened)
    for _ in range(10):
        assert _open(browser, world, "wrong").status_code == 403
    throttled = _open(browser, world, passphrase)
    assert throttled.status_code == 429
    assert "четверть часа" in throttled.text
    assert not throttled.cookies
    with psycopg.connect(own_database.owner, autocommit=True) as owner:
        owner.execute("UPDATE link_tries SET at = at - interval '16 minutes'")
    assert _open(browser, world, passphrase).status_code == 303


def test_an_ended_link_asks_for_nothing_and_counts_nothing(
    browser: httpx.Client, opened: Opened, own_database: Urls
) -> None:
    world, passphrase = _asking(opened)
    with psycopg.connect(own_database.owner, autocommit=True) as owner:
        owner.execute("UPDATE share_links SET revoked_at = now()")
    assert browser.get(f"/s/{world.token.secret}").status_code == 410
    assert _open(browser, world, passphrase).status_code == 410
    with psycopg.connect(own_database.owner, autocommit=True) as owner:
        assert owner.execute("SELECT count(*) FROM link_tries").fetchone() == (0,)


def test_a_form_that_is_no_passphrase_is_cut_off(browser: httpx.Client, opened: Opened) -> None:
    world, _ = _asking(opened)
    assert _open(browser, world, "x" * 5000).status_code in {413, 500, 503}


@pytest.mark.parametrize("given", ["", "x", "abcd-efgh-jkmm", "\x00"])
def test_another_passphrase_is_not_right(given: str) -> None:
    known = passphrases.kept("abcd-efgh-jkmn")
    assert not passphrases.is_right(given, known)
    assert passphrases.is_right(" ABCD efgh jkmn ", known)
    assert not passphrases.is_right("abcd-efgh-jkmn", "nonsense")
    assert re.fullmatch(r"([a-hjkmnp-z2-9]{4}-){2}[a-hjkmnp-z2-9]{4}", passphrases.new())
