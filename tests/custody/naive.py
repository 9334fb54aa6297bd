"""The tree as RFC 6962 defines it, word for word and slowly: the second opinion of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def mth(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash. Source: RFC 6962, 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def split(n: int) -> int:
    """Return the largest power of two smaller than `n`."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the audit path of leaf `m`. Source: RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the consistency proof from `m` leaves. Source: RFC 6962, 2.1.2."""
    return subproof(m, leaves, is_whole=True)


def subproof(m: int, leaves: Sequence[bytes], *, is_whole: bool) -> list[bytes]:
    n = len(leaves)
    if m == n:
        return [] if is_whole else [mth(leaves)]
    k = split(n)
    if m <= k:
        return [*subproof(m, leaves[:k], is_whole=is_whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], is_whole=False), mth(leaves[:k])]


def root_by_path(leaf: bytes, m: int, n: int, steps: Sequence[bytes]) -> bytes | None:
    """Return the root that an audit path leads to, by undoing the recursion; None if it cannot."""
    if n == 1:
        return None if steps else sha256(b"\x00" + leaf).digest()
    if not steps:
        return None
    k, last, rest = split(n), steps[-1], steps[:-1]
    if m < k:
        left = root_by_path(leaf, m, k, rest)
        return None if left is None else sha256(b"\x01" + left + last).digest()
    right = root_by_path(leaf, m - k, n - k, rest)
    return None if right is None else sha256(b"\x01" + last + right).digest()


def roots_by_proof(
    m: int, n: int, steps: Sequence[bytes], old: bytes, *, is_whole: bool = True
) -> tuple[bytes, bytes] | None:
    """Return both roots that a consistency proof leads to; None if it cannot."""
    if m == n:
        if is_whole:
            return None if steps else (old, old)
        return (steps[0], steps[0]) if len(steps) == 1 else None
    if not steps:
        return None
    k, last, rest = split(n), steps[-1], steps[:-1]
    if m <= k:
        found = roots_by_proof(m, k, rest, old, is_whole=is_whole)
        return None if found is None else (found[0], sha256(b"\x01" + found[1] + last).digest())
    found = roots_by_proof(m - k, n - k, rest, old, is_whole=False)
    if found is None:
        return None
    first, second = (sha256(b"\x01" + last + one).digest() for one in found)
    return first, second
