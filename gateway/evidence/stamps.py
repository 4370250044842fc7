"""Time-stamps in an evidence file: each journal line's way to a stamped root, and whether it holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from certs.timestamp import Stamp, policy_of, verify
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from contracts.evidence.model import Line
from contracts.evidence.stamps import StampedLine, TimeStamp, TimeStamps
from gateway.engine.merkle import holds, proof_of
from gateway.store.rows import JournalRow, StampRow

_HASH_BYTES = 32
_CLOCK_SKEW = timedelta(minutes=1)  # between the authority's clock and ours


def stamps_of(lines: Iterable[JournalRow], rows: Iterable[StampRow]) -> TimeStamps:
    """What the lines need of the stamps."""
    known = {line.hash: line.seq for line in lines}
    return TimeStamps(stamps=tuple(_stamp(row, known) for row in rows if any(one in known for one in _leaves(row))))


def _stamp(row: StampRow, known: dict[bytes, int]) -> TimeStamp:
    leaves = _leaves(row)
    lines = tuple(
        StampedLine(seq=known[leaf], index=index, proof=tuple(one.hex() for one in proof_of(index, leaves)))
        for index, leaf in enumerate(leaves)
        if leaf in known
    )
    return TimeStamp(root=row.root.hex(), size=len(leaves), token=row.token, lines=lines)


def _leaves(row: StampRow) -> Sequence[bytes]:
    return [row.leaves[place : place + _HASH_BYTES] for place in range(0, len(row.leaves), _HASH_BYTES)]


def check_stamp(stamp: TimeStamp, lines: dict[int, Line], trust: TrustStore) -> Stamp:
    """Verify one token, and that it covers the lines it is said to cover.

    Raises:
        RefusedError: the token does not hold; DIGEST_MISMATCH, a line is not under its root; TIME_INVALID, a line says
            it was written after it was stamped.
    """
    root = bytes.fromhex(stamp.root)
    held = verify(stamp.token, root, trust.with_policy(policy_of(trust.policy)))
    for fault in _faults(stamp, lines, root, held):
        raise fault
    return held


def _faults(stamp: TimeStamp, lines: dict[int, Line], root: bytes, held: Stamp) -> Iterator[RefusedError]:
    for place in stamp.lines:
        line = lines.get(place.seq)
        proof = [bytes.fromhex(one) for one in place.proof]
        if line is None or not holds(bytes.fromhex(line.hash), place.index, stamp.size, proof, root):
            yield refuse(ErrorCode.DIGEST_MISMATCH, reference=f"journal line {place.seq}")
        elif line.at > held.at + _CLOCK_SKEW:
            yield refuse(ErrorCode.TIME_INVALID, path=f"journal line {place.seq}")
