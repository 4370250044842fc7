"""A rail's own, well-signed word about another order than the one it names: nothing is booked by it.

Who stands behind it may be a fault of the rail, or a bank that numbers its own order as ours is numbered: our ids are
no secret to the bank we ask for money.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from lxml import etree
from tests_house import BANK_ACCOUNT, BIDDER_ACCOUNT, RULES, House, announced, ordered

from contracts import mt
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import (
    CreditTransfer,
    OrderStatus,
    RequestStatus,
    StatusKind,
    TransactionState,
    registry,
)
from contracts.iso20022.parties import Holder
from contracts.iso20022.samples import RECEIPT, REQUEST_STATUS, RETURN, RETURN_REQUEST, STATUS, TRANSFER
from gateway.domain.dispatches import CreditAnswer, PaymentKind
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events import order as orders
from gateway.domain.events.collection import Paid, RefundOrdered, Wanted
from gateway.domain.money import Money
from gateway.domain.payment import azips_reference
from gateway.domain.rulebook import AzipsRule
from gateway.domain.values import Account, Purpose
from gateway.doors import azips_mapping
from gateway.doors.aos_mapping import hear

OURS = RULES.rail.own_address
LARGE, REFUND = "L1.purchase", "L1.refund.B1"
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DEPOSIT = Wanted(
    lot_id="L1",
    owner="999101",
    bidder_id="B1",
    purpose=Purpose.DEPOSIT,
    amount=Money(100_000),
    payer_name="Alıcı",
    payer_tax_id="1NUMUN1",
    payee=RULES.regimes[0].payee,
    case_number="5-1/2026",
    due=NOW,
)
PAID = Paid(amount=Money(100_000), operation_number="OP1", paid_at=NOW, case_number="5-1/2026")


@pytest.fixture
def house() -> House:
    """L1 is to be paid by its claimant, L2 too, both asked for over AÖS; a deposit goes back."""
    house = House()
    for lot in ("L1", "L2"):
        house.tell("lot", lot, announced())
        house.tell("lot", lot, lots.AuctionUnsold(held_at=house.now, reason="heç kim"))
        house.tell("offer", f"{lot}.offer", offers.Accepted(payer=BANK_ACCOUNT))
        house.tell("payment", f"{lot}.purchase", orders.Sent())
    for event in (DEPOSIT, PAID, RefundOrdered(account=BIDDER_ACCOUNT)):
        house.tell("collection", "L1.deposit.B1", event)
    house.tell("payment", REFUND, orders.Sent())
    house.alarms.clear()
    return house


def payment(house: House, id: str = LARGE) -> Any:
    return house.nouns["payment", id]


def of_order(house: House, id: str, **changes: Any) -> OrderStatus:
    """AÖS's pacs.002 about a payment of ours."""
    values = {"original_message_id": payment(house, id).message_id, "original_end_to_end_id": id}
    return replace(STATUS, **(values | changes))


def of_request(house: House, id: str, **changes: Any) -> RequestStatus:
    """AÖS's pain.002 about a payment of ours."""
    values = {"original_message_id": payment(house, id).message_id, "original_end_to_end_id": id}
    return replace(REQUEST_STATUS, **(values | changes))


def hears(house: House, message: Any) -> None:
    heard = hear(message, OURS)
    assert heard is not None
    house.hear(heard.target, heard.event)


SETTLED = {"kind": StatusKind.STAT, "state": TransactionState.ACSC}
REFUSED = {"kind": StatusKind.RJCT, "state": TransactionState.RJCT}

WORDS = {
    "settled, by a pacs.002 though we sent a pain.001": lambda h: of_order(h, LARGE),
    "settled, under another payment's end-to-end id": lambda h: of_request(
        h, LARGE, **SETTLED, original_end_to_end_id="L2.purchase"
    ),
    "refused, under another payment's end-to-end id": lambda h: of_request(
        h, LARGE, **REFUSED, original_end_to_end_id="L2.purchase"
    ),
    "consented to, under another payment's end-to-end id": lambda h: of_request(
        h, LARGE, original_end_to_end_id="L2.purchase"
    ),
    "refused, by a pacs.002 though we sent a pain.001": lambda h: of_order(h, LARGE, **REFUSED),
}


