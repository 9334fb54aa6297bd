"""The statements that every upload costs, each a single round trip and a transaction of its own."""

from __future__ import annotations

# What is told by it is an address alone, so nobody waits for the disk: whatever says that bytes
# are durable is written behind it in the same log, and makes it durable too.
BEGIN = """
WITH erased AS (
    SELECT FROM recordings WHERE device_id = %(device_id)s
        AND source_call_id = %(source_call_id)s AND erased_at IS NOT NULL
), under_way AS (
    SELECT count(*) AS n FROM resumable_uploads
    WHERE device_id = %(device_id)s AND state = 'receiving'
), begun AS (
    INSERT INTO resumable_uploads (id, device_id, kind, state, told, length_bytes,
        received_bytes, created_at, expires_at)
    SELECT %(id)s, %(device_id)s, %(kind)s, 'receiving', %(told)s, %(length_bytes)s, 0,
        %(created_at)s, %(expires_at)s
    WHERE NOT EXISTS (SELECT FROM erased) AND (SELECT n FROM under_way) < %(most_open)s
)
SELECT EXISTS (SELECT FROM erased), (SELECT n FROM under_way) >= %(most_open)s,
    set_config('synchronous_commit', 'off', true)
"""

FIND = """
SELECT id, device_id, kind, state, told, concat, length_bytes, received_bytes, answer, created_at,
    expires_at
FROM resumable_uploads WHERE id = %(id)s
"""

ENDED = """
ended AS (
    UPDATE resumable_uploads SET state = 'kept', answer = %(upload_answer)s::jsonb, told = NULL,
        received_bytes = length_bytes, expires_at = %(upload_expires_at)s
    WHERE id = %(upload_id)s AND state = 'receiving'
), put_in AS (
    DELETE FROM resumable_pieces WHERE upload_id = %(upload_id)s
)"""
