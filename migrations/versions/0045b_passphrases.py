"""Let the process of the links ask for a link's passphrase, a few times in a quarter of an hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045b"
down_revision = "0049"
branch_labels = None
depends_on = None

LINK_ASKS = """
CREATE FUNCTION link_asks(asked_digest bytea) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT l.passphrase_hash IS NOT NULL FROM share_links l
    WHERE l.token_digest = asked_digest AND link_release(asked_digest) IS NOT NULL
$$
"""

# A try is counted before anybody knows whether it is right, one after the other.
LINK_TRY = """
CREATE FUNCTION link_try(asked_digest bytea) RETURNS TABLE (is_open boolean, kept text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    l share_links;
BEGIN
    SELECT * INTO l FROM share_links s WHERE s.token_digest = asked_digest FOR UPDATE;
    IF l.id IS NULL THEN
        RETURN QUERY SELECT false, NULL::text;
        RETURN;
    END IF;
    IF link_release(asked_digest) IS NULL THEN
        PERFORM link_denied(l.id, l.release_id);
        RETURN QUERY SELECT false, NULL::text;
        RETURN;
    END IF;
    IF (SELECT count(*) FROM link_tries t
        WHERE t.link_id = l.id AND t.at > now() - interval '15 minutes') >= 10 THEN
        PERFORM link_denied(l.id, l.release_id);
        RETURN QUERY SELECT true, NULL::text;
        RETURN;
    END IF;
    INSERT INTO link_tries (id, link_id, at) VALUES (gen_random_uuid(), l.id, now());
    RETURN QUERY SELECT true, l.passphrase_hash;
END $$
"""
FUNCTIONS = {"link_asks(bytea)": LINK_ASKS, "link_try(bytea)": LINK_TRY}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "link_tries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["share_links.id"], name=op.f("fk_link_tries_link_id_share_links")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_tries")),
    )
    op.create_index("ix_link_tries_link", "link_tries", ["link_id", "at"])
    op.execute("GRANT SELECT ON link_tries TO audiatur_app")
    for function, body in FUNCTIONS.items():
        op.execute(body)
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_public")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("link_tries")
