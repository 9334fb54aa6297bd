"""Lay the entries of the ledger out as a tree: leaves, tiles, checkpoints, stamps and keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INSERT_ONLY = ("ledger_leaves", "ledger_tiles", "checkpoints", "checkpoint_stamps", "ledger_keys")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_tree()
    make_progress()
    make_checkpoints()
    for table in INSERT_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute("GRANT SELECT, UPDATE ON ledger_progress TO audiatur_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON ledger_gaps TO audiatur_app")


def make_tree() -> None:
    op.create_table(
        "ledger_leaves",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(leaf_hash) = 32", name=op.f("ck_ledger_leaves_hash")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ledger_leaves")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_ledger_leaves_entry_id")),
    )
    op.create_index("ix_ledger_leaves_object", "ledger_leaves", ["object_kind", "object_id", "seq"])
    op.create_table(
        "ledger_tiles",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "octet_length(hashes) = 8192 AND octet_length(root) = 32",
            name=op.f("ck_ledger_tiles_whole"),
        ),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_ledger_tiles")),
    )


def make_progress() -> None:
    op.create_table(
        "ledger_progress",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_ledger_progress_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_progress")),
    )
    op.execute("INSERT INTO ledger_progress (id, position) VALUES (1, 0)")
    op.create_table(
        "ledger_gaps",
        sa.Column("first_position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column("writers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.CheckConstraint("first_position <= last_position", name=op.f("ck_ledger_gaps_order")),
        sa.PrimaryKeyConstraint("first_position", name=op.f("pk_ledger_gaps")),
    )


def make_checkpoints() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("wants_stamp", sa.Boolean(), nullable=False),
        sa.Column("signed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(root) = 32", name=op.f("ck_checkpoints_root")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_checkpoints_size")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
    )
    op.create_index("ix_checkpoints_size", "checkpoints", ["size", "signed_at"])
    op.create_table(
        "checkpoint_stamps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("checkpoint_id", sa.Uuid(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("stamped_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"],
            ["checkpoints.id"],
            name=op.f("fk_checkpoint_stamps_checkpoint_id_checkpoints"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoint_stamps")),
        sa.UniqueConstraint(
            "checkpoint_id", "authority", name=op.f("uq_checkpoint_stamps_checkpoint_id_authority")
        ),
    )
    op.create_table(
        "ledger_keys",
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at_size", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('begun', 'ended')", name=op.f("ck_ledger_keys_state")),
        sa.CheckConstraint("octet_length(public_key) = 32", name=op.f("ck_ledger_keys_public_key")),
        sa.PrimaryKeyConstraint("public_key", "state", name=op.f("pk_ledger_keys")),
    )


def downgrade() -> None:
    op.execute(
        "DROP TABLE checkpoint_stamps, checkpoints, ledger_keys, ledger_gaps, ledger_progress, "
        "ledger_tiles, ledger_leaves"
    )
