"""Whether a store holds what was written: every noun's chain of journal lines, from its first line to its head."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.engine.journal import first_break
from gateway.store.interface import Reader, Store

_PAGE = 200  # nouns looked at in one read


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found. `breaks` name noun, id and the place of the first line that does not hold; `stray` counts the
    lines that belong to no noun.
    """

    nouns: int
    lines: int
    breaks: tuple[tuple[str, str, int], ...]
    stray: int

    @property
    def holds(self) -> bool:
        """Nothing was changed, left out or added."""
        return not self.breaks and self.stray == 0


async def audit(store: Store) -> Audit:
    """Recompute every chain."""
    nouns, lines, breaks = 0, 0, []
    kinds = sorted({row.noun for row in await store.read(lambda reader: reader.count_nouns())})
    for kind in kinds:
        after = ""
        while page := await store.read(lambda reader, k=kind, a=after: _page(reader, k, a)):  # type: ignore[misc]
            nouns, lines, after = nouns + len(page), lines + sum(count for _, count, _ in page), page[-1][0]
            breaks += [(kind, id, place) for id, _, place in page if place is not None]
    written = await store.read(lambda reader: reader.count_journal())
    return Audit(nouns=nouns, lines=lines, breaks=tuple(breaks), stray=max(written - lines, 0))


def _page(reader: Reader, kind: str, after: str) -> list[tuple[str, int, int | None]]:
    """Id, number of lines and first break of some nouns."""
    found = []
    for noun in reader.list_nouns(kind, after=after, limit=_PAGE):
        chain = reader.journal_of(kind, noun.id)
        found.append((noun.id, len(chain), first_break(chain, noun)))
    return found
