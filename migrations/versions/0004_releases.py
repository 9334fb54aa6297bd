"""Make the tables of disputes and releases, and let the database watch over what leaves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A function that runs with the owner's rights names its search path; the schema of temporary tables
# comes last in it, so that nobody can put a table of his own before ours.
RELEASE_GUARD = """
CREATE FUNCTION guard_release() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'requested' THEN
            RAISE EXCEPTION 'a release begins as a request' USING ERRCODE = 'check_violation';
        END IF;
        IF NOT EXISTS (SELECT FROM contacts c
                       WHERE c.id = NEW.contact_id AND c.client_id = NEW.client_id) THEN
            RAISE EXCEPTION 'the contact is of another client' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.dispute_id, NEW.contact_id, NEW.client_id, NEW.purpose, NEW.recipient_class,
        NEW.requested_by, NEW.requested_at, NEW.sender_name, NEW.sender_person, NEW.client_name,
        NEW.lifetime)
       IS DISTINCT FROM
       (OLD.id, OLD.dispute_id, OLD.contact_id, OLD.client_id, OLD.purpose, OLD.recipient_class,
        OLD.requested_by, OLD.requested_at, OLD.sender_name, OLD.sender_person, OLD.client_name,
        OLD.lifetime)
    THEN
        RAISE EXCEPTION 'a release is never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.state, NEW.state) NOT IN (('requested', 'granted'), ('requested', 'denied'),
                                      ('granted', 'revoked')) THEN
        RAISE EXCEPTION 'a release cannot go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'granted' THEN
        IF EXISTS (SELECT FROM release_wishes w WHERE w.release_id = NEW.id
                   AND NOT EXISTS (SELECT FROM release_items i WHERE i.wish_id = w.id))
           OR NOT EXISTS (SELECT FROM release_wishes w WHERE w.release_id = NEW.id) THEN
            RAISE EXCEPTION 'a release is granted as a whole' USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.expires_at > NEW.granted_at + NEW.lifetime
           OR EXISTS (SELECT FROM release_items i JOIN consent_decisions d ON d.id = i.decision_id
                      WHERE i.release_id = NEW.id AND d.valid_until < NEW.expires_at) THEN
            RAISE EXCEPTION 'a release ends with what it stands on'
                USING ERRCODE = 'check_violation';
        END IF;
    ELSIF (NEW.granted_at, NEW.expires_at) IS DISTINCT FROM (OLD.granted_at, OLD.expires_at) THEN
        RAISE EXCEPTION 'the end of a release is never moved' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

# Who may approve: another person than the one who asked, of a role that approves, still here.
APPROVER = """
CREATE FUNCTION release_may_approve(asked_release uuid, asked_person uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM releases r, users u
        WHERE r.id = asked_release AND u.id = asked_person AND u.id <> r.requested_by
          AND u.role IN ('approver', 'legal') AND u.disabled_at IS NULL
    )
$$
"""

WISH_GUARD = """
CREATE FUNCTION guard_wish() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM releases r WHERE r.id = NEW.release_id AND r.state = 'requested')
       OR EXISTS (SELECT FROM release_approvals a WHERE a.release_id = NEW.release_id) THEN
        RAISE EXCEPTION 'wishes are part of a request' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

APPROVAL_GUARD = """
CREATE FUNCTION guard_approval() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM release_wishes w JOIN releases r ON r.id = w.release_id
                   WHERE w.id = NEW.wish_id AND r.id = NEW.release_id
                     AND r.state = 'requested') THEN
        RAISE EXCEPTION 'an approval is of a wish of its own release, while it is asked for'
            USING ERRCODE = 'check_violation';
    END IF;
    IF NOT release_may_approve(NEW.release_id, NEW.approver_id)
       OR NOT EXISTS (SELECT FROM users u
                      WHERE u.id = NEW.approver_id AND u.role = NEW.approver_role) THEN
        RAISE EXCEPTION 'an approval is given by another person who may approve'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

