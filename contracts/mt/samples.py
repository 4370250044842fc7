"""A valid sample of every MT, between invented banks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from contracts.fields import make_iban
from contracts.mt.answers import Accepted, Refused, StatusNotice
from contracts.mt.limit_order import LimitOrder
from contracts.mt.registry import MtMessage
from contracts.mt.transfer import CustomerTransfer, Side

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

TRANSFER = CustomerTransfer(
    from_bic="EHRNAZ22",
    to_bic=AZIPS_BIC,
    reference="P261122000000001",
    value_date=date(2026, 11, 22),
    amount_minor=12_345_678,
    debtor=Side(iban=make_iban("EHRN", "2001"), name="Herrac Emeliyyat Merkezi (numune)", bic="EHRNAZ22"),
    creditor=Side(iban=make_iban("XZRN", "3001"), name="Numunevi Sexs", bic="XZRNAZ22"),
    end_to_end_id="pay-lot-7-refund-b2",
    case_number="5-1/2026",
    text="Behin qaytarilmasi, lot 7",
)

SAMPLES: Mapping[str, MtMessage] = {
    "103": TRANSFER,
    "205": LIMIT_ORDER,
    "196": Accepted(**_ANSWER, reference="RTS261122000007"),
    "158": Refused(**_ANSWER, reference="RTS261122000008", code="AM04", text="funds are not sufficient"),
    "298": StatusNotice(**_ANSWER, reference="RTS261122000009", sub_type="100", code="QUEUED", text="awaits funds"),
}
