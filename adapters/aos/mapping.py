"""What leaves for AÖS: domain dispatches to ISO 20022 messages, and AÖS's transport answers to outcomes. Pure.

Ids, amounts and the case number (EHR-12) are carried as the domain fixed them; nothing is invented here but what the
profile prescribes: the execution day is the order's day in Baku (AOS-C2), so a resend is the same message.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from contracts.errors.refusal import RefusedError
from contracts.iso20022 import (
    CopyRequest,
    CreditTransfer,
    DayQuery,
    Holder,
    LimitChange,
    LimitQuery,
    MessageName,
    OrderEnquiry,
    OrderStatus,
    PaymentRequest,
    PaymentReturn,
    Reason,
    RequestEnquiry,
    ReturnRefusal,
    ReturnRequest,
    StatementRequest,
    StatusKind,
    TextMessage,
)
from contracts.iso20022.codes import STATE_OF_KIND
from contracts.json import parse_json
from gateway.domain.clock import format_instant, local_date
from gateway.domain.deficiency import Reported
from gateway.domain.dispatches import (
    CreditAnswer,
    CreditEnquiry,
    DeficiencyReport,
    InformationKind,
    InformationQuery,
    LimitSetting,
    PaymentEnquiry,
    PaymentKind,
    PaymentOrder,
    RecallOrder,
    RecallRefusal,
    ReturnOrder,
    StandingQuery,
)
from gateway.domain.events.order import EnquirySent, OutcomeUnknown, Sent
from gateway.domain.table import Event
from gateway.domain.values import Account
from gateway.ports import Acknowledged, NotSent, Outcome, Refused, Unknown
from gateway.wire.patience import retry_after_s

AosBody = (
    PaymentOrder
    | PaymentEnquiry
    | CreditAnswer
    | CreditEnquiry
    | RecallOrder
    | RecallRefusal
    | ReturnOrder
    | InformationQuery
    | StandingQuery
    | LimitSetting
    | DeficiencyReport
)

_TRY_LATER = frozenset({408, 425, 429, 503})  # said before anything was done
_ACCEPTED = 202
_BY_CUSTOMER, _FOLLOWING_RECALL = "CUST", "FOCR"  # ISO's words for why
_REASON_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RailProfile:
    """Who we and AÖS are on the rail (facts.md); settings, never constants."""

    own_bic: str
    system_bic: str = "NABZAZ2CIPS"
    central_bank_bic: str = "NABZAZ2C"  # takes reports of deficiencies


def message_for(body: AosBody, profile: RailProfile) -> Any:
    """The message that says this dispatch.

    Raises:
        RefusedError: never here; the profile schema judges when it is sealed.
    """
    return _WRITERS[type(body)](body, profile)


def _order(order: PaymentOrder, profile: RailProfile) -> PaymentRequest | CreditTransfer:
    return (_request if order.kind is PaymentKind.REQUEST else _transfer)(order, profile)


def _enquiry(enquiry: PaymentEnquiry, profile: RailProfile) -> OrderEnquiry | RequestEnquiry:
    return (_request_enquiry if enquiry.kind is PaymentKind.REQUEST else _order_enquiry)(enquiry, profile)


def _request(order: PaymentOrder, profile: RailProfile) -> PaymentRequest:
    """AOS-M2: we are the initiator."""
    return PaymentRequest(
        message_id=order.message_id,
        created_at=order.created_at,
        initiating_bic=profile.system_bic,
        forwarding_bic=profile.own_bic,
        payment_information_id=order.transaction_id,
        instruction_id=order.transaction_id,
        end_to_end_id=order.end_to_end_id,
        amount_minor=order.amount.minor,
        execution_date=local_date(order.created_at),
        debtor=_holder(order.debtor),
        creditor=_holder(order.creditor),
        purpose=order.purpose,
        case_number=order.case_number,
    )


def _transfer(order: PaymentOrder, profile: RailProfile) -> CreditTransfer:
    """AOS-M1: we are the debtor agent."""
    return CreditTransfer(
        message_id=order.message_id,
        created_at=order.created_at,
        instructing_bic=profile.own_bic,
        instructed_bic=order.creditor.bic,
        end_to_end_id=order.end_to_end_id,
        transaction_id=order.transaction_id,
        amount_minor=order.amount.minor,
        settlement_date=local_date(order.created_at),
        debtor=_holder(order.debtor),
        creditor=_holder(order.creditor),
        purpose=order.purpose,
        case_number=order.case_number,
    )


def _order_enquiry(enquiry: PaymentEnquiry, profile: RailProfile) -> OrderEnquiry:
    """AOS-I1."""
    return OrderEnquiry(
        message_id=enquiry.message_id,
        created_at=enquiry.created_at,
        instructing_bic=profile.own_bic,
        instructed_bic=profile.system_bic,
        original_message_id=enquiry.original_message_id,
        original_message_name=MessageName.ORDER,
        original_end_to_end_id=enquiry.original_end_to_end_id,
        original_transaction_id=enquiry.original_transaction_id,
    )


def _credit_enquiry(enquiry: CreditEnquiry, profile: RailProfile) -> OrderEnquiry:
    """AOS-I1: as creditor agent of an order, or as either agent of a return."""
    return OrderEnquiry(
        message_id=enquiry.message_id,
        created_at=enquiry.created_at,
        instructing_bic=profile.own_bic,
        instructed_bic=profile.system_bic,
        original_message_id=enquiry.original_message_id,
        original_message_name=MessageName.RETURN if enquiry.of_return else MessageName.ORDER,
        original_end_to_end_id=enquiry.original_end_to_end_id,
        original_transaction_id=enquiry.original_transaction_id,
    )


def _request_enquiry(enquiry: PaymentEnquiry, _: RailProfile) -> RequestEnquiry:
    """AOS-I2."""
    return RequestEnquiry(
        message_id=enquiry.message_id,
        created_at=enquiry.created_at,
        original_message_id=enquiry.original_message_id,
        original_instruction_id=enquiry.original_transaction_id,
        original_end_to_end_id=enquiry.original_end_to_end_id,
    )


def _answer(answer: CreditAnswer, profile: RailProfile) -> OrderStatus:
    """AOS-P3: our word as creditor agent."""
    kind = StatusKind.AUTH if answer.authorised else StatusKind.NAUT
    return OrderStatus(
        message_id=answer.message_id,
        created_at=answer.created_at,
        instructing_bic=profile.own_bic,
        instructed_bic=profile.system_bic,
        original_message_id=answer.original_message_id,
        original_message_name=MessageName.RETURN if answer.of_return else MessageName.ORDER,
        kind=kind,
        state=STATE_OF_KIND[kind],
        original_end_to_end_id=answer.original_end_to_end_id,
        original_transaction_id=answer.original_transaction_id,
        reasons=(Reason(code=answer.reason),) if answer.reason else (),
    )


def _recall(order: RecallOrder, profile: RailProfile) -> ReturnRequest:
    """AOS-M4."""
    return ReturnRequest(
        message_id=order.message_id,
        created_at=order.created_at,
        from_bic=profile.own_bic,
        to_bic=order.creditor_bic,
        original_message_id=order.original_message_id,
        original_end_to_end_id=order.original_end_to_end_id,
        original_transaction_id=order.original_end_to_end_id,
        amount_minor=order.amount.minor,
        settlement_date=order.paid_on,
        reasons=(Reason(code=_BY_CUSTOMER, text=order.reason),),
    )


def _recall_refusal(refusal: RecallRefusal, profile: RailProfile) -> ReturnRefusal:
    """AOS-T6."""
    return ReturnRefusal(
        message_id=refusal.message_id,
        created_at=refusal.created_at,
        from_bic=profile.own_bic,
        to_bic=refusal.requester_bic,
        request_message_id=refusal.request_id,
        requester_bic=refusal.requester_bic,
        reasons=(Reason(code=refusal.code, text=refusal.reason),),
        original_message_id=refusal.original_message_id,
        original_end_to_end_id=refusal.original_end_to_end_id,
        original_transaction_id=refusal.original_transaction_id,
    )


def _return(order: ReturnOrder, profile: RailProfile) -> PaymentReturn:
    """AOS-M3: we are the creditor agent."""
    return PaymentReturn(
        message_id=order.message_id,
        created_at=order.created_at,
        instructing_bic=profile.own_bic,
        instructed_bic=order.debtor.bic,
        return_id=order.message_id,
        original_message_id=order.original_message_id,
        original_end_to_end_id=order.original_end_to_end_id,
        original_transaction_id=order.original_transaction_id,
        amount_minor=order.amount.minor,
        settlement_date=local_date(order.created_at),
        debtor=_holder(order.debtor),
        creditor=_holder(order.creditor),
        reasons=(Reason(code=_FOLLOWING_RECALL),),
        case_number=order.case_number,
    )


def _information_query(query: InformationQuery, profile: RailProfile) -> DayQuery | StatementRequest | CopyRequest:
    """AOS-I3, AOS-I4, AOS-I6."""
    if query.kind is InformationKind.STATEMENT and query.account is not None and query.day is not None:
        return StatementRequest(
            message_id=query.message_id,
            created_at=query.created_at,
            owner_bic=profile.own_bic,
            account=query.account,
            day=query.day,
        )
    if query.kind is InformationKind.COPY and query.order_id is not None:
        return CopyRequest(
            message_id=query.message_id,
            created_at=query.created_at,
            from_bic=profile.own_bic,
            to_bic=profile.system_bic,
            original_message_id=query.order_id,
        )
    return DayQuery(message_id=query.message_id, created_at=query.created_at)


def _standing_query(query: StandingQuery, profile: RailProfile) -> LimitQuery:
    """AOS-L6."""
    return LimitQuery(
        message_id=query.message_id, created_at=query.created_at, owner_bic=profile.own_bic, account=query.account
    )


def _limit_setting(setting: LimitSetting, profile: RailProfile) -> LimitChange:
    """AOS-L2, AOS-L3."""
    return LimitChange(
        message_id=setting.message_id,
        created_at=setting.created_at,
        owner_bic=profile.own_bic,
        account=setting.account,
        limit_minor=setting.limit.minor,
    )


def _report(report: DeficiencyReport, profile: RailProfile) -> TextMessage:
    """AOS-S2, said as AOS-I7: the one way to the central bank that is open at any hour."""
    text = _notices()["deficiency"].format(
        found_at=format_instant(report.found_at), code=report.code, sha256=report.sha256
    )
    return TextMessage(
        message_id=report.message_id,
        created_at=report.found_at,
        from_bic=profile.own_bic,
        to_bic=profile.central_bank_bic,
        text=text,
    )


_WRITERS: Mapping[type[Any], Callable[[Any, RailProfile], Any]] = {
    PaymentOrder: _order,
    PaymentEnquiry: _enquiry,
    CreditAnswer: _answer,
    CreditEnquiry: _credit_enquiry,
    RecallOrder: _recall,
    RecallRefusal: _recall_refusal,
    ReturnOrder: _return,
    InformationQuery: _information_query,
    StandingQuery: _standing_query,
    LimitSetting: _limit_setting,
    DeficiencyReport: _report,
}


@cache
def _notices() -> dict[str, str]:
    table: dict[str, str] = tomllib.loads(resources.files(__package__).joinpath("notices.toml").read_text("utf-8"))
    return table


def _holder(account: Account) -> Holder:
    return Holder(name=account.holder, iban=account.iban, bic=account.bic, tax_id=account.tax_id)


def unwritable(fault: RefusedError) -> Refused:
    """Our own order cannot be said in the profile: never sent, and a person must look."""
    facts = "; ".join(f"{name}={value}" for name, value in fault.refusal.facts.items())
    return Refused(code=fault.refusal.code, reason=facts[:_REASON_MAX])


def silence(body: AosBody, reason: str) -> Unknown:
    """It may have arrived: who moves money asks what became of it; all else is sent again under its id."""
    moves_money = isinstance(body, PaymentOrder | ReturnOrder)
    return Unknown(reason=reason, event=OutcomeUnknown(reason=reason) if moves_money else None)


def outcome(body: AosBody, status: int, headers: Mapping[str, str], content: bytes) -> Outcome:
    """What AÖS's verified transport answer means; the payment's own outcome comes as a message later."""
    if status == _ACCEPTED:
        return Acknowledged(event=_sent(body))
    if status in _TRY_LATER:
        return NotSent(reason=f"AÖS answered {status}", retry_after_s=retry_after_s(headers))
    if 400 <= status < 500:
        return _refused(status, content)
    return silence(body, f"AÖS answered {status}")


def _sent(body: AosBody) -> Event | None:
    match body:
        case PaymentOrder() | ReturnOrder():
            return Sent()
        case PaymentEnquiry() | CreditEnquiry():
            return EnquirySent(enquiry_id=body.message_id, number=body.number)
        case DeficiencyReport():
            return Reported()
    return None


def _refused(status: int, content: bytes) -> Refused:
    try:
        problem = parse_json(content)
    except RefusedError:
        problem = None
    if not isinstance(problem, dict):
        return Refused(code=f"HTTP_{status}", reason="")
    return Refused(code=str(problem.get("code", f"HTTP_{status}")), reason=str(problem.get("detail", ""))[:_REASON_MAX])
