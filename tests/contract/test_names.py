"""One name, one thing: no two public classes of the project share a name."""

import ast
from collections import defaultdict
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PACKAGES = ("foundation", "accounts", "rooms", "messaging", "api", "config")
# A model and the JSON shape of the same noun, which are read as `models.Room` and `Room`.
SHAPES = {"User", "Room", "Head", "Message"}
# Names that Django looks for.
DJANGOS = {"Command", "DatabaseWrapper"}


def public_classes() -> dict[str, list[str]]:
    """Returns the files that define each public class."""
    found = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                for node in ast.parse(path.read_text()).body:
                    if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                        found[node.name].append(path.relative_to(ROOT).as_posix())
    return found


def test_no_two_classes_share_a_name() -> None:
    classes = public_classes()
    assert len(classes) > 100
    shared = {name: files for name, files in classes.items() if len(files) > 1 and name not in DJANGOS}

    for name in SHAPES & shared.keys():
        model, *others = sorted(shared.pop(name), key=lambda file: not file.endswith("models.py"))
        assert model.endswith("models.py")
        assert len(others) == 1
    assert shared == {}
