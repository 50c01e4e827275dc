"""A real browser, started anew for each test: while one runs, Django refuses its database in this thread."""

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
        terminalreporter.write_line("chromium: NONE ON THE PATH, what needs a browser was skipped")


@pytest.fixture
def browser(server: Server, bob: Person) -> Iterator[Browser]:
    """Headless Chromium. Asks for what is in the database, so that this is made before and emptied after."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()
