"""Calls that an agent keeps to himself: the running one or the last is not sent, until undone."""

from __future__ import annotations

from pathlib import Path

from app.uploader import finished
from app.uploader.collecting import AUDIO
from app.uploader.config import Config
from app.uploader.finished import Header
from app.uploader.spool import OPEN, Call, Spool, State, identity_of

_STACK = "private"


class NothingToWithhold(Exception):
    """No call is on, and the last one cannot be held back any more; the message says why."""


def withhold(config: Config, spool: Spool, at: float) -> str:
    """Mark the running call private, or the last one; say which it was.

    Raises:
        NothingToWithhold: there is none, or it was sent.
    """
    running = spool.running(at)
    if running is not None:
        return _withhold_call(spool, running, "the running call")
    being_written = _being_written(config, spool)
    if being_written:
        return _withhold_paths(spool, being_written, at, "what is being recorded now")
    ended = spool.calls("ended_at IS NOT NULL")
    call = max(reversed(ended), key=lambda one: one.ended_at or 0.0, default=None)
    last = next(reversed(spool.items("kind = 'recording'")), None)
    if call is not None and (last is None or last.call_id == call.id or last.call_id is None):
        return _withhold_call(spool, call, "the last call")
    if last is None:
        raise NothingToWithhold("no call is known")
    if last.call_source is not None and last.call_id is not None:
        known = spool.call(last.call_source, last.call_id)
        if known is not None:
            return _withhold_call(spool, known, "the last call")
    same = spool.items("key = ? AND kind = 'recording'", last.key) if last.key else [last]
    if any(item.state not in OPEN or item.state is State.SENDING for item in same):
        raise NothingToWithhold(_too_late(last.path, last.state))
    return _withhold_paths(spool, [item.path for item in same], at, "the last recording")


def give_back(spool: Spool) -> str:
    """Let what was marked private last be sent after all.

    Raises:
        NothingToWithhold: nothing is marked, or its copy was removed meanwhile.
    """
    stack = _stack(spool)
    if not stack:
        raise NothingToWithhold("nothing is marked private")
    what = stack.pop()
    if "id" in what:
        source, call_id = str(what["source"]), str(what["id"])
        call = spool.call(source, call_id)
        if call is not None:
            spool.withhold_call(call, is_private=False)
        said = f"call {call_id}"
    else:
        named = what.get("paths")
        paths = [str(path) for path in named] if isinstance(named, list) else []
        for path in paths:
            spool.give_back(path)
        said = ", ".join(Path(path).name for path in paths)
    spool.note(_STACK, stack)
    return f"{said} is not private any more and will be sent"


def _withhold_call(spool: Spool, call: Call, which: str) -> str:
    if call.is_private:
        return f"{which} is private already"
    of_call = spool.items("call_source = ? AND call_id = ?", call.source, call.id)
    late = [item for item in of_call if item.state in {State.SENDING, State.SENT, State.REFUSED}]
    if late:
        raise NothingToWithhold(_too_late(late[0].path, late[0].state))
    spool.withhold_call(call, is_private=True)
    _push(spool, {"source": call.source, "id": call.id})
    return f"{which}, with {call.peer or 'somebody'}, is private: it will not be sent"


def _withhold_paths(spool: Spool, paths: list[str], at: float, which: str) -> str:
    for path in paths:
        spool.withhold_path(path, at)
    _push(spool, {"paths": paths})
    named = ", ".join(Path(path).name for path in paths)
    return f"{which} ({named}) is private: it will not be sent"


def _too_late(path: str, state: State) -> str:
    name = Path(path).name
    if state is State.PRIVATE:
        return f"{name} is private already"
    return (
        f"{name} is {state}: too late to hold it back here; ask the archive's administrator to "
        "restrict or erase it"
    )


def _being_written(config: Config, spool: Spool) -> list[str]:
    found: list[str] = []
    among = finished.opened()
    for folder in config.folders:
        if not folder.path.is_dir():
            continue
        for path in sorted(folder.path.iterdir()):
            if path.suffix.lower() not in AUDIO or not path.is_file():
                continue
            told = path.stat()
            if spool.was_seen(path, identity_of(told)):
                continue
            is_held = finished.held(told, among) is finished.Held.YES
            if is_held or finished.look(path).header is Header.OPEN:
                found.append(str(path))
    return found


def _stack(spool: Spool) -> list[dict[str, object]]:
    found = spool.noted(_STACK)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _push(spool: Spool, what: dict[str, object]) -> None:
    spool.note(_STACK, [*_stack(spool), what])
