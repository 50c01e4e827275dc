#!/usr/bin/env python
"""Roomlog's command line: its own commands, such as `serve` and `documents`, and those of Django."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from config.private import UMASK

if __name__ == "__main__":
    os.umask(UMASK)  # before the settings make files
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{sys.argv[0]}: {error}")
