"""What every storey of tests shares: services and material from outside, each skipped by name where it is not there.

With `REQUIRE_SERVICES=1` a missing service is an error instead, so that a machine meant to have it cannot skip quietly.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def missing(what: str, remedy: str) -> NoReturn:
    """Skip by name, or fail where services are required."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"{what} is required here and missing: {remedy}", pytrace=False)
    pytest.skip(f"{what} is missing: {remedy}")


def _from_environment(name: str, what: str) -> str:
    value = os.environ.get(name, "")
    return value or missing(what, f"set {name} (make services-start, then eval `scripts/services.sh env`)")


@pytest.fixture(scope="session")
def postgres_dsn() -> str:
    """A PostgreSQL that tests may create and drop schemas in."""
    return _from_environment("TEST_POSTGRES_DSN", "PostgreSQL")


@pytest.fixture(scope="session")
def kafka_bootstrap() -> str:
    """An Apache Kafka that tests may create topics in."""
    return _from_environment("TEST_KAFKA_BOOTSTRAP", "Apache Kafka")


@pytest.fixture(scope="session")
def shared_testdata() -> Path:
    """Test data that nobody in this project wrote, beside the repository."""
    folder = SHARED / "testdata"
    if not folder.is_dir():
        pytest.skip("the shared test data is not beside the repository (../shared/testdata)")
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
def program() -> Callable[[str, str], str]:
    """Finds a program that Debian's package of the given name installs."""

    def find(name: str, package: str) -> str:
        return shutil.which(name) or missing(name, f"apt-get install {package}")

    return find
