"""What the bank has been told: each notice once, however often it comes, and which ones are missing. No I/O."""

from __future__ import annotations

from contracts.soap.model import Notice


class NoticeBook:
    """Notices by id. `Notice` of the SOAP contract serves as the bank's own form for both transports."""

    def __init__(self) -> None:
        self._by_id: dict[str, Notice] = {}
        self._sequences: set[int] = set()
        self.repeated = 0  # how many came again

    def take(self, notice: Notice) -> bool:
        """Keep a notice; False if it was known."""
        if notice.id in self._by_id:
            self.repeated += 1
            return False
        self._by_id[notice.id] = notice
        self._sequences.add(notice.sequence)
        return True

    @property
    def all(self) -> tuple[Notice, ...]:
        """In the order of arrival."""
        return tuple(self._by_id.values())

    @property
    def complete_to(self) -> int:
        """The last sequence number before the first gap; numbers begin with 1."""
        number = 0
        while number + 1 in self._sequences:
            number += 1
        return number

    @property
    def has_gap(self) -> bool:
        """Whether something before the newest notice is missing."""
        return bool(self._sequences) and max(self._sequences) > self.complete_to

    def newest(self, kind: str, subject_id: str) -> Notice | None:
        """What is known last of a subject: the highest version counts, not the order of arrival."""
        about = (notice for notice in self._by_id.values() if (notice.kind, notice.subject_id) == (kind, subject_id))
        return max(about, key=lambda notice: notice.version, default=None)
