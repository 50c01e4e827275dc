"""Keeps the files of an installation from other users of the machine."""

import stat
from collections.abc import Iterable
from pathlib import Path

import structlog

# For new files of every process: those of SQLite get the mode of the database.
UMASK = 0o077

log = structlog.get_logger(__name__)


def make_private_directory(path: Path) -> None:
    """Makes the directory `path` (mode 700) and its parents, if it does not exist."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def close_to_others(directory: Path, files: Iterable[Path]) -> None:
    """Takes the permissions of all other users from those of `files` that exist, and from `directory` if one is in it.

    Logs what it changed, and warns of what it could not change. A directory that is meant for all users (it has the
    sticky bit, like /tmp) stays as it is, with a warning.
    """
    present = [file for file in files if file.exists()]
    if any(file.resolve().parent == directory for file in present):
        present.insert(0, directory)
    for path in present:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            if not mode & UMASK:
                continue
            if mode & stat.S_ISVTX:
                raise PermissionError("the directory is shared by all users")
            path.chmod(mode & ~UMASK)
        except FileNotFoundError:
            continue  # SQLite has removed it
        except OSError as error:
            log.warning("other users of this machine can read the data", path=str(path), error=str(error))
        else:
            log.warning("other users of this machine could read the data until now", path=str(path))
