"""Where our connections may go: nothing that a callback address names leads to this machine or to its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver

from certs.authority import Authority
from certs.trust import TrustStore
from gateway.errors import NotSentError
from gateway.wire.addresses import AddressRule, ForbiddenAddressError, read_network
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity
from gateway.wire.resolver import GuardedResolver
from gateway.wire.rules import WireRules

STRICT = AddressRule()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.3",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd20:ce::254",
        "fd00:42::42",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fec0::1",
        "0.1.2.3",
        "2001:0:7f00:1::1",
        "64:ff9b:1::7f00:1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
    ],
)
def test_dangerous_addresses_are_refused(address: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        STRICT.check_address(address)
    with pytest.raises(ForbiddenAddressError):
        STRICT.check_host(address)


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.7.1", "172.16.0.9", "93.184.216.34", "fd12:3456::1", "::ffff:10.1.2.3"]
)
def test_addresses_of_closed_and_open_networks_are_allowed(address: str) -> None:
    """AOS-G4: counterparties are in the closed network."""
    STRICT.check_address(address)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "1.2.3.4.5",
        "127.0.0.1.",
        "10.0.0.0x",
    ],
)
def test_addresses_in_other_spellings_are_refused(host: str) -> None:
    """What a resolver takes for an address though it is not written as one."""
    with pytest.raises(ForbiddenAddressError):
        STRICT.check_host(host)


@pytest.mark.parametrize("host", ["①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "lоcalhost", "bаnk.example"])
def test_names_that_only_look_like_ascii_are_refused(host: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        STRICT.check_host(host)


@pytest.mark.parametrize("host", ["bank.example", "a1.bank2.az", "xn--bank-8ra.example", "3com.example", "10.1.2.3"])
def test_ordinary_names_are_left_to_the_resolver(host: str) -> None:
    STRICT.check_host(host)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "metadata.google.internal", "x.local"])
def test_names_of_this_machine_are_refused_without_asking(host: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        STRICT.check_host(host)


def test_loopback_is_allowed_where_the_demonstration_says_so_and_metadata_never() -> None:
    demonstration = AddressRule(loopback_allowed=True)
    demonstration.check_host("localhost")
    demonstration.check_address("127.0.0.1")
    with pytest.raises(ForbiddenAddressError):
        demonstration.check_address("169.254.169.254")


def test_named_networks_are_the_only_ones() -> None:
    rule = AddressRule(networks=(read_network("10.20.0.0/16"),))
    assert rule.allows(ip_address("10.20.3.4"))
    assert not rule.allows(ip_address("10.21.0.1"))
    assert not rule.allows(ip_address("8.8.8.8"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "http://169.254.169.254/latest",
        "http://[::1]:9/",
        "http://localhost:9/",
        "http://2130706433:9/",
        "http://0x7f.1:9/",
        "http://[::ffff:7f00:1]:9/",
        "http://bank.example@127.0.0.1:9/",
    ],
)
async def test_a_client_sends_nothing_to_a_forbidden_address(url: str) -> None:
    with pytest.raises(NotSentError):
        await _ask(url)


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["10.0.0.1", "169.254.169.254"]])
async def test_what_a_name_resolves_to_is_judged_at_every_connection(
    monkeypatch: pytest.MonkeyPatch, answers: Sequence[str]
) -> None:
    async def resolve(*_: Any, **__: Any) -> list[dict[str, object]]:
        return [{"hostname": "bank.example", "host": answer, "port": 9} for answer in answers]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    with pytest.raises(ForbiddenAddressError):
        await GuardedResolver(STRICT).resolve("bank.example", 9)
    with pytest.raises(NotSentError, match="not an address that we connect to"):
        await _ask("http://bank.example:9/")


@cache
def _own() -> Identity:
    """Our key, whose certificate has not ended: what has is not sent anywhere."""
    now = datetime.now(UTC)
    authority = Authority.create(now)
    trust = TrustStore.from_pem(anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[])
    return Identity(authority.issue("GATEWAY", "Şlüz (nümunə)", key="p256", now=now), trust)


async def _ask(url: str) -> None:
    client = SignedClient(
        _own,
        timeout_s=2,
        clock=lambda: datetime.now(UTC),
        rules=WireRules(addresses=STRICT),
    )
    try:
        await client.request("GET", url, expected_participant=None, sign=False, verify=False)
    finally:
        await client.close()
