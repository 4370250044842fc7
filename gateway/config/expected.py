"""From settings to what is expected of whom: the house's, and each counterparty's own composed on top of it, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from certs.expectations import Algorithm, CertificateProfile, Expectations, Expected, KeyType
from certs.tolerance import Tolerance
from gateway.config.model import Config
from gateway.config.signature import ExpectsSettings, SignatureSettings

_ALGORITHMS_OF = {
    KeyType.RSA: {Algorithm.RSA_SHA256, Algorithm.RSA_PSS_SHA512},
    KeyType.P256: {Algorithm.ECDSA_SHA256},
}


def expected_of(config: Config) -> Expected:
    """Everybody's, by participant code."""
    house = _composed(Expectations(), config.signature)
    return Expected(
        house=house,
        own={
            code: replace(_composed(house, expects), tolerances=frozenset(tolerances))
            for _, code, expects, tolerances in _counterparties(config)
        },
    )


def impossible(config: Config) -> Iterator[tuple[str, str]]:
    """(setting, fault) of what would widen the house's rules, or that no signature could ever keep."""
    house = _composed(Expectations(), config.signature)
    yield from _unkeepable("signature", house)
    for path, _, expects, _ in _counterparties(config):
        own = _composed(house, expects)
        yield from _widened(f"{path}.expects", house, own)
        yield from _unkeepable(f"{path}.expects", own)


def _counterparties(config: Config) -> Iterator[tuple[str, str, ExpectsSettings, tuple[Tolerance, ...]]]:
    """(path of its section, participant code, what is expected of it, what is tolerated) of all that sign."""
    yield "aos", config.aos.participant, config.aos.expects, ()
    if config.azips is not None:
        yield "azips", config.azips.participant, config.azips.expects, ()
    yield "asan_pay", config.asan_pay.participant, config.asan_pay.expects, ()
    yield "platform", config.platform.participant, config.platform.expects, config.platform.tolerances
    for number, bank in enumerate(config.banks):
        yield f"banks.{number}", bank.code, bank.expects, bank.tolerances
    for number, ministry in enumerate(config.ministries):
        yield f"ministries.{number}", ministry.code, ministry.expects, ()
    for person in config.custody.approvers:
        yield "custody", person, config.custody.expects, ()


def _composed(base: Expectations, settings: SignatureSettings | ExpectsSettings) -> Expectations:
    profile = base.certificate
    return replace(
        base,
        max_age_s=_or(settings.max_age_s, base.max_age_s),
        clock_skew_s=_or(settings.clock_skew_s, base.clock_skew_s),
        document_max_age_s=_or(settings.document_max_age_s, base.document_max_age_s),
        algorithms=_set_or(settings.algorithms, base.algorithms),
        soap_parts=_set_or(settings.soap_parts, base.soap_parts),
        http_parts=_set_or(settings.http_parts, base.http_parts),
        time_stamp_required=_or(settings.time_stamp_required, base.time_stamp_required),
        certificate=CertificateProfile(
            key_types=_set_or(settings.key_types, profile.key_types),
            rsa_min_bits=_or(settings.rsa_min_bits, profile.rsa_min_bits),
            extended_usages=_set_or(settings.extended_usages, profile.extended_usages),
            policies=_set_or(settings.policies, profile.policies),
            issuers=_set_or(settings.issuers, profile.issuers),
        ),
    )


def _or(value: Any, base: Any) -> Any:
    return base if value is None else value


def _set_or(values: tuple[Any, ...] | None, base: frozenset[Any]) -> frozenset[Any]:
    return base if values is None else frozenset(values)


def _widened(path: str, house: Expectations, own: Expectations) -> Iterator[tuple[str, str]]:
    """What `[signature]` forbids is allowed to nobody."""
    more = {
        "algorithms": own.algorithms - house.algorithms,
        "key_types": own.certificate.key_types - house.certificate.key_types,
    }
    for name, values in more.items():
        if values:
            yield f"{path}.{name}", f"{', '.join(sorted(values))} is not among those of [signature]"
    if own.certificate.rsa_min_bits < house.certificate.rsa_min_bits:
        yield f"{path}.rsa_min_bits", f"is less than the {house.certificate.rsa_min_bits} of [signature]"


def _unkeepable(path: str, expectations: Expectations) -> Iterator[tuple[str, str]]:
    """Kinds of keys none of whose algorithms is taken: every signature would be refused."""
    kinds = expectations.certificate.key_types
    if not any(_ALGORITHMS_OF[kind] & expectations.algorithms for kind in kinds):
        yield f"{path}.algorithms", f"none of them signs with a key of {', '.join(sorted(kinds))}"
