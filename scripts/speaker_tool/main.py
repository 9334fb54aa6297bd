"""Speak each shipped announcement with eSpeak NG; keep it as 8 kHz FLAC beside its words."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

TEXTS = Path(__file__).parents[2] / "app" / "consent" / "texts"
_BREATH_S = 0.2


def main(folder: Path = TEXTS) -> int:
    """Write the sound into `folder` and its digests into the catalogue there."""
    catalogue = folder / "catalogue.json"
    entries = json.loads(catalogue.read_text(encoding="utf-8"))
    version = synthesiser()
    for entry in entries:
        audio = entry.get("audio")
        if audio is None:
            continue
        words = (TEXTS / entry["file"]).read_text(encoding="utf-8").strip()
        path = folder / audio["file"]
        path.write_bytes(spoken(words, audio))
        audio["made_with"] = version
        audio["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f"{path.name}  {audio['voice']}  {version}  {audio['sha256']}")
    catalogue.write_text(json.dumps(entries, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return 0


def synthesiser() -> str:
    """Return name and version of the synthesiser."""
    said = _run(["espeak-ng", "--version"]).decode()
    found = re.search(r"eSpeak NG text-to-speech: (\S+)", said)
    return f"eSpeak NG {found[1]}" if found else said.split("\n", 1)[0]


def spoken(words: str, audio: dict[str, str]) -> bytes:
    """Return `words` as a FLAC of telephone quality, between two breaths of silence."""
    wave = _run(
        [
            *("espeak-ng", "-v", audio["voice"], "-s", str(audio["words_per_minute"])),
            *("-p", str(audio["pitch"]), "--stdout", words),
        ]
    )
    delay = round(_BREATH_S * 1000)
    return _run(
        [
            *("ffmpeg", "-v", "error", "-nostdin", "-f", "wav", "-i", "pipe:0"),
            *("-af", f"adelay={delay},apad=pad_dur={_BREATH_S},aresample=8000"),
            *("-ac", "1", "-sample_fmt", "s16", "-c:a", "flac", "-compression_level", "12"),
            *("-fflags", "+bitexact", "-flags", "+bitexact", "-f", "flac", "pipe:1"),
        ],
        wave,
    )


def _run(command: list[str], given: bytes | None = None) -> bytes:
    return subprocess.run(  # noqa: S603 - fixed programs, no shell.
        command, input=given, check=True, capture_output=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
