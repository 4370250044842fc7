"""What leaves for AZIPS: domain dispatches to MT103 or pacs.008, as the rail profile says. Pure.

FIN's charset has no Azerbaijani letters: names and words are transliterated, ids and amounts are as the domain fixed
them, so a resend is the same message.
"""

from __future__ import annotations

from unicodedata import normalize

from contracts.iso20022 import CreditTransfer, Holder
from contracts.mt.limit_order import LimitOrder
from contracts.mt.transfer import CustomerTransfer, Side
from gateway.domain.clock import local_date
from gateway.domain.dispatches import LimitIncrease, PaymentOrder
from gateway.domain.payment import azips_reference
from gateway.domain.values import Account

_NAME_MAX = 35
_TRANSLITERATION = str.maketrans("ÇçƏəĞğİıÖöŞşÜü«»“”’–—₼", "CcEeGgIiOoSsUu''\"\"'--A")
_CHARSET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ ")


def transliterate(text: str) -> str:
    """The text in FIN's charset x; what has no likeness there becomes a full stop."""
    letters = normalize("NFC", text).translate(_TRANSLITERATION)
    return "".join(letter if letter in _CHARSET else "." for letter in letters)


def as_mt(order: PaymentOrder, *, own_bic: str, azips_bic: str) -> CustomerTransfer:
    """MT103."""
    return CustomerTransfer(
        from_bic=own_bic,
        to_bic=azips_bic,
        reference=azips_reference(order.message_id),
        value_date=local_date(order.created_at),
        amount_minor=order.amount.minor,
        debtor=_side(order.debtor),
        creditor=_side(order.creditor),
        end_to_end_id=order.end_to_end_id,
        case_number=order.case_number,
        text=transliterate(order.purpose),
    )


def limit_order(increase: LimitIncrease, *, own_bic: str, azips_bic: str, aos_bic: str) -> LimitOrder:
    """MT205 (AOS-L1), whatever format transfers are in."""
    return LimitOrder(
        from_bic=own_bic,
        to_bic=azips_bic,
        reference=increase.reference,
        value_date=local_date(increase.created_at),
        amount_minor=increase.amount.minor,
        participant_bic=own_bic,
        account=increase.account,
        system_bic=aos_bic,
    )


def as_mx(order: PaymentOrder, *, own_bic: str) -> CreditTransfer:
    """pacs.008, the same as over AÖS but for its addressee."""
    return CreditTransfer(
        message_id=order.message_id,
        created_at=order.created_at,
        instructing_bic=own_bic,
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


def _side(account: Account) -> Side:
    name = transliterate(account.holder)[:_NAME_MAX].strip() or "."
    return Side(iban=account.iban, name=name, bic=account.bic)


def _holder(account: Account) -> Holder:
    return Holder(name=account.holder, iban=account.iban, bic=account.bic, tax_id=account.tax_id)
