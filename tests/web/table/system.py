"""System: how the parts stand, and the jobs."""

from __future__ import annotations

from sqlalchemy import text

from app.core.ids import new_id
from app.identity.permissions import Role
from app.mail.models import Kind, Mail, MailState
from tests.review.house import House

PAGES = {"/system": frozenset({Role.ADMIN, Role.AUDITOR})}
FORMS = dict.fromkeys(
    ("/system/jobs/{job_id}/retry", "/system/mails/{mail_id}/again"), frozenset({Role.ADMIN})
)


def fill(house: House) -> dict[str, str]:
    """Let one job be given up, and one letter be refused."""
    with house.database.transaction() as session:
        job = session.scalar(
            text("""
                INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts)
                VALUES ('default', 'recordings.sweep', '{}', 'failed', 9) RETURNING id
            """)
        )
        mail = new_id()
        session.add(
            Mail(
                id=mail,
                kind=Kind.APPROVAL,
                user_id=house.people["approver"].id,
                language="ru",
                about_kind="release",
                about_id=new_id(),
                state=MailState.REFUSED,
                attempts=1,
                fault="recipient 550",
                asked_at=house.clock.now(),
            )
        )
    return {"job_id": str(job), "mail_id": str(mail)}
