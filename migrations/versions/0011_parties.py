"""Keep what the exchange tells of a call, who was on the line when, and what proves the telling."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# What narrows a presence lets more of a call out: it needs a second person, or the word of the
# exchange where no person has said anything yet.
GUARD_PRESENCE = """
CREATE FUNCTION guard_presence() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (NEW.present_from_ms > OLD.present_from_ms
        OR coalesce(NEW.present_to_ms, 2147483647) < coalesce(OLD.present_to_ms, 2147483647))
       AND NOT EXISTS (
        SELECT FROM party_changes c
        WHERE c.party_id = NEW.id
          AND (c.after ->> 'present_from_ms')::integer = NEW.present_from_ms
          AND (c.after ->> 'present_to_ms')::integer IS NOT DISTINCT FROM NEW.present_to_ms
          AND (c.state = 'confirmed'
               OR (c.state = 'applied' AND c.source = 'exchange' AND OLD.presence_by <> 'person'))
    ) THEN
        RAISE EXCEPTION 'a presence is narrowed by two people or by the exchange'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

BEGIN_CHANGE = """
CREATE FUNCTION begin_party_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.state NOT IN ('applied', 'proposed') OR NEW.decided_by IS NOT NULL THEN
        RAISE EXCEPTION 'a change begins as applied or proposed' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM parties p WHERE p.id = NEW.party_id AND p.recording_id = NEW.recording_id) THEN
        RAISE EXCEPTION 'the party is heard in another recording' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

GUARD_CHANGE = """
CREATE FUNCTION guard_party_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before party_changes := OLD;
BEGIN
    before.state := NEW.state;
    before.decided_by := NEW.decided_by;
    before.decided_at := NEW.decided_at;
    IF NEW IS DISTINCT FROM before OR OLD.state <> 'proposed'
       OR NEW.state NOT IN ('confirmed', 'rejected') THEN
        RAISE EXCEPTION 'a change is settled once and never altered' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT EXISTS (
        SELECT FROM users u WHERE u.id = NEW.decided_by AND u.disabled_at IS NULL
          AND u.role IN ('reviewer', 'approver', 'legal')
    ) THEN
        RAISE EXCEPTION 'a change is settled by a reviewer, approver or legal' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

# The exchange's own word: it was played before the recording begins, or a key was pressed. The
# device must be an exchange, its clock or the recording's beginning known, the text approved.
BY_EXCHANGE = """
CREATE FUNCTION verified_by_exchange(asked assertions) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM call_events e
        JOIN devices d ON d.id = e.device_id
        JOIN recordings r ON r.id = asked.recording_id AND r.source_call_id = e.call_id
        JOIN notice_texts t ON t.id::text = asked.evidence #>> '{notice,id}'
            AND t.version::text = asked.evidence #>> '{notice,version}'
        CROSS JOIN LATERAL (
            SELECT min(s.at) AS at FROM call_events s
            WHERE s.kind = 'recording_started' AND s.call_id = e.call_id AND s.device_id = e.device_id
        ) begun
        WHERE e.id::text = asked.evidence #>> '{pbx,event}'
          AND encode(e.row_sha256, 'hex') = asked.evidence #>> '{pbx,row_sha256}'
          AND d.is_exchange
          AND (e.text_id IS NULL OR (e.text_id = t.id AND e.text_version = t.version))
          AND (e.audio_sha256 IS NULL OR e.audio_sha256 = t.audio_sha256)
          AND num_nonnulls(e.text_id, e.audio_sha256) > 0
          AND t.approved_at IS NOT NULL AND t.valid_from <= r.started_at
          AND (t.valid_to IS NULL OR r.started_at < t.valid_to)
          AND asked.purposes <@ t.purposes AND asked.recipients <@ t.recipients
          AND NOT EXISTS (SELECT FROM auto_verify_stops s
                          WHERE s.text_id = t.id AND s.version = t.version)
          AND CASE asked.kind
            WHEN 'ivr_notice' THEN
                e.kind = 'prompt_played' AND asked.from_ms = 0
                AND asked.evidence ->> 'log_only' = 'true'
                AND e.ended_at <= coalesce(begun.at, r.started_at)
                AND (begun.at IS NOT NULL OR e.device_id = r.device_id OR abs(e.skew_ms) <= 2000)
            WHEN 'dtmf_consent' THEN e.kind = 'dtmf' AND e.answer = 'agreed'
            ELSE false END)
$$
"""

