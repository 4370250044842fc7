"""ISO 20022 messages of the AÖS profile: what is written, what is read back, what is refused and with which path."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import Direction, Reason, StatusKind, TransactionState, registry, samples
from contracts.iso20022.codes import STATE_OF_KIND
from contracts.xml import parse_xml

TRANSFER = "pacs.008.001.08"
REQUEST = "pain.001.001.09"


def _again(message):
    """Through bytes and back."""
    kind = registry.type_of(message)
    return registry.read(parse_xml(etree.tostring(registry.build(message))), kind)


def _altered(name: str, path: str, text: str):
    """The sample of a message with one element's text changed."""
    kind = registry.named(name)
    document = registry.build(samples.SAMPLES[name])
    element = document.find("/".join(kind.namespace + step for step in path.split("/")))
    assert element is not None
    element.text = text
    return document, kind


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_every_message_is_read_back_as_it_was_written(name):
    assert _again(samples.SAMPLES[name]) == samples.SAMPLES[name]


def test_there_is_a_sample_of_every_registered_message():
    assert set(samples.SAMPLES) == set(registry.MESSAGES)


def test_a_message_we_do_not_speak_is_refused_by_name():
    with pytest.raises(RefusedError) as caught:
        registry.named("pacs.009.001.08")
    assert caught.value.refusal.code is ErrorCode.OPERATION_UNKNOWN
    assert caught.value.refusal.facts["operation"] == "pacs.009.001.08"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("GrpHdr/InitgPty/Id/OrgId/AnyBIC", "NABZAZ2CIPS"),
        ("GrpHdr/FwdgAgt/FinInstnId/BICFI", "EHRNAZ22"),
        ("PmtInf/PmtMtd", "TRF"),
        ("PmtInf/PmtTpInf/LclInstrm/Prtry", "CPRQ"),
        ("PmtInf/ReqdExctnDt/Dt", "2026-11-22"),
        ("PmtInf/CdtTrfTxInf/Amt/InstdAmt", "18750.00"),
    ],
)
def test_a_payment_request_says_what_was_seen_on_the_real_wire(path, text):
    """facts.md, AÖS on the wire."""
    kind = registry.named(REQUEST)
    root = registry.build(samples.REQUEST)[0]
    assert root.findtext("/".join(kind.namespace + step for step in path.split("/"))) == text


@pytest.mark.parametrize("name", [TRANSFER, REQUEST])
def test_the_case_number_travels_and_is_read_back(name):
    """EHR-12."""
    assert _again(samples.SAMPLES[name]).case_number == samples.SAMPLES[name].case_number
    assert _again(replace(samples.SAMPLES[name], case_number=None)).case_number is None


def test_consent_names_the_debtor_banks_transfer_as_msid():
    """AOS-P7 with facts.md: ACSP, RfrdDocInf of type MSID."""
    text = etree.tostring(registry.build(samples.REQUEST_STATUS), encoding="unicode")
    assert "<GrpSts>ACSP</GrpSts>" in text
    assert "<TxSts>ACSP</TxSts>" in text
    assert "<Prtry>MSID</Prtry>" in text
    assert _again(samples.REQUEST_STATUS).msid == samples.REQUEST_STATUS.msid


@pytest.mark.parametrize("kind", [StatusKind.AUTH, StatusKind.NAUT, StatusKind.STAT, StatusKind.RJCT])
def test_the_word_of_the_rail_and_its_reasons_survive_the_wire(kind):
    """AOS-P3 to AOS-P5: AUTH, NAUT and STAT travel as the first proprietary reason, TxSts stays ISO's."""
    reasons = (Reason(code="AM04", text="vəsait kifayət etmir"), Reason(code="EA178"))
    status = replace(samples.STATUS, kind=kind, state=STATE_OF_KIND[kind], reasons=reasons)
    assert _again(status) == status


def test_an_enquiry_may_be_answered_by_stat_with_a_rejected_state():
    """AOS-I1: STAT reports whatever holds."""
    status = replace(samples.STATUS, state=TransactionState.RJCT, reasons=(Reason(code="EL202", text="x"),))
    assert _again(status) == status


def test_a_long_purpose_is_split_into_lines_of_140_and_joined_again():
    purpose = "Əmlakın alınması üçün ödəniş " * 15
    transfer = replace(samples.TRANSFER, purpose=purpose)
    lines = [line.text for line in registry.build(transfer).iter("{*}Ustrd")]
    assert all(len(line) <= 140 for line in lines)
    assert _again(transfer).purpose == purpose


