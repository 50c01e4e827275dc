"""The only module that reads the environment. Names the variable in the error for an invalid value."""

import os
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured
from redis.connection import parse_url

from foundation.addresses import Network

T = TypeVar("T", int, float)

_ON, _OFF = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class Environment:
    """Typed access to environment variables. A blank variable counts as not set.

    Every method but `text` and `listing` raises `ImproperlyConfigured` for an invalid value.
    """

    def __init__(self, values: Mapping[str, str] = os.environ) -> None:
        self._values = values

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, "").strip() or default

    def choice(self, name: str, *choices: str) -> str:
        """Returns one of `choices`, matched in any case; the first one if the variable is not set."""
        text = self.text(name, choices[0]).lower()
        if text not in choices:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {text!r}")
        return text

    def listing(self, name: str) -> list[str]:
        """Returns the values between commas, without blank ones."""
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    def urls_of_redis(self, name: str) -> list[str]:
        """Returns the URLs between commas. The error does not quote them, because they may hold passwords."""
        urls = self.listing(name)
        for url in urls:
            try:
                parse_url(url)  # type: ignore[no-untyped-call]
            except ValueError as error:
                raise ImproperlyConfigured(f"{name} must list URLs of Redis servers: {error}") from None
        return urls

    def networks(self, name: str, *default: str) -> list[Network]:
        """Returns the addresses and networks between commas. One that holds every address is invalid."""
        networks = []
        for text in self.listing(name) or default:
            try:
                network = ip_network(text)
            except ValueError:
                network = None
            if network is None or network.prefixlen == 0:
                raise ImproperlyConfigured(
                    f"{name} must list the addresses or networks of your own proxies, such as 10.0.0.5 or"
                    f" 10.0.0.0/24, not {text!r}"
                )
            networks.append(network)
        return networks

    def flag(self, name: str, *, default: bool) -> bool:
        text = self.text(name).lower()
        if not text:
            return default
        if text in _ON | _OFF:
            return text in _ON
        raise ImproperlyConfigured(f"{name} must be on or off, not {text!r}")

    def number(self, name: str, default: T, *, least: float, most: float) -> T:
        """Returns a number of the type of `default`, from `least` to `most` inclusive."""
        text = self.text(name)
        if not text:
            return default
        kind: Callable[[str], T] = type(default)
        try:
            value = kind(text)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a number ({kind.__name__}), not {text!r}") from None
        if not least <= value <= most:
            raise ImproperlyConfigured(f"{name} must be between {least:g} and {most:g}, not {text}")
        return value
