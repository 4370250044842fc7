"""SWIFT MT as AZIPS speaks it: MT103 for transfers, MT205 for debit limits, and the answers MT196, MT158 and MT298."""

from contracts.mt.answers import Accepted, Refused, StatusNotice
from contracts.mt.limit_order import LimitOrder
from contracts.mt.registry import MtMessage, read, write
from contracts.mt.transfer import CustomerTransfer, Side

__all__ = [
    "Accepted",
    "CustomerTransfer",
    "LimitOrder",
    "MtMessage",
    "Refused",
    "Side",
    "StatusNotice",
    "read",
    "write",
]
