"""The tree of RFC 6962, by the vectors that Certificate Transparency publishes, and by what must hold for any tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.ledger.merkle import EMPTY, Frontier, Tree, extends, includes, leaf_hash

# https://github.com/transparency-dev/merkle: testonly/constants.go, proof/verify_test.go
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
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
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
G = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
TREE = Tree([leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES])
SIZES = st.integers(1, 70)


def some(size: int) -> Tree:
    """A tree of so many leaves, all different."""
    return Tree([leaf_hash(bytes([one])) for one in range(size)])


def test_published_roots() -> None:
    """Built at once or leaf by leaf, each size has the root that is published."""
    growing = Frontier()
    assert [ROOTS[0], ROOTS[0]] == [growing.root().hex(), EMPTY.hex()]
    for size, leaf in enumerate(LEAVES, start=1):
        growing.add(leaf_hash(bytes.fromhex(leaf)))
        assert [ROOTS[size], ROOTS[size]] == [growing.root().hex(), TREE.root(size).hex()]


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [(0, 1, []), (0, 8, [A, B, C]), (5, 8, [D, E, ROOTS[4]]), (2, 3, [ROOTS[2]]), (1, 5, [ROOTS[1], B, D])],
)
def test_published_proofs_of_inclusion(index: int, size: int, proof: list[str]) -> None:
    """The proof made is the one published, and shows what it should."""
    made = TREE.inclusion(index, size)
    assert proof == [one.hex() for one in made]
    assert includes(TREE.root(size), size, index, leaf_hash(bytes.fromhex(LEAVES[index])), made)


@pytest.mark.parametrize(
    ("old", "size", "proof"),
    [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[4]]), (2, 5, [B, D]), (6, 7, [F, G, ROOTS[4]])],
)
def test_published_proofs_of_consistency(old: int, size: int, proof: list[str]) -> None:
    """The proof made is the one published, and shows what it should."""
    made = TREE.consistency(old, size)
    assert proof == [one.hex() for one in made]
    assert extends(TREE.root(old), old, TREE.root(size), size, made)


@given(SIZES, st.data())
def test_a_proof_shows_its_leaf_in_its_place_and_nothing_else(size: int, data: st.DataObject) -> None:
    """Another leaf, place, size, root, a hash more, less or changed: refused."""
    tree, index = some(size), data.draw(st.integers(0, size - 1))
    leaf, proof, root = leaf_hash(bytes([index])), tree.inclusion(index), tree.root()
    assert includes(root, size, index, leaf, proof)
    other = leaf_hash(b"other")
    assert not includes(root, size, index, other, proof)
    assert not includes(other, size, index, leaf, proof)
    assert not includes(root, size, index, leaf, (*proof, other))
    assert not includes(root, size, index - 1, leaf, proof)
    assert not includes(root, size, size, leaf, proof)
    for at in range(len(proof)):
        assert not includes(root, size, index, leaf, (*proof[:at], other, *proof[at + 1 :]))
        assert not includes(root, size, index, leaf, (*proof[:at], *proof[at + 1 :]))


@given(SIZES, st.data())
def test_a_tree_extends_what_it_began_with_and_nothing_else(size: int, data: st.DataObject) -> None:
    """A tree that had another leaf, another size or another root before is refused, and so is a changed proof."""
    tree, old = some(size), data.draw(st.integers(0, size))
    before, root, proof = tree.root(old), tree.root(), tree.consistency(old)
    assert extends(before, old, root, size, proof)
    other = leaf_hash(b"other")
    assert not extends(other, old, root, size, proof)
    assert not extends(before, old, root, size, (*proof, other))
    assert not extends(root, size + 1, root, size, ())
    for at in range(len(proof)):
        assert not extends(before, old, root, size, (*proof[:at], other, *proof[at + 1 :]))
        assert not extends(before, old, root, size, (*proof[:at], *proof[at + 1 :]))


@given(SIZES, st.data())
def test_a_tree_goes_on_from_its_frontier(size: int, data: st.DataObject) -> None:
    """What is kept between two appends is enough to go on, and is refused when it is another size's."""
    cut = data.draw(st.integers(0, size))
    first = Frontier()
    for one in range(cut):
        first.add(leaf_hash(bytes([one])))
    again = Frontier(first.size, first.peaks)
    for one in range(cut, size):
        again.add(leaf_hash(bytes([one])))
    assert some(size).root() == again.root()
    with pytest.raises(ValueError, match="full subtrees"):
        Frontier(size, [*again.peaks, EMPTY])
