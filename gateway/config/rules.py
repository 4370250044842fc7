"""From settings to the rulebook that decisions consult, with the business days of the Azerbaijani calendar."""

from __future__ import annotations

from datetime import date, timedelta

import holidays

from gateway.config.law import AccountSettings, CalendarSettings, RegimeSettings
from gateway.config.model import Config
from gateway.domain.clock import IsBusinessDay
from gateway.domain.rulebook import AzipsRule, CustodyRule, LiquidityRule, RailRule, RegimeRule, Rulebook
from gateway.domain.values import Account


def build_rulebook(config: Config) -> Rulebook:
    """Everything a decision may consult, in the domain's words."""
    return Rulebook(
        regimes=tuple(_regime(row, config.accounts[row.payee]) for row in config.regimes),
        rail=_rail(config),
        is_business_day=business_days(config.calendar),
        platform=config.platform.participant,
        banks={bank.code: bank.bic for bank in config.banks},
        authorities=tuple(ministry.code for ministry in config.ministries),
        receipt_days=config.protocol.receipt_business_days,
        azips=_azips(config),
        custody=_custody(config),
        liquidity=_liquidity(config),
    )


def business_days(settings: CalendarSettings) -> IsBusinessDay:
    """Whether a day is worked in Azerbaijan (EHR-6); the settings' corrections win over the packaged calendar.

    The packaged calendar knows the Cabinet's moved days to 2025 and estimates Islamic holidays from 2027 on.
    """
    calendar = holidays.country_holidays("AZ")
    off, worked = frozenset(settings.holidays), frozenset(settings.workdays)

    def is_business_day(day: date) -> bool:
        if day in worked:
            return True
        return day not in off and bool(calendar.is_working_day(day))

    return is_business_day


def _regime(row: RegimeSettings, payee: AccountSettings) -> RegimeRule:
    return RegimeRule(
        regime=row.regime,
        in_force=row.in_force,
        deposit_bp=row.deposit_bp,
        service_fee_bp=row.service_fee_bp,
        participation_fee=row.participation_fee,
        winner_pays_days=row.winner_pays_days,
        refund_days=row.refund_days,
        claimant_answer_business_days=row.claimant_answer_business_days,
        offer_price_bp=row.offer_price_bp,
        case_number_required=row.case_number_required,
        payee=Account(holder=payee.holder, iban=payee.iban, bic=payee.bic, tax_id=payee.tax_id),
        source=f"{row.sureness}: {row.source}",
    )


def _rail(config: Config) -> RailRule:
    aos = config.aos
    return RailRule(
        max_amount=aos.max_amount,
        answer_timeout=timedelta(seconds=aos.answer_timeout_s),
        enquiry_interval=timedelta(seconds=aos.enquiry_interval_s),
        enquiries_max=aos.enquiries_max,
        own_address=config.gateway.address,
        own_bic=config.gateway.bic,
        enquiry_delay=timedelta(seconds=aos.enquiry_delay_s),
        enquiry_ids=aos.enquiry_ids,
        resends_max=aos.resends_max,
        day_refused_codes=frozenset(aos.day_refused_codes),
        renewals_max=aos.renewals_max,
        budget_bics=frozenset(aos.budget_bics),
        version=aos.rules_version,
        unknown_order_codes=frozenset(aos.unknown_order_codes),
    )


def _azips(config: Config) -> AzipsRule | None:
    azips = config.azips
    if azips is None:
        return None
    return AzipsRule(
        opens=azips.opens,
        closes=azips.closes,
        version=azips.rules_version,
        transfer_days=azips.transfer_business_days,
    )


def _custody(config: Config) -> CustodyRule:
    custody = config.custody
    return CustodyRule(limit=custody.limit, approvals=custody.approvals, approvers=frozenset(custody.approvers))


def _liquidity(config: Config) -> LiquidityRule | None:
    liquidity = config.liquidity
    if liquidity is None:
        return None
    return LiquidityRule(
        account=liquidity.account,
        settlement_account=liquidity.settlement_account,
        reserve=liquidity.reserve,
        step=liquidity.step,
        policy=liquidity.policy,
        horizon=timedelta(seconds=liquidity.horizon_s),
    )
