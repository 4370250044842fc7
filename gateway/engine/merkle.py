"""Merkle trees over a batch of digests, and the proof that one of them is under a root (RFC 6962, 2.1). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

_LEAF, _NODE = b"\x00", b"\x01"  # so that a node can never be passed off as a leaf


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over at least one leaf."""
    if len(leaves) == 1:
        return hashlib.sha256(_LEAF + leaves[0]).digest()
    middle = _split(len(leaves))
    return _node(root_of(leaves[:middle]), root_of(leaves[middle:]))


def proof_of(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """What must be hashed together with the leaf at `index`, from the bottom up, to come to the root."""
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return [*proof_of(index, leaves[:middle]), root_of(leaves[middle:])]
    return [*proof_of(index - middle, leaves[middle:]), root_of(leaves[:middle])]


def holds(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf is the one at `index` of the `size` leaves under the root."""
    return 0 <= index < size and _climb(leaf, index, size, list(proof)) == root


def _climb(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    if size == 1:
        return None if proof else hashlib.sha256(_LEAF + leaf).digest()
    if not proof:
        return None
    middle, sibling = _split(size), proof[-1]
    if index < middle:
        below = _climb(leaf, index, middle, proof[:-1])
        return None if below is None else _node(below, sibling)
    below = _climb(leaf, index - middle, size - middle, proof[:-1])
    return None if below is None else _node(sibling, below)


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
