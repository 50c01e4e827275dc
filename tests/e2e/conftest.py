"""A real browser. Each test starts one, because Django refuses database access in this thread while it runs."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.people import Person
from tests.servers import Server

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if CHROMIUM is None:
        terminalreporter.write_line("chromium: NOT ON THE PATH, the tests that need a browser were skipped")


@pytest.fixture
def browser(server: Server, bob: Person) -> Iterator[Browser]:
    """Headless Chromium. It depends on the database fixtures, so they are set up before it and torn down after it."""
    if CHROMIUM is None:
        pytest.skip("chromium is not on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()
