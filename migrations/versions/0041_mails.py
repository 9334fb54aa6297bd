"""Keep a row for each mail: to whom, of which kind, about what, and how far it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

KINDS = (
    "kind IN ('approval', 'deadline', 'release_link', 'link_ended', 'alarm', 'checkpoint', "
    "'recovery', 'request_link')"
)
STATES = "state IN ('queued', 'sent', 'refused', 'given_up', 'withdrawn', 'skipped')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("address_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("about_kind", sa.Text(), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=False),
        sa.Column("occasion", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("sent_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(KINDS, name=op.f("ck_mails_kind")),
        sa.CheckConstraint(STATES, name=op.f("ck_mails_state")),
        sa.CheckConstraint(
            "num_nonnulls(user_id, contact_id) = 1", name=op.f("ck_mails_one_recipient")
        ),
        sa.CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_mails_sent")),
        sa.CheckConstraint(
            "secret IS NULL OR state IN ('queued', 'refused', 'given_up')",
            name=op.f("ck_mails_secret"),
        ),
        sa.CheckConstraint(
            "(contact_id IS NULL) = (address_sha256 IS NULL)", name=op.f("ck_mails_address")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mails_user_id_users")),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_mails_contact_id_contacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index(
        "uq_mails_once",
        "mails",
        ["kind", "about_kind", "about_id", "occasion", "user_id", "contact_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_mails_about", "mails", ["about_kind", "about_id"])
    op.create_index(
        "ix_mails_open",
        "mails",
        ["asked_at"],
        postgresql_where=sa.text("state NOT IN ('sent', 'withdrawn')"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON mails TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("mails")
