"""Headers of the simple sound files: WAV, AU, FLAC, AMR and raw GSM.

Each parser is entered with the bytes that were needed to recognise it (`head`, at least as many as
it says) and pulls the rest (`media_stream`).
"""

from __future__ import annotations

import struct

from app.recordings.media_facts import (
    AudioCodingUnknown,
    AudioHeaderInvalid,
    Container,
    MediaFacts,
    NotAudio,
    audio_facts,
)
from app.recordings.media_stream import Parser, Skip, Take

GSM_FRAME_BYTES = 33
_GSM_FRAMES_LOOKED_AT = 8
_GSM_NIBBLE = 0xD
_MAX_CHUNKS_BEFORE_FORMAT = 1_000
_MAX_BYTES_BEFORE_FORMAT = 16 * 1024 * 1024
_MAX_FORMAT_BYTES = 4 * 1024

_WAV_PCM, _WAV_FLOAT, _WAV_EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_PCM_BY_BITS = {8: "pcm_u8", 16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_s32le"}
_FLOAT_BY_BITS = {32: "pcm_f32le", 64: "pcm_f64le"}
# Source: RFC 2361 and the registry of WAVE form tags; names as ffmpeg spells them.
_CODEC_BY_TAG = {
    0x0002: "adpcm_ms",
    0x0006: "pcm_alaw",
    0x0007: "pcm_mulaw",
    0x0011: "adpcm_ima_wav",
    0x0031: "gsm_ms",
    0x0045: "adpcm_g726",
    0x0050: "mp2",
    0x0055: "mp3",
    0x00FF: "aac",
    0x0160: "wmav1",
    0x0161: "wmav2",
    0x0162: "wmapro",
    0x0163: "wmalossless",
    0x000A: "wmavoice",
    0x0064: "adpcm_g726",
    0x1610: "aac",
}
_CODEC_BY_AU_ENCODING = {
    1: "pcm_mulaw",
    2: "pcm_s8",
    3: "pcm_s16be",
    4: "pcm_s24be",
    5: "pcm_s32be",
    6: "pcm_f32be",
    7: "pcm_f64be",
    27: "pcm_alaw",
}
_AMR_MAGIC, _AMR_WB_MAGIC = b"#!AMR\n", b"#!AMR-WB\n"
# Source: RFC 4867, 5.3: frame types with speech, comfort noise (8 or 9), lost (14, WB), no data.
_AMR_FRAME_TYPES = frozenset({*range(9), 15})
_AMR_WB_FRAME_TYPES = frozenset({*range(10), 14, 15})


def wave_codec(tag: int, bits: int) -> str:
    """Name the coding of a WAVEFORMATEX.

    Raises:
        AudioHeaderInvalid: PCM with a number of bits that no sample has.
        AudioCodingUnknown: A tag that is not decoded here.
    """
    if tag in (_WAV_PCM, _WAV_FLOAT):
        codec = (_PCM_BY_BITS if tag == _WAV_PCM else _FLOAT_BY_BITS).get(bits)
        if codec is None:
            raise AudioHeaderInvalid(f"The header declares {bits} bits per sample.", bits=bits)
        return codec
    known = _CODEC_BY_TAG.get(tag)
    if known is None:
        raise AudioCodingUnknown(f"The sound is in coding 0x{tag:04x}.", wave_tag=tag)
    return known


def wave_facts(fmt: bytes) -> MediaFacts:
    """Read a `fmt ` chunk."""
    tag, channels, rate_hz, _, block_bytes = struct.unpack_from("<HHIIH", fmt)
    bits = int.from_bytes(fmt[14:16], "little")
    if tag == _WAV_EXTENSIBLE and len(fmt) >= 26:  # noqa: PLR2004 - the sub-format ends there.
        tag = int.from_bytes(fmt[24:26], "little")
    if channels and not block_bytes:
        raise AudioHeaderInvalid("The header declares blocks of 0 bytes.")
    facts = audio_facts(
        "audio/wav", Container.WAV, "unknown", channels=channels, sample_rate_hz=rate_hz
    )
    return audio_facts(
        facts.media_type,
        Container.WAV,
        wave_codec(tag, bits),
        channels=channels,
        sample_rate_hz=rate_hz,
    )


def parse_wav(head: bytes) -> Parser:
    """Walk the chunks behind `RIFF....WAVE` to the format, which need not be the first.

    Sizes of the file and of the data are not believed: recorders write 0, 4 GiB or too much.
    """
    if head[:4] == b"RIFX":
        raise AudioCodingUnknown("The file is a big-endian RIFX.")
    passed_bytes = 0
    for _ in range(_MAX_CHUNKS_BEFORE_FORMAT):
        name, size_bytes = struct.unpack("<4sI", (yield Take(8)))
        if name == b"fmt ":
            if not 14 <= size_bytes <= _MAX_FORMAT_BYTES:  # noqa: PLR2004 - WAVEFORMAT has 14 bytes.
                raise AudioHeaderInvalid("The format chunk claims a length that cannot be.")
            return wave_facts((yield Take(size_bytes)))
        if name == b"data":
            raise AudioHeaderInvalid("The sound begins before its format was given.")
        passed_bytes += size_bytes
        if passed_bytes > _MAX_BYTES_BEFORE_FORMAT:
            break
        yield Skip(size_bytes + size_bytes % 2)
    raise AudioHeaderInvalid("No format was found near the beginning of the file.")


def parse_au(head: bytes) -> Parser:
    """Read the header of a Sun audio file."""
    offset, _, encoding, rate_hz, channels = struct.unpack(">5I", head[4:12] + (yield Take(12)))
    if not 24 <= offset <= _MAX_BYTES_BEFORE_FORMAT:  # noqa: PLR2004 - the header's own length.
        raise AudioHeaderInvalid("The header claims a beginning of the sound that cannot be.")
    codec = _CODEC_BY_AU_ENCODING.get(encoding)
    if codec is None:
        raise AudioCodingUnknown(f"The sound is in AU encoding {encoding}.", coding=encoding)
    return audio_facts(
        "audio/basic", Container.AU, codec, channels=channels, sample_rate_hz=rate_hz
    )


def flac_facts(stream_info: bytes, media_type: str, container: Container) -> MediaFacts:
    """Read a STREAMINFO block. Source: RFC 9639, 8.2."""
    packed = int.from_bytes(stream_info[10:18], "big")
    return audio_facts(
        media_type,
        container,
        "flac",
        channels=(packed >> 41 & 7) + 1,
        sample_rate_hz=packed >> 44,
    )


def parse_flac(head: bytes) -> Parser:
    """Read the block that must follow `fLaC`."""
    start = head[4:] + (yield Take(4 + 4 + 34 - len(head)))
    if start[0] & 0x7F or start[1:4] != b"\x00\x00\x22":
        raise AudioHeaderInvalid("The file does not begin with the STREAMINFO that FLAC demands.")
    return flac_facts(start[4:], "audio/flac", Container.FLAC)


def parse_amr(head: bytes) -> Parser:
    """Tell narrow from wide band and look at the first frame."""
    wide = head.startswith(_AMR_WB_MAGIC)
    if not wide and not head.startswith(_AMR_MAGIC):
        raise AudioCodingUnknown("AMR with several channels is not kept.")
    start = head[len(_AMR_WB_MAGIC if wide else _AMR_MAGIC) :]
    if not start:
        start = yield Take(1, short_ok=True)
    types = _AMR_WB_FRAME_TYPES if wide else _AMR_FRAME_TYPES
    if start and (start[0] & 0x83 or start[0] >> 3 & 15 not in types):
        raise AudioHeaderInvalid("The first AMR frame is of no known type.")
    return audio_facts(
        "audio/amr-wb" if wide else "audio/amr",
        Container.AMR,
        "amr_wb" if wide else "amr_nb",
        channels=1,
        sample_rate_hz=16_000 if wide else 8_000,
    )


def parse_gsm(head: bytes) -> Parser:
    """Accept raw GSM 06.10: no header, but each frame of 33 bytes begins with the nibble 0xD.

    Asked only where the sender calls it GSM: half a byte is too little to guess from.
    """
    frames = head + (yield Take(_GSM_FRAMES_LOOKED_AT * GSM_FRAME_BYTES - len(head), short_ok=True))
    if len(frames) < GSM_FRAME_BYTES or any(
        first >> 4 != _GSM_NIBBLE for first in frames[::GSM_FRAME_BYTES]
    ):
        raise NotAudio("The file is declared as GSM but does not consist of GSM frames.")
    return audio_facts("audio/gsm", Container.GSM, "gsm", channels=1, sample_rate_hz=8_000)
