"""Searches that are kept, what marks and files say, and one thing done with many recordings."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from app.clients.models import Client, Event
from app.custody.models import CustodyEntry
from app.disputes.models import Exhibit
from app.identity.permissions import Role
from app.recordings.models import LinkChange, Recording, SavedSearch, SearchPin, Selection
from app.retention.models import LegalHold, LegalHoldItem
from app.review import queries as review
from app.review.models import ReviewAsk
from app.review.rules import Queue
from app.web.edge import form_token
from tests.factories import DAY, set_erased, wav
from tests.web.conftest import Site
from tests.web.looking import LOOKS, Look, violations

WHY = "Один и тот же выезд"


def _send(
    site: Site, path: str, role: Role = Role.MANAGER, /, **fields: str | list[str]
) -> tuple[int, str]:
    form = {"token": form_token(site.cookies[role])} | fields
    answer = site.post(f"{path}?lang=en", role, form)  # type: ignore[arg-type]  # several values of a name.
    return answer.status_code, answer.headers.get("location", answer.text)


def _rows(site: Site, query: str, role: Role = Role.MANAGER) -> list[str]:
    page = site.get(f"/recordings?lang=en&{query}", role).text
    return re.findall(r'href="/recordings/([0-9a-f-]{36})"', page)


def _calls(site: Site, number: int, client: str) -> tuple[list[str], UUID]:
    """Make calls of one client who has a dispute; return their ids and the dispute's."""
    with site.house.making() as make:
        firm = make.client(name=client)
        made = [str(make.recording(client=firm, body=wav(1)).id) for _ in range(number)]
        external = firm.external_id
    body = {"client": external, "subject": f"Спор с {client}"}
    answer = site.house.call("manager", "POST", "/v1/disputes", json=body)
    assert answer.status_code == 201, answer.text
    return made, UUID(answer.json()["id"])


def _chosen(site: Site, ids: list[str], role: Role = Role.MANAGER) -> str:
    status, where = _send(site, "/recordings/chosen", role, recording=ids)
    assert status == 303, where
    return where


def _exhibits(site: Site, dispute: UUID) -> int:
    with site.house.database.transaction() as session:
        query = select(func.count()).where(Exhibit.dispute_id == dispute)
        return session.scalar(query) or 0


def test_a_recording_is_found_by_a_mark_and_by_the_name_of_its_file(site: Site) -> None:
    with site.house.making() as make:
        name = "Северянин_2026-11-20_горячая.wav"
        recording = make.recording(body=wav(8.0), duration_ms=8000, file_name=name)
    here = str(recording.id)
    mark = {"kind": "comment", "from_ms": 1, "note": "Обещали приехать в четверг"}
    path = f"/v1/recordings/{here}/marks"
    made = site.house.call("manager", "POST", path, json=mark).json()["id"]
    assert _rows(site, "q=четверг") == [here]
    assert _rows(site, "q=обещ+приех") == [here]
    assert _rows(site, "q=четверг+севевер") == []
    assert _rows(site, "q=северянин") == [here]
    assert _rows(site, "q=горяч+четверг") == [here]
    assert here not in _rows(site, "q=wav")
    assert site.house.call("manager", "POST", f"{path}/{made}/remove").status_code == 204
    assert _rows(site, "q=четверг") == []


