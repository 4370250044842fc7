"""Where a message of ours may go: never to this machine's own services, link-local or metadata addresses (SSRF).

Pure; `gateway.wire.client` asks it about every address a name resolves to, at every connection. Private networks are
where counterparties are (AOS-G4), so they are allowed; `networks` narrows that to the ones they really are in.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Metadata services outside the link-local range: their answers are credentials.
_METADATA = frozenset(
    map(ip_address, ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "fd00:42::42"))
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # what no domain ends in: 2130706433, 127.1 and 0x7f.1 are addresses
_LOCAL_NAMES = ("localhost", ".localhost", ".local", ".internal")
_DISGUISES = (
    ip_network("64:ff9b::/96"),  # NAT64, 6to4 and Teredo: an IPv4 address inside
    ip_network("2002::/16"),
    ip_network("2001::/32"),
    ip_network("0.0.0.0/8"),  # "this network": some systems take it for themselves
)


class ForbiddenAddressError(OSError):
    """The address is not one that we connect to."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EACCES, why)

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRule:
    """`networks` empty: everywhere that is not forbidden. `loopback_allowed` is for demonstration and tests."""

    loopback_allowed: bool = False
    networks: tuple[Network, ...] = ()

    def allows(self, address: Address) -> bool:
        """Whether a connection may be made to an address."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_loopback:
            return self.loopback_allowed
        forbidden = (
            address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or address.is_reserved
            or address in _METADATA
            or any(address in network for network in _DISGUISES)
            or (isinstance(address, IPv6Address) and address.is_site_local)
        )
        return not forbidden and (not self.networks or any(address in network for network in self.networks))

    def check_address(self, address: str) -> None:
        """Raises ForbiddenAddressError for a numeric address that is not allowed."""
        if not self.allows(ip_address(address.partition("%")[0])):
            raise ForbiddenAddressError(f"{address} is not an address that we connect to")

    def check_host(self, host: str) -> None:
        """What can be told of a host without asking anybody. Raises ForbiddenAddressError."""
        name = host.rstrip(".").lower()
        if not name.isascii():
            raise ForbiddenAddressError(f"{host!r}: names are written in ASCII")  # others have digits and dots too
        if not self.loopback_allowed and (name == _LOCAL_NAMES[0] or name.endswith(_LOCAL_NAMES[1:])):
            raise ForbiddenAddressError(f"{host} is a name of this machine or its surroundings")
        try:
            ip_address(name.partition("%")[0])
        except ValueError:
            if _NUMBER.fullmatch(name.rpartition(".")[2]):
                raise ForbiddenAddressError(f"{host} is an address in another form than a.b.c.d") from None
            return
        self.check_address(name)


def read_network(text: str) -> Network:
    """A network in CIDR notation. Raises ValueError."""
    return ip_network(text)
