"""Internet addresses of clients: read from text, followed through proxies, and grouped for counting."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The least that a customer gets of IPv6 (RFC 6177): all addresses of one /64 belong to the same customer.
IPV6_PREFIX: Final = 64


def parse_address(text: str) -> Address | None:
    """Returns the address in `text`, which may have a port, brackets or a zone, or None if `text` holds none.

    An IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`) is returned as the IPv4 address.
    """
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def network_of(address: Address) -> str:
    """Returns what `address` is counted by: an IPv4 address itself, an IPv6 address its /64."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, IPV6_PREFIX), strict=False))


def client_of(peer: Address, forwarded_for: str, proxies: Sequence[Network]) -> Address:
    """Returns the address of the client behind `peer`, the address that a connection came from.

    `forwarded_for` is the header `X-Forwarded-For`, to which each proxy has added the address that it was called from.
    It is read from its end, and only as far as `proxies` wrote it: what stands before the first other address is of the
    client's own making. A word that is no address ends the reading too; the client is then the last proxy.
    """
    nearest = peer
    for text in reversed(forwarded_for.split(",")):
        if not any(nearest in network for network in proxies):
            break
        address = parse_address(text)
        if address is None:
            break
        nearest = address
    return nearest
