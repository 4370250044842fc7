"""compose.yaml: sound by a reader of the Compose specification, and its gateway and counterparties find one another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from gateway.cli.world import read_world
from gateway.config import Config, load_config

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.yaml").read_text()


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
    script = ROOT / "docs" / "deploy" / "compose" / "setup.sh"
    for _ in range(2):
        subprocess.run(["sh", script, folder / "made"], env=environ, check=True)
    return folder / "made"


@pytest.fixture(scope="module")
def config(world: Path, services: dict[str, Any]) -> Config:
    return load_config(world / "gateway.toml", services["gateway"]["environment"])


def test_the_file_is_sound(services: dict[str, Any]) -> None:
    document = yaml.safe_dump(yaml.safe_load(TEXT))  # anchors and merges resolved
    assert set(PyCompose.from_yaml(document).service_names()) == set(services)
    with pytest.raises(ValueError, match="replicaz"):
        PyCompose.from_yaml(document.replace("replicas:", "replicaz:"))


def test_every_image_is_pinned_and_every_file_is_there(services: dict[str, Any]) -> None:
    assert {service["image"].partition(":")[2] for service in services.values()}.isdisjoint({"", "latest"})
    for source in yaml.safe_load(TEXT)["configs"].values():
        assert (ROOT / source["file"]).is_file()
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)


def test_the_gateway_would_start_with_it(config: Config, services: dict[str, Any]) -> None:
    assert config.store.url.startswith("postgresql://")
    assert services["gateway"]["deploy"]["replicas"] == 2
    assert config.kafka.bootstrap == "kafka:9092"


def test_everybody_is_where_the_others_look(config: Config, world: Path) -> None:
    there = read_world(world / "world.toml")
    assert (there.host, there.gateway.url, there.gateway.kafka) == ("0.0.0.0", "http://gateway:8080", "kafka:9092")
    single = (there.aos, there.azips, there.asan_pay, there.platform)
    listening = {part.port for part in (*single, *there.banks)}
    asked = [config.aos.url, config.azips.url, config.asan_pay.url, config.platform.callback_url]
    asked += [bank.callback_url for bank in config.banks]
    assert {str(url).split("/")[2] for url in asked} == {f"town:{port}" for port in listening}
