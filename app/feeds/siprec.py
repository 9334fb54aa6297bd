"""Metadata of a recording session: who was on the line, and when. Pure.

Source: RFC 7865, and the drafts before it as some recorders still write them (`urn:…:recording`
without `:1`, `dataMode`, `id` and `session` for `participant_id` and `session_id`, `send` inside of
a participant). What is known of neither is kept as it stands: makers put their own ids there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError
from zoneinfo import ZoneInfo

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

MAX_BYTES: Final = 1 << 20
_SPACES: Final = ("urn:ietf:params:xml:ns:recording:1", "urn:ietf:params:xml:ns:recording")
_LONGEST_EXTENSION: Final = 6
_MOST_UNKNOWN: Final = 50
_MOST_TEXT: Final = 1000
_MOST_PEOPLE: Final = 60
_URI = re.compile(r"^(?:sips?|tel):(?P<user>[^@;>?]+)", re.IGNORECASE)
_KNOWN: Final = {
    "recording": {
        *("datamode", "dataMode", "group", "session", "participant", "stream"),
        *("sessionrecordingassoc", "participantsessionassoc", "participantstreamassoc"),
    },
    "group": {"associate-time", "disassociate-time", "initiator"},
    "session": {
        *("sipSessionID", "group-ref", "start-time", "stop-time", "reason", "initiator"),
        *("associate-time", "disassociate-time"),
    },
    "participant": {
        *("nameID", "aor", "name", "send", "recv", "associate-time", "disassociate-time"),
        "session",
    },
    "nameID": {"name"},
    "stream": {"label", "mode", "associate-time", "disassociate-time", "session"},
    "sessionrecordingassoc": {"associate-time", "disassociate-time"},
    "participantsessionassoc": {"associate-time", "disassociate-time", "param"},
    "participantstreamassoc": {"send", "recv", "associate-time", "disassociate-time"},
}


class SiprecInvalid(ValueError):
    """The text is no metadata of a recording session; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Somebody on the line; `address` is how the session calls him."""

    id: str
    address: str | None
    name: str | None

    @property
    def number(self) -> str | None:
        match = _URI.match(self.address or "")
        return match["user"] if match else self.address

    @property
    def is_own(self) -> bool:
        """Tell whether the number is one within a house."""
        number = self.number or ""
        return number.isdigit() and len(number) <= _LONGEST_EXTENSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that happened to a participant: `join`, `leave`, `hold` or `resume`."""

    kind: str
    participant: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Siprec:
    """One text of a session; `unknown` is what has no meaning here, by its place."""

    session_id: str
    sip_session_id: str | None
    is_partial: bool
    participants: tuple[Participant, ...]
    happened: tuple[Happened, ...]
    unknown: tuple[tuple[str, str], ...]
    sha256: str


