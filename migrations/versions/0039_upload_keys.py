"""Let a sender's Idempotency-Key be of one call and leg, whenever and however often at once it comes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0045c"
branch_labels = None
depends_on = None

# Of what came before, the first that had the key has it.
FOUND_BEFORE = """
INSERT INTO upload_keys (device_id, key_sha256, leg_id)
SELECT DISTINCT ON (r.device_id, l.idempotency_key)
    r.device_id, sha256(convert_to(l.idempotency_key, 'UTF8')), l.id
FROM legs l JOIN recordings r ON r.id = l.recording_id
WHERE l.idempotency_key IS NOT NULL
ORDER BY r.device_id, l.idempotency_key, l.received_at, l.id
"""

LEGS = "    UPDATE legs SET file_name = NULL, idempotency_key = NULL WHERE recording_id = asked;\n"
KEYS = "    DELETE FROM upload_keys WHERE leg_id IN (SELECT l.id FROM legs l WHERE l.recording_id = asked);\n"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "upload_keys",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("key_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("leg_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("octet_length(key_sha256) = 32", name=op.f("ck_upload_keys_key_sha256")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_upload_keys_device_id_devices")
        ),
        sa.ForeignKeyConstraint(["leg_id"], ["legs.id"], name=op.f("fk_upload_keys_leg_id_legs")),
        sa.PrimaryKeyConstraint("device_id", "key_sha256", name=op.f("pk_upload_keys")),
        sa.UniqueConstraint("leg_id", name=op.f("uq_upload_keys_leg_id")),
    )
    op.execute(FOUND_BEFORE)
    op.execute("GRANT SELECT, INSERT ON upload_keys TO audiatur_app")
    op.execute(
        "CREATE TRIGGER upload_keys_kept BEFORE UPDATE OR DELETE ON upload_keys "
        "FOR EACH ROW WHEN (NOT being_erased()) EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER upload_keys_never_emptied BEFORE TRUNCATE ON upload_keys "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    rewrite("destroy_recording(uuid, timestamptz)", LEGS, KEYS + LEGS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    rewrite("destroy_recording(uuid, timestamptz)", KEYS + LEGS, LEGS)
    op.drop_table("upload_keys")


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