ITEM_GUARD = """
CREATE FUNCTION guard_item() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    r releases;
    w release_wishes;
    d consent_decisions;
    approvals bigint;
    needed integer;
BEGIN
    SELECT * INTO r FROM releases WHERE id = NEW.release_id FOR UPDATE;
    SELECT * INTO w FROM release_wishes WHERE id = NEW.wish_id;
    -- Whoever changes the consent state waits until this item is committed, and then closes it.
    PERFORM FROM recordings WHERE id = NEW.recording_id FOR SHARE;
    SELECT * INTO d FROM consent_decisions WHERE id = NEW.decision_id;
    IF r.state IS DISTINCT FROM 'requested' THEN
        RAISE EXCEPTION 'items are added while a release is granted'
            USING ERRCODE = 'check_violation';
    END IF;
    IF (w.release_id, w.recording_id, w.from_ms, w.to_ms)
       IS DISTINCT FROM (NEW.release_id, NEW.recording_id, NEW.from_ms, NEW.to_ms) THEN
        RAISE EXCEPTION 'an item is what was asked for' USING ERRCODE = 'check_violation';
    END IF;
    IF (d.outcome, d.release_id, d.recording_id, d.contact_id, d.purpose, d.recipient_class,
        d.from_ms, d.to_ms, d.stamp)
       IS DISTINCT FROM ('ALLOW', r.id, NEW.recording_id, r.contact_id, r.purpose,
        r.recipient_class, NEW.from_ms, NEW.to_ms, NEW.stamp) THEN
        RAISE EXCEPTION 'an item needs a decision that allows exactly this'
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.stamp IS DISTINCT FROM consent_stamp(NEW.recording_id, r.contact_id)
       OR coalesce(consent_blocked(NEW.recording_id, r.purpose), true)
       OR d.valid_until <= now() THEN
        RAISE EXCEPTION 'the decision no longer holds' USING ERRCODE = 'check_violation';
    END IF;
    -- What the rules said to these inputs without any approval tells how many people must agree.
    SELECT max(CASE WHEN u.reasons::text LIKE '%A_COMPLIANCE_2%' THEN 2 ELSE 1 END) INTO needed
    FROM consent_decisions u
    WHERE u.release_id = r.id AND u.recording_id = NEW.recording_id AND u.id <> d.id
      AND u.inputs_digest = d.inputs_digest AND u.outcome IN ('NEEDS_APPROVAL', 'ALLOW');
    SELECT count(DISTINCT a.approver_id) INTO approvals FROM release_approvals a
    WHERE a.wish_id = w.id AND a.release_id = r.id AND a.inputs_digest = d.inputs_digest
      AND release_may_approve(r.id, a.approver_id);
    IF needed IS NULL OR approvals < needed THEN
        RAISE EXCEPTION 'an item needs the approval of another person'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

ITEM_KEEPER = """
CREATE FUNCTION keep_item() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.wrapped_key IS NULL THEN
        NEW.wrapped_key := OLD.wrapped_key;
        IF NEW IS NOT DISTINCT FROM OLD THEN
            NEW.wrapped_key := NULL;
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'of a released copy only the key is ever destroyed'
        USING ERRCODE = 'restrict_violation';
END $$
"""

LINK_GUARD = """
CREATE FUNCTION guard_link() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.revoked_at IS NOT NULL OR NEW.revoked_at IS NULL
           OR (NEW.id, NEW.release_id, NEW.token_digest, NEW.created_at, NEW.expires_at,
               NEW.view_limit, NEW.passphrase_hash)
           IS DISTINCT FROM (OLD.id, OLD.release_id, OLD.token_digest, OLD.created_at,
               OLD.expires_at, OLD.view_limit, OLD.passphrase_hash) THEN
            RAISE EXCEPTION 'a link is only ever ended' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM releases r JOIN release_items i ON i.release_id = r.id
                   WHERE r.id = NEW.release_id AND r.state = 'granted'
                     AND NEW.expires_at <= r.expires_at) THEN
        RAISE EXCEPTION 'a link leads to a granted release and ends with it'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

