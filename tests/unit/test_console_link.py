"""Where a sign-in link leads: to the name browsers use, by the protocol that is spoken there."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.visits import address_of
from gateway.cli.world import packaged
from gateway.config import load_config


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ({}, "http://127.0.0.1:8090"),
        ({"HOST": "::1"}, "http://[::1]:8090"),
        ({"HOST": "10.1.2.3", "PLAINTEXT_ALLOWED": "true"}, "http://10.1.2.3:8090"),  # no sidecar stands before it
        ({"HOST": "10.1.2.3", "PLAINTEXT_ALLOWED": "true", "NAMES": '["console.bank"]'}, "https://console.bank"),
        ({"NAMES": '["localhost:8191"]'}, "http://localhost:8191"),
    ],
)
def test_a_link_speaks_the_protocol_of_its_address(said: dict[str, str], address: str, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(packaged("demo.toml"), "utf-8")
    environ = {f"EHERRAC__CONSOLE__{name}": value for name, value in said.items()}
    assert address_of(load_config(tmp_path / "gateway.toml", environ)) == address
