"""Reports of banks outside our profile: what a reader must not take for granted."""

from decimal import Decimal

import pytest
from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import generic, registry, samples

URN = "urn:iso:std:iso:20022:tech:xsd:"
REPORT = (
    f'<Document xmlns="{URN}pain.002.001.12"><CstmrPmtStsRpt><GrpHdr><MsgId>R1</MsgId></GrpHdr><OrgnlGrpInfAndSts>'
    "<OrgnlMsgId>M1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.11</OrgnlMsgNmId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>"
    "<OrgnlPmtInfAndSts><PmtInfSts>ACSP</PmtInfSts><TxInfAndSts><OrgnlEndToEndId>E1</OrgnlEndToEndId></TxInfAndSts>"
    "<TxInfAndSts><OrgnlEndToEndId>E2</OrgnlEndToEndId><TxSts>RJCT</TxSts><StsRsnInf><Rsn><Prtry>EA178</Prtry></Rsn>"
    "<AddtlInf>bir </AddtlInf><AddtlInf>iki</AddtlInf></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts>"
    "</CstmrPmtStsRpt></Document>"
)
STATEMENT = (
    f'<Document xmlns="{URN}camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>S1</MsgId></GrpHdr><Stmt><Acct><Id><Othr>'
    '<Id>123</Id></Othr></Id></Acct><Ntry><Amt Ccy="AZN">3.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
    '<NtryDtls><TxDtls><Refs><EndToEndId>E1</EndToEndId></Refs><Amt Ccy="AZN">1.00</Amt></TxDtls><TxDtls><Amt '
    'Ccy="AZN">2.50</Amt></TxDtls></NtryDtls></Ntry><Ntry><Amt Ccy="EUR">7</Amt><CdtDbtInd>DBIT</CdtDbtInd>'
    "<Sts>PDNG</Sts></Ntry></Stmt></BkToCstmrStmt></Document>"
)


def test_a_transaction_without_a_status_has_its_groups_and_reasons_are_joined() -> None:
    report = generic.read(REPORT.encode())
    assert isinstance(report, generic.StatusReport)
    assert [row.status for row in report.transactions] == ["ACSP", "RJCT"]
    assert [(reason.code, reason.text) for reason in report.transactions[1].reasons] == [("EA178", "bir iki")]
    assert (report.message_name, report.original_message_id, report.status) == ("pain.002.001.12", "M1", "PART")


def test_a_booking_of_many_is_told_one_by_one_and_a_bare_one_is_one() -> None:
    report = generic.read(STATEMENT.encode())
    assert isinstance(report, generic.AccountReport)
    told = [(row.account, row.amount, row.currency, row.credit, row.status) for row in report.entries]
    assert told == [
        ("123", Decimal("1.00"), "AZN", True, "BOOK"),
        ("123", Decimal("2.50"), "AZN", True, "BOOK"),
        ("123", Decimal(7), "EUR", False, "PDNG"),
    ]
    assert [row.original_end_to_end_id for row in report.entries] == ["E1", None, None]


def test_it_reads_what_our_own_rail_says_too() -> None:
    report = generic.read(etree.tostring(registry.build(samples.SAMPLES["pain.002.001.10"])))
    assert isinstance(report, generic.StatusReport)
    assert report.transactions[0].original_end_to_end_id == samples.SAMPLES["pain.002.001.10"].original_end_to_end_id


@pytest.mark.parametrize(
    ("text", "code", "path"),
    [
        ("<Document/>", ErrorCode.OPERATION_UNKNOWN, None),
        (REPORT.replace("pain.002", "pacs.002"), ErrorCode.OPERATION_UNKNOWN, None),
        (f"<!DOCTYPE x>{REPORT}", ErrorCode.XML_FORBIDDEN, None),
        (
            REPORT.replace("<OrgnlMsgId>M1</OrgnlMsgId>", ""),
            ErrorCode.SCHEMA_INVALID,
            "/Document/CstmrPmtStsRpt/OrgnlGrpInfAndSts/OrgnlMsgId",
        ),
        (
            STATEMENT.replace(">7<", ">NaN<"),
            ErrorCode.AMOUNT_INVALID,
            "/Document/BkToCstmrStmt/Stmt/Ntry/Amt",
        ),
        (STATEMENT.replace(">7<", ">-7<"), ErrorCode.AMOUNT_INVALID, "/Document/BkToCstmrStmt/Stmt/Ntry/Amt"),
    ],
)
def test_what_is_no_sound_report_is_refused(text: str, code: ErrorCode, path: str | None) -> None:
    with pytest.raises(RefusedError) as caught:
        generic.read(text.encode())
    assert caught.value.refusal.code is code
    assert path is None or caught.value.refusal.facts["path"] == path
