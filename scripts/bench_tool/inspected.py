"""Inspects one call as the worker does and prints what that took; run as a process of its own.

With `search` it only searches the whole of it for the texts, as a worker does with old recordings.

The references are taken, and the libraries loaded, before the count begins: a worker does so once
and then inspects call after call. numpy is loaded by the archive's own modules and not here, so
that it runs as it does there. The decoder runs with limits alone, without namespaces: a process
in a namespace of its own ends without its CPU time being told to anybody outside. What the
namespaces cost, some 12 ms for each call, is therefore not counted.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from app.inspection.decode import Inspection, inspect_audio
from app.inspection.notice.detector import Detector
from app.inspection.notice.reference import Reference
from app.inspection.references import decoded, spooled
from app.inspection.sandbox import Sandbox, Tools
from app.inspection.sound import SoundMeter, talk_to_bytes
from app.recordings.media import AudioRecogniser, MediaFacts
from bench_tool.processes import peak_rss_bytes
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedRef, SealedStore

_PIECE_BYTES = 1024 * 1024


def main() -> None:
    what, call, *texts = sys.argv[1:]
    sandbox = Sandbox.detect(replace(Tools.find(), bwrap=None))
    with tempfile.TemporaryDirectory(dir=Path(call).parent) as name:
        folder = Path(name)
        keys = MasterKeys.create(folder / "archive.key")
        archive = SealedStore(FolderStore(folder / "archive"), keys)
        references = [_reference(Path(text), sandbox, folder) for text in texts]
        ref = _stored(archive, Path(call))
        before = _cpu_s()
        if what == "search":
            inspection, hits = _search(archive, ref, sandbox, references, folder)
            talk_ms = 0
        else:
            inspection, hits, talk_ms = _inspect(
                archive, ref, sandbox, references, folder, with_copy=what == "copy"
            )
        cpu_s = _cpu_s() - before
    print(
        json.dumps(
            {
                "cpu_s": cpu_s,
                "peak_bytes": peak_rss_bytes(os.getpid()),
                "duration_ms": inspection.duration_ms,
                "complete": sum(hit.complete for hit in hits),
                "talk_ms": talk_ms,
                "playable_bytes": inspection.playable_bytes,
            }
        )
    )


def _reference(path: Path, sandbox: Sandbox, folder: Path) -> Reference:
    recogniser = AudioRecogniser(file_name=path.name)
    with spooled(_fed(path, recogniser), folder) as descriptor:
        pcm = decoded(descriptor, recogniser.finish(), sandbox)
    return Reference.register(pcm, text_id=path.stem, version=1, sha256="0" * 64)


def _fed(path: Path, recogniser: AudioRecogniser) -> Iterator[bytes]:
    for piece in _pieces(path):
        recogniser.feed(piece)
        yield piece


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _stored(archive: SealedStore, path: Path) -> tuple[SealedRef, MediaFacts]:
    recogniser = AudioRecogniser(file_name=path.name)
    draft = archive.begin(uuid4())
    for piece in _fed(path, recogniser):
        draft.write(piece)
    kept = draft.keep()
    ref = SealedRef(
        object_id=kept.object_id, wrapped_key=kept.wrapped_key, size_bytes=kept.size_bytes
    )
    return ref, recogniser.finish()


def _inspect(
    archive: SealedStore,
    stored: tuple[SealedRef, MediaFacts],
    sandbox: Sandbox,
    references: list[Reference],
    folder: Path,
    *,
    with_copy: bool,
) -> tuple[Inspection, list, int]:
    ref, facts = stored
    detector, meter = Detector(references), SoundMeter()
    copy = archive.begin(uuid4())
    with spooled(archive.stream(ref), folder) as descriptor:
        inspection = inspect_audio(
            descriptor,
            facts,
            sandbox,
            playable=copy.write if with_copy else None,
            listener=lambda samples: (detector.feed(samples), meter.feed(samples)),
        )
    if with_copy:
        copy.keep()
    copy.discard()
    hits, sound = detector.finish(), meter.finish()
    for data in (
        inspection.peaks.to_bytes(),
        talk_to_bytes([channel.talk for channel in sound.channels]),
    ):
        draft = archive.begin(uuid4())
        draft.write(data)
        draft.keep()
    return inspection, hits, sum(channel.talk_ms for channel in sound.channels)


def _search(
    archive: SealedStore,
    stored: tuple[SealedRef, MediaFacts],
    sandbox: Sandbox,
    references: list[Reference],
    folder: Path,
) -> tuple[Inspection, list]:
    ref, facts = stored
    detector = Detector(references, whole=True)
    with spooled(archive.stream(ref), folder) as descriptor:
        inspection = inspect_audio(
            descriptor, facts, sandbox, playable=None, listener=detector.feed
        )
    return inspection, detector.finish()


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
