"""Say which recordings a hold has caught, so that the store can be let follow it."""

from __future__ import annotations

from alembic import op

revision = "0020a"
down_revision = "0020"
branch_labels = None
depends_on = None

# A hold that is over is asked too: what it had caught is let go in the store.
CAUGHT_BY = """
CREATE FUNCTION caught_by(asked uuid, after uuid, most integer) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT caught.id FROM (
        SELECT i.recording_id AS id FROM legal_hold_items i WHERE i.hold_id = asked
        UNION
        SELECT r.id FROM legal_holds h CROSS JOIN recordings r
        WHERE h.id = asked AND num_nonnulls(h.rule_client_id, h.rule_agent) > 0 AND hold_fits(h, r)
    ) caught
    JOIN recordings k ON k.id = caught.id AND k.erased_at IS NULL
    WHERE after IS NULL OR caught.id > after
    ORDER BY caught.id LIMIT most
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(CAUGHT_BY)
    op.execute("REVOKE ALL ON FUNCTION caught_by(uuid, uuid, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION caught_by(uuid, uuid, integer) TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION caught_by(uuid, uuid, integer)")
