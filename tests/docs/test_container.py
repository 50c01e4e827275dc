"""Dockerfile and compose.yaml, as far as they can be tested without a container engine."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from tests.engine import only_on
from tests.ports import free_port

pytestmark = only_on("sqlite")

ROOT = Path(settings.BASE_DIR)
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()


def instructions(name: str) -> list[str]:
    return [line.removeprefix(name).strip() for line in LINES if line.startswith(name + " ")]


def exec_form(text: str) -> list[str]:
    words: list[str] = json.loads(text[text.index("[") :])
    return [sys.executable if word == "python" else word for word in words]


def test_its_files_and_commands_start_a_healthy_server(tmp_path: Path) -> None:
    """The copied files, and no others, are enough for the command to serve and for the health check to succeed."""
    app, data = tmp_path / "app", tmp_path / "data"
    app.mkdir()
    for copied in instructions("COPY"):
        *sources, target = shlex.split(copied)
        if not copied.startswith("--from") and target != ".":
            for source in sources:
                destination = app / target.removeprefix("./")
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, destination)
    port = str(free_port())
    command = [port if word == "8000" else word for word in exec_form(instructions("CMD")[-1])]
    check = [word.replace("8000", port) for word in exec_form(instructions("HEALTHCHECK")[0])]
    environment = {"DATA_DIR": str(data), "PATH": os.environ["PATH"], "LOG_FORMAT": "json"}
    server = subprocess.Popen(command, cwd=app, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while subprocess.run(check, check=False, capture_output=True).returncode:
            assert time.monotonic() < deadline, "the health check never succeeded"
    finally:
        server.terminate()
        server.wait(timeout=20)
    assert (data / "roomlog.sqlite3").exists()


def test_its_services_are_consistent() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"]
    environment = services["roomlog"]["environment"]
    assert "@postgres:5432/" in environment["DATABASE_URL"]
    assert environment["REDIS_URL"].startswith("redis://redis:")
    assert services["roomlog"]["command"][1:3] == ["manage.py", "serve"]
    nginx = compose["configs"]["nginx"]["content"]
    assert nginx.count("{") == nginx.count("}")
    assert "proxy_set_header Upgrade $$http_upgrade;" in nginx


def test_its_server_trusts_nginx_alone() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    (network,) = compose["networks"]["default"]["ipam"]["config"]
    nginx = ip_address(compose["services"]["nginx"]["networks"]["default"]["ipv4_address"])

    assert compose["services"]["roomlog"]["environment"]["FORWARDED_ALLOW_IPS"] == str(nginx)
    assert nginx in ip_network(network["subnet"])
    assert nginx not in ip_network(network["ip_range"])  # nobody else gets it
    assert ip_network(network["ip_range"]).subnet_of(ip_network(network["subnet"]))  # type: ignore[arg-type]


def test_it_does_not_start_if_it_would_trust_everybody() -> None:
    environment = {"PATH": os.environ["PATH"], "FORWARDED_ALLOW_IPS": "*"}
    started = subprocess.run(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, check=False, capture_output=True, timeout=60
    )

    assert started.returncode != 0
    assert b"FORWARDED_ALLOW_IPS must list the addresses or networks of your own proxies" in started.stderr
