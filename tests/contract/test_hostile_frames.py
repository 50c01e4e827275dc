"""Generated frames, in addition to those of `tests/ws/test_frames.py`: each gets one reply, the socket stays open.

`TEST_HOSTILE_FRAMES=5000` tries more frames, and different ones in each run.
"""

import json
import os
from copy import deepcopy
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.engine import only_on
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client, Frame
from tests.ws.test_frames import HOSTILE

EXAMPLES = int(os.environ.get("TEST_HOSTILE_FRAMES", "400"))
MAX_BYTES = 64 * 1024
# Replaced by the id of a room that the user owns.
ROOM = "01990000-0000-7000-8000-000000000001"
EPOCH = "9b2f6a3e-51b7-4e9b-8a49-0f8f6c1d7e20"
# Names that have a meaning in the code that handles frames.
NAMES = ["self", "scope", "consumer", "frame", "request_id", "action", "kwargs", "user_id", "data", "room", "__class__"]

VALID: list[dict[str, Any]] = [
    {"action": "join", "room": ROOM, "after": 0, "max_replay": 10, "epoch": EPOCH, "history": 3},
    {"action": "leave", "room": ROOM, "forget": True},
    {"action": "sync", "rooms": {ROOM: 1, EPOCH: None}, "max_replay": 10, "epoch": EPOCH},
    {"action": "send", "room": ROOM, "text": "hi", "client_id": "c-1", "reply_to": 1, "data": {"a": [1, {"b": None}]}},
    {"action": "history", "room": ROOM, "before": 9, "limit": 5},
    {"action": "history", "room": ROOM, "around": 1},
    {"action": "read", "room": ROOM, "id": 0, "unread": True},
    {"action": "ping"},
]

pytestmark = only_on("sqlite")

# -- the frames -------------------------------------------------------------------------------------------------------

numbers = st.integers() | st.sampled_from([2**53 - 1, 2**53, -(2**53), 2**63, 2**64, 10**400]) | st.floats()
texts = st.text(max_size=20) | st.sampled_from(
    ["", "\0", "\ud800", "\udc00", "\u202e", "\x7fabc", ROOM, ROOM.upper(), "{" + ROOM + "}", "x" * 4001, "💬" * 4000]
)
scalars = st.none() | st.booleans() | numbers | texts
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
anything = (nested | st.sampled_from([[], {}, [[]] * 40, {"x": "y" * 5000}])).map(deepcopy)

Positions = list[tuple[Any, Any]]


def positions(value: Any) -> Positions:
    """Returns every container in `value` with each of its keys, the outer ones first."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    found: Positions = [(value, key) for key in keys]
    return found + [position for key in keys for position in positions(value[key])]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Draws a valid frame with a few fields dropped, renamed, replaced, added or duplicated. It may still be valid."""
    frame = json.loads(json.dumps(draw(st.sampled_from(VALID)) | {"request_id": draw(st.just(7) | scalars)}))
    for _ in range(draw(st.integers(1, 3))):
        found = positions(frame)
        container, key = draw(st.sampled_from(found)) if found else (frame, "action")
        match draw(st.sampled_from(["drop", "rename", "replace", "add"])):
            case "drop":
                container.pop(key, None) if isinstance(container, dict) else container.pop(key)
            case "rename" if isinstance(container, dict) and key in container:
                container[draw(st.sampled_from(NAMES) | texts)] = container.pop(key)
            case "replace":
                container[key] = draw(texts | anything)
            case _:
                frame[draw(st.sampled_from(NAMES) | texts)] = draw(anything)
    text = json.dumps(frame, ensure_ascii=draw(st.booleans()) or not _is_encodable(frame))
    return text[:-1] + ', "action": "ping"}' if draw(st.integers(0, 19)) == 0 and frame else text


def _is_encodable(frame: object) -> bool:
    try:
        json.dumps(frame, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


from_table = st.sampled_from([row[1] for row in HOSTILE])
complete = mutated() | from_table | mutated()


@st.composite
def broken(draw: st.DrawFn) -> str | bytes:
    """Draws a frame that is truncated or has changed bytes. It is a text frame if it is still UTF-8."""
    frame = draw(complete)
    content = bytearray(frame if isinstance(frame, bytes) else frame.encode())
    if draw(st.booleans()):
        del content[draw(st.integers(0, len(content))) :]
    else:
        for _ in range(draw(st.integers(1, 4)) if content else 0):
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    try:
        return content.decode()
    except UnicodeDecodeError:
        return bytes(content)


frames = (complete | broken()).filter(
    lambda frame: len(frame if isinstance(frame, bytes) else frame.encode()) <= MAX_BYTES
)

# -- the replies ------------------------------------------------------------------------------------------------------


class Prober:
    """Sends a frame, and then another one whose reply comes after all replies to the first."""

    def __init__(self, client: Client, room: UUID) -> None:
        self.client = client
        self.room = str(room)
        self.count = 0

    def with_room(self, frame: str | bytes) -> str | bytes:
        """Returns `frame` with the id of the existing room."""
        return frame.replace(ROOM, self.room) if isinstance(frame, str) else frame

    def replies(self, frame: str | bytes) -> list[Frame]:
        """Returns the replies to `frame`. Every received frame is checked against asyncapi.yaml."""
        self.client.connection.send(frame)
        self.count += 1
        # `leave` waits for the sends before it, and stops following the room in case the frame was a `join`.
        last_id = f"end-{self.count}"
        self.client.connection.send(json.dumps({"action": "leave", "request_id": last_id, "room": self.room}))
        found: list[Frame] = []
        while not found or found[-1]["request_id"] != last_id:
            found.append(self.client.reply())
        assert found.pop()["response_status"] == 200
        return found


def _possible_request_ids(frame: str | bytes) -> list[object]:
    """Returns the request ids that a reply to `frame` may have: its own, or None if it could not be read."""
    try:
        content = json.loads(frame)
    except (ValueError, RecursionError):
        return [None]
    return [None, content.get("request_id")] if isinstance(content, dict) else [None]


@settings(
    max_examples=EXAMPLES,
    derandomize="TEST_HOSTILE_FRAMES" not in os.environ,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def search(data: st.DataObject, prober: Prober, seen: set[str]) -> None:
    frame = prober.with_room(data.draw(frames))

    replies = prober.replies(frame)

    assert len(replies) == 1, (frame, replies)
    (reply,) = replies
    assert reply["response_status"] < 500, (frame, reply)
    assert reply["request_id"] in _possible_request_ids(frame), (frame, reply)
    seen.add(reply["errors"][0]["code"] if reply["errors"] else "")


# The threads of the client use `random`, possibly while an example is generated.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_each_frame_gets_one_reply(server: Server, room: UUID, alice: Person) -> None:
    seen: set[str] = set()
    with Client(server, alice) as client:
        search(prober=Prober(client, room), seen=seen)

        assert client.act("ping")["response_status"] == 200
    # The examples depend on more than the seed: it is enough that some frames were accepted and some refused.
    assert seen > {"", "invalid"}, seen
