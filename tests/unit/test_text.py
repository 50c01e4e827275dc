"""The checks of strings and custom JSON."""

from typing import Any

import pytest

from foundation.errors import Invalid
from foundation.text import MAX_JSON_DEPTH, check_json, check_text

MOST = 2**53 - 1


def nested(depth: int, *, array: bool = False) -> Any:
    """Returns JSON whose innermost value is nested `depth` levels deep."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if array else {"k": value}
    return value


def test_it_works() -> None:
    check_text("Grüße 👍 \t\n", field="text")
    check_json({"a": [1, 2.5, None, True, "é"], "b": {"c": []}}, field="data")


@pytest.mark.parametrize("text", ["", "\U0010ffff", "\u202e", "\x01"])
def test_it_accepts_text_that_can_be_stored(text: str) -> None:
    check_text(text, field="text")


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "a\ud800", "\udfffb", "\udc00\ud800"])
def test_it_refuses_text_that_cannot_be_stored(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_text(text, field="text")
    assert refusal.value.field == "text"


@pytest.mark.parametrize("bad", ["\x00", "\ud800", MOST + 1, -MOST - 1, 10**400])
@pytest.mark.parametrize(("around", "path"), [("{}", "data.k"), ("[]", "data[1]"), ("{[]}", "data.k[0]")])
def test_it_reports_the_path_of_what_it_refuses(bad: object, around: str, path: str) -> None:
    data = {"{}": {"j": 1, "k": bad}, "[]": [1, bad], "{[]}": {"k": [bad]}}[around]

    with pytest.raises(Invalid) as refusal:
        check_json(data, field="data")
    assert refusal.value.field == path


@pytest.mark.parametrize("key", ["\x00", "a\ud800"])
def test_it_refuses_an_invalid_key(key: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_json({"k": {key: 1}}, field="data")
    assert refusal.value.field == "data.k"


@pytest.mark.parametrize("value", [MOST, -MOST, 0, True, 1e300])
def test_it_accepts_numbers_that_every_parser_reads(value: float) -> None:
    check_json({"n": value}, field="data")


@pytest.mark.parametrize("array", [True, False])
def test_it_accepts_json_at_the_deepest_level(array: bool) -> None:
    check_json(nested(MAX_JSON_DEPTH, array=array), field="data")


@pytest.mark.parametrize("array", [True, False])
@pytest.mark.parametrize("depth", [MAX_JSON_DEPTH + 1, 900])
def test_it_refuses_json_that_is_nested_deeper(depth: int, array: bool) -> None:
    with pytest.raises(Invalid) as refusal:
        check_json(nested(depth, array=array), field="data")
    assert refusal.value.field == "data"
