"""Compute the stamp of consent by plans that a connection keeps, for it is compared at every part."""

from __future__ import annotations

from alembic import op

revision = "0070"
down_revision = "0066a"
branch_labels = None
depends_on = None

HEAD = """
CREATE OR REPLACE FUNCTION consent_stamp(recording_id uuid, contact_id uuid) RETURNS text
LANGUAGE {language} STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
"""

# Word for word what it was: a stamp that was given before is the same after.
STAMP = """
    SELECT 'r' || r.consent_epoch || '.' || encode(sha256(convert_to(jsonb_build_array(
        r.event_id, r.started_at, r.duration_ms, r.restricted_at, r.integrity_failed_at, r.erased_at,
        e.client_id, $2,
        (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM parties p WHERE p.recording_id = r.id),
        (SELECT jsonb_agg(jsonb_build_array(l.leg, l.object_id) ORDER BY l.leg) FROM legs l
         WHERE l.recording_id = r.id),
        (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.scope, x.key) FROM consent_epochs x
         WHERE (x.scope, x.key) IN (
            SELECT 'policy', 'all'
            UNION SELECT 'contact', $2::text
            UNION SELECT 'client', e.client_id::text
            UNION SELECT 'client', c.client_id::text FROM contacts c WHERE c.id = $2
            UNION SELECT 'client', p.client_id::text FROM parties p WHERE p.recording_id = r.id
            UNION SELECT 'contact', p.contact_id::text FROM parties p WHERE p.recording_id = r.id
            UNION SELECT 'agent', p.agent FROM parties p WHERE p.recording_id = r.id))
    )::text, 'UTF8')), 'hex')
    FROM recordings r JOIN events e ON e.id = r.event_id
    WHERE r.id = $1
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # A function in SQL is planned anew at each call, one in PL/pgSQL once for each connection.
    op.execute(f"{HEAD.format(language='plpgsql')}BEGIN RETURN ({STAMP}); END $$")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(f"{HEAD.format(language='sql')}{STAMP}$$")
