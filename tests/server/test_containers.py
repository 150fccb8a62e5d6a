"""The Dockerfile and the compose file: what they run is run here, and what they promise is checked."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import httpx
import pytest
import yaml
from packaging.requirements import Requirement

from nacre.server.auth.keys import Keys
from nacre.server.settings import AudioSettings, ServerSettings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES = COMPOSE["services"]


def instruction(name: str) -> list[str]:
    return json.loads(re.findall(rf"^{name} (\[.*\])$", DOCKERFILE, re.M)[-1])


def test_images_are_pinned_and_services_hardened_and_watched():
    assert re.findall(r"^FROM \S+:(\S+)", DOCKERFILE, re.M) == ["3.12.13-slim-bookworm"] * 2
    assert re.search(r"^USER 10001", DOCKERFILE, re.M)
    for name, service in SERVICES.items():
        tag = service["image"].rpartition(":")[2]
        assert re.search(r"\d+\.\d+", tag), name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        if name != "openwebui":
            assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["user"] != "0:0", name
        assert service["mem_limit"] == service["memswap_limit"] and 64 <= service["pids_limit"] <= 1024, name
    for mount in (mount for service in SERVICES.values() for mount in service["volumes"]):
        source = mount.split(":")[0]
        assert source in COMPOSE["volumes"] or source.startswith("${") or (ROOT / source).is_file(), mount
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", ())} == {
        "ollama",
        "openwebui",
        "monitoring",
        "postgres",
        "qdrant",
    }


def test_what_the_server_can_be_told_by_the_environment_is_told_by_names_it_reads():
    told = {name for name in SERVICES["nacre"]["environment"] if name.startswith("NACRE_")}
    names = {
        *ServerSettings.model_fields,
        *(f"audio_{name}" for name in AudioSettings.model_fields),
        "audio_key",
        "model",
        "lang",
    }
    assert told <= {f"NACRE_{name.upper()}" for name in names}
    extras = re.search(r"'\.\[(.*)\]'", DOCKERFILE).group(1).split(",")
    known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(extras) <= set(known) and {"serve", "mcp", "otel", "oidc"} <= set(extras)


def test_what_the_image_copies_is_there_and_not_ignored():
    allowed = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text("utf-8"), re.M))
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists() and source in allowed, source


def test_images_can_be_pinned_by_digest_and_no_secret_has_a_default():
    for name, service in SERVICES.items():
        assert re.fullmatch(rf"\$\{{{name.upper()}_IMAGE:-\S+:\S+\}}", service["image"]), name
        for key, value in service.get("environment", {}).items():
            if re.search("SECRET|KEY|PASSWORD|TOKEN", key):
                assert re.fullmatch(r"\$\{\w+(?::-|:\?.+)\}", value), f"{key} of {name} is known to everyone"
    assert ":?" in SERVICES["searxng"]["environment"]["SEARXNG_SECRET"]


def test_no_dependency_admits_a_release_with_a_fault_that_concerns_us():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    named = {(one := Requirement(line)).name.lower(): one.specifier for lines in lists for line in lines}
    faulty = {
        "pyjwt": ("2.8.0", "2.10.0", "2.11.0", "2.12.1"),
        "onnx": ("1.17.0", "1.20.1"),
        "torch": ("2.5.1",),
        "transformers": ("5.0.0", "5.2.0"),
        "lxml": ("5.4.0", "6.0.4"),
        "starlette": ("0.49.0", "1.0.0"),
        "h11": ("0.14.0",),
        "python-multipart": ("0.0.17", "0.0.21", "0.0.28", "0.0.30"),
        "langchain-core": ("1.2.4", "1.2.21"),
        "langchain-openai": ("1.1.13",),
    }
    admitted = [(name, version) for name, versions in faulty.items() for version in versions if version in named[name]]
    assert admitted == []


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="apt-get install docker-compose")
def test_the_compose_file_keeps_to_the_specification():
    # Debian's is a Python program: it must not find this environment's packages.
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SEARXNG_SECRET": secrets.token_hex(32)}
    done = subprocess.run(
        ["/usr/bin/docker-compose", "--profile", "ollama", "--profile", "openwebui", "--profile", "monitoring", "config"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    without = subprocess.run(
        ["/usr/bin/docker-compose", "config"], cwd=ROOT, env={**environment, "SEARXNG_SECRET": ""}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert without.returncode != 0 and "SEARXNG_SECRET" in without.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == set(SERVICES)


@pytest.mark.slow
def test_the_containers_own_commands_serve_and_are_found_healthy(folder):
    """The image's ENTRYPOINT, CMD and HEALTHCHECK, with the port and the volume of this machine."""
    keys = Keys(folder / "server")
    key = keys.add("me")
    keys.close()
    port = "18080"
    entry, command = instruction("ENTRYPOINT"), instruction("CMD")
    assert command == ["serve", "--kb", "/data/kb", "--host", "0.0.0.0", "--port", "8080"]
    own = {"/data/kb": str(folder), "8080": port}
    arguments = [own.get(word, word) for word in [*entry, *command]]
    arguments[0] = str(Path(sys.executable).with_name(arguments[0]))
    check = json.loads(re.search(r"HEALTHCHECK.*\n\s*CMD (\[.*\])", DOCKERFILE).group(1).replace("8080", port))
    check[0] = sys.executable
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env={**os.environ, "NACRE_MODEL": "quote"}) as server:
        try:
            for _ in range(100):
                if subprocess.run(check, stderr=subprocess.DEVNULL, timeout=30).returncode == 0:
                    break
                time.sleep(0.2)
            else:
                raise AssertionError("never healthy")
            assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 401
            assert (
                httpx.get(f"http://127.0.0.1:{port}/v1/models", headers={"authorization": f"Bearer {key}"}).status_code
                == 200
            )
        finally:
            server.terminate()
