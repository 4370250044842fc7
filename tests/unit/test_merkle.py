"""Merkle trees by RFC 6962: its own roots, every leaf provable, nothing else."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.merkle import holds, proof_of, root_of

# Certificate Transparency's reference tests: eight leaves, and the roots after the first, second, third and eighth.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_roots_are_those_of_certificate_transparency(size: int, root: str) -> None:
    assert root_of(LEAVES[:size]).hex() == root


@given(st.integers(1, 70), st.data())
def test_every_leaf_is_provable_at_its_place_and_nowhere_else(size: int, data: st.DataObject) -> None:
    leaves = [hashlib.sha256(bytes([number])).digest() for number in range(size)]
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    proof, root = proof_of(index, leaves), root_of(leaves)
    assert holds(leaves[index], index, size, proof, root)
    assert holds(leaves[index], other, size, proof, root) is (other == index)
    assert holds(leaves[other], index, size, proof, root) is (other == index)
    assert not holds(leaves[index], index, size, [*proof, root], root)
    assert not holds(leaves[index], index + size, size, proof, root)
    if proof:
        assert not holds(leaves[index], index, size, proof[:-1], root)
