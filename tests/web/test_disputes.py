"""The pages of disputes, as a browser sends their forms."""

from __future__ import annotations

import re

from app.identity.permissions import Role
from app.web.edge import form_token
from tests.web.conftest import Site


def sent(site: Site, path: str, by: Role = Role.MANAGER, /, **fields: str) -> tuple[int, str, str]:
    """Send a form; return the status, where it leads and what is shown."""
    told = {"token": form_token(site.cookies[by])} | fields
    answer = site.post(path, by, told)
    return answer.status_code, answer.headers.get("location", ""), answer.text


def opened(site: Site, **fields: str) -> str:
    """Return the path of a new dispute of the client whom the table's dispute is with."""
    page = site.get(site.path("/disputes/{dispute_id}?lang=en"), Role.MANAGER).text
    assert "Client" in page
    form = site.get("/disputes/new?lang=en", Role.MANAGER).text
    client = re.findall(r'<option value="([^"]+)">ООО', form)[-1]
    told = {"client": client, "subject": "Касса стоит"} | fields
    status, where, text = sent(site, "/disputes", **told)
    assert status == 303, text
    return where


def test_a_dispute_is_opened_with_the_complaint_and_stands_on_the_board(site: Site) -> None:
    path = opened(
        site,
        words="Нам обещали перезвонить.",
        said_by="Пётр",
        said_at="2026-11-20T10:15",
        channel="phone",
    )
    page = site.get(f"{path}?lang=en", Role.MANAGER).text
    assert "Нам обещали перезвонить." in page
    assert "20 Nov 2026 10:15" in page  # In the office's zone, as it was entered.
    assert "Pause, and promise the client to call back." in page
    board = site.get("/disputes?q=обещали&lang=en", Role.AUDITOR).text
    assert "Касса стоит" in board
    assert "Касса стоит" not in site.get("/disputes?q=никогда", Role.AUDITOR).text


def test_what_is_wrong_with_an_opening_is_said_beside_its_field(site: Site) -> None:
    page = sent(site, "/disputes?lang=en", client="nobody", subject="x", words="y")
    assert page[0] == 422
    assert page[2].count("Fill this in.") == 3  # Who complained, when and how.
    status, _, text = sent(site, "/disputes?lang=en", client="nobody", subject="Касса")
    assert (status, "No client has this external id" in text) == (422, True)
    assert 'value="Касса"' in text


def test_a_dispute_is_moved_by_the_table_and_says_what_lacks(site: Site) -> None:
    path = opened(site)
    assert sent(site, f"{path}/move", to="checking")[0] == 303
    page = site.get(f"{path}?lang=en", Role.MANAGER).text
    assert "Needed first: a verdict." in page
    status, _, text = sent(site, f"{path}/move?lang=en", to="decided")
    assert (status, "Something must be there first" in text) == (422, True)
    missing = sent(site, f"{path}/statements?lang=en", kind="verdict", value="ours")
    assert (missing[0], "Fill this in." in missing[2]) == (422, True)
    told = {"kind": "verdict", "value": "ours", "words": "Наша ошибка.", "said_by": "Эксперт"}
    assert sent(site, f"{path}/statements", **told)[1] == f"{path}#verdict"
    assert sent(site, f"{path}/move", to="decided")[0] == 303
    history = site.get(f"{path}/history?lang=en", Role.AUDITOR).text
    assert re.search(r"state:\s*<span class=\"quiet\">checking</span> → decided", history)


def test_a_step_is_planned_done_taken_up_skipped_and_moved(site: Site) -> None:
    path = opened(site)
    page = site.get(path, Role.MANAGER).text
    first, second = re.findall(r'<li id="step-([0-9a-f-]{36})"', page)[:2]
    person = re.findall(r'<option value="([0-9a-f-]{36})">manager</option>', page)[0]
    at = f"{path}/steps/{first}"
    assert sent(site, f"{at}/plan", owner_id=person, due_at="2026-11-21T15:30")[0] == 303
    assert sent(site, f"{at}/done?lang=en")[0] == 422
    assert sent(site, f"{at}/done", result="Перезвонили")[1] == f"{path}#step-{first}"
    status, _, text = sent(site, f"{at}/skip?lang=en", reason="Нет")
    assert (status, "The step does not stand so" in text) == (422, True)
    assert sent(site, f"{at}/again", reason="Ещё раз")[0] == 303
    assert sent(site, f"{at}/skip", reason="Не нужно")[0] == 303
    assert sent(site, f"{at}/place", to="later", reason="Сначала другое")[0] == 303
    order = re.findall(r'<li id="step-([0-9a-f-]{36})"', site.get(path, Role.MANAGER).text)
    assert order[:2] == [second, first]


