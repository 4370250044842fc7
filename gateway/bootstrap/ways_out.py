"""The ways out: an adapter per channel, the broker and its topics, the schedules of delivery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cryptography.x509 import load_pem_x509_certificate

from adapters.aos.adapter import AosAdapter, AosSettings
from adapters.asan_pay.adapter import AsanPayAdapter, AsanPaySettings
from adapters.azips.adapter import AzipsAdapter, AzipsSettings, Format
from adapters.banks.adapter import BankEndpoint, BanksAdapter, Transport
from adapters.ministries.adapter import MinistriesAdapter, MinistriesSettings
from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import PublisherSettings
from adapters.ministries.refusals import RefusalsAdapter
from adapters.ministries.topics import wanted_topics
from adapters.notary.adapter import NotaryAdapter
from adapters.platform.adapter import PlatformAdapter, PlatformSettings
from adapters.timestamping.adapter import TimeStampClient
from contracts.events.grants import Principals
from contracts.events.topics import Topic
from gateway.bootstrap.surroundings import Surroundings
from gateway.config import Config
from gateway.domain.delivery import RetryPolicy
from gateway.domain.dispatches import Channel
from gateway.domain.recipient import BreakerPolicy
from gateway.doors.aos_deficiency import Deficiencies
from gateway.ports import Adapter
from gateway.tls import kafka_ssl
from gateway.wire.broker import EmbeddedBroker

EMBEDDED = "embedded"
RAILS = (Channel.AOS.value, Channel.AZIPS.value)


def policies(config: Config) -> dict[str, RetryPolicy]:
    """The retry schedules, by the engine's names for them."""
    settings = config.dispatcher
    default = RetryPolicy(
        pauses_s=settings.retry_s, jitter=settings.jitter_ratio, warn_at_percent=settings.warn_at_percent
    )
    rail = default.in_pieces(settings.rail_wait_max_s)
    own = {
        row.channel if row.recipient is None else f"{row.channel}/{row.recipient}": replace(
            default, pauses_s=row.retry_s
        )
        for row in config.deliveries
    }
    return {"default": default} | dict.fromkeys(RAILS, rail) | own


def breakers(config: Config) -> dict[str, BreakerPolicy]:
    """When who does not answer is left alone, and for how long, by channel, else `default`."""
    settings = config.dispatcher
    default = BreakerPolicy(
        failures_max=settings.breaker_failures,
        pause_s=settings.breaker_pause_s,
        pause_max_s=settings.breaker_pause_max_s,
    )
    rail = replace(default, pause_max_s=min(settings.breaker_pause_max_s, settings.rail_wait_max_s))
    return {"default": default} | dict.fromkeys(RAILS, rail)


def kafka_settings(config: Config, bootstrap: str) -> KafkaSettings:
    """How to reach the brokers at `bootstrap`."""
    settings = config.kafka
    password = settings.sasl_password_file.read_text().strip() if settings.sasl_password_file else None
    return KafkaSettings(
        bootstrap_servers=bootstrap,
        client_id=settings.client_id,
        ssl=kafka_ssl(config),
        sasl_mechanism=settings.sasl_mechanism,
        user_name=settings.sasl_username if settings.security_protocol == "SASL_SSL" else None,
        password=password,
        session_timeout_s=settings.session_timeout_s,
    )


def topics_of(config: Config) -> tuple[Topic, ...]:
    """The topics that the gateway and the ministries of the configuration use."""
    protocols = {ministry.code: ministry.topic for ministry in config.ministries}
    return wanted_topics(protocols, config.kafka.receipts_topic, refusals_topics(config))


def refusals_topics(config: Config) -> dict[str, str]:
    """The topics of those ministries that are told of refused receipts, by code."""
    named = {ministry.code: ministry.refusals_topic for ministry in config.ministries}
    return {code: topic for code, topic in named.items() if topic is not None}


def receipts_group(config: Config) -> str:
    """The consumer group that reads receipts."""
    return f"{config.kafka.client_id}.receipts"


def principals_of(config: Config) -> Principals:
    """Who we and the ministries are in the brokers' ACLs."""
    named = {ministry.code: ministry.principal for ministry in config.ministries}
    return Principals(
        gateway=_own_principal(config),
        group=receipts_group(config),
        ministries={code: principal for code, principal in named.items() if principal is not None},
    )


def _own_principal(config: Config) -> str:
    """As Kafka builds it where nothing else is set; whoever shows nothing is ANONYMOUS."""
    kafka = config.kafka
    if kafka.principal is not None:
        return kafka.principal
    if kafka.security_protocol == "SASL_SSL":
        return f"User:{kafka.sasl_username}"
    if kafka.security_protocol == "SSL" and kafka.tls_certificate is not None:
        return f"User:{load_pem_x509_certificate(kafka.tls_certificate.read_bytes()).subject.rfc4514_string()}"
    return "User:ANONYMOUS"