def test_an_instant_with_another_offset_is_read_as_utc():
    document, kind = _altered(TRANSFER, "FIToFICstmrCdtTrf/GrpHdr/CreDtTm", "2026-11-22T13:30:00+04:00")
    assert registry.read(document, kind).created_at == datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    baku = timezone(timedelta(hours=4))
    local = replace(samples.TRANSFER, created_at=datetime(2026, 11, 22, 13, 30, tzinfo=baku))
    assert _again(local).created_at == samples.MOMENT


TX = "FIToFICstmrCdtTrf/CdtTrfTxInf"
FAULTS = [
    (f"{TX}/IntrBkSttlmAmt", "500.005", ErrorCode.AMOUNT_INVALID, "three decimals"),
    (f"{TX}/IntrBkSttlmAmt", "-500.00", ErrorCode.AMOUNT_INVALID, "negative"),
    (f"{TX}/IntrBkSttlmAmt", "0.00", ErrorCode.AMOUNT_INVALID, "nothing"),
    (f"{TX}/IntrBkSttlmAmt", "NaN", ErrorCode.AMOUNT_INVALID, "not a number"),
    (f"{TX}/IntrBkSttlmAmt", "1e3", ErrorCode.AMOUNT_INVALID, "exponent"),
    (f"{TX}/IntrBkSttlmAmt", "", ErrorCode.AMOUNT_INVALID, "empty"),
    (f"{TX}/IntrBkSttlmAmt", "05.00", ErrorCode.AMOUNT_INVALID, "leading zero"),
    (f"{TX}/CdtrAcct/Id/IBAN", "AZ99XZRN00000000000000003001", ErrorCode.IBAN_INVALID, "check digits"),
    (f"{TX}/CdtrAcct/Id/IBAN", "DE89370400440532013000", ErrorCode.IBAN_INVALID, "another country"),
    (f"{TX}/CdtrAcct/Id/IBAN", "AZ98XZRN0000000000000000300", ErrorCode.IBAN_INVALID, "too short"),
    (f"{TX}/CdtrAgt/FinInstnId/BICFI", "DEUTDEFF", ErrorCode.SCHEMA_INVALID, "BIC of another country"),
    (f"{TX}/IntrBkSttlmDt", "2026-02-30", ErrorCode.SCHEMA_INVALID, "no such day"),
    (f"{TX}/Dbtr/Nm", "имя", ErrorCode.SCHEMA_INVALID, "charset"),
    (f"{TX}/Dbtr/Nm", "a" * 141, ErrorCode.SCHEMA_INVALID, "too long"),
    (f"{TX}/Dbtr/Nm", " ad", ErrorCode.SCHEMA_INVALID, "begins with a space"),
    (f"{TX}/PmtId/EndToEndId", "a" * 36, ErrorCode.SCHEMA_INVALID, "id too long"),
    (f"{TX}/ChrgBr", "DEBT", ErrorCode.SCHEMA_INVALID, "charge bearer"),
    ("FIToFICstmrCdtTrf/GrpHdr/CreDtTm", "2026-11-22T09:30:00", ErrorCode.SCHEMA_INVALID, "no offset"),
    ("FIToFICstmrCdtTrf/GrpHdr/CreDtTm", "2026-11-22T24:00:00Z", ErrorCode.TIME_INVALID, "not an instant here"),
    ("FIToFICstmrCdtTrf/GrpHdr/NbOfTxs", "2", ErrorCode.SCHEMA_INVALID, "one order per message"),
]


@pytest.mark.parametrize(("path", "text", "code", "why"), FAULTS, ids=[row[3] for row in FAULTS])
def test_a_fault_is_refused_with_its_path(path, text, code, why):
    """AOS-C1, AOS-C4."""
    document, kind = _altered(TRANSFER, path, text)
    with pytest.raises(RefusedError) as caught:
        registry.read(document, kind)
    assert caught.value.refusal.code is code
    assert caught.value.refusal.facts["path"] == f"/Document/{path}"


def test_another_currency_is_refused():
    """facts.md: AZN only."""
    document, kind = _altered(TRANSFER, f"{TX}/IntrBkSttlmAmt", "500.00")
    next(document.iter("{*}IntrBkSttlmAmt")).set("Ccy", "USD")
    with pytest.raises(RefusedError) as caught:
        registry.read(document, kind)
    assert "IntrBkSttlmAmt" in caught.value.refusal.facts["path"]


