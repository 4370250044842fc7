"""What every storey of tests shares: services and material from outside, each skipped by name where it is not there.

With `REQUIRE_SERVICES=1` every skip is a failure, for a script could have installed what is missing; only test data
that nobody can fetch (`../shared`) may still be absent.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from apache_kafka import ApacheKafka
from hypothesis import HealthCheck, settings

from certs.steps import EFFORT

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
KAFKA_MAJORS = ("3", "4")

# No example has a time of its own: the machine may be slow. Every run draws the same; with EXPLORE=1 others each time.
settings.register_profile(
    "ours",
    deadline=None,
    derandomize=os.environ.get("EXPLORE") != "1",
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("ours")


def missing(what: str, remedy: str) -> NoReturn:
    """Skip by name; a failure where services are required."""
    pytest.skip(f"{what} is missing: {remedy}")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("REQUIRE_SERVICES") != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if "../shared/testdata" in reason or "../shared/rules" in reason:
        return
    report.outcome = "failed"
    report.longrepr = f"skipped although REQUIRE_SERVICES=1: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip of one test."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A skip of a whole file."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture(autouse=True)
def _rested() -> None:
    """What other tests had refused takes no cause away from this one's refusals."""
    EFFORT.renew()


def _from_environment(name: str, what: str) -> str:
    value = os.environ.get(name, "")
    return value or missing(what, f"set {name} (make services-start, then eval `scripts/services.sh env`)")


@pytest.fixture(scope="session")
def postgres_dsn() -> str:
    """A PostgreSQL that tests may create and drop schemas in."""
    return _from_environment("TEST_POSTGRES_DSN", "PostgreSQL")


@pytest.fixture(scope="session")
def find_kafka() -> Callable[[str], ApacheKafka]:
    """Finds the Apache Kafka of a major version."""

    def find(major: str) -> ApacheKafka:
        folder = Path(_from_environment(f"TEST_KAFKA_{major}_FOLDER", f"Apache Kafka {major}"))
        addresses: dict[str, Any] = dict(line.split("=", 1) for line in (folder / "env").read_text().split())
        return ApacheKafka(ca=folder / "ca.pem", **addresses)

    return find


@pytest.fixture(scope="session", params=KAFKA_MAJORS, ids="kafka-{}".format)
def apache_kafka(request: pytest.FixtureRequest, find_kafka: Callable[[str], ApacheKafka]) -> ApacheKafka:
    """Each supported Apache Kafka in its turn."""
    return find_kafka(request.param)


@pytest.fixture(scope="session")
def kafka_bootstrap(apache_kafka: ApacheKafka) -> str:
    """An Apache Kafka that tests may create topics in."""
    return apache_kafka.plain


@pytest.fixture(scope="session")
def jars() -> Callable[[str], str]:
    """Finds the class path of what stands in scripts/jars under the given name."""

    def find(name: str) -> str:
        command = [ROOT / "scripts" / "jars.sh", "folder", name]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode != 0 or shutil.which("javac") is None:
            missing(f"{name} (Java)", f"apt-get install default-jdk-headless maven; scripts/jars.sh fetch {name}")
        return f"{found.stdout.strip()}/*"

    return find


@pytest.fixture(scope="session")
def shared_testdata() -> Path:
    """Test data that nobody in this project wrote, beside the repository."""
    folder = SHARED / "testdata"
    if not folder.is_dir():
        missing("the shared test data", "it lies beside the repository (../shared/testdata)")
    return folder


@pytest.fixture(scope="session")
def softhsm() -> Path:
    """SoftHSM2's PKCS#11 library; its `softhsm2-util` is on the path."""
    libraries = sorted(Path("/usr/lib").glob("**/softhsm/libsofthsm2.so"))
    if not libraries or shutil.which("softhsm2-util") is None:
        missing("SoftHSM2", "apt-get install softhsm2")
    return libraries[0]


@pytest.fixture(scope="session")
def helm() -> Path:
    """The helm binary."""
    found = subprocess.run([ROOT / "scripts" / "helm.sh", "which"], capture_output=True, text=True, check=False)
    return Path(found.stdout.strip() if found.returncode == 0 else missing("helm", "scripts/helm.sh fetch"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """A browser, as Debian packages it."""
    return shutil.which("chromium") or missing("Chromium", "apt-get install chromium (scripts/services.sh start)")


@pytest.fixture(scope="session")
def program() -> Callable[[str, str], str]:
    """Finds a program that Debian's package of the given name installs."""

    def find(name: str, package: str) -> str:
        found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
        return found or missing(name, f"apt-get install {package}")

    return find
