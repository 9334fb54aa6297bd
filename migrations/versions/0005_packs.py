"""Let packs be put in force by two people, and let the database witness who they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BEFORE_ACTIVATION = "num_nonnulls(activated_by, second_by, activated_at) IN (0, 3)"
ACTIVATION = (
    "num_nonnulls(second_by, activated_at) IN (0, 2)"
    " AND (activated_by IS NOT NULL OR num_nonnulls(second_by, first_at) = 0)"
)
PROPOSER = "activated_by <> created_by AND second_by <> created_by"

# A pack is proposed by one person and agreed to by two others, one of them an approver. What two
# have agreed to is never changed, and never stands behind a later version.
GUARD = """
CREATE OR REPLACE FUNCTION guard_policy_pack() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before policy_packs;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD;
        before.activated_by := NEW.activated_by;
        before.first_at := NEW.first_at;
        before.second_by := NEW.second_by;
        before.activated_at := NEW.activated_at;
        IF NEW IS DISTINCT FROM before OR OLD.activated_at IS NOT NULL THEN
            RAISE EXCEPTION 'a pack is activated once and never changed' USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.activated_by IS NOT NULL
           AND (NEW.activated_by, NEW.first_at) IS DISTINCT FROM (OLD.activated_by, OLD.first_at) THEN
            RAISE EXCEPTION 'who agreed to a pack first is never changed' USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF NOT EXISTS (
        SELECT FROM users u WHERE u.id = NEW.created_by AND u.role IN ('admin', 'legal') AND u.disabled_at IS NULL
    ) THEN
        RAISE EXCEPTION 'a pack is proposed by an administrator or by legal' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (
        SELECT FROM unnest(ARRAY[NEW.activated_by, NEW.second_by]) person
        WHERE person IS NOT NULL AND NOT EXISTS (
            SELECT FROM users u
            WHERE u.id = person AND u.role IN ('approver', 'legal') AND u.disabled_at IS NULL)
    ) THEN
        RAISE EXCEPTION 'a pack is agreed to by approvers or legal' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.activated_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM users u WHERE u.id IN (NEW.activated_by, NEW.second_by) AND u.role = 'approver'
    ) THEN
        RAISE EXCEPTION 'one of the two who activate a pack is an approver' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.activated_at IS NOT NULL AND EXISTS (
        SELECT FROM policy_packs p
        WHERE p.jurisdiction = NEW.jurisdiction AND p.version > NEW.version AND p.activated_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'a later version of the pack is in force' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

BEFORE_GUARD = """
CREATE OR REPLACE FUNCTION guard_policy_pack() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before policy_packs := OLD;
BEGIN
    before.activated_by := NEW.activated_by;
    before.second_by := NEW.second_by;
    before.activated_at := NEW.activated_at;
    IF NEW IS DISTINCT FROM before OR OLD.activated_at IS NOT NULL THEN
        RAISE EXCEPTION 'a pack is activated once and never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

# What has left and is still open, for the rooms below that may not know of releases.
LIVE = """
CREATE FUNCTION live_disclosures(after_item uuid, at_most integer)
RETURNS TABLE (item_id uuid, release_id uuid, recording_id uuid, contact_id uuid, purpose text,
               from_ms integer, to_ms integer, requested_by uuid, approvals jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT i.id, r.id, i.recording_id, r.contact_id, r.purpose, i.from_ms, i.to_ms, r.requested_by,
        (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'by', a.approver_id, 'role', a.approver_role, 'at', a.at,
            'inputs_digest', encode(a.inputs_digest, 'hex')) ORDER BY a.at, a.id), '[]'::jsonb)
         FROM release_approvals a WHERE a.wish_id = i.wish_id)
    FROM release_items i JOIN releases r ON r.id = i.release_id
    WHERE r.state = 'granted' AND ($1 IS NULL OR i.id > $1)
    ORDER BY i.id LIMIT $2
$$
"""

EPOCH_ON_ACTIVATION = """
CREATE TRIGGER policy_packs_consent_epoch AFTER INSERT OR UPDATE ON policy_packs
FOR EACH ROW WHEN (NEW.activated_at IS NOT NULL) EXECUTE FUNCTION bump_consent()
"""
EPOCH_ON_ANYTHING = """
CREATE TRIGGER policy_packs_consent_epoch AFTER INSERT OR UPDATE ON policy_packs
FOR EACH ROW EXECUTE FUNCTION bump_consent()
"""


def guarded_on(when: str) -> None:
    """Let the guard look at every `when` on packs."""
    op.execute(
        f"CREATE TRIGGER policy_packs_update_guard BEFORE {when} ON policy_packs "
        "FOR EACH ROW EXECUTE FUNCTION guard_policy_pack()"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("policy_packs", sa.Column("first_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.drop_constraint(op.f("ck_policy_packs_activation"), "policy_packs")
    op.create_check_constraint(op.f("ck_policy_packs_activation"), "policy_packs", ACTIVATION)
    op.create_check_constraint(op.f("ck_policy_packs_proposer"), "policy_packs", PROPOSER)
    op.create_check_constraint(op.f("ck_policy_packs_version"), "policy_packs", "version > 0")
    op.create_check_constraint(
        op.f("ck_policy_packs_sha256"), "policy_packs", "octet_length(sha256) = 32"
    )
    op.execute("GRANT UPDATE (first_at) ON policy_packs TO audiatur_app")
    op.execute(GUARD)
    op.execute("DROP TRIGGER policy_packs_update_guard ON policy_packs")
    guarded_on("INSERT OR UPDATE")
    op.execute("DROP TRIGGER policy_packs_consent_epoch ON policy_packs")
    op.execute(EPOCH_ON_ACTIVATION)
    op.execute(LIVE)
    op.execute("REVOKE ALL ON FUNCTION live_disclosures(uuid, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION live_disclosures(uuid, integer) TO audiatur_app")
    # More packs are shipped from here on, so that whatever was decided before is asked anew.
    op.execute("SELECT bump_consent_epoch('policy', 'all')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION live_disclosures(uuid, integer)")
    op.execute("DROP TRIGGER policy_packs_consent_epoch ON policy_packs")
    op.execute(EPOCH_ON_ANYTHING)
    op.execute("DROP TRIGGER policy_packs_update_guard ON policy_packs")
    op.execute(BEFORE_GUARD)
    guarded_on("UPDATE")
    for name in ("sha256", "version", "proposer", "activation"):
        op.drop_constraint(op.f(f"ck_policy_packs_{name}"), "policy_packs")
    op.drop_column("policy_packs", "first_at")
    op.create_check_constraint(
        op.f("ck_policy_packs_activation"), "policy_packs", BEFORE_ACTIVATION
    )
