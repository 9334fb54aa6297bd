"""The tree: known answers, and the same as a second, naive one says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from app.custody import tiles, tree
from app.custody.tiles import Tile, TilePathInvalid
from app.custody.tree import Growing, Head, Node, ProofInvalid
from tests.custody import naive

# Source: the test leaves of Certificate Transparency, whose roots RFC 6962's authors published.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
_SIZES = st.integers(1, 300)


def leaves_of(size: int) -> list[bytes]:
    return [b"leaf %d" % number for number in range(size)]


def nodes_over(leaves: Sequence[bytes]) -> Node:
    """Return the nodes of a tree over `leaves`, from whole rows as tiles have them."""
    rows = [[tree.leaf_hash(leaf) for leaf in leaves]]
    while len(rows[-1]) >= tiles.WIDTH:
        below = rows[-1]
        whole = len(below) - len(below) % tiles.WIDTH
        rows.append(
            [tree.fold(below[at : at + tiles.WIDTH]) for at in range(0, whole, tiles.WIDTH)]
        )
    return tiles.nodes_of(lambda level, first, count: rows[level][first : first + count])


def head_of(leaves: Sequence[bytes]) -> Head:
    return Head(size=len(leaves), root=naive.mth(leaves))


@pytest.mark.parametrize("size", range(9))
def test_the_known_roots(size: int) -> None:
    leaves = LEAVES[:size]
    growing = Growing()
    for leaf in leaves:
        growing.add(tree.leaf_hash(leaf))
    assert growing.root().hex() == ROOTS[size]
    assert tree.root_of(size, nodes_over(leaves)).hex() == ROOTS[size]
    assert naive.mth(leaves).hex() == ROOTS[size]


def test_a_known_audit_path() -> None:
    # Source: the same test data, leaf 5 of 8.
    path = tree.inclusion_path(5, 8, nodes_over(LEAVES))
    assert [step.hex() for step in path] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(_SIZES, st.data())
def test_paths_are_those_of_the_definition(size: int, data: st.DataObject) -> None:
    leaves, index = leaves_of(size), data.draw(st.integers(0, size - 1))
    path = tree.inclusion_path(index, size, nodes_over(leaves))
    assert path == naive.path(index, leaves)
    tree.check_inclusion(tree.leaf_hash(leaves[index]), index, path, head_of(leaves))


@given(_SIZES, st.data())
def test_consistency_is_that_of_the_definition(size: int, data: st.DataObject) -> None:
    leaves, first = leaves_of(size), data.draw(st.integers(1, size))
    path = tree.consistency_path(first, size, nodes_over(leaves))
    assert path == naive.proof(first, leaves)
    tree.check_consistency(head_of(leaves[:first]), head_of(leaves), path)


def _spoiled(path: list[bytes], how: str, at: int) -> list[bytes]:
    spoiled = list(path)
    if how == "longer":
        return [*spoiled, bytes(32)]
    if how == "shorter":
        return spoiled[:-1]
    if how == "swapped":
        return spoiled[::-1]
    if spoiled:
        at %= len(spoiled)
        spoiled[at] = bytes([spoiled[at][0] ^ 1]) + spoiled[at][1:]
    return spoiled


_HOW = st.sampled_from(["longer", "shorter", "swapped", "flipped"])


@given(st.integers(1, 70), st.data())
def test_a_wrong_inclusion_is_refused_as_the_second_verifier_does(
    size: int, data: st.DataObject
) -> None:
    leaves, index = leaves_of(size), data.draw(st.integers(0, size - 1))
    asked = data.draw(st.integers(0, size - 1))
    path = naive.path(index, leaves)
    sent = _spoiled(path, data.draw(_HOW), data.draw(st.integers(0, 9)))
    head = head_of(leaves)
    is_right = naive.root_by_path(leaves[index], asked, size, sent) == head.root
    assert is_right == (sent == path and asked == index)
    event("right" if is_right else "wrong")
    leaf = tree.leaf_hash(leaves[index])
    if is_right:
        tree.check_inclusion(leaf, asked, sent, head)
    else:
        with pytest.raises(ProofInvalid):
            tree.check_inclusion(leaf, asked, sent, head)


@given(st.integers(2, 70), st.data())
def test_a_wrong_consistency_is_refused_as_the_second_verifier_does(
    size: int, data: st.DataObject
) -> None:
    leaves, first = leaves_of(size), data.draw(st.integers(1, size))
    path = naive.proof(first, leaves)
    sent = _spoiled(path, data.draw(_HOW), data.draw(st.integers(0, 9)))
    before, after = head_of(leaves[:first]), head_of(leaves)
    if data.draw(st.booleans()):
        before = replace(before, root=bytes(32))
    roots = naive.roots_by_proof(first, size, sent, before.root)
    is_right = roots == (before.root, after.root)
    event("right" if is_right else "wrong")
    if is_right:
        tree.check_consistency(before, after, sent)
    else:
        with pytest.raises(ProofInvalid):
            tree.check_consistency(before, after, sent)


def test_a_proof_is_as_long_as_the_tree_is_high_even_if_it_leads_to_the_root() -> None:
    leaves = leaves_of(4)
    leaf, head = tree.leaf_hash(leaves[0]), head_of(leaves)
    path = naive.path(0, leaves)
    for size in (2, 8, 9):
        with pytest.raises(ProofInvalid, match="than the tree is high"):
            tree.check_inclusion(leaf, 0, path, replace(head, size=size))
    before, grown = head_of(leaves[:3]), naive.proof(3, leaves)
    for size in (8, 9):
        with pytest.raises(ProofInvalid, match="than the tree is high"):
            tree.check_consistency(before, replace(head, size=size), grown)
    with pytest.raises(ProofInvalid, match="than the tree is high"):
        tree.check_consistency(before, head, [*grown, bytes(32)])


def test_a_leaf_is_never_taken_for_a_node() -> None:
    leaves = leaves_of(2)
    inner = tree.leaf_hash(leaves[0]) + tree.leaf_hash(leaves[1])
    assert tree.leaf_hash(inner) != naive.mth(leaves)


def test_the_empty_tree_is_the_beginning_of_all_and_proves_nothing_else() -> None:
    after = head_of(leaves_of(5))
    tree.check_consistency(Head(size=0, root=tree.EMPTY_ROOT), after, [])
    with pytest.raises(ProofInvalid):
        tree.check_consistency(Head(size=0, root=bytes(32)), after, [])
    with pytest.raises(ProofInvalid):
        tree.check_consistency(after, Head(size=0, root=tree.EMPTY_ROOT), [])


def test_a_tree_of_several_tiles_is_the_same_tree() -> None:
    leaves = leaves_of(256 * 256 + 300)
    growing = Growing()
    for leaf in leaves:
        growing.add(tree.leaf_hash(leaf))
    node = nodes_over(leaves)
    head = Head(size=len(leaves), root=growing.root())
    assert tree.root_of(len(leaves), node) == head.root
    for index in (0, 255, 256, 65_535, 65_536, len(leaves) - 1):
        path = tree.inclusion_path(index, len(leaves), node)
        tree.check_inclusion(tree.leaf_hash(leaves[index]), index, path, head)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(level=0, index=0), "0/000"),
        (Tile(level=1, index=1_234_067), "1/x001/x234/067"),
        (Tile(level=63, index=999, width=1), "63/999.p/1"),
        (Tile(level=0, index=1000, width=255), "0/x001/000.p/255"),
    ],
)
def test_tiles_are_named_as_clients_do(tile: Tile, path: str) -> None:
    assert tiles.path_of(tile) == path
    level, _, rest = path.partition("/")
    assert tiles.parse(level, rest) == tile


@pytest.mark.parametrize(
    "path",
    [
        "00/000",
        "64/000",
        "0/0",
        "0/x000/001",
        "0/001.p/0",
        "0/001.p/256",
        "0/001.p/01",
        "0/001/x",
        "0/001.p/",
        "-1/000",
        "0/000\n",
        "0/٠٠٠",
    ],
)
def test_other_paths_name_no_tile(path: str) -> None:
    level, _, rest = path.partition("/")
    with pytest.raises(TilePathInvalid):
        tiles.parse(level, rest)
