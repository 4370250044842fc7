"""A person's word on one payment or credit: which, of how much, to whom, and what is to become of it (VLT-3.2).

It travels as the one file of a sealed container, so that who said it and when is verified with it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from contracts.fields import (
    AMOUNT_PATTERN,
    IBAN_PATTERN,
    SUBJECT_ID_PATTERN,
    TEXT_MAX,
    TEXT_PATTERN,
    WireModel,
    validated,
)
from contracts.json import parse_json

FILE_NAME = "decision.json"
MEDIA_TYPE = "application/json"


class Decision(StrEnum):
    """What a person may say of a payment."""

    APPROVE = "approve"
    DECLINE = "decline"
    RECALL = "recall"  # a settled payment is asked back (AOS-M4)
    GIVE_BACK = "give_back"  # a credit, asked back by its payer's bank (AOS-M3)
    KEEP = "keep"  # the same, refused (AOS-T6)


class MoneyStatement(WireModel):
    """Amount and account are what the person has seen; the payment must be of exactly these."""

    about: Literal["payment", "credit"] = "payment"
    decision: Annotated[Decision, Field(strict=False)]
    subject_id: Annotated[str, StringConstraints(pattern=SUBJECT_ID_PATTERN)]
    amount: Annotated[str, StringConstraints(pattern=AMOUNT_PATTERN)]  # AZN
    creditor_iban: Annotated[str, StringConstraints(pattern=IBAN_PATTERN)]
    reason: Annotated[str, StringConstraints(pattern=TEXT_PATTERN, max_length=TEXT_MAX)] | None = None


def write(statement: MoneyStatement) -> bytes:
    """JSON, UTF-8."""
    return statement.model_dump_json(exclude_none=True).encode()


def read(data: bytes) -> MoneyStatement:
    """The statement.

    Raises:
        RefusedError: JSON_MALFORMED or SCHEMA_INVALID with its place.
    """
    return validated(MoneyStatement, parse_json(data))
