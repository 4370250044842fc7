"""From an accepted socket to a connection of HTTP: the TLS handshake, bounded in time and in number.

A handshake that never ends costs its sender nothing and us a file and what OpenSSL keeps for it. So each has
`HANDSHAKE_MAX_S`; of one address and of all together only so many are under way, and where one is too many the oldest
of the address that has the most gives way: whoever floods takes places from himself. Sockets of who has shaken hands
are the listener's (`gateway.wire.listener`).
"""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from aiohttp import web

HANDSHAKE_MAX_S = 10.0  # some round trips; three retransmissions of a lost packet fit
GOODBYE_MAX_S = 30.0  # for what is written and not taken, all of it, and the other side's word that it closes, too

_log = logging.getLogger(__name__)


class Gone(StrEnum):
    """Why a socket was closed that its owner had not done with."""

    HANDSHAKE_FAILED = "handshake_failed"
    HANDSHAKE_LATE = "handshake_late"
    HANDSHAKE_GAVE_WAY = "handshake_gave_way"
    NOT_WELCOME = "not_welcome"  # before a handshake, while the processor is short
    GAVE_WAY = "gave_way"  # to one more connection
    HEAD_TOO_LONG = "head_too_long"
    NOT_READ = "not_read"  # it does not take its answer


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRoom:
    """How many sockets may stand open; every bound is of one listener."""

    connections: int
    handshakes: int
    handshakes_of_one: int  # of one address


@dataclass(slots=True)
class Sockets:
    """What a listener has open, and whom it sent away."""

    connections: int = 0
    handshakes: int = 0
    gone: Counter[Gone] = field(default_factory=Counter)


def address_of(transport: asyncio.BaseTransport | None) -> str:
    """The other side's IP address; empty where it has none."""
    peer = None if transport is None else transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


class Arrivals:
    """Handshakes under way."""

    def __init__(
        self, context: tls.SSLContext, room: SocketRoom, sockets: Sockets, welcome: Callable[[str], bool]
    ) -> None:
        """`welcome` is asked by address before a handshake begins."""
        self.context, self.sockets, self.welcome = context, sockets, welcome
        self._room = room
        self._under_way: dict[Arrival, None] = {}  # the oldest first
        self._of: Counter[str] = Counter()
        self.is_open = True

    def begin(self, arrival: Arrival) -> None:
        """One more; where it is one too many, another ends."""
        self._under_way[arrival] = None
        self._of[arrival.address] += 1
        self.sockets.handshakes = len(self._under_way)
        if self._of[arrival.address] > self._room.handshakes_of_one:
            self._give_way(arrival.address)
        elif len(self._under_way) > self._room.handshakes:
            self._give_way(max(self._of, key=self._of.__getitem__))

    def end(self, arrival: Arrival) -> None:
        """It is done, either way."""
        if arrival not in self._under_way:
            return
        del self._under_way[arrival]
        self._of[arrival.address] -= 1
        if not self._of[arrival.address]:
            del self._of[arrival.address]
        self.sockets.handshakes = len(self._under_way)

    def close(self) -> None:
        """Nobody is let in any more, whose socket was accepted a moment ago neither."""
        self.is_open = False
        for arrival in list(self._under_way):
            arrival.abort()

    def _give_way(self, address: str) -> None:
        oldest = next(arrival for arrival in self._under_way if arrival.address == address)
        self.sockets.gone[Gone.HANDSHAKE_GAVE_WAY] += 1
        oldest.abort()


class Arrival(asyncio.Protocol):
    """One socket until its handshake is done. What comes right behind the handshake is handed on with it."""

    def __init__(self, arrivals: Arrivals, factory: Callable[[], asyncio.Protocol]) -> None:
        self._arrivals, self._factory = arrivals, factory
        self._transport: asyncio.Transport | None = None
        self._early, self._is_over = bytearray(), False
        self._shaking: asyncio.Task[None] | None = None
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted."""
        self._transport = cast(asyncio.Transport, transport)
        self.address = address_of(transport)
        if not self._arrivals.is_open:
            self._transport.abort()
            return
        if not self._arrivals.welcome(self.address):
            self._arrivals.sockets.gone[Gone.NOT_WELCOME] += 1
            self._transport.abort()
            return
        self._transport.pause_reading()  # nothing that comes before TLS may be taken for what comes in it
        self._shaking = asyncio.get_running_loop().create_task(self._shake(self._transport))
        self._arrivals.begin(self)

    def data_received(self, data: bytes) -> None:
        """Within TLS, before the connection's own protocol is there."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Before anything could be handed on."""
        self._is_over = True
        self._arrivals.end(self)

    def abort(self) -> None:
        """End it, whatever the other side says; its task hears of it as of a lost connection."""
        self._is_over = True
        self._arrivals.end(self)
        if self._transport is not None:
            self._transport.abort()

    async def _shake(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                transport,
                self,
                self._arrivals.context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_MAX_S,
                ssl_shutdown_timeout=GOODBYE_MAX_S,
            )
        except OSError as error:  # ssl.SSLError among them
            self._failed(error)
            return
        finally:
            self._arrivals.end(self)
        if secured is not None and not self._is_over and not secured.is_closing():
            self._hand_on(secured)

    def _failed(self, error: OSError) -> None:
        if self._is_over:
            return
        late = isinstance(error, ConnectionAbortedError)
        self._arrivals.sockets.gone[Gone.HANDSHAKE_LATE if late else Gone.HANDSHAKE_FAILED] += 1
        _log.debug("no handshake with %s: %s", self.address, error)

    def _hand_on(self, secured: asyncio.Transport) -> None:
        protocol = self._factory()
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        if self._early:
            protocol.data_received(bytes(self._early))


class TlsSite(web.BaseSite):
    """aiohttp's TCPSite with the handshake in our hands."""

    __slots__ = ("_arrivals", "_place")

    def __init__(self, runner: web.BaseRunner, host: str, port: int, arrivals: Arrivals, **options: Any) -> None:
        super().__init__(runner, **options)
        self._place, self._arrivals = (host, port), arrivals

    @property
    def name(self) -> str:
        """See the base."""
        return f"https://{self._place[0]}:{self._place[1]}"

    async def start(self) -> None:
        """See the base."""
        await super().start()
        made = self._runner.server
        assert made is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Arrival(self._arrivals, made), *self._place, backlog=self._backlog
        )

    async def stop(self) -> None:
        """See the base."""
        await super().stop()
        self._arrivals.close()
