"""The secret key of an installation that has not set one: generated once, kept in the data directory."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from config.private import make_private_directory


def read_or_make_secret_key(path: Path) -> str:
    """Returns the key in the file `path`, which is made (mode 600) if it does not exist.

    Processes that start at the same time get the same key. Raises `ImproperlyConfigured` if the file is empty.
    """
    make_private_directory(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(get_random_secret_key())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_text().strip()
    if not key:
        raise ImproperlyConfigured(f"{path} is empty: restore the secret key, or delete the file to have one generated")
    return key
