"""Between the domain and the rail, both ways, with nothing added and nothing lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unicodedata import normalize

import pytest

from adapters.aos import mapping
from adapters.aos.mapping import RailProfile
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from contracts.iso20022 import Reason, Receipt, ReceiptCode, StatusKind, TransactionState, registry
from contracts.iso20022.codes import STATE_OF_KIND
from contracts.iso20022.samples import (
    ENQUIRY,
    MOMENT,
    OPERATOR_BIC,
    RECEIPT,
    REQUEST,
    REQUEST_ENQUIRY,
    REQUEST_STATUS,
    STATUS,
    SYSTEM_BIC,
    TRANSFER,
)
from gateway.domain.dispatches import CreditAnswer, PaymentEnquiry, PaymentKind, PaymentOrder
from gateway.domain.events.credit import Offered, Released
from gateway.domain.events.credit import Settled as CreditSettled
from gateway.domain.events.order import EnquiryRefused, EnquirySent, OutcomeUnknown, Sent
from gateway.domain.events.payment import Consented, Named, Rail, Rejected, Settled
from gateway.domain.money import Money
from gateway.domain.table import ByAlias
from gateway.domain.values import Account
from gateway.doors.aos_mapping import hear
from gateway.ports import Acknowledged, NotSent, Refused, Target, Unknown

PROFILE = RailProfile(own_bic=OPERATOR_BIC)
OWN_ADDRESS = "EHRNAZ22A001"
FOREIGN_ID = "XZRNAZ22A001261122000000000000042"


def _account(holder) -> Account:
    return Account(holder=holder.name, iban=holder.iban, bic=holder.bic, tax_id=holder.tax_id)


def _order(kind: PaymentKind) -> PaymentOrder:
    sample = TRANSFER if kind is PaymentKind.TRANSFER else REQUEST
    return PaymentOrder(
        kind=kind,
        payment_id="p1",
        message_id=sample.message_id,
        end_to_end_id=sample.end_to_end_id,
        transaction_id=sample.end_to_end_id,
        amount=Money(sample.amount_minor),
        debtor=_account(sample.debtor),
        creditor=_account(sample.creditor),
        lot_id="lot-7",
        case_number=sample.case_number,
        purpose=sample.purpose,
        created_at=MOMENT,
    )


def _enquiry(kind: PaymentKind) -> PaymentEnquiry:
    sample, asked = (TRANSFER, ENQUIRY) if kind is PaymentKind.TRANSFER else (REQUEST, REQUEST_ENQUIRY)
    return PaymentEnquiry(
        kind=kind,
        payment_id="p1",
        message_id=asked.message_id,
        original_message_id=sample.message_id,
        original_end_to_end_id=sample.end_to_end_id,
        original_transaction_id=sample.end_to_end_id,
        created_at=MOMENT,
    )


def _credit_answer(*, authorised: bool, reason: str | None = None) -> CreditAnswer:
    return CreditAnswer(
        credit_id="c1",
        message_id="EHRNAZ22A001261122000000000000900",
        original_message_id=FOREIGN_ID,
        original_end_to_end_id="E1",
        original_transaction_id="T1",
        authorised=authorised,
        reason=reason,
        created_at=MOMENT,
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (_order(PaymentKind.TRANSFER), TRANSFER),
        (_order(PaymentKind.REQUEST), REQUEST),
        (_enquiry(PaymentKind.TRANSFER), ENQUIRY),
        (_enquiry(PaymentKind.REQUEST), REQUEST_ENQUIRY),
    ],
    ids=["AOS-M1", "AOS-M2", "AOS-I1", "AOS-I2"],
)
def test_a_dispatch_is_said_with_the_ids_amount_and_case_number_it_was_given(body, message):
    """AOS-M1, AOS-M2, AOS-I1, AOS-I2, EHR-12."""
    assert mapping.message_for(body, PROFILE) == message


@pytest.mark.parametrize(
    ("body", "kind", "reasons"),
    [
        (_credit_answer(authorised=True), StatusKind.AUTH, ()),
        (
            _credit_answer(authorised=False, reason="CASE_NUMBER_MISSING"),
            StatusKind.NAUT,
            (Reason(code="CASE_NUMBER_MISSING"),),
        ),
    ],
)
def test_our_word_on_a_credit_is_auth_or_naut_with_its_reason(body, kind, reasons):
    """AOS-P3."""
    status = mapping.message_for(body, PROFILE)
    assert (status.kind, status.state, status.reasons) == (kind, STATE_OF_KIND[kind], reasons)
    assert (status.instructing_bic, status.instructed_bic) == (OPERATOR_BIC, SYSTEM_BIC)
    registry.check(registry.build(status), registry.type_of(status))


PROBLEM = b'{"code": "SIGNATURE_INVALID", "detail": "x"}'
ORDER = _order(PaymentKind.TRANSFER)
THIRD_QUESTION = replace(_enquiry(PaymentKind.REQUEST), number=3)
ASKED = EnquirySent(enquiry_id=THIRD_QUESTION.message_id, number=3)
OUTCOMES = [
    (ORDER, 202, {}, b"{}", Acknowledged(event=Sent())),
    (THIRD_QUESTION, 202, {}, b"{}", Acknowledged(event=ASKED)),
    (_credit_answer(authorised=True), 202, {}, b"{}", Acknowledged()),
    (ORDER, 503, {"retry-after": "7"}, b"", NotSent(reason="AÖS answered 503", retry_after_s=7.0)),
    (ORDER, 429, {"retry-after": "soon"}, b"", NotSent(reason="AÖS answered 429")),
    (ORDER, 403, {}, PROBLEM, Refused(code="SIGNATURE_INVALID", reason="x")),
    (ORDER, 400, {}, b"<html>", Refused(code="HTTP_400", reason="")),
    (ORDER, 500, {}, b"", Unknown(reason="AÖS answered 500", event=OutcomeUnknown(reason="AÖS answered 500"))),
    (_enquiry(PaymentKind.REQUEST), 500, {}, b"", Unknown(reason="AÖS answered 500")),
]


@pytest.mark.parametrize(("body", "status", "headers", "content", "outcome"), OUTCOMES)
def test_the_transport_answer_is_typed_by_what_is_done_next(body, status, headers, content, outcome):
    assert mapping.outcome(body, status, headers, content) == outcome


def test_silence_makes_a_payment_ask_and_an_answer_go_again():
    """A time-out after sending never makes a payment fail."""
    assert mapping.silence(ORDER, "x") == Unknown(reason="x", event=OutcomeUnknown(reason="x"))
    assert mapping.silence(_credit_answer(authorised=True), "x") == Unknown(reason="x")


@pytest.mark.parametrize("kind", list(PaymentKind), ids=str)
def test_letters_that_come_in_parts_leave_whole(kind):
    """`Ş` as `S` and a cedilla of its own is the same letter; the rail's charset has only the whole one."""
    order, name, purpose = _order(kind), "Şükür İsmayıl oğlu", "Çıxarış üzrə ödəniş " * 10
    parts = normalize("NFD", name)
    assert parts != name
    said = replace(order, debtor=replace(order.debtor, holder=parts), purpose=normalize("NFD", purpose))
    message = mapping.message_for(said, PROFILE)
    message = registry.read(registry.build(message), registry.type_of(message))
    assert (message.debtor.name, message.purpose) == (name, purpose)


