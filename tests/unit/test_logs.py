"""The filter of Django's log records."""

import logging

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError

from config.logs import Incidents


def record_of(error: Exception | None) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, None)
    return logging.LogRecord("django.request", logging.ERROR, __file__, 1, "%s", ("said",), exc_info)


@pytest.mark.parametrize("error", [RuntimeError("a defect"), IntegrityError("a defect, too")])
def test_it_works(error: Exception) -> None:
    assert Incidents().filter(record_of(error))


@pytest.mark.parametrize("error", [None, OperationalError("gone"), InterfaceError("closed")])
def test_it_leaves_out_refusals_and_outages(error: Exception | None) -> None:
    assert not Incidents().filter(record_of(error))
