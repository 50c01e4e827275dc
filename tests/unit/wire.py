"""Frames as clients send them, for the tests of the wire."""

import json
from typing import Any

import msgspec
import pytest

from messaging.wire.frames import Rejected, decode, encode_refusal
from messaging.wire.limits import Limits
from tests.unit.examples import OTHER_ROOM, ROOM

LIMITS = Limits()
MAX_INTEGER = 2**53 - 1
ROOM_ID, OTHER_ID = str(ROOM), str(OTHER_ROOM)
DEEP = "[" * 30_000


def frame(action: str, **fields: Any) -> str:
    return json.dumps({"action": action, **fields})


def send(**fields: Any) -> str:
    return frame("send", **{"room": str(ROOM), "text": "hi", **fields})


def rejected(data: str | bytes, limits: Limits = LIMITS) -> Rejected:
    """Decodes `data` and returns how it is refused. Asserts that the refusal can be encoded."""
    with pytest.raises(Rejected) as refusal:
        decode(data, limits)
    rejection = refusal.value
    msgspec.json.decode(encode_refusal(rejection.action, rejection.request_id, rejection.error))
    return rejection
