"""How logs are formatted, and which records of libraries are left out."""

import logging
from typing import Any

import structlog

from foundation.outage import OUTAGES


class Incidents(logging.Filter):
    """Passes only records of unexpected exceptions.

    Refused requests are not worth a line, and a failure of the database is logged where it is handled.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return error is not None and not isinstance(error, OUTAGES)


def configure_logs(*, form: str, level: str) -> dict[str, Any]:
    """Configures structlog, and returns a value for Django's `LOGGING`. Everything is written to standard error.

    `form` is `console` (for people) or `json`; `level` is the name of the root logger's level, such as `INFO`.
    """
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
            # Its INFO lines contain query strings.
            "uvicorn.error": {"level": "WARNING"},
            "uvicorn.access": {"level": "WARNING"},
            # Logs a traceback every second while Redis is down. The relay logs when it fails and when it is back.
            "channels_redis": {"level": "CRITICAL"},
            "django.request": {"filters": ["incidents"]},
            "django.security": {"level": "CRITICAL"},  # refused requests
        },
    }
