"""What others write into names and subjects comes to the recipient as text, and no further."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from app.core.clock import SetClock
from app.core.db import Database
from storage.sealed import SealedStore
from tests.factories import Make
from tests.releases.world import World

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "{{ 7 * 191 }}{% raw %}",
    "</title><base href=//evil.example>",
    "A\r\nSet-Cookie: view=1",
    "&lt;b&gt;",
)
Named = Callable[[str], World]


@pytest.fixture
def named(
    own_db: Database, clock: SetClock, store: SealedStore, release_store: SealedStore
) -> Named:
    """Give a function that opens a link to a call of a client of this name."""

    def commit(name: str) -> World:
        with own_db.transaction() as session:
            world = World.new(session, Make(session, clock, store), clock, release_store)
            world.client.name = name
            world.open()
        return world

    return commit


@pytest.mark.parametrize("name", HOSTILE)
def test_a_clients_name_is_text_on_the_page(browser: httpx.Client, named: Named, name: str) -> None:
    link = f"/s/{named(name).token.secret}"
    opened = browser.post(f"{link}/open")
    pages = [browser.get(link), browser.get(f"{link}/listen"), browser.get(f"{link}?lang=en")]
    escaped = name.translate({34: "&#34;", 38: "&amp;", 39: "&#39;", 60: "&lt;", 62: "&gt;"})
    for page in pages:
        assert page.status_code == 200
        assert escaped in page.text
        assert "set-cookie" not in page.headers
        assert "script-src" not in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"]
    assert opened.headers["set-cookie"].startswith("view-")


@pytest.mark.parametrize(
    "lang", ["%0D%0ASet-Cookie:%20a=b", "%3Cscript%3E", "..%2f..%2fru", "%00", "ru_RU.UTF-8"]
)
def test_the_language_that_is_asked_for_goes_nowhere(
    browser: httpx.Client, named: Named, lang: str
) -> None:
    link = f"/s/{named('ООО «Ромашка»').token.secret}"
    page = browser.get(f"{link}?lang={lang}")
    assert page.status_code == 200
    assert page.headers["content-language"] in {"ru", "en"}
    sent_on = browser.post(f"{link}/open?lang={lang}")
    assert sent_on.headers["location"] in {
        f"{link}/listen?lang={tag}&begin=yes" for tag in ("ru", "en")
    }
    assert set(sent_on.headers.get_list("set-cookie")) == {sent_on.headers["set-cookie"]}


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"Host": "evil.example"}, "/s/"),
        ({"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}, "/s/"),
        ({"Forwarded": "host=evil.example;proto=https"}, "/s/"),
    ],
)
def test_no_header_leads_the_listener_elsewhere(
    browser: httpx.Client, named: Named, headers: dict[str, str], address: str
) -> None:
    link = f"/s/{named('ООО «Ромашка»').token.secret}"
    answer = browser.post(f"{link}/open", headers=headers)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(address)
