"""Keep offices, whose people belong to which, and which serves a client."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0018"
branch_labels = None
depends_on = None

MAIN = "00000000-0000-7000-8000-000000000001"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "offices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offices")),
        sa.UniqueConstraint("name", name=op.f("uq_offices_name")),
    )
    op.create_table(
        "user_offices",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("office_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_offices_user_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["offices.id"], name=op.f("fk_user_offices_office_id_offices")
        ),
        sa.PrimaryKeyConstraint("user_id", "office_id", name=op.f("pk_user_offices")),
    )
    # Whatever is there already belongs to the one office; who has none of his own does too.
    op.execute(
        sa.text(
            "INSERT INTO offices (id, name, created_at) VALUES (:id, 'main', now())"
        ).bindparams(id=UUID(MAIN))
    )
    op.add_column(
        "clients",
        sa.Column("office_id", sa.Uuid(), server_default=sa.text(f"'{MAIN}'"), nullable=False),
    )
    op.create_foreign_key(
        op.f("fk_clients_office_id_offices"), "clients", "offices", ["office_id"], ["id"]
    )
    op.create_index("ix_clients_office_id", "clients", ["office_id"])
    op.execute("GRANT SELECT, INSERT, UPDATE ON offices TO audiatur_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON user_offices TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("clients", "office_id")
    op.drop_table("user_offices")
    op.drop_table("offices")
