"""What of Django's own words goes into the log."""

import logging

from accounts.outage import OUTAGES


class Incidents(logging.Filter):
    """Exceptions that nobody foresaw. A refusal is an answer; a database that fails has its line where it is met."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return error is not None and not isinstance(error, OUTAGES)
