"""Reading the configuration: file, then environment, then every check; all faults in one report."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.config.encryption import plaintext_addresses, plaintext_console, plaintext_doors
from gateway.config.expected import impossible
from gateway.config.leases import outlasting
from gateway.config.model import Config
from gateway.config.outbound import forbidden_addresses
from gateway.config.table import description_of
from gateway.errors import OurFaultError

_PREFIX = "EHERRAC__"
_PACKAGED_REGIMES = resources.files("gateway").joinpath("data", "regimes.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong: where, what, and what to do."""

    path: str
    fault: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}. {self.remedy}"


class ConfigError(OurFaultError):
    """The configuration cannot be used; `faults` are all of its faults, not only the first."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the configuration once.

    Args:
        path: the TOML file, or None where everything stands in the environment.
        environ: where `EHERRAC__SECTION__KEY` overrides are looked for (usually `os.environ`).

    Raises:
        ConfigError: with every fault found.
    """
    faults: list[Fault] = []
    data = _read(path, faults)
    _override(data, environ, faults)
    base = path.parent if path else Path()
    _add_regimes(data, base, faults)
    config = _build(data, base, faults)
    if config is not None:
        faults += _contradictions(config)
    if config is None or faults:
        raise ConfigError(faults)
    return config


def file_faults(config: Config) -> tuple[Fault, ...]:
    """The files that the configuration names and that cannot be found."""
    keys, http, kafka = config.keys, config.http, config.kafka
    named = {f"keys.{name}": keys.directory / getattr(keys, name) for name in ("key", "chain", "anchors")}
    if keys.vault is not None:
        del named["keys.key"]  # is there only while the vault is open
        named["keys.vault"] = keys.vault / "vault.json"
    named |= {f"keys.crls.{n}": keys.directory / crl for n, crl in enumerate(keys.crls)}
    named |= {f"http.{name}": getattr(http, name) for name in ("tls_certificate", "tls_key", "tls_client_ca")}
    named |= {f"console.{name}": getattr(config.console, name) for name in ("tls_certificate", "tls_key")}
    tls = ("tls_ca", "tls_certificate", "tls_key", "sasl_password_file")
    named |= {f"kafka.{name}": getattr(kafka, name) for name in tls}
    return tuple(
        Fault(path=setting, fault=f"no such file: {file}", remedy="Put it there or correct the setting")
        for setting, file in named.items()
        if file is not None and not file.is_file()
    )


