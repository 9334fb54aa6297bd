"""What the player of a recording is given: which sound, which lanes, what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

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

    @property
    def query(self) -> str:
        """Return it as the address of the sound has it."""
        return f"purpose={self.purpose}" + (f"&leg={self.leg}" if self.leg else "")


def settings(
    found: Recording,
    parties: Sequence[Heard],
    asked: Asked,
    notices: NoticesRead,
    marked: Sequence[tuple[Mark, str]],
    words: Words,
) -> str:
    """Return what the script of the player needs, as JSON."""
    here = f"/v1/recordings/{found.id}"
    return json.dumps(
        {
            "waveform": f"{here}/waveform?{asked.query}",
            "sound": f"{here}/sound?purpose={asked.purpose}",
            "leg": asked.leg,
            "start_ms": asked.start_ms,
            "duration_ms": found.duration_ms or 0,
            "told": {one.label: one.told_ms for one in parties},
            "notices": [
                {"from_ms": one.start_ms, "to_ms": one.end_ms, "share": one.share}
                for one in notices.found
            ],
            "marks": [
                {
                    "from_ms": mark.from_ms,
                    "to_ms": mark.to_ms,
                    "mark": KIND_MARKS[MarkKind(mark.kind)],
                    "note": mark.note or words.gettext(KINDS[MarkKind(mark.kind)]),
                }
                for mark, _ in marked
            ],
            "say": {name: words.gettext(said) for name, said in SAY.items()},
        },
        ensure_ascii=False,
    )
