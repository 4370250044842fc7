"""Payment: one order for the instant rail and what is known of its outcome.

Not knowing is a state: silence leads to UNKNOWN, and only an answer or a person leads out of it. No timer or counter
makes a payment fail, and the ids fixed at the order are the only ones ever sent.

`data` is the payment and its states, `table` the table; its rows stand in `ordering`, `outcome`, `unknown` and
`returns`, in the order of a payment's life, what may not be done in `checks`, what follows in `effects`, the day of an
order in `days`.
"""

from gateway.domain.payment import ordering, outcome, returns, unknown
from gateway.domain.payment.table import AZIPS_ALIAS, MESSAGE_ALIAS, RECALL_ALIAS, TABLE, azips_reference

__all__ = [
    "AZIPS_ALIAS",
    "MESSAGE_ALIAS",
    "RECALL_ALIAS",
    "TABLE",
    "azips_reference",
    "ordering",
    "outcome",
    "returns",
    "unknown",
]