# The state of this moment: the newest decision on every item allows it under the present stamp,
# rests on the same inputs as the one the item was made under, and nothing blocks.
IS_OPEN = """
CREATE FUNCTION release_is_open(asked uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce((
        SELECT bool_and(
            i.wrapped_key IS NOT NULL
            AND consent_blocked(i.recording_id, r.purpose) IS FALSE
            AND latest.outcome = 'ALLOW'
            AND latest.inputs_digest = made.inputs_digest
            AND latest.stamp = consent_stamp(i.recording_id, r.contact_id)
            AND (latest.valid_until IS NULL OR now() < latest.valid_until)
        ) AND count(*) = (SELECT count(*) FROM release_items x WHERE x.release_id = asked)
        FROM releases r
        JOIN release_items i ON i.release_id = r.id
        JOIN consent_decisions made ON made.id = i.decision_id
        CROSS JOIN LATERAL (
            SELECT d.outcome, d.inputs_digest, d.stamp, d.valid_until FROM consent_decisions d
            WHERE d.release_id = r.id AND d.recording_id = i.recording_id
              AND d.contact_id = r.contact_id AND d.purpose = r.purpose
              AND d.from_ms = i.from_ms AND d.to_ms IS NOT DISTINCT FROM i.to_ms
            ORDER BY d.at DESC, d.id DESC LIMIT 1
        ) latest
        WHERE r.id = asked AND r.state = 'granted' AND r.revoked_at IS NULL
          AND now() < r.expires_at
    ), false)
$$
"""

LIVE_LINK = """
CREATE FUNCTION link_release(asked_digest bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT l.release_id FROM share_links l
    WHERE l.token_digest = asked_digest AND l.revoked_at IS NULL AND now() < l.expires_at
      AND release_is_open(l.release_id)
$$
"""

LINK_PAGE = """
CREATE FUNCTION link_page(asked_digest bytea, asked_view bytea DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT jsonb_build_object(
        'sender_name', r.sender_name,
        'sender_person', r.sender_person,
        'client_name', r.client_name,
        'purpose', r.purpose,
        'granted_at', r.granted_at,
        'expires_at', least(l.expires_at, r.expires_at),
        'views_left', l.view_limit - (SELECT count(*) FROM share_views v WHERE v.link_id = l.id),
        'is_opened', EXISTS (
            SELECT FROM share_views v WHERE v.link_id = l.id AND v.view_digest = asked_view
              AND now() < v.at + interval '12 hours'),
        'items', (
            SELECT jsonb_agg(jsonb_build_object(
                'id', i.id, 'direction', i.direction, 'started_at', i.started_at,
                'duration_ms', i.duration_ms, 'size_bytes', i.size_bytes,
                'media_type', i.media_type, 'sha256', encode(i.sha256, 'hex'),
                'from_ms', i.from_ms, 'to_ms', i.to_ms
            ) ORDER BY i.position)
            FROM release_items i WHERE i.release_id = r.id)
    )
    FROM share_links l JOIN releases r ON r.id = l.release_id
    WHERE l.token_digest = asked_digest AND r.id = link_release(asked_digest)
$$
"""

# Of a link that has ended the attempt is remembered, once a minute at most, so that nobody can
# fill the ledger with an old link.
LINK_DENIED = """
CREATE FUNCTION link_denied(asked_link uuid, asked_release uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, actor_id,
                                 actor_role, outcome, facts)
    SELECT gen_random_uuid(), now(), 'access.denied', 'release', asked_release, 'link', asked_link,
           NULL, 'denied', '{}'
    WHERE NOT EXISTS (
        SELECT FROM custody_entries e WHERE e.object_kind = 'release'
          AND e.object_id = asked_release AND e.act = 'access.denied'
          AND e.at > now() - interval '1 minute')
$$
"""

