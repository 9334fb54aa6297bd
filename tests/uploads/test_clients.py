"""The clients that others wrote send 100 MiB over a line that breaks twenty times."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tusclient import client as tuspy

from tests.live import Live, metadata
from tests.uploads.cutting import cutting

ROOT = Path(__file__).parents[2]
PART_BYTES = 8 * 1024 * 1024
SIZE_BYTES = 100 * 1024 * 1024
CUTS = 20
BEGUN_BYTES = 2000
_PATIENCE_SECONDS = 300

Send = Callable[[str, str, Path, str], str]


def _by_tuspy(url: str, key: str, file: Path, told: str) -> str:
    sender = tuspy.TusClient(f"{url}/v1/uploads", headers={"Authorization": f"Bearer {key}"})
    with file.open("rb") as stream:
        upload = sender.uploader(
            file_stream=stream,
            chunk_size=PART_BYTES,
            metadata={"metadata": told, "filename": "call.wav"},
            retries=60,
            retry_delay=0,
        )
        upload.upload()
    assert upload.url
    return str(upload.url)


def _by_tus_js(url: str, key: str, file: Path, told: str) -> str:
    node = shutil.which("node")
    assert node, "scripts/setup brings node along."
    done = subprocess.run(  # noqa: S603 - the project's own script.
        [node, str(ROOT / "tests" / "uploads" / "client.mjs"), url, key, str(file), told],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _recording(path: Path, seed: int) -> str:
    """Write a WAV of noise of the whole size; return its digest."""
    sound = random.Random(seed).randbytes(SIZE_BYTES - 44)  # noqa: S311 - noise, no secret.
    head = b"RIFF" + (SIZE_BYTES - 8).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\1\0\1\0"
    head += (8000).to_bytes(4, "little") + (16000).to_bytes(4, "little") + b"\2\0\x10\0data"
    body = head + len(sound).to_bytes(4, "little") + sound
    path.write_bytes(body)
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("send", [_by_tuspy, _by_tus_js], ids=["tuspy", "tus-js-client"])
def test_a_hundred_mebibytes_arrive_over_a_line_that_breaks(
    live: Live,
    tmp_path: Path,
    send: Send,
    record_property: Callable[[str, object], None],
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    record_property("seed", seed)
    file = tmp_path / "call.wav"
    digest = _recording(file, seed)
    drawn = random.Random(seed)  # noqa: S311 - where a line breaks is no secret.
    # The first request begins the upload; not every client tries that one again.
    cuts = [BEGUN_BYTES, BEGUN_BYTES + 1, SIZE_BYTES * 999 // 1000]
    cuts += [drawn.randrange(BEGUN_BYTES, SIZE_BYTES) for _ in range(CUTS - len(cuts))]
    told = json.dumps(metadata(f"call-{seed}"))
    with cutting(live.url, cuts) as line:
        where = send(line.url, live.key("phone"), file, told)
        assert line.made_cuts == CUTS, f"seed {seed}"
        # Heads of requests are in it, and what the buffers of the line held when it broke: on
        # loopback a megabyte, at each cut. Never the whole of the part that was under way.
        again = line.sent_bytes - SIZE_BYTES
        record_property("figures: sent twice", {"KiB in 20 cuts": again // 1024})
        assert again < CUTS * PART_BYTES // 2, f"{again} bytes more, seed {seed}"
    path = "/v1/uploads/" + where.rpartition("/")[2]
    kept = live.call("GET", path, who="phone").json()
    assert kept["state"] == "kept", f"seed {seed}"
    assert kept["answer"]["sha256"] == digest
