"""The Merkle tree over the leaves of the ledger. Pure.

A proof does not bind the size of its tree: verifiers here take size and root as one value, which
comes from a signed checkpoint and never from what brought the proof.

Source: RFC 6962, 2.1; RFC 9162, 2.1.3 and 2.1.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
# To copy a hash that was begun costs a tenth less than to begin one and to join what it is of.
_BEGUN_LEAF = sha256(b"\x00")
_BEGUN_NODE = sha256(b"\x01")

Node = Callable[[int, int], bytes]
"""`node(level, index)`: the hash of the whole subtree over the leaves from `index << level`."""


class ProofInvalid(Exception):
    """The proof does not show what it should; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A tree as a signed checkpoint tells of it."""

    size: int
    root: bytes


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """Return the hashes of many leaves, in less time than one by one."""
    begin, hashes = _BEGUN_LEAF.copy, list[bytes]()
    for leaf in leaves:
        begun = begin()
        begun.update(leaf)
        hashes.append(begun.digest())
    return hashes


def _row_above(row: Sequence[bytes]) -> list[bytes]:
    begin, hashes = _BEGUN_NODE.copy, list[bytes]()
    for left, right in zip(row[::2], row[1::2], strict=True):
        begun = begin()
        begun.update(left)
        begun.update(right)
        hashes.append(begun.digest())
    return hashes


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over a whole row of nodes, whose count is a power of two."""
    row = hashes
    if not row or len(row) & (len(row) - 1):
        raise ValueError("A whole subtree has a power of two of leaves.")
    while len(row) > 1:
        row = _row_above(row)
    return row[0]


class Growing:
    """The right edge of a tree to which leaves are added: one hash for each bit of its size."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def add(self, hashed: bytes) -> None:
        """Add a leaf by its hash."""
        filled = self.size
        while filled & 1:
            hashed = sha256(b"\x01" + self._edge.pop() + hashed).digest()
            filled >>= 1
        self._edge.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        if not self._edge:
            return EMPTY_ROOT
        hashed = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            hashed = node_hash(left, hashed)
        return hashed


def root_of(size: int, node: Node) -> bytes:
    """Return the root of the tree of `size` leaves, from the hashes of few whole subtrees."""
    return _over(0, size, node) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """Return the audit path of the leaf `index` in the tree of `size` leaves.

    Source: RFC 9162, 2.1.3.1.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _left_part(end - begin)
        if index < middle:
            path.append(_over(middle, end, node))
            end = middle
        else:
            path.append(_over(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency_path(first: int, second: int, node: Node) -> list[bytes]:
    """Return the proof that the tree of `second` leaves only added to that of `first`.

    Source: RFC 9162, 2.1.4.1.
    """
    if not 0 <= first <= second:
        raise ValueError(f"A tree of {second} leaves has not grown from {first}.")
    if first in {0, second}:
        return []
    path: list[bytes] = []
    begin, end, is_known = 0, second, True
    while end != first:
        middle = begin + _left_part(end - begin)
        if first <= middle:
            path.append(_over(middle, end, node))
            end = middle
        else:
            path.append(_over(begin, middle, node))
            begin, is_known = middle, False
    if not is_known:
        path.append(_over(begin, end, node))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, path: Sequence[bytes], head: Head) -> None:
    """Check that the leaf with the hash `leaf` is the one at `index` of the tree `head`.

    Raises:
        ProofInvalid: it is not, as far as this proof shows.
    """
    if not 0 <= index < head.size:
        raise ProofInvalid(f"A tree of {head.size} leaves has no leaf {index}.")
    inner, right = index, head.size - 1
    hashed = leaf
    for step in path:
        if right == 0:
            raise ProofInvalid("The proof is longer than the tree is high.")
        if inner & 1 or inner == right:
            hashed = node_hash(step, hashed)
            while not inner & 1 and inner:
                inner >>= 1
                right >>= 1
        else:
            hashed = node_hash(hashed, step)
        inner >>= 1
        right >>= 1
    if right:
        raise ProofInvalid("The proof is shorter than the tree is high.")
    if hashed != head.root:
        raise ProofInvalid("The proof leads to another root.")


def check_consistency(before: Head, after: Head, path: Sequence[bytes]) -> None:
    """Check that the tree `after` is the tree `before` with leaves added, none changed.

    Raises:
        ProofInvalid: it is not, as far as this proof shows.
    """
    if not 0 <= before.size <= after.size:
        raise ProofInvalid("A tree does not grow smaller.")
    if before.size in {0, after.size}:
        _check_without_path(before, after, path)
        return
    steps = iter(path)
    left, right = before.size - 1, after.size - 1
    while left & 1:
        left >>= 1
        right >>= 1
    first = second = before.root if before.size & (before.size - 1) == 0 else _next(steps)
    for step in steps:
        if right == 0:
            raise ProofInvalid("The proof is longer than the tree is high.")
        if left & 1 or left == right:
            first = node_hash(step, first)
            second = node_hash(step, second)
            while not left & 1 and left:
                left >>= 1
                right >>= 1
        else:
            second = node_hash(second, step)
        left >>= 1
        right >>= 1
    if right:
        raise ProofInvalid("The proof is shorter than the tree is high.")
    if first != before.root or second != after.root:
        raise ProofInvalid("The proof leads to another root.")


def _check_without_path(before: Head, after: Head, path: Sequence[bytes]) -> None:
    if path:
        raise ProofInvalid("Nothing is to be proved here, so the proof is empty.")
    expected = EMPTY_ROOT if before.size == 0 else after.root
    if before.root != expected:
        raise ProofInvalid("Two trees of one size have different roots.")


def _next(steps: Iterator[bytes]) -> bytes:
    for step in steps:
        return step
    raise ProofInvalid("The proof is empty.")


def _left_part(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _over(begin: int, end: int, node: Node) -> bytes:
    """Return the hash over the leaves from `begin` to `end`, as the recursion of the RFC cuts."""
    count = end - begin
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + _left_part(count)
    return node_hash(_over(begin, middle, node), _over(middle, end, node))
