"""The configuration: one tree, every fault told at once, the environment wins, and the rulebook made from it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from pydantic import ValidationError

from certs.expectations import Algorithm
from gateway.config import Config, ConfigError, build_rulebook, file_faults, load_config
from gateway.config.expected import expected_of
from gateway.config.table import settings_by_section, settings_table
from gateway.domain.clock import add_business_days
from gateway.domain.money import Money
from gateway.domain.values import Regime

DEMO = Path(str(resources.files("gateway").joinpath("data", "demo.toml")))


def _write(folder: Path, *replacements: tuple[str, str]) -> Path:
    text = DEMO.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _paths(path: Path | None, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(path, environ or {})
    return [fault.path for fault in refused.value.faults]


@pytest.fixture(scope="module")
def demo() -> Config:
    return load_config(DEMO, {})


def test_the_demonstrations_configuration_is_whole(demo: Config) -> None:
    assert [bank.code for bank in demo.banks] == ["999101", "999202"]
    assert [ministry.code for ministry in demo.ministries] == ["ECONOMY", "JUSTICE", "INTERIOR"]
    assert demo.aos.max_amount == Money(4_000_000)
    assert demo.kafka.bootstrap == "embedded"


def test_the_configuration_is_frozen(demo: Config) -> None:
    with pytest.raises(ValidationError):
        demo.http.port = 1  # type: ignore[misc]


def test_the_environment_wins_over_the_file() -> None:
    environ = {
        "EHERRAC__HTTP__PORT": "9443",
        "EHERRAC__BANKS__1__CALLBACK_URL": "https://bank.example/hooks/",
        "EHERRAC__DISPATCHER__RETRY_S": "[1, 2.5]",
        "EHERRAC__AOS__MAX_AMOUNT": "100.50",
        "UNRELATED": "x",
    }
    config = load_config(DEMO, environ)
    assert config.http.port == 9443
    assert config.banks[1].callback_url == "https://bank.example/hooks"
    assert config.dispatcher.retry_s == (1, 2.5)
    assert config.aos.max_amount == Money(10_050)


def test_all_faults_are_told_together_with_a_remedy(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        ("port = 8080", "port = 80800\nprot = 1"),
        ('bic = "XZRNAZ22"', 'bic = "xazar"'),
        ('max_amount = "40000.00"', 'max_amount = "40000.005"'),
        ("AZ73EHRN01010000000000000001", "AZ74EHRN01010000000000000001"),
        ('[asan_pay]\nurl = "http://127.0.0.1:8102"', ""),
    )
    with pytest.raises(ConfigError) as refused:
        load_config(path, {"EHERRAC__LOG__LEVEL": "LOUD"})
    faults = {fault.path: fault for fault in refused.value.faults}
    assert set(faults) == {
        "http.port",
        "http.prot",
        "banks.0.bic",
        "aos.max_amount",
        "accounts.enforcement_deposit.iban",
        "asan_pay",
        "log.level",
    }
    assert all(fault.fault and fault.remedy for fault in faults.values())
    assert "Greatest amount of one order" in faults["aos.max_amount"].remedy
    assert "http.prot: is not a setting" in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('"40000.00"', "40000.00", "aos.max_amount"),
        ('"40000.00"', '"-1"', "aos.max_amount"),
        ('"http://127.0.0.1:8101"', '"ftp://127.0.0.1"', "aos.url"),
        ('"http://127.0.0.1:8101"', '"http://user:pw@aos"', "aos.url"),
        ("loopback_allowed = true", 'networks = ["10.0.0.0/33"]', "outbound.networks.0"),
        ("http://127.0.0.1:8104/callback", "https://169.254.169.254/latest", "banks.0.callback_url"),
        ('code = "999202"', 'code = "999101"', "participant codes"),
        ('code = "JUSTICE"', 'code = "AOS"', "participant codes"),
        ("eherrac.protocols.justice", "eherrac.protocols.economy", "ministries.topic"),
        ("[accounts.tax_deposit]", "[accounts.tax]", "regimes.2.payee"),
        ('address = "EHRNAZ22XXXX"', 'address = "XZRNAZ22XXXX"', "gateway.address"),
        ('address = "EHRNAZ22XXXX"', 'address = "EHRNAZ22"', "gateway.address"),
        ('0001"\nbic = "EHRNAZ22"', '0001"\nbic = "XZRNAZ22"', "accounts.enforcement_deposit"),
        ("retry_s = [0.2, 0.5,", "retry_s = [0.5, 0.2,", "dispatcher.retry_s"),
        ('bootstrap = "embedded"', 'bootstrap = "kafka"', "kafka.bootstrap"),
        ('bootstrap = "embedded"', 'security_protocol = "SASL_SSL"', "kafka"),
        ("port = 8080", 'tls_key = "tls.pem"', "http"),
        ("port = 8080", 'tls_client_ca = "ca.pem"', "http"),
        ('transport = "soap"', 'transport = "fax"', "banks.0.transport"),
        ('url = "sqlite:///eherrac.db"', 'url = "mysql://x"', "store.url"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, old: str, new: str, path: str) -> None:
    assert _paths(_write(tmp_path, (old, new))) == [path]


PLAINTEXT = {
    "EHERRAC__HTTP__HOST": "0.0.0.0",
    "EHERRAC__AOS__URL": "http://10.1.2.3",
    "EHERRAC__AZIPS__URL": "http://10.1.2.4",
    "EHERRAC__ASAN_PAY__URL": "http://asanpay.example",
    "EHERRAC__PLATFORM__CALLBACK_URL": "http://[fd12::1]/notices",
    "EHERRAC__BANKS__1__CALLBACK_URL": "http://127.0.0.1.example/callback",
}


def test_channels_that_leave_this_machine_are_encrypted() -> None:
    """AOS-S1: every place where they would not be is a fault of its own, and says what to do."""
    with pytest.raises(ConfigError) as refused:
        load_config(DEMO, PLAINTEXT)
    faults = {fault.path: fault.remedy for fault in refused.value.faults}
    addresses = {"aos.url", "azips.url", "asan_pay.url", "platform.callback_url", "banks.1.callback_url"}
    assert faults.keys() == {"http.host"} | addresses
    assert "http.tls_certificate" in faults["http.host"]
    assert all("https" in faults[path] for path in addresses)


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"EHERRAC__OUTBOUND__PLAINTEXT_ALLOWED": "true"}, ["http.host"]),
        (
            {"EHERRAC__OUTBOUND__PLAINTEXT_ALLOWED": "true", "EHERRAC__HTTP__PLAINTEXT_ALLOWED": "true"},
            [],
        ),
        (
            {
                "EHERRAC__OUTBOUND__PLAINTEXT_ALLOWED": "true",
                "EHERRAC__HTTP__TLS_CERTIFICATE": "tls.crt",
                "EHERRAC__HTTP__TLS_KEY": "tls.key",
            },
            [],
        ),
        ({name: url.replace("http:", "https:") for name, url in PLAINTEXT.items()}, ["http.host"]),
        ({"EHERRAC__HTTP__HOST": "::1", "EHERRAC__OUTBOUND__PLAINTEXT_ALLOWED": "true"}, []),
        ({"EHERRAC__HTTP__HOST": "localhost", "EHERRAC__OUTBOUND__PLAINTEXT_ALLOWED": "true"}, []),
    ],
)
def test_plain_text_is_meant_only_where_it_is_said(changes: dict[str, str], left: list[str]) -> None:
    """AOS-S1: with TLS, on this machine, or before a sidecar that the operator names."""
    environ = PLAINTEXT | changes
    if left:
        assert _paths(DEMO, environ) == left
    else:
        load_config(DEMO, environ)


def test_a_file_that_is_missing_or_is_no_toml_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert str(missing) in _paths(missing)
    broken = tmp_path / "broken.toml"
    broken.write_text("[http\n", encoding="utf-8")
    assert str(broken) in _paths(broken)


@pytest.mark.parametrize("name", ["EHERRAC__HTTP__PORT__X", "EHERRAC__BANKS__9__NAME", "EHERRAC__BANKS__X__NAME"])
def test_an_override_that_fits_nowhere_is_a_fault(name: str) -> None:
    assert name in _paths(DEMO, {"EHERRAC__HTTP__PORT": "8080", name: "1"})


def test_a_secret_is_not_shown(demo: Config) -> None:
    config = load_config(DEMO, {"EHERRAC__STORE__URL": "postgresql://gateway:geheim@db/eherrac"})
    assert "geheim" not in repr(config)


def test_relative_paths_are_beside_the_configuration_file(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path), {})
    assert config.keys.directory == tmp_path / "keys"
    named = {fault.path for fault in file_faults(config)}
    assert named == {"keys.key", "keys.chain", "keys.anchors", "keys.crls.0"}


def test_files_that_are_there_are_no_fault(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path), {})
    (tmp_path / "keys").mkdir()
    for name in ("key.pem", "chain.pem", "anchors.pem", "crl.pem"):
        (tmp_path / "keys" / name).touch()
    assert file_faults(config) == ()


def test_a_regimes_file_of_ones_own_replaces_the_packaged_table(tmp_path: Path) -> None:
    packaged = resources.files("gateway").joinpath("data", "regimes.toml").read_text(encoding="utf-8")
    (tmp_path / "rules.toml").write_text(packaged.replace("deposit_bp = 1000", "deposit_bp = 1500"), encoding="utf-8")
    path = _write(tmp_path, ("[log]", '[rules]\nregimes_file = "rules.toml"\n\n[log]'))
    assert {row.regime: row.deposit_bp for row in load_config(path, {}).regimes}[Regime.STATE] == 1500


def test_the_default_retries_go_on_for_a_day() -> None:
    data = tomllib.loads(DEMO.read_text(encoding="utf-8"))
    config = load_config(DEMO, {})
    waits = type(config.dispatcher)().retry_s
    assert "retry_s" in data["dispatcher"]  # the demonstration is quicker than the default
    assert len(waits) + 1 >= 8
    assert sum(waits) >= 24 * 3600


@pytest.mark.parametrize(
    ("regime", "deposit_bp", "service_fee_bp", "case_number"),
    [
        (Regime.ENFORCEMENT, 500, 0, True),
        (Regime.MORTGAGE, 500, 0, False),
        (Regime.TAX, 500, 0, False),
        (Regime.VOLUNTARY, 500, 200, False),
        (Regime.STATE, 1000, 0, False),
    ],
)
def test_each_regime_has_its_dated_row(
    demo: Config, regime: Regime, deposit_bp: int, service_fee_bp: int, case_number: bool
) -> None:
    """EHR-13: deposits, fees and terms are rows with a first day and a source."""
    rule = build_rulebook(demo).regime(regime, date(2026, 11, 22))
    assert rule is not None
    assert (rule.deposit_bp, rule.service_fee_bp) == (deposit_bp, service_fee_bp)
    assert (rule.winner_pays_days, rule.refund_days) == (7, 7)
    assert rule.case_number_required is case_number
    assert rule.payee.bic == "EHRNAZ22"
    assert rule.source.split(":")[0] in {"sure", "told", "guess"}


def test_a_regime_has_no_row_before_its_first_day(demo: Config) -> None:
    assert build_rulebook(demo).regime(Regime.TAX, date(2020, 5, 8)) is None


def test_the_rails_limits_are_settings() -> None:
    """AOS-G5: maximum, confirmation wait and enquiries come from the configuration."""
    config = load_config(DEMO, {"EHERRAC__AOS__MAX_AMOUNT": "50000.00", "EHERRAC__AOS__ANSWER_TIMEOUT_S": "20"})
    rail = build_rulebook(config).rail
    assert rail.max_amount == Money(5_000_000)
    assert rail.answer_timeout == timedelta(seconds=20)
    assert rail.own_address == "EHRNAZ22XXXX"


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 3, 19), True),
        (date(2026, 3, 20), False),  # Novruz
        (date(2026, 3, 27), False),  # a day in lieu
        (date(2026, 11, 21), False),  # Saturday
        (date(2026, 11, 23), True),
        (date(2026, 12, 31), False),
    ],
)
def test_business_days_are_those_of_the_azerbaijani_calendar(demo: Config, day: date, works: bool) -> None:
    """EHR-6 counts in them."""
    assert build_rulebook(demo).is_business_day(day) is works


def test_the_cabinets_moved_days_can_be_set() -> None:
    moved = {"EHERRAC__CALENDAR__HOLIDAYS": '["2026-11-23"]', "EHERRAC__CALENDAR__WORKDAYS": '["2026-11-21"]'}
    works = build_rulebook(load_config(DEMO, moved)).is_business_day
    assert (works(date(2026, 11, 21)), works(date(2026, 11, 23))) == (True, False)


def test_five_business_days_over_novruz_are_not_five_days(demo: Config) -> None:
    end = add_business_days(datetime(2026, 3, 18, 8, tzinfo=UTC), 5, build_rulebook(demo).is_business_day)
    assert end == datetime(2026, 4, 3, 20, tzinfo=UTC)


def test_every_setting_is_described_in_the_table() -> None:
    table = settings_table()
    assert "| `[http] port` | Port to listen on; 0 takes a free one | `8080` |" in table
    assert table.count("\n") == 2 + sum(len(keys) for keys in settings_by_section().values())
    assert "|  |" not in table


def test_every_setting_is_read_by_somebody() -> None:
    """A setting that nothing reads would be a promise that nobody keeps."""
    package = Path(str(resources.files("gateway")))
    folders = (".", "bootstrap", "cli", "config", "keys")
    readers = [path for folder in folders for path in (package / folder).glob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in readers if path.name not in {"model.py", "table.py"})
    unread = [
        (section, key) for section, keys in settings_by_section().items() for key in keys if f".{key}" not in text
    ]
    assert [item for item in unread if item != ("rules", "regimes_file")] == []  # the loader reads it before the model


# --- What is expected of whom ----------------------------------------------------------------------------------------

EXPECTS = """
[platform.expects]
max_age_s = 60
rsa_min_bits = 3072
soap_parts = ["BinarySecurityToken", "{http://www.w3.org/2005/08/addressing}To"]
issuers = ["AB12ab12AB12ab12AB12ab12AB12ab12AB12ab12AB12ab12AB12ab12AB12ab12"]

