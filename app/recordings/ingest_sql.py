"""The statements of the hot path: one to know, one to keep, each a single round trip.

A statement of `KEEP_*` is a transaction of its own: object, row, event link, ledger entry and job
are kept together or not at all. Whoever loses a race violates a unique constraint, keeps nothing
and asks again.
"""

from __future__ import annotations

from functools import cache

KNOWN_RECORDING = """
WITH named AS (
    SELECT id, client_id FROM events WHERE external_id = %(named)s
), person AS (
    SELECT min(c.id::text)::uuid AS id, min(c.client_id::text)::uuid AS client_id
    FROM contact_phones p JOIN contacts c ON c.id = p.contact_id
    WHERE p.number = %(number)s AND c.left_at IS NULL
    HAVING count(DISTINCT c.client_id) = 1
), nearest AS (
    SELECT e.id FROM events e JOIN person ON e.client_id = person.client_id
    WHERE e.closed_at IS NULL AND e.origin = 'sent'
        AND e.occurred_at BETWEEN %(started_at)s - %(window)s AND %(started_at)s + %(window)s
    ORDER BY abs(extract(epoch FROM e.occurred_at - %(started_at)s)), e.id
    LIMIT 1
), recording AS (
    SELECT id, event_id, linked_by, flag, erased_at FROM recordings
    WHERE device_id = %(device_id)s AND source_call_id = %(source_call_id)s
), leg AS (
    SELECT o.sha256, o.size_bytes FROM legs l JOIN sealed_objects o USING (object_id)
    WHERE l.recording_id = (SELECT id FROM recording) AND l.leg = %(leg)s
)
SELECT named.id, named.client_id, person.id, person.client_id, nearest.id,
    recording.id, recording.event_id, recording.linked_by, recording.flag,
    recording.erased_at IS NOT NULL, leg.sha256, leg.size_bytes, event.external_id,
    coalesce(client.external_id, told.external_id)
FROM (VALUES (1)) AS one (one)
LEFT JOIN named ON true LEFT JOIN person ON true LEFT JOIN nearest ON true
LEFT JOIN recording ON true LEFT JOIN leg ON true
LEFT JOIN events event ON event.id = coalesce(recording.event_id, named.id,
    CASE WHEN %(named)s::text IS NULL THEN nearest.id END)
LEFT JOIN clients client ON client.id = event.client_id
LEFT JOIN clients told
    ON event.id IS NULL AND %(named)s::text IS NULL AND told.id = person.client_id
"""

KEY_USED = """
SELECT r.source_call_id, l.leg FROM upload_keys k
JOIN legs l ON l.id = k.leg_id JOIN recordings r ON r.id = l.recording_id
WHERE k.device_id = %(device_id)s AND k.key_sha256 = sha256(convert_to(%(key)s, 'UTF8'))
    AND (r.source_call_id, l.leg) <> (%(source_call_id)s::text, %(leg)s::text)
"""

KNOWN_SCREENSHOT = """
WITH named AS (
    SELECT id, client_id FROM events WHERE external_id = %(named)s
), repeat AS (
    SELECT s.id, s.event_id, s.linked_by, o.size_bytes, s.erased_at IS NOT NULL AS is_erased
    FROM screenshots s JOIN sealed_objects o USING (object_id)
    WHERE s.device_id = %(device_id)s AND s.captured_at = %(captured_at)s
        AND s.sha256 = %(sha256)s
)
SELECT named.id, repeat.id, repeat.event_id, repeat.linked_by, repeat.size_bytes,
    repeat.is_erased, event.external_id, client.external_id
FROM (VALUES (1)) AS one (one) LEFT JOIN named ON true LEFT JOIN repeat ON true
LEFT JOIN events event ON event.id = coalesce(repeat.event_id, named.id)
LEFT JOIN clients client ON client.id = event.client_id
"""

# The entry of an upload is among the first about its object, so the index leads to it at once.
ENTRY_OF = """
SELECT id, at, content_commitment FROM custody_entries
WHERE object_kind = %(object_kind)s AND object_id = %(object_id)s
    AND act IN ('recording.ingested', 'recording.leg_added', 'screenshot.ingested',
        'recording.rebuilt')
    AND facts ->> 'leg' IS NOT DISTINCT FROM %(leg)s
ORDER BY position LIMIT 1
"""

_MADE_EVENT = """
made AS (
    INSERT INTO events (id, external_id, kind, origin, occurred_at, subject, client_id, agents,
        created_at, updated_at)
    SELECT %(event_id)s, %(event_external_id)s, 'call', %(event_origin)s, %(occurred_at)s,
        %(event_subject)s, %(event_client_id)s, '{}', %(at)s, %(at)s
    WHERE %(event_origin)s::text IS NOT NULL
)"""

