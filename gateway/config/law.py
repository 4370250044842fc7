"""Figures of law and of the trade: regimes and their accounts, days, receipts, release and liquidity."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.config.signature import EXPECTS, ExpectsSettings
from gateway.config.types import (
    Amount,
    BesidePath,
    Bic,
    Iban,
    Participant,
    Section,
)
from gateway.domain.money import Money
from gateway.domain.rulebook import LimitPolicy
from gateway.domain.values import Regime


class LiquiditySettings(Section):
    """The watch over our account in AÖS; without this section nobody asks."""

    account: str = Field(pattern=r"^[A-Z0-9]{5,34}$", description="Our clearing account in AÖS")
    settlement_account: str | None = Field(
        None, pattern=r"^[A-Z0-9]{5,34}$", description="Our settlement account, whose limit MT205 raises (AOS-L1)"
    )
    ask_every_s: int = Field(900, ge=10, le=86_400, description="How often its balance is asked (camt.009)")
    horizon_s: int = Field(
        3600, ge=60, le=86_400, description="How far ahead payments are counted: what must be payable by then"
    )
    reserve: Amount = Field(Money(1_000_000), description="What must be left when everything counted is paid, AZN")
    step: Amount = Field(Money(5_000_000), description="Limits are raised by multiples of this, AZN")
    policy: LimitPolicy = Field(LimitPolicy.PERSON, description="`camt.011`, `mt205` or `person`: who raises a limit")

    @model_validator(mode="after")
    def _policy_is_possible(self) -> Self:
        if self.policy is LimitPolicy.MT205 and self.settlement_account is None:
            raise ValueError("policy mt205 needs settlement_account")
        if self.step == Money(0):
            raise ValueError("step must be above zero")
        if self.ask_every_s > self.horizon_s:
            raise ValueError("ask_every_s must not exceed horizon_s, or what comes due between two looks is missed")
        return self


class CustodySettings(Section):
    """Release of great sums by persons (VLT-3.2)."""

    limit: Amount = Field(Money(10_000_000), description="Amount above which persons approve a payment, AZN")
    approvals: int = Field(2, ge=2, le=10, description="How many persons approve, none of them the maker (VLT-4.4)")
    approvers: tuple[Participant, ...] = Field(
        (), description="Codes of the approvers, as their certificates name them"
    )
    expects: ExpectsSettings = Field(ExpectsSettings(), description=EXPECTS)


class RulesSettings(Section):
    """Where the dated rules of the auction regimes are."""

    regimes_file: BesidePath | None = Field(
        None, description="TOML file of `[[regimes]]` rows; without it, the table that ships with the gateway"
    )


class RegimeSettings(Section):
    """What holds for auctions of a regime from a day on (EHR-11…16)."""

    regime: Regime = Field(description="`enforcement`, `mortgage`, `tax`, `voluntary` or `state`")
    in_force: date = Field(description="First day on which the row holds")
    deposit_bp: int = Field(ge=0, le=10_000, description="Deposit in basis points of the starting price (EHR-13)")
    service_fee_bp: int = Field(ge=0, le=10_000, description="Service fee in basis points of the price (EHR-13)")
    participation_fee: Amount = Field(description="Participation fee, AZN")
    winner_pays_days: int = Field(ge=0, le=365, description="Calendar days the winner has to pay (EHR-13)")
    refund_days: int = Field(ge=0, le=365, description="Calendar days to return losers' deposits (EHR-10, EHR-13)")
    claimant_answer_business_days: int = Field(ge=1, le=365, description="Business days the claimant has (EHR-6)")
    offer_price_bp: int = Field(10_000, ge=1, le=10_000, description="Claimant's price, of the starting one (EHR-14)")
    case_number_required: bool = Field(description="Whether every payment carries the case number (EHR-12)")
    payee: str = Field(description="Name of the account, of `[accounts.…]`, that takes this regime's money")
    sureness: Literal["sure", "told", "guess"] = Field(description="How sure the figures are")
    source: str = Field(min_length=1, description="Where they come from")


class AccountSettings(Section):
    """An account that regimes name as payee."""

    holder: str = Field(min_length=1, max_length=140, description="Whose it is")
    iban: Iban = Field(description="Its number")
    bic: Bic = Field(description="BIC of the bank that keeps it")
    tax_id: str | None = Field(None, pattern=r"^[0-9]{10}$", description="VÖEN of the holder")

    @model_validator(mode="after")
    def _iban_is_of_the_bank(self) -> Self:
        if self.iban[4:8] != self.bic[:4]:
            raise ValueError(f"the IBAN is of bank {self.iban[4:8]}, the BIC of {self.bic[:4]}")
        return self


class CalendarSettings(Section):
    """Corrections to the Azerbaijani calendar that ships with the gateway (the Cabinet moves days every year)."""

    holidays: tuple[date, ...] = Field((), description="Days off that the calendar does not know")
    workdays: tuple[date, ...] = Field((), description="Working days that the calendar takes for days off")


class ProtocolSettings(Section):
    """Protocols and their receipts."""

    receipt_business_days: int = Field(1, ge=1, le=60, description="Business days an authority has for its receipt")
