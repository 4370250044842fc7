"""Where the configuration lets us connect to, and which of its own addresses that forbids."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway.config.encryption import counterparties
from gateway.config.model import Config
from gateway.wire.addresses import AddressRule, ForbiddenAddressError, read_network


def address_rule(config: Config) -> AddressRule:
    """The rule for every connection we make."""
    settings = config.outbound
    return AddressRule(loopback_allowed=settings.loopback_allowed, networks=tuple(map(read_network, settings.networks)))


def forbidden_addresses(config: Config) -> Iterator[tuple[str, str]]:
    """(setting, why) of every address that the rule forbids as far as it can be told without asking for a name."""
    rule = address_rule(config)
    for path, url in _addresses(config):
        try:
            rule.check_host(urlsplit(url).hostname or "")
        except ForbiddenAddressError as error:
            yield path, str(error)


def _addresses(config: Config) -> Iterator[tuple[str, str]]:
    yield from counterparties(config)
    for number, url in enumerate(config.revocation.lists):
        yield f"revocation.lists.{number}", url
    if config.revocation.ocsp_url is not None:
        yield "revocation.ocsp_url", config.revocation.ocsp_url
    if config.time_stamps.url is not None:
        yield "time_stamps.url", config.time_stamps.url