def test_a_search_is_kept_by_a_name_and_counted_in_the_inbox(site: Site) -> None:
    with site.house.making() as make:
        client = make.client(name="ООО «Журавль»")
        for _ in range(3):
            make.recording(client=client)
    fields = {"name": "Журавли", "query": "q=журав&flag=&nonsense=1", "pinned": "yes"}
    status, where = _send(site, "/recordings/searches", **fields)
    assert (status, where) == (303, "/recordings?q=%D0%B6%D1%83%D1%80%D0%B0%D0%B2")
    page = site.get("/recordings?lang=en", Role.MANAGER).text
    assert f'href="{where}">Журавли</a>' in page
    inbox = site.get("/?lang=en", Role.MANAGER).text
    tile = inbox[inbox.index("Журавли") :]
    assert re.search(r'class="number">3<', tile[:200])
    assert "Журавли" not in site.get("/recordings?lang=en", Role.REVIEWER).text
    with site.house.database.transaction() as session:
        found = session.scalars(select(SavedSearch).where(SavedSearch.name == "Журавли")).one()
    change = f"/recordings/searches/{found.id}"
    assert _send(site, change, Role.REVIEWER, do="pin")[0] == 404
    assert _send(site, change, do="share")[0] == 303
    assert "Журавли" in site.get("/recordings?lang=en", Role.REVIEWER).text
    assert _send(site, change, Role.REVIEWER, do="pin")[0] == 303
    assert "Журавли" in site.get("/?lang=en", Role.REVIEWER).text
    for asked in ("share", "unshare", "remove"):
        assert _send(site, change, Role.REVIEWER, do=asked)[0] == 403
    assert _send(site, change, do="nonsense")[0] == 422
    assert _send(site, change, do="unshare")[0] == 303
    with site.house.database.transaction() as session:
        pins = session.scalars(select(SearchPin.user_id).where(SearchPin.search_id == found.id))
        assert list(pins) == [site.house.people["manager"].id]
    assert _send(site, "/recordings/searches", **(fields | {"query": "q=гусь"}))[0] == 303
    with site.house.database.transaction() as session:
        assert session.get_one(SavedSearch, found.id).query == "q=%D0%B3%D1%83%D1%81%D1%8C"
    assert _send(site, change, do="remove")[0] == 303
    assert "Журавли" not in site.get("/recordings?lang=en", Role.MANAGER).text


def test_a_search_without_a_name_is_not_kept(site: Site) -> None:
    for name in ("", " ", "x" * 81):
        assert _send(site, "/recordings/searches", name=name, query="q=x")[0] == 400


def test_what_is_confirmed_says_with_how_many_it_can_be_done_and_why_not_with_others(
    site: Site,
) -> None:
    calls, dispute = _calls(site, 3, "ООО «Ласточка»")
    strangers, _ = _calls(site, 2, "ООО «Стриж»")
    where = _chosen(site, [*calls, *strangers])
    asked = f"{where}?lang=en&act=exhibit&dispute={dispute}&note={WHY}"
    page = site.get(asked, Role.MANAGER).text
    assert "It can be done with 3 recordings." in page
    assert "2 cannot be: The recording is of another client" in page
    assert _exhibits(site, dispute) == 0, "Nothing is done before it is confirmed."
    fields = {"act": "exhibit", "dispute": str(dispute), "note": WHY}
    assert _send(site, where, **fields)[0] == 303
    assert _exhibits(site, dispute) == 3
    page = site.get(f"{where}?lang=en", Role.MANAGER).text
    assert "What was done" in page
    assert "3 recordings" in page
    again = site.get(asked, Role.MANAGER).text
    assert "It can be done with 0 recordings." in again
    assert "3 cannot be: It is there already" in again
    assert "Do it with" not in again
    for one in calls:
        assert "exhibit.added" in site.house.acts(one)


def test_all_that_is_found_is_frozen_when_it_is_chosen(site: Site) -> None:
    calls, _ = _calls(site, 2, "ООО «Пеликан»")
    page = site.get("/recordings?lang=en&q=пеликан", Role.MANAGER).text
    assert "Go on with all 2 found" in page
    status, where = _send(site, "/recordings/chosen", all="yes", query="q=пеликан")
    assert status == 303
    with site.house.making() as make:
        firm = make.session.scalars(select(Client).where(Client.name == "ООО «Пеликан»")).one()
        make.recording(client=firm)
    assert set(_listed(site, where)) == set(calls)
    table = site.get(f"{where}/export.csv", Role.MANAGER).text
    assert table.count("Пеликан") == 2


def _listed(site: Site, where: str) -> list[str]:
    page = site.get(f"{where}?lang=en", Role.MANAGER).text
    return re.findall(r'href="/recordings/([0-9a-f-]{36})"', page)


