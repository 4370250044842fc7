"""How a sandbox bank is set up and how it behaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from adapters.banks.adapter import Transport
from contracts.iso20022 import Envelope
from contracts.soap.names import SoapVersion
from gateway.domain.money import Money
from gateway.wire.identity import Identity


class Behaviour(StrEnum):
    """What the bank does with an offer."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    IGNORE = "ignore"  # until the offer lapses (EHR-6)


class CallbackFault(StrEnum):
    """Faults of the callback endpoint, on demand."""

    NONE = "none"
    BUSY = "busy"  # a signed "later"
    REFUSING = "refusing"  # a signed, final no
    UNSIGNED = "unsigned"  # takes the notice and answers without a signature


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAccount:
    """An account in the bank's books."""

    iban: str
    holder: str
    balance: Money
    tax_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BankSandboxSettings:
    """One bank. Addresses of the others may be told later by `connect`."""

    identity: Callable[[], Identity]
    code: str  # six digits, as in its certificate
    bic: str
    iso_address: str  # 12 characters, the prefix of its message ids on the rail
    transport: Transport
    accounts: tuple[CustomerAccount, ...] = ()
    soap_version: SoapVersion = SoapVersion.V11
    host: str = "127.0.0.1"
    port: int = 0  # of the callback endpoint
    iso_port: int = 0  # of the door to AÖS
    gateway_url: str | None = None
    gateway_participant: str = "GATEWAY"
    aos_url: str | None = None
    aos_participant: str = "AOS"
    aos_bic: str = "NABZAZ2CIPS"
    aos_envelope: Envelope = Envelope.DATA_PDU
    decisions: Mapping[str, Behaviour] = field(default_factory=dict)  # by lot
    otherwise: Behaviour = Behaviour.ACCEPT  # for lots not listed
    payers: Mapping[str, str] = field(default_factory=dict)  # lot to the IBAN that pays; otherwise the first account
    decide_after_s: float = 0.3
    decide_for_s: float = 300.0  # how long a decision is sent again while the gateway does not answer
    decided_by: str = "Girovla iş şöbəsi"
    refusal_reason: str = "Əmlakın natura şəklində qəbulu məqsədəuyğun sayılmadı"
    timeout_s: float = 10.0
    callback_fault: CallbackFault = CallbackFault.NONE
    core_only: bool = False  # only its core and its side of AÖS: somebody else takes its notices and decides
    silent_for: frozenset[str] = frozenset()  # IBANs about which the bank says nothing on the rail
