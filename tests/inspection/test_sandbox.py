"""A decoder sees its one file, stays within its budget, and leaves nothing running."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app.inspection.sandbox import (
    SECOND_OUTPUT,
    Budget,
    DecodeLimit,
    LimitKind,
    Sandbox,
    SandboxMissing,
    Strength,
    Tools,
)
from tests.inspection.conftest import Opener

SMALL = Budget(wall_s=30, cpu_s=10)


def ignored(_: bytes) -> None:
    """Take what nobody looks at."""


def output_of(sandbox: Sandbox, source: int, *command: str, budget: Budget = SMALL) -> bytes:
    read = bytearray()
    sandbox.run([command], source=source, to=[read.extend], budget=budget)
    return bytes(read)


def test_detection_says_how_strong_the_sandbox_is(limited: Sandbox, detected: Sandbox) -> None:
    assert limited.strength is Strength.LIMITS
    assert limited.weakness == "bubblewrap (bwrap) is not installed"
    assert limited.ffmpeg_version == detected.ffmpeg_version != ""
    assert (detected.weakness is None) == (detected.strength is Strength.NAMESPACES)


def test_namespaces_are_used_wherever_they_can_be_had(detected: Sandbox) -> None:
    bwrap = detected.tools.bwrap
    possible = (
        bwrap is not None
        and not subprocess.run(  # noqa: S603 - the program that was found.
            [bwrap, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"], check=False
        ).returncode
    )
    assert (detected.strength is Strength.NAMESPACES) == possible


def test_a_sandbox_that_cannot_start_is_not_used(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    sandbox = Sandbox.detect(replace(Tools.find(), bwrap=str(broken)))
    assert sandbox.strength is Strength.LIMITS
    assert "No permissions" in (sandbox.weakness or "")


def test_a_decoder_that_does_not_run_is_an_error_at_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(SandboxMissing):
        Sandbox.detect(replace(Tools.find(), bwrap=None, ffmpeg=str(broken)))


def test_nothing_but_the_source_is_readable(
    detected: Sandbox, open_bytes: Opener, tmp_path: Path
) -> None:
    if detected.strength is not Strength.NAMESPACES:
        pytest.skip("NO NAMESPACES here: " + str(detected.weakness))
    canary = tmp_path / "canary"
    canary.write_bytes(b"canary")
    canary.chmod(0o644)
    source = open_bytes(b"the source")
    assert output_of(detected, source, "cat", "/proc/self/fd/0") == b"the source"
    assert output_of(detected, source, "cat", str(canary)) == b""
    assert output_of(detected, source, "cat", "/etc/passwd") == b""
    assert output_of(detected, source, "ls", "/") != b""
    assert b"tmp" not in output_of(detected, source, "ls", "/").split()
    assert output_of(detected, source, "id", "-u") == b"65534\n"
    net = output_of(detected, source, "cat", "/proc/net/dev")
    assert b"lo:" in net
    assert net.count(b":") == 1


def test_no_file_can_be_written(sandbox: Sandbox, open_bytes: Opener, tmp_path: Path) -> None:
    target = tmp_path / "written"
    source = open_bytes(b"x" * 100)
    for path in (str(target), "/usr/written", "/tmp/written"):  # noqa: S108 - a sandboxed write.
        sandbox.run(
            [["dd", "if=/proc/self/fd/0", f"of={path}"]], source=source, to=[ignored], budget=SMALL
        )
        assert not Path(path).is_file() or Path(path).stat().st_size == 0
        Path(path).unlink(missing_ok=True)


def test_the_deadline_ends_the_whole_group(sandbox: Sandbox, open_bytes: Opener) -> None:
    mark = f"0.{os.getpid()}{time.monotonic_ns()}"
    script = f"sleep 9{mark} & sleep 9{mark}"
    with pytest.raises(DecodeLimit) as ended:
        output_of(sandbox, open_bytes(b""), "sh", "-c", script, budget=Budget(wall_s=0.5, cpu_s=10))
    assert ended.value.which is LimitKind.WALL_CLOCK
    for _ in range(100):
        running = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True).stdout  # noqa: S607 - ps as installed.
        if mark.encode() not in running:
            break
        time.sleep(0.05)
    assert mark.encode() not in running


def test_processor_time_is_limited(sandbox: Sandbox, open_bytes: Opener) -> None:
    with pytest.raises(DecodeLimit) as ended:
        output_of(
            sandbox,
            open_bytes(b""),
            "sh",
            "-c",
            "while :; do :; done",
            budget=Budget(wall_s=60, cpu_s=1),
        )
    assert ended.value.which is LimitKind.CPU


def test_memory_is_limited(sandbox: Sandbox, open_bytes: Opener) -> None:
    budget = Budget(wall_s=30, cpu_s=10, address_space_bytes=100_000_000)
    read = output_of(
        sandbox,
        open_bytes(b""),
        "sh",
        "-c",
        "head -c 400000000 /dev/zero | tail -n 1 | wc -c",
        budget=budget,
    )
    assert read.strip() != b"400000000"


def test_a_sink_that_raises_ends_the_run(sandbox: Sandbox, open_bytes: Opener) -> None:
    class SinkBroken(Exception):
        pass

    def refuse(data: bytes) -> None:
        raise SinkBroken(len(data))

    with pytest.raises(SinkBroken):
        sandbox.run([["cat", "/dev/zero"]], source=open_bytes(b""), to=[refuse], budget=SMALL)


def test_two_outputs_are_read_at_once(sandbox: Sandbox, open_bytes: Opener) -> None:
    first, second = bytearray(), bytearray()
    script = f"head -c 3000000 /dev/zero >&{SECOND_OUTPUT}; head -c 2000000 /dev/zero"
    sandbox.run(
        [["bash", "-c", script]],
        source=open_bytes(b""),
        to=[first.extend, second.extend],
        budget=SMALL,
    )
    assert (len(first), len(second)) == (2_000_000, 3_000_000)


def test_complaints_are_kept_up_to_a_limit(sandbox: Sandbox, open_bytes: Opener) -> None:
    outcome = sandbox.run(
        [["sh", "-c", "yes complaint | head -c 1000000 >&2; exit 3"]],
        source=open_bytes(b""),
        to=[ignored],
        budget=SMALL,
    )
    assert outcome.exit_codes == (3,)
    assert len(outcome.complaints) == 64 * 1024


def test_descriptors_are_closed_after_each_run(sandbox: Sandbox, open_bytes: Opener) -> None:
    source = open_bytes(b"")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        output_of(sandbox, source, "true")
        with pytest.raises(FileNotFoundError):
            replace(
                sandbox, tools=replace(sandbox.tools, bwrap="/nowhere", prlimit="/nowhere")
            ).run([["true"]], source=source, to=[ignored], budget=SMALL)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
