"""The vault on disk and on the command line: two people open it, every handling is a page, strangers are incidents."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.authority import Authority
from certs.custody import Entry, page_digest
from gateway.cli.world import packaged
from gateway.config import load_config
from gateway.config.load import file_faults
from gateway.errors import OurFaultError
from gateway.keys.keyring import key_folder
from gateway.keys.vault import ForeignAttemptError, Founder, Vault, VaultError, check_due, is_open
from gateway.keys.vault_watch import VaultWatch

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
FOUNDERS = [
    Founder(name="aygun", pin="111111"),
    Founder(name="behruz", pin="222222"),
    Founder(name="ehtiyat", pin="999999", spare=True),
]
CREDENTIAL = Authority.create(NOW).issue("GATEWAY", "eHərrac şlüzü", key="p256", now=NOW)
KEY_PEM, CHAIN_PEM = CREDENTIAL.to_pem()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.found(tmp_path / "vault", KEY_PEM, FOUNDERS, threshold=2, now=NOW)


def boxes(folder: Path, *names: str, pins: dict[str, str] | None = None) -> list[tuple[Path, str]]:
    known = {one.name: one.pin for one in FOUNDERS} | (pins or {})
    return [(folder / "vault" / "boxes" / f"{name}.json", known[name]) for name in names]


def test_two_custodians_open_and_close_it_and_both_stand_in_the_book(vault: Vault, tmp_path: Path) -> None:
    """VLT-4.1, VLT-4.2, VLT-4.9, VLT-4.10, VLT-4.11."""
    both, key = boxes(tmp_path, "aygun", "behruz"), tmp_path / "run" / "key.pem"
    page = vault.open(both, key, now=NOW)
    assert (page.number, page.custodians) == (2, ("aygun", "behruz"))
    assert key.read_bytes() == KEY_PEM
    assert key.stat().st_mode & 0o077 == 0
    assert is_open(vault.book())
    vault.close(both, key, now=NOW + timedelta(hours=8))
    assert not key.exists()
    assert [one.entry for one in vault.book()] == [Entry.FOUNDED, Entry.OPENED, Entry.CLOSED]


def test_the_key_stands_nowhere_in_the_vault(vault: Vault, tmp_path: Path) -> None:
    secret = KEY_PEM.splitlines()[1]
    assert all(secret not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_the_spare_share_opens_too_and_the_book_says_so(vault: Vault, tmp_path: Path) -> None:
    """VLT-4.8."""
    assert vault.check(boxes(tmp_path, "aygun", "ehtiyat"), now=NOW).note == "spare: ehtiyat"


@pytest.mark.parametrize("names", [("aygun",), ("aygun", "aygun")])
def test_one_person_opens_nothing(vault: Vault, tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(VaultError, match="2 custodians"):
        vault.open(boxes(tmp_path, *names), tmp_path / "key.pem", now=NOW)


def test_a_copied_box_makes_no_second_person(vault: Vault, tmp_path: Path) -> None:
    """VLT-4.6."""
    (box, pin) = boxes(tmp_path, "aygun")[0]
    copy = tmp_path / "copy.json"
    copy.write_bytes(box.read_bytes())
    with pytest.raises(VaultError):
        vault.open([(box, pin), (copy, pin)], tmp_path / "key.pem", now=NOW)


def test_a_wrong_pin_is_an_incident_in_the_book_and_opens_nothing(vault: Vault, tmp_path: Path) -> None:
    """VLT-4.12."""
    with pytest.raises(ForeignAttemptError):
        vault.open(boxes(tmp_path, "aygun", "behruz", pins={"behruz": "000000"}), tmp_path / "key.pem", now=NOW)
    last = vault.book()[-1]
    assert (last.entry, last.custodians) == (Entry.ATTEMPT, ())
    assert "behruz" in last.note
    assert not (tmp_path / "key.pem").exists()
    assert VaultWatch(vault, clock=lambda: NOW).look() == ["VAULT_ATTEMPT"]


def test_another_vault_s_boxes_are_an_incident(vault: Vault, tmp_path: Path) -> None:
    Vault.found(tmp_path / "other" / "vault", KEY_PEM, FOUNDERS, threshold=2, now=NOW)
    with pytest.raises(ForeignAttemptError):
        vault.open(boxes(tmp_path / "other", "aygun", "behruz"), tmp_path / "key.pem", now=NOW)
    assert vault.book()[-1].entry is Entry.ATTEMPT


def test_it_is_opened_once_and_closed_once(vault: Vault, tmp_path: Path) -> None:
    both, key = boxes(tmp_path, "aygun", "behruz"), tmp_path / "key.pem"
    with pytest.raises(VaultError, match="not open"):
        vault.close(both, key, now=NOW)
    vault.open(both, key, now=NOW)
    with pytest.raises(VaultError, match="open already"):
        vault.open(both, key, now=NOW)


def test_another_key_at_the_closing_is_guarded_and_reported(vault: Vault, tmp_path: Path) -> None:
    """VLT-4.9, VLT-5.13, VLT-5.15: counted against the book before it closes."""
    both, key = boxes(tmp_path, "aygun", "behruz"), tmp_path / "key.pem"
    vault.open(both, key, now=NOW)
    other, _ = Authority.create(NOW).issue("GATEWAY", "x", key="p256", now=NOW).to_pem()
    key.write_bytes(other)
    with pytest.raises(VaultError, match="guard it"):
        vault.close(both, key, now=NOW)
    assert key.exists()
    key.unlink()
    assert vault.close(both, key, now=NOW).note == "nothing lay there"


def test_a_key_that_is_not_the_one_put_in_is_not_laid_out(vault: Vault, tmp_path: Path) -> None:
    """VLT-5.13: what is counted at an opening is the key itself, not what the record says of it."""
    record, key = tmp_path / "vault" / "vault.json", tmp_path / "run" / "key.pem"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"item": "0" * 64}))
    with pytest.raises(VaultError, match="not the one that was put in"):
        vault.open(boxes(tmp_path, "aygun", "behruz"), key, now=NOW)
    assert not key.exists()


def test_pages_cut_off_at_the_end_are_noticed(vault: Vault, tmp_path: Path) -> None:
    """VLT-4.14."""
    both = boxes(tmp_path, "aygun", "behruz")
    vault.check(both, now=NOW)
    vault.check(both, now=NOW)
    book = tmp_path / "vault" / "book.jsonl"
    book.write_text("".join(f"{line}\n" for line in book.read_text("utf-8").splitlines()[:-1]), "utf-8")
    with pytest.raises(VaultError, match="2 pages"):
        vault.book()
    assert VaultWatch(vault, clock=lambda: NOW).look() == ["VAULT_BROKEN"]


def test_an_attempt_at_the_end_written_anew_is_noticed(vault: Vault, tmp_path: Path) -> None:
    """VLT-4.12, VLT-4.14: nobody signs an attempt, so only the record holds the last page to what it said."""
    with pytest.raises(ForeignAttemptError):
        vault.open(boxes(tmp_path, "aygun", "behruz", pins={"behruz": "000000"}), tmp_path / "key.pem", now=NOW)
    attempt = replace(vault.book()[-1], note="the PIN of aygun does not open the box")
    forged = asdict(replace(attempt, hash=page_digest(attempt)))
    file = tmp_path / "vault" / "book.jsonl"
    founded, _ = file.read_text("utf-8").splitlines()
    file.write_text(f"{founded}\n{json.dumps(forged, default=str)}\n", "utf-8")
    with pytest.raises(VaultError, match="report it"):
        vault.book()


def test_a_crash_between_page_and_record_leaves_a_vault_that_opens(vault: Vault, tmp_path: Path) -> None:
    record, both = tmp_path / "vault" / "vault.json", boxes(tmp_path, "aygun", "behruz")
    before = record.read_text("utf-8")
    vault.check(both, now=NOW)
    record.write_text(before, "utf-8")
    assert vault.check(both, now=NOW).number == 3
    assert len(vault.book()) == 3


def test_a_page_rewritten_on_disk_is_noticed(vault: Vault, tmp_path: Path) -> None:
    book = tmp_path / "vault" / "book.jsonl"
    page = json.loads(book.read_text("utf-8"))
    book.write_text(json.dumps(page | {"custodians": ["aygun", "ehtiyat"]}) + "\n", "utf-8")
    with pytest.raises(VaultError, match="page 1"):
        vault.book()


def test_the_monthly_look_is_due_after_a_month_used_or_not(vault: Vault, tmp_path: Path) -> None:
    """VLT-4.13."""
    due = check_due(vault.book())
    assert due == NOW + timedelta(days=31)
    assert VaultWatch(vault, clock=lambda: due).look() == []
    late = VaultWatch(vault, clock=lambda: due + timedelta(seconds=1))
    assert late.look() == ["VAULT_CHECK_DUE"]
    vault.check(boxes(tmp_path, "behruz", "ehtiyat"), now=due)
    assert late.look() == []


def test_serve_takes_its_key_from_the_opened_vault_and_does_not_start_while_it_is_closed(
    vault: Vault, tmp_path: Path
) -> None:
    keys, key = tmp_path / "keys", tmp_path / "run" / "key.pem"
    keys.mkdir()
    authority = Authority.create(NOW)
    for name, content in (
        ("chain.pem", CHAIN_PEM), ("anchors.pem", authority.anchors_pem),
        ("intermediates.pem", authority.intermediates_pem), ("crl.pem", authority.crl(NOW)),
    ):  # fmt: skip
        (keys / name).write_bytes(content)
    path = tmp_path / "gateway.toml"
    path.write_text(packaged("demo.toml"), "utf-8")
    environ = {"EHERRAC__KEYS__VAULT": str(tmp_path / "vault"), "EHERRAC__KEYS__KEY": str(key)}
    config = load_config(path, environ)
    assert file_faults(config) == ()
    with pytest.raises(OurFaultError, match="the vault is closed"):
        key_folder(config)
    vault.open(boxes(tmp_path, "aygun", "behruz"), key, now=NOW)
    assert key_folder(config).identity().credential.participant == "GATEWAY"


def test_the_command_line(tmp_path: Path) -> None:
    key, pins = tmp_path / "key.pem", []
    key.write_bytes(KEY_PEM)
    for number, one in enumerate(FOUNDERS):
        (tmp_path / f"pin{number}").write_text(one.pin + "\n")
        pins.append(str(tmp_path / f"pin{number}"))
    both = ["--box", "vault/boxes/aygun.json", "--box", "vault/boxes/behruz.json"]
    right, wrong = ["--pin-file", pins[0], "--pin-file", pins[1]], ["--pin-file", pins[1], "--pin-file", pins[0]]
    people = ["--custodian", "aygun", "--custodian", "behruz", "--spare", "ehtiyat"]
    assert _run(tmp_path, "init", str(key), *people, *right, "--pin-file", pins[2]).returncode == 0
    assert _run(tmp_path, "open", *both, *wrong, "--into", "key2.pem").returncode == 3
    assert _run(tmp_path, "open", *both, *right, "--into", "key2.pem").returncode == 0
    assert (tmp_path / "key2.pem").read_bytes() == KEY_PEM
    assert _run(tmp_path, "close", *both, *right, "--at", "key2.pem").returncode == 0
    assert _run(tmp_path, "check", *both, *right).returncode == 0
    done = _run(tmp_path, "book")
    assert done.returncode == 0
    assert [line.split()[3] for line in done.stdout.splitlines()[:-1]] == [
        "founded", "attempt", "opened", "closed", "checked",
    ]  # fmt: skip


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", "vault", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
