"""The field types of JSON shapes: names, URLs and times."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from accounts.schema import DisplayName
from foundation.schema import Url, timestamp
from rooms.schema import RoomName, Topic

BAD_NAMES = ["a\x00b", "a\nb", "a\x7f", "a\u202eb", "\u2066a", "a\u200f", "\u061ca", "Tea\n"]


@pytest.mark.parametrize("kind", [RoomName, Topic, DisplayName])
def test_it_works(kind: object) -> None:
    assert msgspec.convert("Tee & Plätzchen 🍵", kind) == "Tee & Plätzchen 🍵"


@pytest.mark.parametrize("kind", [RoomName, Topic, DisplayName])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_it_refuses_control_characters_in_names(kind: object, name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, kind)


@pytest.mark.parametrize(("kind", "most"), [(RoomName, 100), (DisplayName, 100), (Topic, 500)])
def test_it_limits_the_length_of_names(kind: object, most: int) -> None:
    assert msgspec.convert("x" * most, kind)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("x" * (most + 1), kind)


def test_it_refuses_a_room_without_a_name() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("", RoomName)


@pytest.mark.parametrize("address", ["", "https://a.example/b.png", "http://a.example/?q=1#f"])
def test_it_accepts_http_urls(address: str) -> None:
    assert msgspec.convert(address, Url) == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "ftp://a.example",
        "https://",
        "https://a b",
        "//a.example",
        "https://" + "a" * 2048,
        "https://a.example\n",
    ],
)
def test_it_refuses_other_urls(address: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(address, Url)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000Z"),
        (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T22:00:00.000Z"),
    ],
)
def test_it_writes_times_in_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text