@pytest.mark.parametrize("word", WORDS)
def test_a_status_of_another_order_books_nothing_and_a_person_is_told(house: House, word: str) -> None:
    """AOS-P7: what AÖS says of a payment must be said of what we ordered."""
    hears(house, WORDS[word](house))
    assert house.state("payment", LARGE) == "sent"
    assert [alarm.code for alarm in house.alarms] == ["STATUS_DEVIATES"]


def test_a_refund_is_not_settled_or_refused_by_words_on_a_request(house: House) -> None:
    """The other way round: pain.002 and camt.025 about what went as a pacs.008."""
    for word in (
        of_request(house, REFUND, **SETTLED),
        of_request(house, REFUND, **REFUSED),
        replace(RECEIPT, original_message_id=payment(house, REFUND).message_id),
    ):
        hears(house, word)
        assert house.state("payment", REFUND) == "sent"
    assert {alarm.code for alarm in house.alarms} == {"STATUS_DEVIATES"}


def test_a_name_swapped_in_the_store_settles_nobody_else(house: House) -> None:
    """Names (aliases) stand in no line's digest: the payment itself knows under which id it went."""
    key = ("aos.msg", payment(house, "L2.purchase").message_id, "payment")
    house.aliases[key] = LARGE
    hears(house, of_request(house, "L2.purchase", **SETTLED, original_end_to_end_id=LARGE))
    assert (house.state("payment", LARGE), house.alarms[-1].code) == ("sent", "STATUS_DEVIATES")


def test_what_is_said_of_what_we_ordered_is_believed(house: House) -> None:
    """Else the refusals above would show nothing."""
    hears(house, of_request(house, LARGE))
    assert house.state("payment", LARGE) == "consented"
    hears(house, of_request(house, LARGE, **SETTLED))
    hears(house, of_order(house, REFUND))
    hears(house, replace(RECEIPT, original_message_id=payment(house, "L2.purchase").message_id))
    states = [house.state("payment", id) for id in (LARGE, REFUND, "L2.purchase")]
    assert states == ["settled", "settled", "refused"]
    assert "STATUS_DEVIATES" not in {alarm.code for alarm in house.alarms}


def offered(**changes: Any) -> CreditTransfer:
    """A bank's order in our favour, as AÖS passes it on."""
    values: dict[str, Any] = {
        "message_id": "XZRNAZ22A001261123000000000000042",
        "end_to_end_id": "L2.purchase",
        "amount_minor": 2_000_000,
        "case_number": "5-1/2026",
        "debtor": Holder(name="Bank", iban=BANK_ACCOUNT.iban, bic=BANK_ACCOUNT.bic),
        "creditor": Holder(name="Depozit", iban=RULES.regimes[0].payee.iban, bic="EHRNAZ22"),
    }
    return replace(TRANSFER, **(values | changes))


def test_an_order_numbered_as_ours_is_not_taken(house: House) -> None:
    """It pays one lot under the number of our request for another; AÖS's word on it would settle the other."""
    with pytest.raises(RefusedError) as refused:
        hears(house, offered(message_id=payment(house).message_id))
    assert refused.value.refusal.code is ErrorCode.ID_CONFLICT
    assert house.bodies(CreditAnswer) == []


def test_a_credit_is_booked_only_by_a_word_on_that_credit(house: House) -> None:
    """AOS-P4, AOS-P5: its number with the end-to-end id of another is no word on it."""
    hears(house, offered())
    for changes in (SETTLED, REFUSED):
        word = replace(STATUS, original_message_id=offered().message_id, original_end_to_end_id=LARGE, **changes)
        hears(house, word)
        assert house.state("credit", credit_of(offered())) == "authorised"
    assert [alarm.code for alarm in house.alarms] == ["STATUS_DEVIATES"] * 2
    hears(house, replace(STATUS, original_message_id=offered().message_id, original_end_to_end_id="L2.purchase"))
    assert house.state("payment", "L2.purchase") == "settled"


def credit_of(transfer: CreditTransfer) -> str:
    return f"credit.{transfer.message_id}"


AZIPS = AzipsRule(opens=time(9, 20), closes=time(17), version="1")


