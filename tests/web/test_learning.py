"""Learning in the browser: an agent's page, the library, a form filled, and a blind calibration."""

from __future__ import annotations

from app.identity.permissions import Role
from app.web.edge import form_token
from tests.factories import wav
from tests.web.conftest import Site
from tests.web.table.learning import ANSWERS


def _send(site: Site, path: str, role: Role = Role.MANAGER, /, **fields: str) -> tuple[int, str]:
    form = {"token": form_token(site.cookies[role])} | fields
    answer = site.post(f"{path}?lang=en", role, form)
    return answer.status_code, answer.headers.get("location", answer.text)


def _filled(site: Site, **more: str) -> dict[str, str]:
    answers = {f"answer-{key}": value for key, value in ANSWERS.items()}
    return answers | {"form": site.parameters["form_id"]} | more


def test_an_agent_finds_his_praise_first(site: Site) -> None:
    page = site.get("/learning?lang=en", Role.AGENT).text
    assert page.index("Не спорил") < page.index("Appraisals") < page.index("Не назвал срок")
    assert "What people said of your calls." in page
    assert "/learning/calibrations" not in page
    assert "Calibration" in site.get("/learning?lang=en", Role.MANAGER).text


def test_the_library_plays_from_the_place_that_matters_and_tells_no_client(site: Site) -> None:
    here = f"/learning/library/{site.parameters['exemplary_id']}"
    page = site.get(f"{here}?lang=en", Role.AGENT).text
    assert f"/v1/exemplary-calls/{site.parameters['exemplary_id']}/audio#t=2" in page
    assert "Take it out" not in page
    assert "/recordings/" not in page
    assert "<audio" not in site.get(here, Role.AUDITOR).text
    listed = site.get("/learning/library?lang=en&topic=претензия", Role.AGENT).text
    assert here in listed
    assert (
        "No call has this topic" in site.get("/learning/library?lang=en&topic=x", Role.AGENT).text
    )


def test_what_may_not_train_is_refused_on_the_page_of_the_recording(site: Site) -> None:
    with site.house.making() as make:
        recording = str(make.recording(body=wav(2.0), duration_ms=2000).id)
    fields = {"recording_id": recording, "title": "Разбор", "why": "Хорошо", "start": "0:01"}
    status, where = _send(site, "/learning/library", **fields)
    assert (status, where) == (303, f"/recordings/{recording}?purpose=internal_training")
    assert "denied" in site.get(f"{where}&lang=en", Role.MANAGER).text
    assert "access.denied" in site.house.acts(recording)
    assert _send(site, "/learning/library", **(fields | {"why": ""}))[0] == 422


def test_a_form_is_published_and_gets_a_further_version(site: Site) -> None:
    row = {"key": "", "text": "Поблагодарил", "is_critical": "no"}
    one = {"name": "Вежливость", "pass_percent": "50", "is_offered": "yes", "weight": "2"} | row
    status, where = _send(site, "/learning/forms", **one)
    assert status == 303
    page = site.get(f"{where}?lang=en", Role.REVIEWER).text
    assert "Version 1, passed from 50%." in page
    assert "Write the next version" not in page
    status, said = _send(site, where, **(one | {"weight": "x"}))
    assert (status, "A weight is a whole number" in said, 'value="x"' in said) == (422, True, True)
    status, said = _send(site, "/learning/forms", **(one | {"text": ""}))
    assert (status, "one to thirty questions" in said) == (422, True)
    assert _send(site, where, **(one | {"key": "q1"}))[0] == 303
    assert "Version 2" in site.get(f"{where}?lang=en", Role.MANAGER).text


def test_a_call_is_appraised_after_it_was_heard(site: Site) -> None:
    with site.house.making() as make:
        unheard = str(make.recording(body=wav(2.0), duration_ms=2000).id)
    status, said = _send(site, f"/recordings/{unheard}/appraise", **_filled(site))
    assert (status, "Listen to the call before" in said) == (422, True)
    assert said.count(" checked") == len(ANSWERS)
    found = site.get(f"/learning/appraisals/{site.parameters['appraisal_id']}", Role.MANAGER)
    recording = found.text.split('href="/recordings/')[1].split('"')[0]
    here = f"/recordings/{recording}/appraise"
    assert _send(site, here, Role.REVIEWER, **_filled(site, **{"answer-solved": "?"}))[0] == 422
    status, where = _send(site, here, Role.REVIEWER, **_filled(site, **{"note-solved": "Не сам"}))
    assert (status, where.startswith("/learning/appraisals/")) == (303, True)
    page = site.get(f"{where}?lang=en", Role.AGENT).text
    assert "Не сам" in page
    assert _send(site, f"{where}/reply", Role.AGENT, words="Учту")[0] == 303
    assert "Учту" in site.get(where, Role.REVIEWER).text
    assert _send(site, f"{where}/reply", Role.AGENT)[0] == 409


def test_a_calibration_shows_nothing_before_it_is_closed(site: Site) -> None:
    closed = site.get(
        f"/learning/calibrations/{site.parameters['calibration_id']}?lang=en", Role.MANAGER
    ).text
    assert "67% of all pairs of answers are the same" in closed
    assert "too few calls" in closed
    recording = closed.split('href="/recordings/')[1].split('"')[0]
    fields = {"recording_id": recording, "form": site.parameters["form_id"]}
    status, here = _send(site, "/learning/calibrations", **fields)
    assert status == 303
    blind = _filled(site, calibration=here.rsplit("/", 1)[1])
    status, where = _send(site, f"/recordings/{recording}/appraise", Role.REVIEWER, **blind)
    assert (status, where) == (303, here)
    status, said = _send(site, f"/recordings/{recording}/appraise", Role.REVIEWER, **blind)
    assert (status, "already" in said) == (422, True)
    assert "Comparison" not in site.get(f"{here}?lang=en", Role.REVIEWER).text
    status, said = _send(site, f"{here}/close")
    assert (status, "when two people" in said) == (422, True)


def test_an_appraisal_is_corrected_by_its_author_on_its_page(site: Site) -> None:
    first = site.get(f"/learning/appraisals/{site.parameters['appraisal_id']}", Role.MANAGER).text
    recording = first.split('href="/recordings/')[1].split('"')[0]
    fill = f"/recordings/{recording}/appraise"
    status, old = _send(site, fill, **_filled(site, note="Спешил"))
    assert status == 303
    name = old.rpartition("/")[2]
    correct = f"{fill}?replaces={name}"
    assert correct in site.get(f"{old}?lang=en", Role.MANAGER).text
    assert correct not in site.get(f"{old}?lang=en", Role.REVIEWER).text
    shown = site.get(f"{correct}&lang=en", Role.MANAGER).text
    assert "Спешил" in shown
    assert shown.count(" checked") == len(ANSWERS)
    other = _filled(site, replaces=name, **{"answer-solved": "yes"})
    assert _send(site, fill, Role.REVIEWER, **other)[0] == 403
    status, new = _send(site, fill, **other)
    assert (status, new != old) == (303, True)
    kept = site.get(f"{old}?lang=en", Role.MANAGER).text
    assert f'href="{new}"' in kept
    assert "Спешил" in kept
    assert correct not in kept
    assert f'href="{old}"' in site.get(f"{new}?lang=en", Role.MANAGER).text
    assert ">replaced<" in site.get(f"/recordings/{recording}?lang=en", Role.MANAGER).text
    status, said = _send(site, fill, **other)
    assert (status, "The appraisal was replaced by another" in said) == (422, True)
