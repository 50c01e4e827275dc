"""The recipe of CONTRIBUTING.md, followed in a copy of the tree: its action works over REST, the socket and replay."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks_of

RECIPE = [block for block in blocks_of(ROOT / "CONTRIBUTING.md") if "file" in block.marks]
CODE = [block for block in RECIPE if not block.marks["file"].startswith("tests/")]
TESTS = [block for block in RECIPE if block.marks["file"].startswith("tests/")]

_IMPORT = re.compile(r"^(from|import) .*\n", re.MULTILINE)


def copy_tree(target: Path) -> None:
    """Copies what git tracks, and what it would track, without history and environments."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file() and not name.endswith((".lock", ".svg")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(source.read_bytes())


def add(block: Block, tree: Path) -> None:
    """Makes the block a new file; or adds it to the end of one, and its imports to the imports there."""
    path = tree / block.marks["file"]
    if not path.exists():
        path.write_text(block.text)
        return
    imports = "".join(match[0] for match in _IMPORT.finditer(block.text))
    addition = _IMPORT.sub("", block.text).strip("\n")
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    last = max(node.end_lineno or 0 for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom))
    path.write_text("".join([*lines[:last], imports, *lines[last:], "\n\n", addition, "\n"]))


def run(tree: Path, *command: str) -> str:
    """Runs a command of the project in the copy. Fails with what it printed."""
    environment = os.environ | {"DATA_DIR": str(tree / "var"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_action_touches_six_files() -> None:
    assert len({block.marks["file"] for block in CODE}) == 6
    assert len({block.marks["file"] for block in TESTS}) == 3


@pytest.mark.filterwarnings("default")
def test_it_works(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    for block in RECIPE:
        add(block, tmp_path)

    run(tmp_path, "-m", "ruff", "check", "--fix", "--quiet", ".")
    run(tmp_path, "-m", "ruff", "format", "--quiet", ".")
    run(tmp_path, "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())")
    run(tmp_path, "manage.py", "documents")
    tests = [block.marks["file"] for block in TESTS]
    printed = run(
        tmp_path, "-m", "pytest", "--engine", "sqlite", "-p", "no:cacheprovider", "-rA", *tests,
        "tests/contract/test_asyncapi.py", "tests/unit/test_errors.py::test_it_works",
    )  # fmt: skip

    for test in tests:
        assert f"PASSED {test}::test_it_works" in printed
    assert "applaud" in (tmp_path / "asyncapi.yaml").read_text()
    assert "message.applauded" in (tmp_path / "openapi.yaml").read_text()
