"""What the law and the customer set: dated rule tables per regime, the rail's limits and terms, and business days.

Every figure is data from configuration (`facts.md` says how sure each is); this module only says which row is in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import StrEnum

from gateway.domain.clock import IsBusinessDay
from gateway.domain.money import Money
from gateway.domain.values import Account, Regime


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeRule:
    """One dated row: what holds for auctions of a regime announced on or after `in_force` (EHR-11…16)."""

    regime: Regime
    in_force: date
    deposit_bp: int  # of the starting price, basis points (EHR-13)
    service_fee_bp: int  # of the hammer price, charged to the buyer (EHR-13: voluntary sales only)
    participation_fee: Money
    winner_pays_days: int  # calendar days to the final amount (EHR-13)
    refund_days: int  # calendar days to return losers' deposits (EHR-10, EHR-13)
    claimant_answer_business_days: int  # EHR-6
    offer_price_bp: int = 10_000  # of the starting price, what the claimant takes an unsold lot for (EHR-14)
    case_number_required: bool  # EHR-12
    payee: Account  # where this regime's money is paid in, and deposits returned from
    source: str  # where the figures come from, and how sure

    @property
    def version(self) -> str:
        """How journal and protocol name the row."""
        return f"{self.regime}/{self.in_force.isoformat()}"


class EnquiryIds(StrEnum):
    """Under which id we ask again; the rail's operator says which it wants."""

    NEW = "new"  # every enquiry has its own
    SAME = "same"  # all enquiries about one payment share one


@dataclass(frozen=True, slots=True, kw_only=True)
class RailRule:
    """AÖS limits and terms (AOS-G5, AOS-C9, facts.md)."""

    max_amount: Money
    answer_timeout: timedelta  # silence after this makes UNKNOWN
    enquiry_interval: timedelta
    enquiries_max: int  # after these a person is asked; the payment stays UNKNOWN
    own_address: str  # 12 characters: BIC8 + letter + branch, the prefix of message ids
    own_bic: str
    enquiry_delay: timedelta = timedelta(0)  # from UNKNOWN to the first enquiry
    enquiry_ids: EnquiryIds = EnquiryIds.NEW
    resends_max: int = 3  # how often an order the rail has never seen goes again, before a person is asked
    unknown_order_codes: frozenset[str] = frozenset({"NOOR"})  # the rail's words for "no such order"
    day_refused_codes: frozenset[str] = frozenset({"DT01"})  # the rail's words for "not of this day" (AOS-C2)
    renewals_max: int = 3  # how often such an order becomes one of another day, before a person is asked
    budget_bics: frozenset[str] = frozenset()  # payments to these are excepted from the maximum
    version: str = ""  # which edition of the rail's operating rules the figures are of


@dataclass(frozen=True, slots=True, kw_only=True)
class AzipsRule:
    """When AZIPS takes documents (facts.md: told). Times are Baku's, on business days."""

    opens: time
    closes: time
    version: str
    transfer_days: int = 5  # business days a payer's bank has for a transfer we wait for


class LimitPolicy(StrEnum):
    """Who raises a debit limit that will not carry what is expected."""

    CAMT_011 = "camt.011"  # we, in AÖS (AOS-L2, AOS-L3)
    MT205 = "mt205"  # we, through AZIPS (AOS-L1)
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityRule:
    """How our account in AÖS is watched."""

    account: str
    settlement_account: str | None
    reserve: Money  # to be left over when everything expected is paid
    step: Money  # limits are raised by multiples of it
    policy: LimitPolicy
    horizon: timedelta = timedelta(hours=1)  # how far ahead payments are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyRule:
    """VLT-3.2: above `limit` this many persons approve, none of them the maker (VLT-4.4)."""

    limit: Money
    approvals: int
    approvers: frozenset[str]  # registration codes in their certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """Everything a decision may consult."""

    regimes: tuple[RegimeRule, ...]
    rail: RailRule
    is_business_day: IsBusinessDay
    platform: str  # recipient code of the auction platform
    banks: Mapping[str, str]  # bank code -> BIC of the banks we call back
    authorities: tuple[str, ...]  # recipients of every protocol (EHR-7)
    receipt_days: int  # business days an authority has to send its receipt
    azips: AzipsRule | None = None
    custody: CustodyRule | None = None
    liquidity: LiquidityRule | None = None

    def regime(self, regime: Regime, on: date) -> RegimeRule | None:
        """The row in force on a day, or None where the regime has none yet."""
        rows = [row for row in self.regimes if row.regime is regime and row.in_force <= on]
        return max(rows, key=lambda row: row.in_force, default=None)
