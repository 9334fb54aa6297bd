"""What the page of the system tells, and that a job is tried again from it."""

from __future__ import annotations

from sqlalchemy import text

from app.custody import checkpoints
from app.identity.permissions import Role
from app.system import doctor
from app.web.edge import form_token
from app.web.pages.system import PARTS
from tests.web.conftest import Site


def _state(site: Site, job: str) -> str:
    with site.house.database.transaction() as session:
        found = session.scalar(
            text("SELECT status::text FROM procrastinate_jobs WHERE id = :id"), {"id": int(job)}
        )
        return str(found)


def test_every_part_that_is_looked_at_has_its_words(site: Site) -> None:
    with site.house.database.transaction() as session:
        found = doctor.examine_running(session, site.house.tools)
    parts = {one.part for one in found}
    assert {"data folder", "disk", "archive store", "fixity", "ledger", "key backup"} <= parts
    assert parts <= PARTS.keys()


def test_a_part_with_a_fault_stands_first_and_says_what_to_do(site: Site) -> None:
    page = site.get("/system?lang=en", Role.ADMIN).text
    assert "Copy the keys to a place apart from the data" in page
    assert "AUDIATUR_MASTER_KEY_BACKED_UP=true" in page
    assert page.index("Backup of the keys") < page.index(">Data folder<")
    assert "Скопируйте ключи" in site.get("/system?lang=ru", Role.ADMIN).text


def test_a_checkpoint_shows_what_it_covers(site: Site) -> None:
    made = checkpoints.checkpoint_now(site.house.tools.log, wants_stamp=False)
    page = site.get("/system?lang=en", Role.AUDITOR).text
    assert made.size > 0
    assert f"{made.size} entries" in page.replace("\N{NO-BREAK SPACE}", " ").replace(",", "")


def test_a_job_that_was_given_up_is_tried_again_once(site: Site) -> None:
    job = site.parameters["job_id"]
    path, token = f"/system/jobs/{job}/retry", form_token(site.cookies[Role.ADMIN])
    page = site.get("/system?lang=en", Role.ADMIN)
    assert f'action="{path}"' in page.text
    assert f'action="{path}"' not in site.get("/system", Role.AUDITOR).text
    done = site.post(path, Role.ADMIN, {"token": token})
    assert (done.status_code, done.headers["location"]) == (303, "/system")
    assert _state(site, job) == "todo"
    assert site.post(path, Role.ADMIN, {"token": token}).status_code == 409
    assert (
        site.post("/system/jobs/999999999/retry", Role.ADMIN, {"token": token}).status_code == 404
    )
    assert "recordings.sweep" in site.get("/system?state=todo", Role.ADMIN).text
    with site.house.database.transaction() as session:
        session.execute(
            text("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = :id"), {"id": int(job)}
        )


def test_a_state_that_is_none_is_refused(site: Site) -> None:
    assert site.get("/system?state=lost", Role.ADMIN).status_code == 422
    assert site.get("/system?before=0", Role.ADMIN).status_code == 422
