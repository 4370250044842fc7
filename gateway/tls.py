"""TLS of the doors, of the console and towards the brokers, from the settings."""

from __future__ import annotations

import ssl as tls
from pathlib import Path

from gateway.config import Config


def server_ssl(config: Config) -> tls.SSLContext | None:
    """TLS of the doors, mutual where clients' authorities are named (AOS-S1); None without a certificate."""
    http = config.http
    context = _server(http.tls_certificate, http.tls_key)
    if context is not None and http.tls_client_ca is not None:
        context.load_verify_locations(http.tls_client_ca)
        context.verify_mode = tls.CERT_REQUIRED
    return context


def console_ssl(config: Config) -> tls.SSLContext | None:
    """TLS of the operators' console; None without a certificate."""
    return _server(config.console.tls_certificate, config.console.tls_key)


def _server(certificate: Path | None, key: Path | None) -> tls.SSLContext | None:
    return None if certificate is None or key is None else secured(certificate, key)


def secured(certificate: Path, key: Path) -> tls.SSLContext:
    """What every socket of ours speaks, with this chain and key."""
    context = tls.create_default_context(tls.Purpose.CLIENT_AUTH)
    context.minimum_version = tls.TLSVersion.TLSv1_2
    context.options |= tls.OP_NO_RENEGOTIATION  # each would cost us a signature and its sender nothing
    context.load_cert_chain(certificate, key)
    return context


def kafka_ssl(config: Config) -> tls.SSLContext | None:
    """TLS to the brokers; None for PLAINTEXT."""
    kafka = config.kafka
    if kafka.security_protocol == "PLAINTEXT":
        return None
    context = tls.create_default_context(cafile=str(kafka.tls_ca) if kafka.tls_ca else None)
    if kafka.tls_certificate is not None and kafka.tls_key is not None:
        context.load_cert_chain(kafka.tls_certificate, kafka.tls_key)
    return context
