"""Keep searches by name, who pinned them, and lists of recordings that were chosen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0044a"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "saved_searches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("made_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "btrim(name) <> '' AND length(name) <= 80", name=op.f("ck_saved_searches_name")
        ),
        sa.CheckConstraint("length(query) <= 2000", name=op.f("ck_saved_searches_query")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_saved_searches_owner_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_searches")),
    )
    op.create_index("uq_saved_searches_name", "saved_searches", ["owner_id", "name"], unique=True)
    op.create_table(
        "search_pins",
        sa.Column("search_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id"],
            ["saved_searches.id"],
            name=op.f("fk_search_pins_search_id_saved_searches"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_search_pins_user_id_users")
        ),
        sa.PrimaryKeyConstraint("search_id", "user_id", name=op.f("pk_search_pins")),
    )
    op.create_table(
        "selections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recording_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column(
            "done",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["users.id"], name=op.f("fk_selections_made_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_selections")),
    )
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON saved_searches, search_pins TO audiatur_app"
    )
    op.execute("GRANT SELECT, INSERT ON selections TO audiatur_app")
    op.execute("GRANT UPDATE (done) ON selections TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE selections, search_pins, saved_searches")
