"""Call records of Asterisk: `Master.csv`, the export of a table, or AMI's `Cdr` events. Pure.

Without a line of names the columns are those of `cdr_csv`, in its order; with one, they go by name.
Moments have no zone there: they are the exchange's, or UTC where it is told to write that.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_POSITIONS = (
    "accountcode",
    "src",
    "dst",
    "dcontext",
    "clid",
    "channel",
    "dstchannel",
    "lastapp",
    "lastdata",
    "start",
    "answer",
    "end",
    "duration",
    "billsec",
    "disposition",
    "amaflags",
    "uniqueid",
    "userfield",
    "peeraccount",
    "linkedid",
    "sequence",
)
_LEAST = _POSITIONS.index("amaflags")  # Counted from 0: what comes after may be switched off.
_NAMES = {"disposition", "duration", "billsec", "src", "dst"}
_SAME = {"calldate": "start", "billsecs": "billsec"}
_DISPOSITIONS = {
    "ANSWERED": "answered",
    "ANSWER": "answered",
    "NO ANSWER": "no_answer",
    "NOANSWER": "no_answer",
    "NO_ANSWER": "no_answer",
    "CANCEL": "no_answer",
    "BUSY": "busy",
    "FAILED": "failed",
    "CHANUNAVAIL": "failed",
    "CONGESTION": "congestion",
}
_PEER = re.compile(r"^[A-Za-z0-9]+/(?P<peer>[^-@/]+)")
_EXTENSION = re.compile(r"\d{2,6}")
_OUTSIDE_DIGITS = 7
_MOST_FIELD = 1 << 16


class RowInvalid(Exception):
    """The row is no call record; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the file: a call as it is told to the archive, or what is wrong with the line.

    `recording` is what the exchange called the file that it wrote, without its folder.
    """

    number: int
    call: Mapping[str, object] | None = None
    wrong: str | None = None
    recording: str | None = None


def rows(lines: Iterable[str], *, zone: ZoneInfo) -> Iterator[Row]:
    """Read call records line by line; what is no call record is told of and passed over."""
    csv.field_size_limit(_MOST_FIELD)
    reader = csv.reader(_counted(lines))
    names: tuple[str, ...] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            yield Row(number=reader.line_num, wrong=str(exc))
            continue
        if not cells or not "".join(cells).strip():
            continue
        if names is None:
            names = _header(cells)
            if names is not _POSITIONS:
                continue
        try:
            told = _named(names, cells)
        except RowInvalid as exc:
            yield Row(number=reader.line_num, wrong=str(exc))
            continue
        yield row(reader.line_num, told, cells, zone=zone)


def row(number: int, told: Mapping[str, str], cells: Sequence[str], *, zone: ZoneInfo) -> Row:
    """Read one call record that is told by the names of the columns; `cells` is all it was."""
    try:
        return Row(number=number, call=_call(told, cells, zone), recording=_recording(told))
    except RowInvalid as exc:
        return Row(number=number, wrong=str(exc))


_OF_EVENT = {
    "accountcode": "accountcode",
    "source": "src",
    "destination": "dst",
    "destinationcontext": "dcontext",
    "callerid": "clid",
    "channel": "channel",
    "destinationchannel": "dstchannel",
    "lastapplication": "lastapp",
    "lastdata": "lastdata",
    "starttime": "start",
    "answertime": "answer",
    "endtime": "end",
    "duration": "duration",
    "billableseconds": "billsec",
    "disposition": "disposition",
    "amaflags": "amaflags",
    "uniqueid": "uniqueid",
    "userfield": "userfield",
    # What cdr_manager.conf maps is named there; these are the names of the columns.
    "linkedid": "linkedid",
    "peeraccount": "peeraccount",
    "sequence": "sequence",
    "did": "did",
    "recordingfile": "recordingfile",
}
_MOST_LINES = 200


def events(lines: Iterable[str], *, zone: ZoneInfo) -> Iterator[Row]:
    """Read the `Cdr` events of AMI as they come; whatever else is told there is passed over.

    An event ends at an empty line. Its last one is told of even without that.
    """
    told: dict[str, str] = {}
    began = number = 0
    for number, line in enumerate(lines, start=1):
        name, colon, value = line.rstrip("\r\n").partition(":")
        if not name.strip() and not colon:
            yield from _event(began, told, zone)
            told = {}
            continue
        if not told:
            began = number
        if colon and len(told) < _MOST_LINES:
            told.setdefault(name.strip().lower(), value.strip()[:_MOST_FIELD])
    yield from _event(began, told, zone)


def _event(number: int, told: Mapping[str, str], zone: ZoneInfo) -> Iterator[Row]:
    if told.get("event", "").lower() != "cdr":
        return
    known = {_OF_EVENT[name]: value for name, value in told.items() if name in _OF_EVENT}
    if missing := sorted(_NAMES - known.keys()):
        yield Row(number=number, wrong=f"the event tells no {', '.join(missing)}")
        return
    cells = [f"{name}={known[name]}" for name in sorted(known)]
    yield row(number, known, cells, zone=zone)


def _counted(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        # csv gives up at such a character and would not go on with the next line.
        yield line.replace("\x00", "\ufffd")


def _header(cells: list[str]) -> tuple[str, ...]:
    """Return the names of the columns: the file's own, where its first line has them."""
    told = tuple(_SAME.get(name, name) for name in (cell.strip().lower() for cell in cells))
    return told if set(told) >= _NAMES else _POSITIONS


