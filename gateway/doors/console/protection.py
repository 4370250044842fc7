"""What stands before every page: the name that is asked for, the page a form comes from, how often one may try to sign
in, and what the browser is told to forbid itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import urlsplit

from aiohttp import web

from gateway.domain.quota import Bucket, QuotaPolicy, take

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # no-referrer would have browsers hide the origin of our own forms too
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
_TRANSPORT_S = 31_536_000
_HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ADDRESSES_MAX = 1000
_TRIES = QuotaPolicy(rate_per_s=0.1, burst=10)  # a person needs one; a secret of 256 bits no more protection than this


def tell_browser(*, encrypted: bool) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal for `on_response_prepare`: what the browser must not do with any answer of ours."""

    async def signal(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(_HEADERS)
        if encrypted:
            response.headers["Strict-Transport-Security"] = f"max-age={_TRANSPORT_S}"

    return signal


class NamesOfOurs:
    """The names the console answers to; a page of somebody else's that points its own name at us (DNS rebinding) gets
    nothing.
    """

    def __init__(self, host: str, names: tuple[str, ...]) -> None:
        literal = f"[{host}]" if ":" in host else host
        self._names = _HERE | {literal.lower(), *(name.lower() for name in names)}

    def answers(self, authority: str) -> bool:
        """Whether a Host field names us, with any port or with the one that was stated."""
        authority = authority.lower()
        host = authority if authority.endswith("]") else authority.rpartition(":")[0] or authority
        return authority in self._names or host in self._names


def comes_from_us(request: web.Request) -> bool:
    """Whether a form was sent by a page of ours, as far as the browser says."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site != "same-origin":
        return False
    try:
        return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:  # "http://[": of no browser's
        return False


class Tries:
    """How often somebody at one address may try to sign in."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def take(self, address: str) -> bool:
        """Whether there is one left; it is used."""
        if len(self._buckets) >= _ADDRESSES_MAX:
            self._buckets.clear()
        self._buckets[address], wait = take(self._buckets.get(address), _TRIES, self._clock())
        return wait is None
