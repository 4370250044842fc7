"""The command line as a stranger meets it: every command has help, and faults are said in a line, not a trace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.main import COMMANDS
from gateway.cli.world import packaged


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=60)


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_every_command_can_be_loaded_and_has_help(name: str) -> None:
    shown = run(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert f"eherrac-gateway {name}" in shown.stdout


def test_an_authority_issues_revokes_and_lists(tmp_path: Path) -> None:
    keys = str(tmp_path / "keys")
    assert run("pki", "init", "--dir", keys).returncode == 0
    assert run("pki", "issue", "999101", "Nümunə Bankı", "--key", "p256", "--dir", keys).returncode == 0
    assert (tmp_path / "keys" / "999101" / "key.pem").stat().st_mode & 0o077 == 0
    listed = run("pki", "list", "--dir", keys).stdout
    serial = listed.split()[0]
    assert "999101" in listed
    assert run("pki", "revoke", serial, "--dir", keys).returncode == 0
    assert "revoked" in run("pki", "list", "--dir", keys).stdout
    again = run("pki", "init", "--dir", keys)
    assert again.returncode == 2
    assert "never overwritten" in again.stderr


def test_config_check_names_every_fault_at_once(tmp_path: Path) -> None:
    text = packaged("demo.toml").replace('bic = "EHRNAZ22"', 'bic = "x"', 1).replace('level = "WARNING"', 'level = "?"')
    (tmp_path / "gateway.toml").write_text(text)
    checked = run("config", "check", folder=tmp_path)
    assert checked.returncode == 2
    assert "gateway.bic" in checked.stderr
    assert "log.level" in checked.stderr
    assert "Traceback" not in checked.stderr


@pytest.mark.parametrize(
    "arguments", [("serve",), ("lot", "show", "L1"), ("outbox", "list"), ("sandbox", "aos"), ("sandbox", "bank", "1")]
)
def test_what_cannot_start_says_why_in_a_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments, folder=tmp_path)
    assert ended.returncode != 0
    assert ended.stderr.startswith("eherrac-gateway: ")
    assert "Traceback" not in ended.stderr


def test_a_sandbox_runs_alone(tmp_path: Path) -> None:
    keys = str(tmp_path / "keys")
    run("pki", "init", "--dir", keys)
    run("pki", "issue", "ASANPAY", "Asan Pay", "--key", "p256", "--dir", keys)
    world = tmp_path / "world.toml"
    world.write_text(packaged("demo_world.toml").replace("port = 8102", "port = 0"))
    command = [sys.executable, "-m", "gateway.cli", "sandbox", "asan-pay", "--keys", keys, "--world", str(world)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert ready["address"].startswith("http://127.0.0.1:")
