"""Keep telephony providers: accounts, their messages as they came, and what these tell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0053"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "provider_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("public_url", sa.Text(), nullable=False),
        sa.Column("media_hosts", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secrets", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("removed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('twilio', 'telnyx', 'mango', 'zadarma', 'standard', 'bitrix')",
            name=op.f("ck_provider_accounts_kind"),
        ),
        sa.CheckConstraint(
            "direction IN ('inbound', 'outbound', 'internal')",
            name=op.f("ck_provider_accounts_direction"),
        ),
        sa.CheckConstraint(
            "(previous_secrets IS NULL) = (previous_until IS NULL)",
            name=op.f("ck_provider_accounts_previous"),
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_provider_accounts_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_provider_accounts_name")),
        sa.UniqueConstraint("device_id", name=op.f("uq_provider_accounts_device_id")),
    )
    op.create_table(
        "provider_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("repeats", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'taken', 'unreadable')", name=op.f("ck_provider_notices_state")
        ),
        sa.CheckConstraint(
            "state <> 'waiting' OR sealed IS NOT NULL", name=op.f("ck_provider_notices_kept")
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (settled_at IS NULL)", name=op.f("ck_provider_notices_settled")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["provider_accounts.id"],
            name=op.f("fk_provider_notices_account_id_provider_accounts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_notices")),
        sa.UniqueConstraint(
            "account_id", "sha256", name=op.f("uq_provider_notices_account_id_sha256")
        ),
    )
    op.create_index(
        "ix_provider_notices_received", "provider_notices", ["account_id", "received_at"]
    )
    op.create_index(
        "ix_provider_notices_sealed",
        "provider_notices",
        ["settled_at"],
        postgresql_where=sa.text("sealed IS NOT NULL"),
    )
    op.create_table(
        "provider_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["provider_accounts.id"],
            name=op.f("fk_provider_calls_account_id_provider_accounts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_calls")),
        sa.UniqueConstraint("account_id", "call", name=op.f("uq_provider_calls_account_id_call")),
    )
    op.create_index("ix_provider_calls_changed", "provider_calls", ["changed_at"])
    op.create_table(
        "provider_media",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("source_call_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("is_once", sa.Boolean(), nullable=False),
        sa.Column("link", sa.LargeBinary(), nullable=True),
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'asked', 'kept', 'absent', 'refused', 'lost')",
            name=op.f("ck_provider_media_state"),
        ),
        sa.CheckConstraint(
            "(state = 'kept') = (recording_id IS NOT NULL)", name=op.f("ck_provider_media_kept")
        ),
        sa.CheckConstraint(
            "(state IN ('waiting', 'asked')) = (link IS NOT NULL)",
            name=op.f("ck_provider_media_link"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["provider_accounts.id"],
            name=op.f("fk_provider_media_account_id_provider_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["call_id"],
            ["provider_calls.id"],
            name=op.f("fk_provider_media_call_id_provider_calls"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_provider_media_recording_id_recordings"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_media")),
        sa.UniqueConstraint("account_id", "media", name=op.f("uq_provider_media_account_id_media")),
        sa.UniqueConstraint(
            "account_id", "source_call_id", name=op.f("uq_provider_media_account_id_source_call_id")
        ),
    )
    op.create_index("ix_provider_media_call", "provider_media", ["call_id"])
    op.create_index("ix_provider_media_recording", "provider_media", ["recording_id"])
    op.execute(
        "GRANT SELECT, INSERT, UPDATE ON provider_accounts, provider_notices, provider_calls, provider_media TO audiatur_app"
    )


def downgrade() -> None:
    """Drop the tables; providers are told of anew."""
    for table in ("provider_media", "provider_calls", "provider_notices", "provider_accounts"):
        op.drop_table(table)
