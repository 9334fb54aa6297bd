"""Keep what each leg sounds like, and which texts a search could not look for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "leg_sounds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("leg_id", sa.Uuid(), nullable=False),
        sa.Column("method_version", sa.Text(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("loudness_lufs", sa.Float(), nullable=True),
        sa.Column("same_channels", sa.Boolean(), nullable=False),
        sa.Column("channels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("talk_object_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("duration_ms >= 0", name=op.f("ck_leg_sounds_duration_ms")),
        sa.CheckConstraint("jsonb_typeof(channels) = 'array'", name=op.f("ck_leg_sounds_channels")),
        sa.ForeignKeyConstraint(["leg_id"], ["legs.id"], name=op.f("fk_leg_sounds_leg_id_legs")),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_leg_sounds_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["talk_object_id"],
            ["sealed_objects.object_id"],
            name=op.f("fk_leg_sounds_talk_object_id_sealed_objects"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leg_sounds")),
        sa.UniqueConstraint("talk_object_id", name=op.f("uq_leg_sounds_talk_object_id")),
    )
    op.create_index("ix_leg_sounds_leg", "leg_sounds", ["leg_id", "at"])
    op.create_index(op.f("ix_leg_sounds_recording_id"), "leg_sounds", ["recording_id"])
    op.execute("GRANT SELECT, INSERT ON leg_sounds TO audiatur_app")
    op.execute(
        "CREATE TRIGGER leg_sounds_kept BEFORE UPDATE OR DELETE ON leg_sounds "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.add_column(
        "notice_searches",
        sa.Column(
            "not_searched",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_column("notice_searches", "not_searched")
    op.execute("DROP TABLE leg_sounds")
