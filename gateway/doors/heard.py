"""What a rail's message means to us."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.table import Event
from gateway.ports import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """To whom it speaks, and what happened."""

    target: Target
    event: Event
