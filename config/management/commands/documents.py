"""`manage.py documents`: write openapi.yaml and asyncapi.yaml, or with --check verify that they are up to date."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from api.asyncapi import render_asyncapi
from api.documents import render_openapi


class Command(BaseCommand):
    help = "Generate openapi.yaml and asyncapi.yaml from the code."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing, and fail if a file is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, render in (("openapi.yaml", render_openapi), ("asyncapi.yaml", render_asyncapi)):
            path, text = settings.BASE_DIR / name, render()
            if not options["check"]:
                path.write_text(text)
            elif not path.exists() or path.read_text() != text:
                raise CommandError(f"{name} is out of date: run `make documents`")
            self.stdout.write(f"{name}: {'up to date' if options['check'] else 'written'}")