def test_a_document_is_asked_for_and_the_link_is_shown_once(site: Site) -> None:
    path = opened(site)
    assert sent(site, f"{path}/requests", asked="Фото чека")[0] == 303
    request = re.findall(r'id="request-([0-9a-f-]{36})"', site.get(path, Role.MANAGER).text)[0]
    status, _, shown = sent(site, f"{path}/requests/{request}/link?lang=en", days="3")
    link = re.findall(r'value="(http[^"]+/r/[\w-]{43})"', shown)
    assert (status, len(link)) == (200, 1)
    assert link[0] not in site.get(path, Role.MANAGER).text
    told = {"state": "given_up", "words": "Больше не ждём."}
    assert sent(site, f"{path}/requests/{request}/check", **told)[0] == 303
    status, _, text = sent(site, f"{path}/requests/{request}/received?lang=en")
    assert (status, "The form was not taken" in text) == (422, True)


def test_an_exhibit_is_added_cut_and_hidden(site: Site) -> None:
    path = site.path("/disputes/{dispute_id}")
    page = site.get(path, Role.MANAGER).text
    recording = re.findall(r'<option value="(recording:[0-9a-f-]{36})"', page)[0]
    beyond = {"show": recording, "from": "0:01", "to": "9:00"}
    status, _, text = sent(site, f"{path}/exhibits?lang=en", **beyond)
    assert (status, "begins or ends after the recording does" in text) == (422, True)
    assert sent(site, f"{path}/exhibits", **(beyond | {"to": "0:05"}))[0] == 303
    page = site.get(path, Role.MANAGER).text
    made = re.findall(r'id="exhibit-([0-9a-f-]{36})"', page)[-1]
    form = site.get(f"{path}/exhibits/{made}?from_ms=2000&to_ms=4500&lang=en", Role.MANAGER).text
    assert "The part that could leave is filled in" in form
    assert 'value="0:04.5"' in form
    cut = {"from": "0:02", "to": "0:04.5", "hidden_from": "0:03", "hidden_to": "0:04"}
    cut |= {"how": "beep", "reason": "personal_data", "note": "Обещание"}
    assert sent(site, f"{path}/exhibits/{made}", **cut)[0] == 303
    page = site.get(f"{path}?lang=en", Role.MANAGER).text
    assert "1 place hidden" in page
    assert made not in page
    assert "&amp;at=2000" in page


def test_whose_conduct_is_in_question_moves_nothing(site: Site) -> None:
    path = opened(site)
    page = site.get(path, Role.MANAGER).text
    person = re.findall(r'<option value="([0-9a-f-]{36})">approver</option>', page)[0]
    assert sent(site, f"{path}/conducts", user_id=person)[0] == 303
    seen = site.get(f"{path}?lang=en", Role.APPROVER).text
    assert "Your own conduct is in question here" in seen
    assert "Yes, move it" not in seen
    answer = sent(site, f"{path}/move", Role.APPROVER, to="closed", reason="Хватит")
    assert answer[0] == 403


def test_hours_and_the_basis_cost_money_in_words(site: Site) -> None:
    path = opened(site)
    told = {"role": "engineer", "minutes": "90", "worked_on": "2026-11-20", "what": "Разбор"}
    assert sent(site, f"{path}/hours", **told)[0] == 303
    assert sent(site, f"{path}/hours?lang=en", **(told | {"minutes": "none"}))[0] == 422
    page = site.get(f"{path}?lang=en", Role.MANAGER).text
    assert "1 hour 30 minutes" in page
    assert "no rate is set" in page


def test_who_only_reads_sees_no_form(site: Site) -> None:
    page = site.get(site.path("/disputes/{dispute_id}"), Role.AUDITOR).text
    assert page.count("<form") == 2  # The language and the log-out of the frame.


def test_an_exhibit_is_taken_out_on_its_page_with_a_reason(site: Site) -> None:
    path = site.path("/disputes/{dispute_id}/exhibits/{exhibit_id}")
    page = site.get(f"{path}?lang=en", Role.MANAGER).text
    assert "Take it out of the dispute" in page
    token = form_token(site.cookies[Role.MANAGER])
    blank = site.post(f"{path}/remove", Role.MANAGER, {"token": token, "reason": " "})
    assert blank.status_code == 400
    assert site.get(path, Role.MANAGER).status_code == 200
