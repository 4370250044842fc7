"""What the configuration says about keys and trust, made: the key folder, the device, who fetches revocation data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from certs.trust import TrustPolicy
from gateway.config import Config
from gateway.hsm import DevicePlace, Pkcs11Key
from gateway.keys import KeyFolder
from gateway.wire.revocation import KnowingKeys, RevocationFetcher, RevocationSources


def key_folder(config: Config) -> KeyFolder:
    """Where our keys and the lists of whom we trust are. Raises OurFaultError: the device cannot be used."""
    keys, revocation = config.keys, config.revocation
    return KeyFolder(
        directory=keys.directory,
        key=keys.key,
        chain=keys.chain,
        anchors=keys.anchors,
        intermediates=keys.intermediates,
        crls=keys.crls,
        policy=TrustPolicy(revocation_max_age_s=revocation.max_age_s, revocation_grace_s=revocation.grace_s),
        device=_device_key(config),
    )


def revocation_fetcher(config: Config, keys: KnowingKeys, clock: Callable[[], datetime]) -> RevocationFetcher | None:
    """Who fetches lists and OCSP answers; None where the configuration names no source."""
    settings = config.revocation
    if not settings.lists and settings.ocsp_url is None:
        return None
    sources = RevocationSources(
        lists=settings.lists,
        ocsp_url=settings.ocsp_url,
        refresh_s=settings.refresh_s,
        timeout_s=settings.timeout_s,
        list_max_bytes=settings.list_max_bytes,
    )
    return RevocationFetcher(sources, keys, clock=clock)


def _device_key(config: Config) -> Pkcs11Key | None:
    keys = config.keys
    if keys.pkcs11_module is None or keys.pkcs11_token is None or keys.pkcs11_pin_file is None:
        return None
    pin = keys.pkcs11_pin_file.read_text(encoding="utf-8").strip()
    place = DevicePlace(module=keys.pkcs11_module, token=keys.pkcs11_token, label=keys.pkcs11_label, pin=pin)
    return Pkcs11Key(place)
