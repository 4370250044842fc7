"""The settings: a class per section, a description, a unit and a limit on every field.

The descriptions are the README's table of settings (`python -m gateway.config`). Figures that come from law or from a
counterparty's rules are settings too, never constants in code (AOS-G5).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from gateway.config.console import ConsoleSettings
from gateway.config.counterparties import (
    AosSettings,
    AsanPaySettings,
    AzipsSettings,
    BankSettings,
    KafkaSettings,
    MinistrySettings,
    PlatformSettings,
)
from gateway.config.house import (
    GatewaySettings,
    HttpSettings,
    KeysSettings,
    LogSettings,
    OutboundSettings,
    RevocationSettings,
    StoreSettings,
)
from gateway.config.law import (
    AccountSettings,
    CalendarSettings,
    CustodySettings,
    LiquiditySettings,
    ProtocolSettings,
    RegimeSettings,
    RulesSettings,
)
from gateway.config.signature import SignatureSettings
from gateway.config.types import (
    Section,
)
from gateway.config.work import (
    DeliverySettings,
    DispatcherSettings,
    IntakeSettings,
    TimeStampSettings,
    WatchdogSettings,
)


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
