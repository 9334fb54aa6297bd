"""The list of recordings and the page of one: finding, hearing, marking, adding to a dispute."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.consent import review
from app.consent.models import Verdict
from app.consent.purposes import Kind, Purpose
from app.consent.review import Proposal
from app.core.ids import new_id
from app.disputes.models import Dispute, Exhibit
from app.identity.permissions import Role
from app.inspection.joining import join
from app.playback.models import Mark
from app.recordings.models import Leg, LegKind
from app.review import service as reviewing
from app.review.models import ReviewAsk
from app.review.rules import Queue
from app.web import places
from app.web.edge import form_token
from app.web.pages.recordings import harmless
from app.web.places import PlaceInvalid
from tests.factories import wav
from tests.review.browser import picture
from tests.review.house import ACKNOWLEDGED, AGREED
from tests.web.conftest import Site
from tests.web.looking import LOOKS, Look, heard_wrong, violations

HEAR = "purpose=internal_quality"


def _rows(site: Site, query: str, role: Role = Role.MANAGER) -> list[str]:
    page = site.get(f"/recordings?lang=en&{query}", role).text
    return re.findall(r'href="/recordings/([0-9a-f-]{36})"', page)


def _send(site: Site, path: str, role: Role = Role.MANAGER, /, **fields: str) -> tuple[int, str]:
    form = {"token": form_token(site.cookies[role]), "purpose": "internal_quality"} | fields
    answer = site.post(f"{path}?lang=en", role, form)
    return answer.status_code, answer.headers.get("location", answer.text)


@pytest.mark.parametrize(
    ("query", "times"),
    [
        ("", 1),
        ("q=вект", 1),
        ("q=Вектор+сеть", 1),
        ("q=ектор", 0),
        ("q=8+(495)+123-45-67", 1),
        ("q=8+495+123-45-68", 0),
        ("q=%27%3A*+%26+%21%7C", 1),
        ("agent=101&direction=inbound", 1),
        ("direction=outbound", 0),
        ("flag=refused", 0),
        ("from=2026-11-20&to=2026-11-20", 1),
        ("from=2026-11-21", 0),
        ("longest=1", 1),
        ("shortest=1", 0),
        ("state=open", 1),
        ("state=waiting", 0),
        ("from=nonsense&flag=nonsense&client=nonsense", 1),
    ],
)
def test_recordings_are_found_by_what_is_known_of_them(site: Site, query: str, times: int) -> None:
    assert _rows(site, query).count(site.parameters["recording_id"]) == times


def test_an_agent_finds_his_own_alone(site: Site) -> None:
    with site.house.making() as make:
        other = str(make.recording(agent="777").id)
    assert other in _rows(site, "")
    assert other not in _rows(site, "", Role.AGENT)
    assert site.get(f"/recordings/{other}", Role.AGENT).status_code == 404


def test_a_table_that_is_taken_away_runs_nothing(site: Site) -> None:
    with site.house.making() as make:
        client = make.client(name="=HYPERLINK(1)")
        make.recording(client=client)
    answer = site.get("/recordings/export.csv?lang=en&q=hyperlink", Role.MANAGER)
    assert "attachment" in answer.headers["content-disposition"]
    head, row = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert head[2] == "Client"
    assert row[2] == "'=HYPERLINK(1)"
    for cell in ("=1", "+1", "-1", "@x", "\t=1", "\r=1"):
        assert harmless(cell) == f"'{cell}"
    assert harmless("a=1") == "a=1"


def test_what_may_not_be_heard_is_explained_and_not_played(site: Site) -> None:
    with site.house.making() as make:
        heard = make.recording(body=wav(8.0), duration_ms=8000).id
    recording = str(heard)
    site.house.propose(heard, Kind.REFUSAL, evidence={"quote": "Не надо"})
    page = site.get(f"/recordings/{recording}?lang=en&{HEAR}", Role.MANAGER)
    assert page.status_code == 200
    assert "<audio" not in page.text
    assert "What would make it possible" in page.text
    assert "denied" in page.text
    assert '<a href="/help/reasons/' in page.text
    assert site.get(f"/recordings/{recording}", Role.MANAGER).text.count("<audio") == 0


def test_an_auditor_reads_and_does_not_listen(site: Site) -> None:
    path = f"/recordings/{site.parameters['recording_id']}?lang=en&{HEAR}"
    page = site.get(path, Role.AUDITOR).text
    assert "<audio" not in page
    assert "does not listen" in page
    assert "What the ledger tells" in page
    assert "What the ledger tells" not in site.get(path, Role.MANAGER).text


def test_a_mark_is_made_and_taken_away_by_who_made_it(site: Site) -> None:
    here = f"/recordings/{site.parameters['recording_id']}"
    fields = {"kind": "key_moment", "from": "0:03.5", "to": "", "note": "Назван срок"}
    status, where = _send(site, f"{here}/marks", **fields)
    assert (status, where) == (303, f"{here}?{HEAR}")
    assert "Назван срок" in site.get(here, Role.REVIEWER).text
    with site.house.database.transaction() as session:
        mark = session.scalars(select(Mark).where(Mark.note == "Назван срок")).one()
    assert (mark.from_ms, mark.to_ms) == (3500, None)
    assert _send(site, f"{here}/marks/{mark.id}/remove", Role.REVIEWER)[0] == 403
    assert _send(site, f"{here}/marks/{mark.id}/remove")[0] == 303
    assert "Назван срок" not in site.get(here, Role.REVIEWER).text
    assert {"mark.added", "mark.removed"} <= set(site.house.acts(site.parameters["recording_id"]))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"from": "x"}, "written as 1:02.5"),
        ({"from": "0:05", "to": "0:04"}, "written as 1:02.5"),
        ({"from": "9:00"}, "after the end"),
        ({"from": "0:01", "kind": "comment"}, "needs words"),
    ],
)
def test_a_mark_that_cannot_be_says_why(site: Site, fields: dict[str, str], why: str) -> None:
    here = f"/recordings/{site.parameters['recording_id']}/marks"
    status, page = _send(site, here, **({"kind": "praise", "to": "", "note": ""} | fields))
    assert status == 422
    assert why in page


def test_a_part_goes_to_a_dispute_without_what_must_not_be_heard(site: Site) -> None:
    here = f"/recordings/{site.parameters['recording_id']}"
    with site.house.database.transaction() as session:
        dispute = session.scalars(
            select(Dispute).where(Dispute.subject == "После выезда не работает сеть")
        ).one()
    fields = {
        "dispute": str(dispute.id),
        "from": "0:01",
        "to": "0:06",
        "note": "Клиент говорит о кабеле",
        "silence_from": "0:02",
        "silence_to": "0:03,5",
        "silence_why": "personal_data",
    }
    assert _send(site, f"{here}/exhibits", **fields)[0] == 303
    with site.house.database.transaction() as session:
        made = session.scalars(select(Exhibit).where(Exhibit.dispute_id == dispute.id)).one()
    assert (made.from_ms, made.to_ms) == (1000, 6000)
    assert [(one["from_ms"], one["to_ms"]) for one in made.redactions] == [(2000, 3500)]
    status, page = _send(site, f"{here}/exhibits", **(fields | {"silence_to": "0:07"}))
    assert status == 422
    assert "A redaction begins before or ends after" in page
    for typed in ("0:01", "0:06", "Клиент говорит о кабеле", "0:02", "0:07"):
        assert f'value="{typed}"' in page, typed
    assert '<option value="personal_data" selected>' in page


def test_the_api_of_marks_refuses_as_the_page_does(site: Site) -> None:
    here = f"/v1/recordings/{site.parameters['recording_id']}/marks"
    listed = site.house.call("auditor", "GET", here).json()["items"]
    assert site.parameters["mark_id"] in {one["id"] for one in listed}
    mark = {"kind": "comment", "from_ms": 1}
    assert site.house.call("auditor", "POST", here, json=mark).status_code == 403
    assert site.house.call("manager", "POST", here, json=mark).status_code == 400
    beyond = {"kind": "praise", "from_ms": 9000}
    assert site.house.call("manager", "POST", here, json=beyond).status_code == 409
    backwards = {"kind": "praise", "from_ms": 5, "to_ms": 4}
    assert site.house.call("manager", "POST", here, json=backwards).status_code == 422
    own = f"{here}/{site.parameters['mark_id']}/remove"
    assert site.house.call("reviewer", "POST", own).status_code == 403
    nobody = f"{here}/00000000-0000-7000-8000-000000000000/remove"
    assert site.house.call("reviewer", "POST", nobody).status_code == 404


@pytest.mark.parametrize(
    ("written", "ms"),
    [("0", 0), ("62,5", 62_500), ("1:02.5", 62_500), ("1:00:01", 3_601_000), ("0:00.05", 50)],
)
def test_a_place_is_read_as_people_write_it(written: str, ms: int) -> None:
    assert places.read(written) == ms
    assert places.read(places.write(ms)) == ms


@pytest.mark.parametrize("written", ["", "x", "-1", "1:2:3:4", "1e3", "٣"])
def test_what_is_no_place_is_refused(written: str) -> None:
    with pytest.raises(PlaceInvalid):
        places.read(written)


def test_the_sound_is_heard_and_a_clip_made_by_keys(
    site: Site, open_page: Callable[[Role, Look], Page], axe: str
) -> None:
    page = open_page(Role.REVIEWER, LOOKS[0])
    faults = heard_wrong(page)
    page.goto(f"/recordings/{site.parameters['recording_id']}?lang=ru&purpose=consent_review")
    expect(page.locator("#player")).to_have_attribute("data-ready", "yes")
    expect(page.locator("#player")).to_have_attribute("data-drawn", "yes")
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('#audio').currentTime >= 5")
    page.keyboard.press("o")
    page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_function("() => Math.abs(document.querySelector('#audio').currentTime - 4) < 0.1")
    page.keyboard.press("i")
    assert page.locator("#in").input_value().startswith("0:04")
    assert page.locator("#out").input_value().startswith("0:05")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('#audio').currentTime > 4.2")
    page.keyboard.press("Space")
    page.locator("#toggle").click()
    page.locator("#toggle").click()
    page.keyboard.press("i")  # The button that was clicked has the focus, and keeps Space alone.
    page.wait_for_function("() => Number(document.querySelector('#in').value.slice(2)) > 4.1")
    page.keyboard.press("m")
    expect(page.locator("#mark-note")).to_be_focused()
    assert page.locator("#mark-from").input_value().startswith("0:04")
    page.keyboard.press("i")
    assert page.locator("#mark-note").input_value() == "i"
    assert faults == []
    assert violations(page, axe) == []


def _two_directions(site: Site) -> str:
    """Make a call with a file for each direction, as a softphone writes it; return its id."""
    with site.house.making() as make:
        recording = make.recording(
            client=make.client(), body=wav(8.0), duration_ms=8000, leg=LegKind.SENT
        )
        make.leg(recording, wav(6.0), 6000, kind=LegKind.RECEIVED)
    picture(site.house, str(recording.id))
    return str(recording.id)


def test_both_directions_play_in_step_with_a_lane_for_each_party(
    site: Site, open_page: Callable[[Role, Look], Page], axe: str
) -> None:
    recording = _two_directions(site)
    site.house.propose(UUID(recording))
    page_path = f"/recordings/{recording}?lang=en&purpose=consent_review"
    waiting = site.get(page_path, Role.REVIEWER).text
    assert "is being put together" in waiting
    assert "leg=both" not in waiting
    join(site.house.tools, recording)
    page = open_page(Role.REVIEWER, LOOKS[0])
    faults = heard_wrong(page)
    page.goto(page_path)
    expect(page.locator("#player")).to_have_attribute("data-drawn", "yes")
    assert page.locator("#lanes .lane.heard").count() == 2
    assert page.locator("#lanes .lane").count() == 2
    heads = page.locator("#lanes .lane p").all_inner_texts()
    assert ["our agent" in heads[0], "the client" in heads[1]] == [True, True]
    assert "evidence waits for review" in heads[1]
    page.wait_for_function("() => document.querySelector('#audio').duration > 7.9")
    assert faults == []
    assert violations(page, axe) == []


def test_each_party_tells_how_it_stands_and_who_saw_to_it(site: Site) -> None:
    path = f"/recordings/{site.parameters['recording_id']}?lang=en"
    page = site.get(path, Role.AUDITOR).text
    told = page[page.index("Who was told") : page.index("Marks and comments")]
    client = told.split("the client", 1)[1]
    assert "was told" in client
    assert ">C<" in client
    assert "Notice said aloud, 0:02–0:05" in client
    assert "verified by reviewer on" in client
    assert "What leaves the house may need his consent too" in client


def test_what_was_only_proposed_says_that_it_waits_and_counts_for_nothing(site: Site) -> None:
    recording = site.house.recording()
    site.house.propose(recording.id)
    page = site.get(f"/recordings/{recording.id}?lang=en", Role.MANAGER).text
    assert ">F<" in page
    told = page[page.index("Who was told") : page.index("Marks and comments")]
    assert "proposed by manager on" in told
    assert "waits for a second person" in told
    assert "A second person must look" in told
    site.house.propose(recording.id, Kind.REFUSAL, evidence={"quote": "Не надо"})
    page = site.get(f"/recordings/{recording.id}?lang=en", Role.MANAGER).text
    assert "refusal reported" in page
    assert "already holds" in page


def _agreed_late(site: Site) -> str:
    """Return a recording of which only what lies after its fourth second may be heard."""
    house, at = site.house, site.house.clock.now()
    recording = house.recording()
    picture(house, str(recording.id))
    agreed = Proposal(
        kind=Kind.VERBAL_CONSENT,
        evidence=AGREED,
        party="cli",
        from_ms=4000,
        purposes=(Purpose.INTERNAL_QUALITY,),
        recipients=("own_staff_manager",),
    )
    told = Proposal(kind=Kind.EMPLOYEE_ACK, evidence=ACKNOWLEDGED, party="own", wide=True)
    with house.making() as make:
        for one in (told, agreed):
            row = review.propose(make.session, house.people["manager"], recording.id, one, at=at)
            reviewer = house.people["reviewer"]
            review.decide(make.session, reviewer, row.id, Verdict.VERIFY, reason=None, at=at)
        leg = make.session.scalars(select(Leg).where(Leg.recording_id == recording.id)).one()
        spans = ((500, 3000), (4200, 4600), (7000, 7900))
        make.talked(leg, spans, duration_ms=8000)
    return str(recording.id)


def test_of_a_part_the_lanes_show_it_alone_and_silence_in_it_is_skipped(
    site: Site, open_page: Callable[[Role, Look], Page], axe: str
) -> None:
    recording = _agreed_late(site)
    page = open_page(Role.MANAGER, LOOKS[0])
    faults = heard_wrong(page)
    page.goto(f"/recordings/{recording}?lang=en&{HEAR}")
    expect(page.locator("#player")).to_have_attribute("data-drawn", "yes")
    assert "Only a part may be heard: 0:04" in page.locator(".part").inner_text()
    drawn = page.locator("#lanes .band i").evaluate_all(
        "all => all.map(one => Math.round(parseFloat(one.style.left) * 80))"
    )
    assert drawn == [4200, 7000]
    page.locator("#skip").check()
    page.locator("#letters").evaluate("one => { one.closest('details').open = true; }")
    page.locator("#audio").evaluate("one => { one.currentTime = 1; return one.play(); }")
    page.wait_for_function("() => document.querySelector('#audio').currentTime > 2.5")
    assert "is skipped" in page.locator("#told").inner_text()
    assert faults == []
    assert violations(page, axe) == []


def test_a_review_is_asked_for_on_the_page_of_a_recording_and_its_answer_stands_there(
    site: Site,
) -> None:
    recording = site.house.recording()
    path = f"/recordings/{recording.id}"
    form = f'action="{path}/review"'
    assert form in site.get(f"{path}?lang=en", Role.MANAGER).text
    assert form not in site.get(f"{path}?lang=en", Role.AUDITOR).text
    assert _send(site, f"{path}/review", Role.AUDITOR)[0] == 403
    assert _send(site, f"/recordings/{new_id()}/review")[0] == 404
    assert _send(site, f"{path}/review", words="Кто это сказал?")[0] == 303
    waiting = site.get(f"{path}?lang=en", Role.MANAGER).text
    assert "Asked: Кто это сказал?" in waiting
    assert "waits for the reviewers" in waiting
    assert form not in waiting
    again, told = _send(site, f"{path}/review")
    assert again == 409
    assert "A review of it was asked for already" in told
    with site.house.database.transaction() as session:
        ask = session.scalars(select(ReviewAsk).where(ReviewAsk.recording_id == recording.id)).one()
        reviewing.take_note(
            session,
            site.house.people["reviewer"],
            Queue.ASKED,
            item_id=ask.id,
            note="Сам клиент.",
            at=site.house.clock.now(),
        )
    answered = site.get(f"{path}?lang=en", Role.MANAGER).text
    assert "Reviewed: Сам клиент." in answered
    assert form in answered


def test_a_recording_leads_to_its_client_and_its_event(site: Site) -> None:
    path = f"/recordings/{site.parameters['recording_id']}"
    page = site.get(f"{path}?lang=en", Role.MANAGER).text
    facts = page.partition("<h2>The call</h2>")[2].partition("</dl>")[0]
    ways = re.findall(r'href="(/(?:clients|events)/[0-9a-f-]{36})"', facts)
    assert [one.split("/")[1] for one in ways] == ["clients", "events"]
    for one in ways:
        assert site.get(one, Role.MANAGER).status_code == 200
    assert 'href="/clients/' not in site.get(f"{path}?lang=en", Role.AGENT).text
