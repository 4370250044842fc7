"""What is ours: who we are, where we write, listen and connect, our keys and our log."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.config.types import (
    BesidePath,
    Bic,
    Cidr,
    Participant,
    Section,
    Url,
)


class GatewaySettings(Section):
    """Who we are."""

    code: Participant = Field("GATEWAY", description="Our registration code, as our certificate names it")
    name: str = Field("eHərrac şlüzü", min_length=1, max_length=140, description="Our name in messages and protocols")
    bic: Bic = Field(description="BIC of the agent that holds the deposit accounts; we send and confirm payments as it")
    address: str = Field(
        pattern=r"^[A-Z0-9]{12}$", description="12 characters: BIC8, letter, branch; the prefix of our message ids"
    )


class StoreSettings(Section):
    """Where everything is written down."""

    url: str = Field(
        "sqlite:///eherrac.db",
        pattern=r"^(sqlite:///.+|postgres(ql)?://.+)$",
        repr=False,
        description="`sqlite:///file` (one process) or `postgresql://…` (any number of replicas)",
    )
    connections_max: int = Field(8, ge=1, le=200, description="Connections kept to PostgreSQL by one process")
    size_max_bytes: int | None = Field(
        None,
        ge=1_048_576,
        description="How large the database may become; without it only SQLite's disk is watched",
    )
    warn_bytes: int = Field(1_073_741_824, ge=0, description="With less room left the alarm `STORE_FILLING` is raised")
    reserve_bytes: int = Field(
        268_435_456,
        ge=0,
        description="With less room left new work is refused (503), so that what is under way can be written down",
    )

    @model_validator(mode="after")
    def _warned_before(self) -> Self:
        if self.warn_bytes < self.reserve_bytes:
            raise ValueError("warn_bytes must not be less than reserve_bytes")
        return self


class HttpSettings(Section):
    """The doors' socket."""

    host: str = Field("127.0.0.1", description="Address to listen on, in the closed network only (AOS-G4)")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    body_max_bytes: int = Field(1_048_576, ge=1024, le=64 * 1_048_576, description="Longest message taken")
    tls_certificate: BesidePath | None = Field(None, description="PEM chain of the TLS server certificate")
    tls_key: BesidePath | None = Field(None, description="PEM key of the TLS server certificate")
    tls_client_ca: BesidePath | None = Field(None, description="PEM authorities of clients; given, TLS is mutual")
    plaintext_allowed: bool = Field(
        False,
        description="Whether TLS ends in a sidecar; else every host but loopback needs tls_certificate (AOS-S1)",
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are given together")
        if self.tls_client_ca is not None and self.tls_key is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        return self


class KeysSettings(Section):
    """Our signing key and whom we trust (AOS-S1); file names are relative to `directory`."""

    directory: BesidePath = Field(description="Folder of keys, certificates and revocation lists")
    key: str = Field("key.pem", description="Our private key, RSA-2048 or P-256")
    chain: str = Field("chain.pem", description="Our certificate and those that issued it, ours first")
    vault: BesidePath | None = Field(
        None, description="Folder of the vault that `key` is opened from (`vault open --into`); its look is watched"
    )
    anchors: str = Field("anchors.pem", description="Root certificates that we trust")
    intermediates: str = Field("intermediates.pem", description="Issuing authorities' certificates")
    crls: tuple[str, ...] = Field(("crl.pem",), min_length=1, description="Revocation lists")
    reload_s: int = Field(60, ge=1, description="How often the folder is looked at for new lists and keys")
    pkcs11_module: BesidePath | None = Field(None, description="PKCS#11 library of the device that holds our key")
    pkcs11_token: str | None = Field(None, description="Label of its token")
    pkcs11_label: str = Field("eherrac-gateway", description="Label of the private key on it")
    pkcs11_pin_file: BesidePath | None = Field(None, description="File with the token's PIN")

    @model_validator(mode="after")
    def _device_is_whole(self) -> Self:
        given = (self.pkcs11_module, self.pkcs11_token, self.pkcs11_pin_file)
        if any(given) and not all(given):
            raise ValueError("pkcs11_module, pkcs11_token and pkcs11_pin_file are given together")
        return self


class RevocationSettings(Section):
    """How we learn of revoked certificates; national rules renew lists at least every three hours."""

    lists: tuple[Url, ...] = Field((), description="Addresses of lists, complete or delta, fetched in the background")
    ocsp_url: Url | None = Field(None, description="Address of the OCSP responder, asked in the background")
    refresh_s: int = Field(3600, ge=10, le=10_800, description="How often every source is asked")
    timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for one source")
    list_max_bytes: int = Field(16_777_216, ge=1024, le=268_435_456, description="Longest list taken")
    max_age_s: int = Field(10_800, ge=60, description="Age after which a list or an answer is stale")
    grace_s: int = Field(0, ge=0, le=86_400, description="How long what is stale is still believed, visibly")


class OutboundSettings(Section):
    """Where we connect to. Link-local, metadata and multicast addresses are refused whatever stands here."""

    loopback_allowed: bool = Field(False, description="Whether counterparties may be on this machine (demonstration)")
    networks: tuple[Cidr, ...] = Field(
        (), description="Networks they are in, CIDR; none named: any that is not refused"
    )
    plaintext_allowed: bool = Field(
        False, description="Whether a sidecar encrypts for us; else every address beyond loopback is https (AOS-S1)"
    )


class LogSettings(Section):
    """The log on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level written")
    json_lines: bool = Field(True, description="One JSON object a line; false writes for the eye")
