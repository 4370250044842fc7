"""From the domain's protocol to the record that is written and printed. Pure; adds nothing of its own (EHR-16)."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.protocol import BidderRecord, BuyerRecord, ProtocolRecord, ProtocolResult
from gateway.domain.dispatches import ProtocolContent
from gateway.domain.values import Bidder


def to_record(content: ProtocolContent, *, issuer: str, names: Mapping[str, str]) -> ProtocolRecord:
    """The record of one protocol; `names` gives participants' names by code, `issuer` is who seals."""
    return ProtocolRecord(
        id=content.protocol_id,
        number=content.number,
        result=ProtocolResult(content.result),
        drawn_up_at=content.drawn_up_at,
        issuer=issuer,
        lot_id=content.lot_id,
        lot_title=content.lot_title,
        lot_address=content.lot_address,
        regime=content.regime,
        rule_version=content.rule_version,
        case_number=content.case_number,
        auction_at=content.auction_at,
        starting_price_minor=content.starting_price.minor,
        currency=content.starting_price.currency,
        claimant_code=content.claimant_code,
        claimant_name=names.get(content.claimant_code),
        bidders=tuple(_bidder(bidder, names) for bidder in content.bidders),
        buyer=_buyer(content),
        price_minor=None if content.price is None else content.price.minor,
        payment_references=content.payment_references,
        paid_on=content.paid_on,
        reason=content.reason or None,
        recipients=content.recipients,
    )


def _bidder(bidder: Bidder, names: Mapping[str, str]) -> BidderRecord:
    return BidderRecord(
        name=bidder.name,
        tax_id=bidder.tax_id,
        deposit_form=bidder.deposit_form,
        guarantor=None if bidder.guarantor is None else names.get(bidder.guarantor, bidder.guarantor),
        guarantee_reference=bidder.guarantee_reference,
    )


def _buyer(content: ProtocolContent) -> BuyerRecord | None:
    if content.buyer_name is None:
        return None
    return BuyerRecord(name=content.buyer_name, tax_id=content.buyer_tax_id, deposit_form=content.deposit_form)
