"""Make a derived file again from its recipe and the originals, and say whether it is the same.

A recipe comes from whoever hands it over, so nothing that it says is run: what is to be done is
worked out from its facts, by the code that made the file, and compared with what it says was done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from app.consent.spans import Segment
from app.core.errors import Invalid
from app.core.moments import Milliseconds
from app.disputes.redactions import Area, How, Redaction, Why, areas_in_order, in_order
from app.inspection.sandbox import Sandbox
from app.releases import cutting, pictures
from app.releases.cutting import Source
from app.releases.pictures import Picture
from app.releases.recipes import Original, Step

_COPY_BYTES = 1 << 20
_MAX_RECIPE_BYTES = 1 << 20
_MAX_PIXELS = 1 << 28


class RecipeUnreadable(Invalid):
    """The file is no derivation that this version can follow."""


class OriginalMissing(Invalid):
    """None of the files given is the original that the derivation names."""


class _Step(BaseModel):
    tool: str
    version: str
    arguments: list[str]
    source: int | None = None


class _Output(BaseModel):
    sha256: str
    size_bytes: int


class _Leg(BaseModel):
    recording: str
    leg: str
    sha256: str
    size_bytes: int
    container: str
    codec: str | None
    sample_rate_hz: int | None
    channels: int | None


class _Range(BaseModel):
    from_ms: Milliseconds
    to_ms: Milliseconds | None


class _Redaction(BaseModel):
    from_ms: Milliseconds
    to_ms: Milliseconds
    how: How
    reason: Why
    channel: int | None


class _Clip(BaseModel):
    v: Literal[1]
    kind: Literal["clip"]
    sources: Annotated[list[_Leg], Field(min_length=1, max_length=2)]
    range: _Range
    redactions: list[_Redaction]
    steps: list[_Step]
    output: _Output


class _Screenshot(BaseModel):
    screenshot: str
    sha256: str
    size_bytes: int
    media_type: str
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


class _Area(BaseModel):
    x: Annotated[int, Field(ge=0)]
    y: Annotated[int, Field(ge=0)]
    w: Annotated[int, Field(gt=0)]
    h: Annotated[int, Field(gt=0)]
    reason: Why


class _Picture(BaseModel):
    v: Literal[1]
    kind: Literal["picture"]
    sources: Annotated[list[_Screenshot], Field(min_length=1, max_length=1)]
    areas: list[_Area]
    steps: list[_Step]
    output: _Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Rederived:
    """What came out, beside what the derivation says; `differences` are for a person."""

    sha256: str
    stated_sha256: str
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        return self.sha256 == self.stated_sha256


def rederive(recipe: Path, originals: Sequence[Path], sandbox: Sandbox, *, out: Path) -> Rederived:
    """Make the file of `recipe` again as `out`.

    Raises:
        RecipeUnreadable: it is no derivation.
        OriginalMissing: an original that it names is not among `originals`.
        Refusal: what it asks for cannot be made here.
    """
    read = _read(recipe)
    by_digest = {_sha256(path): path for path in originals}
    with ExitStack() as files:
        opened = [files.enter_context(_found(by_digest, one.sha256)) for one in read.sources]
        if isinstance(read, _Clip):
            sha256, steps = _clip(read, opened, sandbox, out)
        else:
            sha256, steps = _picture(read, opened[0], sandbox, out)
    return Rederived(
        sha256=sha256,
        stated_sha256=read.output.sha256,
        differences=tuple(_differences(read.steps, steps)),
    )


def _read(recipe: Path) -> _Clip | _Picture:
    try:
        with recipe.open("rb") as file:
            told = json.loads(file.read(_MAX_RECIPE_BYTES))
        is_picture = isinstance(told, Mapping) and told.get("kind") == "picture"
        return _Picture.model_validate(told) if is_picture else _Clip.model_validate(told)
    except (ValidationError, ValueError, RecursionError) as exc:
        raise RecipeUnreadable(f"{recipe.name} is no derivation that can be followed.") from exc


def _found(by_digest: Mapping[str, Path], sha256: str) -> IO[bytes]:
    path = by_digest.get(sha256)
    if path is None:
        raise OriginalMissing(f"No file given has the SHA-256 {sha256}.", sha256=sha256)
    return path.open("rb")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _clip(
    read: _Clip, opened: Sequence[IO[bytes]], sandbox: Sandbox, out: Path
) -> tuple[str, tuple[Step, ...]]:
    try:
        redactions = in_order(Redaction(**dict(one)) for one in read.redactions)
    except ValueError as exc:
        raise RecipeUnreadable("Its redactions contradict each other.") from exc
    sources = [
        Source(original=Original(**dict(leg)), file=file)
        for leg, file in zip(read.sources, opened, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        made = cutting.cut(
            sources,
            Segment(read.range.from_ms, read.range.to_ms),
            redactions=redactions,
            sandbox=sandbox,
            spool=Path(folder),
        )
        with made.file, out.open("wb") as written:
            shutil.copyfileobj(made.file, written, _COPY_BYTES)
    return made.derivation.output.sha256, made.derivation.steps


def _picture(
    read: _Picture, opened: IO[bytes], sandbox: Sandbox, out: Path
) -> tuple[str, tuple[Step, ...]]:
    source = read.sources[0]
    if source.width * source.height > _MAX_PIXELS:
        raise RecipeUnreadable("Its picture has more pixels than any that is taken.")
    areas = areas_in_order(Area(**dict(one)) for one in read.areas)
    drawn = pictures.draw(Picture(**dict(source)), opened, areas, sandbox=sandbox)
    out.write_bytes(drawn.body)
    return drawn.output.sha256, drawn.steps


def _differences(stated: Sequence[_Step], done: Sequence[Step]) -> list[str]:
    """Return where the derivation says something else than what was done now."""
    found = []
    if len(stated) != len(done):
        found.append(f"it tells of {len(stated)} steps, {len(done)} were done")
    for number, (told, own) in enumerate(zip(stated, done, strict=False), start=1):
        if (told.tool, tuple(told.arguments)) != (own.tool, own.arguments):
            found.append(f"step {number} ({own.tool}) was done with other arguments than it tells")
        elif told.version != own.version:
            found.append(f"step {number}: {own.tool} is {own.version} here, {told.version} there")
    return found
