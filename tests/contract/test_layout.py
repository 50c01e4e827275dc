"""pyproject.toml names every top-level package: for import-linter, among the layers, and for mypy."""

import re
import tomllib
from typing import Any

from django.conf import settings

TOOLS: dict[str, Any] = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["tool"]
PACKAGES = {path.parent.name for path in settings.BASE_DIR.glob("*/__init__.py")} - {"tests"}


def test_it_works() -> None:
    assert {"accounts", "api", "config", "foundation", "messaging", "rooms"} <= PACKAGES


def test_import_linter_reads_every_package() -> None:
    assert set(TOOLS["importlinter"]["root_packages"]) == PACKAGES


def test_every_package_has_a_layer() -> None:
    (contract,) = (each for each in TOOLS["importlinter"]["contracts"] if each["name"] == "Imports go one way")

    # A layer may hold several packages: "one | two".
    layers = [name for layer in contract["layers"] for name in re.findall(r"\w+", layer)]

    assert sorted(layers) == sorted(PACKAGES)


def test_mypy_checks_every_package() -> None:
    assert set(TOOLS["mypy"]["files"]) == PACKAGES | {"tests"}
