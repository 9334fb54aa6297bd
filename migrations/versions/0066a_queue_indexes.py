"""Find what waits in queues of few among many without reading all."""

from __future__ import annotations

from alembic import op

revision = "0066a"
down_revision = "0063"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_recordings_untied": (
        "recordings (started_at DESC, id DESC) WHERE client_id IS NULL AND erased_at IS NULL"
    ),
    "ix_recordings_mobile": "recordings (started_at, id) WHERE capture = 'mobile'",
    "ix_assertions_blocks": (
        "assertions (proposed_at, id) WHERE kind IN ('refusal', 'withdrawal')"
    ),
    "ix_assertions_auto": (
        "assertions (proposed_at, id) "
        "WHERE kind = 'ivr_notice' AND status = 'verified' AND decided_by IS NULL"
    ),
    "ix_procrastinate_jobs_failed": "procrastinate_jobs (id) WHERE status = 'failed'",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, what in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {what}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
