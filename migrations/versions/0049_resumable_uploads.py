"""Keep the pieces of uploads that go on where they were cut, until the upload is whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0049"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "resumable_uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("concat", sa.Text(), nullable=True),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('recording', 'screenshot', 'part')", name=op.f("ck_resumable_uploads_kind")
        ),
        sa.CheckConstraint(
            "state IN ('receiving', 'kept', 'refused')", name=op.f("ck_resumable_uploads_state")
        ),
        sa.CheckConstraint(
            "received_bytes BETWEEN 0 AND length_bytes", name=op.f("ck_resumable_uploads_received")
        ),
        sa.CheckConstraint(
            "(state = 'receiving') = (answer IS NULL)", name=op.f("ck_resumable_uploads_answered")
        ),
        sa.CheckConstraint(
            "state = 'receiving' OR told IS NULL", name=op.f("ck_resumable_uploads_forgotten")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_resumable_uploads_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resumable_uploads")),
    )
    op.create_index("ix_resumable_uploads_device", "resumable_uploads", ["device_id", "state"])
    op.create_index("ix_resumable_uploads_expires", "resumable_uploads", ["expires_at"])
    op.create_table(
        "resumable_pieces",
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("size_bytes > 0", name=op.f("ck_resumable_pieces_size")),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["resumable_uploads.id"],
            name=op.f("fk_resumable_pieces_upload_id_resumable_uploads"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("upload_id", "starts_at", name=op.f("pk_resumable_pieces")),
        sa.UniqueConstraint("object_id", name=op.f("uq_resumable_pieces_object_id")),
    )
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON resumable_uploads, resumable_pieces TO audiatur_app"
    )


def downgrade() -> None:
    """Drop both tables; what is still on its way is sent again."""
    op.drop_table("resumable_pieces")
    op.drop_table("resumable_uploads")
