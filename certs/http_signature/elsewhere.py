"""Where else a request may have been sent to before a proxy rewrote its address: for the explanation of a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, unquote

from certs.http_signature.message import HttpRequestParts, MessageParts

_PORTS = ("", ":80", ":443", ":8080", ":8443")


def addresses(message: MessageParts) -> Iterator[MessageParts]:
    """The same request as proxies rewrite it: with and without a port, encoded and decoded, with a slash at its end."""
    if not isinstance(message, HttpRequestParts):
        return
    host = message.authority.rpartition(":")[0] or message.authority
    for port in _PORTS:
        yield replace(message, authority=host + port)
    slashed = message.path.rstrip("/") if message.path.endswith("/") else message.path + "/"
    for path in (slashed or "/", unquote(message.path), quote(message.path, safe="/%")):
        yield replace(message, path=path)
