"""The chart: helm accepts it, what it renders is locked down, and its configuration is one the gateway starts with."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import load_config

CHART = Path(__file__).resolve().parents[2] / "helm" / "eherrac-gateway"


def _run(helm: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def rendered(helm: Path) -> dict[str, dict[str, Any]]:
    shown = _run(helm, "template", "gateway", str(CHART))
    assert shown.returncode == 0, shown.stderr
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(shown.stdout) if manifest}


def test_helm_lint_finds_nothing(helm: Path) -> None:
    linted = _run(helm, "lint", "--strict", str(CHART))
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    "values",
    ["replicaCount=0", "updateStrategy=Never", "service.type=LoadBalancer", "secrets.keys=", "config=", "replicas=3"],
)
def test_values_that_cannot_be_are_refused(helm: Path, values: str) -> None:
    """AOS-G4: the schema allows no service with a public address."""
    assert _run(helm, "template", "gateway", str(CHART), "--set", values).returncode != 0


def test_replicas_are_replaced_one_after_the_other_unless_the_version_wants_the_old_ones_gone(
    rendered: dict[str, dict[str, Any]], helm: Path
) -> None:
    """ADR 24."""
    strategy = rendered["Deployment"]["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    alone = _run(helm, "template", "gateway", str(CHART), "--set", "updateStrategy=Recreate").stdout
    assert "strategy:\n    type: Recreate\n  template:" in alone


def test_the_pod_runs_without_privileges(rendered: dict[str, dict[str, Any]]) -> None:
    pod = rendered["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["readOnlyRootFilesystem"] is True
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}


def test_the_doors_speak_tls_unless_a_sidecar_does(rendered: dict[str, dict[str, Any]], helm: Path) -> None:
    """AOS-S1: probes follow."""
    container = rendered["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert {container[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "HTTPS"
    }
    beside = _run(helm, "template", "gateway", str(CHART), "--set", "secrets.tls=,probes.scheme=HTTP")
    assert beside.returncode == 0, beside.stderr
    deployment = next(m for m in yaml.safe_load_all(beside.stdout) if m and m["kind"] == "Deployment")
    volumes = {volume["name"] for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    assert "tls" not in volumes


def test_where_tls_is_mutual_the_kubelet_asks_without_a_certificate(helm: Path, tmp_path: Path) -> None:
    """HTTPS probes would be turned away and every pod killed for it."""
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    mutual = values["config"].replace("[keys]", 'tls_client_ca = "/etc/eherrac/tls/ca.crt"\n\n[keys]')
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({"config": mutual}), "utf-8")
    arguments = ("template", "gateway", str(CHART), "--values", str(tmp_path / "values.yaml"))
    refused = _run(helm, *arguments)
    assert (refused.returncode != 0, "probes.scheme=TCP" in refused.stderr) == (True, True)
    shown = _run(helm, *arguments, "--set", "probes.scheme=TCP")
    container = next(m for m in yaml.safe_load_all(shown.stdout) if m and m["kind"] == "Deployment")["spec"][
        "template"
    ]["spec"]["containers"][0]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["tcpSocket"] == {"port": "doors"}


def test_nobody_reaches_the_gateway_or_is_reached_unless_named(rendered: dict[str, dict[str, Any]]) -> None:
    policy = rendered["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert [port["port"] for rule in policy["egress"] for port in rule["ports"]] == [53, 53]


def test_the_console_is_on_the_pods_loopback_and_in_no_service(rendered: dict[str, dict[str, Any]], helm: Path) -> None:
    container = rendered["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert [port["name"] for port in container["ports"]] == ["doors"]
    assert [port["name"] for port in rendered["Service"]["spec"]["ports"]] == ["doors"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert (environment["EHERRAC__CONSOLE__ENABLED"], environment["EHERRAC__CONSOLE__PORT"]) == ("true", "8090")
    assert "EHERRAC__CONSOLE__HOST" not in environment
    off = _run(helm, "template", "gateway", str(CHART), "--set", "console.enabled=false")
    assert 'value: "false"' in off.stdout


def test_secrets_are_referred_to_and_never_made(rendered: dict[str, dict[str, Any]]) -> None:
    assert "Secret" not in rendered
    environment = rendered["Deployment"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [entry["name"] for entry in environment if "valueFrom" in entry] == ["EHERRAC__STORE__URL"]


def test_the_rendered_configuration_is_one_the_gateway_starts_with(
    rendered: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(rendered["ConfigMap"]["data"]["gateway.toml"], encoding="utf-8")
    config = load_config(path, {"EHERRAC__STORE__URL": "postgresql://gateway@db/eherrac"})
    mounts = rendered["Deployment"]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    folders = {mount["mountPath"] for mount in mounts}
    assert str(config.keys.directory) in folders
    assert config.http.tls_certificate is not None
    assert str(config.http.tls_certificate.parent) in folders
    assert config.http.port == rendered["Service"]["spec"]["ports"][0]["port"]
