"""Keep second factors, one-time tokens, who people are at a provider, and more of each log-in."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0020b"
branch_labels = None
depends_on = None

KINDS = "kind IN ('recovery', 'first_admin', 'second_factor', 'oidc')"
TABLES = ("recovery_codes", "one_time_tokens", "provider_subjects")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in _of_users():
        op.add_column("users", column)
    for column in _of_sessions():
        op.add_column("web_sessions", column)
    op.add_column("login_attempts", sa.Column("source_digest", sa.LargeBinary(), nullable=True))
    op.create_index("ix_login_attempts_source_digest_at", "login_attempts", ["source_digest", "at"])
    make_tables()
    op.execute("GRANT SELECT, INSERT, UPDATE ON recovery_codes TO audiatur_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON one_time_tokens TO audiatur_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON provider_subjects TO audiatur_app")


def make_tables() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("used_at", sa.TIMESTAMP(timezone=True), nullable=True),
        _user("recovery_codes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("digest", name=op.f("uq_recovery_codes_digest")),
    )
    op.create_table(
        "one_time_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("used_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(KINDS, name=op.f("ck_one_time_tokens_kind")),
        _user("one_time_tokens"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_one_time_tokens_digest")),
    )
    op.create_table(
        "provider_subjects",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("bound_at", sa.TIMESTAMP(timezone=True), nullable=False),
        _user("provider_subjects"),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_provider_subjects")),
    )
    for table in TABLES:
        op.create_index(f"ix_{table}_user_id", table, ["user_id"])


def _of_users() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column(
            "has_long_password", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("totp_secret", sa.LargeBinary(), nullable=True),
        sa.Column("totp_since", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("totp_last_step", sa.Integer(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
    )


def _of_sessions() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column(
            "seen_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("proved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("how", sa.Text(), server_default=sa.text("'password'"), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("browser", sa.Text(), nullable=True),
    )


def _user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id_users")
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_index("ix_login_attempts_source_digest_at", "login_attempts")
    op.drop_column("login_attempts", "source_digest")
    for column in _of_sessions():
        op.drop_column("web_sessions", column.name)
    for column in _of_users():
        op.drop_column("users", column.name)