@pytest.mark.parametrize("leaf", ["MsgId", "EndToEndId", "IntrBkSttlmAmt", "Dbtr", "CdtrAcct", "RmtInf", "InstgAgt"])
def test_a_missing_mandatory_field_is_refused(leaf):
    """AOS-C1."""
    document = registry.build(samples.TRANSFER)
    element = next(document.iter(f"{{*}}{leaf}"))
    element.getparent().remove(element)
    with pytest.raises(RefusedError) as caught:
        registry.check(document, registry.named(TRANSFER))
    assert caught.value.refusal.code is ErrorCode.SCHEMA_INVALID


def test_an_element_the_profile_does_not_know_is_refused_even_if_iso_allows_it():
    """AOS-C4: the profile is stricter than ISO."""
    document = registry.build(samples.TRANSFER)
    amount = next(document.iter("{*}IntrBkSttlmAmt"))
    extra = etree.Element(registry.named(TRANSFER).namespace + "SttlmPrty")
    extra.text = "NORM"
    amount.getparent().insert(3, extra)
    with pytest.raises(RefusedError):
        registry.check(document, registry.named(TRANSFER))


# -- returns, cases, limits, statements, texts ------------------------------------------------------------------------


def test_a_text_and_a_statement_share_a_name_and_are_told_apart():
    """AOS-I4, AOS-I7: camt.998 as TRANSREP and TEXTMESSAGE."""
    assert registry.type_of(samples.TEXT) is registry.type_of(samples.STATEMENT)
    assert _again(samples.TEXT) == samples.TEXT
    assert _again(samples.STATEMENT) == samples.STATEMENT


def test_a_statement_answered_and_unasked_empty_and_in_the_red_survives_the_wire():
    """AOS-I4, AOS-I8."""
    unasked = replace(
        samples.STATEMENT, original_message_id=None, entries=(), closing_minor=-1, page=2, last_page=False
    )
    assert _again(unasked) == unasked
    assert _again(samples.STATEMENT).entries[0].direction is Direction.DEBIT


def test_a_type_that_does_not_match_its_data_is_refused():
    """AOS-C4: what says TRANSREP and holds a text is neither."""
    kind = registry.type_of(samples.TEXT)
    document = registry.build(samples.TEXT)
    document.find(f".//{kind.namespace}Tp").text = "TRANSREP"
    with pytest.raises(RefusedError) as caught:
        registry.read(document, kind)
    assert caught.value.refusal.code is ErrorCode.SCHEMA_INVALID


@pytest.mark.parametrize("account", [samples.CLEARING_ACCOUNT, "C-EHR"], ids=["IBAN", "own name"])
@pytest.mark.parametrize("balance", [-1, 0, 1])
def test_a_balance_keeps_its_sign_and_an_account_its_name(account, balance):
    """AOS-L6, AOS-I5: below zero is the net debit position."""
    report = replace(samples.LIMIT_REPORT, account=account, balance_minor=balance, limit_minor=0, available_minor=0)
    assert _again(report) == report


def test_a_limit_told_without_being_asked_names_no_question():
    """AOS-L5."""
    report = replace(samples.LIMIT_REPORT, original_message_id=None, original_message_name=None)
    assert _again(report) == report


@pytest.mark.parametrize("order", [samples.TRANSFER, samples.RETURN], ids=["order", "return"])
def test_a_copy_holds_the_whole_order(order):
    """AOS-I3, AOS-P6."""
    copy = replace(samples.ORDER_COPY, order=order)
    assert _again(copy) == copy


def test_a_copy_of_what_is_not_of_the_profile_is_refused_inside():
    """AOS-C4 holds for the enclosed order too."""
    document = registry.build(samples.ORDER_COPY)
    next(document.iter("{*}IntrBkSttlmAmt")).text = "-1.00"
    with pytest.raises(RefusedError) as caught:
        registry.read(document, registry.named("camt.034.001.06"))
    assert caught.value.refusal.code is ErrorCode.AMOUNT_INVALID
    assert caught.value.refusal.facts["path"].endswith("/CdtTrfTxInf/IntrBkSttlmAmt")


def test_a_refused_return_request_need_not_name_a_payment_nobody_could_read():
    """AOS-R4."""
    refusal = replace(
        samples.RETURN_REFUSAL, original_message_id=None, original_end_to_end_id=None, original_transaction_id=None
    )
    assert _again(refusal) == refusal


@pytest.mark.parametrize("message", [samples.RETURN, samples.RETURN_REQUEST, samples.RETURN_REFUSAL])
def test_a_return_its_request_and_its_refusal_give_a_reason(message):
    """AOS-C1."""
    with pytest.raises(RefusedError) as caught:
        _again(replace(message, reasons=()))
    assert caught.value.refusal.code is ErrorCode.SCHEMA_INVALID
