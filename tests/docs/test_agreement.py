"""The lists in the documents agree with the code, and the links in them have targets."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from api.urls import v1
from foundation.errors import DomainError
from messaging.wire import registry
from messaging.wire.closes import CLOSES
from messaging.wire.limits import ANNOUNCED, Limits
from messaging.wire.registry import ACTIONS, EVENTS
from rooms.permissions import Permission, Role
from tests.docs.blocks import ROOT, all_blocks, table_under
from tests.engine import only_on

PROTOCOL = "docs/protocol.md"
PACKAGES = ("accounts", "api", "config", "foundation", "messaging", "rooms")
LOG_CALLS = ("log.info", "log.warning", "log.error", "log.exception")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

pytestmark = only_on("sqlite")


@pytest.fixture
def text() -> str:
    return (ROOT / PROTOCOL).read_text()


def section(text: str, heading: str) -> str:
    return text.split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]


def test_it_lists_every_permission() -> None:
    roles = sorted(Role, reverse=True)
    assert table_under(PROTOCOL, "Who may do what") == [
        [permission.purpose, *("yes" if role >= permission.role else "no" for role in roles)]
        for permission in Permission
    ]


def test_it_lists_every_error_code() -> None:
    assert table_under(PROTOCOL, "Error codes") == [
        [f"`{code}`", str(error.status), "yes" if error.retryable else "no", error.summary]
        for code, error in sorted(DomainError.registry.items(), key=lambda item: (item[1].status, item[0]))
    ]


def test_its_problems_have_the_text_of_their_codes() -> None:
    problems = [json.loads(block.text) for block in all_blocks("json") if block.marks.get("schema") == "Problem"]
    assert problems
    for problem in problems:
        for error in (problem, *problem["errors"]):
            assert error["detail"] == DomainError.registry[error["code"]].summary


def test_it_describes_every_action_and_its_fields(text: str) -> None:
    actions = section(text, "## Actions")
    assert set(re.findall(r"^### (\w+)$", actions, re.MULTILINE)) == set(ACTIONS)
    for name, kind in ACTIONS.items():
        described = actions.split(f"\n### {name}\n", 1)[1].split("\n### ", 1)[0]
        for field in kind.__struct_fields__:
            assert field == "request_id" or f"`{field}`" in described or f'"{field}"' in described, (name, field)


def test_it_describes_every_event(text: str) -> None:
    events = section(text, "## Events")
    assert {name for name in EVENTS if f"`{name}`" not in events} == set()


def test_it_lists_every_close_code(text: str) -> None:
    own = {(str(close.code), f"`{close.reason}`") for close in CLOSES if close.code >= 4000}
    assert {(row[0], row[1]) for row in table_under(PROTOCOL, "Closing")} == own
    closing = section(text, "## Closing")
    assert [close.code for close in CLOSES if str(close.code) not in closing] == []


def test_it_lists_every_address() -> None:
    listed = {row[0].strip("`") for row in table_under(PROTOCOL, "REST")}
    routes = {re.sub(r"<\w+:(\w+)>", r"{\1}", str(route.pattern)).replace("{message}", "{id}") for route in v1}
    assert listed == routes


def test_it_names_every_feature(text: str) -> None:
    assert f'"features": {str(list(registry.FEATURES)).replace(chr(39), chr(34))}' in text


def test_the_settings_list_every_limit() -> None:
    rows = {}
    for line in (ROOT / "docs/settings.md").read_text().splitlines():
        if line.startswith("| `ROOMLOG_"):
            _, name, mark, _, default, *_ = (cell.strip() for cell in line.split("|"))
            rows[name.strip("`")] = mark, default
    for field in msgspec.structs.fields(Limits):
        mark, default = rows[f"ROOMLOG_{field.name.upper()}"]
        assert float(default.replace(",", "")) == field.default, field.name
        assert (mark == "•") is (field.name in ANNOUNCED), field.name


def logged() -> Iterator[tuple[str, str]]:
    """Yields level and text of each line that the code logs, without that of the tests."""
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in LOG_CALLS:
                yield name.removeprefix("log."), ast.literal_eval(node.args[0])


def test_the_deployment_lists_every_line_to_set_an_alarm_on() -> None:
    listed = {text for row in table_under("docs/deploy.md", "Logs") for text in re.findall(r"`([^`]+)`", row[0])}
    errors = {text for level, text in logged() if level in ("error", "exception")}

    assert errors
    assert errors - listed == set()
    assert listed - {"healthy: false"} <= {text for _, text in logged()}


def anchors(page: Path) -> set[str]:
    """Returns the anchors of the headings, as sites that render Markdown generate them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.S | re.M), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_its_links_have_targets(page: Path) -> None:
    plain = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", plain):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = page if not path else (page.parent / path).resolve()
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target
