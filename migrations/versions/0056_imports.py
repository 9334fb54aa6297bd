"""Keep the runs that take an old archive in, and what became of each of its files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0056"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "import_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("asked", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_dry", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_listed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("moved_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state IN ('running', 'done', 'cancelled')", name=op.f("ck_import_runs_state")
        ),
        sa.CheckConstraint(
            "(state = 'running') = (ended_at IS NULL)", name=op.f("ck_import_runs_ended")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_import_runs_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["cancelled_by"], ["users.id"], name=op.f("fk_import_runs_cancelled_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_runs")),
    )
    op.create_index(
        "ix_import_runs_started", "import_runs", [sa.text("started_at DESC"), sa.text("id DESC")]
    )
    op.create_index(
        "uq_import_runs_running",
        "import_runs",
        ["device_id", sa.text("md5(folder)"), "is_dry"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "import_files",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("path_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("told_by", sa.Text(), nullable=True),
        sa.Column("source_call_id", sa.Text(), nullable=True),
        sa.Column("leg", sa.Text(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'taken', 'skipped', 'refused')",
            name=op.f("ck_import_files_state"),
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (at IS NULL)", name=op.f("ck_import_files_ended")
        ),
        sa.CheckConstraint(
            "(state IN ('skipped', 'refused')) = (reason IS NOT NULL)",
            name=op.f("ck_import_files_reason"),
        ),
        sa.CheckConstraint(
            "octet_length(path_sha256) = 32", name=op.f("ck_import_files_path_sha256")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["import_runs.id"],
            name=op.f("fk_import_files_run_id_import_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "path_sha256", name=op.f("pk_import_files")),
    )
    op.create_index(
        "ix_import_files_waiting",
        "import_files",
        ["run_id", "path_sha256"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_import_files_state", "import_files", ["run_id", "state", "reason"])
    op.create_index("ix_import_files_sha256", "import_files", ["run_id", "sha256"])
    op.create_index("ix_import_files_call", "import_files", ["run_id", "source_call_id"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON import_runs, import_files TO audiatur_app")


def downgrade() -> None:
    """Drop both tables; what was taken stays."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("import_files")
    op.drop_table("import_runs")