def test_what_the_profile_does_not_allow_is_parked_with_its_path():
    fault = refuse(ErrorCode.IBAN_INVALID, path="/Document/x")
    assert mapping.unwritable(fault.__class__(fault.refusal)) == Refused(
        code=ErrorCode.IBAN_INVALID, reason="path=/Document/x"
    )


# -- what is heard ----------------------------------------------------------------------------------------------------

PAYMENT = Target(noun="payment", id=ByAlias("aos.msg", TRANSFER.message_id))
ASKED_PAYMENT = Target(noun="payment", id=ByAlias("aos.msg", REQUEST.message_id))
CREDIT = Target(noun="credit", id=ByAlias("aos.credit", FOREIGN_ID))
E2E = TRANSFER.end_to_end_id
NO = (Reason(code="EL202", text="vaxt bitdi"), Reason(code="AC04"))
WORDS = "vaxt bitdi; AC04"


def _status(kind, state=None, reasons=(), original=TRANSFER.message_id):
    return replace(STATUS, kind=kind, state=state or STATE_OF_KIND[kind], reasons=reasons, original_message_id=original)


def _request_status(kind, state=None, reasons=(), msid=None):
    return replace(REQUEST_STATUS, kind=kind, state=state or STATE_OF_KIND[kind], reasons=reasons, msid=msid)


