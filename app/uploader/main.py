"""The uploader's own command line, which needs nothing but Python. See docs/uploader.md."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sqlite3
import sys
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from app.uploader import clock, config, finished, hooks, privacy, shots, telling, unit
from app.uploader.collecting import Collector, understand
from app.uploader.config import Config, ConfigWrong
from app.uploader.phone import Listener
from app.uploader.sending import Sender
from app.uploader.spool import Lock, Spool, SpoolBusy, State
from app.uploader.wire import Archive

DONE, REFUSED, USED_WRONGLY = 0, 1, 2
COMMANDS: Final = {
    "run": "Watch the folders and send what is finished, until stopped.",
    "once": "Look once, send what is due, and end; exit code 1 if anything is left.",
    "status": "Show what waits, what was refused and why, and the last error.",
    "try": "Show what is understood of a FILE and whether it is finished; nothing is sent.",
    "private": "Do not send the running call, or the last one; --undo takes that back.",
    "shot": "Take a screenshot, or the picture FILE, and tie it to the running call.",
    "retry": "Try again what was refused or is held: all, or the item with this ID.",
    "hook": "Be run by a phone: take the facts of a call from variables or from the input.",
    "install": "Install the service of the user's systemd; --print shows its file.",
}
_MOST_INPUT: Final = 1024 * 1024
_LONGEST_SLEEP: Final = 0.5
_log = logging.getLogger("audiatur.uploader")


class _Refused(Exception):
    """What was asked for cannot be done; the message is for a person."""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    asked = _parser().parse_args(words)
    logging.basicConfig(
        level=logging.DEBUG if asked.verbose else logging.INFO,
        format="%(levelname)s %(message)s",
        stream=sys.stderr,
    )
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "run": _run,
        "once": _once,
        "status": _status,
        "try": _try,
        "private": _private,
        "shot": _shot,
        "retry": _retry,
        "hook": _hook,
        "install": _install,
    }
    try:
        return commands[asked.command](asked)
    except ConfigWrong as exc:
        print(f"uploader: {asked.config}: {exc}", file=sys.stderr)  # noqa: T201 - the command line.
        return USED_WRONGLY
    except (
        _Refused,
        SpoolBusy,
        privacy.NothingToWithhold,
        shots.ShotFailed,
        hooks.HookEmpty,
        sqlite3.Error,
    ) as exc:
        print(f"uploader: {exc}", file=sys.stderr)  # noqa: T201 - as above.
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="audiatur uploader", description="Bring the recordings of a softphone to the archive."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made: dict[str, argparse.ArgumentParser] = {}
    for name, says in COMMANDS.items():
        one = made[name] = commands.add_parser(name, help=says, description=says)
        one.add_argument("--config", type=Path, default=config.default_path(), metavar="FILE")
        one.add_argument("--verbose", action="store_true")
    made["status"].add_argument("--json", action="store_true")
    made["try"].add_argument("file", type=Path, metavar="FILE")
    made["try"].add_argument("--json", action="store_true")
    made["private"].add_argument("--undo", action="store_true")
    made["shot"].add_argument("file", type=Path, nargs="?", metavar="FILE")
    made["shot"].add_argument("--note")
    made["retry"].add_argument("id", type=int, nargs="?", metavar="ID")
    made["hook"].add_argument("number", nargs="?", metavar="NUMBER")
    made["hook"].add_argument("--event", choices=hooks.STEPS, default="end")
    made["hook"].add_argument("--direction", choices=config.DIRECTIONS)
    made["install"].add_argument("--print", action="store_true", dest="prints")
    return parser


def _say(what: str) -> None:
    print(what)  # noqa: T201 - the command line.


# Working


def _run(asked: argparse.Namespace) -> int:
    settings = config.read(asked.config)
    spool, lock = _begun(settings)
    ending = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    failed: list[str] = []

    def fail(what: threading.ExceptHookArgs) -> None:
        # A program of which a part has died does not go on as if it were well: it is started anew.
        failed.append(f"{what.exc_type.__name__}: {what.exc_value}")
        ending.set()

    threading.excepthook = fail
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    listeners = [Listener(control, spool, ending) for control in settings.controls]
    sending = threading.Thread(target=_send_on, args=(settings, spool, ending), name="sending")
    for thread in [*(listener.thread for listener in listeners), sending]:
        thread.start()
    collector = Collector(settings, spool)
    _log.info("watches %s", ", ".join(str(folder.path) for folder in settings.folders))
    while not ending.is_set():
        try:
            collector.step()
        except (sqlite3.OperationalError, OSError) as exc:
            # An error of the system names the file; the words of its kind do not.
            _log.error("%s: %s", type(exc).__name__, getattr(exc, "strerror", None) or "")
        ending.wait(settings.scan_seconds)
    sending.join()
    lock.release()
    if failed:
        raise _Refused("; ".join(failed))
    return DONE


def _send_on(settings: Config, spool: Spool, ending: threading.Event) -> None:
    sender = Sender(settings, spool, Archive(settings.archive), is_ending=ending.is_set)
    while not ending.is_set():
        try:
            sender.step()
        except (sqlite3.OperationalError, OSError) as exc:
            # An error of the system names the file; the words of its kind do not.
            _log.error("%s: %s", type(exc).__name__, getattr(exc, "strerror", None) or "")
        ending.wait(min(settings.scan_seconds, _LONGEST_SLEEP))
    spool.close()


def _once(asked: argparse.Namespace) -> int:
    settings = config.read(asked.config)
    spool, lock = _begun(settings)
    sender = Sender(settings, spool, Archive(settings.archive))
    sender.step()  # What is due, and what time it is.
    collector = Collector(settings, spool)
    collector.step()
    sender.step()
    collector.step()  # Screenshots follow their calls.
    sender.step()
    counts = spool.counts()
    lock.release()
    _say(", ".join(f"{n} {state}" for state, n in counts.items() if n) or "nothing to send")
    left = sum(n for state, n in counts.items() if state not in {State.SENT, State.PRIVATE})
    return REFUSED if left else DONE


def _begun(settings: Config) -> tuple[Spool, Lock]:
    try:
        lock = Lock(settings.spool)
        spool = Spool(settings.spool)
        spool.resume()
        spool.tidy()
    except OSError as exc:
        raise _Refused(f"{settings.spool} cannot be used: {exc.strerror or exc}") from exc
    return spool, lock


# Telling


def _status(asked: argparse.Namespace) -> int:
    settings = config.read(asked.config)
    told = telling.standing(settings, Spool(settings.spool))
    _say(json.dumps(told, ensure_ascii=False) if asked.json else telling.in_words(told))
    return DONE


def _try(asked: argparse.Namespace) -> int:
    settings = config.read(asked.config)
    path = asked.file.absolute()
    folder = settings.folder_of(path) or settings.folders[0]
    understood = understand(path, folder)
    told: dict[str, object] = {"file": path.name, "pattern": None}
    if understood is not None:
        from_party, to_party = understood.ends(understood.direction or folder.direction)
        told |= {
            "pattern": understood.pattern,
            "call": understood.derived_id,
            "leg": understood.leg,
            "started_at": understood.started_at.isoformat(),
            "direction": understood.direction or folder.direction,
            "from": from_party,
            "to": to_party,
            "capture": folder.capture or understood.capture,
        }
    if path.is_file():
        seen, held = finished.look(path), finished.held(path.stat(), finished.opened())
        verdict = finished.judge(seen, held, quiet_seconds=0, patience=folder.patience)
        told |= {
            "header": str(seen.header),
            "held_open": str(held),
            "is_finished": verdict.is_finished,
            "duration_ms": seen.duration_ms,
        }
    if asked.json:
        _say(json.dumps(told, ensure_ascii=False))
    elif understood is None:
        names = ", ".join(pattern.name for pattern in folder.patterns)
        _say(f"{path.name}: fits none of {names}")
    else:
        width = max(map(len, told))
        for name, value in told.items():
            _say(f"{name:<{width}}  {'-' if value is None else value}")
    return DONE if understood is not None else REFUSED


# What an agent does


def _private(asked: argparse.Namespace) -> int:
    settings = config.read(asked.config)
    spool = Spool(settings.spool)
    if asked.undo:
        _say(privacy.give_back(spool))
    else:
        _say(privacy.withhold(settings, spool, clock.now().timestamp()))
    return DONE


def _shot(asked: argparse.Namespace) -> int:
    settings = config.read(asked.config)
    _say(shots.capture(settings, Spool(settings.spool), file=asked.file, note=asked.note))
    return DONE


def _retry(asked: argparse.Namespace) -> int:
    spool = Spool(config.read(asked.config).spool)
    chosen = [
        item
        for item in spool.in_state(State.REFUSED, State.HELD)
        if asked.id is None or item.id == asked.id
    ]
    if not chosen:
        raise _Refused("no such item was refused or is held; see audiatur uploader status")
    for item in chosen:
        state = State.READY if item.told is not None else State.WAITING
        spool.set(item.id, state=state, reason=None, upload=None)
    _say(f"{len(chosen)} will be tried again")
    return DONE


# Being run by a phone


def _hook(asked: argparse.Namespace) -> int:
    spool = Spool(config.read(asked.config).spool)
    at = clock.now().timestamp()
    if asked.number is not None:
        heard = hooks.number_only(asked.number, asked.event, asked.direction, at)
        known = spool.calls("source = 'number' AND peer = ? AND ended_at IS NULL", asked.number)
        call_id = known[-1].id if known else heard.call_id
    else:
        has_input = not sys.stdin.isatty()
        given = sys.stdin.buffer.read(_MOST_INPUT).decode("utf-8", "replace") if has_input else ""
        heard = hooks.read(os.environ, given, at)
        call_id = heard.call_id
    unheard = heard.step == "end" and heard.answered_at is None
    spool.tell(
        heard.source,
        call_id,
        0.0 if unheard else min(heard.answered_at or at, at),
        direction=heard.direction,
        local=heard.local,
        peer=heard.peer,
        peer_name=heard.peer_name,
        answered_at=heard.answered_at,
        ended_at=heard.ended_at,
    )
    for path, leg in heard.files.items():
        spool.hook(Path(path), heard.source, call_id, leg)
    return DONE


# Installing


def _install(asked: argparse.Namespace) -> int:
    me = Path(sys.argv[0]).absolute()
    is_one_file = zipfile.is_zipfile(me)
    program = [sys.executable, str(me)] if is_one_file else [sys.executable, "-m", "app.uploader"]
    text = unit.text([*program, "run", "--config", str(asked.config.absolute())])
    if asked.prints:
        _say(text.rstrip())
        return DONE
    config.read(asked.config)  # A service that ends at once helps nobody.
    place = unit.folder() / unit.NAME
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    _say(f"{place} was written. Begin with:\n  systemctl --user enable --now {unit.NAME}")
    _say("To go on without anybody logged in: loginctl enable-linger")
    return DONE
