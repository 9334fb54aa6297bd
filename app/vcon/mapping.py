"""What a vCon means here: recordings, known calls, pictures, and who was on the line. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from app.feeds.models import Disposition
from app.feeds.schemas import CallTold
from app.identity.agents import normalised
from app.recordings.call_schemas import CallEventTold
from app.recordings.models import CallEventKind, Direction
from app.recordings.schemas import RecordingTold, ScreenshotTold
from app.vcon.reading import Content, Json, Vcon, VconBroken, content_of

DISPOSITIONS: Final = {
    "no-answer": Disposition.NO_ANSWER,
    "congestion": Disposition.CONGESTION,
    "failed": Disposition.FAILED,
    "busy": Disposition.BUSY,
    "hung-up": Disposition.NO_ANSWER,
    "voicemail-no-message": Disposition.NO_ANSWER,
}
_COURSE: Final = {
    "join": CallEventKind.JOIN,
    "drop": CallEventKind.LEAVE,
    "hold": CallEventKind.HOLD,
    "unhold": CallEventKind.RESUME,
}
_OWN_ROLES: Final = frozenset({"agent", "supervisor", "sme"})
_SOUND: Final = ("audio/", "video/")
_MOMENT: Final = TypeAdapter(AwareDatetime)
_LONGEST: Final = 255
_LONGEST_SECONDS: Final = 7 * 24 * 3600
Told = TypeVar("Told", RecordingTold, CallTold, ScreenshotTold, CallEventTold)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What is known of our side: how telephones call our people, and what a sender has said.

    `direction` is that of the calls whose parties tell nothing of who is ours.
    """

    agents: frozenset[str] = frozenset()
    direction: Direction | None = None