def test_many_are_tied_to_an_event_with_a_reason(site: Site) -> None:
    calls, _ = _calls(site, 2, "ООО «Дятел»")
    with site.house.making() as make:
        firm = make.session.scalars(select(Client).where(Client.name == "ООО «Дятел»")).one()
        event = make.event(firm, at=site.house.clock.now()).external_id
    where = _chosen(site, calls)
    page = site.get(f"{where}?lang=en&act=link&event={event}", Role.MANAGER).text
    assert "Say why, in a few words." in page
    assert "Do it with" not in page
    page = site.get(f"{where}?lang=en&act=link&event=nonsense&note={WHY}", Role.MANAGER).text
    assert "2 cannot be: There is no such event" in page
    assert _send(site, where, act="link", event=str(event), note=WHY)[0] == 303
    for one in calls:
        assert f'class="code">{event}<' in site.get(f"/recordings/{one}", Role.MANAGER).text


def test_a_hold_through_a_dispute_holds_all_but_what_is_gone(site: Site) -> None:
    calls, dispute = _calls(site, 3, "ООО «Аист»")
    set_erased(site.house.owner_url, calls[0])
    where = _chosen(site, calls, Role.LEGAL)
    fields = {"act": "hold", "dispute": str(dispute), "note": WHY}
    query = f"lang=en&act=hold&dispute={dispute}&note={WHY}"
    page = site.get(f"{where}?{query}", Role.LEGAL).text
    assert "It can be done with 2 recordings." in page
    assert "1 cannot be: One of those that it names is not there" in page
    assert _send(site, where, Role.LEGAL, **fields)[0] == 303
    with site.house.database.transaction() as session:
        hold = session.scalars(select(LegalHold).where(LegalHold.rule_dispute_id == dispute)).one()
        items = session.scalars(
            select(LegalHoldItem.recording_id).where(LegalHoldItem.hold_id == hold.id)
        )
        assert {str(one) for one in items} == set(calls[1:])


def test_who_may_not_do_it_cannot_do_it_with_many(site: Site) -> None:
    calls, dispute = _calls(site, 1, "ООО «Сова»")
    where = _chosen(site, calls)
    hold = {"act": "hold", "dispute": str(dispute), "note": WHY}
    assert _send(site, where, **hold)[0] == 403
    assert (
        site.get(f"{where}?act=hold&dispute={dispute}&note={WHY}", Role.MANAGER).status_code == 403
    )
    assert _send(site, where, act="nonsense")[0] == 409
    assert _send(site, where, Role.REVIEWER, **hold)[0] == 403
    theirs = _chosen(site, calls, Role.REVIEWER)
    exhibit = {"act": "exhibit", "dispute": str(dispute)}
    assert _send(site, theirs, Role.REVIEWER, **exhibit)[0] == 403
    nobody = "/recordings/chosen/00000000-0000-7000-8000-000000000000"
    assert site.get(nobody, Role.MANAGER).status_code == 404


def test_nothing_too_much_and_unseen_is_not_chosen(site: Site) -> None:
    assert _send(site, "/recordings/chosen")[0] == 400
    assert _send(site, "/recordings/chosen", recording=["nonsense"])[0] == 422
    with site.house.making() as make:
        other = str(make.recording(agent="777").id)
    assert _send(site, "/recordings/chosen", Role.AGENT, recording=[other])[0] == 400
    with site.house.database.transaction() as session:
        made = session.scalars(
            select(Selection).where(Selection.made_by == site.house.people["agent"].id)
        ).all()
        assert all(UUID(other) not in one.recording_ids for one in made)


def test_rows_are_chosen_and_worked_on_by_keyboard_alone(
    site: Site, open_page: Callable[[Role, Look], Page], axe: str
) -> None:
    _calls(site, 2, "ООО «Зимородок»")
    page = open_page(Role.MANAGER, LOOKS[0])
    page.goto("/recordings?q=зимородок")
    boxes = page.get_by_role("checkbox", name="ООО «Зимородок»")
    expect(boxes).to_have_count(2)
    boxes.first.focus()
    page.keyboard.press("Space")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(boxes.nth(1)).to_be_checked()
    page.get_by_role("button", name="Продолжить с выбранными").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Выбранные записи")
    page.get_by_label("Что они показывают").focus()
    page.keyboard.type(WHY)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Это возможно для 2 записей.")).to_be_visible()
    assert violations(page, axe) == []
    page.get_by_role("button", name="Выполнить для 2").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Что сделано")).to_be_visible()


