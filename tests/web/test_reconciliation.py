"""Calls and gaps: what is missing is seen, gets a reason, and the day's statement is signed."""

from __future__ import annotations

from app.identity.permissions import Role
from app.web.edge import form_token
from tests.web.conftest import Site


def test_a_day_shows_what_is_known_and_missing_and_what_was_signed(site: Site) -> None:
    days = site.get("/reconciliation?lang=en", Role.AUDITOR).text
    row = days.partition('href="/reconciliation/2026-11-19"')[2].partition("</tr>")[0]
    assert ">2</div></td>" in row
    assert "Unexplained" in row
    day = site.get("/reconciliation/2026-11-19?lang=en", Role.AUDITOR).text
    assert "The signed statement" in day
    assert "audiatur" in day.partition("The signature")[2].partition("</details>")[0].lower()
    assert "/v1/reconciliation/gaps.csv?from=2026-11-19&amp;to=2026-11-19" in day
    assert site.get("/reconciliation/2020-01-01", Role.MANAGER).status_code == 404
    assert site.get("/reconciliation/nonsense", Role.MANAGER).status_code == 404


def test_a_gap_gets_a_reason_in_words(site: Site) -> None:
    gap = site.parameters["gap_id"]
    path, lists = f"/reconciliation/gaps/{gap}?lang=en", "/reconciliation/gaps?lang=en"
    assert "Give a reason" not in site.get(lists, Role.AUDITOR).text
    form = {"token": form_token(site.cookies[Role.MANAGER]), "reason": "erased", "words": ""}
    wrong = site.post(path, Role.MANAGER, form)
    assert wrong.status_code == 422
    assert "Choose a reason." in wrong.text
    assert "Say in some words why." in wrong.text
    form |= {"reason": "lost", "words": "Диск станции заменён"}
    done = site.post(path, Role.MANAGER, form)
    assert (done.status_code, done.headers["location"]) == (303, f"/reconciliation/gaps#g-{gap}")
    shown = site.get(f"{lists}&reason=lost", Role.AUDITOR).text
    assert "Диск станции заменён" in shown
    assert "Диск станции" not in site.get(f"{lists}&reason=private", Role.AUDITOR).text
    nobody = "00000000-0000-7000-8000-000000000000"
    assert site.post(f"/reconciliation/gaps/{nobody}", Role.MANAGER, form).status_code == 404


def test_unexplained_gaps_wait_for_whoever_may_explain_them(site: Site) -> None:
    for role, is_counted in ((Role.ADMIN, True), (Role.AUDITOR, False)):
        page = site.get("/reconciliation?lang=en", role).text
        shown = page.partition('class="sections"')[2].partition("</nav>")[0]
        entry = shown.partition('href="/reconciliation"')[2].partition("</a>")[0]
        assert ("waiting" in entry) == is_counted