BY_RULE = """
CREATE OR REPLACE FUNCTION verified_by_rule(asked assertions) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT asked.proposed_service = 'detector'
        AND asked.decided_by IS NULL AND asked.second_by IS NULL
        {more}
        AND ({other} (asked.kind = 'ivr_notice' AND EXISTS (
            SELECT FROM notice_hits h
            JOIN notice_texts t ON t.id = h.text_id AND t.version = h.text_version
            WHERE h.id::text = asked.evidence #>> '{{match,hit_id}}'
              AND h.recording_id = asked.recording_id AND h.complete
              AND h.text_id::text = asked.evidence #>> '{{notice,id}}'
              AND h.text_version::text = asked.evidence #>> '{{notice,version}}'
              AND h.end_ms <= asked.from_ms
              AND t.approved_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM auto_verify_stops s
                              WHERE s.text_id = t.id AND s.version = t.version))))
$$
"""
# A presence that one person has set must not let the rule clear the party without another.
_NOT_BY_HAND = """AND NOT EXISTS (SELECT FROM parties p
                        WHERE p.id = asked.party_id AND p.presence_by = 'person')"""

KINDS = (
    "call_started",
    "recording_started",
    "join",
    "leave",
    "transfer",
    "hold",
    "resume",
    "prompt_played",
    "dtmf",
)
IDENTIFIED = ("number", "event", "sender", "person", "unknown")


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _columns()
    _call_events()
    _party_changes()
    _identified((*IDENTIFIED, "exchange"))
    for function in (GUARD_PRESENCE, BEGIN_CHANGE, GUARD_CHANGE, BY_EXCHANGE):
        op.execute(function)
    op.execute(BY_RULE.format(more=_NOT_BY_HAND, other="verified_by_exchange(asked) OR"))
    op.execute(
        "CREATE TRIGGER parties_presence BEFORE UPDATE ON parties "
        "FOR EACH ROW EXECUTE FUNCTION guard_presence()"
    )
    for when, function in (("INSERT", "begin_party_change"), ("UPDATE", "guard_party_change")):
        op.execute(
            f"CREATE TRIGGER party_changes_{when.lower()}_guard BEFORE {when} ON party_changes "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    for table, kept in (("call_events", "UPDATE OR DELETE"), ("party_changes", "DELETE")):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE {kept} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute("GRANT UPDATE (state, decided_by, decided_at) ON party_changes TO audiatur_app")
    op.execute("GRANT UPDATE (channel, exchange_leg, presence_by) ON parties TO audiatur_app")
    op.execute("GRANT UPDATE (proof) ON recordings TO audiatur_app")
    op.execute("GRANT EXECUTE ON FUNCTION verified_by_rule(assertions) TO audiatur_app")
    for function in (
        "guard_presence()",
        "begin_party_change()",
        "guard_party_change()",
        "verified_by_exchange(assertions)",
    ):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")


def _columns() -> None:
    op.add_column(
        "devices",
        sa.Column("is_exchange", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("contracts", sa.Column("jurisdiction", sa.Text(), nullable=True))
    op.add_column("parties", sa.Column("exchange_leg", sa.Text(), nullable=True))
    op.add_column(
        "parties",
        sa.Column("presence_by", sa.Text(), server_default=sa.text("'sender'"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_parties_presence_by"), "parties", "presence_by IN ('sender', 'exchange', 'person')"
    )
    op.create_index("uq_parties_leg", "parties", ["recording_id", "exchange_leg"], unique=True)
    op.add_column("recordings", sa.Column("proof", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_recordings_proof"), "recordings", "proof IN ('A', 'B', 'C', 'D', 'E', 'F')"
    )


def _identified(words: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_parties_how_identified"), "parties")
    op.create_check_constraint(
        op.f("ck_parties_how_identified"), "parties", f"how_identified IN ({_list(words)})"
    )


def _call_events() -> None:
    op.create_table(
        "call_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("text_id", sa.Uuid(), nullable=True),
        sa.Column("text_version", sa.Integer(), nullable=True),
        sa.Column("audio_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("row_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("told", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("told_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(f"kind IN ({_list(KINDS)})", name=op.f("ck_call_events_kind")),
        sa.CheckConstraint(
            "num_nonnulls(device_id, user_id) = 1", name=op.f("ck_call_events_sender")
        ),
        sa.CheckConstraint("answer IN ('agreed', 'refused')", name=op.f("ck_call_events_answer")),
        sa.CheckConstraint("ended_at >= at", name=op.f("ck_call_events_span")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_call_events_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_call_events_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_events")),
    )
    op.create_index("uq_call_events_device", "call_events", ["device_id", "event_id"], unique=True)
    op.create_index("uq_call_events_user", "call_events", ["user_id", "event_id"], unique=True)
    op.create_index("ix_call_events_call", "call_events", ["call_id", "at"])
    op.create_index("ix_call_events_number", "call_events", ["number", "at"])
    op.create_index("ix_recordings_source_call", "recordings", ["source_call_id"])
    op.create_index(
        "ix_recordings_proof",
        "recordings",
        ["proof", sa.text("started_at DESC"), sa.text("id DESC")],
    )


def _party_changes() -> None:
    op.create_table(
        "party_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("party_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("proposed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "source IN ('exchange', 'person')", name=op.f("ck_party_changes_source")
        ),
        sa.CheckConstraint(
            "state IN ('applied', 'proposed', 'confirmed', 'rejected')",
            name=op.f("ck_party_changes_state"),
        ),
        sa.CheckConstraint(
            "(source = 'person') = (proposed_by IS NOT NULL)",
            name=op.f("ck_party_changes_proposer"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(decided_by, decided_at)"
            " = CASE WHEN state IN ('confirmed', 'rejected') THEN 2 ELSE 0 END",
            name=op.f("ck_party_changes_decided"),
        ),
        sa.CheckConstraint("decided_by <> proposed_by", name=op.f("ck_party_changes_four_eyes")),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_party_changes_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["party_id"], ["parties.id"], name=op.f("fk_party_changes_party_id_parties")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by"], ["users.id"], name=op.f("fk_party_changes_proposed_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["users.id"], name=op.f("fk_party_changes_decided_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party_changes")),
    )
    op.create_index(op.f("ix_party_changes_recording_id"), "party_changes", ["recording_id"])
    op.create_index(op.f("ix_party_changes_party_id"), "party_changes", ["party_id"])


def downgrade() -> None:
    op.execute(BY_RULE.format(more="", other=""))
    op.execute("REVOKE EXECUTE ON FUNCTION verified_by_rule(assertions) FROM audiatur_app")
    op.execute("DROP TRIGGER parties_presence ON parties")
    op.execute("DROP FUNCTION verified_by_exchange(assertions), guard_presence()")
    op.execute("DROP TABLE party_changes, call_events")
    op.execute("DROP FUNCTION begin_party_change(), guard_party_change()")
    op.execute("UPDATE parties SET how_identified = 'unknown' WHERE how_identified = 'exchange'")
    _identified(IDENTIFIED)
    op.drop_index("ix_recordings_source_call", "recordings")
    op.drop_index("ix_recordings_proof", "recordings")
    op.drop_column("recordings", "proof")
    op.drop_index("uq_parties_leg", "parties")
    op.drop_column("parties", "presence_by")
    op.drop_column("parties", "exchange_leg")
    op.drop_column("contracts", "jurisdiction")
    op.drop_column("devices", "is_exchange")