[signature]
"""


def test_what_is_expected_of_a_counterparty_is_the_houses_with_its_own_on_top(tmp_path: Path) -> None:
    """AOS-S2."""
    path = _write(tmp_path, ("[asan_pay]", EXPECTS + "clock_skew_s = 5\n\n[asan_pay]"))
    expected = expected_of(load_config(path, {"EHERRAC__AOS__EXPECTS__ALGORITHMS": '["rsa-sha256"]'}))
    platform = expected.of("EHERRAC")
    assert (platform.max_age_s, platform.clock_skew_s, platform.certificate.rsa_min_bits) == (60, 5, 3072)
    assert "{http://www.w3.org/2005/08/addressing}To" in platform.soap_parts
    assert platform.certificate.issuers == {"ab12" * 16}
    assert expected.of("AOS").algorithms == {Algorithm.RSA_SHA256}
    assert (expected.of("AOS").max_age_s, expected.of("NOBODY").clock_skew_s) == (300, 5)


def test_tolerances_are_part_of_what_is_expected(demo: Config) -> None:
    banks = {bank.code: frozenset(bank.tolerances) for bank in demo.banks}
    expected = expected_of(demo)
    assert {code: expected.of(code).tolerances for code in banks} == banks
    assert expected.of("NOBODY").tolerances == frozenset()


def test_faults_in_what_is_expected_are_told_together(tmp_path: Path) -> None:
    """AOS-S2: a list can only leave out."""
    expects = {
        "EHERRAC__AOS__EXPECTS__ALGORITHMS": '["rsa-sha1"]',
        "EHERRAC__PLATFORM__EXPECTS__RSA_MIN_BITS": "1024",
        "EHERRAC__PLATFORM__EXPECTS__ISSUERS": '["abcd"]',
        "EHERRAC__ASAN_PAY__EXPECTS__MAX_AGE_S": "0",
        "EHERRAC__BANKS__0__EXPECTS__POLICIES": '["one.two"]',
        "EHERRAC__BANKS__0__EXPECTS__SOAP_PARTS": '["Body of mine"]',
        "EHERRAC__MINISTRIES__2__EXPECTS__NONSENSE": "1",
        "EHERRAC__CUSTODY__EXPECTS__ALGORITHMS": "[]",
    }
    assert _paths(DEMO, expects) == [
        "aos.expects.algorithms.0",
        "custody.expects.algorithms",
        "asan_pay.expects.max_age_s",
        "platform.expects.rsa_min_bits",
        "platform.expects.issuers.0",
        "banks.0.expects.policies.0",
        "banks.0.expects.soap_parts.0",
        "ministries.2.expects.nonsense",
    ]


def test_nobody_is_allowed_what_the_house_forbids() -> None:
    """AOS-S2; and an expectation that no signature could keep is told at start, not at the first message."""
    expects = {
        "EHERRAC__SIGNATURE__ALGORITHMS": '["rsa-sha256", "ecdsa-sha256"]',
        "EHERRAC__SIGNATURE__RSA_MIN_BITS": "3072",
        "EHERRAC__SIGNATURE__KEY_TYPES": '["rsa"]',
        "EHERRAC__AOS__EXPECTS__ALGORITHMS": '["rsa-pss-sha512", "rsa-sha256"]',
        "EHERRAC__PLATFORM__EXPECTS__RSA_MIN_BITS": "2048",
        "EHERRAC__BANKS__0__EXPECTS__KEY_TYPES": '["p256"]',
        "EHERRAC__BANKS__1__EXPECTS__ALGORITHMS": '["ecdsa-sha256"]',
    }
    assert _paths(DEMO, expects) == [
        "aos.expects.algorithms",
        "platform.expects.rsa_min_bits",
        "banks.0.expects.key_types",
        "banks.1.expects.algorithms",
    ]


@pytest.mark.parametrize("url", ["http://:secret@10.1.2.3/x", "http://@10.1.2.3/x", "http://me:secret@10.1.2.3/x"])
def test_an_address_carries_no_user(url: str) -> None:
    assert _paths(DEMO, {"EHERRAC__AOS__URL": url}) == ["aos.url"]


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]"])
def test_every_address_of_the_configuration_is_judged_when_it_is_read(host: str) -> None:
    """AOS-G4: however it is spelt, and where nothing secret is sent as well."""
    urls = {
        "EHERRAC__AOS__URL": f"https://{host}/",
        "EHERRAC__TIME_STAMPS__URL": f"http://{host}/tsa",
        "EHERRAC__REVOCATION__OCSP_URL": f"http://{host}/ocsp",
        "EHERRAC__REVOCATION__LISTS": f'["http://{host}/crl"]',
    }
    assert _paths(DEMO, urls) == ["aos.url", "revocation.lists.0", "revocation.ocsp_url", "time_stamps.url"]


@pytest.mark.parametrize(
    ("console", "faults"),
    [
        ({"HOST": "10.1.2.3"}, ["console.host"]),
        ({"HOST": "0.0.0.0"}, ["console.host"]),
        ({"HOST": "10.1.2.3", "PLAINTEXT_ALLOWED": "true"}, []),
        ({"HOST": "10.1.2.3", "ENABLED": "false"}, []),
        ({"HOST": "10.1.2.3", "TLS_CERTIFICATE": "c.pem", "TLS_KEY": "k.pem"}, []),
        ({"TLS_CERTIFICATE": "c.pem"}, ["console"]),
        ({"HOST": "::1"}, []),
    ],
    ids=str,
)
def test_the_console_is_not_listened_to_in_plain_text_beyond_this_machine(
    console: dict[str, str], faults: list[str]
) -> None:
    environ = {f"EHERRAC__CONSOLE__{name}": value for name, value in console.items()}
    if faults:
        assert _paths(DEMO, environ) == faults
    else:
        load_config(DEMO, environ)
