"""Every noun's state table, by name: the whole of what can happen in the house."""

from __future__ import annotations

from typing import Any

from gateway.domain import (
    collection,
    credit,
    deficiency,
    door,
    guarantee,
    inquiry,
    liquidity,
    lot,
    offer,
    payment,
    protocol,
    recipient,
    visit,
)
from gateway.domain.table import StateTable

TABLES: dict[str, StateTable[Any]] = {
    module.TABLE.name: module.TABLE
    for module in (
        lot,
        offer,
        payment,
        credit,
        collection,
        guarantee,
        protocol,
        door,
        deficiency,
        recipient,
        liquidity,
        inquiry,
        visit,
    )
}
