"""Keep what is told to other systems: endpoints, happenings, deliveries and their attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0054"
down_revision = "0050"
branch_labels = None
depends_on = None

KINDS = "kind IN ('recording.kept', 'recording.leg_kept', 'recording.linked', 'recording.flagged', 'recording.erased', 'screenshot.kept', 'screenshot.erased', 'release.granted', 'release.viewed', 'release.revoked', 'gap.found')"
STATES = "state IN ('waiting', 'delivered', 'dead', 'dropped')"
FAULTS = "fault IN ('status', 'redirect', 'gone', 'slow', 'unreachable', 'unresolved', 'address')"


def upgrade() -> None:
    """Make the tables; what the ledger holds by now is told to nobody."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("from_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('on', 'off', 'removed')", name=op.f("ck_webhook_endpoints_state")
        ),
        sa.CheckConstraint("cardinality(kinds) > 0", name=op.f("ck_webhook_endpoints_kinds")),
        sa.CheckConstraint(
            "(state = 'removed') = (secret IS NULL)", name=op.f("ck_webhook_endpoints_secret")
        ),
        sa.CheckConstraint(
            "(previous_secret IS NULL) = (previous_until IS NULL)",
            name=op.f("ck_webhook_endpoints_previous"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index(
        "uq_webhook_endpoints_name",
        "webhook_endpoints",
        ["name"],
        unique=True,
        postgresql_where="state <> 'removed'",
    )
    op.create_table(
        "webhook_happenings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(KINDS, name=op.f("ck_webhook_happenings_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_happenings")),
        sa.UniqueConstraint("seq", name=op.f("uq_webhook_happenings_seq")),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("happening_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(STATES, name=op.f("ck_webhook_deliveries_state")),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_at IS NOT NULL)", name=op.f("ck_webhook_deliveries_next")
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (ended_at IS NULL)", name=op.f("ck_webhook_deliveries_ended")
        ),
        sa.ForeignKeyConstraint(
            ["happening_id"],
            ["webhook_happenings.id"],
            name=op.f("fk_webhook_deliveries_happening_id_webhook_happenings"),
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name=op.f("fk_webhook_deliveries_endpoint_id_webhook_endpoints"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint(
            "happening_id",
            "endpoint_id",
            name=op.f("uq_webhook_deliveries_happening_id_endpoint_id"),
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["endpoint_id", "next_at"],
        postgresql_where="state = 'waiting'",
    )
    op.create_index("ix_webhook_deliveries_log", "webhook_deliveries", ["endpoint_id", "id"])
    op.create_index("ix_webhook_deliveries_ended", "webhook_deliveries", ["ended_at"])
    op.create_table(
        "webhook_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("ms", sa.Integer(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(FAULTS, name=op.f("ck_webhook_attempts_fault")),
        sa.CheckConstraint(
            "fault IS NOT NULL OR status BETWEEN 200 AND 299",
            name=op.f("ck_webhook_attempts_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_deliveries.id"],
            name=op.f("fk_webhook_attempts_delivery_id_webhook_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempts")),
    )
    op.create_index("ix_webhook_attempts_delivery", "webhook_attempts", ["delivery_id", "id"])
    op.create_table(
        "webhook_progress",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_webhook_progress_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_progress")),
    )
    op.execute(
        "INSERT INTO webhook_progress (id, seq) SELECT 1, coalesce(max(seq) + 1, 0) FROM ledger_leaves"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON webhook_endpoints TO audiatur_app")
    op.execute("GRANT SELECT, UPDATE ON webhook_progress TO audiatur_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON webhook_happenings TO audiatur_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO audiatur_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON webhook_attempts TO audiatur_app")


def downgrade() -> None:
    """Drop the tables; what was not delivered is lost."""
    for table in ("progress", "attempts", "deliveries", "happenings", "endpoints"):
        op.drop_table(f"webhook_{table}")