def test_what_one_listens_for_is_asked_once_in_a_dispute(site: Site) -> None:
    (recording, other), dispute = _calls(site, 2, "ООО «Кедровка»")
    strange, _ = _calls(site, 1, "ООО «Чиж»")
    for one in (recording, other):
        site.house.propose(UUID(one))
    page = site.get(f"/recordings/{recording}?lang=en&dispute={dispute}", Role.REVIEWER).text
    assert "Asked once for this dispute" in page
    assert "<audio" not in page
    say = f"/recordings/{recording}/purpose"
    told = {"dispute": str(dispute), "purpose": "consent_review", "at": "4000"}
    status, where = _send(site, say, Role.REVIEWER, **told)
    assert (status, where) == (303, f"/recordings/{recording}?dispute={dispute}&at=4000")
    for one in (recording, other):
        page = site.get(f"/recordings/{one}?lang=en&dispute={dispute}", Role.REVIEWER).text
        assert "You listen for: review of consent" in page
        assert "audio?purpose=consent_review" in page
    assert "<audio" not in site.get(f"/recordings/{recording}", Role.REVIEWER).text
    exhibit = {"act": "exhibit", "dispute": str(dispute)}
    assert _send(site, _chosen(site, [recording]), **exhibit)[0] == 303
    assert "You listen for" in site.get(f"/recordings/{recording}?lang=en", Role.REVIEWER).text
    assert "You listen for" not in site.get(f"/recordings/{recording}?lang=en", Role.LEGAL).text
    path = f"/v1/recordings/{other}/audio?purpose=consent_review"
    for _ in range(2):
        assert site.house.call("reviewer", "GET", path).status_code == 200
    assert site.house.acts(other).count("media.played") >= 2
    changed = {"dispute": str(dispute), "purpose": "claim_defence"}
    assert _send(site, say, Role.REVIEWER, **changed)[0] == 303
    page = site.get(f"/recordings/{other}?lang=en&dispute={dispute}", Role.REVIEWER).text
    assert "You listen for: defence against a claim" in page
    refused = (
        (strange[0], told, 404),
        (recording, told | {"purpose": "publish"}, 422),
        (recording, told | {"dispute": "nonsense"}, 422),
        ("00000000-0000-7000-8000-000000000000", told, 404),
    )
    for one, fields, code in refused:
        assert _send(site, f"/recordings/{one}/purpose", Role.REVIEWER, **fields)[0] == code


def test_many_are_tied_to_a_client_each_for_itself_and_taken_back(site: Site) -> None:
    ids, _ = _calls(site, 2, "Северный склад")
    with site.house.making() as make:
        firm = make.client(name="Южный склад")
        already = str(make.recording(client=firm, body=wav(1)).id)
        make.event(firm, external_id="visit-south", at=make.clock.now() - DAY)
        external = firm.external_id
    where = _chosen(site, [*ids, already])
    asked = {"act": "client", "client": external, "note": WHY}
    assert (
        "Choose a client" in site.get(f"{where}?lang=en&act=client&note={WHY}", Role.MANAGER).text
    )
    shown = site.get(f"{where}?lang=en&act=client&client={external}&note={WHY}", Role.MANAGER).text
    assert "It can be done with 2 recordings." in shown
    assert "The recording is of this client already" in shown
    assert _clients_of(site, ids) == {"Северный склад"}
    assert _send(site, where, **asked)[0] == 303
    assert _clients_of(site, ids) == {"Южный склад"}
    page = site.get(f"{where}?lang=en", Role.MANAGER).text
    assert "2 recordings of 3" in page
    assert 'name="act" value="undo"' in page
    assert _send(site, where, act="review")[0] == 303
    assert 'name="act" value="undo"' in site.get(where, Role.MANAGER).text
    with site.house.database.transaction() as session:
        tied = session.scalars(select(LinkChange).where(LinkChange.recording_id.in_(ids))).all()
        assert [one.reason for one in tied if one.linked_by == "manual"] == [WHY, WHY]
        acts = session.scalars(
            select(CustodyEntry.act).where(
                CustodyEntry.object_id == UUID(ids[0]), CustodyEntry.act == "link.changed"
            )
        ).all()
    assert len(acts) == 1

    assert _send(site, where, act="undo")[0] == 303
    assert _clients_of(site, ids) == {"Северный склад"}
    page = site.get(f"{where}?lang=en", Role.MANAGER).text
    assert "Only who tied it last takes the tie back" in page
    assert 'name="act" value="undo"' not in page
    assert _send(site, where, act="client", client="nobody", note=WHY)[0] == 303
    assert "There is no such client" in site.get(f"{where}?lang=en", Role.MANAGER).text
    assert _clients_of(site, ids) == {"Северный склад"}
    reviewers = _chosen(site, ids, Role.REVIEWER)
    assert "Tie to a client" not in site.get(f"{reviewers}?lang=en", Role.REVIEWER).text
    assert _send(site, reviewers, Role.REVIEWER, **asked)[0] == 403


