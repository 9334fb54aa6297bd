"""One baresip: its configuration, its process, its control port."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from softphone_tool.ports import HOST, Ports
from softphone_tool.sound import RATE_HZ, is_finished

_MODULE_FOLDERS = ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules")
_START_SECONDS = 15
_STOP_SECONDS = 5
_CLOSE_SECONDS = 5
_PAUSE_SECONDS = 0.05

# A phone does not outlive who has started it, however that one ends.
_TOGETHER = ("setpriv", "--pdeathsig", "KILL")

_CONFIG = """\
poll_method epoll
sip_listen {host}:{ports.sip}
net_interface {host}
rtp_ports {ports.rtp_first}-{ports.rtp_last}
call_local_timeout 120
call_max_calls 2
jitter_buffer_delay 5-10
audio_source aufile,microphone.wav
audio_player aubridge,speaker
audio_alert aubridge,bell
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
module_path {modules}
module g711.so
module sndfile.so
module aufile.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
snd_path recordings
ctrl_tcp_listen {host}:{ports.control}
ringback_disabled yes
"""
_ACCOUNT = (
    '"{name}" <sip:{user}@{host}:{ports.sip}>;regint=0;answermode={answers};audio_codecs=pcma\n'
)


class PhoneBroken(Exception):
    """A phone does not do what it should; its log tells more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a phone told, and when it was heard: the phone itself tells no time."""

    at: datetime
    told: Mapping[str, object]

    @property
    def type(self) -> str:
        return str(self.told.get("type", ""))


@dataclass(kw_only=True)
class Phone:
    """A softphone in a folder of its own, where `microphone.wav` is what it hears.

    `start` it, and `end` it whatever happens.
    """

    name: str
    user: str
    folder: Path
    ports: Ports
    answers: str = "manual"  # Or auto: for a phone whose one control port somebody else needs.
    events: list[Event] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _control: socket.socket | None = None
    _heard: threading.Condition = field(default_factory=threading.Condition)

    @property
    def uri(self) -> str:
        return f"sip:{self.user}@{HOST}:{self.ports.sip}"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        """Start the process and listen to it.

        Raises:
            PhoneBroken: baresip is missing or does not start.
        """
        program, modules = _installed()
        (self.folder / "recordings").mkdir(exist_ok=True)
        facts = {"host": HOST, "ports": self.ports, "rate": RATE_HZ, "modules": modules}
        facts |= {"name": self.name, "user": self.user, "answers": self.answers}
        (self.folder / "config").write_text(_CONFIG.format(**facts))
        (self.folder / "accounts").write_text(_ACCOUNT.format(**facts))
        (self.folder / "contacts").write_text("")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the program that was looked up, no shell.
                [*_TOGETHER, program, "-4", "-f", "."],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,  # baresip cuts the path of a recording at 128 characters.
            )
        self._control = self._connected(self._process)
        threading.Thread(target=self._listen, args=(self._control,), daemon=True).start()

    def ask(self, command: str, parameters: str = "") -> None:
        """Send a command, framed as a netstring."""
        if self._control is None:
            raise PhoneBroken(f"{self.name} was not started")
        asked = json.dumps({"command": command, "params": parameters, "token": command}).encode()
        self._control.sendall(b"%d:%s," % (len(asked), asked))

    def wait_for(self, kind: str, *, seconds: float) -> Event:
        """Return the first event of `kind`, now or when it comes.

        Raises:
            PhoneBroken: it does not come in time.
        """
        give_up_at = time.monotonic() + seconds
        with self._heard:
            while True:
                found = self.find(kind)
                if found is not None:
                    return found
                if not self._heard.wait(give_up_at - time.monotonic()):
                    raise PhoneBroken(f"{self.name}: no {kind} in {seconds} s; see {self.log}")

    def find(self, kind: str) -> Event | None:
        """Return the first event of `kind` so far."""
        return next((event for event in self.events if event.type == kind), None)

    def recording(self, way: str) -> Path:
        """Return the finished recording of what went one way, `enc` or `dec`.

        Raises:
            PhoneBroken: there is none, or it is never finished.
        """
        give_up_at = time.monotonic() + _CLOSE_SECONDS
        while time.monotonic() < give_up_at:
            found = sorted((self.folder / "recordings").glob(f"*-{way}.wav"))
            if found and is_finished(found[0]):
                return found[0]
            time.sleep(_PAUSE_SECONDS)
        raise PhoneBroken(f"{self.name}: no finished recording *-{way}.wav; see {self.log}")

    def end(self) -> None:
        """End the process, by its id."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # With a call half closed baresip would wait half a minute for the other end.
                self._process.kill()
                self._process.wait()
        if self._control is not None:
            self._control.close()

    def _connected(self, process: subprocess.Popen[bytes]) -> socket.socket:
        give_up_at = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up_at and process.poll() is None:
            try:
                control = socket.create_connection((HOST, self.ports.control), 1)
            except OSError:
                time.sleep(_PAUSE_SECONDS)
            else:
                control.settimeout(None)
                return control
        raise PhoneBroken(f"{self.name} did not start; see {self.log}")

    def _listen(self, control: socket.socket) -> None:
        heard = b""
        while True:
            try:
                more = control.recv(65536)
            except OSError:
                return
            if not more:
                return
            heard += more
            at = datetime.now(UTC)
            while (framed := _unframed(heard)) is not None:
                message, heard = framed
                if message.get("event"):
                    with self._heard:
                        self.events.append(Event(at=at, told=message))
                        self._heard.notify_all()


def _unframed(heard: bytes) -> tuple[dict[str, object], bytes] | None:
    """Return the first whole message and what follows it, None while there is none."""
    length, colon, rest = heard.partition(b":")
    if not colon or len(rest) <= int(length):
        return None
    return json.loads(rest[: int(length)]), rest[int(length) + 1 :]


def _installed() -> tuple[str, str]:
    """Return the program and the folder of its modules."""
    program = shutil.which("baresip")
    if program is None:
        raise PhoneBroken("baresip is missing; install the package baresip-core")
    near = Path(program).resolve().parents[1] / "lib"
    folders = [Path(name) for name in _MODULE_FOLDERS]
    folders += sorted(near.glob("*/baresip/modules"))
    for folder in folders:
        if (folder / "sndfile.so").exists():
            return program, str(folder)
    raise PhoneBroken("baresip has no module sndfile; install the package baresip-core")
