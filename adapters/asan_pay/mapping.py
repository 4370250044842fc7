"""Domain to Asan Pay's messages, and Asan Pay's answers to outcomes. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.asan_pay import codec
from contracts.asan_pay.messages import CancellationRequest, InvoiceAnswer, InvoiceRequest, Payer
from contracts.errors.refusal import RefusedError
from contracts.fields import AccountModel
from contracts.json import parse_json
from gateway.domain.dispatches import InvoiceCancellation, InvoiceOrder
from gateway.domain.events.collection import Invoiced, InvoiceRefused
from gateway.domain.values import Account
from gateway.ports import Acknowledged, NotSent, Outcome, Refused, Unknown
from gateway.wire.patience import retry_after_s

AsanPayBody = InvoiceOrder | InvoiceCancellation

_TRY_LATER = frozenset({408, 425, 429, 503})  # said before anything was done
_REASON_MAX = 300


def invoice_request(order: InvoiceOrder) -> InvoiceRequest:
    """What Asan Pay is asked to collect.

    Raises:
        ValueError: a value that the contract does not allow (a tax id of the wrong form, for example).
    """
    return InvoiceRequest(
        invoice_id=order.collection_id,
        lot_id=order.lot_id,
        purpose=order.purpose.value,
        amount=str(order.amount),
        payer=Payer(name=order.payer_name, tax_id=order.payer_tax_id),
        payee=_account(order.payee),
        case_number=order.case_number,
        due=order.due,
    )


def cancellation_request(order: InvoiceCancellation) -> CancellationRequest:
    """Which invoice is taken back. Raises ValueError as `invoice_request`."""
    return CancellationRequest(invoice_id=order.collection_id, reason=order.reason)


def unwritable(body: AsanPayBody, fault: ValueError) -> Refused:
    """Our own order cannot be said in the contract: final, and never sent."""
    return _refused(body, "SCHEMA_INVALID", str(fault))


def outcome(body: AsanPayBody, status: int, headers: Mapping[str, str], content: bytes) -> Outcome:
    """What a verified answer means for the dispatch.

    `headers` by lower-case name. Anything that does not say what became of the order is unknown: the same
    idempotency key is sent again.
    """
    if status in _TRY_LATER:
        return NotSent(reason=f"Asan Pay answered {status}", retry_after_s=retry_after_s(headers))
    if 400 <= status < 500:
        return _refused(body, *_problem(status, content))
    if status not in {200, 201}:
        return Unknown(reason=f"Asan Pay answered {status}")
    return _accepted(body, content)


def _accepted(body: AsanPayBody, content: bytes) -> Outcome:
    try:
        answer = codec.read(InvoiceAnswer, content)
    except RefusedError as error:
        return Unknown(reason=f"the answer could not be read: {error.refusal.code}")
    if answer.invoice_id != body.collection_id:
        return Unknown(reason="the answer speaks of another invoice")
    if isinstance(body, InvoiceCancellation):
        return Acknowledged()
    return Acknowledged(event=Invoiced(number=answer.number))


def _refused(body: AsanPayBody, code: str, reason: str) -> Refused:
    """A collection must learn that it has no invoice; a cancellation that came too late waits for the money's news."""
    reason = reason[:_REASON_MAX]
    event = InvoiceRefused(code=code, reason=reason) if isinstance(body, InvoiceOrder) else None
    return Refused(code=code, reason=reason, event=event)


def _problem(status: int, content: bytes) -> tuple[str, str]:
    """Code and sentence of a problem document (RFC 9457), as far as there is one."""
    try:
        problem = parse_json(content)
    except RefusedError:
        problem = None
    if not isinstance(problem, dict):
        return f"HTTP_{status}", f"Asan Pay answered {status}"
    code, detail = problem.get("code"), problem.get("detail")
    return (
        code if isinstance(code, str) and code else f"HTTP_{status}",
        detail if isinstance(detail, str) and detail else f"Asan Pay answered {status}",
    )


def _account(account: Account) -> AccountModel:
    return AccountModel(holder=account.holder, iban=account.iban, bic=account.bic, tax_id=account.tax_id)
