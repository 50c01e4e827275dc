"""How logs are written, and what of other people's words goes into them."""

import logging
from typing import Any

import structlog

from foundation.outage import OUTAGES


class Incidents(logging.Filter):
    """Exceptions that nobody foresaw. A refusal is an answer; a database that fails has its line where it is met."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return error is not None and not isinstance(error, OUTAGES)


def configure_logs(*, form: str, level: str) -> dict[str, Any]:
    """Configure structlog, and return Django's `LOGGING`: everything to standard error, as `console` or `json`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "console": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processor": structlog.dev.ConsoleRenderer(
                    colors=False, exception_formatter=structlog.dev.plain_traceback
                ),
                "foreign_pre_chain": shared,
            },
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                ],
                "foreign_pre_chain": shared,
            },
        },
        "filters": {"incidents": {"()": Incidents}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Its INFO lines hold query strings.
            "uvicorn.error": {"level": "WARNING"},
            "uvicorn.access": {"level": "WARNING"},
            # A traceback each second while Redis is away; the relay says it once, and when it is back.
            "channels_redis": {"level": "CRITICAL"},
            "django.request": {"filters": ["incidents"]},
            "django.security": {"level": "CRITICAL"},  # as refusals are
        },
    }