@pytest.fixture
def above() -> House:
    """L1 is too great for AÖS: its bank pays over AZIPS by itself; P9 is a transfer of ours over AZIPS."""
    house = House(rules=replace(RULES, azips=AZIPS))
    house.tell("lot", "L1", announced(starting_price=Money(9_000_000)))
    house.tell("lot", "L1", lots.AuctionUnsold(held_at=house.now, reason="heç kim"))
    house.tell("offer", "L1.offer", offers.Accepted(payer=BANK_ACCOUNT))
    house.tell("payment", "P9", ordered(kind=PaymentKind.TRANSFER, amount=Money(9_000_000), creditor=BIDDER_ACCOUNT))
    house.tell("payment", "P9", orders.Sent())
    assert [house.state("payment", id) for id in (LARGE, "P9")] == ["awaiting_transfer", "sent"]
    return house


def test_aos_does_not_settle_what_azips_carries(above: House) -> None:
    """AOS-C9: nor is the money that we wait for there by anybody's word."""
    for word in (of_request(above, LARGE, **SETTLED), of_order(above, LARGE), of_order(above, "P9")):
        hears(above, word)
    assert [above.state("payment", id) for id in (LARGE, "P9")] == ["awaiting_transfer", "sent"]
    assert [alarm.code for alarm in above.alarms] == ["STATUS_DEVIATES"] * 3


def test_azips_does_not_settle_what_aos_carries_or_nobody_sent(house: House, above: House) -> None:
    for place, id, kept in ((house, REFUND, "sent"), (above, LARGE, "awaiting_transfer")):
        heard = azips_mapping.hear(of_order(place, id), NOW)
        assert heard is not None
        place.hear(heard.target, heard.event)
        assert (place.state("payment", id), place.alarms[-1].code) == (kept, "STATUS_DEVIATES")


def test_azips_settles_what_it_carries(above: House) -> None:
    booked = mt.Accepted(
        from_bic="NABZAZ2CRTS",
        to_bic="EHRNAZ22",
        reference="B1",
        related_reference=azips_reference(payment(above, "P9").message_id),
    )
    heard = azips_mapping.hear(booked, NOW)
    assert heard is not None
    above.hear(heard.target, heard.event)
    assert above.state("payment", "P9") == "settled"


def transferred(bank: Account, day: date) -> mt.CustomerTransfer:
    """A bank's MT103, passed on by AZIPS under the bank's own reference."""
    return mt.CustomerTransfer(
        from_bic="NABZAZ2CRTS",
        to_bic="EHRNAZ22",
        reference="1",
        value_date=day,
        amount_minor=9_000_000,
        debtor=mt.Side(iban=bank.iban, name="Bank", bic=bank.bic),
        creditor=mt.Side(iban=RULES.regimes[0].payee.iban, name="Depozit", bic="EHRNAZ22"),
        end_to_end_id=LARGE,
        case_number="5-1/2026",
    )


def test_a_bank_cannot_keep_anothers_transfer_out_by_its_reference() -> None:
    """A few qəpik under the reference that another bank will use: its money would have come in vain (`ID_CONFLICT`)."""
    today = NOW.date()
    small, awaited = transferred(BIDDER_ACCOUNT, today), transferred(BANK_ACCOUNT, today)
    tomorrow = transferred(BANK_ACCOUNT, today + timedelta(days=1))
    assert len({azips_mapping.name_of(message) for message in (small, awaited, tomorrow)}) == 3
    assert azips_mapping.name_of(replace(awaited, amount_minor=1)) == azips_mapping.name_of(awaited)


# --- words that contradict themselves ---------------------------------------------------------------------------------


def read(message: Any, *edits: tuple[str, str]) -> Any:
    """What a reader makes of a message whose text was changed, by the profile."""
    kind = registry.type_of(message)
    text = etree.tostring(registry.build(message)).decode()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return registry.read(etree.fromstring(text), kind)


