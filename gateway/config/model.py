"""The settings: a class per section, a description, a unit and a limit on every field.

The descriptions are the README's table of settings (`python -m gateway.config`). Figures that come from law or from a
counterparty's rules are settings too, never constants in code (AOS-G5).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from certs.tolerance import Tolerance
from contracts.iso20022 import Envelope
from gateway.config.console import ConsoleSettings
from gateway.config.signature import EXPECTS, ExpectsSettings, SignatureSettings
from gateway.config.types import (
    Amount,
    BankCode,
    BesidePath,
    Bic,
    Cidr,
    Iban,
    KafkaPrincipal,
    Participant,
    Section,
    Topic,
    Url,
    Waits,
)
from gateway.domain.money import Money
from gateway.domain.rulebook import EnquiryIds, LimitPolicy
from gateway.domain.values import Regime


class GatewaySettings(Section):
    """Who we are."""

    code: Participant = Field("GATEWAY", description="Our registration code, as our certificate names it")
    name: str = Field("eHərrac şlüzü", min_length=1, max_length=140, description="Our name in messages and protocols")
    bic: Bic = Field(description="BIC of the agent that holds the deposit accounts; we send and confirm payments as it")
    address: str = Field(
        pattern=r"^[A-Z0-9]{12}$", description="12 characters: BIC8, letter, branch; the prefix of our message ids"
    )


class StoreSettings(Section):
    """Where everything is written down."""

    url: str = Field(
        "sqlite:///eherrac.db",
        pattern=r"^(sqlite:///.+|postgres(ql)?://.+)$",
        repr=False,
        description="`sqlite:///file` (one process) or `postgresql://…` (any number of replicas)",
    )
    connections_max: int = Field(8, ge=1, le=200, description="Connections kept to PostgreSQL by one process")


class HttpSettings(Section):
    """The doors' socket."""

    host: str = Field("127.0.0.1", description="Address to listen on, in the closed network only (AOS-G4)")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    body_max_bytes: int = Field(1_048_576, ge=1024, le=64 * 1_048_576, description="Longest message taken")
    tls_certificate: BesidePath | None = Field(None, description="PEM chain of the TLS server certificate")
    tls_key: BesidePath | None = Field(None, description="PEM key of the TLS server certificate")
    tls_client_ca: BesidePath | None = Field(None, description="PEM authorities of clients; given, TLS is mutual")
    plaintext_allowed: bool = Field(
        False,
        description="Whether TLS ends in a sidecar; else every host but loopback needs tls_certificate (AOS-S1)",
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are given together")
        if self.tls_client_ca is not None and self.tls_key is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        return self


class KeysSettings(Section):
    """Our signing key and whom we trust (AOS-S1); file names are relative to `directory`."""

    directory: BesidePath = Field(description="Folder of keys, certificates and revocation lists")
    key: str = Field("key.pem", description="Our private key, RSA-2048 or P-256")
    chain: str = Field("chain.pem", description="Our certificate and those that issued it, ours first")
    vault: BesidePath | None = Field(
        None, description="Folder of the vault that `key` is opened from (`vault open --into`); its look is watched"
    )
    anchors: str = Field("anchors.pem", description="Root certificates that we trust")
    intermediates: str = Field("intermediates.pem", description="Issuing authorities' certificates")
    crls: tuple[str, ...] = Field(("crl.pem",), min_length=1, description="Revocation lists")
    reload_s: int = Field(60, ge=1, description="How often the folder is looked at for new lists and keys")
    pkcs11_module: BesidePath | None = Field(None, description="PKCS#11 library of the device that holds our key")
    pkcs11_token: str | None = Field(None, description="Label of its token")
    pkcs11_label: str = Field("eherrac-gateway", description="Label of the private key on it")
    pkcs11_pin_file: BesidePath | None = Field(None, description="File with the token's PIN")

    @model_validator(mode="after")
    def _device_is_whole(self) -> Self:
        given = (self.pkcs11_module, self.pkcs11_token, self.pkcs11_pin_file)
        if any(given) and not all(given):
            raise ValueError("pkcs11_module, pkcs11_token and pkcs11_pin_file are given together")
        return self


class RevocationSettings(Section):
    """How we learn of revoked certificates; national rules renew lists at least every three hours."""

    lists: tuple[Url, ...] = Field((), description="Addresses of lists, complete or delta, fetched in the background")
    ocsp_url: Url | None = Field(None, description="Address of the OCSP responder, asked in the background")
    refresh_s: int = Field(3600, ge=10, le=10_800, description="How often every source is asked")
    timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for one source")
    list_max_bytes: int = Field(16_777_216, ge=1024, le=268_435_456, description="Longest list taken")
    max_age_s: int = Field(10_800, ge=60, description="Age after which a list or an answer is stale")
    grace_s: int = Field(0, ge=0, le=86_400, description="How long what is stale is still believed, visibly")


class OutboundSettings(Section):
    """Where we connect to. Link-local, metadata and multicast addresses are refused whatever stands here."""

    loopback_allowed: bool = Field(False, description="Whether counterparties may be on this machine (demonstration)")
    networks: tuple[Cidr, ...] = Field(
        (), description="Networks they are in, CIDR; none named: any that is not refused"
    )
    plaintext_allowed: bool = Field(
        False, description="Whether a sidecar encrypts for us; else every address beyond loopback is https (AOS-S1)"
    )


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


class IntakeSettings(Section):
    """How much is taken in, so that what is taken can be kept."""

    outbox_max: int = Field(
        100_000, ge=1, description="Deliveries waiting to be sent above which new work is refused (503, Retry-After)"
    )
    requests_per_s: float = Field(500.0, gt=0, description="Requests a second that one client may send for ever")
    requests_burst: int = Field(2000, ge=1, description="Requests that it may send at once after a rest")
    rail_per_s: float = Field(
        2000.0, gt=0, description="Messages a second that AÖS, AZIPS and Asan Pay may each send for ever"
    )
    rail_burst: int = Field(20_000, ge=1, description="Messages that each of them may send at once after a rest")


class DispatcherSettings(Section):
    """How what we send is sent until it is acknowledged."""

    concurrency_per_recipient: int = Field(8, ge=1, le=256, description="Messages under way to one recipient at once")
    lease_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="Time one process keeps a row before another may take it; twice the longest attempt, or more",
    )
    short_lease_allowed: bool = Field(
        False, description="Whether it may be shorter: two processes may then send the same at once, under one id"
    )
    breaker_failures: int = Field(
        5, ge=1, le=1000, description="Attempts without an answer in a row after which a recipient is left alone"
    )
    breaker_pause_s: float = Field(
        5.0, gt=0, le=3600, description="Time until one attempt probes it; doubles with every probe in vain"
    )
    breaker_pause_max_s: float = Field(300.0, gt=0, le=3600, description="Longest time between probes")
    poll_s: float = Field(0.5, gt=0, le=60, description="How often due rows are looked for when nothing announces them")
    retry_s: Waits = Field(
        (1, 5, 15, 60, 300, 900, 3600, *(7200,) * 12),
        min_length=1,
        max_length=100,
        description="Waits between attempts, seconds; after the last a person is asked",
    )
    jitter_ratio: float = Field(0.1, ge=0, le=0.5, description="Share by which a wait is lengthened at random")
    warn_at_percent: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        (50, 70, 90), max_length=10, description="Shares of the whole schedule after which a person is warned"
    )


