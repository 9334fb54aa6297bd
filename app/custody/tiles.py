"""The tree in tiles of 256 hashes, as clients fetch it and as it is kept. Pure.

Tile `n` of level `l` has the hashes of the subtrees of 256**l leaves from number 256 * n. Whole
tiles never change again, so they are kept; the others are made of what lies below them.

Source: C2SP tlog-tiles 0.1.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.custody.tree import HASH_BYTES, Node, fold

HEIGHT = 8
WIDTH = 1 << HEIGHT
_MOST_LEVEL = 63
_PATH = re.compile(r"((?:x\d{3}/){0,5}\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)


class TilePathInvalid(Exception):
    """No tile has this path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Which tile is meant; a narrow one is of a tree whose right edge it was."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def end(self) -> int:
        """Return how many leaves a tree has at least that has this tile."""
        return (self.index * WIDTH + self.width) << (HEIGHT * self.level)


def parse(level: str, rest: str) -> Tile:
    """Return the tile that a client names in its path.

    Raises:
        TilePathInvalid: it is not written as tiles are.
    """
    found = _PATH.fullmatch(rest)
    if found is None or not re.fullmatch(r"0|[1-9][0-9]?", level) or int(level) > _MOST_LEVEL:
        raise TilePathInvalid
    name = found[1]
    # A leading group of zeros would be a second name of the same tile.
    if name.startswith("x000/"):
        raise TilePathInvalid
    width = int(found[2] or WIDTH)
    if found[2] and width >= WIDTH:
        raise TilePathInvalid
    index = int(re.sub(r"[x/]", "", name))
    return Tile(level=int(level), index=index, width=width)


def path_of(tile: Tile) -> str:
    """Return how a client names `tile`, below `tile/`."""
    digits = f"{tile.index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    narrow = "" if tile.width == WIDTH else f".p/{tile.width}"
    return f"{tile.level}/{name}{narrow}"


def split(hashes: bytes) -> list[bytes]:
    """Return the hashes that a tile holds side by side."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def nodes_of(row: Callable[[int, int, int], list[bytes]]) -> Node:
    """Return the nodes of a tree whose rows of a tile's level `row(level, first, count)` gives."""

    def node(level: int, index: int) -> bytes:
        tile_level, above = divmod(level, HEIGHT)
        count = 1 << above
        return fold(row(tile_level, index << above, count))

    return node
