"""Let what was told and written of something go with it: calls, events, reasons, bases of decisions."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033a"
branch_labels = None
depends_on = None

# A call's records are a recording's by what they were matched to, or by the id that both have
# where no other recording has it any more. What is a part of such a call is as well.
RECORDS = """
CREATE FUNCTION is_call_of_erased(of_recording uuid, named text, linked text, head uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE WHEN of_recording IS NOT NULL
        THEN EXISTS (SELECT FROM recordings r WHERE r.id = of_recording AND r.erased_at IS NOT NULL)
        ELSE EXISTS (SELECT FROM recordings r WHERE r.source_call_id IN (named, linked)
                     AND r.erased_at IS NOT NULL)
            AND NOT EXISTS (SELECT FROM recordings r WHERE r.source_call_id IN (named, linked)
                            AND r.erased_at IS NULL)
        END
        OR EXISTS (SELECT FROM known_calls h JOIN recordings r ON r.id = h.recording_id
                   WHERE h.id = head AND r.erased_at IS NOT NULL)
$$
"""

# What an exchange tells late of a call that was erased, and a call that turns out to be it.
FORGET_RECORD = """
CREATE FUNCTION forget_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before text := coalesce(current_setting('audiatur.erasing', true), 'off');
BEGIN
    IF NOT is_call_of_erased(NEW.recording_id, NEW.call_id, NEW.linked_id, NEW.part_of) THEN
        RETURN NEW;
    END IF;
    NEW.from_party := NULL;
    NEW.to_party := NULL;
    NEW.outside_number := NULL;
    NEW.line := NULL;
    NEW.agent := NULL;
    IF TG_OP = 'UPDATE' THEN
        PERFORM set_config('audiatur.erasing', 'on', true);
        UPDATE known_call_versions SET told = '{}' WHERE known_call_id = NEW.id AND told <> '{}';
        UPDATE call_gaps SET words = NULL WHERE known_call_id = NEW.id AND words IS NOT NULL;
        DELETE FROM custody_private WHERE entry_id IN (
            SELECT e.id FROM custody_entries e WHERE e.object_kind = 'call_gap' AND e.object_id IN (
                SELECT g.id FROM call_gaps g WHERE g.known_call_id = NEW.id));
        PERFORM set_config('audiatur.erasing', before, true);
    END IF;
    RETURN NEW;
END $$
"""

FORGET_VERSION = """
CREATE FUNCTION forget_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM known_calls c WHERE c.id = NEW.known_call_id
               AND is_call_of_erased(c.recording_id, c.call_id, c.linked_id, c.part_of)) THEN
        NEW.told := '{}';
    END IF;
    RETURN NEW;
END $$
"""

FORGET_TOLD = """
CREATE FUNCTION forget_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF is_call_of_erased(NULL, NEW.call_id, NULL, NULL) THEN
        NEW.told := '{}';
        NEW.number := NULL;
    END IF;
    RETURN NEW;
