"""What was skipped here is said at the end, with its reason."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("skipped", ()):
        if "test_asyncapi_parser" in report.nodeid:
            terminalreporter.write_line(f"asyncapi.yaml: NOT PARSED: {report.longrepr[2]}")
