"""A director says that he has heard it, and answers: once, as who opened the link, and for good."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy import exc, select, text

from app.core.clock import SetClock
from app.core.db import Database
from app.custody.models import CustodyEntry
from app.disputes.models import DisputeStatement
from app.releases import answers
from app.releases.models import LinkAnswer
from tests.conftest import Urls
from tests.public.conftest import Opened
from tests.releases.world import World

SEND = {"Sec-Fetch-Site": "same-origin"}
ANSWER = {"kind": "took_measures", "words": "Коммутатор заменили.", "name": "П. Директор"}


@dataclass(frozen=True, kw_only=True)
class Worker:
    database: Database
    clock: SetClock


def listen(browser: httpx.Client, world: World) -> str:
    """Open the link, and return the token that its forms carry."""
    answer = browser.post(f"/s/{world.token.secret}/open", headers=SEND)
    page = browser.get(answer.headers["location"])
    found = re.search(r'name="form" value="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]


def say(browser: httpx.Client, world: World, **fields: str) -> httpx.Response:
    return browser.post(f"/s/{world.token.secret}/answer", data=fields, headers=SEND)


def said(database: Database) -> list[LinkAnswer]:
    with database.transaction() as session:
        found = list(session.scalars(select(LinkAnswer).order_by(LinkAnswer.at)))
        session.expunge_all()
        return found


def test_what_is_said_is_kept_shown_and_told(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    form = listen(browser, world)
    assert say(browser, world, form=form, kind="heard").status_code == 303
    answer = say(browser, world, form=form, **ANSWER)
    assert answer.status_code == 303
    page = browser.get(answer.headers["location"].partition("#")[0]).text
    assert "Вы подтвердили прослушивание" in page
    assert "Меры приняты" in page
    assert ANSWER["words"] in page
    assert "<textarea" not in page
    assert "П. Директор" in browser.get(f"/s/{world.token.secret}").text
    assert [(one.kind, one.name) for one in said(own_db)] == [
        ("heard", None),
        ("took_measures", "П. Директор"),
    ]
    with own_db.transaction() as session:
        told = session.scalars(
            select(CustodyEntry).where(CustodyEntry.act == "release.answered")
        ).all()
        assert [one.facts["kind"] for one in told] == ["heard", "took_measures"]
        assert {one.actor_kind for one in told} == {"link"}
        assert ANSWER["words"] not in str([one.facts for one in told])


def test_an_answer_is_given_once(browser: httpx.Client, opened: Opened, own_db: Database) -> None:
    world = opened()
    form = listen(browser, world)
    say(browser, world, form=form, **ANSWER)
    say(browser, world, form=form, **ANSWER | {"kind": "disputes"})
    assert [one.kind for one in said(own_db)] == ["took_measures"]


def test_who_has_not_opened_it_or_has_another_form_says_nothing(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    form = listen(browser, world)
    for fields in ({}, {"form": "0" * 64}, {"form": "ё"}):
        assert say(browser, world, **fields, **ANSWER).status_code == 303
    foreign = browser.post(
        f"/s/{world.token.secret}/answer",
        data={"form": form, **ANSWER},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert foreign.status_code == 303
    browser.cookies.clear()
    assert say(browser, world, form=form, **ANSWER).status_code == 303
    assert said(own_db) == []


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"kind": "x"}, "один из трёх"),
        ({"words": " "}, "несколько слов"),
        ({"name": ""}, "несколько слов"),
        ({"name": "я" * 201}, "слишком длинные"),
    ],
)
def test_what_is_missing_is_said_and_what_was_written_stays(
    browser: httpx.Client, opened: Opened, own_db: Database, change: dict[str, str], shown: str
) -> None:
    world = opened()
    form = listen(browser, world)
    fields = ANSWER | {"words": "Слова <остаются>"} | change
    answer = say(browser, world, form=form, **fields)
    assert answer.status_code == 400
    assert shown in answer.text
    if "words" not in change:
        assert "Слова &lt;остаются&gt;" in answer.text
    assert said(own_db) == []


def test_who_says_that_he_has_heard_it_keeps_what_he_had_begun_to_write(
    browser: httpx.Client, opened: Opened, own_db: Database
) -> None:
    world = opened()
    form = listen(browser, world)
    answer = say(browser, world, form=form, also="heard", **(ANSWER | {"name": ""}))
    assert answer.status_code == 200
    assert "Вы подтвердили прослушивание" in answer.text
    assert f">{ANSWER['words']}</textarea>" in answer.text
    assert f'value="{ANSWER["kind"]}" required checked' in answer.text
    assert [one.kind for one in said(own_db)] == ["heard"]
    assert say(browser, world, form=form, also="heard").status_code == 303


def test_of_an_ended_link_nothing_is_taken_and_nothing_told(
    browser: httpx.Client, opened: Opened, own_db: Database, own_database: Urls
) -> None:
    world = opened()
    form = listen(browser, world)
    say(browser, world, form=form, kind="heard")
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("UPDATE share_links SET revoked_at = now()")
    answer = say(browser, world, form=form, **ANSWER)
    assert answer.status_code == 410
    assert answer.text == browser.get(f"/s/{'x' * 43}").text
    assert [one.kind for one in said(own_db)] == ["heard"]


def test_it_stands_in_the_dispute_once_as_come_by_the_link(
    browser: httpx.Client, opened: Opened, own_db: Database, clock: SetClock
) -> None:
    world = opened(with_dispute=True)
    say(browser, world, form=listen(browser, world), **ANSWER)
    with own_db.transaction() as session:
        (answer_id,) = session.scalars(
            text(
                "SELECT args ->> 'answer_id' FROM procrastinate_jobs "
                "WHERE task_name = 'releases.note_answer'"
            )
        ).all()
    for _ in range(2):
        answers.handle_note_answer(Worker(database=own_db, clock=clock), str(answer_id))
    with own_db.transaction() as session:
        (row,) = session.scalars(select(DisputeStatement)).all()
        assert (row.kind, row.value, row.words) == ("answer", "took_measures", ANSWER["words"])
        assert (row.said_by, row.channel, row.noted_by) == ("П. Директор", "portal", None)
        assert (row.release_id, row.answer_id) == (world.release_id, UUID(answer_id))
        assert row.contact_id == world.contact.id
        entry = session.scalars(
            select(CustodyEntry).where(CustodyEntry.act == "dispute.stated")
        ).one()
        assert (entry.actor_kind, entry.facts["release_id"]) == ("system", str(world.release_id))


def test_an_answer_of_no_dispute_or_a_closed_one_stays_by_the_link(
    browser: httpx.Client, opened: Opened, own_db: Database, clock: SetClock, own_database: Urls
) -> None:
    for with_dispute in (False, True):
        world = opened(with_dispute=with_dispute)
        browser.cookies.clear()
        say(browser, world, form=listen(browser, world), **ANSWER)
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("UPDATE disputes SET state = 'closed', closed_at = now()")
    for one in said(own_db):
        answers.handle_note_answer(Worker(database=own_db, clock=clock), str(one.id))
    with own_db.transaction() as session:
        assert session.scalars(select(DisputeStatement)).all() == []


def test_the_database_keeps_answers_and_takes_none_of_a_stranger(
    browser: httpx.Client, opened: Opened, own_database: Urls, public_database: Database
) -> None:
    world = opened()
    say(browser, world, form=listen(browser, world), **ANSWER)
    for statement in (
        "UPDATE link_answers SET words = 'x'",
        "DELETE FROM link_answers",
        "TRUNCATE link_answers",
    ):
        with psycopg.connect(own_database.owner) as owner, pytest.raises(psycopg.Error):
            owner.execute(statement)
    with public_database.transaction() as session:
        taken = session.scalars(
            text("SELECT link_answer(:token, sha256('x'), '{\"kind\": \"heard\"}')"),
            {"token": world.token.digest()},
        ).one()
        assert taken is None
    with (
        pytest.raises(exc.DBAPIError, match="permission denied"),
        public_database.transaction() as session,
    ):
        session.execute(text("SELECT * FROM link_answers"))
