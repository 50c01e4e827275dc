"""Addresses of clients, and the way through proxies."""

from ipaddress import ip_address, ip_network

import pytest

from foundation.addresses import client_of, network_of, parse_address

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def test_it_works() -> None:
    assert parse_address("192.0.2.1") == ip_address("192.0.2.1")
    assert network_of(ip_address("192.0.2.1")) == "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:4711", "192.0.2.1"),
    ],
)
def test_it_reads_every_form_of_an_address(text: str, address: str) -> None:
    assert parse_address(text) == ip_address(address)


@pytest.mark.parametrize(
    "text", ["", "unknown", "_hidden", "localhost", "192.0.2", "[", "[]", ":", "1:2", "192.0.2.1/24", "१.1.1.1"]
)
def test_it_reads_no_other_word(text: str) -> None:
    assert parse_address(text) is None


def test_addresses_of_one_ipv6_network_are_counted_together() -> None:
    first, second, other = (network_of(ip_address(f"2001:db8:0:{part}")) for part in ("1::1", "1:ffff::", "2::1"))

    assert first == second == "2001:db8:0:1::/64"
    assert other != first


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("10.0.0.66, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("2001:db8::1, fd00::7", "2001:db8::1"),
        ("unknown", "10.0.0.1"),
        ("192.0.2.1, unknown", "10.0.0.1"),
        ("192.0.2.1, unknown, 10.0.0.7", "10.0.0.7"),
        ("", "10.0.0.1"),
        (",", "10.0.0.1"),
    ],
)
def test_it_believes_what_proxies_wrote(forwarded_for: str, client: str) -> None:
    assert client_of(ip_address("10.0.0.1"), forwarded_for, PROXIES) == ip_address(client)


def test_it_does_not_believe_others() -> None:
    assert client_of(ip_address("192.0.2.1"), "6.6.6.6", PROXIES) == ip_address("192.0.2.1")
    assert client_of(ip_address("10.0.0.1"), "6.6.6.6", []) == ip_address("10.0.0.1")
