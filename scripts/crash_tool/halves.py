"""The half states, each a query that returns what is half; none of them may return a row."""

from __future__ import annotations

from typing import Final, LiteralString

RULES: Final[dict[str, LiteralString]] = {
    "recording without leg": """
        SELECT r.id FROM recordings r
        WHERE NOT EXISTS (SELECT FROM legs l WHERE l.recording_id = r.id)""",
    "recording without its two sides": """
        SELECT r.id FROM recordings r
        WHERE (SELECT count(*) FROM parties p WHERE p.recording_id = r.id) < 2""",
    "recording without event": """
        SELECT r.id FROM recordings r
        WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = r.event_id)""",
    "recording without link": """
        SELECT r.id FROM recordings r
        WHERE NOT EXISTS (SELECT FROM link_changes c
            WHERE c.recording_id = r.id AND c.event_id = r.event_id)""",
    "recording not told of once": """
        SELECT r.id FROM recordings r
        WHERE (SELECT count(*) FROM custody_entries e
            WHERE e.object_kind = 'recording' AND e.object_id = r.id
                AND e.act = 'recording.ingested') <> 1""",
    "legs and entries differ in number": """
        SELECT r.id FROM recordings r
        WHERE (SELECT count(*) FROM custody_entries e
            WHERE e.object_kind = 'recording' AND e.object_id = r.id
                AND e.act IN ('recording.ingested', 'recording.leg_added'))
            <> (SELECT count(*) FROM legs l WHERE l.recording_id = r.id)""",
    "legs and jobs differ in number": """
        SELECT coalesce(l.id, j.id) FROM
            (SELECT recording_id::text AS id, count(*) AS n FROM legs GROUP BY 1) l
        FULL JOIN
            (SELECT args->>'recording_id' AS id, count(*) AS n FROM procrastinate_jobs
            WHERE task_name = 'inspection.inspect' GROUP BY 1) j ON j.id = l.id
        WHERE l.n IS DISTINCT FROM j.n""",
    "leg without recording": """
        SELECT l.id FROM legs l
        WHERE NOT EXISTS (SELECT FROM recordings r WHERE r.id = l.recording_id)""",
    "leg without object's row": """
        SELECT l.id FROM legs l
        WHERE NOT EXISTS (SELECT FROM sealed_objects o WHERE o.object_id = l.object_id)""",
    "screenshot without object's row": """
        SELECT s.id FROM screenshots s
        WHERE NOT EXISTS (SELECT FROM sealed_objects o WHERE o.object_id = s.object_id)""",
    "screenshot without event": """
        SELECT s.id FROM screenshots s
        WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = s.event_id)""",
    "screenshot without link": """
        SELECT s.id FROM screenshots s
        WHERE NOT EXISTS (SELECT FROM link_changes c
            WHERE c.screenshot_id = s.id AND c.event_id = s.event_id)""",
    "screenshot not told of once": """
        SELECT s.id FROM screenshots s
        WHERE (SELECT count(*) FROM custody_entries e
            WHERE e.object_kind = 'screenshot' AND e.object_id = s.id
                AND e.act = 'screenshot.ingested') <> 1""",
    "object's row of nothing": """
        SELECT object_id FROM sealed_objects
        EXCEPT (SELECT object_id FROM legs UNION ALL SELECT playable_object_id FROM legs
            UNION ALL SELECT peaks_object_id FROM legs
            UNION ALL SELECT talk_object_id FROM leg_sounds
            UNION ALL SELECT object_id FROM joined_sounds
            UNION ALL SELECT object_id FROM screenshots)""",
    "piece of an upload that is over, or that its sender has gone on with": """
        SELECT upload_id FROM resumable_pieces""",
    "upload kept without what was made of it": """
        SELECT u.id FROM resumable_uploads u
        WHERE u.state = 'kept'
            AND NOT EXISTS (SELECT FROM recordings r WHERE r.id = (u.answer->>'id')::uuid)""",
    "event of nothing": """
        SELECT e.id FROM events e
        WHERE e.origin <> 'sent'
            AND NOT EXISTS (SELECT FROM link_changes c WHERE c.event_id = e.id)""",
    "link of nothing": """
        SELECT c.id FROM link_changes c
        WHERE NOT EXISTS (SELECT FROM recordings r WHERE r.id = c.recording_id)
            AND NOT EXISTS (SELECT FROM screenshots s WHERE s.id = c.screenshot_id)""",
    "party of nothing": """
        SELECT p.id FROM parties p
        WHERE NOT EXISTS (SELECT FROM recordings r WHERE r.id = p.recording_id)""",
    "entry of nothing": """
        SELECT e.id FROM custody_entries e
        WHERE e.act IN ('recording.ingested', 'recording.leg_added',
                'screenshot.ingested')
            AND NOT EXISTS (SELECT FROM recordings r WHERE r.id = e.object_id)
            AND NOT EXISTS (SELECT FROM screenshots s WHERE s.id = e.object_id)""",
    "entry without its two private rows": """
        SELECT e.id FROM custody_entries e
        WHERE e.act IN ('recording.ingested', 'recording.leg_added',
                'screenshot.ingested')
            AND (SELECT count(*) FROM custody_private p WHERE p.entry_id = e.id) <> 2""",
    "private row without entry": """
        SELECT p.entry_id FROM custody_private p
        WHERE NOT EXISTS (SELECT FROM custody_entries e WHERE e.id = p.entry_id)""",
}
