"""FIN messages on a socket: where they are posted, as what, and how large they may be. Signed by the HTTP request."""

from __future__ import annotations

from contracts.mt.fin import MESSAGE_MAX_BYTES as FIN_MAX_BYTES

AZIPS_PATH = "/azips/v1/messages"
LIMIT_ORDERS_PATH = "/aos/v1/limit-orders"  # AZIPS to AÖS: limit orders that it has accepted (AOS-L1)
FIN_TYPE = "application/x-fin"

__all__ = ["AZIPS_PATH", "FIN_MAX_BYTES", "FIN_TYPE", "LIMIT_ORDERS_PATH"]
