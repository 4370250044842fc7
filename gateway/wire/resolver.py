"""Names to addresses, for connections that must not be led astray: what a name resolves to is judged each time."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from gateway.wire.addresses import AddressRule


class GuardedResolver(AbstractResolver):
    """Refuses a name if any of its addresses is forbidden, so that a name that answers by turns is no way in."""

    def __init__(self, rule: AddressRule) -> None:
        self._rule, self._inner = rule, ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses. Raises ForbiddenAddressError, an OSError: no connection is made."""
        found = await self._inner.resolve(host, port, family)
        for result in found:
            self._rule.check_address(result["host"])
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()
