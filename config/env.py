"""The one reader of the environment. Refuses nonsense with the variable's name."""

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T", int, float)

_ON, _OFF = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class Environment:
    """Typed access to a mapping of strings. An empty variable counts as one that is not set."""

    def __init__(self, values: Mapping[str, str] = os.environ) -> None:
        self._values = values

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, "").strip() or default

    def choice(self, name: str, *choices: str) -> str:
        """One of `choices`, in any case; the first where it is not set."""
        text = self.text(name, choices[0]).lower()
        if text not in choices:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {text!r}")
        return text

    def listing(self, name: str) -> list[str]:
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    def flag(self, name: str, *, default: bool) -> bool:
        text = self.text(name).lower()
        if not text:
            return default
        if text in _ON | _OFF:
            return text in _ON
        raise ImproperlyConfigured(f"{name} must be on or off, not {text!r}")

    def number(self, name: str, default: T, *, least: float, most: float) -> T:
        text = self.text(name)
        if not text:
            return default
        kind: Callable[[str], T] = type(default)
        try:
            value = kind(text)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a number ({kind.__name__}), not {text!r}") from None
        if not least <= value <= most:
            raise ImproperlyConfigured(f"{name} must lie between {least:g} and {most:g}, not {text}")
        return value
