"""What AÖS says to us: ISO 20022 messages to the noun they speak to and what happened to it. Pure.

A status is matched by the id of the message it speaks of: ids with our own address are our payments, all others are
credits passed to us. So a status for a message we never sent meets no payment and is refused (REFERENCE_UNKNOWN), and
a credit under such an id is not taken: nobody could tell what AÖS says of it from what it says of ours. What else a
status says of its order goes along, for the noun to compare (`Named`).
What changes nothing (still in process, a repetition refused, a receipt for an enquiry) is heard as None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022 import (
    CreditTransfer,
    DayReport,
    LimitReport,
    OrderCopy,
    OrderStatus,
    PaymentReturn,
    Reason,
    ReasonCode,
    Receipt,
    ReceiptCode,
    RequestStatus,
    ReturnRefusal,
    ReturnRequest,
    Statement,
    StatusKind,
    TextMessage,
    TransactionState,
)
from contracts.iso20022.names import MessageName
from gateway.domain import deficiency as deficiencies
from gateway.domain import inquiry as inquiries
from gateway.domain import payment as payments
from gateway.domain.asking import ENQUIRY_ALIAS
from gateway.domain.credit import data as credits
from gateway.domain.dispatches import InformationKind, PaymentKind
from gateway.domain.events.credit import GaveBack, Offered, RecallAsked, Released, ReturnOffered, ReturnRejected
from gateway.domain.events.credit import Settled as CreditSettled
from gateway.domain.events.order import EnquiryRefused
from gateway.domain.events.payment import Consented, Named, Rail, RecallRefused, Rejected, Settled
from gateway.domain.inquiry import QUESTION_ALIAS as QUESTION
from gateway.domain.inquiry import Answered, CopyReceived, Told
from gateway.domain.liquidity import QUESTION_ALIAS as LIMIT_ALIAS
from gateway.domain.liquidity import RaiseRefused, Stood
from gateway.domain.money import Money
from gateway.domain.table import ByAlias
from gateway.doors.heard import Heard
from gateway.ports import Target

_REASON_MAX = 300


def hear(message: Any, own_address: str) -> Heard | None:
    """What an incoming message means; None where it changes nothing.

    Raises:
        RefusedError: NOT_PERMITTED, this is not a message AÖS sends to an initiator or agent like us; ID_CONFLICT, an
            order of somebody else's under an id of ours.
    """
    match message:
        case CreditTransfer() | PaymentReturn() if message.message_id.startswith(own_address):
            raise refuse(ErrorCode.ID_CONFLICT, id=message.message_id)
        case CreditTransfer():
            return _offered(message)
        case PaymentReturn() | ReturnRequest() | ReturnRefusal():
            return _case(message)
        case OrderStatus(kind=StatusKind.STAT | StatusKind.RJCT):
            return _order_status(message, own_address)
        case RequestStatus(kind=StatusKind.STAT | StatusKind.RJCT | StatusKind.NAUT | StatusKind.ACSP):
            return _request_status(message)
        case LimitReport() | DayReport() | Statement() | OrderCopy() | TextMessage():
            return _told(message)
        case Receipt():
            return _receipt(message)
    raise refuse(ErrorCode.NOT_PERMITTED, operation=type(message).__name__, participant="AOS")


def _case(message: PaymentReturn | ReturnRequest | ReturnRefusal) -> Heard:
    match message:
        case PaymentReturn():
            return _offered_back(message)
        case ReturnRequest():
            return _asked_back(message)
        case ReturnRefusal():
            return _not_given_back(message)


def _offered(transfer: CreditTransfer) -> Heard:
    """AOS-P2: we are the creditor agent and asked to confirm; the credit decides, known reference or not."""
    return Heard(
        target=Target(noun="credit", id=credits.credit_id(transfer.message_id)),
        event=Offered(
            message_id=transfer.message_id,
            end_to_end_id=transfer.end_to_end_id,
            transaction_id=transfer.transaction_id,
            amount=Money(transfer.amount_minor),
            debtor_name=transfer.debtor.name,
            debtor_iban=transfer.debtor.iban,
            creditor_iban=transfer.creditor.iban,
            case_number=transfer.case_number,
            debtor_bic=transfer.debtor.bic,
            creditor_name=transfer.creditor.name,
        ),
    )


def _offered_back(order: PaymentReturn) -> Heard:
    """AOS-T2: we are the debtor agent of what is returned; the money goes from its creditor back to its debtor."""
    return Heard(
        target=Target(noun="credit", id=credits.credit_id(order.message_id)),
        event=ReturnOffered(
            message_id=order.message_id,
            end_to_end_id=order.original_end_to_end_id,
            transaction_id=order.original_transaction_id,
            amount=Money(order.amount_minor),
            debtor_name=order.creditor.name,
            debtor_iban=order.creditor.iban,
            creditor_iban=order.debtor.iban,
            case_number=order.case_number,
            debtor_bic=order.creditor.bic,
            creditor_name=order.debtor.name,
            returned_message_id=order.original_message_id,
        ),
    )


def _asked_back(request: ReturnRequest) -> Heard:
    """AOS-T6: we are the creditor agent."""
    code, reason = _words(request.reasons)
    return Heard(
        target=Target(noun="credit", id=ByAlias(credits.MESSAGE_ALIAS, request.original_message_id)),
        event=RecallAsked(request_id=request.message_id, requester_bic=request.from_bic, code=code, reason=reason),
    )


def _not_given_back(refusal: ReturnRefusal) -> Heard:
    """AOS-T6, AOS-R4: the no to a request of ours."""
    code, reason = _words(refusal.reasons)
    return Heard(
        target=Target(noun="payment", id=ByAlias(payments.RECALL_ALIAS, refusal.request_message_id)),
        event=RecallRefused(code=code, reason=reason),
    )


def _return_status(status: OrderStatus) -> Heard | None:
    """AOS-T4, AOS-T5, AOS-R3: of a return of ours."""
    target = Target(noun="credit", id=ByAlias(credits.RETURN_ALIAS, status.original_message_id))
    if status.state is TransactionState.ACSC:
        gave = GaveBack(return_id=status.original_message_id, end_to_end_id=status.original_end_to_end_id)
        return Heard(target=target, event=gave)
    if status.state is TransactionState.RJCT:
        code, reason = _words(status.reasons)
        rejected = ReturnRejected(
            return_id=status.original_message_id,
            code=code,
            reason=reason,
            told_at=status.created_at,
            asked=status.kind is StatusKind.STAT,
            end_to_end_id=status.original_end_to_end_id,
        )
        return Heard(target=target, event=rejected)
    return None


def _order_status(status: OrderStatus, own_address: str) -> Heard | None:
    """AOS-P4, AOS-P5, AOS-I1, AOS-R1."""
    if _is_repetition(status.reasons):
        return None
    if not status.original_message_id.startswith(own_address):
        return _credit_status(status)
    if status.original_message_name == MessageName.RETURN:
        return _return_status(status)
    target = _payment(status.original_message_id)
    if status.state is TransactionState.ACSC:
        reference = status.original_transaction_id or status.original_message_id
        return Heard(target=target, event=_settled(status, reference))
    if status.state is TransactionState.RJCT:
        return Heard(target=target, event=_rejected(status, asked=status.kind is StatusKind.STAT))
    return None


def _credit_status(status: OrderStatus) -> Heard | None:
    target = Target(noun="credit", id=ByAlias(credits.MESSAGE_ALIAS, status.original_message_id))
    named = status.original_end_to_end_id
    if status.state is TransactionState.ACSC:
        return Heard(target=target, event=CreditSettled(settled_at=status.created_at, end_to_end_id=named))
    if status.state is TransactionState.RJCT:
        code, reason = _words(status.reasons)
        return Heard(target=target, event=Released(code=code, reason=reason, end_to_end_id=named))
    return None


def _request_status(status: RequestStatus) -> Heard | None:
    """AOS-P7, AOS-I2: consent keeps its MSID and is not money; STAT is."""
    if _is_repetition(status.reasons):
        return None
    target = _payment(status.original_message_id)
    match status.state:
        case TransactionState.ACSC:
            reference = status.msid or status.original_end_to_end_id
            return Heard(target=target, event=_settled(status, reference))
        case TransactionState.ACSP:
            consented = Consented(msid=status.msid, order_id=status.original_message_id, named=_named(status))
            return Heard(target=target, event=consented)
        case TransactionState.RJCT:
            return Heard(target=target, event=_rejected(status, asked=status.kind is StatusKind.STAT))
    return None


def hear_copy(message: Any) -> Heard | None:
    """A copy that AÖS sends by itself (AOS-P6): of an order between others, nothing to confirm."""
    if not isinstance(message, CreditTransfer | PaymentReturn):
        return None
    target = Target(noun="inquiry", id=f"copy.{message.message_id}")
    return Heard(target=target, event=_copied(message, message.created_at))


def _copied(order: CreditTransfer | PaymentReturn, at: datetime) -> CopyReceived:
    of_return = isinstance(order, PaymentReturn)
    end_to_end_id = order.original_end_to_end_id if isinstance(order, PaymentReturn) else order.end_to_end_id
    transaction_id = order.return_id if isinstance(order, PaymentReturn) else order.transaction_id
    amount = Money(order.amount_minor)
    return CopyReceived(
        summary=f"{order.message_id} {end_to_end_id} {amount} {order.debtor.iban} → {order.creditor.iban}",
        told_at=at,
        end_to_end_id=end_to_end_id,
        transaction_id=transaction_id,
        amount=amount,
        debtor_iban=order.debtor.iban,
        creditor_iban=order.creditor.iban,
        case_number=order.case_number,
        of_return=of_return,
    )


def _stood(report: LimitReport) -> Heard:
    """AOS-L5, AOS-L6: an answer, a change or a warning, of one of our accounts."""
    stood = Stood(limit=Money(report.limit_minor), available=Money(report.available_minor))
    return Heard(target=Target(noun="liquidity", id=report.account), event=stood)


def _told(message: LimitReport | DayReport | Statement | OrderCopy | TextMessage) -> Heard:
    match message:
        case LimitReport():
            return _stood(message)
        case DayReport():
            return _answered(QUESTION, message.original_message_id, f"{message.day}", message.created_at)
        case OrderCopy():
            asked = ByAlias(inquiries.COPY_ALIAS, message.original_message_id)
            return Heard(target=Target(noun="inquiry", id=asked), event=_copied(message.order, message.created_at))
        case TextMessage():
            target = Target(noun="inquiry", id=f"text.{message.message_id}")
            text = f"{message.from_bic}: {message.text}"
            return Heard(target=target, event=Told(kind=InformationKind.TEXT, summary=text, told_at=message.created_at))
        case Statement():
            return _statement(message)


def _statement(statement: Statement) -> Heard:
    """AOS-I4 asked, AOS-I8 at the end of the day; each page says its number."""
    opening, closing = Decimal(statement.opening_minor).scaleb(-2), Decimal(statement.closing_minor).scaleb(-2)
    summary = f"{statement.day} p{statement.page}: {opening} → {closing}, {len(statement.entries)}"
    if statement.original_message_id is not None:
        return _answered(QUESTION, statement.original_message_id, summary, statement.created_at)
    target = Target(noun="inquiry", id=f"statement.{statement.account}.{statement.day}.{statement.page}")
    told = Told(kind=InformationKind.STATEMENT, summary=summary, told_at=statement.created_at)
    return Heard(target=target, event=told)


def _answered(scheme: str, question: str, summary: str, at: datetime) -> Heard:
    return Heard(
        target=Target(noun="inquiry", id=ByAlias(scheme, question)), event=Answered(summary=summary, told_at=at)
    )


def _receipt(receipt: Receipt) -> Heard | None:
    """AOS-R2: a refused payment request; AOS-R5: a question or a report of ours that AÖS does not take."""
    if receipt.code is ReceiptCode.ERRC:
        refused = _ERRORS.get(receipt.original_message_name)
        return None if refused is None else refused(receipt)
    if receipt.original_message_name != MessageName.REQUEST or _is_repetition(receipt.reasons):
        return None
    return Heard(target=_payment(receipt.original_message_id), event=_rejected(receipt))


def _enquiry_refused(receipt: Receipt) -> Heard:
    """An order that AÖS has never seen among them. A payment or a credit has asked: the name says which."""
    code, reason = _words(receipt.reasons)
    asked = Target(noun=None, id=ByAlias(ENQUIRY_ALIAS, receipt.original_message_id))
    return Heard(target=asked, event=EnquiryRefused(enquiry_id=receipt.original_message_id, code=code, reason=reason))


def _limit_refused(receipt: Receipt) -> Heard:
    code, reason = _words(receipt.reasons)
    account = Target(noun="liquidity", id=ByAlias(LIMIT_ALIAS, receipt.original_message_id))
    return Heard(target=account, event=RaiseRefused(code=code, reason=reason))


def _report_refused(receipt: Receipt) -> Heard:
    code, reason = _words(receipt.reasons)
    reported = Target(noun="deficiency", id=ByAlias(deficiencies.REPORT_ALIAS, receipt.original_message_id))
    return Heard(target=reported, event=deficiencies.ReportRefused(code=code, reason=reason))


def _inquiry_refused(receipt: Receipt) -> Heard:
    code, reason = _words(receipt.reasons)
    asked = Target(noun="inquiry", id=ByAlias(QUESTION, receipt.original_message_id))
    return Heard(target=asked, event=inquiries.InquiryRefused(code=code, reason=reason))


_ERRORS: Mapping[str, Callable[[Receipt], Heard]] = {
    MessageName.ORDER_ENQUIRY: _enquiry_refused,
    MessageName.REQUEST_ENQUIRY: _enquiry_refused,
    MessageName.LIMIT_QUERY: _limit_refused,
    MessageName.LIMIT_CHANGE: _limit_refused,
    MessageName.PROPRIETARY: _report_refused,
    MessageName.DAY_QUERY: _inquiry_refused,
    MessageName.STATEMENT_REQUEST: _inquiry_refused,
    MessageName.COPY_REQUEST: _inquiry_refused,
}


def _payment(message_id: str) -> Target:
    return Target(noun="payment", id=ByAlias(payments.MESSAGE_ALIAS, message_id))


def _is_repetition(reasons: tuple[Reason, ...]) -> bool:
    """AOS-C3 refused our second copy: that says nothing of the first."""
    return any(reason.code == ReasonCode.AM05 for reason in reasons)


def _settled(status: OrderStatus | RequestStatus, reference: str) -> Settled:
    return Settled(
        reference=reference,
        settled_at=status.created_at,
        order_id=status.original_message_id,
        named=_named(status),
    )


def _rejected(told: OrderStatus | RequestStatus | Receipt, *, asked: bool = False) -> Rejected:
    """`asked`: pacs.028 and pain.998 are answered with STAT, whatever became of the order (AOS-I1, AOS-I2)."""
    code, reason = _words(told.reasons)
    return Rejected(
        code=code,
        reason=reason,
        order_id=told.original_message_id,
        told_at=told.created_at,
        asked=asked,
        named=_named(told),
    )


def _named(told: OrderStatus | RequestStatus | Receipt) -> Named:
    """pacs.002 speaks of a pacs.008, pain.002 and camt.025 of a pain.001; a receipt names no more than its id."""
    kind = PaymentKind.TRANSFER if isinstance(told, OrderStatus) else PaymentKind.REQUEST
    end_to_end_id = None if isinstance(told, Receipt) else told.original_end_to_end_id
    return Named(rail=Rail.AOS, kind=kind, end_to_end_id=end_to_end_id)


def _words(reasons: tuple[Reason, ...]) -> tuple[str, str]:
    """The first code is the code; its words and the further reasons are the explanation."""
    if not reasons:
        return StatusKind.RJCT.value, ""
    first, *others = reasons
    words = [first.text, *(f"{reason.code} {reason.text}".strip() for reason in others)]
    return first.code, "; ".join(word for word in words if word)[:_REASON_MAX]
