"""Keys turn without a stop (PSP-7.1.5): the next one is rehearsed, takes over at its notBefore, and ends are told."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from certs.authority import Authority
from certs.expiry import Holder, expiries
from certs.keystore import Credential
from certs.trust import Revocation, TrustPolicy, TrustStore
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.doors.metrics import Metrics
from gateway.errors import OurFaultError
from gateway.keys import KeyFolder, WatchedKeys
from gateway.keys.expiry import ExpiryWatch
from gateway.keys.rehearsal import rehearse
from gateway.wire.identity import Identity

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LATER = NOW + 2 * DAY


class World:
    def __init__(self, folder: Path) -> None:
        self.now, self.path = NOW, folder
        self.authority = Authority.create(NOW)
        self.present = self.authority.issue("GATEWAY", "Nümunə", key="p256", now=NOW, days=100)
        self._put("", self.present)
        (folder / "anchors.pem").write_bytes(self.authority.anchors_pem)
        (folder / "intermediates.pem").write_bytes(self.authority.intermediates_pem)
        (folder / "crl.pem").write_bytes(self.authority.crl(NOW))
        self.folder = KeyFolder(directory=folder, policy=TrustPolicy(revocation=Revocation.NONE))

    def follow(self, *, code: str = "GATEWAY", at: datetime = LATER) -> Credential:
        following = self.authority.issue(code, "Nümunə", key="rsa", now=at)
        self._put(".next", following)
        return following

    def _put(self, which: str, credential: Credential) -> None:
        key, chain = credential.to_pem()
        (self.path / f"key{which}.pem").write_bytes(key)
        (self.path / f"chain{which}.pem").write_bytes(chain)

    def clock(self) -> datetime:
        return self.now


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_next_key_takes_over_at_its_not_before(world: World) -> None:
    following = world.follow()
    keys = WatchedKeys(world.folder, reload_s=0, clock=world.clock)
    assert keys().credential.certificate == world.present.certificate
    world.now = following.certificate.not_valid_before_utc - timedelta(seconds=1)
    assert keys().credential.certificate == world.present.certificate
    world.now = following.certificate.not_valid_before_utc
    assert keys().credential.certificate == following.certificate


def test_a_next_key_put_there_while_we_run_is_seen(world: World) -> None:
    keys = WatchedKeys(world.folder, reload_s=0, clock=world.clock)
    following = world.follow(at=NOW)
    assert keys().credential.certificate == following.certificate


def test_a_file_put_in_place_of_another_is_seen_though_it_is_older_than_the_newest(world: World) -> None:
    """PSP-7.1.5: a key prepared last week and moved into its place keeps its date; a list fetched today is newer."""
    prepared = world.authority.issue("GATEWAY", "Nümunə", key="p256", now=NOW)
    for name, content in zip(("key", "chain"), prepared.to_pem(), strict=True):
        (world.path / f"{name}.prepared").write_bytes(content)
        os.utime(world.path / f"{name}.prepared", (NOW.timestamp() - 1e6, NOW.timestamp() - 1e6))
    keys = WatchedKeys(world.folder, reload_s=0, clock=world.clock)
    assert keys().credential.certificate == world.present.certificate
    for name in ("key", "chain"):
        (world.path / f"{name}.prepared").replace(world.path / f"{name}.pem")
    assert keys().credential.certificate == prepared.certificate


def test_what_the_old_key_signed_is_believed_beside_the_new(world: World) -> None:
    """Old and new overlap: a counterparty's keys turn at its own will."""
    following = world.follow(at=NOW)
    trust = world.folder.trust()
    for credential in (world.present, following):
        assert trust.judge(credential.certificate, credential.chain, NOW).participant == "GATEWAY"


def test_a_next_key_of_somebody_else_is_a_fault_and_is_not_taken(world: World) -> None:
    keys = WatchedKeys(world.folder, reload_s=0, clock=world.clock)
    world.follow(code="999101", at=NOW)
    with pytest.raises(OurFaultError, match="another participant"):
        world.folder.following()
    with capture_logs() as logs:
        assert keys().credential.certificate == world.present.certificate
    assert "another participant" in logs[0]["reason"]


def test_a_rehearsal_signs_and_verifies_everything_and_changes_nothing(world: World) -> None:
    following = world.follow()
    results = rehearse(following, world.folder.trust(), LATER)
    assert [result.what for result in results if result.refusal is None] == [
        "certificate",
        "SOAP 1.1",
        "SOAP 1.2",
        "ISO 20022",
        "HTTP request",
        "HTTP response",
        "ASiC-E",
    ]
    assert world.folder.identity(NOW).credential.certificate == world.present.certificate


def test_a_rehearsal_tells_what_a_counterparty_would_refuse(world: World) -> None:
    stranger = Authority.create(NOW).issue("GATEWAY", "Nümunə", key="p256", now=NOW)
    refusals = [result.refusal for result in rehearse(stranger, world.folder.trust(), NOW)]
    assert {refusal.code for refusal in refusals if refusal is not None} == {ErrorCode.CERTIFICATE_UNTRUSTED}
    strict = replace(world.folder, policy=TrustPolicy()).trust()
    world.authority.revoke(format(world.present.certificate.serial_number, "x"), NOW)
    (world.path / "crl.pem").write_bytes(world.authority.crl(NOW))
    assert all(result.refusal is None for result in rehearse(world.present, strict, NOW))
    renewed = replace(world.folder, policy=TrustPolicy()).trust()
    assert all(result.refusal is not None for result in rehearse(world.present, renewed, NOW))


