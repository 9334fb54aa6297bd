"""The recipient's way: a page without a trace, a view by POST, sound while the link is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import text

from app.core.clock import SetClock
from app.core.db import Database
from app.public.main import PublicTools
from app.releases.tokens import ShareToken
from storage.sealed import SealedStore
from tests.conftest import Urls
from tests.public.conftest import Opened, served
from tests.releases.world import World


def test_a_page_is_shown_and_not_counted(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    answer = browser.get(f"/s/{world.token.secret}")
    assert answer.status_code == 200
    assert "ООО «Сервис» просит вас её прослушать." in answer.text
    assert "Прослушать" in answer.text
    assert "<audio" not in answer.text
    assert _views(own_db, world) == []


def test_a_view_is_counted_by_its_post_alone(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    source = _listen(browser, world)
    for part in ("bytes=0-99", "bytes=100-199", "bytes=0-"):
        assert browser.get(source, headers={"Range": part}).status_code == 206
    browser.get(f"/s/{world.token.secret}/listen")
    assert _views(own_db, world) == ["release.accessed"]


def test_the_sound_is_what_was_copied(browser: httpx.Client, opened: Opened) -> None:
    world = opened(body=bytes(range(256)) * 3000)
    source = _listen(browser, world)
    whole = browser.get(source)
    assert whole.status_code == 200
    assert whole.content == world.body
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["content-disposition"].startswith('inline; filename="call-20')
    assert whole.headers["content-length"] == str(len(world.body))


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-262150", 5, 262151),
        ("bytes=-10", 767990, 768000),
        ("bytes=767000-", 767000, 768000),
        ("bytes=767000-99999999", 767000, 768000),
    ],
)
def test_a_part_is_exactly_that_part(
    browser: httpx.Client, opened: Opened, asked: str, start: int, end: int
) -> None:
    world = opened(body=bytes(range(256)) * 3000)
    answer = browser.get(_listen(browser, world), headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == world.body[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/768000"


def test_a_part_after_the_end_is_refused(browser: httpx.Client, opened: Opened) -> None:
    world = opened()
    answer = browser.get(_listen(browser, world), headers={"Range": "bytes=9999999-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(world.body)}"


def test_head_tells_what_get_would(browser: httpx.Client, opened: Opened) -> None:
    world = opened()
    source = _listen(browser, world)
    for path in (f"/s/{world.token.secret}", source):
        head, got = browser.head(path), browser.get(path)
        assert head.content == b""
        assert head.status_code == got.status_code == 200
        assert dict(head.headers, date="") == dict(got.headers, date="")


def test_sound_is_given_to_a_counted_view_only(browser: httpx.Client, opened: Opened) -> None:
    world = opened()
    source = _listen(browser, world)
    browser.cookies.clear()
    assert browser.get(source).status_code == 410
    answer = browser.get(f"/s/{world.token.secret}/listen")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"/s/{world.token.secret}")


def test_the_view_of_one_link_opens_no_other(browser: httpx.Client, opened: Opened) -> None:
    one, other = opened(), opened()
    source = _listen(browser, one)
    secret = next(iter(browser.cookies.values()))
    browser.cookies.clear()
    browser.cookies.set(f"view-{other.token.digest().hex()[:16]}", secret)
    item = source.rpartition("/")[2]
    assert browser.get(f"/s/{other.token.secret}/audio/{item}").status_code == 410
    assert browser.get(f"/s/{other.token.secret}/listen").status_code == 303


def test_the_cookie_is_for_this_browser_and_link(
    public_database: Database, release_store: SealedStore, clock: SetClock, opened: Opened
) -> None:
    path = f"/s/{opened().token.secret}/open"
    tools = PublicTools(
        database=public_database, release=release_store, clock=clock, is_secure=True
    )
    with served(tools) as address:
        cookie = httpx.post(f"{address}{path}").headers["set-cookie"]
    assert cookie.startswith("__Host-view-")
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/;"):
        assert part in f"{cookie};"


def test_what_a_browser_says_of_the_scheme_is_not_believed(
    browser: httpx.Client, opened: Opened
) -> None:
    path = f"/s/{opened().token.secret}/open"
    cookie = browser.post(path, headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]
    assert cookie.startswith("view-")


def test_another_site_cannot_count_a_view(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = browser.post(f"/s/{world.token.secret}/open", headers=headers)
    assert answer.headers["location"].startswith(f"/s/{world.token.secret}?")
    assert _views(own_db, world) == []


def test_a_withdrawal_closes_at_once(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    source = _listen(browser, world)
    assert browser.get(source).status_code == 200
    _block(own_db, world)
    for answer in (
        browser.get(source),
        browser.get(source, headers={"Range": "bytes=0-9"}),
        browser.get(f"/s/{world.token.secret}"),
        browser.get(f"/s/{world.token.secret}/listen"),
        browser.post(f"/s/{world.token.secret}/open"),
    ):
        assert answer.status_code == 410
    assert _views(own_db, world) == ["release.accessed", "access.denied"]


def test_revoking_between_two_parts_closes_at_once(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    source = _listen(browser, world)
    first = browser.get(source, headers={"Range": "bytes=0-99"})
    assert (first.status_code, first.content) == (206, world.body[:100])
    with own_db.transaction() as session:
        session.execute(
            text("UPDATE releases SET state = 'revoked', revoked_at = now(), end_reason = 'person'")
        )
    further = browser.get(source, headers={"Range": "bytes=100-199"})
    assert further.status_code == 410
    assert world.body[100:200] not in further.content
    assert browser.get(source).status_code == 410


def test_a_link_ends_with_its_time(browser: httpx.Client, opened: Opened) -> None:
    world = opened(link={"expires_at": "2020-01-01T00:00:00Z"})
    assert browser.get(f"/s/{world.token.secret}").status_code == 410
    assert browser.post(f"/s/{world.token.secret}/open").status_code == 410


def test_a_view_ends_after_half_a_day(
    browser: httpx.Client, opened: Opened, own_database: Urls
) -> None:
    source = _listen(browser, opened())
    owner = Database(own_database.owner, role=None)
    with owner.transaction() as session:
        session.execute(text("ALTER TABLE share_views DISABLE TRIGGER USER"))
        session.execute(text("UPDATE share_views SET at = at - interval '13 hours'"))
    owner.close()
    assert browser.get(source).status_code == 410


def test_a_limit_of_views_holds(browser: httpx.Client, opened: Opened, own_db: Database) -> None:
    world = opened(link={"view_limit": 2})
    codes = [browser.post(f"/s/{world.token.secret}/open").status_code for _ in range(3)]
    assert codes == [303, 303, 410]
    assert _views(own_db, world) == ["release.accessed"] * 2 + ["access.denied"]


def test_attempts_at_an_ended_link_do_not_fill_the_ledger(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    _block(own_db, world)
    for _ in range(5):
        browser.post(f"/s/{world.token.secret}/open")
    assert _views(own_db, world) == ["access.denied"]


def test_ended_and_unknown_links_look_the_same(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    _block(own_db, world)
    answers = [
        browser.get(f"/s/{name}") for name in (world.token.secret, ShareToken.new().secret, "no")
    ]
    assert {a.status_code for a in answers} == {410}
    assert len({a.text for a in answers}) == 1
    assert len({str([h for h in a.headers.items() if h[0] != "date"]) for a in answers}) == 1
    assert "Эта ссылка больше не действует" in answers[0].text
    assert "ООО" not in answers[0].text


def test_where_consent_gives_no_answer_nothing_is_shown(
    browser: httpx.Client, opened: Opened, own_database: Urls
) -> None:
    world = opened()
    source = _listen(browser, world)
    owner = Database(own_database.owner, role=None)
    with owner.transaction() as session:
        session.execute(text("ALTER FUNCTION consent_blocked(uuid, text) RENAME TO gone"))
    owner.close()
    for path in (source, f"/s/{world.token.secret}"):
        answer = browser.get(path)
        assert answer.status_code == 503
        assert world.body[:64] not in answer.content
        assert "ООО" not in answer.text


def test_every_answer_is_guarded(browser: httpx.Client, opened: Opened) -> None:
    world = opened()
    source = _listen(browser, world)
    for path in (f"/s/{world.token.secret}", source, "/s/no", "/healthz", "/nothing"):
        headers = browser.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-robots-tag"] == "noindex, nofollow"
        assert headers["x-content-type-options"] == "nosniff"
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]


def test_the_language_is_the_readers(browser: httpx.Client, opened: Opened) -> None:
    path = f"/s/{opened().token.secret}"
    english = browser.get(path, headers={"Accept-Language": "en-GB,en;q=0.9,ru;q=0.2"})
    assert "asks you to listen to it." in english.text
    assert '<html lang="en">' in english.text
    assert "просит" in browser.get(path, headers={"Accept-Language": "fr"}).text
    assert "asks you" in browser.get(f"{path}?lang=en").text


def test_readiness_tells_which_part_is_down(
    browser: httpx.Client, release_store: SealedStore, clock: SetClock
) -> None:
    assert browser.get("/readyz").text == "ok\n"
    away = Database("postgresql://nobody@127.0.0.1:1/none", role="audiatur_public")
    with served(PublicTools(database=away, release=release_store, clock=clock)) as address:
        answer = httpx.get(f"{address}/readyz")
        assert (answer.status_code, answer.text) == (503, "down: database\n")
        assert httpx.get(f"{address}/healthz").status_code == 200
        page = httpx.get(f"{address}/s/{ShareToken.new().secret}")
        assert page.status_code == 503
        assert page.headers["retry-after"] == "30"
    away.close()


def test_the_token_is_nowhere_in_the_clear(
    browser: httpx.Client, opened: Opened, own_database: Urls
) -> None:
    world = opened()
    _listen(browser, world)
    view = next(iter(browser.cookies.values()))
    owner = Database(own_database.owner, role=None)
    with owner.transaction() as session:
        tables = session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).all()
        assert "share_links" in tables
        for table in tables:
            dump = "\n".join(session.scalars(text(f'SELECT t::text FROM "{table}" t')))  # noqa: S608 - names from the catalogue.
            for secret in (world.token.secret, view):
                assert secret not in dump
                assert secret.encode().hex() not in dump
    owner.close()


def _listen(browser: httpx.Client, world: World) -> str:
    """Press the button and return the address of the sound."""
    answer = browser.post(f"/s/{world.token.secret}/open")
    assert answer.status_code == 303
    page = browser.get(answer.headers["location"])
    assert page.status_code == 200
    return page.text.partition('src="')[2].partition('"')[0]


def _block(database: Database, world: World) -> None:
    with database.transaction() as session:
        session.execute(
            text("UPDATE recordings SET restricted_at = now() WHERE id = :id"),
            {"id": world.recording.id},
        )


def _views(database: Database, world: World) -> list[str]:
    with database.transaction() as session:
        entries = session.scalars(
            text(
                "SELECT act FROM custody_entries WHERE actor_kind = 'link' AND object_id = :id "
                "ORDER BY position"
            ),
            {"id": world.release_id},
        ).all()
        views = session.scalars(text("SELECT count(*) FROM share_views")).one()
    assert views == list(entries).count("release.accessed")
    return list(entries)


def test_the_page_says_when_the_link_ends(browser: httpx.Client, opened: Opened) -> None:
    world = opened(link={"expires_at": _in(days=3)})
    text_of_page = browser.get(f"/s/{world.token.secret}").text
    assert "ещё 2 дня" in text_of_page or "ещё 3 дня" in text_of_page


def _in(*, days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()