def _named(names: tuple[str, ...], cells: list[str]) -> dict[str, str]:
    if names is _POSITIONS:
        if not _LEAST < len(cells) <= len(_POSITIONS):
            raise RowInvalid(f"{len(cells)} columns; there are 16 to {len(_POSITIONS)}")
    elif len(cells) != len(names):
        raise RowInvalid(f"{len(cells)} columns, and the first line names {len(names)}")
    return {name: cell.strip() for name, cell in zip(names, cells, strict=False)}


def _call(told: Mapping[str, str], cells: Sequence[str], zone: ZoneInfo) -> dict[str, object]:
    disposition = _DISPOSITIONS.get(told["disposition"].upper())
    if disposition is None:
        raise RowInvalid(f"the disposition {told['disposition']!r} is not known")
    duration, talk = _seconds(told, "duration"), _seconds(told, "billsec")
    if talk > duration:
        raise RowInvalid("billsec is greater than duration")
    raw = hashlib.sha256("\x1f".join(cells).encode("utf-8", "surrogateescape")).hexdigest()
    call: dict[str, object] = {
        "call_id": _id(told, raw),
        "started_at": _moment(told.get("start", ""), zone),
        "duration_ms": duration * 1000,
        "talk_ms": talk * 1000 if disposition == "answered" else 0,
        "direction": _direction(told),
        "disposition": disposition,
        "raw_sha256": raw,
    }
    optional = {
        "linked_id": told.get("linkedid") or told.get("uniqueid"),
        "from": told["src"],
        "to": told["dst"],
        "line": told.get("did"),
    }
    return call | {name: value for name, value in optional.items() if value}


def _recording(told: Mapping[str, str]) -> str | None:
    """Return the name of the file: FreePBX has a column for it, others write it to userfield."""
    named = told.get("recordingfile") or ""
    field = told.get("userfield", "")
    if not named and field.startswith("audio:"):
        named = field.removeprefix("audio:")
    return re.split(r"[/\\]", named)[-1].strip() or None


def _id(told: Mapping[str, str], raw: str) -> str:
    """Return the row's own id: several rows of a call may share the channel's, so with their order.

    A file without ids has one made from the row.
    """
    unique = told.get("uniqueid")
    if not unique:
        return f"row-{raw[:32]}"
    sequence = told.get("sequence")
    return f"{unique}#{sequence}" if sequence else unique


def _seconds(told: Mapping[str, str], name: str) -> int:
    if not told[name].isascii() or not told[name].isdigit() or len(told[name]) > _LONGEST:
        raise RowInvalid(f"{name} {told[name]!r} is no number of seconds")
    return int(told[name])


_LONGEST = 7


def _moment(written: str, zone: ZoneInfo) -> str:
    try:
        at = datetime.fromisoformat(written)
    except ValueError as exc:
        raise RowInvalid(f"the start {written!r} is no moment") from exc
    local = at if at.tzinfo is not None else at.replace(tzinfo=zone)
    try:
        return local.astimezone(UTC).isoformat()
    except OverflowError as exc:
        raise RowInvalid(f"the start {written!r} is no moment") from exc


def _direction(told: Mapping[str, str]) -> str:
    """Tell the direction, which no column has: from whose end is an extension of the house."""
    from_own = _is_own(told["src"], told.get("channel", ""))
    to_own = not _is_outside(told["dst"]) or _is_own("", told.get("dstchannel", ""))
    if from_own:
        return "internal" if to_own else "outbound"
    return "inbound"


def _is_own(number: str, channel: str) -> bool:
    if number and _EXTENSION.fullmatch(number):
        return True
    peer = _PEER.match(channel)
    return peer is not None and _EXTENSION.fullmatch(peer["peer"]) is not None


def _is_outside(number: str) -> bool:
    return sum(letter.isdigit() for letter in number) >= _OUTSIDE_DIGITS
