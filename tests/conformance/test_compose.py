"""compose.yaml: sound by a reader of the Compose specification, and its gateway and counterparties find one another."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from gateway.cli.world import read_world
from gateway.config import Config, load_config

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "docs" / "deploy" / "compose"
TEXT = (ROOT / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "docs" / "deploy" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXT)["services"]
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service `setup` makes."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for _ in range(2):
        subprocess.run(
            ["sh", SCRIPTS / "setup.sh", folder / "made"], env=environ, check=True, stdout=subprocess.DEVNULL
        )
        _keep_what_was_made(folder / "made", folder / "first")
    return folder / "made"


def _keep_what_was_made(made: Path, first: Path) -> None:
    if not first.exists():
        shutil.copytree(made, first)


@pytest.fixture(scope="module")
def config(world: Path, services: dict[str, Any]) -> Config:
    return load_config(world / "gateway.toml", services["gateway"]["environment"])


def test_the_file_is_sound(services: dict[str, Any]) -> None:
    document = yaml.safe_dump(yaml.safe_load(TEXT))  # anchors and merges resolved
    assert set(PyCompose.from_yaml(document).service_names()) == set(services)
    with pytest.raises(ValueError, match="restartz"):
        PyCompose.from_yaml(document.replace("restart:", "restartz:"))


def test_every_image_is_pinned_and_every_file_is_there(services: dict[str, Any]) -> None:
    assert {service["image"].partition(":")[2] for service in services.values()}.isdisjoint({"", "latest"})
    for source in yaml.safe_load(TEXT)["configs"].values():
        assert (ROOT / source["file"]).is_file()
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)


def test_the_gateway_would_start_with_it(config: Config) -> None:
    assert config.store.url.startswith("postgresql://")
    assert config.kafka.bootstrap == "kafka:9092"


def test_two_replicas_differ_by_the_port_of_their_console_alone(services: dict[str, Any]) -> None:
    first, second = (service for service in services.values() if service.get("command") == ["serve"])
    assert first["networks"]["town"]["aliases"] == ["gateway"]
    assert first["ports"] != second["ports"]
    assert {**first, "ports": []} == {**second, "ports": []}


def test_the_console_is_served_to_this_machine_alone_and_encrypted(
    config: Config, world: Path, services: dict[str, Any]
) -> None:
    (port,) = services["gateway"]["ports"]
    host, outside, inside = port.split(":")
    assert (host, int(inside)) == ("127.0.0.1", config.console.port)
    assert config.console.names == (f"localhost:{outside}",)
    files = (config.console.tls_certificate, config.console.tls_key)
    assert not config.console.plaintext_allowed
    for path in files:
        assert path is not None
        assert (world / path.relative_to("/world")).is_file()


def test_a_town_that_lay_still_gets_fresh_revocation_lists_and_keeps_its_keys(world: Path) -> None:
    first = world.with_name("first")
    for path in ("keys/GATEWAY/key.pem", "keys/AOS/chain.pem", "gateway.toml", "console.key"):
        assert (world / path).read_bytes() == (first / path).read_bytes()
    for path in ("keys/GATEWAY/crl.pem", "keys/AOS/crl.pem"):
        assert (world / path).read_bytes() != (first / path).read_bytes()


def test_aos_remembers_what_was_said_to_it(world: Path) -> None:
    assert read_world(world / "world.toml").aos.state_file == world / "aos.state"


class Town:
    """town.sh with a stand-in of the gateway's program: it notes its words, and sleeps or, as BROKEN says, ends."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, folder / "said"
        (folder / "bin").mkdir()
        self._stand_in(
            "eherrac-gateway", f'echo "$2 $3" >>"{self.said}"\n[ "$2" != "$BROKEN" ] || exit 0\nexec sleep 60'
        )
        self._stand_in("sleep", '[ "$1" != 5 ] || exit 0\nexec /bin/sleep "$@"')  # its only wait in front

    def _stand_in(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def start(self, broken: str = "") -> subprocess.Popen[bytes]:
        environ = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "BROKEN": broken}
        self.said.unlink(missing_ok=True)
        script = ["bash", SCRIPTS / "town.sh", self.folder]
        return subprocess.Popen(script, env=environ, start_new_session=True)

    def words_of_the_platform(self) -> str:
        for _ in range(1_200):
            heard = self.said.read_text() if self.said.exists() else ""
            if "platform" in heard:
                return next(line for line in heard.splitlines() if line.startswith("platform"))
            time.sleep(0.05)
        raise AssertionError("the platform was not started")

    def is_empty(self, group: int) -> bool:
        """Whether everybody is gone, a little after the script is."""
        for _ in range(1_200):
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.05)
        return False


def test_the_town_plays_once_and_ends_when_it_is_told(tmp_path: Path) -> None:
    town = Town(tmp_path)
    for words in ("platform --keys", "platform --no-play"):
        running = town.start()
        assert town.words_of_the_platform() == words
        running.terminate()
        assert running.wait(60) == 0
        assert town.is_empty(running.pid)


def test_the_town_ends_with_the_first_counterparty_that_ends(tmp_path: Path) -> None:
    assert Town(tmp_path).start(broken="azips").wait(10) == 1


def test_the_image_is_built_of_what_the_context_lets_through() -> None:
    copied = {
        source
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    first, *ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert first == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)


def test_the_scripts_find_the_images_programs() -> None:
    assert re.search(r"^ENV .*\bPATH=/opt/eherrac/bin:\$PATH", DOCKERFILE, re.MULTILINE)


def test_everybody_is_where_the_others_look(config: Config, world: Path) -> None:
    there = read_world(world / "world.toml")
    assert (there.host, there.gateway.url, there.gateway.kafka) == ("0.0.0.0", "http://gateway:8080", "kafka:9092")
    single = (there.aos, there.azips, there.asan_pay, there.platform)
    listening = {part.port for part in (*single, *there.banks)}
    asked = [config.aos.url, config.azips.url, config.asan_pay.url, config.platform.callback_url]
    asked += [bank.callback_url for bank in config.banks]
    assert {str(url).split("/")[2] for url in asked} == {f"town:{port}" for port in listening}
