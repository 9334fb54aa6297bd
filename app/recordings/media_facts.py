"""What is learnt of a body from its first bytes, and the refusals of what is not kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.core.errors import UnsupportedMedia

MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 192_000
MAX_CHANNELS = 8


class Container(StrEnum):
    """The framing that bytes were recognised to have; it picks the demuxer, never a file name."""

    WAV = "wav"
    AU = "au"
    MP3 = "mp3"
    ADTS = "adts"
    OGG = "ogg"
    MATROSKA = "matroska"
    MP4 = "mp4"
    FLAC = "flac"
    ASF = "asf"
    GSM = "gsm"
    AMR = "amr"
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    PDF = "pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What the header says. A header can lie: only decoding tells the length of a recording."""

    media_type: str
    container: Container
    codec: str
    channels: int | None = None
    sample_rate_hz: int | None = None
    width: int | None = None
    height: int | None = None


class EmptyFile(UnsupportedMedia):
    """The file is empty."""


class NotAudio(UnsupportedMedia):
    """The content is not an audio recording."""


class NotAnImage(UnsupportedMedia):
    """The content is not an image of a kind that is kept."""


class PlaylistRefused(UnsupportedMedia):
    """A playlist names other files and is no recording itself."""


class AudioHeaderInvalid(UnsupportedMedia):
    """The audio header cannot be true."""


class AudioCodingUnknown(UnsupportedMedia):
    """The audio is in a coding that cannot be played here."""


class IndexMissing(UnsupportedMedia):
    """The recording lacks its index and cannot be played."""


class TooManyPixels(UnsupportedMedia):
    """The image declares more pixels than allowed."""


def audio_facts(
    media_type: str, container: Container, codec: str, *, channels: int, sample_rate_hz: int
) -> MediaFacts:
    """Return the facts of a sound.

    Raises:
        AudioHeaderInvalid: Channels or rate are none, or beyond what a recorder of calls makes;
            a rate of 1 Hz would turn 16 kB into 128 MB when decoded.
    """
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioHeaderInvalid(
            f"The header declares {channels} channels; 1 to {MAX_CHANNELS} are kept.",
            channels=channels,
        )
    if not MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ:
        raise AudioHeaderInvalid(
            f"The header declares a sample rate of {sample_rate_hz} Hz;"
            f" {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are kept.",
            sample_rate_hz=sample_rate_hz,
        )
    return MediaFacts(
        media_type=media_type,
        container=container,
        codec=codec,
        channels=channels,
        sample_rate_hz=sample_rate_hz,
    )
