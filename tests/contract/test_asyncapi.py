"""asyncapi.yaml describes every message of the socket, with a valid example of each."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from foundation.errors import DomainError
from messaging.wire import closes, frames, registry, shapes
from messaging.wire import events as message_events
from messaging.wire.limits import ANNOUNCED, Limits
from rooms import events as room_events
from rooms.events import Event
from tests.contract import documents

SOCKET = documents.socket()
MESSAGES: dict[str, Any] = SOCKET.messages
OPERATIONS: dict[str, Any] = SOCKET.operations
# The modules whose structs may be events.
WIRE_MODULES = (frames, shapes, message_events, room_events)


def examples(message: str) -> dict[str, Any]:
    return {example["name"]: example["payload"] for example in MESSAGES[message]["examples"]}


def every_event() -> set[str]:
    """Returns the names of all structs in the code that are sent as events."""
    structs = {
        item
        for module in WIRE_MODULES
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Event)
    }
    named = {struct for struct in structs if struct.name() not in {"Event", "LogEvent", "MemberEvent"}}
    assert len(named) > 10
    return {struct.name() for struct in named}


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from references(item)


def test_it_works() -> None:
    assert SOCKET.content["asyncapi"] == "3.0.0"
    for reference in references(SOCKET.content):
        assert SOCKET.resolve({"$ref": reference}), reference


def test_every_message_has_valid_examples() -> None:
    for name in MESSAGES:
        assert examples(name), name
        for payload in examples(name).values():
            SOCKET.check_message(name, payload)


def test_every_message_is_on_the_channel_and_in_an_operation() -> None:
    channel = SOCKET.content["channels"]["socket"]["messages"]
    used = {reference.rpartition("/")[2] for reference in references(OPERATIONS) if "/messages/" in reference}
    assert set(channel) == set(MESSAGES) == used


def test_every_event_has_an_example() -> None:
    assert set(SOCKET.events) == every_event()
    for event, message in SOCKET.events.items():
        payload = examples(message)[event]
        assert payload["event"] == event
        SOCKET.check_event(payload)


def test_every_action_has_an_operation_with_a_typed_reply() -> None:
    assert set(SOCKET.replies) == set(registry.ACTIONS) == set(OPERATIONS) - {"emit", "refuse"}
    for action in registry.ACTIONS:
        operation = OPERATIONS[action]
        (request,) = (message["$ref"].rpartition("/")[2] for message in operation["messages"])
        sent = examples(request)[action]
        assert sent["action"] == action
        assert frames.decode(msgspec.json.encode(sent), Limits()).name() == action
        reply = examples(SOCKET.replies[action])[action]
        assert (reply["action"], reply["errors"]) == (action, [])
        SOCKET.check_reply(reply)


def test_every_error_code_is_listed() -> None:
    listed = {error["code"]: error for error in SOCKET.content["x-error-codes"]}
    assert set(listed) == set(DomainError.registry)
    for code, error in DomainError.registry.items():
        assert listed[code] == {
            "code": code, "status": error.status, "retryable": error.retryable, "summary": error.summary,
        }  # fmt: skip


def test_every_refusal_has_an_example() -> None:
    refusals = examples("Refusal")
    documented = {code for operation in OPERATIONS.values() for code in operation.get("x-errors", ())}
    assert set(refusals) == documented <= set(DomainError.registry)
    for code, payload in refusals.items():
        assert [error["code"] for error in payload["errors"]] == [code]
        SOCKET.check_reply(payload)


@pytest.mark.parametrize("operation", [*sorted(registry.ACTIONS), "refuse"])
def test_every_operation_may_be_refused_as_invalid_or_rate_limited(operation: str) -> None:
    assert {"invalid", "rate_limited"} <= set(OPERATIONS[operation]["x-errors"])


def test_every_close_code_is_listed() -> None:
    listed = {close["code"]: close["name"] for close in SOCKET.content["x-close-codes"]}
    defined = {item.code: item.reason for item in vars(closes).values() if isinstance(item, closes.Close)}
    assert listed == defined
    assert {code: name for code, name in defined.items() if code < 4000} == {
        1002: "protocol_error", 1007: "invalid_data", 1009: "message_too_big", 1011: "internal_error",
        1012: "service_restart",
    }  # fmt: skip
    assert len([code for code in defined if code >= 4000]) == 9
    for close in SOCKET.content["x-close-codes"]:
        assert close["advice"]
        assert close["resume"] is (4000 <= close["code"] < 4500 or close["code"] in (1011, 1012))
        assert f"{close['code']} {close['name']}" in SOCKET.content["info"]["description"]


def test_the_example_of_hello_has_every_announced_limit() -> None:
    limits = examples("Hello")["hello"]["data"]["limits"]
    assert set(limits) == set(ANNOUNCED)
