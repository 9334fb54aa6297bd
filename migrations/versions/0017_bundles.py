"""Keep what decisions were made from, and the bundles of releases; let links lead to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# What was handed over is never exchanged: a bundle becomes ready once, while its release is granted,
# and after that only its key is destroyed.
BUNDLE_GUARD = """
CREATE FUNCTION guard_bundle() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'pending' THEN
            RAISE EXCEPTION 'a bundle begins as pending' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.release_id, NEW.asked_at) IS DISTINCT FROM (OLD.release_id, OLD.asked_at)
       OR (OLD.entry_id IS NOT NULL
           AND (NEW.entry_id, NEW.manifest_sha256, NEW.manifest_sha512)
           IS DISTINCT FROM (OLD.entry_id, OLD.manifest_sha256, OLD.manifest_sha512))
    THEN
        RAISE EXCEPTION 'what the ledger tells of a bundle is never changed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'destroyed' OR (OLD.state = 'ready' AND NEW.state <> 'destroyed') THEN
        RAISE EXCEPTION 'of a bundle only the key is ever destroyed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'ready' AND (NEW.object_id, NEW.size_bytes, NEW.sha256, NEW.key_fingerprint,
                                NEW.checkpoint_size, NEW.checkpoint_root, NEW.made_at)
       IS DISTINCT FROM (OLD.object_id, OLD.size_bytes, OLD.sha256, OLD.key_fingerprint,
                         OLD.checkpoint_size, OLD.checkpoint_root, OLD.made_at) THEN
        RAISE EXCEPTION 'a bundle is never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'ready' AND NOT EXISTS (
        SELECT FROM releases r WHERE r.id = NEW.release_id AND r.state = 'granted') THEN
        RAISE EXCEPTION 'a bundle is of a granted release' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

# The first piece of a view is the access that the ledger tells of, as with the sound.
LINK_BUNDLE = """
CREATE FUNCTION link_bundle(asked_digest bytea, asked_view bytea)
RETURNS TABLE (object_id uuid, wrapped_key bytea, size_bytes bigint, sha256 bytea, release_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    l share_links;
    b release_bundles;
    view_id uuid;
    taken jsonb;
BEGIN
    SELECT * INTO l FROM share_links s WHERE s.token_digest = asked_digest;
    IF l.id IS NULL THEN
        RETURN;
    END IF;
    IF link_release(asked_digest) IS NULL THEN
        PERFORM link_denied(l.id, l.release_id);
        RETURN;
    END IF;
    SELECT * INTO b FROM release_bundles x WHERE x.release_id = l.release_id AND x.state = 'ready';
    SELECT v.id INTO view_id FROM share_views v
    WHERE v.link_id = l.id AND v.view_digest = asked_view
      AND now() < v.at + interval '12 hours';
    IF b.release_id IS NULL OR view_id IS NULL THEN
        RETURN;
    END IF;
    taken := jsonb_build_object('form', 'bundle', 'view_id', view_id);
    IF NOT EXISTS (SELECT FROM custody_entries e
                   WHERE e.object_kind = 'release' AND e.object_id = l.release_id
                     AND e.act = 'release.accessed' AND e.facts = taken) THEN
        PERFORM FROM share_views v WHERE v.id = view_id FOR UPDATE;
        INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, actor_id,
                                     actor_role, outcome, facts)
        SELECT gen_random_uuid(), now(), 'release.accessed', 'release', l.release_id, 'link', l.id,
               NULL, 'success', taken
        WHERE NOT EXISTS (SELECT FROM custody_entries e
                          WHERE e.object_kind = 'release' AND e.object_id = l.release_id
                            AND e.act = 'release.accessed' AND e.facts = taken);
    END IF;
    RETURN QUERY SELECT b.object_id, b.wrapped_key, b.size_bytes, b.sha256, b.release_id;
END $$
"""

# What the page tells of the bundle; null while there is none.
LINK_BUNDLE_PAGE = """
CREATE FUNCTION link_bundle_page(asked_digest bytea) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT jsonb_build_object('size_bytes', b.size_bytes, 'key_fingerprint', b.key_fingerprint)
    FROM release_bundles b
    WHERE b.release_id = link_release(asked_digest) AND b.state = 'ready'
$$
"""

FOR_PUBLIC = ("link_bundle(bytea, bytea)", "link_bundle_page(bytea)")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_tables()
    for function in (BUNDLE_GUARD, LINK_BUNDLE, LINK_BUNDLE_PAGE):
        op.execute(function)
    op.execute(
        "CREATE TRIGGER release_bundles_guard BEFORE INSERT OR UPDATE ON release_bundles "
        "FOR EACH ROW EXECUTE FUNCTION guard_bundle()"
    )
    for table, what in (("release_bundles", "DELETE"), ("decision_bases", "UPDATE")):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE {what} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute("GRANT SELECT, INSERT ON decision_bases TO audiatur_app")
    op.execute("GRANT SELECT, DELETE ON decision_bases TO audiatur_purge")
    op.execute("GRANT SELECT, INSERT ON release_bundles TO audiatur_app")
    op.execute(
        "GRANT UPDATE (state, reason, entry_id, manifest_sha256, manifest_sha512, object_id, "
        "wrapped_key, size_bytes, sha256, key_fingerprint, checkpoint_size, checkpoint_root, "
        "made_at) ON release_bundles TO audiatur_app"
    )
    for function in ("guard_bundle()", *FOR_PUBLIC):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for function in FOR_PUBLIC:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_public")


def make_tables() -> None:
    op.create_table(
        "decision_bases",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("sha256 = sha256(body)", name=op.f("ck_decision_bases_digest")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_decision_bases")),
    )
    op.create_table(
        "release_bundles",
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("entry_id", sa.Uuid(), nullable=True),
        sa.Column("manifest_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("manifest_sha512", sa.LargeBinary(), nullable=True),
        sa.Column("object_id", sa.Uuid(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("key_fingerprint", sa.Text(), nullable=True),
        sa.Column("checkpoint_size", sa.BigInteger(), nullable=True),
        sa.Column("checkpoint_root", sa.LargeBinary(), nullable=True),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("made_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'ready', 'failed', 'destroyed')",
            name=op.f("ck_release_bundles_state"),
        ),
        sa.CheckConstraint(
            "state <> 'ready' OR num_nulls(entry_id, manifest_sha256, manifest_sha512, object_id, wrapped_key, size_bytes, sha256, key_fingerprint, checkpoint_size, checkpoint_root, made_at) = 0",
            name=op.f("ck_release_bundles_ready"),
        ),
        sa.CheckConstraint(
            "state <> 'destroyed' OR wrapped_key IS NULL", name=op.f("ck_release_bundles_destroyed")
        ),
        sa.CheckConstraint(
            "(state = 'failed') = (reason IS NOT NULL)", name=op.f("ck_release_bundles_failed")
        ),
        sa.ForeignKeyConstraint(
            ["release_id"],
            ["releases.id"],
            name=op.f("fk_release_bundles_release_id_releases"),
        ),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_release_bundles")),
        sa.UniqueConstraint("object_id", name=op.f("uq_release_bundles_object_id")),
    )


def downgrade() -> None:
    for function in FOR_PUBLIC:
        op.execute(f"DROP FUNCTION {function}")
    for table in ("release_bundles", "decision_bases"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION guard_bundle()")
