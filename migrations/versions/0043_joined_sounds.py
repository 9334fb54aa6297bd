"""Keep the two directions of a call in one playable file, and let an erasure find it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0034"
branch_labels = None
depends_on = None

TALK = (
    "    UNION SELECT s.talk_object_id, 'archive' FROM leg_sounds s WHERE s.recording_id = asked\n"
)
JOINED = (
    "    UNION SELECT j.object_id, 'archive' FROM joined_sounds j WHERE j.recording_id = asked\n"
)
# Recordings that came before: their two files are put together as those of new ones are.
CAME_BEFORE = """
SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
    'audiatur', 'inspection.join', -10, NULL, NULL,
    jsonb_build_object('recording_id', r.id::text), NULL
)::procrastinate_job_to_defer_v1])
FROM recordings r
WHERE r.erased_at IS NULL
    AND EXISTS (SELECT FROM legs l WHERE l.recording_id = r.id AND l.leg = 'sent'
        AND l.inspection_state = 'done')
    AND EXISTS (SELECT FROM legs l WHERE l.recording_id = r.id AND l.leg = 'received'
        AND l.inspection_state = 'done')
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "joined_sounds",
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("sent_leg_id", sa.Uuid(), nullable=False),
        sa.Column("received_leg_id", sa.Uuid(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("decoder", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["object_id"],
            ["sealed_objects.object_id"],
            name=op.f("fk_joined_sounds_object_id_sealed_objects"),
        ),
        sa.ForeignKeyConstraint(
            ["received_leg_id"], ["legs.id"], name=op.f("fk_joined_sounds_received_leg_id_legs")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_joined_sounds_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["sent_leg_id"], ["legs.id"], name=op.f("fk_joined_sounds_sent_leg_id_legs")
        ),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_joined_sounds")),
    )
    op.create_index("ix_joined_sounds_recording_id", "joined_sounds", ["recording_id"])
    op.execute("GRANT SELECT, INSERT ON joined_sounds TO audiatur_app")
    op.execute(
        "CREATE TRIGGER joined_sounds_kept BEFORE UPDATE OR DELETE ON joined_sounds "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    rewrite("erasable_objects(uuid)", TALK, TALK + JOINED)
    op.execute(CAME_BEFORE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    rewrite("erasable_objects(uuid)", TALK + JOINED, TALK)
    op.execute("DROP TABLE joined_sounds")


def rewrite(function: str, before: str, after: str) -> None:
    """Put another text in the place of one in a function, which must be there once."""
    bind = op.get_bind()
    body = str(
        bind.scalar(
            sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))"), {"name": function}
        )
    )
    if body.count(before) != 1:
        raise RuntimeError(f"{function} is not what this migration changes: {before!r}")
    bind.execute(sa.text(body.replace(before, after)))
