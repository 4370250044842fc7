"""Whatever our AÖS profile accepts, the official ISO 20022 schema of the same name accepts: samples, and thousands of
generated messages. The official schemas lie beside the repository and are never copied."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from certs.authority import Authority
from contracts.errors.refusal import RefusedError
from contracts.fields import make_iban
from contracts.iso20022 import (
    CopyRequest,
    CreditTransfer,
    DayQuery,
    DayReport,
    Holder,
    LimitChange,
    LimitQuery,
    LimitReport,
    OrderCopy,
    OrderEnquiry,
    OrderStatus,
    PaymentRequest,
    PaymentReturn,
    Reason,
    Receipt,
    ReceiptCode,
    RequestStatus,
    ReturnRefusal,
    ReturnRequest,
    StatementRequest,
    StatusKind,
    TransactionState,
    registry,
    samples,
)
from gateway.wire.iso_envelope import seal

OURS_ALONE = {"pain.998.001.01", "camt.998.001.03"}  # ISO publishes no schema for them
OFFICIAL = sorted(set(registry.MESSAGES) - OURS_ALONE)


@pytest.fixture(scope="module")
def official(shared_testdata):
    folder = shared_testdata / "iso20022-xsd"
    return {name: etree.XMLSchema(etree.parse(folder / f"{name}.xsd")) for name in OFFICIAL}


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_sample_of_every_message_is_valid_officially(official, name):
    official[name].assertValid(registry.build(samples.SAMPLES[name]))


async def test_the_signed_header_is_valid_officially(shared_testdata):
    now = datetime.now(UTC)
    credential = Authority.create(now).issue("GATEWAY", "x", key="p256", now=now)
    data = await seal(samples.TRANSFER, from_bic="EHRNAZ22", to_bic="NABZAZ2CIPS", credential=credential)
    header = etree.fromstring(data).find(".//{*}AppHdr")
    schema = etree.XMLSchema(etree.parse(shared_testdata / "iso20022-xsd" / "head.001.001.02.xsd"))
    schema.assertValid(etree.fromstring(etree.tostring(header)))


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_AZERI = "ÇĞƏİÖŞÜçğəıöşü"
_STRAY_ONE_IN = 40


def _mostly(good, stray):
    """Values within the profile, now and then one that is not."""
    return st.integers(1, _STRAY_ONE_IN).flatmap(lambda n: stray if n == _STRAY_ONE_IN else good)


_ids = _mostly(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9/\-?:().,'+_]{0,34}", fullmatch=True),
    st.text(_LETTERS + "<& ", max_size=37),
)
_texts = _mostly(
    st.text(_LETTERS + _AZERI + " /-?:().,'+\"&№%_=#!*;«»₼@", min_size=1, max_size=140).filter(lambda t: t[0] != " "),
    st.text(_LETTERS + "\n<ф", max_size=150),
)
_short = _texts.map(lambda text: text[:35])
_days = _mostly(st.dates(date(2020, 1, 1), date(2099, 12, 31)), st.dates(date(1990, 1, 1), date(2150, 1, 1)))
_moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 30), timezones=st.just(UTC))
_ibans = st.builds(make_iban, st.just("XZRN"), st.text("0123456789AZ", max_size=20))
_bics = _mostly(st.sampled_from(["EHRNAZ22", "XZRNAZ22XXX", "NABZAZ2CIPS"]), st.sampled_from(["DEUTDEFF", "1HRNAZ22"]))
_amounts = _mostly(st.integers(1, 10**15 - 1), st.integers(-5, 10**19))
_holders = st.builds(
    Holder,
    name=_texts,
    iban=_ibans,
    bic=_bics,
    tax_id=st.none() | st.sampled_from(["9999991041", "5ABC12D"]),
)
_reasons = st.lists(st.builds(Reason, code=_ids, text=_texts), max_size=3).map(tuple)
_kinds = st.sampled_from(list(StatusKind))
_states = st.sampled_from(list(TransactionState))
_names = _mostly(st.just("pacs.008.001.08"), st.just("pacs.009.001.08"))
_maybe = st.none() | _ids


def _built(cls, **fields):
    common = {"message_id": _ids, "created_at": _moments}
    return st.builds(cls, **common, **fields)


_accounts = _mostly(_ibans | st.sampled_from(["C-EHR", "A" * 34]), _texts | st.just("A" * 35))
_balances = _mostly(st.integers(-(10**15) + 1, 10**15 - 1), st.just(10**16))
_limits = _mostly(st.integers(0, 10**15 - 1), st.integers(-5, 10**19))
_agents = {"instructing_bic": _bics, "instructed_bic": _bics}
_payment = {
    "end_to_end_id": _ids,
    "amount_minor": _amounts,
    "debtor": _holders,
    "creditor": _holders,
    "purpose": _texts,
    "case_number": st.none() | _short,
}
_original = {"original_message_id": _ids, "original_end_to_end_id": _ids, "original_transaction_id": _ids}
_case = {"from_bic": _bics, "to_bic": _bics}
_why = st.lists(st.builds(Reason, code=_ids, text=_texts), min_size=1, max_size=3).map(tuple)
_owned = {"owner_bic": _bics, "account": _accounts}
_order = _built(CreditTransfer, **_agents, **_payment, transaction_id=_ids, settlement_date=_days)
_return = _built(
    PaymentReturn,
    **_agents,
    **_original,
    return_id=_ids,
    amount_minor=_amounts,
    settlement_date=_days,
    debtor=_holders,
    creditor=_holders,
    reasons=_why,
    purpose=_texts,
    case_number=st.none() | _short,
)
CASES = st.one_of(
    _built(ReturnRequest, **_case, **_original, amount_minor=_amounts, settlement_date=_days, reasons=_why),
    _built(
        ReturnRefusal,
        **_case,
        request_message_id=_ids,
        requester_bic=_bics,
        reasons=_why,
        original_message_id=_maybe,
        original_end_to_end_id=_maybe,
        original_transaction_id=_maybe,
    ),
    _built(CopyRequest, **_case, original_message_id=_ids),
    _built(OrderCopy, **_case, original_message_id=_ids, order=_order | _return),
    _built(LimitQuery, **_owned),
    _built(
        LimitReport,
        **_owned,
        limit_minor=_limits,
        balance_minor=_balances,
        available_minor=_limits,
        original_message_id=_ids,
        original_message_name=_ids,
    ),
    _built(LimitChange, **_owned, limit_minor=_amounts),
    _built(DayQuery),
    _built(DayReport, original_message_id=_ids, day=_days, begins_at=_moments, ends_at=_moments),
    _built(StatementRequest, **_owned, day=_days),
)
MESSAGES = st.one_of(
    _order,
    _return,
    CASES,
    _built(
        PaymentRequest,
        **_payment,
        initiating_bic=_bics,
        forwarding_bic=_bics,
        payment_information_id=_ids,
        instruction_id=_ids,
        execution_date=_days,
    ),
    _built(
        OrderStatus,
        **_agents,
        original_message_id=_ids,
        original_message_name=_names,
        kind=_kinds,
        state=_states,
        original_end_to_end_id=_maybe,
        original_transaction_id=_maybe,
        reasons=_reasons,
    ),
    _built(
        RequestStatus,
        initiating_bic=_bics,
        forwarding_bic=_bics,
        original_message_id=_ids,
        original_payment_information_id=_ids,
        original_instruction_id=_ids,
        original_end_to_end_id=_ids,
        kind=_kinds,
        state=_states,
        reasons=_reasons,
        msid=_maybe,
    ),
    _built(
        OrderEnquiry,
        **_agents,
        original_message_id=_ids,
        original_message_name=_names,
        original_end_to_end_id=_ids,
        original_transaction_id=_ids,
    ),
    _built(
        Receipt,
        original_message_id=_ids,
        original_message_name=_ids,
        code=st.sampled_from(list(ReceiptCode)),
        reasons=_reasons,
    ),
)


def test_what_the_profile_accepts_is_valid_officially(official):
    """Generated values stray outside the profile on purpose; what it refuses is none of the official schema's."""
    accepted = Counter()

    @given(message=MESSAGES)
    @settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def judged(message):
        kind = registry.type_of(message)
        document = registry.build(message)
        try:
            registry.check(document, kind)
        except RefusedError:
            return
        accepted[kind.name] += 1
        official[kind.name].assertValid(document)

    judged()
    assert min(accepted[name] for name in OFFICIAL) > 20, accepted


@pytest.mark.parametrize("name", OFFICIAL)
def test_texts_and_lengths_at_the_edge_of_the_profile_are_valid_officially(official, name):
    """Every text of the sample in turn lengthened and shortened to what the profile still takes."""
    kind = registry.named(name)
    accepted = 0
    for index, length in [(i, n) for i in range(80) for n in (1, 34, 35, 36, 105, 140, 141)]:
        document = registry.build(samples.SAMPLES[name])
        leaves = [element for element in document.iter() if len(element) == 0]
        if index >= len(leaves):
            break
        leaves[index].text = "A" * length
        try:
            registry.check(document, kind)
        except RefusedError:
            continue
        accepted += 1
        official[name].assertValid(document)
    assert accepted > 0
