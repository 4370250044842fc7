"""Values that several nouns share: ids, accounts, persons, and the words of the trade (docs/glossary.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

ParticipantId = NewType("ParticipantId", str)  # a bidder of one lot, as the platform names it
BankCode = NewType("BankCode", str)  # six digits; the key of a bank (IBAN letters are not unique, facts.md)


class Regime(StrEnum):
    """Under which law a lot is sold; decides percents, terms and payee (EHR-11…16)."""

    ENFORCEMENT = "enforcement"  # icra
    MORTGAGE = "mortgage"  # ipoteka
    TAX = "tax"  # vergi
    VOLUNTARY = "voluntary"  # könüllü
    STATE = "state"  # dövlət əmlakı


class DepositForm(StrEnum):
    """The three forms of a deposit, beh (EHR-11)."""

    MONEY = "money"
    GUARANTEE = "guarantee"  # a bank guarantee for its amount
    EXEMPT = "exempt"  # the claimant, the mortgagee (EHR-3)


class Purpose(StrEnum):
    """What a collection is for."""

    DEPOSIT = "deposit"  # beh
    PARTICIPATION_FEE = "participation_fee"  # iştirak haqqı
    FINAL_AMOUNT = "final_amount"  # yekun məbləğ


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at a bank in Azerbaijan: holder's name, IBAN (28 characters), its BIC and, where known, VÖEN."""

    holder: str
    iban: str
    bic: str
    tax_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bidder:
    """One who takes part in the auction of one lot."""

    id: ParticipantId
    name: str
    tax_id: str  # VÖEN of a legal person, FIN of a natural one
    deposit_form: DepositForm
    refund_account: Account | None = None  # needed where the deposit is money
    guarantee_reference: str | None = None  # needed where it is a guarantee
    guarantor: BankCode | None = None