# --- The ladder -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days_left", "rung"),
    [(90.5, None), (90, 90), (30.5, 90), (30, 30), (14, 14), (7, 7), (1.5, 7), (1, 1), (0.1, 1), (0, 0), (-3, 0)],
)
def test_the_ladder_has_its_rungs(world: World, days_left: float, rung: int | None) -> None:
    own = next(iter(expiries(world.present, world.folder.trust(), NOW)))
    assert own.rung(own.not_after - days_left * DAY) == rung


def _identity(world: World) -> Identity:
    trust: TrustStore = world.folder.trust()
    return Identity(world.present, trust)


def test_every_rung_is_an_alarm_once(world: World) -> None:
    identity = _identity(world)
    watch = ExpiryWatch(lambda: identity, clock=world.clock)
    told = []
    with capture_logs() as logs:
        for day in range(102):
            world.now = NOW + day * DAY
            watch.look()
            told += [entry["facts"]["within_days"] for entry in logs if entry["facts"]["holder"] == Holder.OWN]
            logs.clear()
    assert told == [90, 30, 14, 7, 1, 0]


def test_counterparties_are_told_of_too_and_metrics_show_the_days_left(world: World) -> None:
    bank = world.authority.issue("999101", "Bank", key="p256", now=NOW, days=20)
    identity = Identity(world.present, replace(world.folder, policy=TrustPolicy()).trust())
    identity.trust.judge(bank.certificate, bank.chain, NOW)
    watch = ExpiryWatch(lambda: identity, clock=world.clock)
    with capture_logs():
        assert [expiry.name for expiry in watch.look()] == ["999101"]
    metrics = Metrics()
    metrics.watch_expiry(watch.all, world.clock)
    text = metrics.text().decode()
    assert 'eherrac_certificate_days_left{holder="counterparty",name="999101"' in text
    assert 'holder="own",name="GATEWAY"' in text
    assert 'holder="authority"' in text


# --- Counterparties' certificates -------------------------------------------------------------------------------------


def _met(world: World, keys: WatchedKeys, *, days: int = 300) -> Credential:
    """A bank's certificate, new at this moment, that signed something."""
    bank = world.authority.issue("999101", "Bank", key="p256", now=world.now, days=days)
    keys().trust.judge(bank.certificate, bank.chain, world.now)
    return bank


def _theirs(watch: ExpiryWatch) -> list[tuple[str, int | None]]:
    found = [expiry for expiry in watch.all() if expiry.holder is Holder.COUNTERPARTY]
    return [(expiry.serial, expiry.rung(watch._clock())) for expiry in found]


def _serial(credential: Credential) -> str:
    return format(credential.certificate.serial_number, "x")


@pytest.fixture
def keys(world: World) -> WatchedKeys:
    return WatchedKeys(replace(world.folder, policy=TrustPolicy()), reload_s=0, clock=world.clock)


def test_a_revoked_certificate_is_an_alarm_once_until_its_owner_signs_with_another(
    world: World, keys: WatchedKeys
) -> None:
    bank, watch = _met(world, keys), ExpiryWatch(keys, clock=world.clock)
    with capture_logs() as logs:
        watch.look()
        world.now += timedelta(hours=1)
        world.authority.revoke(_serial(bank), world.now)
        (world.path / "crl.pem").write_bytes(world.authority.crl(world.now))
        assert _theirs(watch) == [(_serial(bank), 0)]
        watch.look()
        watch.look()
        world.now += timedelta(days=400)  # its list is old by now: what is revoked stays so
        watch.look()
    told = [entry["facts"] for entry in logs if entry.get("alarm") == "CERTIFICATE_REVOKED"]
    assert [(facts["name"], facts["serial"]) for facts in told] == [("999101", _serial(bank))]
    (world.path / "crl.pem").write_bytes(world.authority.crl(world.now))
    (world.path / "intermediates.pem").write_bytes(world.authority.intermediates_pem)
    following = _met(world, keys)
    assert _theirs(watch) == [(_serial(following), None)]


def test_one_that_ends_soon_is_told_of_until_a_later_one_is_taken(world: World, keys: WatchedKeys) -> None:
    bank, watch = _met(world, keys, days=20), ExpiryWatch(keys, clock=world.clock)
    assert _theirs(watch) == [(_serial(bank), 30)]
    world.now += timedelta(hours=1)
    following = _met(world, keys)
    assert _theirs(watch) == [(_serial(following), None)]


def test_a_later_certificate_that_is_revoked_takes_nobodys_place(world: World, keys: WatchedKeys) -> None:
    bank, watch = _met(world, keys, days=20), ExpiryWatch(keys, clock=world.clock)
    world.now += timedelta(hours=1)
    following = _met(world, keys)
    world.authority.revoke(_serial(following), world.now)
    (world.path / "crl.pem").write_bytes(world.authority.crl(world.now))
    assert _theirs(watch) == [(_serial(bank), 30), (_serial(following), 0)]


def test_one_that_had_ended_before_we_first_saw_it_is_told_of_and_a_strangers_is_not(
    world: World, keys: WatchedKeys
) -> None:
    watch = ExpiryWatch(keys, clock=world.clock)
    for authority in (world.authority, Authority.create(NOW)):
        bank = authority.issue("999101", "Bank", key="p256", now=NOW, days=20)
        with pytest.raises(RefusedError) as caught:
            keys().trust.judge(bank.certificate, bank.chain, NOW + 21 * DAY)
        assert caught.value.refusal.code is ErrorCode.CERTIFICATE_EXPIRED
    world.now = NOW + 21 * DAY
    assert [rung for _, rung in _theirs(watch)] == [0]