def start_broker(house: Surroundings) -> KafkaSettings:
    """How to reach the broker; the embedded one is started."""
    settings = house.config.kafka
    bootstrap = settings.bootstrap
    if bootstrap == EMBEDDED:
        broker = EmbeddedBroker({topic.name: 1 for topic in topics_of(house.config)})
        broker.start()
        house.stack.callback(broker.close)
        bootstrap = broker.bootstrap_servers
    return kafka_settings(house.config, bootstrap)


def make_adapters(house: Surroundings, kafka: KafkaSettings, deficiencies: Deficiencies) -> Mapping[str, Adapter]:
    """One adapter per channel; all are closed with the house."""
    made: list[Adapter] = [
        _aos(house, deficiencies),
        _asan_pay(house),
        _banks(house),
        _platform(house),
        _ministries(house, kafka),
        _refusals(house, kafka),
        *_azips(house),
        _notary(house),
    ]
    for adapter in made:
        house.stack.push_async_callback(adapter.close)
    return {adapter.channel: adapter for adapter in made}


def _aos(house: Surroundings, deficiencies: Deficiencies) -> AosAdapter:
    aos, rail = house.config.aos, house.rail()
    settings = AosSettings(
        url=aos.url,
        own_bic=rail.own_bic,
        system_bic=rail.system_bic,
        central_bank_bic=aos.bic,
        participant=rail.participant,
        envelope=rail.envelope,
    )
    client = house.client(aos.request_timeout_s)
    return AosAdapter(client, settings, house.keys, on_disbelief=deficiencies.disbelieved)


def _asan_pay(house: Surroundings) -> AsanPayAdapter:
    asan_pay = house.config.asan_pay
    settings = AsanPaySettings(url=asan_pay.url, participant=asan_pay.participant)
    return AsanPayAdapter(house.client(asan_pay.request_timeout_s), settings)


def _banks(house: Surroundings) -> BanksAdapter:
    endpoints = [
        BankEndpoint(
            code=bank.code,
            transport=Transport(bank.transport),
            callback_url=bank.callback_url,
            timeout_s=bank.request_timeout_s,
        )
        for bank in house.config.banks
    ]
    return BanksAdapter(endpoints, house.keys, clock=house.clock, rules=house.rules)


def _platform(house: Surroundings) -> PlatformAdapter:
    platform = house.config.platform
    settings = PlatformSettings(
        callback_url=platform.callback_url, participant=platform.participant, timeout_s=platform.request_timeout_s
    )
    return PlatformAdapter(settings, house.keys, clock=house.clock, rules=house.rules)


def _ministries(house: Surroundings, kafka: KafkaSettings) -> MinistriesAdapter:
    config = house.config
    settings = MinistriesSettings(
        publisher=PublisherSettings(kafka=kafka, delivery_timeout_s=config.kafka.delivery_timeout_s),
        topics={ministry.code: ministry.topic for ministry in config.ministries},
        source=config.gateway.code,
        records_at_once=config.kafka.records_at_once,
    )
    return MinistriesAdapter(settings)


def _refusals(house: Surroundings, kafka: KafkaSettings) -> RefusalsAdapter:
    config = house.config
    settings = PublisherSettings(kafka=kafka, delivery_timeout_s=config.kafka.delivery_timeout_s)
    return RefusalsAdapter(settings, refusals_topics(config), house.keys, clock=house.clock, source=config.gateway.code)


def _notary(house: Surroundings) -> NotaryAdapter:
    """The office that seals, with time-stamps where an authority of time is named."""
    settings, stamp = house.config.time_stamps, None
    if settings.url is not None:
        client = TimeStampClient(
            settings.url, house.keys, timeout_s=settings.timeout_s, addresses=house.rules.addresses
        )
        house.stack.push_async_callback(client.close)
        stamp = client.stamp
    names = {bank.code: bank.name for bank in house.config.banks}
    return NotaryAdapter(house.keys, clock=house.clock, names=names, stamp=stamp, stamp_wait_s=settings.seal_wait_s)


def _azips(house: Surroundings) -> list[Adapter]:
    """The adapter of AZIPS, where it is configured."""
    azips = house.config.azips
    if azips is None:
        return []
    settings = AzipsSettings(
        url=azips.url,
        own_bic=house.config.gateway.bic,
        azips_bic=azips.bic,
        aos_bic=house.config.aos.system_address,
        participant=azips.participant,
        format=Format(azips.format),
    )
    return [AzipsAdapter(house.client(azips.request_timeout_s), settings, house.keys)]
