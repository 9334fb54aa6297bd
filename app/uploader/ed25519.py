"""Ed25519: checking a signature where the package `cryptography` is not there.

Checking only: no secret is handled here, so that nothing can leak by how long it takes.
Source: RFC 8032, 5.1.
"""

from __future__ import annotations

import hashlib
from typing import Final

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE: Final = pow(2, (_P - 1) // 4, _P)
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64

# X, Y, Z and T of extended coordinates: x = X/Z, y = Y/Z, x*y = T/Z.
_Point = tuple[int, int, int, int]
_NEUTRAL: Final[_Point] = (0, 1, 1, 0)


def is_signed(key: bytes, text: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is of `key` over `text`."""
    if len(key) != _KEY_BYTES or len(signature) != _SIGNATURE_BYTES:
        return False
    own, commitment = _decoded(key), _decoded(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if own is None or commitment is None or scalar >= _ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + key + text).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    return _is_same(_times(scalar, _BASE), _sum(commitment, _times(challenge, own)))


def _recovered(y: int, *, is_odd: bool) -> int | None:
    """Return the x of the point with this y, None where there is none."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and is_odd):
        return None
    return _P - x if x % 2 != is_odd else x


def _decoded(encoded: bytes) -> _Point | None:
    number = int.from_bytes(encoded, "little")
    y, is_odd = number & (2**255 - 1), bool(number >> 255)
    x = _recovered(y, is_odd=is_odd) if y < _P else None
    return None if x is None else (x, y, 1, x * y % _P)


def _sum(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: _Point) -> _Point:
    found = _NEUTRAL
    while scalar:
        if scalar & 1:
            found = _sum(found, point)
        point = _sum(point, point)
        scalar >>= 1
    return found


def _is_same(one: _Point, other: _Point) -> bool:
    return not (
        (one[0] * other[2] - other[0] * one[2]) % _P or (one[1] * other[2] - other[1] * one[2]) % _P
    )


def _base() -> _Point:
    y = 4 * pow(5, -1, _P) % _P
    x = _recovered(y, is_odd=False)
    assert x is not None  # noqa: S101 - the curve has its base point.
    return x, y, 1, x * y % _P


_BASE: Final = _base()
