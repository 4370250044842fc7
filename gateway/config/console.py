"""The settings of the operators' console."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from gateway.config.types import BesidePath, Section


class ConsoleSettings(Section):
    """The operators' console: a socket of its own, on this machine unless told otherwise."""

    enabled: bool = Field(True, description="Whether it is served")
    host: str = Field("127.0.0.1", description="Address to listen on, in the operators' network only")
    port: int = Field(8090, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    names: tuple[str, ...] = Field(
        (),
        description="Names it is reached by, `host` or `host:port` as browsers write them; what asks for another name "
        "is refused. This machine's own need not be named",
    )
    tls_certificate: BesidePath | None = Field(None, description="PEM chain of its TLS certificate")
    tls_key: BesidePath | None = Field(None, description="PEM key of its TLS certificate")
    plaintext_allowed: bool = Field(
        False, description="Whether TLS ends in a sidecar; else every host but loopback needs tls_certificate"
    )
    link_s: int = Field(600, ge=60, le=3600, description="How long a sign-in link may be used, once")
    session_s: int = Field(28_800, ge=300, le=86_400, description="Longest a person stays signed in")
    idle_s: int = Field(1800, ge=60, le=28_800, description="Time without doing anything after which a visit ends")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are given together")
        return self