def _read(path: Path | None, faults: list[Fault]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        remedy = "Name a file that exists and may be read"
        faults.append(Fault(path=str(path), fault=f"cannot be read: {fault.strerror}", remedy=remedy))
    except ValueError as fault:
        faults.append(Fault(path=str(path), fault=f"not TOML: {fault}", remedy="Correct the place named"))
    return {}


def _override(data: dict[str, Any], environ: Mapping[str, str], faults: list[Fault]) -> None:
    """Put `EHERRAC__SECTION__KEY` values into the tree; a list's element is named by its number."""
    for name in sorted(name for name in environ if name.startswith(_PREFIX)):
        keys = name.removeprefix(_PREFIX).lower().split("__")
        try:
            _put(data, keys, _value(environ[name]))
        except (LookupError, TypeError, ValueError) as fault:
            remedy = "Name it EHERRAC__SECTION__KEY; an element of a list by its number, from 0"
            faults.append(Fault(path=name, fault=f"cannot be put into the configuration ({fault})", remedy=remedy))


def _put(node: Any, keys: list[str], value: object) -> None:
    *parents, last = keys
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    node[int(last) if isinstance(node, list) else last] = value


def _value(text: str) -> object:
    """Lists and tables are written as JSON in the environment; everything else is text for the model to read."""
    return json.loads(text) if text.startswith(("[", "{")) else text


def _add_regimes(data: dict[str, Any], base: Path, faults: list[Fault]) -> None:
    """Rows come from the file named, or from the packaged table, unless they stand in the configuration itself."""
    if "regimes" in data:
        return
    rules = data.get("rules")
    named = rules.get("regimes_file") if isinstance(rules, dict) else None
    if isinstance(named, str):
        data |= _read(base / named, faults)
    else:
        data |= tomllib.loads(_PACKAGED_REGIMES.read_text(encoding="utf-8"))


def _build(data: dict[str, Any], base: Path, faults: list[Fault]) -> Config | None:
    try:
        return Config.model_validate(data, context={"base": base})
    except ValidationError as error:
        faults += [_fault(detail) for detail in error.errors(include_url=False, include_context=False)]
        return None


def _fault(detail: ErrorDetails) -> Fault:
    path = ".".join(str(key) for key in detail["loc"])
    meaning = description_of(detail["loc"])
    if detail["type"] == "missing":
        return Fault(path=path, fault="is missing", remedy=f"Set it: {meaning}" if meaning else "Add this section")
    if detail["type"] == "extra_forbidden":
        return Fault(path=path, fault="is not a setting", remedy="Remove it or correct its name")
    message = detail["msg"].removeprefix("Value error, ")
    return Fault(path=path, fault=message, remedy=f"Correct it: {meaning}" if meaning else "Correct this section")


def _contradictions(config: Config) -> Iterator[Fault]:
    """What no section can see alone."""
    participants = [
        config.gateway.code,
        config.aos.participant,
        config.asan_pay.participant,
        *([config.azips.participant] if config.azips else []),
        *config.custody.approvers,
        config.platform.participant,
        *(bank.code for bank in config.banks),
        *(ministry.code for ministry in config.ministries),
    ]
    yield from _repeated("participant codes", participants)
    told = [ministry.refusals_topic for ministry in config.ministries if ministry.refusals_topic is not None]
    protocols = [ministry.topic for ministry in config.ministries]
    yield from _repeated("ministries.topic", [*protocols, *told, config.kafka.receipts_topic])
    yield from _repeated("regimes", [f"{row.regime} from {row.in_force}" for row in config.regimes])
    for number, row in enumerate(config.regimes):
        if row.payee not in config.accounts:
            remedy = f"Describe it as [accounts.{row.payee}] with holder, iban and bic"
            yield Fault(path=f"regimes.{number}.payee", fault=f"there is no account {row.payee!r}", remedy=remedy)
    for path, why in forbidden_addresses(config):
        remedy = "Give an address in the closed network; loopback needs outbound.loopback_allowed (demonstration only)"
        yield Fault(path=path, fault=why, remedy=remedy)
    yield from _plaintext(config)
    for path, why in impossible(config):
        remedy = "Name what the certificate and [signature] allow; a counterparty's list only leaves out"
        yield Fault(path=path, fault=why, remedy=remedy)
    for path, why, remedy in outlasting(config):
        yield Fault(path=path, fault=why, remedy=remedy)
    if not config.gateway.address.startswith(config.gateway.bic[:8]):
        remedy = "Let the address begin with the first eight characters of gateway.bic"
        yield Fault(path="gateway.address", fault="is not of gateway.bic", remedy=remedy)


def _plaintext(config: Config) -> Iterator[Fault]:
    """AOS-S1."""
    if plaintext_doors(config):
        remedy = "Give http.tls_certificate and http.tls_key, or set http.plaintext_allowed where TLS ends in a sidecar"
        yield Fault(path="http.host", fault=f"{config.http.host} would be listened on without TLS", remedy=remedy)
    if plaintext_console(config):
        remedy = "Give console.tls_certificate and console.tls_key, or set console.plaintext_allowed behind a sidecar"
        yield Fault(path="console.host", fault=f"{config.console.host} would be listened on without TLS", remedy=remedy)
    for path, url in plaintext_addresses(config):
        remedy = "Give an https address, or set outbound.plaintext_allowed where a sidecar encrypts"
        yield Fault(path=path, fault=f"{url} is not encrypted", remedy=remedy)


def _repeated(path: str, values: list[str]) -> Iterator[Fault]:
    for value, count in Counter(values).items():
        if count > 1:
            yield Fault(path=path, fault=f"{value!r} stands {count} times", remedy="Let each stand once")
