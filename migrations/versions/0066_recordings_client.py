"""Give recordings the client of their event, and lists by client and search what they read."""

from __future__ import annotations

from alembic import op

revision = "0066"
down_revision = "0059"
branch_labels = None
depends_on = None

# Who ties a recording waits for who changes the event's client, and the other way round: without
# the lock, each would leave the other's half of the change undone. In the statement of an upload
# the event may be made after its recording; then the statement itself says the client.
FOLLOW_EVENT = """
CREATE FUNCTION follow_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    whose uuid;
BEGIN
    SELECT client_id INTO whose FROM events WHERE id = NEW.event_id FOR SHARE;
    IF FOUND THEN
        NEW.client_id := whose;
    END IF;
    RETURN NEW;
END $$
"""
LEAD_RECORDINGS = """
CREATE FUNCTION lead_recordings() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE recordings SET client_id = NEW.client_id
    WHERE event_id = NEW.id AND client_id IS DISTINCT FROM NEW.client_id;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE recordings ADD COLUMN client_id uuid")
    for function in (FOLLOW_EVENT, LEAD_RECORDINGS):
        op.execute(function)
    for name in ("follow_event()", "lead_recordings()"):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER recordings_follow_event BEFORE INSERT OR UPDATE OF event_id ON recordings "
        "FOR EACH ROW EXECUTE FUNCTION follow_event()"
    )
    op.execute(
        "CREATE TRIGGER events_lead_recordings AFTER UPDATE OF client_id ON events FOR EACH ROW "
        "WHEN (OLD.client_id IS DISTINCT FROM NEW.client_id) EXECUTE FUNCTION lead_recordings()"
    )
    op.execute(
        "UPDATE recordings SET client_id = events.client_id FROM events "
        "WHERE events.id = recordings.event_id AND events.client_id IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX ix_recordings_client ON recordings (client_id, started_at DESC, id DESC)"
    )
    op.execute("DROP INDEX ix_recordings_event")
    op.execute(
        "CREATE INDEX ix_recordings_event ON recordings (event_id, started_at DESC, id DESC) "
        "INCLUDE (erased_at)"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP INDEX ix_recordings_event")
    op.execute(
        "CREATE INDEX ix_recordings_event ON recordings (event_id, started_at DESC, id DESC)"
    )
    op.execute("DROP TRIGGER events_lead_recordings ON events")
    op.execute("DROP TRIGGER recordings_follow_event ON recordings")
    op.execute("DROP FUNCTION lead_recordings()")
    op.execute("DROP FUNCTION follow_event()")
    op.execute("DROP INDEX ix_recordings_client")
    op.execute("ALTER TABLE recordings DROP COLUMN client_id")
