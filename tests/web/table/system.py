"""System: how the parts stand, and the jobs."""

from __future__ import annotations

from sqlalchemy import text

from app.identity.permissions import Role
from tests.review.house import House

PAGES = {"/system": frozenset({Role.ADMIN, Role.AUDITOR})}
FORMS = {"/system/jobs/{job_id}/retry": frozenset({Role.ADMIN})}


def fill(house: House) -> dict[str, str]:
    """Let one job be given up."""
    with house.database.transaction() as session:
        job = session.scalar(
            text("""
                INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts)
                VALUES ('default', 'recordings.sweep', '{}', 'failed', 9) RETURNING id
            """)
        )
    return {"job_id": str(job)}
