"""Pictures as they come in: of a screen with Russian text, and of a camera with its metadata."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont
from PIL.ExifTags import GPS, IFD, Base
from PIL.PngImagePlugin import PngInfo

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
"""Of Debian's fonts-dejavu-core, which the archive needs for its prints anyway."""


def drawn(
    *lines: str, size: tuple[int, int] = (1000, 300), told: dict[str, str] | None = None
) -> bytes:
    """Return a PNG of a window with these lines, and with these texts beside the picture."""
    image = Image.new("RGB", size, "white")
    canvas = ImageDraw.Draw(image)
    font = ImageFont.truetype(FONT, 18)
    for number, line in enumerate(lines):
        canvas.text((30, 30 + 50 * number), line, fill="black", font=font)
    beside = PngInfo()
    for name, value in (told or {}).items():
        beside.add_itxt(name, value, zip=name == "Description")
    written = io.BytesIO()
    image.save(written, "PNG", pnginfo=beside)
    return written.getvalue()


def exif(*, turned: int = 1) -> Image.Exif:
    """Return what a telephone writes into a photo: the device, who and where."""
    found = Image.Exif()
    found[Base.Make], found[Base.Model] = "Xiaomi", "Redmi 9"
    found[Base.Artist] = "Пётр Петров"
    found[Base.Orientation] = turned
    place = found.get_ifd(IFD.GPSInfo)
    place[GPS.GPSLatitudeRef], place[GPS.GPSLatitude] = "N", (55.0, 45.0, 7.0)
    place[GPS.GPSLongitudeRef], place[GPS.GPSLongitude] = "E", (37.0, 37.0, 4.0)
    return found


def photo(*, turned: int = 1, size: tuple[int, int] = (90, 60)) -> bytes:
    """Return a JPEG with a telephone's metadata."""
    written = io.BytesIO()
    Image.new("RGB", size, (180, 190, 200)).save(written, "JPEG", exif=exif(turned=turned))
    return written.getvalue()
