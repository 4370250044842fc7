"""The parts of an HTTP message that a signature can cover, exactly as they were on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

Headers = tuple[tuple[str, str], ...]

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequestParts:
    """A request as sent or received.

    `path` and `query` are the raw, still encoded octets of the request target (query without its `?`); `authority` is
    the Host header; `headers` keep their order and repetitions.
    """

    method: str
    authority: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""

    @classmethod
    def of(
        cls, method: str, url: str, headers: Mapping[str, str] | Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> HttpRequestParts:
        """From an absolute, already encoded URL."""
        split = urlsplit(url)
        return cls(
            method=method.upper(),
            authority=split.netloc.lower().removesuffix(_DEFAULT_PORTS.get(split.scheme, "\0")),
            path=split.path or "/",
            query=split.query,
            headers=as_headers(headers),
            body=body,
        )

    def with_headers(self, added: Mapping[str, str]) -> HttpRequestParts:
        """The same request with headers put at the end."""
        return HttpRequestParts(
            method=self.method,
            authority=self.authority,
            path=self.path,
            query=self.query,
            headers=self.headers + as_headers(added),
            body=self.body,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponseParts:
    """A response as sent or received."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def with_headers(self, added: Mapping[str, str]) -> HttpResponseParts:
        """The same response with headers put at the end."""
        return HttpResponseParts(status=self.status, headers=self.headers + as_headers(added), body=self.body)


MessageParts = HttpRequestParts | HttpResponseParts


def as_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Headers:
    """Pairs out of a mapping or of pairs, in order."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple((name, value) for name, value in pairs)


@lru_cache(maxsize=64)
def field_values(headers: Headers) -> Mapping[str, tuple[str, ...]]:
    """Every field's values by lower-case name, trimmed, in order of arrival; asked for a few times for each message."""
    values: dict[str, tuple[str, ...]] = {}
    for name, value in headers:
        field = name.lower()
        values[field] = (*values.get(field, ()), value.strip(" \t"))
    return values