ORDERED = Named(rail=Rail.AOS, kind=PaymentKind.TRANSFER, end_to_end_id=E2E)
ASKED = Named(rail=Rail.AOS, kind=PaymentKind.REQUEST, end_to_end_id=REQUEST.end_to_end_id)
OF_ORDER: Any = {"order_id": TRANSFER.message_id, "named": ORDERED}
OF_REQUEST: Any = {"order_id": REQUEST.message_id, "named": ASKED}
RECEIVED: Any = {**OF_REQUEST, "named": Named(rail=Rail.AOS, kind=PaymentKind.REQUEST), "told_at": MOMENT}

HEARD = [
    (
        "AOS-P4 our order",
        _status(StatusKind.STAT),
        PAYMENT,
        Settled(reference=TRANSFER.transaction_id, settled_at=MOMENT, **OF_ORDER),
    ),
    (
        "AOS-P5 our order",
        _status(StatusKind.RJCT, reasons=NO),
        PAYMENT,
        Rejected(code="EL202", reason="vaxt bitdi; AC04", told_at=MOMENT, **OF_ORDER),
    ),
    (
        "AOS-R1 no reason",
        _status(StatusKind.RJCT),
        PAYMENT,
        Rejected(code="RJCT", reason="", told_at=MOMENT, **OF_ORDER),
    ),
    (
        "AOS-I1 rejected",
        _status(StatusKind.STAT, TransactionState.RJCT, NO[1:]),
        PAYMENT,
        Rejected(code="AC04", reason="", asked=True, told_at=MOMENT, **OF_ORDER),
    ),
    (
        "AOS-P4 credit",
        _status(StatusKind.STAT, original=FOREIGN_ID),
        CREDIT,
        CreditSettled(settled_at=MOMENT, end_to_end_id=E2E),
    ),
    (
        "AOS-P5 credit",
        _status(StatusKind.RJCT, reasons=NO, original=FOREIGN_ID),
        CREDIT,
        Released(code="EL202", reason=WORDS, end_to_end_id=E2E),
    ),
    (
        "AOS-P7 consent",
        _request_status(StatusKind.ACSP, msid="M7"),
        ASKED_PAYMENT,
        Consented(msid="M7", **OF_REQUEST),
    ),
    (
        "AOS-P7 STAT",
        _request_status(StatusKind.STAT, msid="M7"),
        ASKED_PAYMENT,
        Settled(reference="M7", settled_at=MOMENT, **OF_REQUEST),
    ),
    (
        "AOS-P7 RJCT",
        _request_status(StatusKind.RJCT, reasons=(Reason(code="EA178", text="rədd"), Reason(code="AM04", text="az"))),
        ASKED_PAYMENT,
        Rejected(code="EA178", reason="rədd; AM04 az", told_at=MOMENT, **OF_REQUEST),
    ),
    (
        "AOS-I2 consented",
        _request_status(StatusKind.STAT, TransactionState.ACSP, msid="M7"),
        ASKED_PAYMENT,
        Consented(msid="M7", **OF_REQUEST),
    ),
    (
        "AOS-I2 rejected",
        _request_status(StatusKind.STAT, TransactionState.RJCT, NO[1:]),
        ASKED_PAYMENT,
        Rejected(code="AC04", reason="", asked=True, told_at=MOMENT, **OF_REQUEST),
    ),
    (
        "AOS-R2",
        RECEIPT,
        ASKED_PAYMENT,
        Rejected(code=RECEIPT.reasons[0].code, reason=RECEIPT.reasons[0].text, **RECEIVED),
    ),
]


