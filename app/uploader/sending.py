"""From the spool to the archive, until the archive has signed for it."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.uploader import clock, receipts, reporting
from app.uploader.config import Config
from app.uploader.receipts import ReceiptWrong
from app.uploader.spool import Item, Spool, State, digest_of, identity_of
from app.uploader.wire import Answer, Archive, ArchiveAway, Means, Sending

_FIRST_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 600.0
_STUCK_PAUSE: Final = 60.0
_CLOCK_SECONDS: Final = 3600.0
_DAY_SECONDS: Final = 86_400
_HOUR_SECONDS: Final = 3_600
_MOST_DOUBLINGS: Final = 10
_NOT_FOUND: Final = 404
_GONE: Final = 410
_log = logging.getLogger("audiatur.uploader")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """When something is tried again: after how long, and whether that holds for everything."""

    seconds: float
    is_for_all: bool


def pause_after(tries: int, asked_seconds: float | None, chance: float) -> float:
    """Return how long to wait after so many tries in vain. Pure.

    Half of the pause is left to chance, so that many senders do not come back at one moment; what
    the archive asks for is the least.
    """
    full = min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2 ** min(tries, _MOST_DOUBLINGS)))
    return max(full * (0.5 + chance / 2), asked_seconds or 0.0)


@dataclass
class Sender:
    """Sends what is ready; when something is due again it keeps in mind by a clock nobody sets."""

    config: Config
    spool: Spool
    archive: Archive
    is_ending: Callable[[], bool] = lambda: False
    _due: dict[int, float] = field(default_factory=dict)
    _all_due: float = 0.0
    _failures: int = 0
    _clock_at: float | None = None
    _forgot_at: float | None = None

    def step(self) -> int:
        """Send what is due; return how many items came to an end."""
        if clock.seconds() < self._all_due:
            return 0
        try:
            self._look_at_the_clock()
        except ArchiveAway as exc:
            self._away(str(exc), None)
            return 0
        done = 0
        for item in self.spool.in_state(State.READY):
            if self.is_ending() or clock.seconds() < self._all_due:
                break
            if clock.seconds() >= self._due.get(item.id, 0.0):
                done += self._deliver(item)
        self._tell_calls()
        self._clean_up()
        self._forget()
        return done

    def seconds_until_due(self) -> float:
        """Return how long nothing can be sent."""
        return max(0.0, self._all_due - clock.seconds())

    # One item

    def _deliver(self, item: Item) -> bool:
        if not self.spool.claim(item):
            return False
        file = self.spool.stored(item.sha256)
        try:
            is_whole = digest_of(file).sha256 == item.sha256
        except OSError:
            is_whole = False
        if not is_whole:
            self._end(item, State.HELD, "its copy in the spool was changed or is missing")
            return True
        sending = _sending(item, file)
        try:
            is_large = item.size_bytes > self.config.resumable_over_bytes
            answer = self._in_pieces(item, sending) if is_large else self.archive.send(sending)
        except ArchiveAway as exc:
            self._later(item, str(exc))
            self._away(str(exc), None)
            return False
        self._note_clock(answer)
        return self._answered(item, sending, answer)

    def _answered(self, item: Item, sending: Sending, answer: Answer) -> bool:
        match answer.means:
            case Means.KEPT:
                self._failures = 0
                return self._kept(item, sending, answer)
            case Means.NEVER:
                self._end(item, State.REFUSED, answer.problem)
                return True
            case Means.STUCK:
                self._later(item, answer.problem)
                self._trouble(f"the archive refuses everything: {answer.problem}")
                self._all_due = clock.seconds() + _STUCK_PAUSE
                return False
            case Means.LATER:
                self._later(item, answer.problem)
                self._away(answer.problem, answer.wait_seconds)
                return False

    def _in_pieces(self, item: Item, sending: Sending) -> Answer:
        """Send by tus, from where the archive has it; where that is, is noted first."""
        upload, offset, broken = self._under_way(item)
        if broken is not None:
            return broken
        if upload is None:
            answer, upload = self.archive.begin(sending)
            if upload is None:
                return answer
            self.spool.set(item.id, upload=upload)
        while offset < sending.size_bytes:
            answer = self.archive.append(upload, sending, offset)
            if answer.means is not Means.KEPT:
                is_elsewhere = answer.json().get("type") == "/problems/offset-wrong"
                return _later_with(answer) if is_elsewhere else answer
            told = answer.headers.get("upload-offset", "")
            if not told.isdigit() or int(told) <= offset:
                raise ArchiveAway("the archive does not tell how much it has")
            offset = int(told)
        return self._became(upload)

    def _under_way(self, item: Item) -> tuple[str | None, int, Answer | None]:
        """Ask where an upload goes on; None if it must begin, an answer if it cannot go on."""
        if item.upload is None:
            return None, 0, None
        answer, offset = self.archive.offset(item.upload)
        match answer.means:
            case Means.KEPT:
                return item.upload, offset, None
            case Means.NEVER:
                answer = self._became(item.upload)
                # Refused for what it is; or it has expired, and begins anew.
                return None, 0, answer if answer.means is Means.NEVER else None
            case Means.STUCK if answer.status == _NOT_FOUND:
                return None, 0, None
        return None, 0, answer

    def _became(self, upload: str) -> Answer:
        """Return what became of an upload, as if it had been sent at one go."""
        answer = self.archive.outcome(upload)
        if answer.means is not Means.KEPT:
            return answer if answer.status != _GONE else _later_with(answer)
        told = answer.json().get("answer")
        if not isinstance(told, dict):
            return _later_with(answer)  # A worker keeps it soon.
        if "receipt" not in told:
            return _problem(told)
        return Answer(status=200, headers=answer.headers, body=_json(told))

    def _kept(self, item: Item, sending: Sending, answer: Answer) -> bool:
        """Believe that it was kept if the receipt says so; without pinned key only note it."""
        told = answer.json()
        if told.get("sha256") != sending.sha256 or not isinstance(told.get("receipt"), str):
            self._later(item, "the answer is not of the archive: digest or receipt is missing")
            self._away("the answer is not of the archive", None)
            return False
        keys = self.config.archive.receipt_keys
        if keys:
            kept = receipts.Kept(
                kind=item.kind,
                id=str(told.get("id")),
                leg=str(sending.told["leg"]) if item.kind == "recording" else None,
                sha256=sending.sha256,
                size_bytes=sending.size_bytes,
            )
            try:
                receipts.check(str(told["receipt"]), keys, kept)
            except ReceiptWrong as exc:
                self._later(item, f"not believed: {exc}")
                doubt = f"the archive says it was kept, but {exc}"
                self._trouble(f"{item.path}: {doubt}", logged=f"item {item.id}: {doubt}")
                self._due[item.id] = clock.seconds() + _STUCK_PAUSE
                return False
        self.spool.set(
            item.id,
            state=State.SENT,
            answer=told,
            is_proved=bool(keys),
            sent_at=clock.now().timestamp(),
            last_error=None,
            reason=None,
        )
        self.spool.note("last_sent", {"at": clock.now().isoformat(), "what": item.path})
        _log.info("sent: item %d is recording %s", item.id, told.get("id"))
        return True

    def _end(self, item: Item, state: State, why: str) -> None:
        self.spool.set(item.id, state=state, reason=why, last_error=why)
        # Why may repeat what was told: it stands in `status`, beside the file's name.
        self._trouble(f"{state}: {item.path}: {why}", logged=f"{state}: item {item.id}")

    def _later(self, item: Item, why: str) -> None:
        self.spool.set(item.id, state=State.READY, tries=item.tries + 1, last_error=why)
        self._due[item.id] = clock.seconds() + pause_after(item.tries, None, random.random())  # noqa: S311 - no secret.

    def _away(self, why: str, asked_seconds: float | None) -> None:
        pause = pause_after(self._failures, asked_seconds, random.random())  # noqa: S311 - no secret.
        self._failures += 1
        self._all_due = clock.seconds() + pause
        self._trouble(f"{why}; again in {pause:.0f} s")

    def _trouble(self, what: str, *, logged: str | None = None) -> None:
        """Say what is wrong; `logged` where `what` has a file's name."""
        _log.error("%s", logged or what)
        self.spool.note("last_error", {"at": clock.now().isoformat(), "what": what})

    # Which calls there were

    def _tell_calls(self) -> None:
        """Tell each call by itself: one that is refused keeps no other back."""
        for call in reporting.due(self.config, self.spool, clock.now().timestamp()):
            if self.is_ending() or clock.seconds() < self._all_due:
                return
            told = reporting.told(call, self.config, self._offset())
            try:
                answer = self.archive.ask(
                    "POST",
                    "/v1/calls",
                    {"Content-Type": "application/json"},
                    _json({"calls": [told]}),
                )
            except ArchiveAway as exc:
                self._away(str(exc), None)
                return
            match answer.means:
                case Means.LATER:
                    self._away(answer.problem, answer.wait_seconds)
                case Means.STUCK:
                    self._trouble(f"the archive takes no calls: {answer.problem}")
                    self._all_due = clock.seconds() + _STUCK_PAUSE
                case Means.NEVER:
                    self._trouble(f"call {call.id} was not taken: {answer.problem}")
                    self.spool.call_was_told(call)
                case Means.KEPT:
                    self.spool.call_was_told(call)

    def _offset(self) -> float:
        noted = self.spool.noted("clock")
        offset = noted.get("offset") if isinstance(noted, dict) else None
        return float(offset) if isinstance(offset, int | float) else 0.0

    # The clock

    def _look_at_the_clock(self) -> None:
        """Ask the archive what time it is, before the first moment is told to it."""
        if self._clock_at is None or clock.seconds() - self._clock_at > _CLOCK_SECONDS:
            self._note_clock(self.archive.ask("GET", "/healthz"))

    def _note_clock(self, answer: Answer) -> None:
        at = answer.date or clock.now()  # Without a Date there is nothing to compare with.
        offset = at.timestamp() - clock.now().timestamp()
        # The archive's Date has whole seconds: less than that says nothing.
        offset = 0.0 if abs(offset) <= 2 else offset  # noqa: PLR2004 - a second, and the way.
        self._clock_at = clock.seconds()
        self.spool.note(
            "clock", {"offset": offset, "base": clock.base(), "boot_id": clock.boot_id()}
        )

    # Afterwards

    def _clean_up(self) -> None:
        """Remove what the archive has signed for, as the settings say, and old copies."""
        now = clock.now().timestamp()
        for item in self.spool.items("state IN ('sent', 'private') AND is_gone = 0"):
            if item.state is State.SENT and item.is_proved:
                self._done_with(item)
            elif now - (item.sent_at or item.taken_at) > self.config.keep_days * _DAY_SECONDS:
                self.spool.set(item.id, is_gone=True)
                self.spool.drop(item.sha256)

    def _forget(self) -> None:
        """Forget what was delivered long ago, once an hour."""
        if self._forgot_at is not None and clock.seconds() - self._forgot_at < _HOUR_SECONDS:
            return
        self._forgot_at = clock.seconds()
        before = clock.now().timestamp() - self.config.remember_days * _DAY_SECONDS
        forgotten = self.spool.forget(before=before, most=self.config.most_remembered)
        if forgotten:
            _log.info("forgotten of what was delivered long ago: %d", forgotten)

    def _done_with(self, item: Item) -> None:
        path = Path(item.path)
        folder = self.config.folder_of(path)
        shots = self.config.shots.folder
        if folder is None and shots is not None and path.is_relative_to(shots):
            folder = self.config.folders[0] if self.config.folders else None
        if folder is not None and folder.after == "delete":
            try:
                is_same = identity_of(path.stat(follow_symlinks=False)) == item.identity
                # What is removed must be what was signed for, and not what came in its place.
                if is_same and digest_of(path).sha256 == item.sha256:
                    path.unlink()
            except FileNotFoundError:
                pass  # Removed already, by whomever.
            except OSError as exc:
                why = f"cannot be removed: {exc.strerror or exc}"
                self._trouble(f"{path} {why}", logged=f"the file of item {item.id} {why}")
                return
        self.spool.set(item.id, is_gone=True)
        self.spool.drop(item.sha256)


def _sending(item: Item, file: Path) -> Sending:
    told = dict(item.told or {})
    if item.kind == "screenshot":
        told.pop("source_call_id")
    return Sending(
        kind=item.kind,
        told=told,
        file=file,
        name=Path(item.path).name,
        sha256=item.sha256,
        size_bytes=item.size_bytes,
        # Of what any header may hold, and no longer than any may be.
        key=hashlib.sha256(f"{item.key}/{item.leg or item.kind}".encode()).hexdigest(),
    )


def _problem(told: dict[str, object]) -> Answer:
    status = told.get("status")
    return Answer(status=status if isinstance(status, int) else 409, headers={}, body=_json(told))


def _later_with(answer: Answer) -> Answer:
    """Return an answer that says: the same again, after a while."""
    return Answer(status=503, headers=answer.headers, body=answer.body)


def _json(told: object) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode()
