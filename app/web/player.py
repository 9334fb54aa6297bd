"""What the player of a recording is given: which sound, which lanes, what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.consent.spans import Segment
from app.playback.door import HeardLeg
from app.playback.models import Mark, MarkKind
from app.recordings.models import Recording
from app.recordings.schemas import NoticesRead
from app.web.heard import Heard
from app.web.words import N_, Words

KINDS: Final = {
    MarkKind.KEY_MOMENT: N_("key moment"),
    MarkKind.PRAISE: N_("praise"),
    MarkKind.MISTAKE: N_("mistake"),
    MarkKind.COMMENT: N_("comment"),
}
KIND_MARKS: Final = {
    MarkKind.KEY_MOMENT: "◆",
    MarkKind.PRAISE: "★",
    MarkKind.MISTAKE: "✕",
    MarkKind.COMMENT: "…",
}
SAY: Final = {
    "play": N_("Play"),
    "pause": N_("Pause"),
    "notice": N_("Notice"),
    "talks": N_("talks {share} %"),
    "clip": N_("Clip"),
    "unknown_party": N_("unknown"),
    "failed": N_("The sound cannot be opened: {why}"),
    "at": N_("{at} of {of}"),
    "silent": N_("Silence of {length} is skipped"),
    "wave": N_("The picture of the sound, {length}"),
    "no_wave": N_("The picture of the sound is not ready yet."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is listened to and for what; `leg` is empty for the first file."""

    purpose: str
    leg: HeardLeg | None
    start_ms: int = 0
    part: Segment | None = None
    """What may be heard where the whole may not."""
    has_both: bool = False
    """Whether there is a file of each direction; a part sounds of both."""

    @property
    def query(self) -> str:
        """Return it as the address of the sound has it."""
        return f"purpose={self.purpose}" + (f"&leg={self.leg}" if self.leg else "")

    def picture(self, recording_id: UUID) -> str:
        """Return the address of the picture of the sound; of a part, of all that sounds in it."""
        here = f"/v1/recordings/{recording_id}/waveform"
        if self.part is None:
            return f"{here}?{self.query}"
        both = "&leg=both" if self.has_both else ""
        return f"{here}?purpose={self.purpose}&{_bounds(self.part)}{both}"

    def talk(self, recording_id: UUID) -> str:
        """Return the address of who talks when; of a part, within it alone."""
        here = f"/v1/recordings/{recording_id}"
        if self.part is None:
            return f"{here}/sound?purpose={self.purpose}"
        return f"{here}/talk?purpose={self.purpose}&{_bounds(self.part)}"

    @property
    def sounds_of(self) -> str | None:
        """Return the leg whose lanes are drawn; a part is cut from both directions."""
        return HeardLeg.BOTH if self.part is not None and self.has_both else self.leg

    def has(self, from_ms: int, to_ms: int | None) -> bool:
        """Say whether any of a stretch may be heard."""
        if self.part is None:
            return True
        ends_ms = max(from_ms + 1, to_ms or 0)
        return from_ms < self.part.end_ms and ends_ms > self.part.from_ms

    def source(self, recording_id: UUID) -> str:
        """Return the address of the sound; of a part with the place where it begins to play."""
        here = f"/v1/recordings/{recording_id}"
        if self.part is None:
            return f"{here}/audio?{self.query}"
        at = (self.start_ms - self.part.from_ms) / 1000
        part = f"{here}/part?purpose={self.purpose}&{_bounds(self.part)}"
        return part + (f"#t={at:.3f}" if at > 0 else "")


def _bounds(part: Segment) -> str:
    to_ms = "" if part.to_ms is None else f"&to_ms={part.to_ms}"
    return f"from_ms={part.from_ms}{to_ms}"


def settings(
    found: Recording,
    parties: Sequence[Heard],
    asked: Asked,
    notices: NoticesRead,
    marked: Sequence[tuple[Mark, str]],
    words: Words,
) -> str:
    """Return what the script of the player needs, as JSON."""
    return json.dumps(
        {
            "waveform": asked.picture(found.id),
            "sound": asked.talk(found.id),
            "part_from_ms": asked.part.from_ms if asked.part else 0,
            "part_to_ms": asked.part.to_ms if asked.part else None,
            "leg": asked.sounds_of,
            "start_ms": asked.start_ms,
            "duration_ms": found.duration_ms or 0,
            "told": {one.label: one.told_ms for one in parties},
            "notices": [
                {"from_ms": one.start_ms, "to_ms": one.end_ms, "share": one.share}
                for one in notices.found
                if asked.has(one.start_ms, one.end_ms)
            ],
            "marks": [
                {
                    "from_ms": mark.from_ms,
                    "to_ms": mark.to_ms,
                    "mark": KIND_MARKS[MarkKind(mark.kind)],
                    "note": mark.note or words.gettext(KINDS[MarkKind(mark.kind)]),
                }
                for mark, _ in marked
                if asked.has(mark.from_ms, mark.to_ms)
            ],
            "say": {name: words.gettext(said) for name, said in SAY.items()},
        },
        ensure_ascii=False,
    )
