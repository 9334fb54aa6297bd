"""Keep sources of 1C, what they told of each thing, how far they were read, what is written back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0058"
down_revision = "0062"
branch_labels = None
depends_on = None

FAULTS = "fault IN ('address', 'unresolved', 'unreachable', 'slow', 'too_large', 'redirect', 'credentials', 'forbidden', 'not_switched_on', 'busy', 'broken', 'status', 'unreadable', 'shifting', 'changed')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "onec_progress",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_onec_progress_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_onec_progress")),
    )
    op.create_table(
        "onec_sources",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=True),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("login", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("removed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("sent_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("pulled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("held_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(FAULTS, name=op.f("ck_onec_sources_fault")),
        sa.CheckConstraint(
            "(base_url IS NULL) = (login IS NULL) OR removed_at IS NOT NULL",
            name=op.f("ck_onec_sources_login"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_onec_sources")),
    )
    op.create_index(
        "uq_onec_sources_name",
        "onec_sources",
        ["name"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "onec_cursors",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_full", sa.Boolean(), nullable=False),
        sa.Column("began_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("skip", sa.Integer(), nullable=False),
        sa.Column("anchor", sa.Uuid(), nullable=True),
        sa.Column("changed_after", sa.Text(), nullable=True),
        sa.Column("newest", sa.Text(), nullable=True),
        sa.Column("full_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("done_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(FAULTS, name=op.f("ck_onec_cursors_fault")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["onec_sources.id"], name=op.f("fk_onec_cursors_source_id_onec_sources")
        ),
        sa.PrimaryKeyConstraint("source_id", "entity", "kind", name=op.f("pk_onec_cursors")),
    )
    op.create_table(
        "onec_things",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("client", sa.Text(), nullable=True),
        sa.Column("entity", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("is_marked", sa.Boolean(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=True),
        sa.Column("told", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'refused') = (told IS NOT NULL)", name=op.f("ck_onec_things_told")
        ),
        sa.CheckConstraint(
            "kind IN ('client', 'contact', 'contract', 'event')", name=op.f("ck_onec_things_kind")
        ),
        sa.CheckConstraint("state IN ('taken', 'refused')", name=op.f("ck_onec_things_state")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_onec_things_event_id_events")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["onec_sources.id"], name=op.f("fk_onec_things_source_id_onec_sources")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_onec_things")),
    )
    op.create_index(
        "ix_onec_things_event",
        "onec_things",
        ["event_id"],
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index(
        "ix_onec_things_needs",
        "onec_things",
        ["source_id", "needs"],
        postgresql_where=sa.text("needs IS NOT NULL"),
    )
    op.create_index(
        "ix_onec_things_refused",
        "onec_things",
        ["source_id", "at", "id"],
        postgresql_where=sa.text("state = 'refused'"),
    )
    op.create_index("uq_onec_things_ref", "onec_things", ["source_id", "kind", "ref"], unique=True)
    op.create_table(
        "onec_returns",
        sa.Column("thing_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("written_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_at IS NOT NULL)", name=op.f("ck_onec_returns_next")
        ),
        sa.CheckConstraint(FAULTS, name=op.f("ck_onec_returns_fault")),
        sa.CheckConstraint(
            "state IN ('waiting', 'written', 'dead')", name=op.f("ck_onec_returns_state")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["onec_sources.id"], name=op.f("fk_onec_returns_source_id_onec_sources")
        ),
        sa.ForeignKeyConstraint(
            ["thing_id"], ["onec_things.id"], name=op.f("fk_onec_returns_thing_id_onec_things")
        ),
        sa.PrimaryKeyConstraint("thing_id", name=op.f("pk_onec_returns")),
    )
    op.create_index(
        "ix_onec_returns_due",
        "onec_returns",
        ["next_at"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(op.f("ix_onec_returns_source_id"), "onec_returns", ["source_id"])
    op.execute(
        "INSERT INTO onec_progress (id, seq) SELECT 1, coalesce(max(seq) + 1, 0) FROM ledger_leaves"
    )
    op.execute("GRANT SELECT, UPDATE ON onec_progress TO audiatur_app")
    op.execute(
        "GRANT SELECT, INSERT, UPDATE ON onec_sources, onec_cursors, onec_things, onec_returns TO audiatur_app"
    )


def downgrade() -> None:
    """Drop the tables; clients and events that were taken stay."""
    for table in ("returns", "things", "cursors", "sources", "progress"):
        op.drop_table(f"onec_{table}")