def test_a_review_of_many_is_asked_for_and_noted_once(site: Site) -> None:
    ids, _ = _calls(site, 2, "Спорный склад")
    where = _chosen(site, ids)
    asked = {"act": "review", "note": "Слышно ли предупреждение?"}
    waiting = {UUID(one) for one in ids}
    assert (
        "It can be done with 2 recordings."
        in site.get(f"{where}?lang=en&act=review", Role.MANAGER).text
    )
    assert _asked(site).isdisjoint(waiting)
    assert _send(site, where, **asked)[0] == 303
    assert _asked(site) >= waiting
    again = _chosen(site, ids)
    assert _send(site, again, **asked)[0] == 303
    told = site.get(f"{again}?lang=en", Role.MANAGER).text
    assert "A review of it was asked for already" in told
    assert "0 recordings of 2" in told
    items = site.house.call("reviewer", "GET", "/v1/review/asked?limit=100").json()["items"]
    (mine, *_) = [one for one in items if one["links"]["recording"].endswith(ids[0])]
    assert mine["why"][0]["subject"].endswith(f": {asked['note']}")
    path = f"/v1/review/asked/{mine['id']}/note"
    assert site.house.call("manager", "POST", path, json={"note": "x"}).status_code == 403
    noted = site.house.call("reviewer", "POST", path, json={"note": "Слышно."})
    assert noted.status_code == 204, noted.text
    assert site.house.call("reviewer", "POST", path, json={"note": "x"}).status_code == 404
    assert UUID(ids[0]) not in _asked(site)
    assert _send(site, again, **asked)[0] == 303
    assert "1 recording of 2" in site.get(f"{again}?lang=en", Role.MANAGER).text
    auditor = _chosen(site, ids, Role.AUDITOR)
    assert _send(site, auditor, Role.AUDITOR, **asked)[0] == 403
    set_erased(site.house.owner_url, ids[1])
    assert UUID(ids[1]) not in _asked(site)
    with site.house.database.transaction() as session:
        words = session.scalars(
            select(ReviewAsk.words).where(ReviewAsk.recording_id == UUID(ids[1]))
        ).all()
    assert words == [None]


def _clients_of(site: Site, ids: list[str]) -> set[str]:
    with site.house.database.transaction() as session:
        return set(
            session.scalars(
                select(Client.name)
                .join(Event, Event.client_id == Client.id)
                .join(Recording, Recording.event_id == Event.id)
                .where(Recording.id.in_(ids))
            )
        )


def _asked(site: Site) -> set[UUID]:
    with site.house.database.transaction() as session:
        who = site.house.people["reviewer"]
        found = review.waiting(who, Queue.ASKED, at=site.house.clock.now()).statement.subquery().c
        return set(
            session.scalars(
                select(ReviewAsk.recording_id).where(ReviewAsk.id.in_(select(found.id)))
            )
        )
