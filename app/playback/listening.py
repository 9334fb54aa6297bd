"""A listening: one person hears one sound for one purpose; its parts stand under one decision.

A player asks for many parts of one sound. The first is decided and written down; each further one
asks whether everything that the decision stood on is as it was, and is told to the ledger by
itself in the same statement. Whatever is not as it was ends the listening, and the part is decided
like a first one. See the decision record 0047.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from app.consent.purposes import Purpose
from app.consent.rules import Permit
from app.core.db import Database, as_statement
from app.core.ids import new_id
from app.core.ranges import ByteRange
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.playback import door
from app.playback.door import Form, HeardLeg, Sound
from app.recordings.models import Recording
from app.recordings.queries import visible_to

LASTS = timedelta(minutes=1)
"""How long one decision carries at most, whatever stayed as it was."""
_MOST_REMEMBERED = 1_000

# One round trip: the state is the one that was decided under, the sound is not erased and the
# recording still one that he may know of; then, and only then, the part is told. The key of the
# sound comes anew each time and is never kept.
_GO_ON = """
WITH told AS (
    INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, actor_id,
        actor_role, outcome, facts)
    SELECT %(entry_id)s, %(at)s, %(act)s, 'recording', %(recording)s, %(actor_kind)s, %(actor_id)s,
        %(actor_role)s, 'success', %(facts)s::jsonb
    WHERE consent_stamp(%(recording)s, %(contact)s) = %(stamp)s AND EXISTS ({seen})
        AND EXISTS (SELECT FROM sealed_objects o
            WHERE o.object_id = %(object_id)s AND o.wrapped_key IS NOT NULL)
    RETURNING id
)
SELECT o.wrapped_key FROM told, sealed_objects o WHERE o.object_id = %(object_id)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What tells one listening from another: who hears, with all that he may, and what for what."""

    actor: Actor
    recording_id: UUID
    purpose: Purpose
    leg: HeardLeg | None
    form: Form | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What was decided for the first part, which the entry `first` tells of."""

    wanted: Wanted
    permit: Permit
    sound: Sound
    first: UUID
    since: datetime
    sql: str
    values: Mapping[str, object]

    @classmethod
    def begun(
        cls, wanted: Wanted, permit: Permit, sound: Sound, *, first: UUID, at: datetime
    ) -> Listening:
        """Return the listening whose first part was decided and told `at` a moment."""
        actor = wanted.actor
        known = select(Recording.id).where(Recording.id == permit.recording_id, visible_to(actor))
        seen, values = as_statement(known)
        return cls(
            wanted=wanted,
            permit=permit,
            sound=replace(sound, ref=replace(sound.ref, wrapped_key=b"")),
            first=first,
            since=at,
            sql=_GO_ON.format(seen=seen),
            values=values
            | {
                "act": str(Act.MEDIA_PLAYED),
                "recording": permit.recording_id,
                "contact": permit.recipient.contact_id,
                "stamp": permit.stamp,
                "object_id": sound.ref.object_id,
                "actor_kind": actor.kind,
                "actor_id": actor.id,
                "actor_role": actor.role,
            },
        )

    def goes_on(self, *, at: datetime) -> bool:
        """Tell whether time alone has not ended it; a clock that was set back ends it too."""
        return self.since <= at < self.since + LASTS and door.stands(self.permit, at=at)

    def tell(self, database: Database, part: ByteRange, *, at: datetime) -> Sound | None:
        """Write a further part down and return what is heard; None if anything is not as it was.

        It is committed before the first byte is read, as a first part is.
        """
        facts = door.facts_of(self.permit, self.sound, part) | {"goes_on": str(self.first)}
        found = database.statement(
            self.sql,
            {**self.values, "entry_id": new_id(), "at": at, "facts": json.dumps(facts)},
        )
        if found is None:
            return None
        return replace(self.sound, ref=replace(self.sound.ref, wrapped_key=bytes(found[0])))


class Listenings:
    """The listenings of the last minute, known to this process alone: another decides anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._going: dict[Wanted, Listening] = {}  # The oldest first.

    def found(self, wanted: Wanted, *, at: datetime) -> Listening | None:
        """Return the listening that a part may belong to; what it rests on is asked by `tell`."""
        found = self._going.get(wanted)
        return found if found is not None and found.goes_on(at=at) else None

    def keep(self, listening: Listening) -> None:
        """Let further parts belong to a listening, and forget those that are over."""
        with self._lock:
            self._going.pop(listening.wanted, None)
            while self._going:
                oldest = next(iter(self._going.values()))
                is_over = not oldest.since <= listening.since < oldest.since + LASTS
                if not is_over and len(self._going) < _MOST_REMEMBERED:
                    break
                del self._going[oldest.wanted]
            self._going[listening.wanted] = listening

    def end(self, listening: Listening) -> None:
        """Have the next part decided like a first one."""
        with self._lock:
            self._going.pop(listening.wanted, None)

    def __len__(self) -> int:
        return len(self._going)
