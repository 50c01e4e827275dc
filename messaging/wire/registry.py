"""Everything that travels on the wire, by name: actions, features, events. Pure.

Nothing is listed here by hand: every struct of an action or an event is here that is declared in a module imported
before this one (`tests/contract/test_layout.py` looks for others).
"""

from collections.abc import Iterator
from typing import Any, Final, TypeVar

from messaging.wire.actions import Action, features
from messaging.wire.events import Hello
from rooms.events import Event, LogEvent

E = TypeVar("E", bound=Event)


def _kinds(event: type[E]) -> Iterator[type[E]]:
    """Yields the kinds below `event` that are sent, in the order in which they are declared."""
    for kind in event.__subclasses__():
        if hasattr(kind, "example"):
            yield kind
        yield from _kinds(kind)


# What clients may send.
ACTIONS: Final[dict[str, type[Action]]] = {kind.name(): kind for kind in Action.__subclasses__()}
# What `hello` announces.
FEATURES: Final = features()
# What may stand in a room's log.
LOG_EVENTS: Final[dict[str, type[LogEvent[Any]]]] = {kind.name(): kind for kind in _kinds(LogEvent)}
# Everything that the server sends by itself, `hello` first.
EVENTS: Final[dict[str, type[Event]]] = {Hello.name(): Hello} | {kind.name(): kind for kind in _kinds(Event)}
