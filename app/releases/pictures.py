"""Draw a screenshot anew: turned as it is shown, its areas black, nothing of its metadata left.

The sender's bytes are decoded by ffmpeg in the sandbox, which hands over bare pixels; Pillow draws
on those and writes the PNG. So no decoder of pictures runs beside the archive's keys.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import PurePath
from typing import IO, Any, Final

from PIL import Image, ImageDraw, features

from app.disputes.redactions import Area
from app.disputes.service import AreaOutside
from app.inspection.sandbox import (
    SOURCE_PATH,
    Budget,
    DecodeFailed,
    DecodeLimit,
    LimitKind,
    Sandbox,
)
from app.releases import recipes
from app.releases.orientation import orientation_of
from app.releases.recipes import Output, Step
from app.releases.refusals import PictureUnreadable

MEDIA_TYPE: Final = "image/png"
_DEMUXERS: Final = {
    "image/png": ("png_pipe", "png"),
    "image/jpeg": ("jpeg_pipe", "mjpeg"),
    "image/webp": ("webp_pipe", "webp,vp8"),
}
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BUDGET: Final = Budget(wall_s=60, cpu_s=40)
_PIXEL_BYTES: Final = 4
_MAX_HEAD_BYTES: Final = 128
_LEVEL: Final = 6
_WHITE: Final = (255, 255, 255, 255)
_BLACK: Final = (0, 0, 0)
# A picture of 50 million pixels takes some hundred megabytes while it is drawn.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The size in which a picture is wanted."""

    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A screenshot as it was received."""

    screenshot: str
    sha256: str
    size_bytes: int
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A PNG, and how it was made."""

    body: bytes
    picture: Picture
    orientation: int
    width: int
    height: int
    areas: tuple[Area, ...]
    steps: tuple[Step, ...]
    output: Output

    def told(self, *, operator: str | None) -> dict[str, Any]:
        """Return the members of `derivation.json`; `operator` is who let it be made."""
        return {
            "v": recipes.VERSION,
            "kind": "picture",
            "sources": [
                {
                    "screenshot": self.picture.screenshot,
                    "sha256": self.picture.sha256,
                    "size_bytes": self.picture.size_bytes,
                    "media_type": self.picture.media_type,
                    "width": self.picture.width,
                    "height": self.picture.height,
                }
            ],
            "orientation": self.orientation,
            "areas": [area.kept() for area in self.areas],
            "steps": [step.told() for step in self.steps],
            "output": {
                "sha256": self.output.sha256,
                "size_bytes": self.output.size_bytes,
                "media_type": self.output.media_type,
                "width": self.width,
                "height": self.height,
            },
            "operator": operator,
        }


def draw(picture: Picture, file: IO[bytes], areas: Sequence[Area], *, sandbox: Sandbox) -> Drawn:
    """Return the picture as it may be shown.

    Raises:
        PictureUnreadable: it cannot be decoded, or is not what its header declared.
        AreaOutside: an area is not within the picture as it is shown.
    """
    file.seek(0)
    orientation = orientation_of(file.read())
    with _one_at_a_time:
        command = _command(picture.media_type, sandbox)
        pixels = _pixels((picture.width, picture.height), command, file, sandbox)
        return _drawn(picture, pixels, areas, orientation, _decoded(command, sandbox))


def _drawn(
    picture: Picture, pixels: bytes, areas: Sequence[Area], orientation: int, decoded: Step
) -> Drawn:
    size = (picture.width, picture.height)
    image = Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1)
    words = []
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
        words.append(f"transpose {_TURNS[orientation].name}")
    # What is transparent may hide something from who looks, and nothing from who computes.
    shown = Image.new("RGBA", image.size, _WHITE)
    shown.alpha_composite(image)
    shown = shown.convert("RGB")
    words.append("alpha_composite over white, convert RGB")
    canvas = ImageDraw.Draw(shown)
    for area in areas:
        if not area.fits(*shown.size):
            raise AreaOutside(width=shown.width, height=shown.height)
        box = (area.x, area.y, area.x + area.w - 1, area.y + area.h - 1)
        canvas.rectangle(box, fill=_BLACK)
        words.append(f"rectangle {box} black")
    body = io.BytesIO()
    shown.save(body, "PNG", compress_level=_LEVEL)
    words.append(f"save PNG compress_level={_LEVEL}")
    made = body.getvalue()
    return Drawn(
        body=made,
        picture=picture,
        orientation=orientation,
        width=shown.width,
        height=shown.height,
        areas=tuple(areas),
        steps=(decoded, Step(tool="Pillow", version=_pillow(), arguments=tuple(words))),
        output=Output(
            sha256=hashlib.sha256(made).hexdigest(), size_bytes=len(made), media_type=MEDIA_TYPE
        ),
    )