@dataclass(slots=True, kw_only=True)
class Sound:
    """A dialog that becomes a recording, and the course of its call."""

    where: str
    call_id: str
    told: RecordingTold
    content: Content
    channels: tuple[int | None, ...]
    people: Mapping[int, dict[str, Any]]
    events: list[CallEventTold] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An attachment that becomes a screenshot."""

    where: str
    told: ScreenshotTold
    content: Content


@dataclass(slots=True, kw_only=True)
class Plan:
    """All that a vCon becomes."""

    sounds: list[Sound] = field(default_factory=list)
    calls: list[CallTold] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    """Who called, who was called, and which of them is ours."""

    first: int | None
    second: int | None
    direction: Direction
    own: int | None


def plan(vcon: Vcon, house: House) -> Plan:
    """Return what a vCon becomes; what is left out is noted on it.

    Raises:
        VconBroken: a dialog lacks what it needs, as its beginning.
        ContentHashWrong: a content is not what its hash says.
    """
    made = _Planner(vcon, house)
    for place, dialog in enumerate(vcon.items("dialog")):
        made.dialog(place, dialog)
    made.transfers()
    for place, attachment in enumerate(vcon.items("attachments")):
        made.attachment(place, attachment)
    if vcon.items("analysis"):
        vcon.note("analysis.left_out", "analysis")
    return made.plan


class _Planner:
    def __init__(self, vcon: Vcon, house: House) -> None:
        self.plan = Plan()
        self._vcon = vcon
        self._house = house
        self._parties = vcon.items("parties")
        self._by_dialog: dict[int, Sound] = {}

    def dialog(self, place: int, dialog: Json) -> None:
        where, kind = f"dialog/{place}", dialog.get("type")
        if not dialog:
            return  # The empty place of one that was removed.
        if kind == "recording":
            self._recording(place, dialog, where)
        elif kind == "incomplete":
            self._incomplete(place, dialog, where)
        elif kind not in {"transfer", "recording-set"}:
            self._vcon.note(f"dialog.{'text' if kind == 'text' else 'type'}.left_out", where)

    def _recording(self, place: int, dialog: Json, where: str) -> None:
        content = content_of(self._vcon, dialog, where)
        if content is None:
            self._vcon.note("dialog.without_content", where)
            return
        channels = self._channels(dialog, where)
        people = sorted({one for one in self._listed(dialog, where) if one is not None})
        ends = self._ends(dialog, people, where)
        started_at = moment(dialog.get("start"), f"{where}/start")
        call_id = self._call_id(place)
        duration = _seconds(dialog)
        told: dict[str, object] = self._facts(ends, call_id, started_at, where)
        told |= {
            "capture": "import",
            "parties": [
                {"name": self._name(one), "number": self._number(one), "side": self._side(one)}
                for one in people
                if one not in {ends.first, ends.second}
            ][:20],
        }
        if duration is not None:
            told["duration_ms"] = round(duration * 1000)
            told["ended_at"] = started_at + timedelta(seconds=duration)
        sound = Sound(
            where=where,
            call_id=call_id,
            told=_valid(RecordingTold, told, where),
            content=content,
            channels=channels,
            people={one: self._person(one) for one in people},
        )
        self._course(dialog, sound, where)
        self.plan.sounds.append(sound)
        self._by_dialog[place] = sound

    def _incomplete(self, place: int, dialog: Json, where: str) -> None:
        said = dialog.get("disposition")
        if said not in DISPOSITIONS:
            self._vcon.note("disposition.unknown", where)
        people = sorted({one for one in self._listed(dialog, where) if one is not None})
        started_at = moment(dialog.get("start"), f"{where}/start")
        facts = self._facts(self._ends(dialog, people, where), "", started_at, where)
        del facts["source_call_id"]
        told = facts | {
            "call_id": self._call_id(place),
            "duration_ms": round((_seconds(dialog) or 0) * 1000),
            "disposition": DISPOSITIONS.get(str(said), Disposition.FAILED),
        }
        self.plan.calls.append(_valid(CallTold, told, where))

    def attachment(self, place: int, attachment: Json) -> None:
        where = f"attachments/{place}"
        if not attachment:
            return
        purpose = attachment.get("purpose")
        if purpose is None and attachment.get("type") is not None:
            self._vcon.note("purpose.old", where)
            purpose = attachment.get("type")
        if purpose == "lawful_basis":
            # Asserted by another, not measured: it is no evidence here.
            self._vcon.note("lawful_basis.left_out", where)
            return
        media_type = attachment.get("mediatype") or attachment.get("mimetype") or ""
        if not str(media_type).startswith("image/"):
            self._vcon.note("attachment.left_out", where)
            return
        content = content_of(self._vcon, attachment, where)
        if content is None:
            self._vcon.note("attachment.without_content", where)
            return
        start = attachment.get("start") or self._vcon.body.get("created_at")
        party = attachment.get("party")
        agent = None
        if isinstance(party, int) and 0 <= party < len(self._parties) and self._is_own(party):
            agent = self._agent(party)
        told = {"captured_at": moment(start, f"{where}/start"), "agent": agent}
        self.plan.pictures.append(
            Picture(where=where, told=_valid(ScreenshotTold, told, where), content=content)
        )

    def transfers(self) -> None:
        """Put each transfer into the course of the call that it is of."""
        for place, dialog in enumerate(self._vcon.items("dialog")):
            if dialog.get("type") != "transfer":
                continue
            where = f"dialog/{place}"
            sound = self._by_dialog.get(_index(dialog.get("original")))
            by, to = _index(dialog.get("transferor")), _index(dialog.get("transfer_target"))
            if sound is None or not {by, to} <= set(range(len(self._parties))) or by == to:
                self._vcon.note("transfer.left_out", where)
                continue
            self._begin(sound)
            target = {name: value for name, value in self._person(to).items() if value is not None}
            sound.events.append(
                _valid(
                    CallEventTold,
                    {
                        "event_id": f"{sound.call_id}:transfer:{place}",
                        "kind": CallEventKind.TRANSFER,
                        "at": moment(dialog.get("start"), f"{where}/start"),
                        "sequence": len(sound.events),
                        "leg": _leg(by),
                        "mode": "blind" if dialog.get("consultation") is None else "attended",
                        "target": {"leg": _leg(to), **target},
                    },
                    where,
                )
            )

    def _course(self, dialog: Json, sound: Sound, where: str) -> None:
        """Turn the history of the parties into events of the call."""
        history = dialog.get("party_history") or []
        if not isinstance(history, list):
            raise VconBroken(f"{where}/party_history", "it is no list")
        for place, one in enumerate(history[:150]):
            here = f"{where}/party_history/{place}"
            if not isinstance(one, dict):
                raise VconBroken(here, "it is no object")
            kind, party = _COURSE.get(str(one.get("event"))), _index(one.get("party"))
            if kind is None:
                self._vcon.note("party_history.left_out", here)
                continue
            if not 0 <= party < len(self._parties):
                raise VconBroken(f"{here}/party", "there is no such party")
            if not sound.events:
                joined = {
                    _index(told.get("party"))
                    for told in history
                    if isinstance(told, dict) and told.get("event") == "join"
                }
                self._begin(sound, but=joined)
            told = {
                "event_id": f"{sound.call_id}:history:{place}",
                "kind": kind,
                "at": moment(one.get("time"), f"{here}/time"),
                "sequence": len(sound.events),
                "leg": _leg(party),
            }
            told |= self._person(party) if kind is CallEventKind.JOIN else {}
            sound.events.append(_valid(CallEventTold, told, here))

    def _begin(self, sound: Sound, but: set[int] | frozenset[int] = frozenset()) -> None:
        """Let those be there from the beginning of whom no join is told."""
        if sound.events:
            return
        for one, person in sound.people.items():
            if one in but:
                continue
            told = {
                "event_id": f"{sound.call_id}:begin:{one}",
                "kind": CallEventKind.JOIN,
                "at": sound.told.started_at,
                "sequence": len(sound.events),
                "leg": _leg(one),
            }
            sound.events.append(_valid(CallEventTold, told | person, sound.where))

    def _facts(
        self, ends: _Ends, call_id: str, started_at: datetime, where: str
    ) -> dict[str, object]:
        del where
        return {
            "source_call_id": call_id,
            "started_at": started_at,
            "direction": ends.direction,
            "from": None if ends.first is None else self._number(ends.first),
            "to": None if ends.second is None else self._number(ends.second),
            "agent": None if ends.own is None else self._agent(ends.own),
        }

    def _ends(self, dialog: Json, people: list[int], where: str) -> _Ends:
        """Return who called whom: the originator is the first party unless another is named."""
        order = [one for one in self._listed(dialog, where) if one is not None]
        first = order[0] if order else None
        named = dialog.get("originator")
        if named is not None:
            first = _index(named)
            if first not in people:
                raise VconBroken(f"{where}/originator", "it is none of the dialog's parties")
        second = next((one for one in order if one != first), None)
        own = [one for one in order if self._is_own(one)]
        if first in own:
            is_inside = second is not None and second in own
            direction = Direction.INTERNAL if is_inside else Direction.OUTBOUND
            return _Ends(first=first, second=second, direction=direction, own=first)
        if own:
            # Who takes the call of another is the first of ours, whoever stands between.
            return _Ends(first=first, second=own[0], direction=Direction.INBOUND, own=own[0])
        direction = self._house.direction or Direction.INBOUND
        if self._house.direction is None:
            self._vcon.note("direction.assumed", where)
        ours = first if direction is Direction.OUTBOUND else second
        return _Ends(first=first, second=second, direction=direction, own=ours)

    def _listed(self, dialog: Json, where: str) -> list[int | None]:
        """Return the parties of a dialog in their order, channel after channel."""
        found = dialog.get("parties")
        listed: list[int | None] = []
        for one in found if isinstance(found, list) else [found]:
            listed += one if isinstance(one, list) else [one]
        for one in listed:
            if one is not None and not 0 <= _index(one) < len(self._parties):
                raise VconBroken(f"{where}/parties", "there is no such party")
        return list(dict.fromkeys(listed))

    def _channels(self, dialog: Json, where: str) -> tuple[int | None, ...]:
        """Return who speaks on which channel, as far as the parties stand by channels."""
        del where
        found = dialog.get("parties")
        if not isinstance(found, list) or len(found) < 2:  # noqa: PLR2004 - one channel parts nobody.
            return ()
        return tuple(
            one[0]
            if isinstance(one, list) and len(one) == 1
            else one
            if isinstance(one, int)
            else None
            for one in found
        )

    def _call_id(self, place: int) -> str:
        return f"vcon:{self._vcon.uuid}:{place}"

    def _is_own(self, party: int) -> bool:
        told = self._parties[party]
        if told.get("role") is not None:
            return told["role"] in _OWN_ROLES
        known = (self._number(party), told.get("uuid"), told.get("mailto"), told.get("name"))
        return any(
            isinstance(one, str) and one and normalised(one[:_LONGEST]) in self._house.agents
            for one in known
        )

    def _side(self, party: int) -> str:
        return "own" if self._is_own(party) else "other"

    def _person(self, party: int) -> dict[str, Any]:
        is_own = self._is_own(party)
        found: dict[str, Any] = {"number": self._number(party), "side": self._side(party)}
        return found | ({"agent": self._agent(party)} if is_own else {})

    def _number(self, party: int) -> str | None:
        """Return by what a party was called: its telephone, or the user of its SIP address."""
        told = self._parties[party]
        for name in ("tel", "sip"):
            found = told.get(name)
            if isinstance(found, str) and found.strip():
                plain = found.strip().partition(":")[2] or found.strip()
                plain = plain.partition(";")[0]
                return _line(plain.partition("@")[0] if name == "sip" else plain)
        return None

    def _name(self, party: int) -> str | None:
        found = self._parties[party].get("name")
        return _line(found) if isinstance(found, str) and found != "anonymous" else None

    def _agent(self, party: int) -> str | None:
        found = self._parties[party].get("uuid")
        return self._number(party) or (_line(found) if isinstance(found, str) else None)


def _leg(party: int) -> str:
    return f"party-{party}"


def _index(found: object) -> int:
    """Return an index, or one that nothing has."""
    return found if isinstance(found, int) and not isinstance(found, bool) else -1


def _seconds(dialog: Json) -> float | None:
    """Return how long a dialog was, if a possible length is told."""
    found = dialog.get("duration")
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number and 0 <= found <= _LONGEST_SECONDS else None  # type: ignore[arg-type, operator]  # it is a number


def _line(text: str) -> str | None:
    kept = "".join(letter for letter in text if letter.isprintable()).strip()[:_LONGEST]
    return kept or None


def moment(told: object, where: str) -> datetime:
    """Return the moment that is told; none is ever made up.

    Raises:
        VconBroken: it is none, or names no offset.
    """
    if not isinstance(told, str):
        raise VconBroken(where, "it is no moment")
    try:
        return _MOMENT.validate_python(told)
    except ValidationError as exc:
        raise VconBroken(where, "it is no moment with an offset from UTC") from exc


def _valid(kind: type[Told], told: Mapping[str, object], where: str) -> Told:
    try:
        return kind.model_validate(told)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        raise VconBroken(where, f"{'/'.join(map(str, first['loc']))}: {first['msg']}") from exc
