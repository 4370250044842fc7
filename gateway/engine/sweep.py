"""The whole store held against its journal while it is at work, a few nouns at each count of the watchdog.

What a step or a dispatcher does not touch nobody else would look at: a lot that waits for its auction, a payment long
settled. What was found is looked at again every time, until it is as the journal says. Chains longer than
`LINES_MAX` (a flooded door, a recipient that comes and goes) are left to `verify store`, as are the time-stamps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.domain.table import Alarm
from gateway.engine.audit import proven
from gateway.engine.proof import Mismatch
from gateway.store.interface import Reader
from gateway.store.rows import NounRow

LINES_MAX = 1000  # of a chain: some 12 ms of work
_STANDING_MAX = 20  # looked at again


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Where a sweep is (the noun it goes on after), and what is not as the journal says, as of the last look."""

    kind: str = ""
    after: str = ""
    standing: tuple[Mismatch, ...] = ()

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """One for each noun."""
        first: dict[tuple[str, str], Mismatch] = {}
        for one in self.standing:
            first.setdefault((one.noun, one.noun_id), one)
        return tuple(
            Alarm("STORE_TAMPERED", {"noun": noun, "id": id, "what": f"{one.what}, journal line {one.line}"})
            for (noun, id), one in first.items()
        )


def sweep_on(reader: Reader, sweep: Sweep, kinds: Iterable[str], *, nouns_max: int) -> Sweep:
    """Judge the next few nouns of these kinds, and those found before; after the last kind begins again."""
    ahead = sorted(kind for kind in kinds if kind >= sweep.kind)
    if not ahead or nouns_max < 1:
        return Sweep(standing=sweep.standing)
    kind = ahead[0]
    after = sweep.after if kind == sweep.kind else ""
    nouns = reader.list_nouns(kind, after=after, limit=nouns_max)
    again = dict.fromkeys((one.noun, one.noun_id) for one in sweep.standing)
    known = [row for name in list(again)[:_STANDING_MAX] if (row := reader.noun(*name)) is not None]
    standing = _judged(reader, [*known, *(noun for noun in nouns if (noun.noun, noun.id) not in again)])
    if not nouns:  # on to the next kind
        return Sweep(kind=ahead[1] if len(ahead) > 1 else "", standing=standing)
    return Sweep(kind=kind, after=nouns[-1].id, standing=standing)


def _judged(reader: Reader, nouns: Sequence[NounRow]) -> tuple[Mismatch, ...]:
    found: list[Mismatch] = []
    for noun in nouns:
        if noun.version <= LINES_MAX:
            chain, waiting = reader.journal_of(noun.noun, noun.id), reader.outbox_of(noun.noun, noun.id)
            found += proven(reader, noun, chain, waiting).mismatches
    return tuple(found)
