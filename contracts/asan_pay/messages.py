"""The messages of Asan Pay. Amounts are AZN as strings with two decimals; moments are RFC 3339 with their offset."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from contracts.fields import (
    AccountModel,
    Id,
    Instant,
    MessageId,
    Name,
    PositiveAmount,
    Reference,
    TaxId,
    Text,
    WireModel,
)

InvoiceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,119}$")]  # our collection's id
InvoiceState = Literal["open", "paid", "cancelled"]
InvoicePurpose = Literal["deposit", "participation_fee", "final_amount"]  # beh, iştirak haqqı, yekun məbləğ


def _day(value: object) -> object:
    return date.fromisoformat(value) if isinstance(value, str) else value


class Payer(WireModel):
    """Who is to pay, or who paid: VÖEN of a legal person, FIN of a natural one."""

    name: Name
    tax_id: TaxId


class InvoiceRequest(WireModel):
    """Gateway to Asan Pay: collect this. `invoice_id` is ours, one for one collection.

    `case_number` is the registration number of the enforcement case (EHR-12): printed on the invoice and repeated in
    the notification.
    """

    invoice_id: InvoiceId
    lot_id: Id
    purpose: InvoicePurpose
    amount: PositiveAmount
    currency: Literal["AZN"] = "AZN"
    payer: Payer
    payee: AccountModel
    case_number: Reference | None = None
    due: Instant


class InvoiceAnswer(WireModel):
    """Asan Pay to gateway: the invoice's number there, under which the payer finds it."""

    number: Reference
    invoice_id: InvoiceId
    state: InvoiceState


class CancellationRequest(WireModel):
    """Gateway to Asan Pay: take an unpaid invoice back."""

    invoice_id: InvoiceId
    reason: Text


class PaymentNotification(WireModel):
    """Asan Pay to gateway, at once after a payment and again until we answer 2xx.

    `operation_number` is Asan Pay's own number of the payment (statute: date, time and operation number).
    """

    notification_id: MessageId
    invoice_number: Reference
    invoice_id: InvoiceId
    operation_number: Reference
    paid_at: Instant
    amount: PositiveAmount
    currency: Literal["AZN"] = "AZN"
    payer: Payer
    case_number: Reference | None = None


class NotificationAnswer(WireModel):
    """Gateway to Asan Pay: written down. `repeated` when the same notification came before."""

    notification_id: MessageId
    invoice_id: InvoiceId
    state: Name
    accepted_at: Instant
    repeated: bool


class SettlementEntry(WireModel):
    """One payment of the day."""

    invoice_number: Reference
    invoice_id: InvoiceId
    operation_number: Reference
    paid_at: Instant
    amount: PositiveAmount
    payee_iban: str
    case_number: Reference | None = None


class SettlementList(WireModel):
    """Asan Pay to gateway: all payments of one day in Baku, for the matching at its end (PSP-7.8)."""

    day: Annotated[date, BeforeValidator(_day)]
    currency: Literal["AZN"] = "AZN"
    count: Annotated[int, Field(ge=0)]
    total: str
    entries: tuple[SettlementEntry, ...]