# A player asks for many pieces of one item. The first of a view is the playing that the ledger
# tells of; whoever asks for two first pieces at once waits at the view's row.
LINK_OPEN = """
CREATE FUNCTION link_open(asked_digest bytea, asked_item uuid, asked_view bytea)
RETURNS TABLE (object_id uuid, wrapped_key bytea, size_bytes bigint, media_type text,
               started_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    l share_links;
    i release_items;
    view_id uuid;
    played jsonb;
BEGIN
    SELECT * INTO l FROM share_links s WHERE s.token_digest = asked_digest;
    IF l.id IS NULL THEN
        RETURN;
    END IF;
    IF link_release(asked_digest) IS NULL THEN
        PERFORM link_denied(l.id, l.release_id);
        RETURN;
    END IF;
    SELECT * INTO i FROM release_items x WHERE x.id = asked_item AND x.release_id = l.release_id;
    SELECT v.id INTO view_id FROM share_views v
    WHERE v.link_id = l.id AND v.view_digest = asked_view
      AND now() < v.at + interval '12 hours';
    IF i.id IS NULL OR view_id IS NULL THEN
        RETURN;
    END IF;
    played := jsonb_build_object('release_id', l.release_id, 'item_id', i.id, 'view_id', view_id);
    IF NOT EXISTS (SELECT FROM custody_entries e
                   WHERE e.object_kind = 'recording' AND e.object_id = i.recording_id
                     AND e.act = 'media.played' AND e.facts = played) THEN
        PERFORM FROM share_views v WHERE v.id = view_id FOR UPDATE;
        INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, actor_id,
                                     actor_role, outcome, facts)
        SELECT gen_random_uuid(), now(), 'media.played', 'recording', i.recording_id, 'link', l.id,
               NULL, 'success', played
        WHERE NOT EXISTS (SELECT FROM custody_entries e
                          WHERE e.object_kind = 'recording' AND e.object_id = i.recording_id
                            AND e.act = 'media.played' AND e.facts = played);
    END IF;
    RETURN QUERY SELECT i.object_id, i.wrapped_key, i.size_bytes, i.media_type, i.started_at;
END $$
"""

# A view and its entry in the ledger are one transaction.
LINK_VIEW = """
CREATE FUNCTION link_view(asked_digest bytea, new_view bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    l share_links;
    views bigint;
    is_open boolean;
BEGIN
    SELECT * INTO l FROM share_links WHERE token_digest = asked_digest FOR UPDATE;
    IF l.id IS NULL OR octet_length(new_view) IS DISTINCT FROM 32 THEN
        RETURN false;
    END IF;
    SELECT count(*) INTO views FROM share_views WHERE link_id = l.id;
    is_open := link_release(asked_digest) IS NOT NULL
        AND (l.view_limit IS NULL OR views < l.view_limit);
    IF NOT is_open THEN
        PERFORM link_denied(l.id, l.release_id);
        RETURN false;
    END IF;
    INSERT INTO share_views (id, link_id, at, view_digest)
    VALUES (gen_random_uuid(), l.id, now(), new_view);
    INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, actor_id,
                                 actor_role, outcome, facts)
    VALUES (gen_random_uuid(), now(), 'release.accessed', 'release', l.release_id, 'link', l.id,
            NULL, 'success', jsonb_build_object('view', views + 1));
    RETURN true;
END $$
"""

GUARDS = {
    "releases": ("INSERT OR UPDATE", "guard_release"),
    "release_wishes": ("INSERT", "guard_wish"),
    "release_approvals": ("INSERT", "guard_approval"),
    "release_items": ("INSERT", "guard_item"),
    "share_links": ("INSERT OR UPDATE", "guard_link"),
}
NEVER_CHANGED = ("exhibits", "release_wishes", "release_approvals", "share_views")
NEVER_REMOVED = ("disputes", "releases", "release_items", "share_links")
INTERNAL = (
    "guard_release()",
    "guard_wish()",
    "guard_approval()",
    "guard_item()",
    "keep_item()",
    "guard_link()",
    "release_may_approve(uuid, uuid)",
    "link_denied(uuid, uuid)",
    "link_release(bytea)",
)
FOR_APP = ("release_is_open(uuid)",)
FOR_PUBLIC = ("link_page(bytea, bytea)", "link_open(bytea, uuid, bytea)", "link_view(bytea, bytea)")


def watch() -> None:
    """Make the functions and triggers by which the database itself says no."""
    functions = (APPROVER, RELEASE_GUARD, WISH_GUARD, APPROVAL_GUARD, ITEM_GUARD, ITEM_KEEPER)
    links = (LINK_GUARD, IS_OPEN, LIVE_LINK, LINK_DENIED, LINK_PAGE, LINK_OPEN, LINK_VIEW)
    for function in (*functions, *links):
        op.execute(function)
    for table, (when, function) in GUARDS.items():
        op.execute(
            f"CREATE TRIGGER {table}_guard BEFORE {when} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    op.execute(
        "CREATE TRIGGER release_items_keep BEFORE UPDATE ON release_items "
        "FOR EACH ROW EXECUTE FUNCTION keep_item()"
    )
    for tables, what in ((NEVER_CHANGED, "UPDATE OR DELETE"), (NEVER_REMOVED, "DELETE")):
        for table in tables:
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE {what} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )
            op.execute(
                f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )


