"""`config.env`, which reads the environment."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import Environment


def env(value: str) -> Environment:
    return Environment({"NAME": value})


def test_it_works() -> None:
    environment = Environment(
        {"HOST": " example.org ", "HOSTS": "a, b,,c ", "ON": "Yes", "COUNT": "7", "WAIT_S": "0.5"}
    )

    assert environment.text("HOST") == "example.org"
    assert environment.listing("HOSTS") == ["a", "b", "c"]
    assert environment.flag("ON", default=False) is True
    assert environment.number("COUNT", 1, least=1, most=10) == 7
    assert environment.number("WAIT_S", 1.0, least=0, most=1) == 0.5


@pytest.mark.parametrize("environment", [Environment({}), env(""), env("  ")])
def test_it_returns_the_default_if_nothing_is_set(environment: Environment) -> None:
    assert environment.text("NAME", "default") == "default"
    assert environment.text("NAME") == ""
    assert environment.listing("NAME") == []
    assert environment.flag("NAME", default=True) is True
    assert environment.number("NAME", 3, least=1, most=10) == 3


@pytest.mark.parametrize("value", ["1", "true", "YES", "On"])
def test_it_reads_a_flag_that_is_on(value: str) -> None:
    assert env(value).flag("NAME", default=False) is True


@pytest.mark.parametrize("value", ["0", "false", "NO", "Off"])
def test_it_reads_a_flag_that_is_off(value: str) -> None:
    assert env(value).flag("NAME", default=True) is False


@pytest.mark.parametrize("value", ["2", "enabled", "yes please", "None"])
def test_it_refuses_an_invalid_flag(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME must be on or off"):
        env(value).flag("NAME", default=False)


@pytest.mark.parametrize(("value", "chosen"), [("", "one"), ("two", "two"), ("TWO", "two")])
def test_it_reads_a_choice(value: str, chosen: str) -> None:
    assert env(value).choice("NAME", "one", "two") == chosen


def test_it_refuses_an_unknown_choice() -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME must be one of one, two, not 'three'"):
        env("three").choice("NAME", "one", "two")


@pytest.mark.parametrize("value", ["many", "1.5", "0x10", "1e3", "1 000", "9" * 5_000, "nan"])
def test_it_refuses_an_invalid_integer(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME must be a number"):
        env(value).number("NAME", 1, least=1, most=10)


@pytest.mark.parametrize("value", ["1", "10"])
def test_it_accepts_a_number_at_its_bounds(value: str) -> None:
    assert env(value).number("NAME", 5, least=1, most=10) == int(value)


@pytest.mark.parametrize("value", ["0", "11", "-1"])
def test_it_refuses_an_integer_out_of_bounds(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME must be between 1 and 10"):
        env(value).number("NAME", 1, least=1, most=10)


@pytest.mark.parametrize("value", ["-0.1", "1.01", "nan", "inf", "-inf", "1e400"])
def test_it_refuses_a_float_out_of_bounds(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME must be between 0 and 1"):
        env(value).number("NAME", 0.5, least=0, most=1)


def test_it_refuses_an_invalid_float() -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME must be a number"):
        env("half").number("NAME", 0.5, least=0, most=1)


def test_it_reads_networks() -> None:
    networks = env("10.0.0.5, 172.28.240.0/24,fd00::/8").networks("NAME")

    assert [str(network) for network in networks] == ["10.0.0.5/32", "172.28.240.0/24", "fd00::/8"]
    assert [str(network) for network in env("").networks("NAME", "127.0.0.1", "::1")] == ["127.0.0.1/32", "::1/128"]


@pytest.mark.parametrize("value", ["*", "10.0.0.5,*", "0.0.0.0/0", "::/0", "nginx", "10.0.0.5/24", "10.0.0.256"])
def test_it_refuses_networks_that_anybody_may_be_in(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME must list the addresses or networks of your own proxies"):
        env(value).networks("NAME")


def test_it_reads_urls_of_redis() -> None:
    urls = ["redis://:secret@10.0.0.5:6379/0", "rediss://redis.example.org"]

    assert env(", ".join(urls)).urls_of_redis("NAME") == urls


@pytest.mark.parametrize("value", ["10.0.0.5:6379", "http://:secret@10.0.0.5", "redis://:secret@10.0.0.5:port/0"])
def test_it_refuses_other_urls_without_quoting_them(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME must list URLs of Redis servers") as refused:
        env(value).urls_of_redis("NAME")

    assert "secret" not in str(refused.value)
