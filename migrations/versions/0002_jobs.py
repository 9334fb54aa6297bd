"""Make the queue of background jobs, with its notifications left out of the transactions."""

from __future__ import annotations

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "procrastinate_events",
    "procrastinate_periodic_defers",
    "procrastinate_jobs",
    "procrastinate_workers",
)


def upgrade() -> None:
    """Apply the queue's own schema, then silence its NOTIFY.

    A transaction that has notified holds a lock of the whole database while it commits, so that
    all commits that enqueue a job wait for each other's flush. Whoever enqueues wakes the
    workers after the commit instead (docs/decisions/0003-jobs.md has the figures).
    """
    op.execute("SET LOCAL lock_timeout = '5s'")
    schema = SchemaManager.get_schema()
    op.get_bind().exec_driver_sql(schema.replace("%", "%%"))
    op.execute(
        "ALTER TABLE procrastinate_jobs "
        "DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1"
    )
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO audiatur_app")
    op.execute(
        "GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq, "
        "procrastinate_periodic_defers_id_seq TO audiatur_app"
    )
    # What makes and ends jobs is for the application, not for every login of the server.
    op.execute(
        """
        DO $$
        DECLARE found record;
        BEGIN
            FOR found IN SELECT oid::regprocedure AS name FROM pg_proc
                WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'procrastinate%' LOOP
                EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', found.name);
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO audiatur_app', found.name);
            END LOOP;
        END $$
        """
    )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute(
        """
        DO $$
        DECLARE found record;
        BEGIN
            FOR found IN SELECT oid::regprocedure AS name FROM pg_proc
                WHERE proname LIKE 'procrastinate%' LOOP
                EXECUTE 'DROP FUNCTION ' || found.name || ' CASCADE';
            END LOOP;
        END $$
        """
    )
    op.execute("DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_status")
    op.execute("DROP TYPE procrastinate_job_event_type")
