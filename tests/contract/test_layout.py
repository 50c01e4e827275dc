"""pyproject.toml names every top-level package, and pins narrowly where it must."""

import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest
from django.conf import settings

from messaging.wire import registry
from messaging.wire.actions import Action
from rooms.events import Event

PYPROJECT: dict[str, Any] = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
PROJECT, TOOLS = PYPROJECT["project"], PYPROJECT["tool"]
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


@pytest.mark.parametrize("name", ["django-allauth", "uvicorn", "djangochannelsrestframework"])
def test_a_library_whose_inside_is_used_is_pinned_to_a_minor_version(name: str) -> None:
    (pin,) = (text for text in PROJECT["dependencies"] if re.match(rf"{name}\b", text))
    bounds = re.fullmatch(rf"{name}(?:\[\w+\])?>=(\d+)\.(\d+),<(\d+)\.(\d+)", pin)

    assert bounds is not None
    major, minor, next_major, next_minor = map(int, bounds.groups())
    assert (next_major, next_minor) == (major, minor + 1)


def test_the_registry_knows_every_action_and_event() -> None:
    """A struct in a module that nothing imports would be missing without a word, and its entries could not be read."""
    for package in ("rooms", "messaging"):
        for module in walk_packages([str(settings.BASE_DIR / package)], prefix=f"{package}."):
            import_module(module.name)

    assert set(registry.ACTIONS.values()) == set(Action.__subclasses__())
    assert set(registry.EVENTS.values()) == {kind for kind in subclasses_of(Event) if hasattr(kind, "example")}


def subclasses_of(kind: type[Event]) -> Iterator[type[Event]]:
    for child in kind.__subclasses__():
        if child.__module__.partition(".")[0] in PACKAGES:  # tests declare events of their own
            yield child
            yield from subclasses_of(child)