GROUP = ("<GrpSts>ACSP</GrpSts>", "<GrpSts>RJCT</GrpSts>")
TWICE = replace(RECEIPT, reasons=(*RECEIPT.reasons, *RECEIPT.reasons))
CONTRADICTIONS = {
    "the group refused, its one transaction agreed to": (REQUEST_STATUS, GROUP),
    "declined and settled at once": (
        replace(REQUEST_STATUS, kind=StatusKind.NAUT, state=TransactionState.RJCT),
        ("<GrpSts>RJCT</GrpSts>", "<GrpSts>ACSC</GrpSts>"),
        ("<TxSts>RJCT</TxSts>", "<TxSts>ACSC</TxSts>"),
    ),
    "confirmed and rejected at once": (
        replace(STATUS, kind=StatusKind.AUTH, state=TransactionState.ACCP),
        ("<TxSts>ACCP</TxSts>", "<TxSts>RJCT</TxSts>"),
    ),
    "refused and erroneous in one receipt": (TWICE, ("<StsCd>RJCT</StsCd>", "<StsCd>ERRC</StsCd>")),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_message_that_contradicts_itself_is_refused(name: str) -> None:
    """Whichever half is believed, the other was signed too."""
    message, *edits = CONTRADICTIONS[name]
    with pytest.raises(RefusedError) as refused:
        read(message, *edits)
    assert refused.value.refusal.code is ErrorCode.SCHEMA_INVALID


def test_a_request_for_money_that_was_assigned_anew_is_of_the_bank_that_opened_the_case() -> None:
    """AOS-T6: who passes it on may be its assigner, under an id of its own; the case is what camt.029 answers."""
    asked = RETURN_REQUEST
    anew = read(
        asked,
        (f"<Id>{asked.message_id}</Id>", "<Id>NABZAZ2CA000261123000000000000001</Id>"),
        (f"<BICFI>{asked.from_bic}</BICFI>", "<BICFI>NABZAZ2CIPS</BICFI>"),
        (f"<CxlId>{asked.message_id}</CxlId>", "<CxlId>1</CxlId>"),
    )
    assert anew == asked


# --- returns ----------------------------------------------------------------------------------------------------------


def returned(house: House, id: str, number: int = 1, **changes: Any) -> Any:
    """A bank's pacs.004 of a payment of ours."""
    paid = payment(house, id)
    values: dict[str, Any] = {
        "message_id": f"GNSNAZ22A00126112300000000000000{number}",
        "original_message_id": paid.message_id,
        "original_end_to_end_id": id,
        "amount_minor": paid.amount.minor,
        "debtor": Holder(name="Depozit", iban=paid.debtor.iban, bic=paid.debtor.bic),
        "creditor": Holder(name="Alıcı", iban=paid.creditor.iban, bic=paid.creditor.bic),
        "case_number": paid.case_number,
    }
    return replace(RETURN, **(values | changes))


@pytest.fixture
def refunded(house: House) -> House:
    hears(house, of_order(house, REFUND))
    return house


def answers(house: House) -> list[bool]:
    return [answer.authorised for answer in house.bodies(CreditAnswer)]


def test_a_second_return_of_one_payment_is_declined_until_the_first_has_failed(refunded: House) -> None:
    """AOS-T3: both agreed to, the second could not be booked when AÖS says that it is."""
    hears(refunded, returned(refunded, REFUND, 1))
    hears(refunded, returned(refunded, REFUND, 2))
    assert answers(refunded) == [True, False]
    failed = replace(STATUS, original_message_id=returned(refunded, REFUND, 1).message_id, **REFUSED)
    hears(refunded, replace(failed, original_end_to_end_id=REFUND))
    hears(refunded, returned(refunded, REFUND, 3))
    assert answers(refunded) == [True, False, True]


def test_of_two_returns_that_an_earlier_build_agreed_to_the_second_may_fail_after_the_first_was_booked(
    refunded: House,
) -> None:
    """AOS-T5: AÖS's word would else be refused each time, and the credit stay as if it might still be booked."""
    key = ("payment", REFUND)
    for number in (1, 2):
        hears(refunded, returned(refunded, REFUND, number))
        refunded.nouns[key] = replace(refunded.nouns[key], credit_id=None)  # which that build did not keep
    for number, word in ((1, SETTLED), (2, REFUSED)):
        told = returned(refunded, REFUND, number).message_id
        hears(refunded, replace(STATUS, original_message_id=told, original_end_to_end_id=REFUND, **word))
    assert refunded.state(*key) == "returned"
    assert [credit.state for (noun, _), credit in refunded.nouns.items() if noun == "credit"] == ["settled", "released"]


def test_only_what_we_paid_ourselves_comes_back(house: House) -> None:
    """A pacs.004 of the money that a bank paid us would be its to take, and ours to give by a person's word."""
    hears(house, of_request(house, LARGE, **SETTLED))
    hears(house, returned(house, LARGE))
    assert answers(house) == [False]


def test_a_return_of_another_payments_end_to_end_id_is_declined(refunded: House) -> None:
    hears(refunded, returned(refunded, REFUND, original_end_to_end_id="P8"))
    assert answers(refunded) == [False]
