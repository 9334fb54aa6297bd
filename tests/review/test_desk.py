"""What a reviewer does beside giving verdicts: he says what he heard and supplies what lacks."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select

from app.consent.models import Assertion
from app.consent.purposes import Kind
from app.identity.sessions import SESSION_LIFETIME
from app.recordings.models import Capture
from tests.factories import wav
from tests.papers import pdf, told
from tests.review.browser import fill, log_in, picture, shown, wait_for_item
from tests.review.house import House

FIFTY = 50


def _unknown(house: House, count: int = 1, **more: object) -> list[str]:
    made = []
    for _ in range(count):
        recording = house.recording(body=wav(8.0), **more)
        picture(house, str(recording.id))
        made.append(str(recording.id))
    return made


def _seek(page: Page, seconds: float) -> None:
    """Stop the sound at a moment, as somebody does who has heard where it is."""
    page.evaluate(
        "at => { const a = document.querySelector('#player audio');"
        " a.pause(); a.currentTime = at; }",
        seconds,
    )
    page.wait_for_function(
        "at => Math.abs(document.querySelector('#player audio').currentTime - at) < 0.01",
        arg=seconds,
    )


def _ready(page: Page) -> None:
    page.wait_for_function(
        "() => document.querySelector('#player audio').readyState > 0"
        " && document.querySelector('#desk').dataset.ready === 'yes'"
    )


def _proposed(house: House, recording_id: str) -> Assertion:
    with house.database.transaction() as session:
        return session.scalars(
            select(Assertion).where(Assertion.recording_id == recording_id)
        ).one()


def _tab_to(page: Page, selector: str) -> None:
    """Go on by the tabulator until a field has the focus."""
    for _ in range(40):
        if page.evaluate("s => document.activeElement?.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"No tabulator leads to {selector}.")


def test_a_notice_that_is_heard_is_proposed_with_the_marks(
    house: House, page: Page, faults: list[str]
) -> None:
    recording, following = _unknown(house, 2)
    notice = house.notice()
    log_in(page)
    faults.clear()
    page.goto("/review/unknown?lang=ru")
    _ready(page)
    _seek(page, 1.0)
    page.keyboard.press("BracketLeft")
    _seek(page, 3.2)
    page.keyboard.press("BracketRight")
    page.keyboard.press("Digit1")
    expect(page.locator("#form-title")).to_have_text("Звучит уведомление")
    expect(page.locator("#from")).to_have_value("0:01")
    expect(page.locator("#to")).to_have_value("0:03.2")
    expect(page.locator("#said")).to_have_value("Разговор записывается.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_contain_text("проверит другой сотрудник")
    wait_for_item(page, following)
    row = _proposed(house, recording)
    assert (row.kind, row.status, row.from_ms) == ("ivr_notice", "proposed", 3200)
    assert row.proposed_by == house.people["reviewer"].id
    assert row.evidence["played_ms"] == [1000, 3200]
    assert row.evidence["stayed_after_ms"] == 4800
    assert row.evidence["notice"]["id"] == str(notice.id)
    assert row.evidence["heard"] == {"quote": "Разговор записывается."}
    assert "assertion.proposed" in house.acts(recording)
    own = house.call("reviewer", "POST", f"/v1/assertions/{row.id}/verify")
    assert own.status_code == 403
    assert house.call("approver", "POST", f"/v1/assertions/{row.id}/verify").status_code == 200
    assert faults == []


def test_what_is_wrong_stands_beside_its_field_in_both_languages(house: House, page: Page) -> None:
    (recording,) = _unknown(house)
    house.notice()
    log_in(page)
    for lang, empty, stay in (
        ("ru", "Заполните.", "не меньше 3 с"),
        ("en", "Fill this in.", "At least 3 s"),
    ):
        page.goto(f"/review/unknown?lang={lang}")
        _ready(page)
        page.keyboard.press("Digit1")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#from-wrong")).to_have_text(empty)
        expect(page.locator("#to-wrong")).to_have_text(empty)
        expect(page.locator("#from")).to_be_focused()
        page.keyboard.type("0:01")
        _tab_to(page, "#to")
        page.keyboard.type("0:07,5")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#stayed-wrong")).to_contain_text(stay)
        expect(page.locator("#from-wrong")).to_be_hidden()
        page.keyboard.press("Escape")
        expect(page.locator("#form")).to_be_hidden()
    assert "assertion.proposed" not in house.acts(recording)


def test_words_of_the_agent_and_a_consent_are_proposed_by_keyboard(
    house: House, page: Page
) -> None:
    said, agreed, rest = _unknown(house, 3)
    log_in(page)
    page.goto("/review/unknown?lang=en")
    _ready(page)
    page.keyboard.press("Digit2")
    _tab_to(page, "#from")
    _seek(page, 2.0)
    page.keyboard.press("BracketLeft")
    _tab_to(page, "#to")
    _seek(page, 4.0)
    page.keyboard.press("BracketRight")
    _tab_to(page, "#said")
    page.keyboard.type("We record this call.")
    _tab_to(page, "#reaction")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    _tab_to(page, "#purposes input")
    page.keyboard.press("Space")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#reaction-wrong")).to_contain_text("a refusal")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Control+Enter")
    wait_for_item(page, agreed)
    row = _proposed(house, said)
    assert row.evidence == {
        "from_ms": 2000,
        "to_ms": 4000,
        "speaker": "own",
        "quote": "We record this call.",
        "reaction": "continued",
    }
    assert (row.from_ms, row.purposes) == (4000, ["internal_quality"])
    _ready(page)
    page.keyboard.press("Digit3")
    for field, written in (
        ("#q-from", "1"),
        ("#q-to", "2.5"),
        ("#q-quote", "May your management hear it?"),
        ("#a-from", "3"),
        ("#a-to", "3.5"),
        ("#a-quote", "Yes."),
        ("#identity", "Gave his name."),
    ):
        _tab_to(page, field)
        page.keyboard.type(written)
    for field in ("#purposes input[value=dispute_client]", "#receivers input"):
        _tab_to(page, field)
        page.keyboard.press("Space")
    page.keyboard.press("Control+Enter")
    wait_for_item(page, rest)
    row = _proposed(house, agreed)
    assert (row.kind, row.from_ms) == ("verbal_consent", 3500)
    assert row.evidence["question"]["to_ms"] == 2500
    assert row.evidence["answer"] == {"from_ms": 3000, "to_ms": 3500, "quote": "Yes."}
    assert (row.purposes, row.recipients) == (["dispute_client"], ["client_same_entity"])


def test_a_refusal_blocks_at_once_and_nothing_found_leaves_the_queue(
    house: House, page: Page
) -> None:
    refused, silent = _unknown(house, 2)
    log_in(page)
    page.goto("/review/unknown?lang=ru")
    _ready(page)
    page.keyboard.press("Digit4")
    _tab_to(page, "#said")
    page.keyboard.type("Не записывайте меня")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_contain_text("уже действует")
    wait_for_item(page, silent)
    row = _proposed(house, refused)
    assert (row.kind, row.evidence["quote"]) == ("refusal", "Не записывайте меня")
    assert house.acts(refused).count("refusal.proposed") == 1
    page.keyboard.press("Digit5")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#empty")).to_be_visible()
    row = _proposed(house, silent)
    assert row.kind == "none"
    assert row.evidence["searched"]["window"] == {"from_ms": 0, "to_ms": 8000}
    assert house.call("reviewer", "GET", "/v1/review/unknown").json()["items"] == []
    flag = house.call("reviewer", "GET", f"/v1/recordings/{silent}").json()["consent"]["flag"]
    assert flag == "unknown"


def test_a_mobile_recording_takes_a_proposal_and_keeps_saying_that_nothing_was_heard(
    house: House, page: Page
) -> None:
    (recording,) = _unknown(house, capture=Capture.MOBILE)
    house.clock.advance(timedelta(days=15))
    log_in(page)
    page.goto("/review/mobile?lang=ru")
    _ready(page)
    page.keyboard.press("Digit5")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#empty")).to_be_visible()
    page.goto("/review/mobile?lang=ru")
    assert shown(page) == recording
    expect(page.locator("#why")).to_contain_text("прослушал и ничего не нашёл")


def test_evidence_on_paper_says_what_it_claims_and_its_paper_is_opened(
    house: House, page: Page
) -> None:
    recording = house.recording()
    paper = house.call(
        "manager",
        "POST",
        "/v1/documents",
        data={"metadata": json.dumps(told(role="acknowledgement"))},
        files={"file": ("acknowledged.pdf", pdf(), "application/pdf")},
    ).json()
    signature = {"document_id": paper["id"], "document_sha256": paper["sha256"]}
    act = {"act_number": "3-ЗП", "act_version": "1", "signed_on": "2026-01-15"}
    said = {"kind": "employee_ack", "party": "own", "wide": True}
    answer = house.call(
        "manager",
        "POST",
        f"/v1/recordings/{recording.id}/assertions",
        json=said | {"evidence": act | {"signature": signature}},
    )
    assert answer.status_code == 201, answer.text
    log_in(page)
    page.goto("/review/proposed?lang=ru")
    wait_for_item(page, answer.json()["id"])
    for words in (recording.agent, "3-ЗП", "15 января 2026"):
        expect(page.locator("#facts")).to_contain_text(words or "")
    link = page.locator("#papers a")
    expect(link).to_have_text(paper["title"])
    opened = page.request.get(f"{house.url}{link.get_attribute('href')}")
    assert opened.body() == pdf()


def test_a_notice_is_compared_with_the_text_that_is_claimed(house: House, page: Page) -> None:
    notice = house.notice()
    claimed = {
        "notice": {"id": str(notice.id), "version": notice.version},
        "played_ms": [0, 3000],
        "stayed_after_ms": 5000,
        "heard": {"quote": "Ваш звонок важен для нас"},
    }
    recording = house.recording(body=wav(8.0))
    proposed = house.propose(recording.id, Kind.IVR_NOTICE, evidence=claimed)
    log_in(page)
    page.goto("/review/proposed?lang=ru")
    wait_for_item(page, str(proposed))
    expect(page.locator("#facts")).to_contain_text(notice.text)
    expect(page.locator("#why")).to_contain_text("(собеседник)")


def test_fifty_verdicts_by_keyboard_are_fifty_entries(house: House, page: Page) -> None:
    made = [str(house.propose(house.recording(body=wav(1.0)).id)) for _ in range(FIFTY)]
    log_in(page)
    page.goto("/review/proposed?lang=ru")
    for item in made:
        wait_for_item(page, item)
        page.keyboard.press("v")
    expect(page.locator("#empty")).to_be_visible()
    rows = [house.assertion(one) for one in made]
    assert {row.status for row in rows} == {"verified"}
    entries = [house.acts(row.recording_id).count("assertion.verified") for row in rows]
    assert entries == [1] * FIFTY


def test_a_double_press_gives_one_verdict_and_leaves_the_next_item(
    house: House, page: Page
) -> None:
    first, second = fill(house, 2)
    log_in(page)
    page.goto("/review/proposed?lang=ru")
    wait_for_item(page, first)
    # One press more while the first is on its way, and one in the moment the next item is shown.
    page.evaluate(
        """() => {
          const press = () => document.body.dispatchEvent(
            new KeyboardEvent("keydown", { code: "KeyV", key: "v", bubbles: true }));
          new MutationObserver(press).observe(
            document.querySelector("#desk"), { attributeFilter: ["data-item"] });
          press();
          press();
        }"""
    )
    page.wait_for_function(
        "item => document.querySelector('#desk').dataset.item === item", arg=second
    )
    expect(page.locator("#status")).to_contain_text("это уже следующее")
    wait_for_item(page, second)
    assert house.assertion(first).status == "verified"
    assert house.assertion(second).status == "proposed"
    assert house.acts(house.assertion(first).recording_id).count("assertion.verified") == 1


def test_a_verdict_that_finds_no_archive_is_told_and_can_be_given_again(
    house: House, page: Page
) -> None:
    (only,) = fill(house, 1)
    log_in(page)
    page.goto("/review/proposed?lang=ru")
    wait_for_item(page, only)

    def cut(route: Route) -> None:
        route.abort()

    page.route("**/verify", cut)
    page.keyboard.press("v")
    expect(page.locator("#status")).to_have_text("Не получилось: Нет связи с архивом.")
    assert shown(page) == only
    assert house.assertion(only).status == "proposed"
    page.unroute("**/verify", cut)
    page.keyboard.press("v")
    expect(page.locator("#empty")).to_be_visible()
    assert house.assertion(only).status == "verified"


def test_after_the_sessions_end_he_is_back_at_the_same_item_with_his_words(
    house: House, page: Page
) -> None:
    _, second = _unknown(house, 2)
    log_in(page)
    page.goto("/review/unknown?lang=ru")
    _ready(page)
    page.keyboard.press("n")
    wait_for_item(page, second)
    page.keyboard.press("Digit4")
    _tab_to(page, "#said")
    page.keyboard.type("Не хочу")
    house.clock.advance(SESSION_LIFETIME + timedelta(minutes=1))
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/login?*")
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type("reviewer")
    page.keyboard.press("Tab")
    page.keyboard.type("a long pass phrase")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/review/unknown?item={second}*")
    expect(page.locator("#said")).to_have_value("Не хочу")
    assert shown(page) == second
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_contain_text("уже действует")
    assert _proposed(house, second).evidence["quote"] == "Не хочу"


def test_what_somebody_else_has_taken_is_shown_and_left_to_him(house: House, page: Page) -> None:
    first, second = fill(house, 2)
    assert house.call("approver", "POST", f"/v1/review/proposed/{first}/claim").status_code == 200
    log_in(page)
    page.goto("/review/proposed?lang=ru")
    expect(page.locator("#state")).to_contain_text("взял(а) approver")
    wait_for_item(page, first)
    page.keyboard.press("v")
    expect(page.locator("#status")).to_contain_text("взял(а) approver")
    assert house.assertion(first).status == "proposed"
    page.keyboard.press("n")
    wait_for_item(page, second)
    expect(page.locator("#state")).to_contain_text("за вами до")
    page.keyboard.press("p")
    wait_for_item(page, first)
    page.wait_for_function(
        "async path => (await (await fetch(path)).json()).owner === null",
        arg=f"/v1/review/proposed/{second}",
    )


def test_what_a_release_lacks_is_supplied_at_the_desk_and_then_approved(
    house: House, page: Page
) -> None:
    release = house.wanted()
    log_in(page)
    page.goto("/review/releases?lang=ru")
    wait_for_item(page, release)
    expect(page.locator("#why")).to_contain_text("Фрагмент не прослушан")
    expect(page.locator("#why")).to_contain_text("Получатель не проверен")
    expect(page.locator("#step")).to_contain_text("Сначала восполните")
    page.keyboard.press("s")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#result-wrong")).to_be_visible()
    page.keyboard.press("Space")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#why")).not_to_contain_text("Фрагмент не прослушан")
    page.keyboard.press("i")
    expect(page.locator("#identity")).to_be_focused()
    page.keyboard.type("Паспорт")
    _tab_to(page, "#mandate")
    page.keyboard.type("Устав")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#why")).not_to_contain_text("Получатель не проверен")
    expect(page.locator("#eyes")).to_contain_text("Это решает другая роль")
    answer = house.call("approver", "POST", f"/v1/releases/{release}/approve", json={})
    assert answer.status_code == 200, answer.text


def test_a_proposed_pack_shows_its_flips_and_is_agreed_to_at_the_desk(
    house: House, page: Page
) -> None:
    house.wanted(screened=True, known=True)
    pack = house.propose_pack(disclosure_grounds=[])
    assert house.call("legal", "POST", "/v1/packs/RU/3/activate").status_code == 200
    log_in(page, "approver")
    page.goto("/review/policy?lang=ru")
    expect(page.locator("#flips")).to_contain_text("Если вступит в силу")
    expect(page.locator("#flips .stricter tbody tr")).not_to_have_count(0)
    expect(page.locator("#verify-text")).to_have_text("Согласиться")
    wait_for_item(page, shown(page))
    page.keyboard.press("v")
    expect(page.locator("#empty")).to_be_visible()
    found = house.call("approver", "GET", "/v1/packs/RU/3").json()
    assert (found["state"], found["sha256"]) == ("active", pack["sha256"])
    page.goto("/review/policy?lang=ru")
    expect(page.locator("#flips")).to_contain_text("После вступления в силу")
    expect(page.locator("#flips .stricter tbody tr")).not_to_have_count(0)
    wait_for_item(page, shown(page))
    page.keyboard.press("v")
    expect(page.locator("#empty")).to_be_visible()
    assert house.call("approver", "GET", "/v1/review/policy").json()["items"] == []


def test_help_names_the_reasons_of_the_item_and_leads_to_all(house: House, page: Page) -> None:
    _unknown(house)
    log_in(page)
    for lang, words in (
        ("ru", "Неизвестно, был ли уведомлён"),
        ("en", "Not known to have been told"),
    ):
        page.goto(f"/review/unknown?lang={lang}")
        _ready(page)
        page.keyboard.press("?")
        link = page.locator("#map-why a")
        expect(link).to_contain_text(words)
        target = str(link.get_attribute("href"))
        assert target.endswith("/help/reasons/C_UNKNOWN")
        page.goto(f"{target}?lang={lang}")
        expect(page.locator("main")).to_contain_text(words)


def test_the_sound_of_the_next_item_is_measured_from_its_opening(house: House, page: Page) -> None:
    made = fill(house, 2)
    log_in(page)
    page.goto("/review/proposed?lang=ru")
    wait_for_item(page, made[0])
    page.keyboard.press("n")
    page.wait_for_function("() => performance.getEntriesByName('sound-start').length > 0")
    at = page.evaluate("() => document.querySelector('#player audio').currentTime")
    assert at >= 1.5
