"""What the configuration says about keys and trust, made: the key folder, the device, who fetches revocation
data, and what connections must be like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from certs.http_signature import HttpSignaturePolicy
from certs.trust import TrustPolicy
from gateway.config import Config
from gateway.config.expected import expected_of
from gateway.config.outbound import address_rule
from gateway.errors import OurFaultError
from gateway.keys.expiry import ExpiryWatch
from gateway.keys.folder import KeyFolder, WatchedKeys
from gateway.keys.hsm import DevicePlace, Pkcs11Key
from gateway.keys.vault import Vault
from gateway.keys.vault_watch import VaultWatch
from gateway.wire.revocation import KeepAnswer, KnowingKeys, RevocationFetcher, RevocationSources, stop
from gateway.wire.rules import WireRules


def key_folder(config: Config) -> KeyFolder:
    """Where our keys and the lists of whom we trust are. Raises OurFaultError: no device, a closed vault."""
    keys, revocation = config.keys, config.revocation
    if keys.vault is not None and not (keys.directory / keys.key).is_file():
        raise OurFaultError(f"the vault is closed: two custodians open it (vault open --into {keys.key})")
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


async def start_key_tasks(
    config: Config,
    keys: KnowingKeys,
    clock: Callable[[], datetime],
    stack: AsyncExitStack,
    keep_answer: KeepAnswer | None = None,
) -> ExpiryWatch:
    """Fetch revocation data once, then in the background, and tell of certificates that end; both end with `stack`."""
    fetcher, watch = _fetcher(config, keys, clock, keep_answer), ExpiryWatch(keys, clock=clock)
    if fetcher is not None:
        await fetcher.refresh()
        stack.push_async_callback(stop, asyncio.create_task(fetcher.run(), name="revocation"))
    stack.push_async_callback(stop, asyncio.create_task(watch.run(), name="expiry"))
    if config.keys.vault is not None:
        look = VaultWatch(Vault(config.keys.vault), clock=clock)
        stack.push_async_callback(stop, asyncio.create_task(look.run(), name="vault"))
    return watch


def _fetcher(
    config: Config, keys: KnowingKeys, clock: Callable[[], datetime], keep_answer: KeepAnswer | None = None
) -> RevocationFetcher | None:
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
        addresses=address_rule(config),
    )
    return RevocationFetcher(sources, keys, clock=clock, keep_answer=keep_answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationNow:
    """Lists in PEM; OCSP answers in DER."""

    lists: bytes
    answers: tuple[bytes, ...] = ()


async def known_revocation(config: Config, clock: Callable[[], datetime]) -> RevocationNow:
    """Every list that lies in the folder or can be fetched now, and how we stand now: what evidence brings along."""
    keys = WatchedKeys(key_folder(config), reload_s=config.keys.reload_s, clock=clock)
    fetcher = _fetcher(config, keys, clock)
    if fetcher is not None:
        await fetcher.refresh()
    answers = () if fetcher is None else fetcher.answers
    return RevocationNow(
        lists=b"".join(entry.public_bytes(Encoding.PEM) for entry in keys().trust.lists),
        answers=tuple(answer.public_bytes(Encoding.DER) for answer in answers),
    )


def wire_rules(config: Config) -> WireRules:
    """What doors and clients insist on, and what is expected of whom."""
    authorities = frozenset(name.lower() for name in config.signature.authorities)
    return WireRules(
        signatures=HttpSignaturePolicy(expected=expected_of(config), authorities=authorities),
        addresses=address_rule(config),
    )


def _device_key(config: Config) -> Pkcs11Key | None:
    keys = config.keys
    if keys.pkcs11_module is None or keys.pkcs11_token is None or keys.pkcs11_pin_file is None:
        return None
    pin = keys.pkcs11_pin_file.read_text(encoding="utf-8").strip()
    place = DevicePlace(module=keys.pkcs11_module, token=keys.pkcs11_token, label=keys.pkcs11_label, pin=pin)
    return Pkcs11Key(place)
