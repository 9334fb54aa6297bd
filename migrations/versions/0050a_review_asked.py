"""Let people ask that a recording be looked at; who reviews says what came of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050a"
down_revision = "0054"
branch_labels = None
depends_on = None

_BEFORE = (
    "queue IN ('unknown', 'proposed', 'blocks', 'releases', 'policy', 'sample', 'mobile', 'differs'"
)
_TABLES = ("review_claims", "review_notes")

FORGET = """
CREATE FUNCTION forget_review_asks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE review_asks SET words = NULL WHERE recording_id = NEW.id AND words IS NOT NULL;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "review_asks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_review_asks_recording_id_recordings")
        ),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["users.id"], name=op.f("fk_review_asks_asked_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_asks")),
    )
    op.create_index("ix_review_asks_recording_id", "review_asks", ["recording_id"])
    op.execute("GRANT SELECT, INSERT ON review_asks TO audiatur_app")
    op.execute(FORGET)
    op.execute("REVOKE ALL ON FUNCTION forget_review_asks() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER recordings_forget_review_asks AFTER UPDATE OF erased_at ON recordings "
        "FOR EACH ROW WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) "
        "EXECUTE FUNCTION forget_review_asks()"
    )
    _queues(f"{_BEFORE}, 'asked')")


def downgrade() -> None:
    op.execute("DELETE FROM review_claims WHERE queue = 'asked'")
    op.execute("ALTER TABLE review_notes DISABLE TRIGGER USER")
    op.execute("DELETE FROM review_notes WHERE queue = 'asked'")
    op.execute("ALTER TABLE review_notes ENABLE TRIGGER USER")
    _queues(f"{_BEFORE})")
    op.execute("DROP TRIGGER recordings_forget_review_asks ON recordings")
    op.execute("DROP FUNCTION forget_review_asks()")
    op.drop_table("review_asks")


def _queues(condition: str) -> None:
    for table in _TABLES:
        op.drop_constraint(op.f(f"ck_{table}_queue"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_queue"), table, condition)
