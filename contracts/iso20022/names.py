"""Names and versions of our messages, in one place: a rail moves by a row here and a schema of that name."""

from __future__ import annotations

from enum import StrEnum


class MessageName(StrEnum):
    """Full name of each message we speak."""

    ORDER = "pacs.008.001.08"
    ORDER_STATUS = "pacs.002.001.10"
    RETURN = "pacs.004.001.09"
    ORDER_ENQUIRY = "pacs.028.001.03"
    REQUEST = "pain.001.001.09"
    REQUEST_STATUS = "pain.002.001.10"
    REQUEST_ENQUIRY = "pain.998.001.01"
    LIMIT_QUERY = "camt.009.001.07"
    LIMIT_REPORT = "camt.010.001.08"
    LIMIT_CHANGE = "camt.011.001.07"
    DAY_QUERY = "camt.018.001.05"
    DAY_REPORT = "camt.019.001.07"
    RECEIPT = "camt.025.001.05"
    RETURN_REFUSAL = "camt.029.001.09"
    COPY_REQUEST = "camt.033.001.06"
    ORDER_COPY = "camt.034.001.06"
    RETURN_REQUEST = "camt.056.001.08"
    STATEMENT_REQUEST = "camt.060.001.05"
    PROPRIETARY = "camt.998.001.03"  # statement (TRANSREP) or free text (TEXTMESSAGE)


URN = "urn:iso:std:iso:20022:tech:xsd:"


def namespace(name: str) -> str:
    """A message's namespace as lxml writes it before an element's name."""
    return f"{{{URN}{name}}}"