def read(raw: bytes, *, zone: ZoneInfo) -> Siprec:
    """Read a text; moments that name no zone, as in old dialects, are in `zone`.

    Raises:
        SiprecInvalid: it is no XML, has a document type, or tells of no session.
    """
    if len(raw) > MAX_BYTES:
        raise SiprecInvalid(f"more than {MAX_BYTES} bytes")
    try:
        root = ElementTree.fromstring(raw, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as exc:
        raise SiprecInvalid(f"no XML that is read here: {exc}") from exc
    if _name(root) != "recording" or _space(root) not in _SPACES:
        raise SiprecInvalid("it is no <recording> of a recording session")
    session = next(iter(_children(root, "session")), None)
    session_id = _id(session, "session") if session is not None else None
    if session is None or session_id is None:
        raise SiprecInvalid("it tells of no session")
    mode = (_text(root, "datamode") or _text(root, "dataMode") or "complete").lower()
    participants = tuple(_participants(root))
    if len(participants) > _MOST_PEOPLE:
        raise SiprecInvalid(f"more than {_MOST_PEOPLE} participants")
    found = sorted(
        set(_happened(root, session, zone)), key=lambda one: (one.at, one.kind, one.participant)
    )
    return Siprec(
        session_id=session_id,
        sip_session_id=_text(session, "sipSessionID"),
        is_partial=mode == "partial",
        participants=participants,
        happened=tuple(_without_doubles(found)),
        unknown=tuple(_unknown(root))[:_MOST_UNKNOWN],
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def events(told: Siprec) -> list[dict[str, Any]]:
    """Return what happened as the events of a call that the archive keeps.

    The same text gives the same events with the same ids, however often it is read.
    """
    people = {one.id: one for one in told.participants}
    found: list[dict[str, Any]] = []
    if told.happened:
        # What has no meaning here is kept with the text's own event, once for each text.
        found.append(
            {
                "event_id": f"siprec-{told.sha256[:32]}",
                "kind": "call_started",
                "at": told.happened[0].at.isoformat(),
                "more": dict(told.unknown),
            }
        )
    for happened in told.happened:
        one = people.get(happened.participant)
        at = happened.at.isoformat()
        named = f"{told.session_id}\x1f{happened.participant}\x1f{happened.kind}\x1f{at}"
        event: dict[str, Any] = {
            "event_id": f"siprec-{hashlib.sha256(named.encode()).hexdigest()[:32]}",
            "kind": happened.kind,
            "at": at,
            "leg": happened.participant[:100],
        }
        if one is not None and one.number:
            event["number"] = one.number[:255]
        if one is not None and one.is_own:
            event |= {"side": "own", "agent": one.number}
        found.append(event)
    return found


def _happened(root: Element, session: Element, zone: ZoneInfo) -> Iterator[Happened]:
    """Tell who came and went, and whose sound stopped while he stayed."""
    began = _moment(session, "start-time", zone) or _moment(session, "associate-time", zone)
    told = set()
    for link in _children(root, "participantsessionassoc"):
        who = _id(link, "participant")
        if who is None:
            continue
        told.add(who)
        yield from _between(link, who, ("join", "leave"), zone)
    for person in _children(root, "participant"):
        who = _id(person, "participant")
        if who is None or who in told:
            continue
        at = _moment(person, "associate-time", zone) or began
        if at is not None:
            yield Happened(kind="join", participant=who, at=at)
        left = _moment(person, "disassociate-time", zone)
        if left is not None:
            yield Happened(kind="leave", participant=who, at=left)
    for link in _children(root, "participantstreamassoc"):
        who = _id(link, "participant")
        if who is not None:
            # A stream that begins with its participant is no resumption; those are sorted out.
            yield from _between(link, who, ("resume", "hold"), zone)


def _between(link: Element, who: str, kinds: tuple[str, str], zone: ZoneInfo) -> Iterator[Happened]:
    for kind, name in zip(kinds, ("associate-time", "disassociate-time"), strict=True):
        at = _moment(link, name, zone)
        if at is not None:
            yield Happened(kind=kind, participant=who, at=at)


def _without_doubles(found: Sequence[Happened]) -> Iterator[Happened]:
    """Leave out streams that begin or end with their participant: they say nothing of their own."""
    left = {one.participant: one.at for one in found if one.kind == "leave"}
    held: set[str] = set()
    for one in found:
        if one.kind == "hold" and left.get(one.participant) == one.at:
            continue
        if one.kind == "resume" and one.participant not in held:
            continue
        if one.kind == "hold":
            if one.participant in held:
                continue
            held.add(one.participant)
        elif one.kind == "resume":
            held.discard(one.participant)
        yield one


def _participants(root: Element) -> Iterator[Participant]:
    for person in _children(root, "participant"):
        who = _id(person, "participant")
        if who is None:
            continue
        named = next(iter(_children(person, "nameID")), person)
        yield Participant(
            id=who,
            address=named.get("aor") or _text(person, "aor"),
            name=_text(named, "name") or _text(person, "name"),
        )


def _unknown(element: Element, place: str = "") -> Iterator[tuple[str, str]]:
    """Give what stands where nothing of that name is known, with its text and attributes."""
    here = f"{place}/{_name(element)}"
    for child in element:
        if not isinstance(child.tag, str):
            continue
        is_known = _space(child) in _SPACES and _name(child) in _KNOWN.get(_name(element), set())
        if is_known:
            yield from _unknown(child, here)
            continue
        attributes = " ".join(f'{name}="{value}"' for name, value in child.attrib.items())
        words = " ".join(" ".join(child.itertext()).split())
        said = " ".join(part for part in (attributes, words) if part)
        yield f"{here}/{child.tag}"[:255], said[:_MOST_TEXT]


def _children(element: Element, name: str) -> list[Element]:
    return [one for one in element if isinstance(one.tag, str) and _name(one) == name]


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _space(element: Element) -> str:
    return str(element.tag).rpartition("}")[0].removeprefix("{")


def _id(element: Element, kind: str) -> str | None:
    """Return whom or what an element is of: `participant_id`, or in the drafts `id`."""
    own = element.get("id") if _name(element) == kind else element.get(kind)
    return element.get(f"{kind}_id") or own or None


def _text(element: Element, name: str) -> str | None:
    for child in _children(element, name):
        words = " ".join("".join(child.itertext()).split())
        if words:
            return words[:_MOST_TEXT]
    return None


def _moment(element: Element, name: str, zone: ZoneInfo) -> datetime | None:
    written = _text(element, name)
    if written is None:
        return None
    try:
        at = datetime.fromisoformat(written)
        return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise SiprecInvalid(f"{name} {written!r} is no moment") from exc
