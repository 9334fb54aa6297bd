"""Clients: found by what one knows of them, and a card from which everything is near."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import func, select

from app.consent.models import ContactVerification
from app.disputes.models import Dispute
from app.identity.authenticator import SESSION_COOKIE
from app.identity.permissions import Role
from app.web.edge import form_token
from tests.web.conftest import Site
from tests.web.table.clients import NAME


def card(site: Site, role: Role = Role.MANAGER, more: str = "") -> str:
    answer = site.get(f"/clients/{site.parameters['client_id']}?lang=en{more}", role)
    assert answer.status_code == 200
    return answer.text


def section(page: str, name: str) -> str:
    return page.partition(f'id="{name}"')[2].partition("</section>")[0]


@pytest.mark.parametrize("q", ["заря", "770123", "8 (495) 000-84-15", "0008415", "директор"])
def test_a_client_is_found_by_name_tax_id_number_and_person(site: Site, q: str) -> None:
    page = site.get(f"/clients?lang=en&q={quote(q)}", Role.MANAGER).text
    row = page.partition(NAME)[2].partition("</tr>")[0]
    assert f'/clients/{site.parameters["client_id"]}/calls">2</a>' in row
    assert re.search(r'#disputes">[1-9]\d*</a>', row)


def test_what_nobody_is_called_finds_nobody_and_says_what_to_look_for(site: Site) -> None:
    page = site.get("/clients?lang=en&q=%25", Role.MANAGER).text
    assert "Nobody is called so" in page
    assert NAME not in page


def test_a_cursor_that_was_not_given_out_is_refused(site: Site) -> None:
    assert site.get("/clients?cursor=nonsense", Role.MANAGER).status_code == 400


def test_the_administrator_sees_no_disputes(site: Site) -> None:
    assert "Кто отключил сеть" in card(site)
    page = card(site, Role.ADMIN)
    assert "Кто отключил сеть" not in page
    assert 'id="disputes"' not in page
    assert "Open disputes" not in site.get("/clients?lang=en", Role.ADMIN).text


def test_the_calls_around_a_complaint_stand_under_it(site: Site) -> None:
    around = section(card(site), "complaints")
    assert f"/recordings/{site.parameters['call_id']}" in around
    assert around.count("/recordings/") == 1
    assert "5 minutes 12 seconds" in around
    assert "not known to be told" in around


def test_a_dispute_leads_to_its_moments_on_the_tape(site: Site) -> None:
    shown = section(card(site), "disputes")
    assert f"/recordings/{site.parameters['call_id']}?at=65000" in shown
    assert "1:05" in shown


def test_a_contract_says_in_plain_words_what_it_permits(site: Site) -> None:
    contracts = section(card(site), "contracts")
    assert "Lets recordings be handed to the client&#39;s management." in contracts
    assert "For: a dispute with the client." in contracts
    assert "in force" in contracts
    assert "15,000.00" in contracts
    assert (
        "<summary>Clause 4.3</summary>" in contracts
    )  # It permits nothing, and says nothing of it.


def test_a_number_leads_to_the_list_behind_it(site: Site) -> None:
    cost = section(card(site), "cost")
    found = re.search(
        r'<p class="number">(\d+)</p>\s*<p><a href="(/clients/[^"]+/calls[^"]+)', cost
    )
    assert found is not None
    behind = site.get(found[2].replace("&amp;", "&") + "&lang=en", Role.MANAGER).text
    assert found[1] == "2"
    assert behind.count('<tr role="row">') - 1 == 2
    october = re.search(r"Oct 2026.*?href=\"([^\"]+/calls[^\"]+)\">1<", cost, re.DOTALL)
    assert october is not None
    month = site.get(october[1].replace("&amp;", "&"), Role.MANAGER).text
    assert month.count('<tr role="row">') - 1 == 1


def test_the_timeline_has_all_and_is_narrowed(site: Site) -> None:
    path = f"/clients/{site.parameters['client_id']}/timeline?lang=en"
    whole = site.get(path, Role.MANAGER).text
    lines = re.sub(r"<[^>]+>", "", whole)
    for line in ("recorded call: ", "complaint: После выезда", "dispute: Кто отключил"):
        assert line in lines
    narrowed = site.get(f"{path}&kind=complaint", Role.MANAGER).text
    assert "1 line<" in narrowed
    assert "Кто отключил сеть" not in narrowed
    assert "Nothing happened then" in site.get(f"{path}&to=2020-01-01", Role.MANAGER).text
    assert site.get(f"{path}&from=nonsense", Role.MANAGER).status_code == 422


def test_who_is_not_there_is_not_there(site: Site) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    for path in ("", "/timeline", "/calls"):
        assert site.get(f"/clients/{nobody}{path}", Role.MANAGER).status_code == 404


def test_a_dispute_is_opened_from_the_card_about_a_complaint(site: Site) -> None:
    client, complaint = site.parameters["client_id"], site.parameters["complaint_id"]
    page = card(site, more=f"&about={complaint}")
    assert 'value="После выезда не работает сеть"' in page
    token = form_token(site.cookies[Role.MANAGER])
    form = {"token": token, "about": complaint, "subject": "  "}
    wrong = site.post(f"/clients/{client}/disputes?lang=en", Role.MANAGER, form)
    assert wrong.status_code == 422
    assert "Say in some words what it is about." in wrong.text
    done = site.post(
        f"/clients/{client}/disputes", Role.MANAGER, form | {"subject": "После выезда"}
    )
    assert done.status_code == 303
    with site.house.making() as make:
        opened = make.session.scalars(
            select(Dispute).where(Dispute.subject == "После выезда")
        ).one()
        assert str(opened.event_id) == complaint
        assert str(opened.client_id) == client
    assert "Open a dispute" not in card(site, Role.LEGAL)


def test_a_contact_is_verified_with_words_and_only_as_he_was_looked_at(site: Site) -> None:
    client, contact = site.parameters["client_id"], site.parameters["contact_id"]
    page = card(site, Role.REVIEWER)
    looks = re.search(r'name="looks" value="([0-9a-f]{64})"', page)
    assert looks is not None
    assert "identity and mandate not verified" in page
    assert 'name="looks"' not in card(site)
    path = f"/clients/{client}/contacts/{contact}/verify"
    form = {
        "token": form_token(site.cookies[Role.REVIEWER]),
        "looks": looks[1],
        "identity_basis": "Перезвонили по номеру из договора",
        "mandate_basis": "",
    }
    wrong = site.post(f"{path}?lang=en", Role.REVIEWER, form)
    assert wrong.status_code == 422
    assert "Say in some words how this was checked." in wrong.text
    assert "Перезвонили по номеру из договора" in wrong.text
    form["mandate_basis"] = "Директор по реестру"
    stale = site.post(path, Role.REVIEWER, form | {"looks": "0" * 64})
    assert stale.status_code == 409  # And nothing of it was kept, as is counted below.
    elsewhere = "00000000-0000-7000-8000-000000000000"
    other = site.post(f"/clients/{client}/contacts/{elsewhere}/verify", Role.REVIEWER, form)
    assert other.status_code == 404
    assert site.post(path, Role.REVIEWER, form).status_code == 303
    with site.house.making() as make:
        count = select(func.count()).where(ContactVerification.contact_id == contact)
        assert make.session.scalar(count) == 1
    assert "identity and mandate verified" in card(site)


@pytest.fixture
def browser_page(site: Site, chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(base_url=site.house.url, locale="ru-RU")
    context.add_cookies(
        [
            {
                "name": SESSION_COOKIE,
                "value": site.cookies[Role.MANAGER],
                "url": site.house.url.replace("http:", "https:"),
                "secure": True,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )
    yield context.new_page()
    context.close()


def test_from_the_list_to_the_call_of_a_complaint_in_three_clicks(
    site: Site,
    browser_page: Page,
) -> None:
    page = browser_page
    page.goto("/clients")
    page.get_by_role("link", name=NAME).click()
    page.locator(".parts").get_by_role("link", name="Жалобы").click()
    expect(page.locator("#complaints")).to_be_in_viewport()
    call = page.locator("#complaints a[href^='/recordings/']").first
    assert call.get_attribute("href") == f"/recordings/{site.parameters['call_id']}"
    call.click()
    page.wait_for_url(f"**/recordings/{site.parameters['call_id']}")
