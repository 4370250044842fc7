"""The table of a credit; the rows stand in the modules beside."""

from __future__ import annotations

from gateway.domain.credit.data import Credit, CreditState
from gateway.domain.table import StateTable

_S = CreditState
TABLE = StateTable(
    "credit",
    Credit,
    CreditState,
    final=(_S.SETTLED, _S.RELEASED, _S.RETURNED),
    waiting_for_person=(_S.UNMATCHED, _S.UNRESOLVED, _S.RETURN_ASKED, _S.RETURN_UNRESOLVED),
    scheduled=(_S.AUTHORISED, _S.UNKNOWN, _S.RETURNING, _S.RETURN_SENT, _S.RETURN_UNKNOWN),
    quoted=lambda credit: (credit.end_to_end_id, credit.transaction_id, credit.request_id),
)
RETURN_OPEN = (_S.RETURNING, _S.RETURN_SENT, _S.RETURN_UNKNOWN, _S.RETURN_UNRESOLVED)
AFTER_SETTLING = (_S.SETTLED, _S.RETURN_ASKED, *RETURN_OPEN, _S.RETURNED)
