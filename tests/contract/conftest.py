"""Reports at the end of the run why asyncapi.yaml was not parsed, if it was not."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("skipped", ()):
        if "test_asyncapi_parser" in report.nodeid:
            terminalreporter.write_line(f"asyncapi.yaml: NOT PARSED: {report.longrepr[2]}")