@pytest.mark.parametrize(("rule", "message", "target", "event"), HEARD, ids=[row[0] for row in HEARD])
def test_what_aos_says_reaches_the_right_noun(rule, message, target, event):
    heard = hear(message, OWN_ADDRESS)
    assert heard is not None
    assert (heard.target, heard.event) == (target, event)


def test_a_passed_order_is_offered_as_a_credit_with_its_case_number():
    """AOS-P2, EHR-12."""
    heard = hear(replace(TRANSFER, message_id=FOREIGN_ID), OWN_ADDRESS)
    assert heard is not None
    assert heard.target == Target(noun="credit", id=f"credit.{FOREIGN_ID}")
    assert heard.event == Offered(
        message_id=FOREIGN_ID,
        end_to_end_id=TRANSFER.end_to_end_id,
        transaction_id=TRANSFER.transaction_id,
        amount=Money(TRANSFER.amount_minor),
        debtor_name=TRANSFER.debtor.name,
        debtor_iban=TRANSFER.debtor.iban,
        creditor_iban=TRANSFER.creditor.iban,
        case_number=TRANSFER.case_number,
        debtor_bic=TRANSFER.debtor.bic,
        creditor_name=TRANSFER.creditor.name,
    )


REPEATED = (Reason(code="AM05"),)
UNCHANGING = [
    ("still waiting", _status(StatusKind.STAT, TransactionState.PDNG)),
    ("request still waiting", _request_status(StatusKind.STAT, TransactionState.PDNG)),
    ("AOS-C3 order", _status(StatusKind.RJCT, reasons=REPEATED)),
    ("AOS-C3 request", replace(RECEIPT, reasons=REPEATED)),
    ("AOS-R5", replace(RECEIPT, code=ReceiptCode.ERRC, original_message_name="pacs.002.001.10")),
]


@pytest.mark.parametrize("message", [row[1] for row in UNCHANGING], ids=[row[0] for row in UNCHANGING])
def test_what_says_nothing_of_the_outcome_changes_nothing(message):
    """A refused repetition (AOS-C3) never makes the first copy fail; a pending status is no status."""
    assert hear(message, OWN_ADDRESS) is None


@pytest.mark.parametrize("message", [REQUEST, ENQUIRY, _status(StatusKind.AUTH), _status(StatusKind.NAUT)])
def test_what_aos_does_not_say_to_us_is_refused(message):
    with pytest.raises(RefusedError) as caught:
        hear(message, OWN_ADDRESS)
    assert caught.value.refusal.code is ErrorCode.NOT_PERMITTED


def test_a_receipt_without_reasons_still_rejects():
    """AOS-R2."""
    bare: Receipt = replace(RECEIPT, reasons=())
    heard = hear(bare, OWN_ADDRESS)
    assert heard is not None
    assert heard.event == Rejected(code="RJCT", reason="", **RECEIVED)


@pytest.mark.parametrize("name", ["pacs.028.001.03", "pain.998.001.01"])
def test_an_erroneous_enquiry_is_told_to_whoever_asked(name):
    """AOS-R5: the receipt names the enquiry; its id leads to the payment."""
    receipt = replace(
        RECEIPT, code=ReceiptCode.ERRC, original_message_name=name, reasons=(Reason(code="NOOR", text="yoxdur"),)
    )
    heard = hear(receipt, OWN_ADDRESS)
    assert heard is not None
    assert heard.target == Target(noun=None, id=ByAlias("aos.enquiry", receipt.original_message_id))
    assert heard.event == EnquiryRefused(enquiry_id=receipt.original_message_id, code="NOOR", reason="yoxdur")