def _pillow() -> str:
    """Return Pillow's version and that of the library that packs, on which the bytes depend."""
    packer = "zlib-ng" if features.check_feature("zlib_ng") else "zlib"
    found = features.version_feature("zlib_ng") if packer == "zlib-ng" else None
    return f"{version('pillow')} ({packer} {found or features.version_codec('zlib')})"


def scaled(file: IO[bytes], media_type: str, scale: Scale, *, sandbox: Sandbox) -> Image.Image:
    """Return a picture in another size, turned as it is shown and laid on white.

    Raises:
        PictureUnreadable: it cannot be decoded.
    """
    file.seek(0)
    orientation = orientation_of(file.read())
    file.seek(0)
    with _one_at_a_time:
        command = _command(media_type, sandbox, scale)
        pixels = _pixels((scale.width, scale.height), command, file, sandbox)
        size = (scale.width, scale.height)
        image = Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1)
        shown = Image.new("RGBA", image.size, _WHITE)
        shown.alpha_composite(image)
        turned = shown.convert("RGB")
        return turned.transpose(_TURNS[orientation]) if orientation in _TURNS else turned


def _command(media_type: str, sandbox: Sandbox, scale: Scale | None = None) -> list[str]:
    demuxer, decoders = _DEMUXERS.get(media_type, (None, None))
    if demuxer is None or decoders is None:
        raise PictureUnreadable("There is no decoder for this kind of picture.")
    command = [sandbox.tools.ffmpeg, "-v", "error", "-hide_banner", "-nostats", "-nostdin"]
    command += ["-filter_threads", "1", "-threads", "1", "-flags:v", "bitexact"]
    command += ["-protocol_whitelist", "file", "-format_whitelist", demuxer]
    command += ["-codec_whitelist", decoders, "-noautorotate", "-f", demuxer]
    command += ["-i", f"file:{SOURCE_PATH}", "-map", "0:v:0", "-frames:v", "1"]
    to = f"w={scale.width}:h={scale.height}:flags=lanczos+" if scale else "flags="
    command += ["-vf", f"scale={to}bitexact+accurate_rnd+full_chroma_int,format=rgba"]
    return [*command, "-c:v", "pam", "-f", "image2pipe", "pipe:1"]


def _decoded(command: Sequence[str], sandbox: Sandbox) -> Step:
    return Step(
        tool=PurePath(command[0]).name,
        version=sandbox.ffmpeg_version,
        arguments=tuple(command[1:]),
        source=0,
    )


def _pixels(size: tuple[int, int], command: list[str], file: IO[bytes], sandbox: Sandbox) -> bytes:
    """Return red, green, blue and alpha of each pixel, row by row."""
    width, height = size
    size_bytes = width * height * _PIXEL_BYTES
    read = bytearray()

    def keep(piece: bytes) -> None:
        if len(read) + len(piece) > size_bytes + _MAX_HEAD_BYTES:
            raise DecodeLimit(LimitKind.OUTPUT)
        read.extend(piece)

    try:
        sandbox.run([command], source=file.fileno(), to=[keep], budget=_BUDGET)
    except (DecodeFailed, DecodeLimit) as exc:
        raise PictureUnreadable("The picture cannot be decoded.") from exc
    head = (
        f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    ).encode()
    if not read.startswith(head) or len(read) != len(head) + size_bytes:
        raise PictureUnreadable("The picture is not what its header declares.")
    return bytes(memoryview(read)[len(head) :])
