"""With whom we speak: the rails, Asan Pay, the platform, the banks, the ministries and the broker before them."""

from __future__ import annotations

from datetime import time
from typing import Literal, Self

from pydantic import Field, model_validator

from certs.tolerance import Tolerance
from contracts.iso20022 import Envelope
from gateway.config.signature import EXPECTS, ExpectsSettings
from gateway.config.types import (
    Amount,
    BankCode,
    BesidePath,
    Bic,
    KafkaPrincipal,
    Participant,
    Section,
    Topic,
    Url,
)
from gateway.domain.money import Money
from gateway.domain.rulebook import EnquiryIds


class AosSettings(Section):
    """The instant payment system."""

    url: Url = Field(description="Address of AÖS in the closed network")
    participant: Participant = Field("AOS", description="Its registration code")
    expects: ExpectsSettings = Field(ExpectsSettings(), description=EXPECTS)
    bic: Bic = Field("NABZAZ2C", description="BIC of its operator, the central bank")
    system_address: str = Field("NABZAZ2CIPS", min_length=8, max_length=12, description="Its own address in messages")
    envelope: Envelope = Field(
        Envelope.DATA_PDU, description="How messages are wrapped, both ways: `data_pdu` or `business_message`"
    )
    max_amount: Amount = Field(Money(4_000_000), description="Greatest amount of one order, AZN (AOS-C9)")
    answer_timeout_s: int = Field(25, ge=1, le=600, description="Silence after which a payment is UNKNOWN")
    enquiry_interval_s: int = Field(30, ge=1, le=86_400, description="Time between enquiries about an UNKNOWN payment")
    enquiries_max: int = Field(12, ge=1, le=1000, description="Enquiries after which a person is asked")
    enquiry_delay_s: int = Field(0, ge=0, le=3600, description="Time from UNKNOWN to the first enquiry")
    enquiry_ids: EnquiryIds = Field(EnquiryIds.NEW, description="`new` or `same` id for each enquiry about a payment")
    resends_max: int = Field(
        3, ge=0, le=100, description="How often an order that AÖS has never seen goes again, under the same ids"
    )
    day_refused_codes: tuple[str, ...] = Field(
        ("DT01",), description="Reason codes by which AÖS says that an order is not of the operating day (AOS-C2)"
    )
    renewals_max: int = Field(
        3, ge=0, le=100, description="How often an order refused for its day becomes one of another day; 0: a person"
    )
    budget_bics: tuple[Bic, ...] = Field(
        ("CTREAZ22",), description="Payees' BICs whose payments are excepted from the maximum"
    )
    rules_version: str = Field(
        "2026-04-01",
        min_length=1,
        max_length=40,
        description="Edition of AÖS's operating rules, journalled with a route",
    )
    unknown_order_codes: tuple[str, ...] = Field(
        ("NOOR",), min_length=1, description="Reason codes by which AÖS says that it has no such order"
    )
    request_timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for the answer to one request")


class AzipsSettings(Section):
    """AZIPS, real-time gross settlement, for what is too great for AÖS; without this section a person decides."""

    url: Url = Field(description="Address of AZIPS in the closed network")
    participant: Participant = Field("AZIPS", description="Its registration code")
    expects: ExpectsSettings = Field(ExpectsSettings(), description=EXPECTS)
    bic: Bic = Field("NABZAZ2CRTS", description="Its address in messages")
    format: Literal["mt", "mx"] = Field("mt", description="MT103 and MT answers, or pacs.008 and pacs.002")
    opens: time = Field(time(9, 20), description="When it begins to take documents on a business day, Baku time")
    closes: time = Field(time(17, 0), description="When it ends to take documents, Baku time")
    rules_version: str = Field("old page", min_length=1, max_length=40, description="Edition of its operating schedule")
    transfer_business_days: int = Field(
        5,
        ge=1,
        le=60,
        description="Business days a bank has for a transfer above AÖS's maximum before a person is told",
    )
    request_timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for the answer to one request")

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError("opens must be before closes")
        return self


