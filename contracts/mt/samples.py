"""A valid sample of every MT, between invented banks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from contracts.fields import make_iban
from contracts.mt.answers import Accepted, Refused, StatusNotice
from contracts.mt.limit_order import LimitOrder
from contracts.mt.registry import MtMessage

AZIPS_BIC = "NABZAZ2CRTS"
LIMIT_ORDER = LimitOrder(
    from_bic="EHRNAZ22",
    to_bic=AZIPS_BIC,
    reference="LIM261122000001",
    value_date=date(2026, 11, 22),
    amount_minor=25_000_050,
    participant_bic="EHRNAZ22",
    account=make_iban("NABZ", "6001"),
    system_bic="NABZAZ2CIPS",
)
_ANSWER = {"from_bic": AZIPS_BIC, "to_bic": "EHRNAZ22", "related_reference": LIMIT_ORDER.reference}

SAMPLES: Mapping[str, MtMessage] = {
    "205": LIMIT_ORDER,
    "196": Accepted(**_ANSWER, reference="RTS261122000007"),
    "158": Refused(**_ANSWER, reference="RTS261122000008", code="AM04", text="funds are not sufficient"),
    "298": StatusNotice(**_ANSWER, reference="RTS261122000009", sub_type="100", code="QUEUED", text="awaits funds"),
}