_OBJECT = """
object AS (
    INSERT INTO sealed_objects (object_id, wrapped_key, size_bytes, sha256, crc32, stored_at)
    VALUES (%(object_id)s, %(wrapped_key)s, %(size_bytes)s, %(sha256)s, %(crc32)s, %(at)s)
)"""

_LEDGER = """
entry AS (
    INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, actor_id,
        actor_role, outcome, facts, content_commitment, detail_commitment)
    VALUES (%(entry_id)s, %(at)s, %(act)s, %(object_kind)s, %(subject_id)s, 'device',
        %(device_id)s, NULL, 'success', %(facts)s::jsonb, %(content_commitment)s,
        %(detail_commitment)s)
), beside AS (
    INSERT INTO custody_private (entry_id, label, salt, ciphertext)
    VALUES (%(entry_id)s, 'content', %(content_salt)s, %(content_sealed)s),
        (%(entry_id)s, 'detail', %(detail_salt)s, %(detail_sealed)s)
)"""

_LEG = """
leg AS (
    INSERT INTO legs (id, recording_id, leg, object_id, media_type, container, codec, channels,
        sample_rate_hz, file_name, client_digest, idempotency_key, received_at)
    VALUES (%(leg_id)s, %(subject_id)s, %(leg)s, %(object_id)s, %(media_type)s, %(container)s,
        %(codec)s, %(channels)s, %(sample_rate_hz)s, %(file_name)s, %(client_digest)s,
        %(idempotency_key)s, %(at)s)
), keyed AS (
    INSERT INTO upload_keys (device_id, key_sha256, leg_id)
    SELECT %(device_id)s, sha256(convert_to(%(idempotency_key)s::text, 'UTF8')), %(leg_id)s
    WHERE %(idempotency_key)s::text IS NOT NULL
)"""

_LINK = """
link AS (
    INSERT INTO link_changes (id, {column}, event_id, linked_by, at)
    VALUES (%(link_id)s, %(subject_id)s, %(event_id)s, %(linked_by)s, %(at)s)
)"""

_JOB = """
SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(%(queue)s, %(task)s, 0, NULL, NULL,
    %(args)s::jsonb, NULL)::procrastinate_job_to_defer_v1])
"""

KEEP_RECORDING = f"""
WITH {_MADE_EVENT}, {_OBJECT}, recording AS (
    INSERT INTO recordings (id, device_id, source_call_id, started_at, ended_at,
        claimed_duration_ms, direction, capture, line, from_party, to_party, outside_number,
        agent, claimed_notice, event_id, client_id, linked_by, received_at)
    VALUES (%(subject_id)s, %(device_id)s, %(source_call_id)s, %(started_at)s, %(ended_at)s,
        %(claimed_duration_ms)s, %(direction)s, %(capture)s, %(line)s, %(from_party)s,
        %(to_party)s, %(outside_number)s, %(agent)s, %(claimed_notice)s::jsonb, %(event_id)s,
        %(event_client_id)s, %(linked_by)s, %(at)s)
), {_LEG}, {_LINK.format(column="recording_id")}, heard AS (
    INSERT INTO parties (id, recording_id, label, side, client_id, contact_id, agent, number,
        present_from_ms, present_to_ms, how_identified)
    SELECT h.id, %(subject_id)s, h.label, h.side, h.client_id, h.contact_id, h.agent, h.number,
        h.present_from_ms, h.present_to_ms, h.how_identified
    FROM jsonb_to_recordset(%(heard)s::jsonb) AS h (id uuid, label text, side text,
        client_id uuid, contact_id uuid, agent text, number text, present_from_ms int,
        present_to_ms int, how_identified text)
), {_LEDGER}
{_JOB}
"""  # noqa: S608 - put together of constants; every value is a parameter.

KEEP_LEG = f"""
WITH {_OBJECT}, {_LEG}, waiting AS (
    UPDATE recordings SET inspection_state = 'pending', inspection_reason = NULL
    WHERE id = %(subject_id)s
), {_LEDGER}
{_JOB}
"""  # noqa: S608 - put together of constants; every value is a parameter.

KEEP_SCREENSHOT = f"""
WITH {_MADE_EVENT}, {_OBJECT}, screenshot AS (
    INSERT INTO screenshots (id, device_id, captured_at, agent, note, event_id, linked_by,
        object_id, sha256, media_type, width, height, file_name, received_at)
    VALUES (%(subject_id)s, %(device_id)s, %(captured_at)s, %(agent)s, %(note)s, %(event_id)s,
        %(linked_by)s, %(object_id)s, %(sha256)s, %(media_type)s, %(width)s, %(height)s,
        %(file_name)s, %(at)s)
), {_LINK.format(column="screenshot_id")}, {_LEDGER}
SELECT 1
"""  # noqa: S608 - put together of constants; every value is a parameter.


@cache
def with_beside(sql: str, ctes: str) -> str:
    """Return a statement of `KEEP_*` that does what `ctes` say too, or neither."""
    return sql.replace("WITH ", f"WITH {ctes}, ", 1)