END $$
"""

# The events that an exchange told of a recording's call: by its id, or as the one recording with
# the number and about the moment of the call's beginning, where none has its id.
EVENTS = """
CREATE FUNCTION told_of(asked uuid) RETURNS TABLE (id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT e.id FROM call_events e JOIN recordings r ON r.id = asked
    WHERE e.call_id = r.source_call_id
       OR e.call_id IN (
            SELECT b.call_id FROM call_events b
            WHERE b.kind = 'call_started' AND b.number = r.outside_number
              AND b.at BETWEEN r.started_at - interval '2 minutes'
                           AND r.started_at + interval '2 minutes'
              AND NOT EXISTS (SELECT FROM recordings o WHERE o.source_call_id = b.call_id)
              AND NOT EXISTS (SELECT FROM recordings o
                              WHERE o.id <> r.id AND o.outside_number = b.number
                                AND o.started_at BETWEEN b.at - interval '2 minutes'
                                                     AND b.at + interval '2 minutes'))
$$
"""

# The bases of decisions about it that no decision about anything else rests on.
BASES = """
CREATE FUNCTION bases_of(asked uuid) RETURNS TABLE (sha256 bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT d.inputs_digest FROM consent_decisions d WHERE asked IN (d.recording_id, d.screenshot_id)
    EXCEPT
    SELECT d.inputs_digest FROM consent_decisions d
    LEFT JOIN recordings r ON r.id = d.recording_id
    LEFT JOIN screenshots s ON s.id = d.screenshot_id
    WHERE asked IS DISTINCT FROM coalesce(d.recording_id, d.screenshot_id)
      AND coalesce(r.erased_at, s.erased_at) IS NULL
      AND d.inputs_digest IN (
        SELECT m.inputs_digest FROM consent_decisions m WHERE asked IN (m.recording_id, m.screenshot_id))
$$
"""

# Before the number goes, for events are found by it. Only while an erasure destroys.
FORGET = """
CREATE FUNCTION forget_words_of(asked uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    events_told uuid[] := ARRAY(SELECT t.id FROM told_of(asked) t);
    records uuid[];
BEGIN
    IF NOT being_erased() THEN
        RAISE EXCEPTION 'words go by an erasure alone' USING ERRCODE = 'restrict_violation';
    END IF;
    records := ARRAY(
        SELECT c.id FROM known_calls c WHERE c.recording_id = asked
        UNION SELECT c.id FROM recordings r JOIN known_calls c
            ON c.recording_id IS NULL AND r.source_call_id IN (c.call_id, c.linked_id)
        WHERE r.id = asked AND NOT EXISTS (
            SELECT FROM recordings o WHERE o.id <> asked AND o.erased_at IS NULL
                                       AND o.source_call_id IN (c.call_id, c.linked_id)));
    records := records || ARRAY(SELECT c.id FROM known_calls c WHERE c.part_of = ANY (records));
    UPDATE known_call_versions SET told = '{}' WHERE known_call_id = ANY (records);
    UPDATE known_calls SET from_party = NULL, to_party = NULL, outside_number = NULL, line = NULL,
        agent = NULL
    WHERE id = ANY (records);
    UPDATE call_gaps SET words = NULL WHERE recording_id = asked OR known_call_id = ANY (records);
    UPDATE call_events SET told = '{}', number = NULL WHERE id = ANY (events_told);
    DELETE FROM custody_private WHERE entry_id IN (
        SELECT e.id FROM custody_entries e
        WHERE (e.object_kind = 'call_event' AND e.object_id = ANY (events_told))
           OR (e.object_kind = 'call_gap' AND e.object_id IN (
                SELECT g.id FROM call_gaps g
                WHERE g.recording_id = asked OR g.known_call_id = ANY (records))));
    UPDATE events SET subject = '-' WHERE origin <> 'sent' AND subject <> '-' AND id IN (
        SELECT r.event_id FROM recordings r WHERE r.id = asked
        UNION SELECT l.event_id FROM link_changes l WHERE l.recording_id = asked);
    UPDATE link_changes SET reason = NULL
    WHERE asked IN (recording_id, screenshot_id) AND reason IS NOT NULL;
    UPDATE assertion_votes SET reason = NULL WHERE reason IS NOT NULL AND assertion_id IN (
        SELECT a.id FROM assertions a WHERE a.recording_id = asked);
    UPDATE retention_reviews SET note = '' WHERE asked IN (recording_id, screenshot_id);
    UPDATE restrictions SET reason = '-', lift_reason = CASE WHEN lift_reason IS NOT NULL THEN '-' END
    WHERE asked IN (recording_id, screenshot_id);
    DELETE FROM decision_bases WHERE sha256 IN (SELECT b.sha256 FROM bases_of(asked) b);
END $$
"""

FOR_APP = {
    "is_call_of_erased(uuid, text, text, uuid)": RECORDS,
    "told_of(uuid)": EVENTS,
    "bases_of(uuid)": BASES,
}
INTERNAL = {
    "forget_record()": FORGET_RECORD,
    "forget_version()": FORGET_VERSION,
    "forget_told()": FORGET_TOLD,
    "forget_words_of(uuid)": FORGET,
}
YIELDING = {
    "link_changes": ("link_changes_append_only", "BEFORE UPDATE OR DELETE", "refuse_change"),
    "assertion_votes": ("assertion_votes_kept", "BEFORE UPDATE OR DELETE", "refuse_change"),
    "retention_reviews": ("retention_reviews_kept", "BEFORE UPDATE OR DELETE", "refuse_change"),
    "restrictions": ("restrictions_stand", "AFTER INSERT OR UPDATE", "keep_restriction"),
}
LATE = {"known_call_versions": "forget_version", "call_events": "forget_told"}
INDEXES = {"ix_known_calls_call": "call_id", "ix_known_calls_linked": "linked_id"}
_ON = "    PERFORM set_config('audiatur.erasing', 'on', true);\n"
_WORDS = "    PERFORM forget_words_of(asked);\n"
CHANGED = {
    "destroy_recording(uuid, timestamptz)": ((_ON, _ON + _WORDS, 1),),
    "destroy_screenshot(uuid, timestamptz)": ((_ON, _ON + _WORDS, 1),),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function, body in (FOR_APP | INTERNAL).items():
        op.execute(body)
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for function in FOR_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_app")
    for table, (name, when, function) in YIELDING.items():
        op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW "
            f"WHEN (NOT being_erased()) EXECUTE FUNCTION {function}()"
        )
    op.execute(
        "CREATE TRIGGER known_calls_forget BEFORE INSERT OR UPDATE ON known_calls "
        "FOR EACH ROW EXECUTE FUNCTION forget_record()"
    )
    for table, function in LATE.items():
        op.execute(
            f"CREATE TRIGGER {table}_forget BEFORE INSERT ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    for name, column in INDEXES.items():
        op.create_index(name, "known_calls", [column])
    for function, changes in CHANGED.items():
        rewrite(function, changes)
    # What was erased before left the same behind.
    op.execute("SELECT set_config('audiatur.erasing', 'on', true)")
    op.execute("SELECT forget_words_of(id) FROM recordings WHERE erased_at IS NOT NULL")
    op.execute("SELECT forget_words_of(id) FROM screenshots WHERE erased_at IS NOT NULL")
    op.execute("SELECT set_config('audiatur.erasing', 'off', true)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function, changes in CHANGED.items():
        rewrite(function, [(after, before, n) for before, after, n in reversed(changes)])
    for name in INDEXES:
        op.drop_index(name, "known_calls")
    for table in LATE:
        op.execute(f"DROP TRIGGER {table}_forget ON {table}")
    op.execute("DROP TRIGGER known_calls_forget ON known_calls")
    for table, (name, when, function) in YIELDING.items():
        op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    for function in reversed(FOR_APP | INTERNAL):
        op.execute(f"DROP FUNCTION {function}")


def rewrite(function: str, changes: Sequence[tuple[str, str, int]]) -> None:
    """Put other texts in the place of some in a function; each must be there so many times."""
    bind = op.get_bind()
    body = str(
        bind.scalar(
            sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))"), {"name": function}
        )
    )
    for before, after, times in changes:
        if body.count(before) != times:
            raise RuntimeError(f"{function} is not what this migration changes: {before!r}")
        body = body.replace(before, after)
    bind.execute(sa.text(body))