def grant() -> None:
    """Grant the application what it needs, and the public links three functions."""
    for table in ("disputes", "exhibits", "releases", "release_wishes", "release_approvals"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
    for table in ("release_items", "share_links"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
    op.execute("GRANT SELECT ON share_views TO audiatur_app")
    op.execute("GRANT UPDATE (closed_at) ON disputes TO audiatur_app")
    op.execute(
        "GRANT UPDATE (state, granted_at, expires_at, revoked_at, revoked_by, end_reason) "
        "ON releases TO audiatur_app"
    )
    op.execute("GRANT UPDATE (wrapped_key) ON release_items TO audiatur_app")
    op.execute("GRANT UPDATE (revoked_at) ON share_links TO audiatur_app")
    for function in (*INTERNAL, *FOR_APP, *FOR_PUBLIC):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for function in FOR_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_app")
    for function in FOR_PUBLIC:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_public")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_tables()
    watch()
    grant()


def make_tables() -> None:
    """Make the tables, as the models have them."""
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_disputes_client_id_clients")
        ),
        sa.ForeignKeyConstraint(
            ["opened_by"], ["users.id"], name=op.f("fk_disputes_opened_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
    )
    op.create_index(
        "ix_disputes_client",
        "disputes",
        ["client_id", sa.literal_column("opened_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "exhibits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("from_ms", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("to_ms", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)", name=op.f("ck_exhibits_segment")
        ),
        sa.ForeignKeyConstraint(
            ["added_by"], ["users.id"], name=op.f("fk_exhibits_added_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_exhibits_dispute_id_disputes")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_exhibits_recording_id_recordings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exhibits")),
    )
    op.create_index(op.f("ix_exhibits_dispute_id"), "exhibits", ["dispute_id"], unique=False)
    op.create_index(op.f("ix_exhibits_recording_id"), "exhibits", ["recording_id"], unique=False)
    op.create_table(
        "releases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("recipient_class", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("sender_name", sa.Text(), nullable=True),
        sa.Column("sender_person", sa.Text(), nullable=False),
        sa.Column("client_name", sa.Text(), nullable=False),
        sa.Column("lifetime", sa.Interval(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Uuid(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('granted', 'revoked')) = (granted_at IS NOT NULL) AND (granted_at IS NULL) = (expires_at IS NULL)",
            name=op.f("ck_releases_granted"),
        ),
        sa.CheckConstraint(
            "(state IN ('revoked', 'denied')) = (revoked_at IS NOT NULL) AND (revoked_at IS NULL) = (end_reason IS NULL)",
            name=op.f("ck_releases_ended"),
        ),
        sa.CheckConstraint(
            "end_reason IN ('person', 'consent', 'expired')", name=op.f("ck_releases_end_reason")
        ),
        sa.CheckConstraint(
            "lifetime > interval '0' AND lifetime <= interval '366 days'",
            name=op.f("ck_releases_life"),
        ),
        sa.CheckConstraint(
            "state IN ('requested', 'granted', 'revoked', 'denied')", name=op.f("ck_releases_state")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_releases_client_id_clients")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_releases_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_releases_dispute_id_disputes")
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name=op.f("fk_releases_requested_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["revoked_by"], ["users.id"], name=op.f("fk_releases_revoked_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
    )
    op.create_index(
        "ix_releases_client",
        "releases",
        ["client_id", sa.literal_column("requested_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(op.f("ix_releases_dispute_id"), "releases", ["dispute_id"], unique=False)
    op.create_index(
        "ix_releases_live",
        "releases",
        ["expires_at"],
        unique=False,
        postgresql_where="state = 'granted'",
    )
    op.create_index(
        "ix_releases_requested",
        "releases",
        [sa.literal_column("requested_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "release_wishes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("from_ms", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("to_ms", sa.Integer(), nullable=True),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)",
            name=op.f("ck_release_wishes_segment"),
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["consent_decisions.id"],
            name=op.f("fk_release_wishes_decision_id_consent_decisions"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_release_wishes_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["release_id"], ["releases.id"], name=op.f("fk_release_wishes_release_id_releases")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_wishes")),
    )
    op.create_index(
        op.f("ix_release_wishes_recording_id"), "release_wishes", ["recording_id"], unique=False
    )
    op.create_index(
        "uq_release_wishes_position", "release_wishes", ["release_id", "position"], unique=True
    )
    op.create_table(
        "release_approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("wish_id", sa.Uuid(), nullable=False),
        sa.Column("approver_id", sa.Uuid(), nullable=False),
        sa.Column("approver_role", sa.Text(), nullable=False),
        sa.Column("inputs_digest", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "approver_role IN ('approver', 'legal')",
            name=op.f("ck_release_approvals_approver_role"),
        ),
        sa.CheckConstraint(
            "octet_length(inputs_digest) = 32", name=op.f("ck_release_approvals_inputs_digest")
        ),
        sa.ForeignKeyConstraint(
            ["approver_id"], ["users.id"], name=op.f("fk_release_approvals_approver_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["release_id"], ["releases.id"], name=op.f("fk_release_approvals_release_id_releases")
        ),
        sa.ForeignKeyConstraint(
            ["wish_id"],
            ["release_wishes.id"],
            name=op.f("fk_release_approvals_wish_id_release_wishes"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_approvals")),
    )
    op.create_index(
        op.f("ix_release_approvals_release_id"), "release_approvals", ["release_id"], unique=False
    )
    op.create_index(
        "uq_release_approvals_once",
        "release_approvals",
        ["wish_id", "approver_id", "inputs_digest"],
        unique=True,
    )
    op.create_table(
        "release_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("wish_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("from_ms", sa.Integer(), nullable=False),
        sa.Column("to_ms", sa.Integer(), nullable=True),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["consent_decisions.id"],
            name=op.f("fk_release_items_decision_id_consent_decisions"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_release_items_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["release_id"], ["releases.id"], name=op.f("fk_release_items_release_id_releases")
        ),
        sa.ForeignKeyConstraint(
            ["wish_id"], ["release_wishes.id"], name=op.f("fk_release_items_wish_id_release_wishes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_items")),
        sa.UniqueConstraint("object_id", name=op.f("uq_release_items_object_id")),
        sa.UniqueConstraint("wish_id", name=op.f("uq_release_items_wish_id")),
    )
    op.create_index(
        op.f("ix_release_items_recording_id"), "release_items", ["recording_id"], unique=False
    )
    op.create_index(
        op.f("ix_release_items_release_id"), "release_items", ["release_id"], unique=False
    )
    op.create_table(
        "share_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("view_limit", sa.Integer(), nullable=True),
        sa.Column("passphrase_hash", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "octet_length(token_digest) = 32", name=op.f("ck_share_links_token_digest")
        ),
        sa.CheckConstraint(
            "view_limit IS NULL OR view_limit > 0", name=op.f("ck_share_links_view_limit")
        ),
        sa.ForeignKeyConstraint(
            ["release_id"], ["releases.id"], name=op.f("fk_share_links_release_id_releases")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_links")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_share_links_token_digest")),
    )
    op.create_index(op.f("ix_share_links_release_id"), "share_links", ["release_id"], unique=False)
    op.create_table(
        "share_views",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("view_digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["share_links.id"], name=op.f("fk_share_views_link_id_share_links")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_views")),
        sa.UniqueConstraint("view_digest", name=op.f("uq_share_views_view_digest")),
    )
    op.create_index(op.f("ix_share_views_link_id"), "share_views", ["link_id"], unique=False)


def downgrade() -> None:
    tables = (
        "share_views",
        "share_links",
        "release_items",
        "release_approvals",
        "release_wishes",
        "releases",
        "exhibits",
        "disputes",
    )
    for function in (*FOR_PUBLIC, *FOR_APP, "link_release(bytea)"):
        op.execute(f"DROP FUNCTION {function}")
    for table in tables:
        op.execute(f"DROP TABLE {table}")
    for function in INTERNAL[:-1]:
        op.execute(f"DROP FUNCTION {function}")
