"""The head of a WAV file, for uploads that need not be speech."""

from __future__ import annotations

import struct
from typing import Final

_RATE_HZ: Final = 8000
_SAMPLE_BYTES: Final = 2
HEAD_BYTES: Final = 44


def wav_head(size_bytes: int) -> bytes:
    """Return the head of a file of that size, 16-bit mono PCM of 8 kHz.

    Source: RIFF, Multimedia Programming Interface 1.0, 1991.
    """
    payload = size_bytes - HEAD_BYTES
    form = struct.pack(
        "<IHHIIHH", 16, 1, 1, _RATE_HZ, _RATE_HZ * _SAMPLE_BYTES, _SAMPLE_BYTES, 8 * _SAMPLE_BYTES
    )
    riff = b"RIFF" + struct.pack("<I", payload + HEAD_BYTES - 8) + b"WAVE"
    return riff + b"fmt " + form + b"data" + struct.pack("<I", payload)
