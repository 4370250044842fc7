"""Credit: what AÖS passes to us as creditor agent, confirmed only when a payment of ours awaits it; and its return.

A pacs.004 of ours is an order like any other. Silence leads to a question by the rail's profile
(`gateway.domain.asking`), never to failure, and never to a second pacs.004 while the first is not rejected by AÖS.

`data` is the credit and its states, `table` the table; its rows stand in `incoming`, `unknown` and `returns`, and what
follows from them in `effects`.
"""

from gateway.domain.credit import incoming, returns, unknown
from gateway.domain.credit.data import MESSAGE_ALIAS, RETURN_ALIAS
from gateway.domain.credit.table import TABLE

__all__ = ["MESSAGE_ALIAS", "RETURN_ALIAS", "TABLE", "incoming", "returns", "unknown"]
