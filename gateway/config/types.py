"""Types that settings share: amounts, accounts' numbers, addresses, paths; each refuses what it cannot be."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationInfo
from schwifty import IBAN

from gateway.domain.money import Money

_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")


class Section(BaseModel):
    """A table of the configuration: frozen, and an unknown key in it is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)


def _money(value: object) -> Money:
    if isinstance(value, Money):
        return value
    if not isinstance(value, str):
        raise ValueError('an amount is written as text, for example "40000.00"')
    return Money.parse(value)


def _iban(value: str) -> str:
    try:
        return str(IBAN(value))
    except ValueError as fault:
        raise ValueError(f"not an IBAN: {fault}") from fault


def _bic(value: str) -> str:
    if not _BIC.fullmatch(value):
        raise ValueError("not a BIC of 8 or 11 characters")
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http or https address")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("an address without user, query and fragment is wanted")
    return value.rstrip("/")


def _cidr(value: str) -> str:
    return str(ip_network(value))


def _growing(waits: tuple[float, ...]) -> tuple[float, ...]:
    if any(wait <= 0 for wait in waits) or list(waits) != sorted(waits):
        raise ValueError("waits are positive and never get shorter")
    return waits


def _beside_the_file(value: Path, info: ValidationInfo) -> Path:
    base: Path = (info.context or {}).get("base", Path())
    return base / value


Amount = Annotated[Money, BeforeValidator(_money)]
Iban = Annotated[str, AfterValidator(_iban)]
Bic = Annotated[str, AfterValidator(_bic)]
Url = Annotated[str, AfterValidator(_url)]
Cidr = Annotated[str, AfterValidator(_cidr)]
"""A network in CIDR notation."""
BesidePath = Annotated[Path, AfterValidator(_beside_the_file)]
"""A path; a relative one is looked for beside the configuration file."""
Participant = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3,20}$")]
"""A registration code, as the certificate's organizationIdentifier names it (AOS-S1)."""
BankCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
KafkaPrincipal = Annotated[str, StringConstraints(pattern=r"^User:\S.*$")]  # as Kafka's ACLs write it
Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
Waits = Annotated[tuple[float, ...], AfterValidator(_growing)]
"""Pauses between attempts, seconds."""
