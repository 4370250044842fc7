"""Channels are encrypted (AOS-S1): which settings would let a message cross a network in plain text."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.config.model import Config


def plaintext_doors(config: Config) -> bool:
    """Whether anybody beyond this machine could speak to the doors without TLS, and nobody said that this is meant."""
    http = config.http
    return http.tls_certificate is None and not http.plaintext_allowed and not _is_loopback(http.host)


def plaintext_console(config: Config) -> bool:
    """The same of the operators' console."""
    console = config.console
    given = console.tls_certificate is not None or console.plaintext_allowed or not console.enabled
    return not given and not _is_loopback(console.host)


def plaintext_addresses(config: Config) -> Iterator[tuple[str, str]]:
    """(setting, address) of every counterparty beyond this machine whom we would tell things without TLS.

    Lists, OCSP and time-stamps are not among them: what they carry is public and signed by itself.
    """
    if config.outbound.plaintext_allowed:
        return
    for path, url in counterparties(config):
        parts = urlsplit(url)
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            yield path, url


def counterparties(config: Config) -> Iterator[tuple[str, str]]:
    """(setting, address) of everybody to whom we send messages over HTTP."""
    yield "aos.url", config.aos.url
    yield "asan_pay.url", config.asan_pay.url
    yield "platform.callback_url", config.platform.callback_url
    if config.azips is not None:
        yield "azips.url", config.azips.url
    for number, bank in enumerate(config.banks):
        yield f"banks.{number}.callback_url", bank.callback_url


def _is_loopback(host: str) -> bool:
    name = host.rstrip(".").lower()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
