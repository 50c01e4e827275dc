"""AsyncAPI's own parser accepts asyncapi.yaml. Skipped if npx is not installed or cannot download the parser."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from messaging.wire.registry import ACTIONS
from tests.engine import only_on

PARSER = "@asyncapi/parser@3.6.3"
SCRIPT = Path(__file__).with_name("parse.cjs")
TIMEOUT_S = 60.0
# Run no scripts of packages, prefer the local cache, and give up soon if the registry cannot be reached.
NPM = {
    "npm_config_ignore_scripts": "true",
    "npm_config_prefer_offline": "true",
    "npm_config_fetch_retries": "0",
    "npm_config_fetch_timeout": "20000",
    "npm_config_update_notifier": "false",
    "npm_config_loglevel": "error",
}
WARNING = 1  # 0 is an error; 2 and 3 are advice

pytestmark = only_on("sqlite")


def parse(path: Path, directory: Path) -> Any:
    """Returns the operations and diagnostics that the parser finds in the document at `path`."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("npx is not installed: asyncapi.yaml is not parsed")
    process = subprocess.Popen(
        [npx, "--yes", f"--package={PARSER}", "--", "node", str(SCRIPT), str(path)],
        cwd=directory,
        env=os.environ | NPM,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, errors = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.skip(f"{PARSER} did not finish in {TIMEOUT_S:.0f} s: asyncapi.yaml is not parsed")
    if not printed.startswith("fetched\n"):
        reason = errors.partition("\n")[0]
        pytest.skip(f"{PARSER} cannot be downloaded ({reason}): asyncapi.yaml is not parsed")
    assert process.returncode == 0, errors
    return json.loads(printed.removeprefix("fetched\n"))


def test_it_works(tmp_path: Path) -> None:
    found = parse(Path(settings.BASE_DIR) / "asyncapi.yaml", tmp_path)

    assert [problem for problem in found["diagnostics"] if problem["severity"] <= WARNING] == []
    assert {*found["operations"]} == set(ACTIONS) | {"emit", "refuse"}
