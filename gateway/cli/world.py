"""The counterparties of a development world: what each sandbox is told about itself and the others.

The packaged world (`gateway/data/demo_world.toml`) is the demonstration's; a file of one's own may stand in its place.
"""

from __future__ import annotations

import tomllib
from datetime import time
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from adapters.aos.faults import FaultKind
from contracts.iso20022 import Envelope
from gateway.domain.money import Money

Qepik = Annotated[Money, BeforeValidator(lambda value: Money.parse(value) if isinstance(value, str) else value)]


NOTHING = Money(0)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class GatewayPart(_Part):
    """Where the gateway and its broker are."""

    url: str
    kafka: str


class ParticipantPart(_Part):
    """A participant of AÖS."""

    bic: str
    code: str
    name: str
    clearing_account: str
    url: str | None = None
    opening_balance: Qepik
    debit_limit: Qepik = NOTHING
    correspondent_account: str | None = None
    settlement_account: str | None = None
    settlement_limit: Qepik = NOTHING
    azips_funds: Qepik = NOTHING
    settled_by: str | None = None
    wants_copies: bool = False


class FaultPart(_Part):
    """Something AÖS does wrong, for the payments it names."""

    kind: FaultKind
    end_to_end_ids: frozenset[str] = frozenset()
    ibans: frozenset[str] = frozenset()
    amounts: tuple[Qepik, ...] = ()
    delay_s: float = 0.0
    about: str = ""  # the beginning of a message's name: `pacs.004` for returns alone
    asked: bool = False  # answers to enquiries too


class AosPart(_Part):
    """AÖS, its operating schedule, and what goes wrong."""

    port: int
    envelope: Envelope = Envelope.DATA_PDU  # of the banks in this world too
    max_amount: Qepik
    budget_bics: frozenset[str] = frozenset({"CTREAZ22"})
    confirmation_interval_s: float = 20.0
    request_interval_s: float = 20.0
    warning_threshold: Qepik = NOTHING
    adjustments: tuple[time, ...] = ()
    statement_days: int = 90
    participants: tuple[ParticipantPart, ...]
    faults: tuple[FaultPart, ...] = ()
    state_file: Path | None = None  # what was said to it, to be told again after a restart
    azips_participant: str = "AZIPS"  # whose limit orders are believed (AOS-L1)
    revoked_keys: str | None = None  # key folder beside AÖS's own, for the fault revoked_signer


class CorrespondentPart(_Part):
    """A participant of AZIPS."""

    bic: str
    code: str
    url: str | None = None
    opening_balance: Qepik


class AzipsPart(_Part):
    """AZIPS."""

    port: int
    aos_url: str | None = None  # where AÖS hears of limit orders (AOS-L1)
    correspondents: tuple[CorrespondentPart, ...]


class AsanPayPart(_Part):
    """Asan Pay."""

    port: int
    pay_after_s: float = 0.5


class PlatformPart(_Part):
    """The auction platform."""

    port: int


class AccountPart(_Part):
    """An account in a bank's books."""

    iban: str
    holder: str
    balance: Qepik
    tax_id: str | None = None


class BankPart(_Part):
    """A bank."""

    code: str
    bic: str
    iso_address: str
    transport: Literal["soap", "rest"]
    port: int
    iso_port: int
    decide_after_s: float = 0.3
    decide_for_s: float = 300.0  # how long a decision is sent again while the gateway takes none
    decisions: dict[str, Literal["accept", "refuse", "ignore"]] = Field(default_factory=dict)
    payers: dict[str, str] = Field(default_factory=dict)
    accounts: tuple[AccountPart, ...]


class MinistryPart(_Part):
    """A ministry."""

    code: str


class World(_Part):
    """Everybody."""

    host: str = "127.0.0.1"
    gateway: GatewayPart
    aos: AosPart
    azips: AzipsPart
    asan_pay: AsanPayPart
    platform: PlatformPart
    banks: tuple[BankPart, ...]
    ministries: tuple[MinistryPart, ...]

    def bank(self, code: str) -> BankPart:
        """A bank by its code. Raises KeyError."""
        return {bank.code: bank for bank in self.banks}[code]


def packaged(name: str) -> str:
    """A data file of this package, as text."""
    return resources.files("gateway").joinpath("data", name).read_text("utf-8")


def read_world(path: Path | None) -> World:
    """The world of a file, or the packaged one."""
    text = packaged("demo_world.toml") if path is None else path.read_text("utf-8")
    return World.model_validate(tomllib.loads(text))