class DeliverySettings(Section):
    """A schedule of its own for a channel, or for one recipient of it."""

    channel: Literal["aos", "asan_pay", "banks", "ministries", "notary", "platform"] = Field(
        description="`aos`, `asan_pay`, `banks`, `ministries`, `notary` or `platform`"
    )
    recipient: str | None = Field(None, min_length=1, description="Code of the recipient; without, all of the channel")
    retry_s: Waits = Field(min_length=1, max_length=100, description="Its waits between attempts, seconds")


class TimeStampSettings(Section):
    """Time-stamps (RFC 3161) over batches of the journal; without an address nothing is stamped."""

    url: Url | None = Field(None, description="Where the authority of time takes queries")
    interval_s: float = Field(60.0, gt=0, le=3600, description="Time between two batches")
    timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for one stamp")
    grace_s: float = Field(
        86_400.0, gt=0, description="How long lines may wait for their stamp before the gateway is not ready"
    )
    seal_wait_s: float = Field(
        300.0, ge=0, le=86_400, description="How long a protocol may wait for its stamp before it is sealed without one"
    )


class WatchdogSettings(Section):
    """The watch over everything accepted: done, scheduled, or waiting for a person."""

    interval_s: float = Field(10.0, gt=0, le=60, description="How often everything is counted")
    late_s: float = Field(60.0, gt=0, description="How long a due delivery may lie before it is an alarm")


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


class LogSettings(Section):
    """The log on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level written")
    json_lines: bool = Field(True, description="One JSON object a line; false writes for the eye")


class Config(Section):
    """Everything that is set, in one tree."""

    gateway: GatewaySettings
    store: StoreSettings = StoreSettings()
    http: HttpSettings = HttpSettings()
    console: ConsoleSettings = ConsoleSettings()
    keys: KeysSettings
    revocation: RevocationSettings = RevocationSettings()
    outbound: OutboundSettings = OutboundSettings()
    signature: SignatureSettings = SignatureSettings()
    aos: AosSettings
    azips: AzipsSettings | None = None
    custody: CustodySettings = CustodySettings()
    liquidity: LiquiditySettings | None = None
    asan_pay: AsanPaySettings
    platform: PlatformSettings
    banks: tuple[BankSettings, ...] = Field(min_length=1)
    ministries: tuple[MinistrySettings, ...] = Field(min_length=1)
    kafka: KafkaSettings = KafkaSettings()
    intake: IntakeSettings = IntakeSettings()
    dispatcher: DispatcherSettings = DispatcherSettings()
    deliveries: tuple[DeliverySettings, ...] = ()
    time_stamps: TimeStampSettings = TimeStampSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    rules: RulesSettings = RulesSettings()
    regimes: tuple[RegimeSettings, ...] = Field(min_length=1)
    accounts: Mapping[str, AccountSettings]
    calendar: CalendarSettings = CalendarSettings()
    protocol: ProtocolSettings = ProtocolSettings()
    log: LogSettings = LogSettings()
