"""The Helm chart: linted, rendered in both shapes, held against Kubernetes' own schemas and against what it promises."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from nacre.server.settings import ServerSettings, read_settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/nacre"
URL = "postgresql://nacre@db.example/company"
LARGE = {
    "postgres.url": URL,
    "postgres.passwordSecret.name": "pg",
    "postgres.parameters": "index=hnsw&sslmode=verify-full",
    "ingress.enabled": "true",
    "ingress.tlsSecret": "tls",
    "envSecrets[0]": "models",
    "publicUrl": "https://ask.example.org/",
    "config.server.trace": "true",
    "image.digest": "sha256:" + "0" * 64,
}


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("helm") is None:
        pytest.skip("no helm here: the chart is neither linted nor rendered")
    return subprocess.run(["helm", *arguments], capture_output=True, text=True, timeout=120)


def rendered(name: str = "nacre", **values: str) -> dict[str, Any]:
    settings = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    done = helm("template", name, str(CHART), *settings)
    assert done.returncode == 0, done.stderr
    return {found["kind"]: found for found in yaml.safe_load_all(done.stdout) if found}


def test_chart_and_package_have_one_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == version


def test_the_chart_is_linted():
    for values in ({}, LARGE):
        done = helm("lint", "--strict", str(CHART), *(f"--set={key}={value}" for key, value in values.items()))
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("values", [{}, LARGE], ids=["folder", "postgres"])
def test_every_manifest_fits_kubernetes_own_schemas(values):
    validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    for manifest in rendered(**values).values():
        validate.validate(manifest, "1.34", strict=True)


@pytest.mark.parametrize("values", [{}, LARGE], ids=["folder", "postgres"])
def test_pods_may_do_little_and_are_watched(values):
    found = rendered(**values)
    pod = found["Deployment" if values else "StatefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"] == found["ServiceAccount"]["metadata"]["name"]
    for container in (*pod["initContainers"], *pod["containers"]):
        may = container["securityContext"]
        assert may["readOnlyRootFilesystem"] and not may["allowPrivilegeEscalation"]
        assert may["capabilities"] == {"drop": ["ALL"]} and container["resources"]["limits"]["memory"] == "4Gi"
    (server,) = pod["containers"]
    probes = {name: server[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert probes == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    port = server["ports"][0]
    assert {"http"} == {port["name"], *(server[f"{name}Probe"]["httpGet"]["port"] for name in probes)}
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == "http" and str(port["containerPort"]) in server["args"]
    selected = found["Service"]["spec"]["selector"].items()
    assert (
        selected <= found["Deployment" if values else "StatefulSet"]["spec"]["template"]["metadata"]["labels"].items()
    )


def test_a_folder_has_one_pod_and_a_volume():
    found = rendered()
    assert "Deployment" not in found and "Ingress" not in found
    spec = found["StatefulSet"]["spec"]
    assert spec["replicas"] == 1 and spec["volumeClaimTemplates"][0]["metadata"]["name"] == "data"
    (server,) = spec["template"]["spec"]["containers"]
    assert {"name": "NACRE_KB", "value": "/data/kb"} in server["env"]
    assert {"name": "data", "mountPath": "/data"} in server["volumeMounts"] and server["image"].startswith("nacre:")


def test_on_postgres_there_are_several_and_the_password_is_a_secret(tmp_path, monkeypatch):
    found = rendered(**LARGE)
    assert "StatefulSet" not in found and found["Deployment"]["spec"]["replicas"] == 2
    pod = found["Deployment"]["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    told = {entry["name"]: entry.get("value") for entry in server["env"]}
    (password,) = (entry for entry in server["env"] if entry["name"] == "PGPASSWORD")
    assert password["valueFrom"] == {"secretKeyRef": {"name": "pg", "key": "password"}}
    assert (
        server["envFrom"] == [{"secretRef": {"name": "models"}}] and server["image"] == f"nacre@{LARGE['image.digest']}"
    )
    assert not [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    names = {f"NACRE_{name.upper()}" for name in (*ServerSettings.model_fields, "kb", "model")}
    assert {name for name in told if name.startswith("NACRE_")} <= names
    (tmp_path / "nacre.yaml").write_text(found["ConfigMap"]["data"]["nacre.yaml"])
    for name, value in told.items():
        monkeypatch.setenv(name, value or "pearl")
    settings = read_settings(tmp_path / "nacre.yaml")
    assert settings.store == settings.kb == f"{URL}?base=handbook&index=hnsw&sslmode=verify-full"
    assert settings.server.trace and settings.server.public_url == "https://ask.example.org/"
    rule = found["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert rule == {"name": found["Service"]["metadata"]["name"], "port": {"name": "http"}}


def test_a_password_in_the_address_is_refused():
    done = helm("template", "x", str(CHART), "--set", "postgres.url=postgresql://nacre:pearl@db/x")
    assert done.returncode != 0 and "postgres.passwordSecret" in done.stderr


def test_values_are_explained_and_used():
    text = "".join(path.read_text("utf-8") for path in (CHART / "templates").iterdir())
    for name in yaml.safe_load((CHART / "values.yaml").read_text("utf-8")):
        assert re.search(rf"\.Values\.{name}\b", text), name