class AsanPaySettings(Section):
    """Asan Pay, which collects deposits, fees and final amounts."""

    url: Url = Field(description="Address of Asan Pay")
    participant: Participant = Field("ASANPAY", description="Its registration code")
    expects: ExpectsSettings = Field(ExpectsSettings(), description=EXPECTS)
    request_timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for the answer to one request")


_TOLERANCES = (
    "What its SOAP messages may do besides: `inclusive_namespaces` (WSS4J and CXF list them), `node_soap` (its "
    "defaults), `wcf_order` (a token that is not first)"
)


class PlatformSettings(Section):
    """The auction platform."""

    participant: Participant = Field("EHERRAC", description="Its registration code")
    callback_url: Url = Field(description="Where it takes our notices")
    tolerances: tuple[Tolerance, ...] = Field((), description=_TOLERANCES)
    expects: ExpectsSettings = Field(ExpectsSettings(), description=EXPECTS)
    request_timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for the answer to one request")


class BankSettings(Section):
    """A bank that is claimant or orderer (EHR-2)."""

    code: BankCode = Field(description="Six-digit code; also its registration code and its name as a recipient")
    name: str = Field(min_length=1, max_length=140, description="Its name")
    bic: Bic = Field(description="Its BIC")
    transport: Literal["soap", "rest"] = Field(description="How it takes our notices: `soap` or `rest`")
    callback_url: Url = Field(description="Where it takes them")
    tolerances: tuple[Tolerance, ...] = Field((), description=_TOLERANCES)
    expects: ExpectsSettings = Field(ExpectsSettings(), description=EXPECTS)
    request_timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for the answer to one request")


class MinistrySettings(Section):
    """An authority that receives every protocol (EHR-7)."""

    code: Participant = Field(description="Its registration code, also the signer of its receipts")
    name: str = Field(min_length=1, max_length=140, description="Its name")
    topic: Topic = Field(description="Kafka topic that carries protocols to it")
    refusals_topic: Topic | None = Field(
        None, description="Kafka topic that tells it which of its receipts were refused; without, it is not told"
    )
    principal: KafkaPrincipal | None = Field(
        None,
        description="Its name in the brokers' ACLs, `User:…`; named, its topic's readers are judged",
    )
    expects: ExpectsSettings = Field(ExpectsSettings(), description=EXPECTS)


class KafkaSettings(Section):
    """The broker between us and the ministries. Always `acks=all` and idempotent: that is not a setting."""

    bootstrap: str = Field(
        "embedded",
        pattern=r"^(embedded|[^\s:,]+:[0-9]+(,[^\s:,]+:[0-9]+)*)$",
        description="`host:port,…` of the brokers, or `embedded` for the one inside (demonstration only)",
    )
    client_id: str = Field("eherrac-gateway", min_length=1, description="Our name at the broker, and our group")
    receipts_topic: Topic = Field("eherrac.receipts", description="Topic on which the ministries acknowledge")
    delivery_timeout_s: float = Field(10.0, gt=0, le=300, description="Longest wait for the broker's acknowledgement")
    records_at_once: int = Field(32, ge=1, le=256, description="Protocols under way to one ministry at once")
    session_timeout_s: float = Field(
        10.0, ge=1, le=300, description="Silence after which a dead replica's share of the receipts goes to another"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field("PLAINTEXT", description="How we reach it")
    tls_ca: BesidePath | None = Field(None, description="PEM authorities that vouch for the brokers")
    tls_certificate: BesidePath | None = Field(None, description="PEM certificate we show")
    tls_key: BesidePath | None = Field(None, description="PEM key of it")
    sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How we log in with SASL_SSL"
    )
    sasl_username: str | None = Field(None, description="User for SASL_SSL")
    sasl_password_file: BesidePath | None = Field(None, description="File with the password for SASL_SSL")
    principal: KafkaPrincipal | None = Field(
        None,
        description="Our name in the brokers' ACLs; without, `User:` and sasl_username or tls_certificate's subject",
    )
    start_without_grants: bool = Field(
        False, description="Start though the brokers do not grant us what is declared; protocols then wait, visibly"
    )

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if self.security_protocol == "SASL_SSL" and not (self.sasl_username and self.sasl_password_file):
            raise ValueError("SASL_SSL needs sasl_username and sasl_password_file")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are given together")
        return self
